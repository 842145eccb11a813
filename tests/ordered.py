"""Orders and requests for tests, written straight into the tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.models import CommittedStock, FulfillmentRequest, Merchant, Order, OrderLine, RequestLine, Source

ADA = {
    "name": "Ada Byron", "address_1": "12 Harbor Rd", "city": "Portland", "state": "Maine", "state_code": "ME", "postal": "04101",
    "country": "United States", "country_code": "US", "email": "ada@example.com", "phone": "+1 207 555 0142",
}  # fmt: skip


def place(merchant: Merchant, lines: Sequence[tuple[str, int]] = (("HX-1", 3),), number: str = "1001", **columns: Any) -> Order:
    """An open order whose lines wait to be routed."""
    order = Order.create(merchant=merchant, came_by="hand", number=number, content_hash="0" * 64, ship_to=ADA, **columns)
    for n, (sku, quantity) in enumerate(lines, 1):
        OrderLine.create(order=order, number=n, sku=sku, title=f"Title of {sku}", quantity=quantity, unrouted=quantity)
    return order


def ask(
    order: Order, source: Source, number: str = "", state: str = "processed", commit: bool = True, **columns: Any
) -> FulfillmentRequest:
    """Everything of the order that is not routed yet, as one request to the source."""
    request = FulfillmentRequest.create(
        merchant=order.merchant_id, order=order, source=source, number=number or order.number, state=state, **columns
    )
    for line in OrderLine.select().where(OrderLine.order == order, OrderLine.unrouted > 0).order_by(OrderLine.number):
        made = RequestLine.create(
            request=request, order_line=line, number=line.number, sku=line.sku, title=line.title, ordered=line.unrouted, open=line.unrouted
        )
        OrderLine.update(routed=OrderLine.routed + line.unrouted, unrouted=0).where(OrderLine.id == line.id).execute()
        if commit:
            CommittedStock.create(
                merchant=order.merchant_id, source=source, line=made, sku=line.sku, committed=line.unrouted, quantity=line.unrouted
            )
    Order.update(routing="").where(Order.id == order.id).execute()
    return request


def lines_of(request: FulfillmentRequest) -> list[RequestLine]:
    """The lines as they are now."""
    return list(RequestLine.select().where(RequestLine.request == request.id).order_by(RequestLine.number))
