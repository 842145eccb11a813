"""One mutation of Shopify's Admin API, sent once, and how that ended: refusals inside a 200 told apart from what is not known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.connectors import sending, shopify_documents, shopify_words, stores
from portal.connectors.caller import Answer
from portal.connectors.sending import Sent
from portal.connectors.shopify_graph import Graph
from portal.connectors.shopify_send import NOTHING_DONE
from portal.errors import SupplierError

THROTTLED = 429
"""The status of a Sent that Shopify's limit kept out, though the answer was a 200."""
Errors = Sequence[Mapping[str, Any]]
Judge = Callable[[Mapping[str, Any], Errors], Sent]


def host_of(graph: Graph) -> str:
    """The store, in words."""
    return str(graph.settings.get("shop") or "the store")


def once(graph: Graph, document: str, variables: Mapping[str, Any], name: str, reference: str, judge: Judge) -> Sent:
    """Send the mutation `name`. `judge` says how an answer of success ended, by its payload and its userErrors."""
    asked = graph.request(document, variables)
    return sending.once(
        lambda steps: graph.caller.ask(graph.auth.sign(asked, graph.caller), steps=steps),
        lambda answer: _ended(graph, answer, name, reference, judge), reference, host_of(graph),
    )  # fmt: skip


def _ended(graph: Graph, answer: Answer, name: str, reference: str, judge: Judge) -> Sent:
    outcome = sending.outcome_of(answer.status)
    if answer.status == 401:
        graph.auth.token = None  # the next request signs in anew; this one is not repeated
    if outcome == "unknown":
        return stores.unknown(reference, host_of(graph))
    if outcome != "sent":
        problem = shopify_words.refused(answer, graph.caller, graph.settings).problem
        return Sent(outcome, reference, problem=problem, status=answer.status)
    try:
        reply = graph.reply_of(answer)
        told = reply.data.get(name)
        errors = shopify_words.user_errors(told or {})
    except SupplierError:
        return stores.unknown(reference, host_of(graph))
    if reply.errors:
        if not reply.codes <= NOTHING_DONE:
            return stores.unknown(reference, host_of(graph))
        words = shopify_words.of_errors(reply.errors, graph.caller, shopify_documents.VERSION)
        return Sent("not_sent", reference, problem=words.problem, status=THROTTLED if "THROTTLED" in reply.codes else 200)
    return judge(told or {}, errors)
