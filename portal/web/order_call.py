"""The part of Send Orders that says how a supplier's API takes an order: its fields, as they stand in the form of the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from htmx_flask import request

from portal import order_calls, order_setup, service_descriptions

BEFORE = "call_"
"""Before the name of each field in the form."""


@dataclass(frozen=True)
class Entry:
    """One field. `choices`: of a select; `lines`: several lines of text."""

    key: str
    label: str
    hint: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    lines: bool = False


_NUMBER = "Such as data.order.id. An answer of success that lacks it is not taken for one. Empty: the status alone says it"
_LIST = (
    Entry("look_items", "Where the orders are in that answer", "A path such as data.orders; empty when the answer is the list itself"),
    Entry("look_field", "Where our PO number is in an order", "Such as po_number. It counts only to the letter"),
    Entry("look_id", "Where their number is in an order", "Such as id"),
    Entry("settle_seconds", "Seconds until an order is listed", "So long we wait before we look; then again after 5 and 15 minutes"),
)


def entries(source: Any, kind: str) -> list[tuple[str, list[Entry]]]:
    """(heading, its fields) of the kind of API."""
    proves = Entry(
        "proves",
        "If no answer comes",
        "What we may do by ourselves. Without a proof nothing is sent a second time",
        order_calls.proofs_of(kind),
    )
    if kind == "rest":
        return [
            ("The request", [
                Entry("method", "Method", "", {one: one for one in order_calls.METHODS}),
                Entry("path", "Path", "Under the base address, such as /orders. {reference} stands for our PO number"),
                Entry("reference_header", "Header with our PO number", "Only if they want it there; the document holds it in any case"),
                Entry("form", "Their answer is", "", order_calls.FORMS),
                Entry("sent_id", "Where their order number is", _NUMBER),
                Entry("error_at", "Where an error is", "Only if an answer of success may say that it is none, such as errors"),
            ]),
            ("When an answer is lost", [
                proves,
                Entry("look_path", "Path of their orders", "Such as /orders?po={reference}. {since} is when we sent"), *_LIST,
                Entry("key_header", "Header with the key", "For the same key once: our PO number stands in it, the same on each try"),
                Entry("window_hours", "Hours that they know a key", "After that a person is asked"),
            ]),
        ]  # fmt: skip
    known = {one["key"]: one["name"] for one in service_descriptions.operations(service_descriptions.find(source)) if not one["unusable"]}
    chosen = {"": "Choose one", **known}
    return [
        ("The call", [
            Entry("operation", "Operation that takes an order", "From the WSDL of the connection", chosen),
            Entry("arguments", "Its other arguments", "A line each: name = value. <user>, <password>, <key>: of the connection", {}, True),
            Entry("sent_id", "Where their order number is", _NUMBER),
            Entry("errors_at", "Where an error is", "A path in the answer; a SOAP fault is known by itself"),
            Entry("errors_good", "Texts there that are no error", "Such as OK, 0; separated by commas"),
        ]),
        ("When an answer is lost", [
            proves, Entry("look_operation", "Operation that tells orders", "To look for one", chosen),
            Entry("look_arguments", "Its arguments", "A line each, such as poNumber = {reference}, our PO number", {}, True), *_LIST,
        ]),
    ]  # fmt: skip


def typed(kind: str) -> dict[str, str]:
    """What the form holds, a text for each key."""
    texts = {key: request.form.get(BEFORE + key, "").strip()[: order_calls.LONGEST_LIST + 1] for key in order_calls.KEYS[kind]}
    return {key: text.replace("\r\n", "\n") for key, text in texts.items()}


def shown(source: Any, integration: Any, sent: bool) -> dict[str, Any]:
    """What the page needs: the fields, and their values as typed or saved."""
    kind = order_setup.described_by_merchant(integration)
    values = order_calls.call_of(integration) | (typed(kind) if sent else {})
    return {"call": entries(source, kind) if kind else (), "call_values": values, "call_before": BEFORE}
