"""Get Shipments by an operation of a SOAP service: what is typed, which moment or which open orders are asked for, and what a run takes.

typed ─▶ judged against the WSDL's outline ─▶ "list" of the integration's settings ─▶ settings of the connector, with orders or a moment
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from portal import clock, connections, placed_orders, service_calls, service_descriptions
from portal.connectors import answers
from portal.connectors.soap_arguments import asks_for_each, names_an_order, written
from portal.errors import Invalid
from portal.inventory import changes
from portal.models import FulfillmentRequest, Integration, Run, Source
from portal.requests.states import MAY

KEYS = ("operation", "arguments", "items", "errors_at", "errors_good", "errors_nothing", "since_form")
ASKS = {
    "reference": "Each open order, by our PO number", "number": "Each open order, by the supplier's sales order number",
    "since": "Everything that shipped since the last read",
}  # fmt: skip
"""How a supplier whose file says the call is asked; the default first."""
ASKED_IN = {key: f"arguments_{key}" for key in ASKS}
OVERLAP = timedelta(days=2)
"""So far before the last accepted read we ask again: some suppliers tell a day's parcels at its end. What was told before counts once."""
AT_MOST = timedelta(days=30)
LONGEST, LONGEST_LIST = 500, 4_000
SAMPLED = 3


def is_used(source: Source) -> bool:
    """Whether the source's shipments come by an operation that the merchant chooses."""
    if not source.supplier:
        return False
    supplier = connections.supplier_of(source)
    return supplier.protocol == "soap" and supplier.supports["shipments"] and "get_shipments" not in supplier.operations


def choices(source: Source) -> dict[str, str]:
    """The ways to ask among which the merchant chooses; none where the supplier's file knows one only."""
    operation = connections.supplier_of(source).operations.get("get_shipments")
    return {key: words for key, words in ASKS.items() if operation is not None and ASKED_IN[key] in operation.texts}


def asks(source: Source, kept: Mapping[str, Any]) -> str:
    """The way that was chosen, "" where there is none to choose."""
    known = choices(source)
    return str(kept.get("ask")) if kept.get("ask") in known else next(iter(known), "")


def operation_of(source: Source, key: str) -> dict[str, Any] | None:
    """What the WSDL says of an operation."""
    return service_descriptions.operation_of(service_descriptions.find(source), key) if key else None


def errors(source: Source, typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a call as it was typed, by field."""
    found = dict[str, str]()
    one, told = operation_of(source, typed.get("operation", "")), written(typed.get("arguments", ""))
    if one is None or one["unusable"]:
        return {"operation": one["unusable"] if one else "Choose one of the operations. The test of the connection reads them."}
    known = {part["path"]: part for part in one["arguments"]}
    if unknown := sorted(set(told) - set(known)):
        found["arguments"] = f"{one['name']} does not take {unknown[0][:60]}."
    elif lacking := [path for path, part in known.items() if part["required"] and path not in told]:
        found["arguments"] = f"{one['name']} needs {lacking[0][:60]} too."
    elif asks_for_each(told):
        found["arguments"] = "Shipments are not asked for by product. {reference} stands for the PO number of each open order."
    for key in ("items", "errors_at"):
        if words := answers.check_path(typed.get(key, "")):
            found[key] = words
    if typed.get("since_form", "iso") not in changes.FORMS:
        found["since_form"] = "Choose how the moment is written."
    for key in KEYS:
        most = LONGEST_LIST if key == "arguments" else LONGEST
        if len(typed.get(key, "")) > most or not typed.get(key, "").replace("\n", "").isprintable():
            found[key] = f"Use at most {most:,} ordinary characters."
    return found


def proposed(source: Source, key: str) -> str:
    """Arguments to begin with, by their names: who asks, and the PO number."""
    one = operation_of(source, key)
    if one is None or one["unusable"]:
        return ""
    settings = service_descriptions.settings_of(source)
    lines = service_calls.lines_of(
        {path: told for path, told in service_calls.proposed(one, settings).items() if told["from"] != "product"}
    ).splitlines()
    placed = {line.partition(" = ")[0] for line in lines}
    for part in one["arguments"]:
        if part["path"] not in placed and (stands := _stands_for(part["path"], part["kind"])):
            lines.append(f"{part['path']} = {stands}")
    return "\n".join(lines)


def _stands_for(path: str, kind: str) -> str:
    name = "".join(filter(str.isalnum, path.rpartition(".")[2].casefold()))
    if kind in ("moment", "date") and any(word in name for word in ("since", "from", "after", "start", "timestamp")):
        return "{since}"
    return "{reference}" if any(word in name for word in ("ponumber", "purchaseorder", "orderreference", "customerpo")) else ""


def settings_of(kept: Mapping[str, Any], orders: list[dict[str, Any]]) -> dict[str, Any]:
    """What is laid over the connection's own settings: nothing of the call for the stock stays."""
    told = {key: kept.get(key, "") for key in KEYS if key != "operation"}
    return {**told, "wsdl_operation": kept["operation"], "products_operation": "", "products": [], "orders": orders}


def asks_each(kept: Mapping[str, Any]) -> bool:
    """Whether each open order is asked for in a call of its own."""
    return names_an_order(written(str(kept.get("arguments") or "")))


def _asks_since(kept: Mapping[str, Any]) -> bool:
    told = written(str(kept.get("arguments") or ""))
    return any(one["from"] == "since" or "{since}" in " ".join(one.get("lines", [])) for one in told.values())


def since(integration: Integration, run: Run | None, form: str) -> str:
    """The moment to ask from, in the service's form: two days before the last accepted read, else a day before the oldest open order
    was sent, at most 30 days ago."""
    now = clock.now()
    sent = FulfillmentRequest.select(FulfillmentRequest.sent_at).where(
        FulfillmentRequest.source == integration.source, FulfillmentRequest.state << MAY["ship"], FulfillmentRequest.shipped != "shipped",
        FulfillmentRequest.sent_at.is_null(False),
    )  # fmt: skip
    oldest = sent.order_by(FulfillmentRequest.sent_at).limit(1).scalar()
    at = max((oldest or now) - timedelta(days=1), now - AT_MOST)
    last = Run.get_or_none(Run.id == integration.last_accepted_run_id) if run is not None else None
    changed = integration.changed_at
    if last is not None and last.started_at is not None and run is not None and last.mapping_version == run.mapping_version:
        read = not last.settings.get("document") and (changed is None or changed <= last.started_at)
        at = last.started_at - OVERLAP if read else at
    return changes.written(at, form)


def of_run(integration: Integration, run: Run | None) -> tuple[dict[str, Any] | None, str]:
    """(settings to lay over the connection's, the moment to ask from); None for the settings where no order is open to be asked for.

    `run` None: for a sample, of a few orders.
    """
    source, kept = integration.source, integration.settings
    orders = placed_orders.of(source, with_id=False)[: None if run else SAMPLED]
    if called := kept.get("list"):
        each = asks_each(called)
        over = settings_of(called, orders) if orders or not each else None
        moment = "" if each or not _asks_since(called) else since(integration, run, str(called.get("since_form") or "iso"))
        return over, moment
    asked = asks(source, kept)
    if asked == "number":
        orders = [one for one in orders if one["id"]]
    return ({"orders": orders, "ask": asked} if orders else None), since(integration, run, "iso") if asked == "since" else ""


def sample_settings(source: Source, typed: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """As `of_run`, for a call as it is typed. Raises Invalid."""
    if found := errors(source, typed):
        raise Invalid(found)
    integration = Integration.get(Integration.source == source, Integration.kind == "get_shipments")
    integration.settings = {"list": dict(typed)}
    over, moment = of_run(integration, None)
    if over is None:
        raise Invalid({"sample": "No order is open that could be asked for. Come again once one was sent, or paste one parcel."})
    return over, moment
