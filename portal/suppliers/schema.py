"""Which keys a supplier's TOML has, and of what kind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OPERATIONS = ("inventory", "orders", "shipments")
PROTOCOLS = frozenset({"sftp", "ftp", "http", "rest", "shopify", "soap", "upload", "webhook"})
SETTING_KINDS = frozenset({"text", "number", "password", "textarea", "choice", "check", "folder", "key_pair", "picks"})
ACCOUNT_KEYS = frozenset(
    {
        "sftp_host",
        "sftp_port",
        "user",
        "password",
        "fingerprint",
        "folder",
        "orders_folder",
        "shipments_folder",
        "answers_folder",
        "http_host",
        "http_port",
        "http_url",
        "pid",
    }
)


@dataclass(frozen=True)
class Keys:
    """The keys a table must and may have, each with its type."""

    needed: Mapping[str, type] = field(default_factory=dict)
    optional: Mapping[str, type] = field(default_factory=dict)


SUPPLIER_KEYS = Keys(
    needed={
        "name": str, "region": str, "categories": list, "protocol": str, "methods": list, "summary": str, "needs": list,
        "steps": list, "letter": str, "minutes": int, "limits": list, "supports": dict, "place": int,
    },
    optional={
        "cannot": dict, "settings": list, "needs_demo": bool, "download_hosts": dict, "fixed": dict, "operations": dict,
        "native_host": dict, "channel": dict,
    },
)  # fmt: skip

SETTING_KEYS = Keys(
    needed={"key": str, "label": str},
    optional={"kind": str, "secret": bool, "required": bool, "default": str, "hint": str, "options": list, "shown_when": str},
)

NATIVE_KEYS = Keys(needed={"setting": str, "address": str, "where": str}, optional={"name": str, "also": list})
_LIST = frozenset(
    [
        "path",
        "query",
        "method",
        "body",
        "items",
        "form",
        "error_at",
        "rest",
        "check_path",
        "content_type",
        "sent_id",
        "not_taken",
        "denied_at",
    ]
    + ["tracking", "paging", "page_name", "first", "size_name", "size", "cursor", "total", "pages", "pages_header"]
    + ["children_path", "children_items", "children_when", "join_after"]
    + [f"{name}_{part}" for name in ("join", "join2") for part in ("path", "query", "items", "key", "on", "as")]
    + [f"words_{status}" for status in (400, 401, 402, 403, 404, 405, 409, 422, 429)]
)
OPERATION_TEXTS: Mapping[str, frozenset[str]] = {
    "rest": _LIST,
    "shopify": frozenset(["tracking"]),
    "soap": frozenset(
        ["wsdl_operation", "arguments", "items", "errors_at", "errors_good", "errors_nothing", "sent_id", "tracking"]
        + [f"arguments_{asks}" for asks in ("reference", "number", "since")]
    ),
}
"""The texts that an operation may set, by protocol; a protocol that is not here takes none."""
API_OPERATIONS = ("get_inventory", "send_orders", "get_shipments")
MAPPING_KEYS = Keys(
    optional={
        "field": str, "custom": str, "warehouse": str, "columns": list, "steps": list, "join": str, "fixed": str, "fallback": str,
        "separator": str,
    }
)  # fmt: skip
WITNESS_KEYS = Keys(
    needed={"proves": str},
    optional={
        "path": str, "query": str, "items": str, "field": str, "id": str, "settle_seconds": int, "key": str, "window_seconds": int,
        "gone": str,
    },
)  # fmt: skip
TAKEN_KEYS = Keys(
    needed={"ours": str, "theirs": str, "key": str, "their_key": str},
    optional={
        "quantity": str, "their_quantity": str, "cut": str, "path": str,
        "cancel_path": str, "cancel_method": str, "cancel_body": str, "canceled": str,
    },
)  # fmt: skip
STOCK_KEYS = Keys(needed={"path": str, "ours": str, "key": str, "their_key": str, "left": str}, optional={"quantity": str, "items": str})
LAYOUT_KEYS = Keys(needed={"format": str}, optional={"root": str, "order_tag": str, "line_tag": str, "fixed": bool})
COLUMN_KEYS = Keys(
    needed={"header": str, "kind": str},
    optional={
        "field": str, "text": str, "level": str, "custom": str, "literal": bool, "date_form": str, "join": str, "with": str,
        "longest": int, "needed": bool, "ending": str,
    },
)  # fmt: skip
PLACES = frozenset({"page", "offset", "cursor", "size", "id", "keys", "reference", "their_number", "since", "who", "secret"})
"""Names in curly braces that a request fills in by itself."""
NEED_KEYS = Keys(needed={"what": str, "who": str})
CHOICE_KEYS = Keys(needed={"value": str, "label": str}, optional={"hint": str})
_LISTS_OF_TABLES = frozenset({"needs", "settings", "options"})


def check_keys(where: str, table: Mapping[str, Any], keys: Keys) -> None:
    """Raises ValueError naming `where` and the first key that is unknown, missing or of another type."""
    known = {**keys.needed, **keys.optional}
    for key, value in table.items():
        if key not in known:
            raise ValueError(f"{where}: unknown key {key!r}")
        if type(value) is not known[key]:
            raise ValueError(f"{where}: {key} must be a {known[key].__name__}, not {value!r}")
        if isinstance(value, list):
            _check_parts(where, key, value, dict if key in _LISTS_OF_TABLES else str)
    for key in keys.needed:
        if key not in table:
            raise ValueError(f"{where}: {key} is missing")
        if table[key] == "":
            raise ValueError(f"{where}: {key} is empty")


def _check_parts(where: str, key: str, parts: list[Any], kind: type) -> None:
    for part in parts:
        if type(part) is not kind:
            raise ValueError(f"{where}: {key} must hold only {kind.__name__}, not {part!r}")
