"""The support console: who gets in, what is found and seen, and what is never seen; each look stands in the merchant's audit log."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest

from portal import audit, clock, connections, sources, vault
from portal.models import AuditLine, Connection, Merchant, Run, SealedSecret, StaffSession
from portal.support import finding, fleet, staff
from tests.conftest import PASSWORD
from tests.support.conftest import EMAIL
from tests.web.test_tenants import ENTRIES
from tests.web.walk import address, belongings, everything, methods, rules

CANARY = "canary-support-7Qd81Zp"
pytestmark = pytest.mark.one_database


def words(text: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split()))


def staff_rules(app: Any) -> list[Any]:
    return [rule for rule in app.url_map.iter_rules() if getattr(app.view_functions[rule.endpoint], "is_for_staff", False)]


def of_staff(app: Any, rule: Any, own: Any, merchant: Merchant) -> str:
    values = {"merchant_id": merchant.public_id, "source_id": own.source_id, "run_id": own.run_id, "reset_id": "a" * 22,
              "outage_id": "a" * 22}  # fmt: skip
    return address(app, rule, {name: values[name] for name in rule.arguments})


def hold_canary(merchant: Merchant, source: Any) -> None:
    sealed = vault.seal(merchant, source.public_id, "password", CANARY)
    SealedSecret.create(source=source, field="password", sealed=sealed)


def sealed_source(merchant: Merchant, make_source: Any) -> Any:
    source = make_source("Kestrel", supplier="sftp-file", state="live")
    Connection.create(source=source, settings={"host": "sftp.kestrel.example", "port": "22", "user": "harbor"})
    hold_canary(merchant, source)
    for kind in sources.INTEGRATION_KINDS:
        sources.add_integration(source, kind, "owner")
    assert connections.secrets_of(source)
    return source


def test_a_password_alone_or_a_code_used_twice_opens_nothing(app: Any, person: Any) -> None:
    wrong = [("no@quayside.example", PASSWORD, person.app.now()), (EMAIL, "wrong horse battery", person.app.now()), (EMAIL, PASSWORD, ""),
             (EMAIL, PASSWORD, "000000")]  # fmt: skip
    told = set()
    for email, password, code in wrong:
        answer = app.test_client().send_form("/staff/sign-in", {"email": email, "password": password, "code": code})
        told.add((answer.status_code, staff.NO_MATCH in answer.text))
    assert told == {(422, True)}
    code = person.app.now()
    for expected in (303, 422):
        answer = app.test_client().send_form("/staff/sign-in", {"email": EMAIL, "password": PASSWORD, "code": code})
        assert answer.status_code == expected
    assert app.test_client().send_form("/sign-in", {"email": EMAIL, "password": PASSWORD}).status_code == 422, "no way in beside it"


def test_a_merchants_people_find_nothing_there_and_nobody_else_comes_in(app: Any, client: Any, anonymous: Any, merchant: Merchant) -> None:
    own, missing = belongings(merchant), client.get("/nothing/is/here")
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    before = everything()
    for rule in staff_rules(app):
        path = of_staff(app, rule, own, merchant)
        for method in methods(rule):
            answer = client.open(path, method=method, data=None if method == "GET" else {"csrf_token": token})
            assert (answer.status_code, answer.data) == (404, missing.data), f"{method} {rule.rule}"
            assert anonymous.open(path, method=method).headers["Location"].startswith("/sign-in?"), f"{method} {rule.rule}"
    assert client.get("/staff/sign-in").data == missing.data
    assert everything() == before


def test_staff_get_nothing_of_a_workspace_without_a_view(app: Any, console: Any, merchant: Merchant) -> None:
    own = belongings(merchant)
    token = console.form_values(console.get("/staff").text, "/staff/sign-out")["csrf_token"]
    before = everything()
    for rule in rules(app):
        if getattr(app.view_functions[rule.endpoint], "is_public", False):
            continue
        path = address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {})))
        for method in methods(rule):
            answer = console.open(path, method=method, data=None if method == "GET" else {"csrf_token": token})
            assert answer.headers.get("Location", "").startswith("/sign-in?"), f"{method} {rule.rule}"
    after = everything()
    assert [name for name in after if after[name] != before[name]] == ["Merchant", "AuditLine"], "it is noted, and nothing else is written"
    noted = [one.after["page"] for one in AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.action == "access.refused")]
    assert {"sources.show", "runs.stop", "order.show", "team.role"} <= set(noted) and audit.verify(merchant) == []


def test_it_is_found_by_id_name_host_and_domain_and_shows_no_secret(
    app: Any, console: Any, merchant: Merchant, owner: Any, make_source: Any, run_work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = sealed_source(merchant, make_source)
    Connection.create(source=make_source("Decoy"), settings={"host": "sftp.other.example", "note": "not sftp.kestrel.example"})
    for asked, wanted in (
        (merchant.public_id, merchant.name), (source.public_id, "Kestrel"), ("kestrel", "Kestrel"), ("sftp.kestrel.example", "Kestrel"),
        ("harbor.example", merchant.name), (owner.email, merchant.name),
    ):  # fmt: skip
        assert wanted in unescape(console.get("/staff", query_string={"q": asked}).text.split("<form", 2)[2]), asked
    assert "Decoy" not in console.get("/staff?q=kestrel.example").text
    assert "Nothing is like that" in console.get("/staff?q=nobody.example").text
    assert finding.search("").merchants == []
    pages = [f"/staff/workspaces/{merchant.public_id}", f"/staff/sources/{source.public_id}", "/staff/fleet",
             "/staff/outages?host=sftp.kestrel.example",
             f"/staff/sources/{source.public_id}/reset", f"/staff/sources/{source.public_id}/deletion",
             f"/staff/workspaces/{merchant.public_id}/view"]  # fmt: skip
    for path in pages:
        answer = console.get(path)
        assert answer.status_code == 200 and CANARY not in answer.text, path
    looks = AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.action == "support.look").order_by(AuditLine.number)
    assert [(one.who, one.staff, one.object_kind) for one in looks] == [(EMAIL, 1, "merchant"), (EMAIL, 1, "source")]
    console.get(pages[1])
    assert looks.count() == 2, "a second look at once is no second line"
    assert audit.verify(merchant) == []


def test_the_connection_is_tested_and_a_hanging_run_released(console: Any, merchant: Merchant, make_source: Any, person: Any) -> None:
    source = sealed_source(merchant, make_source)
    at = f"/staff/sources/{source.public_id}"
    assert console.send_form(f"{at}/test", page=at).status_code == 303
    run = Run.get(Run.kind == "connection_check")
    assert run.started_by == EMAIL and "Waiting" in console.get(at).text
    Run.update(state="running", fence=3, lease_until=clock.now() + timedelta(seconds=50), started_at=clock.now()).where(
        Run.id == run.id
    ).execute()
    run = Run.get_by_id(run.id)
    assert console.send_form(f"/staff/runs/{run.public_id}/release", page=at).status_code == 303
    after = Run.get_by_id(run.id)
    assert after.fence == 4 and after.lease_until < clock.now() and after.state == "running"
    assert [one.number for one in fleet.stuck()] == []
    Run.update(lease_until=clock.now() - timedelta(minutes=5)).where(Run.id == run.id).execute()
    assert [one.number for one in fleet.stuck()] == [run.number] and "Stuck runs: 1" in console.get("/staff/fleet").text
    told = {one.action: one for one in AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.staff == 1)}
    assert {"support.test", "support.release"} <= set(told) and audit.verify(merchant) == []


def test_access_ends_at_once_and_sessions_by_themselves(console: Any, person: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.get("/staff").status_code == 200
    assert console.post("/staff/view/end").status_code == 403, "a form of another site"
    StaffSession.update(seen_at=clock.now() - staff.IDLE).execute()
    assert console.get("/staff").status_code == 302
    StaffSession.update(seen_at=clock.now()).execute()
    assert console.get("/staff").status_code == 200
    staff.end(EMAIL)
    assert console.get("/staff").status_code == 302 and StaffSession.select().count() == 0
