"""Support views a workspace: read-only, 30 minutes, seen by its people; changes only with the grant of an owner; every refusal noted."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import accounts, audit, clock, roles
from portal.models import AuditLine, Merchant, Source, StaffFormToken, StaffSession, SupportGrant, SupportView, User
from portal.support import views
from portal.web.permissions import right_of
from tests.conftest import PASSWORD
from tests.support.conftest import EMAIL
from tests.support.test_console import CANARY, hold_canary
from tests.web.test_tenants import ENTRIES
from tests.web.walk import address, belongings, everything, methods, rules

pytestmark = pytest.mark.one_database
BOOKS = (AuditLine, Merchant, StaffSession, StaffFormToken)  # the log and its count, when staff was seen, which form was sent


def begin(console: Any, merchant: Merchant) -> Any:
    at = f"/staff/workspaces/{merchant.public_id}/view"
    answer = console.send_form(at, {"reason": "Looks why nothing is sent", "ticket": "T-4711"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sources"), answer.text
    return console


def written(before: dict[Any, Any]) -> list[str]:
    """The tables that differ, but for those that keep book."""
    after = everything()
    return [name for name in after if after[name] != before[name] and name not in {table.__name__ for table in BOOKS}]


def closed(app: Any) -> list[Any]:
    return [rule for rule in rules(app) if not getattr(app.view_functions[rule.endpoint], "is_public", False)]


def test_a_view_reads_what_a_reader_may_and_posts_nothing_at_all(app: Any, console: Any, merchant: Merchant, owner: Any) -> None:
    own = belongings(merchant, "Northwind")
    for source in Source.select().where(Source.merchant == merchant):
        hold_canary(merchant, source)
    page = begin(console, merchant).get("/sources").text
    token = console.form_values(page, "/staff/view/end")["csrf_token"]
    assert "Support view of" in page and "read-only" in page and "Sign out" not in page
    before, posts = everything(), 0
    for rule in closed(app):
        path = address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {})))
        for method in methods(rule):
            right = right_of(rule.endpoint, method)
            form: dict[str, Any] = {"data": {"csrf_token": token, "form_token": rule.rule}, "headers": {"HX-Request": "true"}}
            answer = console.open(path, method=method, **({} if method == "GET" else form))
            refused = method != "GET" or right != "see"
            posts += method != "GET"
            assert (answer.status_code == 403) is refused, f"{method} {rule.rule} answered {answer.status_code}"
            assert CANARY not in answer.text, f"{method} {rule.rule}"
            assert not refused or "You view" in answer.text
    assert posts > 150 and written(before) == []
    noted = AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.action == "access.refused", AuditLine.staff == 1)
    assert {one.after["page"] for one in noted} >= {"connections.save", "sources.run_sync", "team.invite"} and {
        one.who for one in noted
    } == {EMAIL}
    views.allow(owner, "1")
    for rule in closed(app):
        if right_of(rule.endpoint) in ("operate", "configure") and "GET" in methods(rule):
            answer = console.get(address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {}))))
            assert CANARY not in answer.text, f"GET {rule.rule} by the leave of an owner"
    assert audit.verify(merchant) == []


def test_only_this_workspace_and_only_for_30_minutes(
    app: Any, console: Any, merchant: Merchant, other_merchant: Merchant, client: Any
) -> None:
    theirs = belongings(other_merchant)
    begin(console, merchant)
    assert console.get(f"/sources/{theirs.source_id}").status_code == 404
    assert AuditLine.get(AuditLine.merchant == other_merchant, AuditLine.action == "access.refused").after["page"] == "sources.show"
    told = client.get("/runs").text
    assert "Support views this workspace until" in told and EMAIL in told and "T-4711" in told
    Merchant.update(closing_at=clock.now() + timedelta(days=7)).where(Merchant.id == merchant.id).execute()
    assert console.get("/sources").headers["Location"] == "/settings/kept/deletion", "as its people see it"
    Merchant.update(closing_at=None).where(Merchant.id == merchant.id).execute()
    SupportView.update(ends_at=clock.now() - timedelta(seconds=1)).execute()
    late = console.get("/sources")
    assert late.status_code == 302 and late.headers["Location"].startswith("/sign-in?")
    assert "Support views" not in client.get("/runs").text
    lines = [(one.action, one.who, one.staff) for one in AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.staff == 1)]
    assert ("support.view", EMAIL, 1) in lines and ("access.refused", EMAIL, 1) in lines
    bare = console.send_form(f"/staff/workspaces/{merchant.public_id}/view", {"reason": "", "ticket": ""})
    assert bare.status_code == 422 and SupportView.select().count() == 1


def test_a_view_is_ended_by_hand_by_the_next_one_and_by_signing_out(console: Any, merchant: Merchant, other_merchant: Merchant) -> None:
    begin(console, merchant)
    begin(console, other_merchant)
    assert [one.merchant_id for one in SupportView.select().where(SupportView.ended_at.is_null())] == [other_merchant.id]
    page = console.get("/sources").text
    token = console.form_values(page, "/staff/view/end")["csrf_token"]
    assert console.post("/staff/view/end", data={"csrf_token": token}).headers["Location"] == "/staff"
    assert console.get("/sources").status_code == 302
    begin(console, merchant)
    token = console.form_values(console.get("/staff").text, "/staff/sign-out")["csrf_token"]
    assert console.post("/staff/sign-out", data={"csrf_token": token}).status_code == 303
    assert views.at(merchant) == [] and console.get("/sources").status_code == 302


def test_writing_needs_the_grant_of_an_owner_and_ends_with_it(
    app: Any, console: Any, client: Any, merchant: Merchant, make_source: Any
) -> None:
    source = make_source("Kestrel", state="live")
    accounts.create_user(merchant, "ada@harbor.example", PASSWORD, role="admin")
    admin = app.test_client().sign_in("ada@harbor.example", PASSWORD)
    token = admin.form_values(admin.get("/help").text, "/sign-out")["csrf_token"]
    assert (
        admin.post("/settings/support", data={"csrf_token": token, "how_long": "1"}).status_code == 403
        and SupportGrant.select().count() == 0
    )
    begin(console, merchant)
    pause = f"/sources/{source.public_id}/pause"
    csrf = console.form_values(console.get("/sources").text, "/staff/view/end")["csrf_token"]
    assert console.post(pause, data={"csrf_token": csrf, "form_token": "one"}).status_code == 403
    assert client.send_form("/settings/support", {"how_long": "99"}).status_code == 422
    assert client.send_form("/settings/support", {"how_long": "1"}).status_code == 303
    assert "leave to change things" in console.get("/sources").text
    for _ in range(2):
        assert console.post(pause, data={"csrf_token": csrf, "form_token": "two"}).status_code == 303
    assert Source.get_by_id(source.id).state == "paused", "the same form sent twice is done once"
    done = AuditLine.get(AuditLine.action == "source.pause")
    assert (done.who, done.staff) == (EMAIL, 1)
    for path in (
        "/team/invitations",
        f"/sources/{source.public_id}/deletion",
        f"/sources/{source.public_id}/connection",
        "/profile/password",
    ):
        assert console.post(path, data={"csrf_token": csrf}).status_code in (403, 404, 405), path
    page = client.get("/settings/support").text
    assert "owner@harbor.example" in page and EMAIL in page
    assert client.send_form("/settings/support/end", page="/settings/support").status_code == 303
    assert console.post(pause, data={"csrf_token": csrf, "form_token": "three"}).status_code == 403
    assert {"support.grant", "support.grant_end"} <= {one.action for one in AuditLine.select().where(AuditLine.merchant == merchant)}
    client.send_form("/settings/support", {"how_long": "1"})
    SupportGrant.update(ends_at=clock.now() - timedelta(seconds=1)).execute()
    assert console.post(pause, data={"csrf_token": csrf, "form_token": "four"}).status_code == 403
    assert User.select().where(User.email == EMAIL).count() == 0


def test_no_visitor_ever_has_credentials_people_or_deletion() -> None:
    for role in roles.VISITORS:
        for right in ("credentials", "delete", "people", "owners", "billing", "self", "audit"):
            assert not roles.may(role, right)
    assert not set(roles.VISITORS) & set(roles.ROLES)
