"""An order handed to a Shopify store once, and looked for again by the reference that it carries (sourceIdentifier).

document ─▶ variants only ─▶ orderCreate, stock taken by the store's own rule ─▶ Sent        reference ─▶ orders ─▶ to the letter ─▶ Found
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from portal.connectors import problems, sending, shopify_documents, shopify_words
from portal.connectors.caller import Answer, unwatched
from portal.connectors.sending import Found, Sent
from portal.connectors.shopify_graph import Graph, Reply
from portal.errors import SupplierError

OPTIONS = {"inventoryBehaviour": "DECREMENT_OBEYING_POLICY", "sendReceipt": False, "sendFulfillmentReceipt": False}
"""Without the first, Shopify leaves the stock as it is (BYPASS is its default); the buyer hears from us, not from the supplier."""
CANCEL_LOOKS = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each look whether the store has canceled an order, which it does in the background."""
NOTHING_DONE = frozenset({"THROTTLED", "ACCESS_DENIED", "MAX_COST_EXCEEDED", "SHOP_INACTIVE"})
"""Codes inside a 200 after which nothing was done."""


def send(graph: Graph, operation: str, document: bytes, reference: str) -> Sent:
    """Create the order, once; see sending.Sends. `document`: an OrderCreateOrderInput as JSON, whose lines name variants.

    orderCreate takes no idempotency key (shopify.dev, "Idempotent requests"), so that nothing here repeats it.
    """
    if graph.settings.get("operation") != operation or operation != "send_orders":
        raise sending.cannot("send", "SHOPIFY")
    order = {**_order(document), "sourceIdentifier": reference}
    asked = graph.request(shopify_documents.ORDER_CREATE, {"order": order, "options": OPTIONS})
    return sending.once(
        lambda steps: graph.caller.ask(graph.auth.sign(asked, graph.caller), steps=steps),
        lambda answer: _ended(graph, answer, reference),
        reference, _host(graph),
    )  # fmt: skip


def find(graph: Graph, reference: str) -> Found | None:
    """The order that carries the reference and was not canceled, None when the store lists none.

    Its search may lag: see the witness's settling time.
    """
    if graph.settings.get("operation") != "send_orders":
        raise sending.cannot("find", "SHOPIFY")
    quoted = reference.replace("\\", "\\\\").replace('"', '\\"')
    asked = {"filter": f'source_identifier:"{quoted}"'}
    page = graph.whole(graph.read(shopify_documents.ORDERS_BY_SOURCE, asked, unwatched)).get("orders")
    nodes = page.get("nodes") if isinstance(page, Mapping) else None
    if not isinstance(nodes, list) or not all(isinstance(one, Mapping) for one in nodes):
        raise problems.protocol_error("The answer cannot be read", "A list that we asked for is not in it.")
    ours = [one for one in nodes if one.get("sourceIdentifier") == reference and not one.get("cancelledAt")]
    if len(ours) != 1:
        return Found(reference, str(ours[0].get("id") or ""), ours[0], len(ours)) if ours else None
    whole = graph.whole(graph.read(shopify_documents.ORDER, {"id": ours[0].get("id")}, unwatched)).get("order")
    if not isinstance(whole, Mapping) or whole.get("sourceIdentifier") != reference:
        raise problems.protocol_error("The answer cannot be read", "The order that the store listed is not in it.")
    return Found(reference, str(whole.get("id") or ""), whole)


def cancel(graph: Graph, their_id: str) -> None:
    """Cancel the order, and see in the store that it is. Raises SupplierError where nobody saw that; may be asked again."""
    if graph.settings.get("operation") != "send_orders" or not their_id:
        raise sending.cannot("cancel", "SHOPIFY")
    if _is_canceled(graph, their_id):
        return
    told = graph.whole(graph.read(shopify_documents.ORDER_CANCEL, {"id": their_id}, unwatched)).get("orderCancel")
    errors = shopify_words.user_errors({"userErrors": (told or {}).get("orderCancelUserErrors") or []})
    for seconds in (0.0,) if errors else CANCEL_LOOKS:
        time.sleep(seconds)
        if _is_canceled(graph, their_id):
            return
    if errors:
        raise shopify_words.of_user_errors(errors, graph.caller, "Shopify did not cancel the order")
    raise problems.protocol_error("The order was not canceled", f"{_host(graph)} took the request, and does not say yet that it is done.")


def _is_canceled(graph: Graph, their_id: str) -> bool:
    order = graph.whole(graph.read(shopify_documents.ORDER, {"id": their_id}, unwatched)).get("order")
    if not isinstance(order, Mapping):
        raise problems.protocol_error("The store does not know the order", "Whether it was canceled nobody saw.")
    return bool(order.get("cancelledAt"))


def _order(document: bytes) -> dict[str, Any]:
    """The order of a document. Raises SupplierError for one that cannot be sent; a line without its variant takes no stock."""
    try:
        order = orjson.loads(document)
    except orjson.JSONDecodeError:
        order = None
    lines = order.get("lineItems") if isinstance(order, dict) else None
    if not isinstance(order, dict) or not isinstance(lines, list) or not lines:
        raise problems.protocol_error(
            "The order cannot be sent", "It has no lines that Shopify understands. Nothing was sent.", permanent=True
        )
    if not all(isinstance(one, dict) and str(one.get("variantId") or "").startswith("gid://shopify/ProductVariant/") for one in lines):
        body = "A line names no variant of the store. By its SKU alone Shopify would take it without taking stock. Nothing was sent."
        raise problems.protocol_error("The order cannot be sent", body, permanent=True)
    return order


def _ended(graph: Graph, answer: Answer, reference: str) -> Sent:
    outcome = sending.outcome_of(answer.status)
    if answer.status == 401:
        graph.auth.token = None  # the next request signs in anew; this one is not repeated
    if outcome == "sent":
        try:
            return _taken(graph, graph.reply_of(answer), reference)
        except SupplierError:
            outcome = "unknown"  # an answer that cannot be read does not say what was done
    if outcome == "unknown":
        return Sent("unknown", reference, problem=sending.not_known(_host(graph)))
    return Sent(outcome, reference, problem=shopify_words.refused(answer, graph.caller, graph.settings).problem)


def _taken(graph: Graph, reply: Reply, reference: str) -> Sent:
    if reply.errors:
        if not reply.codes <= NOTHING_DONE:
            return Sent("unknown", reference, problem=sending.not_known(_host(graph)), answer=reply.data)
        problem = shopify_words.of_errors(reply.errors, graph.caller, shopify_documents.VERSION).problem
        return Sent("not_sent", reference, problem=problem)
    made = reply.data.get("orderCreate")
    told: Mapping[str, Any] = made if isinstance(made, Mapping) else {}
    errors, order = shopify_words.user_errors(told), told.get("order")
    their_id = order.get("id") if isinstance(order, Mapping) else None
    if errors and order is None:
        problem = shopify_words.of_user_errors(errors, graph.caller, "Shopify did not take the order").problem
        return Sent("refused", reference, problem=problem, answer=told)
    if errors or not isinstance(their_id, str) or not their_id:
        return Sent("unknown", reference, problem=sending.not_known(_host(graph)), answer=told)
    return Sent("sent", reference, their_id, answer=order)


def _host(graph: Graph) -> str:
    return str(graph.settings.get("shop") or "the store")
