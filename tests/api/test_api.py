"""The JSON API: who may, what comes in once, what is told of errors, and that reading changes nothing."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from portal import api_tokens, clock, sources
from portal.api.document import OPERATIONS
from portal.api.limits import BURST, Buckets
from portal.models import AnswerProblem, ApiAnswer, ApiToken, FulfillmentRequest, Order, OrderLine, Shipment
from tests.ordered import ADA, ask, lines_of, place
from tests.together import eight_at_once
from tests.web.walk import everything

SHIP_TO = {"name": "Ada Byron", "address_1": "12 Harbor Rd", "city": "Portland", "state": "ME", "postal": "04101", "country": "US"}
ORDER = {"number": "1001", "ship_to": SHIP_TO, "lines": [{"sku": "HX-1", "quantity": 3, "price": "4.90"}], "total": "14.70"}
MISSING = "a" * 22


def told(answer: Any) -> dict[str, str]:
    return {one["at"]: one["words"] for one in answer.json["errors"]}


def test_an_order_comes_in_once_and_is_read_back(caller: Any) -> None:
    call = caller()
    first = call("POST", "/orders", ORDER)
    assert first.status_code == 201 and first.content_type == "application/json" and first.json["total"] == "14.7"
    assert first.json["lines"][0]["price"] == "4.9" and first.json["ship_to"]["state"] == "Maine" and first.json["state"] == "open"
    again = call("POST", "/orders", {**ORDER, "ship_to": {**SHIP_TO, "state": "Maine"}})
    assert again.status_code == 200 and again.json["id"] == first.json["id"] and Order.select().count() == 1
    other = call("POST", "/orders", {**ORDER, "note": "Ring twice"})
    assert other.status_code == 409 and "differs in note" in other.json["detail"] and other.content_type == "application/problem+json"
    assert call("GET", f"/orders/{first.json['id']}").json == again.json
    assert call("GET", "/orders?number=1001").json["items"] == [again.json]


def test_the_same_key_gets_the_same_answer_and_another_content_is_refused(caller: Any) -> None:
    call = caller()
    refused = call("POST", "/orders", {**ORDER, "lines": []}, "k1")
    assert refused.status_code == 422 and not ApiAnswer.select().count(), "what was refused may be mended under its key"
    first = call("POST", "/orders", ORDER, "k1")
    Order.update(note="changed since").execute()
    again = call("POST", "/orders", ORDER, "k1")
    assert again.status_code == 201 and again.data == first.data and again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    other = call("POST", "/orders", {**ORDER, "number": "1002"}, "k1")
    assert other.status_code == 409 and "came before with another content" in other.json["detail"]
    assert Order.select().count() == 1
    assert caller()("POST", "/orders", {**ORDER, "number": "1002"}, "k1").status_code == 201, "keys are each token's own"


def test_eight_with_one_key_at_once_are_answered_alike(caller: Any) -> None:
    call = caller()
    answers = eight_at_once(lambda: call("POST", "/orders", ORDER, "k1"))
    assert {answer.status_code for answer in answers} == {201} and len({answer.data for answer in answers}) == 1
    assert Order.select().count() == OrderLine.select().count() == 1


def test_an_address_nobody_can_ship_to_is_kept_on_hold_and_told(caller: Any) -> None:
    made = caller()("POST", "/orders", {**ORDER, "ship_to": {**SHIP_TO, "state": "Mayne", "address_1": ""}})
    assert made.status_code == 201 and made.json["state"] == "on_hold"
    assert {one["field"] for one in made.json["problems"]} == {"state", "address_1"}


def test_what_cannot_be_used_is_told_at_its_place_and_nothing_is_kept(caller: Any) -> None:
    call, line = caller(), {"sku": "HX-1", "quantity": 1}
    for changed, at, words in (
        ({"lines": [{**line, "quantity": 0}]}, "lines.0.quantity", "from 1 to"),
        ({"lines": [line, {**line, "quantity": -2}]}, "lines.1.quantity", "from 1 to"),
        ({"lines": [{**line, "quantity": True}]}, "lines.0.quantity", "a whole number"),
        ({"lines": [{**line, "quantity": 1.5}]}, "lines.0.quantity", "a whole number"),
        ({"lines": [{**line, "quantity": 10**40}]}, "lines.0.quantity", "from 1 to"),
        ({"lines": [{"quantity": 1}]}, "lines.0.sku", "missing"),
        ({"lines": [{**line, "sku": "x" * 121}]}, "lines.0.sku", "121 characters"),
        ({"lines": [{**line, "sku": "a\u0000b"}]}, "lines.0.sku", "control character"),
        ({"lines": [{**line, "price": 4.9}]}, "lines.0.price", "a text"),
        ({"lines": [{**line, "price": "1e3"}]}, "lines.0.price", "An amount as a text"),
        ({"lines": [line] * 501}, "lines", "1 to 500"),
        ({"number": ""}, "number", "must not be empty"),
        ({"number": "  "}, "number", "must not be empty"),
        ({"number": None}, "number", "a text"),
        ({"colour": "red"}, "colour", "no such field"),
        ({"ordered_at": "2026-11-27"}, "ordered_at", "with its zone"),
        ({"ordered_at": "0001-01-01T00:00:00+02:00"}, "ordered_at", "1970 to 2099"),
        ({"ordered_at": "2026-02-30T00:00:00Z"}, "ordered_at", "with its zone"),
        ({"ordered_at": "2026-02-03T00:00:00"}, "ordered_at", "with its zone"),
        ({"ship_to": {"name": "a\ud800"}}, "ship_to.name", "control character"),
    ):
        refused = call("POST", "/orders", {**ORDER, **changed})
        assert refused.status_code == 422 and words in told(refused)[at], changed
    assert not Order.select().count()


def test_what_cannot_be_read_is_told(caller: Any) -> None:
    call = caller()

    def send(data: bytes, kind: str = "application/json") -> Any:
        return call("POST", "/orders", data=data, content_type=kind)

    for data in (b"", b"{", b'{"number": NaN}', b'{"number": "1", "number": "2"}', b"\xff", b"[" * 100_000):
        assert send(data).status_code == 400, data[:20]
    assert send(b"[]").status_code == 422 and send(b"a=b", "application/x-www-form-urlencoded").status_code == 415
    assert send(b" " * 1_000_001).status_code == 413
    for key in ("k" * 201, "a b", "\u00e9"):
        assert call("POST", "/orders", ORDER, key).status_code == 400, key
    assert call("GET", "/orders?limit=0").status_code == 422 and call("GET", "/orders?limit=x").status_code == 422
    assert call("GET", "/orders?cursor=x").status_code == 422 and call("GET", "/orders?limit=1&limit=2").status_code == 422
    assert call("GET", "/orders?number=%00").status_code == 422 and call("GET", "/orders/%00").status_code == 404
    misspelt = call("GET", "/orders?stat=open")
    assert misspelt.status_code == 422 and "Known: cursor, limit, number, state" in told(misspelt)["stat"]
    for path, method, status in (("/nowhere", "GET", 404), ("/orders", "DELETE", 405), ("/fulfillment-requests/lease", "GET", 404)):
        answer = call(method, path)
        assert answer.status_code == status and answer.content_type == "application/problem+json", path
    assert call("DELETE", "/orders").headers["Allow"]


def test_every_operation_needs_a_live_token_with_its_scope(app: Any, caller: Any, merchant: Any, make_source: Any) -> None:
    from tests.api.conftest import Caller

    source, bodies = make_source(), {"POST": {}, "GET": None}
    ended, revoked, gone = caller(), caller(), caller(source)
    ApiToken.update(ends_at=clock.now()).where(ApiToken.id == 1).execute()
    api_tokens.revoke(ApiToken.get_by_id(2), "ana")
    source.state = "deleted"
    source.save()
    strangers = [Caller(app, text) for text in ("", "x", "qs_live_" + "A" * 43, ended.secret + "x")] + [ended, revoked, gone]
    for one in OPERATIONS:
        path = one.path.replace("{id}", MISSING)
        for stranger in strangers[:1] if one.method == "GET" else strangers:
            answer = stranger(one.method, path, bodies[one.method])
            assert answer.status_code == 401 and answer.headers["WWW-Authenticate"].startswith("Bearer"), path
        others = [scope for scope in api_tokens.SCOPES if scope != one.scope]
        poor = caller(scopes=others)(one.method, path, bodies[one.method])
        assert poor.status_code == 403 and one.scope in poor.json["detail"], path


def test_a_source_token_cannot_read_another_source_and_says_so(caller: Any, merchant: Any, make_source: Any) -> None:
    """Acceptance check 12 of PRODUCT.md."""
    north, south = make_source("Northwind"), make_source("Kestrel")
    mine = ask(place(merchant, number="1"), north, sending="sent")
    theirs = ask(place(merchant, number="2"), south, sending="sent")
    call = caller(north)
    assert call("GET", f"/fulfillment-requests/{mine.public_id}").status_code == 200
    assert [one["id"] for one in call("GET", "/fulfillment-requests").json["items"]] == [mine.public_id]
    before = everything(but=(ApiToken,))
    for method, path, body in (
        ("GET", f"/fulfillment-requests/{theirs.public_id}", None),
        ("GET", f"/fulfillment-requests?source_id={south.public_id}", None),
        ("POST", f"/fulfillment-requests/{theirs.public_id}/acknowledgements", {}),
        ("POST", "/fulfillment-requests/lease", {"source_id": south.public_id}),
        ("POST", f"/leases/{'0' * 32}/confirm", {"source_id": south.public_id}),
        ("POST", "/shipments", {"source_id": south.public_id, "reference": "2", "tracking_number": "1Z999AA10123456784"}),
    ):
        refused = call(method, path, body)
        assert refused.status_code == 403, path
        assert refused.json["detail"] == (
            "This token is only for the source Northwind, and this is at another source. "
            "Use a token of that source, or one of the whole workspace."
        )
    orders = call("GET", "/orders")
    assert orders.status_code == 403 and "A token of one source cannot do this" in orders.json["detail"]
    assert everything(but=(ApiToken,)) == before and "Kestrel" not in refused.text


def test_another_merchants_things_are_byte_for_byte_missing(caller: Any, merchant: Any, other_merchant: Any) -> None:
    source = sources.create(other_merchant, "Theirs", "dropship_supplier", "o")
    order = place(other_merchant)
    request = ask(order, source, sending="sent")
    call, before = caller(), everything(but=(ApiToken,))
    for method, path, body in (
        ("GET", "/orders/{}", None),
        ("GET", "/fulfillment-requests/{}", None),
        ("POST", "/fulfillment-requests/{}/acknowledgements", {}),
    ):
        found = order.public_id if "orders" in path else request.public_id
        one, other = (call(method, path.format(id), body) for id in (found, MISSING))
        assert one.status_code == other.status_code == 404 and one.data == other.data, path
    for path, body in (("/fulfillment-requests/lease", {}), ("/shipments", {"reference": "1001", "tracking_number": "1"})):
        one, other = (call("POST", path, {**body, "source_id": id}) for id in (source.public_id, MISSING))
        assert one.status_code == other.status_code == 404 and one.data == other.data, path
    assert call("GET", f"/fulfillment-requests?source_id={source.public_id}").status_code == 404
    assert not call("GET", "/orders").json["items"] and everything(but=(ApiToken,)) == before


def test_pages_lead_on_to_the_end_and_each_thing_comes_once(caller: Any, merchant: Any) -> None:
    for n in range(7):
        place(merchant, number=f"N{n}")
    call, seen, cursor = caller(), [], ""
    while True:
        page = call("GET", f"/orders?limit=3{f'&cursor={cursor}' if cursor else ''}").json
        seen += [one["number"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"N{n}" for n in range(7)]


def test_reading_changes_nothing(caller: Any, merchant: Any, make_source: Any) -> None:
    source = make_source()
    order = place(merchant)
    request = ask(order, source, state="processing")
    call = caller()
    call("GET", "/orders")  # notes the use of the token
    before = everything()
    for path in (
        "/orders",
        f"/orders/{order.public_id}",
        "/fulfillment-requests",
        f"/fulfillment-requests/{request.public_id}",
        "/openapi.json",
    ):
        assert call("GET", path).status_code == 200
    assert everything() == before


def test_a_source_sees_no_request_that_it_was_not_sent(caller: Any, merchant: Any, make_source: Any) -> None:
    source = make_source()
    request = ask(place(merchant), source, state="unprocessed")
    assert not caller(source)("GET", "/fulfillment-requests").json["items"]
    assert caller(source)("GET", f"/fulfillment-requests/{request.public_id}").status_code == 404
    assert caller()("GET", f"/fulfillment-requests/{request.public_id}").status_code == 200


def test_lines_are_acknowledged_and_what_cannot_be_is_told(caller: Any, merchant: Any, make_source: Any) -> None:
    source = make_source()
    request = ask(place(merchant, [("HX-1", 3), ("HX-2", 2)]), source, sending="sent")
    call, path = caller(source), f"/fulfillment-requests/{request.public_id}/acknowledgements"
    body = {"their_id": "SO-7", "lines": [{"sku": "HX-1", "accepted": 2, "rejected": 1}, {"sku": "HX-2", "accepted": 9}]}
    for accepted in (2, 0):
        answer = call("POST", path, body)
        assert answer.status_code == 200 and answer.json["accepted"] == accepted and len(answer.json["problems"]) == 1
    assert [(line.acknowledged, line.cancelled, line.open) for line in lines_of(request)] == [(2, 1, 0), (0, 0, 2)]
    assert FulfillmentRequest.get().their_id == "SO-7" and "they answered for 9 units" in AnswerProblem.get().words
    assert call("POST", path, {}).json["request"]["state"] == "acknowledged"


def test_a_shipment_is_told_once_and_a_foreign_one_waits_for_a_person(caller: Any, merchant: Any, make_source: Any) -> None:
    source = make_source()
    request = ask(place(merchant), source, sending="sent")
    call = caller(source)
    parcel = {"reference": request.number, "tracking_number": "1Z999AA10123456784", "items": [{"sku": "HX-1", "quantity": 3}]}
    first, again = call("POST", "/shipments", parcel), call("POST", "/shipments", parcel)
    assert (first.status_code, again.status_code) == (201, 200) and first.json["fulfillment_request_id"] == request.public_id
    assert lines_of(request)[0].shipped == 3 and Order.get().state == "closed"
    foreign = call("POST", "/shipments", {"reference": "nobody's", "tracking_number": "9400111899223197428490"})
    assert foreign.status_code == 201 and foreign.json["state"] == "unmatched" and Shipment.select().count() == 2


def test_a_token_that_asks_too_often_is_told_when_to_come_back(caller: Any) -> None:
    call, other = caller(), caller()
    answers = [call("GET", "/orders?limit=1") for _ in range(3)]
    assert answers[0].headers["RateLimit-Limit"] == str(BURST)
    assert int(answers[2].headers["RateLimit-Remaining"]) <= BURST - 2
    buckets = Buckets()
    rooms = [buckets.take("a", 0.0) for _ in range(BURST + 1)]
    assert [room.wait for room in rooms] == [0] * BURST + [1] and buckets.take("b", 0.0).wait == 0 and buckets.take("a", 1.0).wait == 0
    for _ in range(BURST + 40):
        last = call("GET", "/orders?limit=x")
        if last.status_code == 429:
            break
    assert last.status_code == 429 and int(last.headers["Retry-After"]) >= 1 and other("GET", "/orders").status_code == 200


def test_guessing_tokens_is_slowed_down(app: Any) -> None:
    from tests.api.conftest import Caller

    statuses = [Caller(app, f"qs_live_{n}")("GET", "/orders").status_code for n in range(62)]
    assert statuses[:60] == [401] * 60 and statuses[-1] == 429


def test_a_secret_is_nowhere_kept_and_its_use_is_noted(caller: Any) -> None:
    call = caller()
    call("GET", "/orders")
    token = ApiToken.get()
    assert call.secret.startswith("qs_live_") and len(call.secret) > 50 and token.last_used_at is not None and token.last_address
    assert call.secret not in repr(everything(but=())) and token.hint == f"qs_live_…{call.secret[-4:]}"
    used = clock.now() - timedelta(seconds=30)
    ApiToken.update(last_used_at=used).execute()
    call("GET", "/orders")
    assert ApiToken.get().last_used_at == used, "written once a minute"


def test_the_document_names_every_operation(app: Any) -> None:
    found = app.test_client().get("/api/v1/openapi.json")
    assert found.status_code == 200 and found.json["openapi"] == "3.1.0"
    named = {(path, method.upper()) for path, methods in found.json["paths"].items() for method in methods}
    routed = {
        (rule.rule.removeprefix("/api/v1").replace("<id>", "{id}"), method)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("api.") and rule.endpoint != "api.openapi"
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert named == routed and ADA["name"] not in found.text
