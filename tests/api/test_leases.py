"""A supplier fetches its requests by lease, then confirms: none is lost where it does not, none is sent where it did."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import clock
from portal.models import FulfillmentRequest, SendAttempt, Submission, SubmissionPart
from portal.outbox import claim, journal
from portal.requests import answers, why
from tests.outgoing import states, submissions, turn_on, wants
from tests.together import eight_at_once

PATH = "/fulfillment-requests/lease"


@pytest.fixture
def source(make_source: Any) -> Any:
    made = make_source(supplier="sftp-file", state="live")
    from portal import sources

    if not [one for one in sources.integrations(made) if one.kind == "send_orders"]:
        sources.add_integration(made, "send_orders", "ana")
    turn_on(made, leave_by="pull")
    return made


def later(monkeypatch: Any, **ahead: int) -> None:
    at = clock.now() + timedelta(**ahead)
    monkeypatch.setattr(clock, "now", lambda: at)


def test_what_is_leased_is_confirmed_and_counts_as_sent(caller: Any, source: Any) -> None:
    one, two, three = wants(source, "FR-1", "FR-2", "FR-3")
    call = caller(source)
    first = call("POST", PATH, {"count": 2})
    assert first.status_code == 200 and [held["number"] for held in first.json["requests"]] == ["FR-1", "FR-2"]
    assert states(one, two, three) == [("processing", "claimed"), ("processing", "claimed"), ("processing", "waiting")]
    assert [held["number"] for held in call("POST", PATH, {}).json["requests"]] == ["FR-3"] and not call("POST", PATH, {}).json["requests"]
    for _ in range(2):
        done = call("POST", f"/leases/{first.json['id']}/confirm", {})
        assert done.status_code == 200 and len(done.json["requests"]) == 2
        assert states(one, two, three) == [("processed", "sent"), ("processed", "sent"), ("processing", "claimed")]
    assert [attempt.outcome for attempt in SendAttempt.select().order_by(SendAttempt.id)] == ["sent", "sent", ""]
    assert FulfillmentRequest.get_by_id(one.id).sent_at is not None


def test_a_lease_that_ends_is_offered_again_with_the_same_bytes(caller: Any, source: Any, monkeypatch: Any) -> None:
    wants(source, "FR-1")
    call = caller(source)
    first, bytes_then = call("POST", PATH, {"seconds": 60}).json, [bytes(part.content) for part in SubmissionPart.select()]
    later(monkeypatch, seconds=61)
    second = call("POST", PATH, {}).json
    assert second["id"] != first["id"] and [one["number"] for one in second["requests"]] == ["FR-1"]
    assert [bytes(part.content) for part in SubmissionPart.select()] == bytes_then and len(submissions(source)) == 1
    lost = call("POST", f"/leases/{first['id']}/confirm", {})
    assert lost.status_code == 409 and "leased anew" in lost.json["detail"]
    assert call("POST", f"/leases/{second['id']}/confirm", {}).status_code == 200
    assert [one["state"] for one in call("POST", f"/leases/{first['id']}/confirm", {}).json["requests"]] == ["processed"]


def test_what_is_said_of_a_lease_that_ended(caller: Any, source: Any, monkeypatch: Any) -> None:
    (request,) = wants(source, "FR-1")
    call = caller(source)
    held = call("POST", PATH, {"seconds": 60}).json
    said = why.not_sent(FulfillmentRequest.get_by_id(request.id), why.facts("UTC", [source.id]))
    assert f"{source.name} has leased it until" in said
    later(monkeypatch, seconds=61)
    said = why.not_sent(FulfillmentRequest.get_by_id(request.id), why.facts("UTC", [source.id]))
    assert "leased it and did not confirm it by" in said and "It may have it" in said and "being sent now" not in said
    Submission.update(state="cancelled").execute()
    lost = call("POST", f"/leases/{held['id']}/confirm", {})
    assert lost.status_code == 409 and "took the requests of this lease back" in lost.json["detail"] and "leased anew" not in lost.text


def test_a_late_confirmation_counts_while_nobody_leased_it_anew(caller: Any, source: Any, monkeypatch: Any) -> None:
    (request,) = wants(source, "FR-1")
    call = caller(source)
    held = call("POST", PATH, {}).json
    later(monkeypatch, hours=2)
    assert call("POST", f"/leases/{held['id']}/confirm", {}).status_code == 200 and states(request) == [("processed", "sent")]


def test_eight_that_lease_at_once_get_each_request_once(caller: Any, source: Any) -> None:
    wants(source, *(f"FR-{n}" for n in range(16)))
    call = caller(source)
    held = [one["number"] for answer in eight_at_once(lambda: call("POST", PATH, {"count": 3})) for one in answer.json["requests"]]
    assert len(held) == len(set(held)) == 16


def test_the_same_key_gets_the_same_lease(caller: Any, source: Any) -> None:
    wants(source, "FR-1", "FR-2")
    call = caller(source)
    first, again = (call("POST", PATH, {"count": 1}, "try-1") for _ in range(2))
    assert first.data == again.data and Submission.select().where(Submission.state == "claimed").count() == 1


def test_what_a_supplier_may_have_is_not_voided_and_no_worker_takes_it(caller: Any, source: Any) -> None:
    (request,) = wants(source, "FR-1")
    caller(source)("POST", PATH, {})
    with pytest.raises(Exception, match="being sent to Northwind"):
        answers.void(request, None, who="ana", confirmed=False)
    assert claim.claim(source.id) is None and not claim.due().exists()
    assert '"FR-1#1"' in journal.path().read_text(), "a database restored from before would not send it again by itself"


def test_a_source_that_does_not_fetch_is_told(caller: Any, make_source: Any) -> None:
    other = make_source("Kestrel", supplier="sftp-file", state="live")
    refused = caller(other)("POST", PATH, {})
    assert refused.status_code == 409 and "Send Orders of Kestrel is not set to be fetched" in refused.json["detail"]
    assert caller(other)("POST", f"/leases/{'0' * 32}/confirm", {}).status_code == 404
    assert caller()("POST", PATH, {}).status_code == 422, "a token of the workspace says which source"
