"""Two-step sign-in as a person meets it: an app, recovery codes, what is required of everybody."""

from __future__ import annotations

import re
from datetime import UTC, timedelta
from typing import Any

import pyotp
import pytest

from portal import accounts, clock, person_links, two_step, vault
from portal.models import AuditLine, Authenticator, RecoveryCode, Session, SignInAttempt, User
from tests.conftest import PASSWORD
from tests.test_people import mails

__all__ = ["mails"]  # a fixture


def code(key: str, steps: int = 0) -> str:
    return pyotp.TOTP(key).generate_otp(int(clock.now().replace(tzinfo=UTC).timestamp()) // 30 + steps)


def set_up(browser: Any) -> tuple[str, list[str]]:
    """(the key, the recovery codes) after setting up an app through the pages."""
    page = browser.get("/profile/two-step/app")
    sent = browser.form_values(page.text, "/profile/two-step/app")
    assert "data:image/svg+xml" in page.text
    wrong = browser.post("/profile/two-step/app", data=sent | {"code": "000000"})
    assert wrong.status_code == 422 and browser.form_values(wrong.text, "/profile/two-step/app")["key"] == sent["key"]
    done = browser.post("/profile/two-step/app", data=sent | {"code": code(sent["key"], -1)})
    codes = re.findall(r"\b[a-z0-9]{5}-[a-z0-9]{5}-[a-z0-9]{5}\b", done.text)
    assert done.status_code == 200 and len(codes) == 10
    return sent["key"], codes


def enter(browser: Any, typed: str) -> Any:
    """The password, then `typed` as the second step."""
    first = browser.send_form("/sign-in", {"email": "owner@harbor.example", "password": PASSWORD, "next": "/help"})
    assert first.status_code == 200 and browser.get("/sources").status_code == 302, "the password alone opens nothing"
    return browser.post("/sign-in/second", data=browser.form_values(first.text, "/sign-in/second") | {"code": typed})


def test_a_code_of_the_app_signs_in_once(app: Any, client: Any, owner: User) -> None:
    elsewhere = app.test_client().sign_in(owner.email, PASSWORD)
    key, _ = set_up(client)
    assert elsewhere.get("/sources").status_code == 302, "other browsers are signed out"
    right = code(key)
    answer = enter(elsewhere, right)
    assert answer.headers["Location"] == "/help" and elsewhere.get("/sources").status_code == 200
    replayed = enter(app.test_client(), right)
    assert replayed.status_code == 422 and "Each works once" in replayed.text
    assert enter(app.test_client(), code(key, -1)).status_code == 422, "an older code than the last one is used up, too"
    assert key not in str(list(Authenticator.select().dicts())) + str(list(AuditLine.select().dicts()))
    assert vault.verify(vault.current())[1] == []


def test_a_recovery_code_signs_in_once_and_only_its_hash_is_kept(app: Any, client: Any, owner: User) -> None:
    _, codes = set_up(client)
    assert codes[0] not in str(list(RecoveryCode.select().dicts()))
    assert enter(app.test_client(), codes[0].upper().replace("-", " ")).status_code == 303
    assert enter(app.test_client(), codes[0]).status_code == 422
    assert "9 of 10" in client.get("/profile/two-step").text
    fresh = client.send_form("/profile/two-step/codes", {"codes-current": codes[1]}, page="/profile/two-step")
    assert fresh.status_code == 200 and codes[2] not in fresh.text and enter(app.test_client(), codes[2]).status_code == 422
    assert {"two_step.code_on", "two_step.recovery_used", "session.refused"} <= {line.action for line in AuditLine.select()}


def test_guessing_codes_is_stopped(app: Any, client: Any, owner: User) -> None:
    key, _ = set_up(client)
    for _ in range(accounts.TRIES_PER_EMAIL):
        assert enter(app.test_client(), "123456").status_code == 422
    stopped = enter(app.test_client(), code(key, 1))
    assert stopped.status_code == 422 and "Too many tries" in stopped.text


def test_the_second_step_waits_five_minutes_for_whose_password_was_right(app: Any, client: Any, owner: User, monkeypatch: Any) -> None:
    key, _ = set_up(client)
    browser = app.test_client()
    first = browser.send_form("/sign-in", {"email": owner.email, "password": PASSWORD})
    sent = browser.form_values(first.text, "/sign-in/second") | {"code": code(key)}
    stranger = app.test_client()
    strange = stranger.form_values(stranger.get("/sign-in").text, "/sign-in")
    assert stranger.post("/sign-in/second", data=sent | {"csrf_token": strange["csrf_token"]}).headers["Location"].startswith("/sign-in")
    later = clock.now() + timedelta(minutes=5, seconds=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert browser.post("/sign-in/second", data=sent).headers["Location"].startswith("/sign-in") and Session.select().count() == 1
    assert browser.get("/sign-in/second").status_code == 303


def test_what_is_required_is_set_up_before_anything_else(app: Any, client: Any, member_client: Any, owner: User) -> None:
    team = client.get("/team")
    sent = client.form_values(team.text, "/profile/two-step/required")
    assert client.post("/profile/two-step/required", data=sent).status_code == 409, "an owner begins with themselves"
    key, _ = set_up(client)
    assert client.send_form("/profile/two-step/required", page="/team").status_code == 303
    assert "/profile/two-step/required" not in member_client.get("/profile/two-step").text
    for path in ("/sources", "/orders/new", "/profile"):
        assert member_client.get(path).headers["Location"] == "/profile/two-step"
    assert member_client.post("/sign-out").status_code == 403 and "requires two-step sign-in" in member_client.get("/profile/two-step").text
    set_up(member_client)
    assert member_client.get("/sources").status_code == 200
    refused = member_client.send_form("/profile/two-step/app/end", page="/profile/two-step")
    assert refused.status_code == 409 and two_step.ways(User.get(User.role == "admin"))
    assert client.send_form("/profile/two-step/required", page="/team").status_code == 303
    assert client.send_form("/profile/two-step/app/end", {"off-current": code(key)}, page="/profile/two-step").status_code == 303
    assert not two_step.ways(owner) and not RecoveryCode.select().where(RecoveryCode.user == owner).exists()


def test_an_open_session_alone_neither_swaps_nor_ends_the_second_step(client: Any, owner: User, mails: Any) -> None:
    key, codes = set_up(client)
    sealed, other = Authenticator.get().sealed, two_step.new_key()
    for typed in ("", "000000"):
        swap = client.send_form("/profile/two-step/app", {"key": other, "code": code(other), "current": typed})
        renew = client.send_form("/profile/two-step/codes", {"codes-current": typed}, page="/profile/two-step")
        off = client.send_form("/profile/two-step/app/end", {"off-current": typed}, page="/profile/two-step")
        for answer, field in ((swap, "current"), (renew, "codes-current"), (off, "off-current")):
            assert answer.status_code == 422 and f'id="{field}-error"' in answer.text, field
        SignInAttempt.delete().execute()
    assert Authenticator.get().sealed == sealed and two_step.codes_left(owner) == 10
    swap = client.send_form("/profile/two-step/app", {"key": other, "code": code(other, -1), "current": code(key)})
    assert swap.status_code == 200 and Authenticator.get().sealed != sealed
    fresh = re.findall(r"\b[a-z0-9]{5}-[a-z0-9]{5}-[a-z0-9]{5}\b", swap.text)
    assert client.send_form("/profile/two-step/app/end", {"off-current": fresh[0]}, page="/profile/two-step").status_code == 303
    person_links.send_due()
    told = b"".join(mails.accepted).replace(b"=\n", b"").replace(b"=\r\n", b"")
    assert told.count(b"To: owner@harbor.example") == 3 and b"was turned off" in told and told.count(b"was set up as the second") == 2


@pytest.mark.parametrize("key", ["", "short", "1" * 32, "A" * 33])
def test_a_key_that_is_none_is_not_taken(client: Any, key: str) -> None:
    sent = client.form_values(client.get("/profile/two-step/app").text, "/profile/two-step/app")
    assert client.post("/profile/two-step/app", data=sent | {"key": key, "code": "123456"}).status_code == 422
