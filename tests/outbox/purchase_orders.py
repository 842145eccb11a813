"""Sources whose orders are taken by SOAP, and requests with all that such an order needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from portal import connections
from portal.models import Connection, FulfillmentRequest, RequestLine, Source
from tests.outgoing import turn_on

SAMPLES = Path(__file__).parents[1] / "suppliers" / "promostandards"


def wsdl(name: str) -> tuple[str, bytes]:
    """(name, bytes) of a WSDL in the standard's shape."""
    return f"{name}.wsdl", (SAMPLES / f"{name}.wsdl").read_bytes()


def takes_purchase_orders(source: Source, address: str) -> Source:
    """The source live, its service for orders at the address: one of its own for PromoStandards, the only one of a SOAP service."""
    own = source.supplier == "promostandards"
    where = {"endpoint": "http://127.0.0.1:9/stock", "orders_endpoint": address} if own else {"endpoint": address}
    settings: dict[str, Any] = {"wsdl_from": "upload", "user": "harbor", "plain_ok": True, "auth": "arguments", **where}
    Connection.update(settings=settings, state="ok").where(Connection.source == source).execute()
    connections._seal(source, "password", "k3y", "", "test")
    Source.update(state="live", currency="USD").where(Source.id == source.id).execute()
    turn_on(source)
    return Source.get_by_id(source.id)


def ready(*requests: FulfillmentRequest) -> None:
    """Give requests what the standard needs of an order."""
    FulfillmentRequest.update(carrier="UPS", shipping_code="GROUND").where(FulfillmentRequest.id << list(requests)).execute()
    RequestLine.update(unit_cost=50_000).where(RequestLine.request << list(requests)).execute()
