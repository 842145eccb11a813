"""The people of a workspace: invitations, roles, access, links that work once."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from portal import accounts, api_tokens, audit, clock, people, person_links, plans, recovery, roles, two_step
from portal import config as settings
from portal.errors import Forbidden, Invalid, NotFound, Refused
from portal.models import AuditLine, Merchant, PersonLink, Session, SignInAttempt, User, database
from tests.conftest import PASSWORD
from tests.outbox.mail_server import mail_server

ANOTHER = "seven lanterns at dusk"


@pytest.fixture
def admin(member: User) -> User:
    return member


@pytest.fixture
def mails(config: Any) -> Any:
    """The mail server that this installation sends by."""
    with mail_server() as server:
        told = {"smtp_host": "127.0.0.1", "smtp_port": server.port, "smtp_security": "plain", "smtp_from": "portal@quayside.example"}
        settings.use(replace(config, egress_allow="127.0.0.1/32", **told))
        yield server


def token_in(message: bytes) -> str:
    found = re.search(rb"/(?:invitation|reset|new-address)/([\w-]{43})", message)
    assert found, message
    return found[1].decode()


def join(actor: User, email: str, role: str) -> User:
    people.accept(people.invite(actor, email, role), ANOTHER, "10.0.0.9", "Firefox")
    return User.get(User.email == email)


def test_an_invitation_makes_a_person_once_and_keeps_no_token(owner: User) -> None:
    token = people.invite(owner, " New@Harbor.example ", "operator")
    assert token not in str(list(PersonLink.select().dicts()))
    with pytest.raises(Invalid, match="at least 12"):
        people.accept(token, "short", "", "")
    opened = people.accept(token, ANOTHER, "10.0.0.9", "Firefox")
    session = accounts.session_for(opened)
    assert session and (session.user.email, session.user.role, session.user.merchant_id) == (
        "new@harbor.example",
        "operator",
        owner.merchant_id,
    )
    for gone in (token, "made-up", ""):
        with pytest.raises(NotFound):
            people.accept(gone, ANOTHER, "", "")
    lines = list(AuditLine.select().where(AuditLine.action << ["user.invite", "user.join"]).order_by(AuditLine.number))
    assert [line.who for line in lines] == [owner.email, "new@harbor.example"] and lines[1].after["invited by"] == owner.email
    assert token not in str([line.after for line in lines]) and not audit.verify(owner.merchant)


def test_an_invitation_ends_after_two_hours_when_taken_back_and_when_sent_anew(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    first = people.invite(owner, "new@harbor.example", "reader")
    second = people.invite(owner, "new@harbor.example", "reader")
    with pytest.raises(NotFound):
        person_links.open_link("invite", first)
    people.take_back(owner, people.invitations(owner.merchant)[0].public_id)
    with pytest.raises(NotFound):
        person_links.open_link("invite", second)
    third, later = people.invite(owner, "new@harbor.example", "reader"), clock.now() + timedelta(hours=2, seconds=1)
    with pytest.raises(NotFound):
        person_links.open_link("reset", third)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(NotFound):
        person_links.open_link("invite", third)


def test_nobody_is_flooded_with_invitations(owner: User, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(people.MOST_TO_ONE):
        people.invite(owner, "new@harbor.example", "reader")
        people.take_back(owner, people.invitations(owner.merchant)[0].public_id)
    with pytest.raises(Refused, match="invited 5 times within a day"):
        people.invite(owner, "new@harbor.example", "reader")
    monkeypatch.setattr(people, "MOST_A_DAY", people.MOST_TO_ONE + 1)
    people.invite(owner, "other@harbor.example", "reader")
    with pytest.raises(Refused, match="within a day"):
        people.invite(owner, "third@harbor.example", "reader")
    later = clock.now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert people.invite(owner, "new@harbor.example", "reader")


def test_an_inviter_who_lost_the_right_lets_nobody_in(owner: User, admin: User) -> None:
    token = people.invite(admin, "new@harbor.example", "operator")
    people.change_role(owner, admin, "operator")
    with pytest.raises(Refused, match="may not do so any more"):
        people.accept(token, ANOTHER, "", "")
    assert not User.select().where(User.email == "new@harbor.example").exists()


def test_admins_neither_make_nor_touch_owners_and_nobody_changes_themselves(owner: User, admin: User) -> None:
    with pytest.raises(Invalid, match="Only an owner makes owners"):
        people.invite(admin, "new@harbor.example", "owner")
    other = join(admin, "new@harbor.example", "operator")
    with pytest.raises(Invalid):
        people.change_role(admin, other, "owner")
    for act in (lambda: people.change_role(admin, owner, "reader"), lambda: people.set_disabled(admin, owner, True)):
        with pytest.raises(Forbidden, match="Only an owner"):
            act()
    for actor in (owner, admin):
        with pytest.raises(Refused, match="their own role"):
            people.change_role(actor, actor, "reader")
    with pytest.raises(Forbidden):
        people.change_role(other, admin, "reader")
    people.change_role(owner, other, "owner")
    assert User.get_by_id(other.id).role == "owner"


def test_a_new_role_and_an_end_of_access_end_the_sessions(owner: User, admin: User) -> None:
    for act in (lambda: people.change_role(owner, admin, "operator"), lambda: people.set_disabled(owner, admin, True)):
        token = accounts.open_session(admin)
        act()
        assert accounts.session_for(token) is None and not Session.select().where(Session.user == admin).exists()
    with pytest.raises(Refused, match="do not match"):
        accounts.sign_in(admin.email, PASSWORD, "", "")
    people.set_disabled(owner, admin, False)
    assert accounts.sign_in(admin.email, PASSWORD, "", "")
    told = [
        (line.action, line.before, line.after)
        for line in AuditLine.select().where(AuditLine.action.startswith("user.")).order_by(AuditLine.id)
    ]
    assert ("user.role", {"role": "admin"}, {"role": "operator"}) in told and (
        "user.disable",
        {"disabled": False},
        {"disabled": True},
    ) in told


def test_one_owner_always_remains_under_two_requests_at_once(owner: User) -> None:
    for n in range(4):
        other = join(owner, f"owner{n}@harbor.example", "owner")
        pairs = [(owner, other), (other, owner)]

        def demote(pair: tuple[User, User]) -> str:
            with database.connection_context():
                try:
                    people.change_role(*pair, "admin")
                except (Refused, Forbidden) as refused:
                    return type(refused).__name__
                return "done"

        with ThreadPoolExecutor(2) as pool:
            said = sorted(pool.map(demote, pairs))
        assert said == ["Forbidden", "done"]
        left = list(User.select().where(User.merchant == owner.merchant, User.role == "owner"))
        assert len(left) == 1
        owner = left[0]


def test_the_plan_holds_so_many_people_and_a_disabled_one_frees_the_seat(owner: User, admin: User) -> None:
    plans.set_limits(owner.merchant, {"users": 3}, "operator")
    token = people.invite(owner, "new@harbor.example", "reader")
    with pytest.raises(Refused, match="Your plan holds 3 people, and there are 3"):
        people.invite(owner, "more@harbor.example", "reader")
    people.accept(token, ANOTHER, "", "")
    people.set_disabled(owner, admin, True)
    join(owner, "more@harbor.example", "reader")
    with pytest.raises(Refused, match="Your plan holds 3"):
        people.set_disabled(owner, admin, False)


def test_with_a_mail_server_the_worker_makes_the_link_and_sends_it(owner: User, mails: Any) -> None:
    assert people.invite(owner, "new@harbor.example", "reader") == ""
    assert PersonLink.get().token_hash is None, "no link is there before the worker makes it"
    assert person_links.send_due() == 1 and person_links.send_due() == 0
    assert b"owner@harbor.example invites you to Harbor & Pine" in mails.accepted[0]
    people.accept(token_in(mails.accepted[0]), ANOTHER, "", "")


def test_a_reset_goes_to_whom_it_belongs_and_says_the_same_to_everybody(owner: User, mails: Any, counting: Callable[..., Any]) -> None:
    work = []
    for email in (owner.email, "nobody@nowhere.example"):
        with counting() as queries:
            recovery.ask_reset(email, "10.0.0.9")
        work.append([re.sub(r"\[.*", "", query) for query in queries])
    assert work[0] == work[1], "the same statements, so the same time"
    assert person_links.send_due() == 1 and len(mails.accepted) == 1 and b"To: owner@harbor.example" in mails.accepted[0]
    assert PersonLink.select().count() == 1, "nothing stays of an address that is nobody's"
    session, token = accounts.open_session(owner), token_in(mails.accepted[0])
    with pytest.raises(Invalid):
        recovery.reset(token, "password12345", "")
    recovery.reset(token, ANOTHER, "10.0.0.9")
    assert accounts.session_for(session) is None and accounts.sign_in(owner.email, ANOTHER, "", "")
    with pytest.raises(NotFound):
        recovery.reset(token, PASSWORD, "")
    assert AuditLine.select().where(AuditLine.action == "user.reset").count() == 1


@pytest.mark.parametrize("email", ["owner@harbor.example", "nobody@nowhere.example"])
def test_asking_for_resets_is_throttled_alike(owner: User, mails: Any, email: str) -> None:
    for _ in range(accounts.TRIES_PER_EMAIL):
        recovery.ask_reset(email, "")
    with pytest.raises(Refused, match="Too many tries"):
        recovery.ask_reset(email, "")
    assert SignInAttempt.select().count() == accounts.TRIES_PER_EMAIL and accounts.sign_in(owner.email, PASSWORD, "", "")
    person_links.send_due()
    assert len(mails.accepted) == (email == owner.email), "only the newest link works, so only it is sent"


def test_without_a_mail_server_it_is_said_what_helps(owner: User) -> None:
    with pytest.raises(Refused, match="set-password"):
        recovery.ask_reset(owner.email, "")
    with pytest.raises(Refused, match="sends no e-mail"):
        recovery.ask_email(owner, "new@harbor.example", "")
    assert not PersonLink.select().exists()


def test_a_new_address_counts_once_it_is_confirmed_and_the_old_one_is_told(owner: User, member: User, mails: Any) -> None:
    recovery.ask_email(owner, "New@harbor.example", "10.0.0.9")
    person_links.send_due()
    letter, notice = sorted(mails.accepted, key=lambda one: b"To: owner@" in one)
    assert b"To: new@harbor.example" in letter and b"to new@harbor.example" in notice.replace(b"=\r\n", b"")
    assert User.get_by_id(owner.id).email == "owner@harbor.example"
    session = accounts.open_session(owner)
    api_tokens.make(owner.merchant, "Till", ["orders:read"], None, "30", owner.email)
    recovery.confirm_email(token_in(letter), "10.0.0.9")
    assert len(api_tokens.of_person(User.get_by_id(owner.id))) == 1, "they stay this person's, to be ended with their access"
    assert accounts.session_for(session) is None and accounts.sign_in("new@harbor.example", PASSWORD, "", "")
    line = AuditLine.get(AuditLine.action == "user.email")
    assert (line.before, line.after) == ({"email": "owner@harbor.example"}, {"email": "new@harbor.example"})
    recovery.ask_email(member, "new@harbor.example", "")  # taken meanwhile: said to the mailbox alone
    person_links.send_due()
    with pytest.raises(Refused, match="Somebody signs in with this address"):
        recovery.confirm_email(token_in(next(one for one in mails.accepted[2:] if b"Confirm" in one)), "")
    told = next(one for one in mails.accepted[2:] if b"was changed" in one)
    assert b"To: owner@harbor.example" in told and b"new@harbor.example" in told


@pytest.mark.parametrize("act", ["password", "disabled", "email"])
def test_open_links_end_with_the_password_the_address_or_the_access(owner: User, member: User, mails: Any, act: str) -> None:
    recovery.ask_email(member, "thief@harbor.example", "")
    recovery.ask_reset(member.email, "")
    person_links.send_due()
    links = [one for one in mails.accepted if re.search(rb"/(reset|new-address)/", one)]
    reset, address = sorted(
        (token_in(one) for one in links), key=lambda token: any(b"/new-address/" + token.encode() in one for one in links)
    )
    step = two_step.begin(member, "")
    held = person_links.open_link("email", address)
    recovery.ask_reset(member.email, "")  # waits: nobody looked yet whose it is
    if act == "password":
        accounts.change_password(member, PASSWORD, ANOTHER)
    elif act == "disabled":
        people.set_disabled(owner, member, True)
        people.set_disabled(owner, member, False)
    else:
        recovery.ask_email(member, "mine@harbor.example", "")
        person_links.send_due()
        recovery.confirm_email(token_in(next(one for one in mails.accepted if b"To: mine@" in one)), "")
    for kind, token in (("email", address), ("reset", reset), ("step", step)):
        with pytest.raises(NotFound):
            person_links.open_link(kind, token)
    with pytest.raises(NotFound):
        person_links.use(held)
    before = len(mails.accepted)
    person_links.send_due()
    assert not [one for one in mails.accepted[before:] if b"/reset/" in one]


def test_a_notice_goes_to_the_address_of_when_it_was_asked(owner: User, mails: Any) -> None:
    recovery.ask_email(owner, "new@harbor.example", "")
    User.update(email="elsewhere@harbor.example").where(User.id == owner.id).execute()
    person_links.send_due()
    assert any(b"To: owner@harbor.example" in one for one in mails.accepted) and not any(b"To: elsewhere@" in one for one in mails.accepted)


def test_a_mail_server_that_is_away_is_asked_again_and_one_that_refuses_is_not(owner: User, mails: Any) -> None:
    people.invite(owner, "new@harbor.example", "reader")
    mails.breaks_at = "helo"
    assert person_links.send_due() == 0 and PersonLink.get().mail == "due"
    mails.breaks_at = ""
    assert person_links.send_due() == 1 and PersonLink.get().mail == "sent"
    people.invite(owner, "other@harbor.example", "reader")
    mails.answers["rcpt"] = "550 no such mailbox"
    assert person_links.send_due() == 0 and PersonLink.get(PersonLink.email == "other@harbor.example").mail == "failed"
    mails.answers.clear()
    assert person_links.send_due() == 0


def test_the_team_lists_roles_and_who_was_seen(owner: User, admin: User, merchant: Merchant) -> None:
    accounts.open_session(owner)
    people.set_disabled(owner, admin, True)
    lines = people.listing(merchant)
    assert [(one.user.email, one.seen_at is not None, one.two_step) for one in lines] == [(owner.email, True, ""), (admin.email, False, "")]
    assert people.who_may(merchant, "people") == [owner.email] and set(roles.ROLES) == {"owner", "admin", "operator", "reader"}
