"""Whether and how orders go out and shipments come in: answered, checked and shown at set-up; moving them is the runs' work."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import IO, Any
from zoneinfo import ZoneInfo

from portal import (
    audit,
    clock,
    connections,
    deliveries,
    directory,
    documents,
    file_looks,
    mappings,
    notice_lists,
    notice_shapes,
    order_calls,
    order_mapping,
    placed_orders,
    setup_steps,
    sources,
    suppliers,
    webhooks,
)
from portal.connectors.store_tracking import COLUMNS
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.fields import SHIPMENT_FIELDS
from portal.mappings import Sample
from portal.models import Integration, Merchant, Source, User, database
from portal.records import CellProblem, FeedFormat, Match

APIS = ("rest", "soap", "shopify")
"""Protocols by which an order leaves as a call."""
OPERATION_OF = {"send_orders": "orders", "get_shipments": "shipments"}
LONGEST_PLACE = 1_000
LONGEST_PATTERN = 255
PREVIEW_ROWS = 20
SAMPLE_BYTES = 2_000_000
MATCHES = {"all": "Every new file that fits a pattern", "exact": "Always the file of this name"}


@dataclass(frozen=True)
class ShipmentRow:
    """One row of a tracking file. `values`: by key of SHIPMENT_FIELDS, None for a row that is set aside."""

    number: int
    values: Mapping[str, Any] | None
    problems: Sequence[CellProblem]


@dataclass(frozen=True)
class ShipmentCounts:
    """What the rules do to the rows looked at. `reasons`: (sentence, count), most first."""

    rows: int
    used: int
    reasons: Sequence[tuple[str, int]]


def cannot(source: Source, kind: str) -> str:
    """Why the supplier's method cannot do this; "" when it can, or when orders leave in another way (by e-mail, as a webhook, fetched)."""
    supplier, operation = connections.supplier_of(source), OPERATION_OF[kind]
    able = supplier.supports[operation] or bool(sources.integration(source, kind).settings.get("leave_by"))
    return "" if able else supplier.cannot[operation]


def way(source: Source) -> str:
    """How tracking and answers come: by files, from behind a link, as a list of an API, by an operation of a SOAP service, for orders
    that we placed in a store, or sent to us (webhook)."""
    if notice_lists.is_used(source):
        return "list"
    if placed_orders.are_asked(source):
        return "store"
    if connections.supplier_of(source).protocol == "soap":
        return "service"
    return {"http": "link", webhooks.PROTOCOL: "webhook"}.get(connections.supplier_of(source).protocol, "files")


def place(source: Source, integration: Integration) -> str:
    """The folder as saved; before that the demo supplier's own, "" for any other."""
    known = suppliers.read_account(directory.demo_account()) if connections.supplier_of(source).needs_demo else {}
    return str(integration.settings.get("folder", known.get(f"{OPERATION_OF[integration.kind]}_folder", "")))


def layout_of(integration: Integration) -> dict[str, Any]:
    """The order document's layout: the supplier's where its API takes no other, else as saved, else the supplier's, else a usual one.

    An order that leaves by e-mail or in another way of our own is as saved, or usual: the supplier's is for its API only.
    """
    theirs, version = _layout_of_supplier(integration), mappings.current(integration)
    if theirs.get("fixed"):
        return theirs
    if version:
        return dict(version.rules)
    return theirs or (_usual_document() if leaves_by_api(integration) else order_mapping.propose_layout())


def _usual_document() -> dict[str, Any]:
    """An order as JSON, to begin with."""
    layout = order_mapping.propose_layout()
    columns = [{**column, "header": column["field"]} for column in layout["columns"]]
    return {**layout, "format": "json", "file_name": "{po}.json", "columns": columns}


def fixed_layout(integration: Integration) -> dict[str, Any]:
    """The layout of the one order document that the supplier's API takes, {} where the merchant says how it looks."""
    theirs = _layout_of_supplier(integration)
    return theirs if theirs.get("fixed") else {}


def _layout_of_supplier(integration: Integration) -> dict[str, Any]:
    if integration.settings.get("leave_by"):
        return {}
    try:
        operation = connections.supplier_of(integration.source).operations.get("send_orders")
    except NotFound:  # no supplier was chosen, or the directory has it no more
        return {}
    return dict(operation.layout) if operation else {}


def layout_from(header_line: str) -> dict[str, Any]:
    """A layout for a supplier's own header line, its sign between names found by counting. Raises Invalid."""
    line = next((text for text in header_line.splitlines() if text.strip()), "")
    if not line:
        raise Invalid({"their_headers": "Paste the line with their column names first."})
    delimiter = max(order_mapping.DELIMITERS, key=line.count)
    names = [name.strip() for name in next(csv.reader([line.lstrip("\ufeff")], delimiter=delimiter))]
    return {**order_mapping.propose_layout(names), "delimiter": delimiter}


def leaves_by_api(integration: Integration) -> bool:
    """Whether orders leave as calls of the supplier's API."""
    try:
        by_api = connections.supplier_of(integration.source).protocol in APIS
    except NotFound:
        return False
    return by_api and not integration.settings.get("leave_by")


def described_by_merchant(integration: Integration) -> str:
    """ "rest" or "soap" where the merchant says how an order is sent there, see order_calls; else ""."""
    return order_calls.kind_of(connections.supplier_of(integration.source)) if leaves_by_api(integration) else ""


def sample_files(merchant: Merchant, layout: Mapping[str, Any], one: bool = False) -> list[order_mapping.OrderFile]:
    """The files that the sample order makes, one or a pair; with `one` the document of the order alone, as a call takes it.

    Raises Invalid, or Refused for what a file cannot hold.
    """
    order_mapping.check_layout(layout)
    layout = {**layout, "one": True} if one else layout
    at = clock.now().replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(merchant.time_zone or "UTC"))
    return order_mapping.files(layout, order_mapping.SAMPLE_ORDER, at=at, number="1")


def save_orders(
    source: Source, use: bool | None, settings: Mapping[str, Any], layout: Mapping[str, Any], version: int, who: str, user: User | None
) -> None:
    """Keep whether orders are sent, where ({"folder", "auto_send"}, or "call" of order_calls) and as which document.

    Raises Invalid, Stale, Refused. Where the supplier's API takes one document only, `layout` is not looked at, and none is kept.
    """
    errors = _use_errors(source, "send_orders", use) | (_place_errors(settings) if use else {})
    integration = sources.integration(source, "send_orders")
    fixed, kind = bool(fixed_layout(integration)), described_by_merchant(integration)
    if use and not fixed:
        errors |= _errors_of(lambda: order_mapping.check_layout(layout))
    if use and leaves_by_api(integration) and not kind and (words := order_calls.missing(integration)):
        errors["use"] = words
    if use and kind:
        errors |= {f"call_{key}": words for key, words in order_calls.errors_of(source, settings["call"]).items()}
        if layout.get("format", "csv") not in order_calls.FORMATS[kind]:
            errors["format"] = f"Their API takes {' or '.join(order_mapping.FORMATS[one] for one in order_calls.FORMATS[kind])}"
    if errors:
        raise Invalid(errors)
    _write(source, "send_orders", bool(use), settings, {} if fixed else layout, [], version, who, user)


def save_shipments(
    source: Source, use: bool | None, settings: Mapping[str, Any], rules: Mapping[str, Any], version: int, who: str, user: User | None
) -> None:
    """Keep whether shipments are read, from where ({"folder", "match", "pattern"}) and how. Raises Invalid, Stale, Refused."""
    errors = _use_errors(source, "get_shipments", use)
    headers: Sequence[str] = ()
    typed, settings = settings, laid_out(source, settings)
    if use and way(source) == "store":
        settings = {**GIVEN, "match": "newest", "format": {**placed_orders.FORMAT}, **_asked(source, typed, errors)}
        rules, headers = placed_orders.RULES, list(COLUMNS)
    elif use:
        sample = mappings.sample_of(sources.integration(source, "get_shipments"))
        headers = sample.headers if sample else ()
        errors |= place_errors(source, settings)
        errors |= _errors_of(lambda: order_mapping.check_shipment_rules(rules, headers)) if sample else {"sample": _NO_SAMPLE}
        try:
            settings |= pinned(source, sample.format) if sample else {}
        except Invalid as refused:
            errors |= refused.errors
    if errors:
        raise Invalid(errors)
    _write(source, "get_shipments", bool(use), settings, rules, headers, version, who, user)


def _asked(source: Source, settings: Mapping[str, Any], errors: dict[str, str]) -> dict[str, str]:
    """{"ask"}: which way of asking was chosen, where the supplier knows several."""
    known = _calls().choices(source) if connections.supplier_of(source).protocol == "soap" else {}
    if known and settings.get("ask") not in known:
        errors["ask"] = "Choose how we ask for parcels."
    return {"ask": str(settings["ask"])} if known else {}


def _calls() -> Any:
    """Loaded only where a supplier is a SOAP service: it brings the libraries along."""
    return import_module("portal.notice_calls")


GIVEN: Mapping[str, Any] = {"folder": "", "match": "all", "pattern": "*"}
"""What stands for a place where there is none: all that comes is read."""


def laid_out(source: Source, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings as they are kept: of what has no folder, what stands for one. Each is read once, but a list anew each time."""
    if way(source) == "list":
        return {**GIVEN, "match": "newest", "list": {key: str(settings.get(key, "")) for key in notice_lists.KEYS}}
    if way(source) == "service":
        return {**GIVEN, "match": "newest", "list": {key: str(settings.get(key, "")) for key in _calls().KEYS}}
    return {**GIVEN} if way(source) == "webhook" else {key: settings.get(key, "") for key in GIVEN}


def pinned(source: Source, form: FeedFormat) -> dict[str, Any]:
    """{"format"}: how what comes is read, where the sample has its items and their lines; None for a table, looked at anew each time.

    Empty for files, each of which is looked at. Raises Invalid.
    """
    if way(source) not in ("list", "service", "webhook"):
        return {}
    form = form if way(source) == "webhook" else notice_lists.pinned(form)
    return {"format": vars(form) if form.kind in notice_shapes.KINDS else None}


_NO_SAMPLE = "Show us one tracking file first: paste its first lines, or choose the file."


def take_sample(source: Source, stream: IO[bytes], name: str) -> Sample:
    """Keep one of their tracking files as what the mapping is made on. Raises SupplierError when it cannot be read."""
    integration = sources.integration(source, "get_shipments")
    document = documents.store_upload(source, stream, name, SAMPLE_BYTES, origin="sample")
    path = documents.path_of(document)
    form = file_looks.detect(path, name).format
    headers, rows = file_looks.preview(path, form, mappings.LOOKED_AT)
    Integration.update(sample_document_id=document.id).where(Integration.id == integration.id).execute()
    return Sample(document, path, form, headers, rows)


def take_delivery(source: Source) -> None:
    """Make the mapping on what came last. Raises Invalid where nothing did."""
    newest = deliveries.sample(source, "shipment")
    if newest is None:
        raise Invalid({"sample": "No shipment came to the webhook's address yet. Let the supplier send one, or paste a sample."})
    integration = sources.integration(source, "get_shipments")
    Integration.update(sample_document_id=newest.id).where(Integration.id == integration.id).execute()


def take_list(source: Source, typed: Mapping[str, str]) -> None:
    """Make the mapping on the first pages of the list as typed. Raises Invalid, SupplierError, Later."""
    calls = _calls() if way(source) == "service" else None
    read = notice_lists.sample(source, typed, *(calls.sample_settings(source, typed) if calls else ()))
    integration = sources.integration(source, "get_shipments")
    Integration.update(sample_document_id=read.id).where(Integration.id == integration.id).execute()


def propose_shipments(integration: Integration, sample: Sample) -> tuple[list[Match], dict[str, Any]]:
    """(a match for each field, the rules they say); what was saved before comes first."""
    saved = mappings.current(integration)
    rows = [list(row.cells) for row in sample.rows]
    matches = notice_shapes.propose(SHIPMENT_FIELDS, sample.headers, rows, saved.rules if saved else None)
    if saved and not mappings.missing_columns(saved, sample.headers):
        return matches, dict(saved.rules)
    fields = {one.field: {"columns": [one.column], "steps": []} for one in matches if one.column}
    dates = sample.first_values(fields["shipped_at"]["columns"][0], mappings.LOOKED_AT) if "shipped_at" in fields else []
    return matches, {"fields": fields, "date_form": order_mapping.likely_form(dates)}


def preview_shipments(sample: Sample, rules: Mapping[str, Any]) -> tuple[list[ShipmentRow], ShipmentCounts]:
    """The first rows as shipments, and what becomes of all rows looked at. Raises SupplierError columns_missing."""
    mapper = order_mapping.compile_shipments(rules, sample.headers, sample.format.decimal_mark)
    rows = []
    for row in sample.rows:
        values, problems = mapper(row)
        rows.append(ShipmentRow(row.number, values, problems))
    reasons = Counter(
        f"{problem.reason}: {'row set aside' if row.values is None else 'left empty'}" for row in rows for problem in row.problems
    )
    return rows[:PREVIEW_ROWS], ShipmentCounts(len(rows), sum(row.values is not None for row in rows), reasons.most_common(10))


def usable_shipments(rules: Mapping[str, Any], headers: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """(the rules without what cannot be used, what is wrong by key)."""
    errors = _errors_of(lambda: order_mapping.check_shipment_rules(rules, headers))
    fields = {key: rule for key, rule in rules.get("fields", {}).items() if key not in errors}
    return {"fields": fields, "date_form": "" if "date_form" in errors else rules.get("date_form", "")}, errors


def _use_errors(source: Source, kind: str, use: bool | None) -> dict[str, str]:
    if use and (words := cannot(source, kind)):
        raise Refused(words)
    return {"use": "Choose yes or no. You can change it later."} if use is None and not cannot(source, kind) else {}


def place_errors(source: Source, settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with where files are looked for, by field."""
    if way(source) == "list":
        return notice_lists.errors(settings.get("list") or {})
    if way(source) == "service":
        return dict(_calls().errors(source, settings.get("list") or {}))
    return {} if way(source) == "webhook" else _place_errors(settings) | _pattern_errors(source, settings)


def _place_errors(settings: Mapping[str, Any]) -> dict[str, str]:
    folder = str(settings.get("folder", ""))
    if len(folder) > LONGEST_PLACE or not folder.isprintable():
        return {"folder": f"Enter a folder of at most {LONGEST_PLACE} characters, such as /orders."}
    return {}


def _pattern_errors(source: Source, settings: Mapping[str, Any]) -> dict[str, str]:
    pattern = str(settings.get("pattern", ""))
    if not 0 < len(pattern) <= LONGEST_PATTERN or not pattern.isprintable():
        return {"pattern": "Enter a file name such as tracking.csv, or a pattern such as tracking_*.csv."}
    if connections.supplier_of(source).protocol == "http":
        return {} if pattern.startswith(("https://", "http://")) else {"pattern": "Enter the address of the tracking file, with https://."}
    if settings.get("match") not in MATCHES:
        return {"match": "Choose how we find the file."}
    return {"pattern": "Enter the name without folders; the folder has its own field."} if "/" in pattern else {}


def _errors_of(check: Callable[[], None]) -> dict[str, str]:
    try:
        check()
    except Invalid as refused:
        return dict(refused.errors)
    return {}


def _write(
    source: Source, kind: str, use: bool, settings: Mapping[str, Any], rules: Mapping[str, Any], headers: Sequence[str], version: int,
    who: str, user: User | None,
) -> None:  # fmt: skip
    """All of it or nothing: the answer, its settings, a version of the mapping, the step. Raises Stale."""
    integration = sources.integration(source, kind)
    kept = {**integration.settings, **settings} if use else integration.settings
    feed = {"policies": {**integration.policies, "feed": "delta"}} if kind == "get_shipments" else {}  # each file tells what is new
    columns = {**feed, "enabled": use, "settings": kept, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
    with database.atomic():
        if not Integration.update(columns).where(Integration.id == integration.id, Integration.version == version).execute():
            fresh = sources.integration(source, kind)
            raise Stale(fresh.changed_by, fresh.changed_at)
        before, after = {"on": integration.enabled, **integration.settings}, {"on": use, **kept}
        audit.write(source.merchant, who, "integration.answer", "integration", integration.public_id, before=before, after=after)
        if use and rules:
            mappings.save(integration, rules, headers, who, user)
        setup_steps.mark(source, OPERATION_OF[kind])
