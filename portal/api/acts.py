"""What each operation does: from checked JSON to the domain, and back to JSON. (status, what is told)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal import api_reading, orders
from portal.api import shown
from portal.mapping.amounts import money_reader
from portal.orders import NewLine, NewOrder
from portal.outbox import pulling
from portal.requests import answers
from portal.shipments import recording

Told = tuple[int, dict[str, Any]]
Body = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """Who asks for what. `id`: the one in the address, or ""."""

    token: Any
    id: str
    query: Mapping[str, Any]

    @property
    def who(self) -> str:
        """As histories name it; never taken for a person's address."""
        return f"API: {self.token.name}".replace("@", " at ")


def add_order(asked: Asked, body: Body) -> Told:
    """Take the order in."""
    texts: dict[str, str] = {name: body.get(name, "") for name in ("reference", "customer_reference", "note")}
    new = NewOrder(
        body["number"], [_line(line) for line in body["lines"]], dict(body["ship_to"]), dict(body.get("bill_to", {})),
        ordered_at=_moment(body.get("ordered_at")), shipping_text=body.get("shipping_method", ""), currency=body.get("currency", "USD"),
        total=_amount(body.get("total")), **texts,
    )  # fmt: skip
    order, fresh = orders.create(asked.token.merchant, new, asked.who, "api")
    return (201 if fresh else 200), _orders([order])[0]


def list_orders(asked: Asked, _: Body) -> Told:
    """A page of orders."""
    found, cursor = api_reading.orders(asked.token, asked.query, asked.query.get("limit", 50))
    return 200, shown.page(_orders(found), cursor)


def read_order(asked: Asked, _: Body) -> Told:
    """One order."""
    return 200, _orders([orders.find(asked.token.merchant, asked.id)])[0]


def list_requests(asked: Asked, _: Body) -> Told:
    """A page of requests."""
    found, cursor = api_reading.requests(asked.token, asked.query, asked.query.get("limit", 50))
    return 200, shown.page(_requests(found), cursor)


def read_request(asked: Asked, _: Body) -> Told:
    """One request."""
    return 200, _requests([api_reading.request_of(asked.token, asked.id)])[0]


def acknowledge(asked: Asked, body: Body) -> Told:
    """Take the answer to a request."""
    request = api_reading.request_of(asked.token, asked.id)
    told = [_answer(line) for line in body.get("lines", [])]
    outcome = answers.acknowledge(request, told, origin=answers.Origin("api", asked.who), their_id=body.get("their_id", ""))
    now = api_reading.request_of(asked.token, asked.id)
    changed = {"accepted": outcome.accepted, "cancelled": outcome.cancelled, "problems": outcome.problems}
    return 200, {**changed, "request": _requests([now])[0]}


def lease(asked: Asked, body: Body) -> Told:
    """Hand out requests for a while."""
    source = api_reading.source_of(asked.token, body.get("source_id", ""))
    made = pulling.lease(source, body.get("count", 20), body.get("seconds", 300), asked.who)
    return 200, shown.lease(made, _requests(made.requests))


def confirm_lease(asked: Asked, body: Body) -> Told:
    """They have what the lease held."""
    source = api_reading.source_of(asked.token, body.get("source_id", ""))
    return 200, {"requests": _requests(pulling.confirm(source, asked.id, asked.who))}


def add_shipment(asked: Asked, body: Body) -> Told:
    """Take a parcel in, matched or not."""
    source = api_reading.source_of(asked.token, body.get("source_id", ""))
    notice = recording.Notice(
        body["reference"], body["tracking_number"], [(item["sku"], item.get("quantity")) for item in body.get("items", [])],
        body.get("carrier", ""), body.get("method", ""), _moment(body.get("shipped_at")), _amount(body.get("cost")), body.get("note", ""),
    )  # fmt: skip
    recorded = recording.record(source, notice, recording.Cause("api", asked.who))
    return (200 if recorded.kind == "known" else 201), shown.shipment(recorded)


ACTS: Mapping[str, Callable[[Asked, Body], Told]] = {
    one.__name__: one
    for one in (
        add_order, list_orders, read_order, list_requests, read_request, acknowledge, lease, confirm_lease, add_shipment
    )
}  # fmt: skip


def _orders(found: Any) -> list[dict[str, Any]]:
    lines, requests = api_reading.order_lines(found), api_reading.requests_of(found)
    return [shown.order(one, lines.get(one.id, []), requests.get(one.id, [])) for one in found]


def _requests(found: Any) -> list[dict[str, Any]]:
    lines = api_reading.request_lines(found)
    return [shown.request(one, lines.get(one.id, [])) for one in found]


def _line(line: Body) -> NewLine:
    return NewLine(line["sku"], line["quantity"], line.get("title", ""), _amount(line.get("price")), line.get("reference", ""))


def _answer(line: Body) -> answers.Answer:
    texts = {"line": line.get("id", ""), "sku": line.get("sku", ""), "code": line.get("code", ""), "reason": line.get("reason", "")}
    return answers.Answer(**texts, accepted=line.get("accepted"), rejected=line.get("rejected"))


def _amount(text: str | None) -> int | None:
    return money_reader(".")(text) if text else None


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC).replace(tzinfo=None) if text else None
