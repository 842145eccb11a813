"""Passkeys: what is right signs in once; what is replayed, from elsewhere, somebody else's, removed or copied does not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from portal import accounts, audit, clock, passkeys, two_step
from portal.errors import Invalid, NotFound, Refused
from portal.models import AuditLine, Merchant, Passkey, PersonLink, Session, User
from tests.conftest import PASSWORD
from tests.passkey import Key
from tests.web.test_two_step import code


def session_of(user: User) -> Session:
    found = accounts.session_for(accounts.open_session(user))
    assert found is not None
    return found


def made(user: User, name: str = "Laptop", **about: Any) -> Key:
    """A passkey that the person made."""
    here, session = passkeys.site(), session_of(user)
    key = Key(here.name, here.origin, **about)
    passkeys.finish_making(user, session, name, key.make(passkeys.begin_making(user, session)), "")
    return key


def entered(key: Key, **but: Any) -> User:
    token, options = passkeys.begin_sign_in()
    return passkeys.sign_in(token, key.sign(options, **but), "")


def test_a_passkey_is_made_once_and_signs_in(owner: User, merchant: Merchant) -> None:
    before, here = session_of(owner), session_of(owner)
    site = passkeys.site()
    key = Key(site.name, site.origin)
    answer = key.make(passkeys.begin_making(owner, here))
    codes = passkeys.finish_making(owner, here, " My  laptop ", answer, "127.0.0.1")
    assert len(codes) == two_step.CODES and two_step.ways(owner) == ["passkey"]
    assert not Session.select().where(Session.id == before.id).exists(), "other browsers sign in anew"
    kept = Passkey.get().__data__
    Passkey.delete().execute()
    with pytest.raises(Invalid):
        passkeys.finish_making(owner, here, "Again", answer, "")  # its challenge was used
    Passkey.insert(kept).execute()
    assert entered(key) == owner and entered(key) == owner
    (row,) = passkeys.of(owner)
    assert (row.name, row.uses) == ("My laptop", 2) and row.used_at is not None
    assert two_step.renew_codes(owner, "", "") != codes  # there is no code to show
    second = made(owner, "Phone", counts=False)
    assert entered(second) == entered(second) == owner  # one that counts nothing
    assert audit.verify(merchant) == []


def test_what_is_not_made_as_asked_is_not_kept(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    here, other = session_of(owner), session_of(owner)
    site = passkeys.site()
    key = Key(site.name, site.origin)
    for but in ({"origin": "https://evil.example"}, {"site": "evil.example"}, {"verified": False}, {"challenge": "AAAA"}):
        with pytest.raises(Invalid):
            passkeys.finish_making(owner, here, "Laptop", key.make(passkeys.begin_making(owner, here), **but), "")
    with pytest.raises(Invalid):  # asked in one browser, answered in another
        passkeys.finish_making(owner, other, "Laptop", key.make(passkeys.begin_making(owner, here)), "")
    for text in ("", "{}", "[]", "null", "x" * 30_000, '{"id": 1}'):
        passkeys.begin_making(owner, here)
        with pytest.raises(Invalid):
            passkeys.finish_making(owner, here, "Laptop", text, "")
    with pytest.raises(Invalid):
        passkeys.finish_making(owner, here, " ", key.make(passkeys.begin_making(owner, here)), "")
    options, real = passkeys.begin_making(owner, here), clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=5, seconds=1))
    with pytest.raises(Invalid):
        passkeys.finish_making(owner, here, "Laptop", key.make(options), "")
    assert not Passkey.select().exists() and two_step.ways(owner) == []


def test_attacks_are_refused_in_the_same_words(owner: User, other_owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    key, theirs = made(owner), made(other_owner)
    for but in (
        {"origin": "https://evil.example"}, {"site": "evil.example"}, {"verified": False}, {"challenge": "AAAA"},
        {"handle": other_owner.public_id.encode()}, {"handle": b""}, {"id": theirs.id}, {"id": b"unknown"},
        {"id": theirs.id, "handle": other_owner.public_id.encode()}, {"secret": ec.generate_private_key(ec.SECP256R1())},
    ):  # fmt: skip
        with pytest.raises(Refused) as refused:
            entered(key, **but)
        assert str(refused.value) == passkeys.NO_MATCH, but
    for text in ("", "{}", "[]", "null", "1", '{"id": "x"}', '{"id": "x", "response": []}', "[" * 5_000):
        token, options = passkeys.begin_sign_in()
        with pytest.raises(Refused):
            passkeys.sign_in(token, text, "")
    token, options = passkeys.begin_sign_in()
    signed = key.sign(options)
    assert passkeys.sign_in(token, signed, "") == owner
    with pytest.raises(Refused):
        passkeys.sign_in(token, signed, "")  # replayed
    with pytest.raises(Refused):
        passkeys.sign_in(token, key.sign(options), "")  # signed anew, for the same challenge
    for wrong in ("", "a.b.c", token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace(".", ".9", 1), "é"):
        with pytest.raises(Refused):
            passkeys.sign_in(wrong, key.sign(options), "")
    token, options = passkeys.begin_sign_in()
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=5, seconds=1))
    with pytest.raises(Refused):
        passkeys.sign_in(token, key.sign(options), "")
    assert entered(key) == owner


def test_a_copy_is_refused_and_told_of_and_a_forged_one_tells_nothing(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.person_links.can_mail", lambda: True)
    key = made(owner)
    entered(key)
    entered(key)
    with pytest.raises(Refused):
        entered(key, uses=9, secret=ec.generate_private_key(ec.SECP256R1()))
    assert not AuditLine.select().where(AuditLine.action == "two_step.passkey_copied").exists()
    for uses in (1, 0, 2):
        with pytest.raises(Refused, match="did not sign you in"):
            entered(key, uses=uses)
    line = AuditLine.select().where(AuditLine.action == "two_step.passkey_copied").first()
    assert line.after == {"uses": 1, "name": "Laptop"} and PersonLink.select().where(PersonLink.role == "passkey copied").exists()
    assert entered(key) == owner


def test_what_was_removed_opens_nothing_and_the_last_one_stays_where_it_is_required(owner: User, other_owner: User) -> None:
    key, spare = made(owner), made(owner, "Phone")
    first, second = passkeys.of(owner)
    with pytest.raises(NotFound):
        passkeys.remove(other_owner, first.public_id, "")
    two_step.require(owner, two_step.ONLY_PASSKEYS, "")
    owner = User.get_by_id(owner.id)
    passkeys.remove(owner, first.public_id, "")
    with pytest.raises(Refused):
        entered(key)
    with pytest.raises(Refused, match="requires it"):
        passkeys.remove(owner, second.public_id, "")
    assert entered(spare) == owner
    User.update(disabled_at=clock.now()).where(User.id == owner.id).execute()
    with pytest.raises(Refused):
        entered(spare)


def test_where_passkeys_are_required_a_code_of_an_app_does_not_do(owner: User, member: User) -> None:
    secret = two_step.new_key()
    two_step.enable(owner, secret, code(secret), session_of(owner), "")
    with pytest.raises(Refused, match="passkey for yourself"):
        two_step.require(owner, two_step.ONLY_PASSKEYS, "")
    made(owner)
    two_step.require(owner, two_step.ONLY_PASSKEYS, "")
    owner, member = User.get_by_id(owner.id), User.get_by_id(member.id)
    assert not two_step.must_set_up(owner) and two_step.must_set_up(member)
    with pytest.raises(Refused):
        two_step.check(owner, code(secret, 1), "")
    recovery = two_step.new_recovery_codes(owner, "")
    two_step.check(owner, recovery[0], "")


@pytest.mark.one_database
def test_on_its_pages_it_counts_as_both_steps(client: Any, app: Any, owner: User) -> None:
    page = client.get("/profile/two-step/passkeys/new")
    token = client.form_values(page.text, "/profile/two-step/passkeys/new")["csrf_token"]
    options = client.post("/profile/two-step/passkeys/options", headers={"X-CSRF-Token": token})
    here = passkeys.site()
    key = Key(here.name, here.origin)
    sent = {"csrf_token": token, "name": "Laptop", "credential": key.make(options.text)}
    assert "recovery codes" in client.post("/profile/two-step/passkeys/new", data=sent).text
    assert "Laptop" in client.get("/profile/two-step").text
    guest = app.test_client()
    form = guest.form_values(guest.get("/sign-in?next=/orders").text, "/sign-in/passkey")
    asked = guest.post("/sign-in/passkey/options", headers={"X-CSRF-Token": form["csrf_token"]})
    cookie = asked.headers["Set-Cookie"]
    assert asked.is_json and "HttpOnly" in cookie and "SameSite=Lax" in cookie and guest.post("/sign-in/passkey/options").status_code == 403
    signed = key.sign(asked.text)
    assert guest.post("/sign-in/passkey", data={**form, "credential": "{}"}).status_code == 422
    form = guest.form_values(guest.get("/sign-in?next=/orders").text, "/sign-in/passkey")
    assert guest.post("/sign-in/passkey", data={**form, "credential": signed}).status_code == 422, "its challenge was judged already"
    asked = guest.post("/sign-in/passkey/options", headers={"X-CSRF-Token": form["csrf_token"]})
    answer = guest.post("/sign-in/passkey", data={**form, "credential": key.sign(asked.text)})
    assert answer.status_code == 303 and answer.headers["Location"] == "/orders" and guest.get("/orders").status_code == 200
    half = app.test_client()
    assert "passkey-button" in half.send_form("/sign-in", {"email": owner.email, "password": PASSWORD}).text
    assert half.get("/orders").status_code == 302
