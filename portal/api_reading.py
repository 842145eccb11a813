"""What a token may read: orders of its workspace, fulfillment requests of its workspace or of its one source. Pages by a cursor."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from portal import sources
from portal.errors import Invalid, NotFound
from portal.models import ApiToken, FulfillmentRequest, Order, OrderLine, RequestLine, Source
from portal.requests.answers import WITH_THEM


class OtherSource(Exception):
    """The token is of one source, and what was asked for is at another one of the same workspace. `source`: the token's."""

    def __init__(self, source: Source | None) -> None:
        super().__init__(source.name if source else "")
        self.source = source


def orders(token: ApiToken, filters: Mapping[str, str], limit: int) -> tuple[Sequence[Order], str]:
    """(orders, oldest first, the next cursor or ""). Raises Invalid ("cursor")."""
    query = Order.select().where(Order.merchant == token.merchant_id)
    for name in ("number", "state"):
        if filters.get(name):
            query = query.where(getattr(Order, name) == filters[name])
    return _page(query, Order, filters.get("cursor", ""), limit)


def requests(token: ApiToken, filters: Mapping[str, str], limit: int) -> tuple[Sequence[FulfillmentRequest], str]:
    """(fulfillment requests, oldest first, the next cursor or ""). Raises Invalid ("cursor"), NotFound, OtherSource."""
    query = FulfillmentRequest.select(FulfillmentRequest, Source, Order).join(Source).switch(FulfillmentRequest).join(Order)
    query = query.where(FulfillmentRequest.merchant == token.merchant_id)
    if token.source_id is not None:
        query = query.where(FulfillmentRequest.source == token.source_id, _theirs())
    if filters.get("source_id"):
        query = query.where(FulfillmentRequest.source == source_of(token, filters["source_id"]).id)
    for name in ("number", "state"):
        if filters.get(name):
            query = query.where(getattr(FulfillmentRequest, name) == filters[name])
    return _page(query, FulfillmentRequest, filters.get("cursor", ""), limit)


def request_of(token: ApiToken, public_id: str) -> FulfillmentRequest:
    """The request of that id. Raises NotFound; OtherSource where it is at another source than the token's."""
    found = FulfillmentRequest.get_or_none(FulfillmentRequest.merchant == token.merchant_id, FulfillmentRequest.public_id == public_id)
    if found is None:
        raise NotFound("fulfillment request")
    if token.source_id is not None:
        if found.source_id != token.source_id:
            raise OtherSource(token.source)
        if not FulfillmentRequest.select().where(FulfillmentRequest.id == found.id, _theirs()).exists():
            raise NotFound("fulfillment request")
    return found


def source_of(token: ApiToken, public_id: str = "") -> Source:
    """The source that is meant: the token's own, or the named one. Raises Invalid where none is named, NotFound, OtherSource."""
    if not public_id:
        if token.source is None:
            raise Invalid({"source_id": "Say which source: this token is for the whole workspace."})
        return token.source
    source = sources.find(token.merchant, public_id)
    if token.source_id is not None and source.id != token.source_id:
        raise OtherSource(token.source)
    return source


def order_lines(found: Sequence[Order]) -> Mapping[int, list[OrderLine]]:
    """{order: its lines}."""
    return _by(OrderLine.select().where(OrderLine.order << [one.id for one in found]).order_by(OrderLine.number), "order_id")


def request_lines(found: Sequence[FulfillmentRequest]) -> Mapping[int, list[RequestLine]]:
    """{request: its lines}."""
    return _by(RequestLine.select().where(RequestLine.request << [one.id for one in found]).order_by(RequestLine.number), "request_id")


def requests_of(found: Sequence[Order]) -> Mapping[int, list[FulfillmentRequest]]:
    """{order: its requests}."""
    rows = FulfillmentRequest.select(FulfillmentRequest, Source).join(Source).where(FulfillmentRequest.order << [one.id for one in found])
    return _by(rows.order_by(FulfillmentRequest.id), "order_id")


def _theirs() -> Any:
    """A source sees what it was sent, or may have: what waits for the merchant is none of its business, nor to be shipped."""
    return FulfillmentRequest.sent_at.is_null(False) | (FulfillmentRequest.sending << WITH_THEM)


def _by(rows: Any, name: str) -> Mapping[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for one in rows:
        found.setdefault(getattr(one, name), []).append(one)
    return found


def _page(query: Any, table: Any, cursor: str, limit: int) -> tuple[Sequence[Any], str]:
    if cursor:
        after = cursor.removeprefix("c")
        if not cursor.startswith("c") or not (after.isascii() and after.isdigit()) or len(after) > 18:
            raise Invalid({"cursor": "Use next_cursor of the page before as it came, or none for the first page."})
        query = query.where(table.id > int(after))
    found = list(query.order_by(table.id).limit(limit + 1))
    return found[:limit], f"c{found[limit - 1].id}" if len(found) > limit else ""
