"""Team pages and the pages behind links that work once, as people meet them."""

from __future__ import annotations

import re
from typing import Any

import pytest

from portal import accounts, api_tokens, clock, people, person_links
from portal.models import AuditLine, PersonLink, Session, User
from tests.conftest import PASSWORD
from tests.test_people import ANOTHER, mails, token_in

__all__ = ["mails"]  # a fixture


def test_somebody_is_invited_joins_changes_role_and_loses_access(app: Any, client: Any, owner: User) -> None:
    assert "You work alone here" in client.get("/team").text
    wrong = client.send_form("/team/invitations/new", {"email": "no address", "role": "king"})
    assert wrong.status_code == 422 and "Type an email address" in wrong.text
    made = client.send_form("/team/invitations/new", {"email": "new@harbor.example", "role": "operator"})
    link = re.search(r"http://localhost(/invitation/[\w-]{43})", made.text)
    assert made.status_code == 200 and link
    team = client.get("/team").text
    assert "new@harbor.example" in team and link[1] not in team, "the link is shown once"
    guest = app.test_client()
    page = guest.get(link[1])
    assert "Join Harbor &amp; Pine" in page.text and "As an operator" in page.text
    weak = guest.send_form(link[1], {"password": "short"})
    assert weak.status_code == 422 and "at least 12" in weak.text
    joined = guest.send_form(link[1], {"password": ANOTHER})
    assert (
        joined.status_code == 303 and guest.get("/orders/new").status_code == 200 and guest.get("/team/invitations/new").status_code == 403
    )
    gone = app.test_client().get(link[1])
    assert gone.status_code == 404 and "does not work any more" in gone.text
    user = User.get(User.email == "new@harbor.example")
    assert client.send_form(f"/team/{user.public_id}/role", {"role": "reader"}).status_code == 303
    assert guest.get("/sources").status_code == 302, "a new role signs out"
    guest.sign_in(user.email, ANOTHER)
    assert guest.get("/orders/new").status_code == 403 and "+ Invite" not in guest.get("/team").text
    assert client.send_form(f"/team/{user.public_id}/access").status_code == 303
    assert guest.get("/sources").status_code == 302 and "Disabled" in client.get("/team").text


def test_one_does_not_touch_oneself_and_admins_do_not_touch_owners(client: Any, member_client: Any, owner: User, member: User) -> None:
    for browser, whom in ((client, owner), (member_client, owner)):
        answer = browser.send_form(f"/team/{whom.public_id}/role", {"role": "reader"})
        assert answer.status_code in (403, 422) and User.get_by_id(whom.id).role == "owner"
        answer = browser.send_form(f"/team/{whom.public_id}/access", {"do": "disable"})
        assert answer.status_code == 422 and User.get_by_id(whom.id).disabled_at is None


@pytest.mark.parametrize("act", ["disabled", "operator", "owner"])
def test_tokens_of_somebody_end_with_their_access_or_their_right(client: Any, owner: User, member: User, act: str) -> None:
    theirs, secret = api_tokens.make(owner.merchant, "Till", ["orders:read"], None, "30", member.email)
    kept, _ = api_tokens.make(owner.merchant, "Ours", ["orders:read"], None, "30", owner.email)
    assert "API token that they made ends" in client.get(f"/team/{member.public_id}/access").text
    assert "They made 1 API token" in client.get(f"/team/{member.public_id}/role").text
    if act == "disabled":
        assert client.send_form(f"/team/{member.public_id}/access").status_code == 303
    else:
        assert client.send_form(f"/team/{member.public_id}/role", {"role": act}).status_code == 303
    assert (api_tokens.of_secret(secret) is None) == (act != "owner") and api_tokens.is_live(
        api_tokens.find(owner.merchant, kept.public_id)
    )
    lines = list(AuditLine.select().where(AuditLine.action == "api_token.revoke"))
    assert [(line.who, line.object_id) for line in lines] == ([(owner.email, theirs.public_id)] if act != "owner" else [])


def test_changing_people_asks_for_the_password_again(client: Any, member: User, monkeypatch: pytest.MonkeyPatch) -> None:
    Session.update(proved_at=clock.now() - accounts.RECENT_PROOF * 2).execute()
    assert client.get(f"/team/{member.public_id}/role").headers["Location"].startswith("/prove?")


def test_a_forgotten_password_is_chosen_anew(app: Any, anonymous: Any, owner: User, mails: Any) -> None:
    asked = [app.test_client().send_form("/reset", {"email": email}) for email in (owner.email, "nobody@nowhere.example")]
    assert [one.status_code for one in asked] == [200, 200] and asked[0].data == asked[1].data
    person_links.send_due()
    there = "/reset/" + token_in(mails.accepted[0])
    assert anonymous.send_form(there, {"password": "password12345"}).status_code == 422
    assert anonymous.send_form(there, {"password": ANOTHER}).headers["Location"] == "/sign-in?changed=1"
    assert "It is changed" in anonymous.get("/sign-in?changed=1").text and anonymous.get(there).status_code == 404
    anonymous.sign_in(owner.email, ANOTHER)


def test_without_a_mail_server_the_page_says_what_helps(anonymous: Any) -> None:
    assert "set-password" in anonymous.get("/reset").text
    assert 'href="/reset"' in anonymous.get("/sign-in").text


def test_forms_behind_links_need_their_own_page(app: Any, owner: User) -> None:
    token = people.invite(owner, "new@harbor.example", "reader")
    assert app.test_client().post(f"/invitation/{token}", data={"password": ANOTHER}).status_code == 403
    assert PersonLink.get().used_at is None


def test_the_address_changes_by_a_link_and_browsers_are_signed_out(app: Any, client: Any, owner: User, mails: Any) -> None:
    elsewhere = app.test_client().sign_in(owner.email, PASSWORD)
    assert client.send_form("/profile/sessions/others", page="/profile").status_code == 303
    assert (client.get("/profile").status_code, elsewhere.get("/profile").status_code) == (200, 302)
    assert client.send_form("/profile/email", {"email": owner.email}, page="/profile").status_code == 422
    assert client.send_form("/profile/email", {"email": "new@harbor.example"}, page="/profile").status_code == 303
    person_links.send_due()
    letter = next(one for one in mails.accepted if b"To: new@" in one)
    assert elsewhere.send_form("/new-address/" + token_in(letter)).status_code == 303
    assert client.get("/profile").status_code == 302
    assert {"user.email_asked", "user.email", "session.close_others"} <= {line.action for line in AuditLine.select()}
