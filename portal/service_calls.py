"""What is asked of a SOAP service: the operation, its arguments, where the items and the errors stand, and for which products.

typed ─▶ judged against the WSDL's outline ─▶ kept ─▶ settings of the connector
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from portal import audit, order_calls, service_descriptions
from portal.connection_parts import mark_untested, supplier_of
from portal.connectors import answers
from portal.connectors.soap_answers import MOST_IDS
from portal.connectors.soap_arguments import SOURCES as SOURCES
from portal.connectors.soap_arguments import asks_for_each, written
from portal.errors import Invalid
from portal.models import Integration, ServiceDescription, Source, database
from portal.service_descriptions import OWN
from portal.suppliers import Supplier

MOST_PRODUCTS = MOST_IDS
LONGEST_PRODUCT = 100
LONGEST_TEXT = 2_000
MOST_LINES = 200
FIXED = ("wsdl_operation", "arguments", "items", "errors_at")
"""What a supplier's TOML may say for everybody."""

_PROPOSED = (
    ("password", re.compile(r"(?i)(^|\.)@?(pass(word|wd)?|pwd)$")),
    ("user", re.compile(r"(?i)(^|\.)@?(user(_?name|_?id)?|login|account(_?(no|number|id))?|customer_?(no|number|id)|id)$")),
    ("key", re.compile(r"(?i)(^|\.)@?(api_?key|(access_?)?token|secret)$")),
    ("product", re.compile(r"(?i)(^|\.)@?(product|item|article|style)_?(id|no|number|code)$")),
)
_NUMBER = re.compile(r"[+-]?\d+([.]\d+)?([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?")


def settings_of(source: Source, operation: str = "get_inventory") -> dict[str, Any]:
    """What the connector takes beside the connection's own settings: the supplier's fixed part over what the merchant chose.

    What the merchant chose is for get_inventory only; for send_orders it stands with Send Orders, where the supplier's file says nothing.
    """
    if operation == "get_shipments" and operation not in supplier_of(source).operations:
        return {}  # the merchant says it with Get Shipments, see notice_calls
    if operation == "send_orders" and order_calls.kind_of(supplier_of(source)) == "soap":
        return _of_orders(source)
    row, supplier = service_descriptions.find(source), supplier_of(source)
    settings = service_descriptions.settings_of(source)
    said = {key: value for key, value in supplier.whole(settings, operation).items() if key in FIXED and value}
    call = {
        "wsdl_operation" if key == "operation" else key: value for key, value in row.call.items() if value and operation == "get_inventory"
    }
    own = OWN[operation] if service_descriptions.own_operation(source, operation) else ()
    where = {"endpoint": settings.get(own[0]), "wsdl": settings.get(own[1])} if own else {}
    return {**call, **said, **where, "arguments": {**call.get("arguments", {}), **written(str(said.get("arguments") or ""))}}


def _of_orders(source: Source) -> dict[str, Any]:
    call = order_calls.call_of(Integration.get(Integration.source == source, Integration.kind == "send_orders"))
    told = {key: call[key] for key in ("sent_id", "errors_at", "errors_good")}
    return {
        **told, "operation": "send_orders", "wsdl_operation": call["operation"], "arguments": written(call["arguments"]), "items": "",
        "products_operation": "", "witness": order_calls.witness_of("soap", call),
    }  # fmt: skip


def order_errors(source: Source, call: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with the operations and arguments that were typed for Send Orders (see order_calls), by key."""
    errors, row = dict[str, str](), service_descriptions.find(source)
    pairs = [("operation", "arguments")] + ([("look_operation", "look_arguments")] if call["proves"] == "listed" else [])
    for key, arguments in pairs:
        one = service_descriptions.operation_of(row, call[key])
        if one is None or one["unusable"]:
            errors[key] = one["unusable"] if one else "Choose one of the operations. The test of the connection reads them."
            continue
        told = written(call[arguments])
        if unknown := sorted(set(told) - {part["path"] for part in one["arguments"]}):
            errors[arguments] = f"{one['name']} does not take {unknown[0][:60]}."
        elif asks_for_each(told):
            errors[arguments] = "An order is not sent for each product."
    if call["proves"] == "listed" and "{reference}" not in call["look_arguments"]:
        errors.setdefault("look_arguments", "Say in which argument our PO number is asked for, such as poNumber = {reference}.")
    return errors


def fixed(supplier: Supplier) -> dict[str, str]:
    """What the supplier's TOML says for everybody; nobody is asked for it."""
    operation = supplier.operations.get("get_inventory")
    texts = {**supplier.fixed, **(operation.texts if operation else {})}
    return {key: text for key, text in texts.items() if key in FIXED}


def fixed_arguments(supplier: Supplier) -> dict[str, dict[str, Any]]:
    """The arguments that the supplier's TOML places."""
    return written(fixed(supplier).get("arguments", ""))


def proposed(operation: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A first guess by the arguments' names: who asks, where the call itself says so, and the product of each call."""
    found: dict[str, dict[str, Any]] = {}
    for one in operation["arguments"]:
        source = next((name for name, pattern in _PROPOSED if pattern.search(one["path"])), "")
        placed = {"product": one["required"], "key": True}.get(source, settings.get("auth") == "arguments")
        if source and placed:
            found[one["path"]] = {"from": source}
        elif one["required"] and len(one["options"]) == 1:
            found[one["path"]] = {"from": "value", "lines": list(one["options"])}
    return found


def products_in(text: str) -> list[str]:
    """Product ids as they are pasted or stand in a file: one a line, or separated by commas, semicolons or tabs; each once."""
    pieces = (piece.strip().strip('"').strip() for piece in re.split(r"[\n\r,;\t\ufeff]+", text))
    return list(dict.fromkeys(piece for piece in pieces if piece))


def products_of(content: bytes) -> list[str]:
    """The ids in a text or CSV file. Raises Invalid for a workbook."""
    if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
        raise Invalid({"products": "This file is a workbook. Save its column of ids as text or CSV, or paste them."})
    return products_in(content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", "replace"))


def save(source: Source, typed: Mapping[str, Any], version: int, who: str) -> None:
    """Keep what is asked. `typed`: {"operation", "arguments", "items", "errors_at", "errors_good", "products": [id]}.

    The connection is untested afterwards. Raises Invalid (keys as in `typed`, and arguments by path), Stale, NotFound.
    """
    row, supplier = service_descriptions.find(source), supplier_of(source)
    settings = service_descriptions.settings_of(source)
    key = str(fixed(supplier).get("wsdl_operation") or typed.get("operation") or "")
    operation = service_descriptions.operation_of(row, key)
    if operation is None or operation["unusable"]:
        raise Invalid({"operation": "Choose one of the operations." if operation is None else operation["unusable"]})
    placed, errors = fixed_arguments(supplier), dict[str, str]()
    arguments = _judged_arguments(operation, typed.get("arguments") or {}, placed, settings, errors)
    products = [str(one) for one in typed.get("products") or []]
    call = {"operation": operation["key"], "arguments": arguments, "products": products}
    if asks_for_each({**arguments, **placed}):
        if typed.get("products_operation"):
            call |= _judged_listing(row, typed, settings, errors)
        else:
            _judge_products(products, errors)
    for name in ("items", "errors_at"):
        call[name] = str(typed.get(name) or "").strip()
        if words := answers.check_path(call[name]):
            errors[name] = words
    call["errors_good"] = str(typed.get("errors_good") or "").strip()[:LONGEST_TEXT]
    if errors:
        raise Invalid(errors)
    _write(source, row, call, version, who)


def _write(source: Source, row: ServiceDescription, call: Mapping[str, Any], version: int, who: str) -> None:
    with database.atomic():
        service_descriptions.write_call(row, call, version, who)
        mark_untested(source)
        told = ({**one, "products": len(one.get("products", []))} for one in (row.call, call))
        audit.write(source.merchant, who, "service_call.save", "source", source.public_id, before=next(told), after=next(told))


def _judged_arguments(
    operation: Mapping[str, Any], typed: Mapping[str, Mapping[str, Any]], placed: Mapping[str, Any], settings: Mapping[str, Any],
    errors: dict[str, str],
) -> dict[str, dict[str, Any]]:  # fmt: skip
    found: dict[str, dict[str, Any]] = {}
    for one in operation["arguments"]:
        path, given = one["path"], typed.get(one["path"], {})
        if path in placed:
            continue
        source = str(given.get("from") or "value")
        lines = [line for line in given.get("lines", []) if line.strip()] if source == "value" else []
        words = _argument_problem(one, source, lines, settings)
        if words:
            errors[path] = words
        if source != "value":
            found[path] = {"from": source}
        elif lines:
            found[path] = {"from": "value", "lines": lines}
    return found


def _argument_problem(one: Mapping[str, Any], source: str, lines: list[str], settings: Mapping[str, Any]) -> str:
    if source not in SOURCES:
        return "Choose where it comes from."
    if source == "user" and not str(settings.get("user") or ""):
        return "The connection has no user. Enter it there, or choose a value."
    if source != "value":
        return ""
    if one["required"] and not lines:
        return f"The service needs {one['path']}. Enter a value, or choose where it comes from."
    if len(lines) > (MOST_LINES if one["repeated"] else 1):
        return f"Enter at most {MOST_LINES} values." if one["repeated"] else "Enter one value."
    return next((words for words in (_value_problem(one, line.strip()) for line in lines) if words), "")


def _value_problem(one: Mapping[str, Any], text: str) -> str:
    if len(text) > LONGEST_TEXT or any(ord(letter) < 32 for letter in text):
        return f"Use up to {LONGEST_TEXT:,} ordinary characters."
    if one["options"] and text not in one["options"]:
        return "Choose one of the values that the service allows."
    rules: dict[str, tuple[re.Pattern[str] | None, str]] = {
        "number": (_NUMBER, "Enter a number, such as 12 or 1.5."), "date": (_DATE, "Enter a date, such as 2026-11-27."),
        "moment": (_MOMENT, "Enter a date and time, such as 2026-11-27T08:00:00Z."),
        "boolean": (re.compile("true|false|1|0"), "Enter true or false."),
    }  # fmt: skip
    rule, words = rules.get(one["kind"], (None, ""))
    return words if rule is not None and not rule.fullmatch(text) else ""


def _judged_listing(
    row: ServiceDescription, typed: Mapping[str, Any], settings: Mapping[str, Any], errors: dict[str, str]
) -> dict[str, Any]:  # fmt: skip
    """The operation that tells the product ids: its arguments as lines "name = value", and where the ids stand."""
    operation = service_descriptions.operation_of(row, str(typed["products_operation"]))
    path = str(typed.get("products_path") or "").strip()
    if operation is None or operation["unusable"]:
        errors["products_operation"] = "Choose one of the operations."
        return {}
    told, faults = written(str(typed.get("products_arguments") or "")), dict[str, str]()
    if unknown := sorted(set(told) - {one["path"] for one in operation["arguments"]}):
        faults["products_arguments"] = f"{operation['name']} does not take {unknown[0][:60]}."
    _judged_arguments(operation, told, {}, settings, faults)
    if faults or asks_for_each(told):
        errors["products_arguments"] = next(iter(faults.values()), "A list cannot take each product id.")
    errors |= {"products_path": words} if (words := answers.check_path(path) or ("" if path else "Enter where the ids stand.")) else {}
    return {"products_operation": operation["key"], "products_arguments": told, "products_path": path}


def lines_of(arguments: Mapping[str, Mapping[str, Any]]) -> str:
    """Arguments as `written` reads them."""
    found = []
    for path, one in arguments.items():
        found += [f"{path} = <{one['from']}>"] if one["from"] != "value" else [f"{path} = {line}" for line in one.get("lines", [])]
    return "\n".join(found)


def _judge_products(products: Iterable[str], errors: dict[str, str]) -> None:
    known = list(products)
    if not known:
        errors["products"] = "Enter the supplier's product ids: the service tells the stock of one product at a time."
    elif len(known) > MOST_PRODUCTS:
        errors["products"] = f"These are {len(known):,} ids; up to {MOST_PRODUCTS:,} are asked for in one run."
    elif long := next((one for one in known if len(one) > LONGEST_PRODUCT or not one.isprintable()), ""):
        errors["products"] = f"“{long[:40]}…” is no product id. Enter one id a line."
