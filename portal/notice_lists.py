"""The list of shipments, or of acknowledgements, behind an API that the merchant describes: what is typed, and what a run asks for.

typed ─▶ judged ─▶ "list" of the integration's settings ─▶ settings of the connector, since the last accepted read
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from portal import connections, documents
from portal.connectors.caller import unwatched
from portal.errors import Invalid, SupplierError
from portal.inventory.changes import FORMS, OVERLAP_MINUTES, written
from portal.models import Document, Integration, Run, Source
from portal.records import FeedFormat

PAGINGS = {
    "same": "As those of the stock list", "none": "One answer holds everything", "page": "Page numbers", "offset": "Offset and limit",
    "cursor": "A cursor in the answer", "link": "A Link header", "next": "The next address in the answer",
}  # fmt: skip
OF_PAGES = ("page_name", "first", "size_name", "size", "cursor", "total")
SINCE_FORMS = FORMS
KEYS = ("path", "items", "paging", *OF_PAGES, "since_name", "since_form")
LONGEST = 500
_NEEDED = {
    "page": {"page_name": "parameter of the page"}, "offset": {"page_name": "parameter of the offset"},
    "cursor": {"page_name": "parameter of the cursor", "cursor": "place of the cursor in the answer"},
    "next": {"cursor": "place of the next address in the answer"},
}  # fmt: skip


def is_used(source: Source) -> bool:
    """Whether the source's shipments and acknowledgements are lists of an API whose paths the merchant types."""
    return bool(source.supplier) and connections.asks_path(source)


def errors(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a list as it was typed, by field."""
    found = {key: f"Use at most {LONGEST} plain characters." for key in KEYS if not _plain(typed.get(key, ""))}
    path = typed.get("path", "")
    if not path.startswith("/") or path.startswith("//"):
        found["path"] = "Enter the path of the list, which begins with / and goes on from the base address, such as /shipments."
    paging = typed.get("paging", "")
    if paging not in PAGINGS:
        found["paging"] = "Choose how the pages follow each other."
    for key, words in _NEEDED.get(paging, {}).items():
        if not typed.get(key):
            found[key] = f"Enter the {words}."
    for key in ("first", "size"):
        if (text := typed.get(key, "")) and not (text.isascii() and text.isdigit() and len(text) < 7):
            found[key] = "Enter a whole number, or nothing."
    if typed.get("since_form", "iso") not in SINCE_FORMS:
        found["since_form"] = "Choose how the moment is written."
    return found


def settings_of(kept: Mapping[str, str]) -> dict[str, str]:
    """What is laid over the connection's own settings: nothing of the stock list stays but how its pages follow, where that is said."""
    told = {"path": kept["path"], "items": kept.get("items", ""), "since_name": kept.get("since_name", "")}
    return told if kept["paging"] == "same" else told | {"paging": kept["paging"], **{key: kept.get(key, "") for key in OF_PAGES}}


def since(integration: Integration, run: Run) -> str:
    """The moment that `run` asks from, in the API's form: the start of the last accepted read with this mapping, less an overlap.

    "" for the whole list: nothing was accepted yet, the mapping or the list was changed since, or the API knows no such parameter.
    """
    kept = integration.settings.get("list") or {}
    last = Run.get_or_none(Run.id == integration.last_accepted_run_id) if kept.get("since_name") else None
    changed = integration.changed_at
    if last is None or last.started_at is None or last.settings.get("document") or last.mapping_version != run.mapping_version:
        return ""
    if changed is not None and changed > last.started_at:
        return ""
    return written(last.started_at - timedelta(minutes=OVERLAP_MINUTES), kept.get("since_form", "iso"))


def sample(source: Source, typed: Mapping[str, str], over: Mapping[str, Any] | None = None, moment: str = "") -> Document:
    """The first pages of a list as it was typed; `over` and `moment`: of a call of a SOAP service. Raises Invalid, SupplierError, Later."""
    if over is None and (found := errors(typed)):
        raise Invalid(found)
    operation = "get_inventory" if over is None else "get_shipments"
    asked = settings_of(typed) if over is None else over
    with connections.open_for(source, sample=True, operation=operation, since=moment, over=asked) as connector:
        fetched = connector.fetch("", "newest", "*", documents.spool_path(source), documents.largest(), unwatched)
    if not fetched.size:
        words = "The list is there, and it is empty. Come again once there is one, or paste one item of it."
        raise Invalid({"path" if over is None else "sample": words})
    return documents.adopt(source, fetched, None, "sample")


def pinned(form: FeedFormat) -> FeedFormat:
    """How what a run reads is read: an item a line, whose lines are where the sample has them. Raises SupplierError otherwise."""
    if form.kind == "jsonl":
        return form
    if form.kind == "json" and form.row_path == "$":
        return replace(form, kind="jsonl", row_path="")
    raise Invalid({"sample": "This is no item of the list. Press Read the list, or paste one item as JSON, without what is around it."})


def why(error: SupplierError) -> str:
    """An error of the reading, as a sentence of a form."""
    return f"{error.problem.headline}. {error.problem.body}"


def _plain(text: str) -> bool:
    return len(text) <= LONGEST and text.isprintable()
