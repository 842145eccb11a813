"""A browser left open does nothing delicate; a stranger's guesses keep nobody out; what a restore brought back opens nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from portal import accounts, api_tokens, audit, clock, commands, devices, recovery, two_step, vault
from portal.errors import Invalid, Refused
from portal.models import ApiToken, AuditLine, PersonLink, RecoveryCode, Session, SignInAttempt, database
from portal.operation import checks
from portal.web.permissions import PROVED, right_of
from tests.conftest import PASSWORD
from tests.web.test_permissions import guarded
from tests.web.test_tenants import ENTRIES
from tests.web.test_two_step import code
from tests.web.walk import address, belongings

WRONG = "a wrong password 1"


def left_open(user: Any) -> None:
    """The password was given too long ago."""
    Session.update(proved_at=clock.now() - accounts.RECENT_PROOF - timedelta(seconds=1)).where(Session.user == user).execute()


@pytest.mark.one_database
def test_every_delicate_act_asks_for_the_password_again(own_app: Any, merchant: Any, owner: Any) -> None:
    own, done = belongings(merchant), []
    client = own_app.test_client().sign_in(owner.email, PASSWORD)
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    delicate = [rule for rule, method in guarded(own_app) if method == "POST" and right_of(rule.endpoint, "POST") in PROVED]
    assert len(delicate) > 30 and {"api_tokens.create", "connections.save", "danger.deletion", "team.save_role", "closing.close"} <= {
        rule.endpoint for rule in delicate
    }
    places = [(rule, address(own_app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {})))) for rule in delicate]
    for rule, _ in places:
        own_app.view_functions[rule.endpoint] = lambda **_: (done.append(1), ("", 204))[1]
    for _, path in places:
        assert client.post(path, data={"csrf_token": token}).status_code == 204
    count = len(done)
    left_open(owner)
    for rule, path in places:
        answer = client.post(path, data={"csrf_token": token})
        assert answer.status_code == 303 and answer.headers["Location"].startswith("/prove"), rule.endpoint
        assert "password" in client.post(path, data={"csrf_token": token, "name": "typed"}, follow_redirects=True).text, rule.endpoint
    assert len(done) == count


@pytest.mark.one_database
def test_what_was_typed_is_carried_through_the_question(client: Any, owner: Any) -> None:
    form = client.form_values(client.get("/api-tokens/new").text, "/api-tokens/new")
    left_open(owner)
    asked = client.post("/api-tokens/new", data={**form, "name": "Till", "scopes": "orders:read"})
    assert asked.status_code == 401 and not ApiToken.select().exists()
    carried = client.form_values(asked.text, "/prove")
    assert client.post("/prove", data={**carried, "password": WRONG}).status_code == 422
    again = client.post("/prove", data={**carried, "password": PASSWORD})
    assert "The password is right" in again.text
    made = client.post("/api-tokens/new", data=client.form_values(again.text, "/api-tokens/new"))
    assert made.status_code == 200 and ApiToken.get().name == "Till"


def test_a_known_browser_signs_in_while_a_stranger_guesses(anonymous: Any, app: Any, owner: Any, other_owner: Any) -> None:
    known = app.test_client().sign_in(owner.email, PASSWORD)
    for n in range(accounts.TRIES_PER_EMAIL):
        with pytest.raises(Refused, match="do not match"):
            accounts.check_password(owner.email, WRONG, f"203.0.113.{n}")
    with pytest.raises(Refused, match="Too many"):
        accounts.check_password(owner.email, PASSWORD, "203.0.113.9")
    for kept in ("", "x.y", devices.make(other_owner.email), devices.make(owner.email)[:-1] + "0", "é" * 20, "a" * 300 + ".b"):
        if kept != devices.make(owner.email):
            with pytest.raises(Refused, match="Too many"):
                accounts.check_password(owner.email, PASSWORD, "203.0.113.9", kept)
    known.send_form("/sign-out", page="/help")
    assert known.send_form("/sign-in", {"email": owner.email, "password": PASSWORD}).status_code == 303
    refused = anonymous.send_form("/sign-in", {"email": owner.email, "password": PASSWORD})
    assert refused.status_code == 422 and "Too many tries" in refused.text, "a stranger's count begins not anew with the person's sign-in"


def test_a_browser_that_was_taken_is_slowed_down_too(owner: Any) -> None:
    kept = devices.make(owner.email)
    for _ in range(accounts.TRIES_PER_EMAIL):
        with pytest.raises(Refused, match="do not match"):
            accounts.check_password(owner.email, WRONG, "", kept)
    with pytest.raises(Refused, match="Too many"):
        accounts.check_password(owner.email, PASSWORD, "", kept)
    assert accounts.check_password(owner.email, PASSWORD, "", devices.make(owner.email)) == owner
    vault.rotate(vault.current())
    assert devices.known(owner.email, kept) and devices.known(owner.email.upper(), kept) and not devices.known("x@y.example", kept)
    assert SignInAttempt.select().where(SignInAttempt.key.contains(owner.email)).count() == 0


def test_who_has_the_password_alone_keeps_nobody_out_of_their_browser(owner: Any, stepped: list[str]) -> None:
    for _ in range(accounts.TRIES_PER_EMAIL):
        with pytest.raises(Refused, match="does not fit"):
            two_step.check(owner, "000000", "203.0.113.9")
    with pytest.raises(Refused, match="Too many"):
        two_step.check(owner, stepped[0], "203.0.113.9")
    two_step.check(owner, stepped[0], "", devices.make(owner.email))


@pytest.fixture
def stepped(owner: Any) -> list[str]:
    """The owner's recovery codes, beside an app."""
    key, session = two_step.new_key(), accounts.open_session(owner)
    kept = accounts.session_for(session)
    assert kept is not None
    return two_step.enable(owner, key, code(key), kept, "")


def test_what_a_restore_brought_back_opens_nothing_before_somebody_says_so(anonymous: Any, owner: Any, merchant: Any, stepped: Any) -> None:
    token, secret = api_tokens.make(merchant, "Till", ["orders:read"], None, "90", owner.email)
    gone, _ = api_tokens.make(merchant, "Old", ["orders:read"], None, "90", owner.email)
    api_tokens.revoke(gone, owner.email)
    assert checks.suspended().state == checks.OK and api_tokens.of_secret(secret) is not None
    with database.atomic():
        recovery.after_restore()
    assert api_tokens.of_secret(secret) is None and two_step.codes_left(owner) == 0
    with pytest.raises(Refused):
        two_step.check(owner, stepped[0], "")
    assert RecoveryCode.select().where(RecoveryCode.used_at.is_null(False)).count() == 0
    client, line = anonymous, checks.suspended()
    client.set_cookie("quayside_session", accounts.open_session(owner))
    assert line.state == checks.WARN and line.facts == {"tokens": 1, "people": 1}
    assert (
        "1 token is suspended" in client.get("/api-tokens").text and "recovery codes are suspended" in client.get("/profile/two-step").text
    )
    at = f"/api-tokens/{token.public_id}/resumption"
    assert client.send_form(at, page="/api-tokens").status_code == 303
    assert api_tokens.of_secret(secret) is not None
    api_tokens.resume(gone, owner.email)
    assert ApiToken.get_by_id(gone.id).revoked_at is not None and checks.suspended().facts == {"tokens": 0, "people": 1}


def test_an_operator_ends_the_second_step_of_who_lost_it(merchant: Any, owner: Any, stepped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.person_links.can_mail", lambda: True)
    with pytest.raises(Invalid):
        two_step.end_for(owner, " ")
    done = CliRunner().invoke(commands.end_two_step, ["--email", owner.email, "--reason", "called back at the office", "--json"])
    assert done.exit_code == 0 and '"had": ["code"]' in done.output
    assert two_step.ways(owner) == [] and not Session.select().exists() and not RecoveryCode.select().exists()
    line = AuditLine.get(AuditLine.action == "two_step.ended_for")
    assert line.after == {"reason": "called back at the office"} and audit.verify(merchant) == []
    mail = PersonLink.get(PersonLink.kind == "two_step", PersonLink.role == "ended")
    assert mail.made_by == owner.email and mail.mail == "due"
    again = CliRunner().invoke(commands.end_two_step, ["--email", owner.email, "--reason", "once more"])
    assert again.exit_code == 4 and "no second step" in again.output
