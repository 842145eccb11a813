"""Who may sign in, and how guessing is kept slow."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from portal import accounts, audit, clock, passwords
from portal import config as settings
from portal.errors import Invalid, NotFound, Refused
from portal.models import AuditLine, Merchant, Session, SignInAttempt, User, database

PASSWORD = "kites over the harbour"
ANOTHER = "seven lanterns at dusk"


def test_the_right_password_opens_a_session_whose_token_is_not_kept(owner):
    user, token = accounts.sign_in(" Owner@Harbor.example ", PASSWORD, "127.0.0.1", "Firefox")
    assert user == owner
    session = accounts.session_for(token)
    assert session.user == owner and session.user.merchant.name == "Harbor & Pine"
    assert token not in str(Session.select().dicts().get())


@pytest.mark.parametrize("email", ["owner@harbor.example", "nobody@harbor.example", "own\x00er", ""])
def test_a_wrong_password_and_an_unknown_email_get_the_same_words(owner, email):
    with pytest.raises(Refused) as refused:
        accounts.sign_in(email, "not the password", "127.0.0.1", "")
    assert str(refused.value) == accounts.NO_MATCH


def test_a_disabled_user_gets_the_words_of_a_wrong_password(owner):
    User.update(disabled_at=clock.now()).execute()
    with pytest.raises(Refused, match="do not match"):
        accounts.sign_in(owner.email, PASSWORD, "", "")


@pytest.mark.parametrize("email", ["owner@harbor.example", "nobody@harbor.example"])
def test_the_sixth_try_waits_even_with_the_right_password(owner, monkeypatch, email):
    for _ in range(accounts.TRIES_PER_EMAIL):
        with pytest.raises(Refused, match="do not match"):
            accounts.sign_in(email, "wrong", "10.0.0.1", "")
    with pytest.raises(Refused, match="Too many tries"):
        accounts.sign_in(email, PASSWORD, "10.0.0.2", "")
    later = clock.now() + accounts.ATTEMPT_WINDOW
    monkeypatch.setattr(clock, "now", lambda: later)
    if email == owner.email:
        assert accounts.sign_in(email, PASSWORD, "10.0.0.2", "")


def test_tries_at_once_are_no_more_than_one_by_one(owner, monkeypatch):
    judged, all_in = [], threading.Barrier(9)

    def slow(_hash, typed):
        judged.append(typed)
        time.sleep(0.3)  # a hash is slow: the others arrive meanwhile
        return False

    def guess(n):
        with database.connection_context():
            all_in.wait(10)
            with pytest.raises(Refused):
                accounts.check_password(owner.email, f"guess {n}", "10.0.0.1")

    monkeypatch.setattr(passwords, "matches", slow)
    with ThreadPoolExecutor(9) as pool:
        list(pool.map(guess, range(9)))
    assert len(judged) <= accounts.TRIES_PER_EMAIL
    monkeypatch.undo()
    SignInAttempt.delete().execute()
    for _ in range(accounts.TRIES_PER_EMAIL * 2):
        accounts.check_password(owner.email, PASSWORD, "10.0.0.1")
    assert not SignInAttempt.select().exists(), "right ones do not count"


def test_one_address_cannot_try_many_emails(owner):
    for n in range(accounts.TRIES_PER_ADDRESS):
        with pytest.raises(Refused, match="do not match"):
            accounts.sign_in(f"p{n}@harbor.example", "wrong", "10.0.0.1", "")
    with pytest.raises(Refused, match="Too many tries"):
        accounts.sign_in("fresh@harbor.example", "wrong", "10.0.0.1", "")


def test_tries_hold_no_email_in_the_clear(owner):
    with pytest.raises(Refused):
        accounts.sign_in("someone@harbor.example", "wrong", "10.0.0.1", "")
    assert all(len(row.key) == 64 for row in SignInAttempt.select())


@pytest.mark.parametrize("after", [accounts.IDLE, accounts.LONGEST_SESSION])
def test_a_session_ends_idle_and_in_any_case(owner, monkeypatch, after):
    token = accounts.open_session(owner)
    start = clock.now()
    moment = start
    while moment + timedelta(hours=6) < start + after:  # in use all the time
        moment += timedelta(hours=6)
        monkeypatch.setattr(clock, "now", lambda at=moment: at)
        if after == accounts.LONGEST_SESSION:
            assert accounts.session_for(token) is not None
    monkeypatch.setattr(clock, "now", lambda: start + after + timedelta(seconds=1))
    assert accounts.session_for(token) is None
    accounts.tidy()
    assert Session.select().count() == 0


def test_a_session_ends_when_its_user_is_disabled_or_signs_out(owner):
    token = accounts.open_session(owner)
    User.update(disabled_at=clock.now()).execute()
    assert accounts.session_for(token) is None
    User.update(disabled_at=None).execute()
    accounts.sign_out(accounts.session_for(token))
    assert accounts.session_for(token) is None
    assert accounts.session_for("") is None and accounts.session_for("made up") is None


def test_a_new_password_ends_the_other_sessions_only(owner):
    here, elsewhere = accounts.open_session(owner), accounts.open_session(owner)
    accounts.change_password(owner, PASSWORD, ANOTHER, accounts.session_for(here))
    assert accounts.session_for(here) is not None and accounts.session_for(elsewhere) is None
    assert accounts.sign_in(owner.email, ANOTHER, "", "")
    with pytest.raises(Refused):
        accounts.sign_in(owner.email, PASSWORD, "", "")


def test_changing_the_password_needs_the_current_one_and_is_throttled(owner):
    for _ in range(accounts.TRIES_PER_EMAIL):
        with pytest.raises(Invalid) as refused:
            accounts.change_password(owner, "wrong", ANOTHER)
        assert set(refused.value.errors) == {"current"}
    with pytest.raises(Refused, match="Too many"):
        accounts.change_password(owner, PASSWORD, ANOTHER)


def test_guessing_at_the_sign_in_page_does_not_lock_a_signed_in_person_in(owner):
    session = accounts.session_for(accounts.open_session(owner))
    for _ in range(accounts.TRIES_PER_EMAIL):
        with pytest.raises(Refused):
            accounts.sign_in(owner.email, "wrong", "10.0.0.1", "")
    accounts.prove(session, PASSWORD)


def test_proof_of_the_password_lasts_ten_minutes(owner, monkeypatch):
    session = accounts.session_for(accounts.open_session(owner))
    assert accounts.proved_recently(session)
    later = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert not accounts.proved_recently(session)
    with pytest.raises(Refused, match="not your password"):
        accounts.prove(session, "wrong")
    accounts.prove(session, PASSWORD)
    assert accounts.proved_recently(session)


@pytest.mark.parametrize(
    "password",
    ["short", "passwordpassword", "123456789012", "aaaaaaaaaaaaaaaa", "qwertyuiop[]", "Password1234!", "quayside2026",
     "owner@harbor.example", "x" * 257],
)  # fmt: skip
def test_a_guessable_or_short_password_is_refused(merchant, password):
    with pytest.raises(Invalid) as refused:
        accounts.create_user(merchant, "owner@harbor.example", password)
    assert set(refused.value.errors) == {"password"}
    assert not User.select().exists()


@pytest.mark.parametrize(
    "password", ["kites over the harbour", "日本語のパスワードは長い", "long " + "kites over the harbour " * 9, "xq7-mfd2-kvw9-hzt4"]
)
def test_long_passwords_and_those_in_other_scripts_are_taken(merchant, password):
    accounts.create_user(merchant, "someone@harbor.example", password)
    assert accounts.sign_in("someone@harbor.example", password, "", "")


def test_the_same_accent_typed_in_two_ways_is_one_password(merchant):
    accounts.create_user(merchant, "someone@harbor.example", "caf\u00e9 by the long quay")
    assert accounts.sign_in("someone@harbor.example", "cafe\u0301 by the long quay", "", "")


def test_an_email_signs_in_once_whatever_its_letters(owner, other_merchant):
    with pytest.raises(Invalid) as refused:
        accounts.create_user(other_merchant, "OWNER@harbor.example", PASSWORD)
    assert "email" in refused.value.errors


def test_wrong_details_are_named_all_at_once(merchant):
    with pytest.raises(Invalid) as refused:
        accounts.create_user(merchant, "no address", "short", role="king")
    assert set(refused.value.errors) == {"email", "password", "role"}
    with pytest.raises(Invalid):
        accounts.create_merchant("  ", "Mars/Base")


def test_the_first_start_makes_an_owner_once(config):
    password = accounts.ensure_owner(config)
    assert password and accounts.sign_in("owner@example.com", password, "", "")[0].role == "owner"
    assert accounts.ensure_owner(config) is None
    assert User.select().count() == Merchant.select().count() == 1


def test_the_first_owner_may_be_given_by_the_settings(db, config, tmp_path):
    given = settings.read({"DATA_DIR": str(tmp_path), "DATABASE_URL": db, "OWNER_EMAIL": "me@shop.example", "OWNER_PASSWORD": PASSWORD})
    assert accounts.ensure_owner(given) is None
    assert accounts.sign_in("me@shop.example", PASSWORD, "", "")


def test_an_unfit_password_of_the_settings_leaves_nothing_behind(db, config, tmp_path):
    given = settings.read({"DATA_DIR": str(tmp_path), "DATABASE_URL": db, "OWNER_PASSWORD": "short"})
    with pytest.raises(Invalid):
        accounts.ensure_owner(given)
    assert not Merchant.select().exists()


def test_the_operator_can_set_a_forgotten_password(owner):
    token = accounts.open_session(owner)
    accounts.set_password(owner.email, ANOTHER)
    assert accounts.session_for(token) is None
    assert accounts.sign_in(owner.email, ANOTHER, "", "")
    with pytest.raises(NotFound):
        accounts.set_password("nobody@harbor.example", ANOTHER)


def test_signing_in_and_failing_to_are_in_the_audit_log_without_the_password(owner):
    with pytest.raises(Refused):
        accounts.sign_in(owner.email, "wrong-secret-word", "10.0.0.9", "")
    accounts.sign_in(owner.email, PASSWORD, "10.0.0.9", "")
    lines = list(AuditLine.select().order_by(AuditLine.number).dicts())
    assert [line["action"] for line in lines][-2:] == ["session.refused", "session.open"]
    assert lines[-1]["address"] == "10.0.0.9"
    assert "wrong-secret-word" not in str(lines) and PASSWORD not in str(lines)
    assert audit.verify(owner.merchant) == []


def test_old_tries_are_tidied_away(owner, monkeypatch):
    with pytest.raises(Refused):
        accounts.sign_in(owner.email, "wrong", "10.0.0.9", "")
    accounts.tidy()
    assert SignInAttempt.select().count() == 2
    later = clock.now() + accounts.ATTEMPT_WINDOW
    monkeypatch.setattr(clock, "now", lambda: later)
    accounts.tidy()
    assert SignInAttempt.select().count() == 0
