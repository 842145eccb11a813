"""Send Orders by an API that the merchant describes: the request, where our reference goes, and how a lost answer is looked for.

typed ─▶ judged ─▶ settings of Send Orders ("call") ─▶ settings of the connector, and the witness
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import urlencode, urlsplit

from portal import mappings
from portal.connection_parts import supplier_of
from portal.connectors import answers
from portal.models import Connection, Integration, Source
from portal.suppliers import Supplier

PROVES = {
    "nothing": "Nothing shows it: a person asks them",
    "listed": "We look for our PO number in their orders",
    "unique": "We look for it, and they refuse a PO number that they have",
    "key": "They take the same key once, so we send the same again",
}
"""What is done when an answer does not come."""
METHODS = ("POST", "PUT", "PATCH")
FORMS = {"json": "JSON", "xml": "XML"}
FORMATS = {"rest": ("json", "xml"), "soap": ("json",)}
"""The formats that a document may have; that of SOAP is put into the message in the schema's shape."""
_LOOK = ("look_items", "look_field", "look_id", "settle_seconds")
KEYS: dict[str, tuple[str, ...]] = {
    "": (),
    "rest": (
        "method", "path", "reference_header", "form", "sent_id", "error_at", "proves", "look_path", *_LOOK, "key_header", "window_hours",
    ),
    "soap": ("operation", "arguments", "sent_id", "errors_at", "errors_good", "proves", "look_operation", "look_arguments", *_LOOK),
}  # fmt: skip
"""What is typed, by kind."""
DEFAULTS = {
    "method": "POST", "form": "json", "proves": "nothing", "look_id": "id", "settle_seconds": "60", "key_header": "Idempotency-Key",
    "window_hours": "24",
}  # fmt: skip
LONGEST, LONGEST_LIST = 500, 4_000
LONGEST_SETTLING, LONGEST_WINDOW = 3_600, 720

_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}")
_OURS = frozenset(
    ("authorization", "host", "cookie", "connection", "transfer-encoding", "accept", "expect", "upgrade", "user-agent", "te", "trailer")
)


def kind_of(supplier: Supplier) -> str:
    """ "rest" or "soap" where the merchant says how orders are sent, "" where the supplier's file does, or its API takes none."""
    described = "send_orders" in supplier.operations or not supplier.supports["orders"]
    return "" if described or supplier.protocol not in ("rest", "soap") else supplier.protocol


def proofs_of(kind: str) -> dict[str, str]:
    """What may be chosen for a lost answer."""
    return PROVES if kind == "rest" else {key: PROVES[key] for key in ("nothing", "listed")}


def call_of(integration: Integration) -> dict[str, str]:
    """What was saved, with what is usual where nothing was."""
    return {**dict.fromkeys((*KEYS["rest"], *KEYS["soap"]), ""), **DEFAULTS, **(integration.settings.get("call") or {})}


def is_set(call: Mapping[str, str], kind: str) -> bool:
    """Whether an order could be sent by it."""
    return bool(call["path" if kind == "rest" else "operation"])


ORDERS_AT = "orders_endpoint"
"""The setting with the address of a service that takes orders, where it is another than the one that tells the stock."""


def missing(integration: Integration, call: Mapping[str, str] | None = None) -> str:
    """What has still to be said before an order can leave by the supplier's API, in a sentence; "" when nothing has.

    `call`: what is typed, instead of what is saved. Raises NotFound for a supplier that the directory has no more.
    """
    supplier = supplier_of(integration.source)
    kind = kind_of(supplier)
    if kind and not is_set(call or call_of(integration), kind):
        return f"Nobody has said yet how {integration.source.name} takes an order. Finish Send Orders."
    connection = Connection.get_or_none(Connection.source == integration.source) if ORDERS_AT in supplier.setting_keys else None
    if connection is not None and not connection.settings.get(ORDERS_AT):
        return f"{integration.source.name} takes orders by another service than the stock. Enter its address under Connection."
    return ""


def errors_of(source: Source, call: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with what was typed (a text for each of KEYS), by key."""
    kind = kind_of(supplier_of(source))
    errors = _rest_errors(call) if kind == "rest" else import_module("portal.service_calls").order_errors(source, call)
    for key in KEYS[kind]:
        most = LONGEST_LIST if key.endswith("arguments") else LONGEST
        if len(call[key]) > most or not call[key].replace("\n", "").isprintable():
            errors[key] = f"Use at most {most:,} ordinary characters."
    for key in {"sent_id", "error_at", "errors_at", "look_items", "look_field", "look_id"} & set(KEYS[kind]):
        if words := answers.check_path(call[key]):
            errors.setdefault(key, words)
    if call["proves"] not in proofs_of(kind):
        errors["proves"] = "Choose what is done when an answer does not come."
    elif call["proves"] in ("listed", "unique"):
        errors |= _look_errors(kind, call)
    return errors


def _rest_errors(call: Mapping[str, str]) -> dict[str, str]:
    errors = {} if call["method"] in METHODS else {"method": "Choose POST, PUT or PATCH."}
    if call["form"] not in FORMS:
        errors["form"] = "Choose JSON or XML."
    if words := _path_problem(call["path"], ("reference",)):
        errors["path"] = words
    for key in ("reference_header", "key_header"):
        if call[key] and (not _HEADER.fullmatch(call[key]) or call[key].lower() in _OURS or call[key].lower().startswith("content-")):
            errors[key] = "Enter the name of a header of theirs, such as Idempotency-Key."
    if call["proves"] == "key":
        if not call["key_header"]:
            errors["key_header"] = "Enter the header that carries the key."
        if not _within(call["window_hours"], 1, LONGEST_WINDOW):
            errors["window_hours"] = f"Enter for how many hours they know a key, from 1 to {LONGEST_WINDOW}."
    return errors


def _look_errors(kind: str, call: Mapping[str, str]) -> dict[str, str]:
    errors = {}
    if kind == "rest" and (words := _path_problem(call["look_path"], ("reference", "since"))):
        errors["look_path"] = words
    if not call["look_field"]:
        errors["look_field"] = "Enter where our PO number stands in an order of theirs."
    if not _within(call["settle_seconds"], 0, LONGEST_SETTLING):
        errors["settle_seconds"] = f"Enter seconds from 0 to {LONGEST_SETTLING:,}."
    return errors


def _path_problem(text: str, known: tuple[str, ...]) -> str:
    plain = text
    for name in known:
        plain = plain.replace("{" + name + "}", "x")
    if "{" in plain or "}" in plain:
        return f"In curly braces only {' and '.join('{' + name + '}' for name in known)} can stand."
    odd = not plain.startswith("/") or plain.startswith("//") or any(sign in plain for sign in " #\\") or not plain.isascii()
    if odd or urlsplit(plain).path != plain.partition("?")[0] or ".." in plain.partition("?")[0].split("/"):
        return "Enter a path under the base address, such as /orders."
    return ""


def _within(text: str, least: int, most: int) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 7 and least <= int(text) <= most


def witness_of(kind: str, call: Mapping[str, str]) -> dict[str, Any]:
    """The settings of sending.Witness."""
    proves = call["proves"]
    if proves == "key":
        return {"proves": proves, "key": call["key_header"], "window_seconds": int(call["window_hours"]) * 3_600}
    if proves == "nothing":
        return {"proves": proves}
    if kind == "rest":
        place, _, query = call["look_path"].partition("?")
    else:
        pairs = (line.partition("=") for line in call["look_arguments"].splitlines() if "=" in line)
        place, query = call["look_operation"], urlencode([(name.strip(), text.strip()) for name, _, text in pairs])
    found = {"path": place, "query": query, "items": call["look_items"], "field": call["look_field"], "id": call["look_id"] or "id"}
    return {**found, "proves": proves, "settle_seconds": int(call["settle_seconds"])}


def settings_of(source: Source) -> dict[str, Any]:
    """What an API's connector takes for sending, instead of what it takes for reading; {} where the supplier's file says it."""
    if kind_of(supplier_of(source)) != "rest":
        return {}
    integration = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    call, version = call_of(integration), mappings.current(integration)
    if not is_set(call, "rest"):
        return {"operation": ""}  # what reads the stock must not take an order
    path, _, query = call["path"].partition("?")
    form = version.rules.get("format") if version else "json"
    asks_for_one = "{reference}" in call["look_path"]
    return {
        "operation": "send_orders", "path": path, "query": query, "method": call["method"], "body": "", "items": "", "form": call["form"],
        "sent_id": call["sent_id"], "error_at": call["error_at"], "reference_header": call["reference_header"], "total": "",
        "content_type": "application/xml" if form == "xml" else "application/json", "witness": witness_of("rest", call),
        **({"paging": "none"} if asks_for_one else {}),
    }  # fmt: skip
