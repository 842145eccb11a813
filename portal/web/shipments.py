"""Get Shipments: whether, from where, and which of their columns says what. A draft is redrawn at /draft; only Save keeps it."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from flask import Response, g, url_for
from htmx_flask import request

from portal import activation, connections, demo_goods, mappings, notice_calls, notice_lists, order_mapping, order_setup, sources
from portal.errors import Invalid, Stale, SupplierError
from portal.fields import SHIPMENT_FIELDS
from portal.web import guards, operations
from portal.web.mapping_form import COLUMN, FIXED, tree
from portal.web.operations import blueprint, typed
from portal.web.render import go, render, wants_fragment
from portal.web.typed import TypedErrors, whole_number

KIND = "get_shipments"
_IDS = {"use": "use-yes", "match": "match-all", "sample": "pasted", "items": "items-whole"}
DEMO_PATTERN = "tracking_*.csv"


@blueprint.get("/shipments")
@guards.signed_in
def shipments(source_id: str) -> Response:
    """The questions of Get Shipments as saved."""
    source, integration = operations.opened(source_id, KIND)
    return _page(source, integration)


@blueprint.post("/shipments")
@guards.signed_in
@guards.once
def save_shipments(source_id: str) -> Response:
    """Keep the answers and go on, or show what is in the way."""
    source, integration = operations.opened(source_id, KIND)
    use = operations.answered(source, integration)
    settings = _asked(source)
    try:
        sample = mappings.sample_of(integration)
        rules = _typed_rules()
        errors = _unconfirmed(integration, sample, rules) if use and sample else {}
        if errors:
            raise Invalid(errors)
        order_setup.save_shipments(source, use, settings, rules, whole_number(request.form.get("version", "")), g.user.email, g.user)
        activation.begin_shipments(source)
    except Invalid as refused:
        return _page(source, integration, refused.errors, 422)
    except SupplierError as error:
        return _page(source, integration, {"sample": f"{error.problem.headline}. {error.problem.body}"}, 422)
    except Stale as stale:
        return _page(source, sources.integration(source, KIND), status=409, stale=stale)
    return operations.done(source)


@blueprint.post("/shipments/draft")
@guards.signed_in
@guards.takes_files
def draft_shipments(source_id: str) -> Response:
    """Show the draft again; or take a tracking file first, and match its columns."""
    source, integration = operations.opened(source_id, KIND)
    version, do = whole_number(request.form.get("version", "")), request.form.get("do", "preview")
    if do not in ("sample", "newest", "list"):
        if wants_fragment() and (part := _part(source, integration, request.htmx.target or "")) is not None:
            return part
        return _page(source, integration, version=version)
    try:
        if do == "list":
            order_setup.take_list(source, _asked(source))
        else:
            (_take_sample if do == "sample" else order_setup.take_delivery)(source)
    except (Invalid, SupplierError) as error:
        words = error.errors if isinstance(error, Invalid) else {"sample": f"{error.problem.headline}. {error.problem.body}"}
        return _page(source, integration, words, 422, version=version)
    return _page(source, sources.integration(source, KIND), version=version, proposed=True, focus="columns-heading")


@blueprint.get("/shipments/draft")
@guards.signed_in
def drafted_shipments(source_id: str) -> Response:
    """A draft lives in its form only: asked for by address there is the page."""
    source = sources.find(g.merchant, source_id)
    return go(url_for("mappings.shipments", source_id=source.public_id))


def _asked(source: Any) -> dict[str, str]:
    """Where and how shipments are looked for, as typed."""
    if order_setup.way(source) == "service":
        return operations.typed_call()
    return {name: typed(name) for name in ("folder", "match", "pattern", "ask", *notice_lists.KEYS)}


def _of_way(source: Any, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields of the source's way show."""
    way = order_setup.way(source)
    fields = operations.call_fields(source, kept) if way == "service" else operations.list_fields(kept)
    asks = notice_calls.choices(source) if way == "store" else {}
    ask = typed("ask") if request.method == "POST" else notice_calls.asks(source, kept) if asks else ""
    return {"way": way, "ways": asks, "ask": ask, **fields}


def _part(source: Any, integration: Any, target: str) -> Response | None:
    """The rows or one field's line; None for the whole page. What was typed elsewhere meanwhile stays untouched."""
    field = next((one for one in SHIPMENT_FIELDS if target == f"row-s-{one.key}"), None)
    if field is None and target != "preview":
        return None
    name = "mappings/_shipment_row.html" if field else "mappings/_shipment_rows.html"
    mapped = _mapped(integration, _typed_rules())
    response = render(name, name, source=source, field=field, errors={}, **_columns(source), **mapped)
    if field:
        response.headers["HX-Trigger-After-Settle"] = "mapped"
    return response


def _columns(source: Any) -> dict[str, Any]:
    draft_at = url_for("mappings.draft_shipments", source_id=source.public_id)
    return {"draft_at": draft_at, "date_forms": list(order_mapping.DATE_FORMS), "column_mark": COLUMN, "asks": _asks}


def _take_sample(source: Any) -> None:
    """Raises Invalid when neither a file nor a text was given, SupplierError when it cannot be read."""
    sent, pasted = request.files.get("file"), request.form.get("pasted", "")
    if sent is not None and sent.filename:
        order_setup.take_sample(source, sent.stream, sent.filename)
    elif pasted.strip():
        ending = {"{": "json", "[": "json", "<": "xml"}.get(pasted.strip()[0], "csv")
        order_setup.take_sample(source, io.BytesIO((pasted.strip() + "\n").encode()), f"pasted.{ending}")
    else:
        raise Invalid({"sample": "Paste the first lines of a tracking file, or choose the file, then press Read it."})


def _typed_rules() -> dict[str, Any]:
    root = tree(request.form.items(multi=True)).get("s")
    fields: dict[str, Any] = {}
    for field in SHIPMENT_FIELDS:
        node = root.get(field.key) if isinstance(root, Mapping) else None
        choice = str(node.get("column", "")) if isinstance(node, Mapping) else ""
        if choice.startswith(COLUMN):
            fields[field.key] = {"columns": [choice.removeprefix(COLUMN)], "steps": []}
        elif choice == FIXED and isinstance(node, Mapping):
            fields[field.key] = {"fixed": str(node.get("fixed", "")).strip()}
    return {"fields": fields, "date_form": typed("date_form")}


def _unconfirmed(integration: Any, sample: Any, rules: Mapping[str, Any]) -> dict[str, str]:
    """A guess for a needed field takes a person's word."""
    errors = {}
    for match in order_setup.propose_shipments(integration, sample)[0]:
        column = (rules["fields"].get(match.field, {}).get("columns") or [""])[0]
        if _asks(match, column) and request.form.get(f"confirmed.{match.field}") != column:
            label = next(one.label for one in SHIPMENT_FIELDS if one.key == match.field)
            errors[match.field] = f"Look at the first values, then confirm that “{column}” holds the {label.lower()}."
    return errors


def _asks(match: Any, column: str) -> bool:
    needed = {field.key for field in SHIPMENT_FIELDS if field.needed}
    return bool(match.column and match.column == column and match.field in needed and not match.sure)


def _page(
    source: Any, integration: Any, errors: Mapping[str, str] | None = None, status: int = 200, stale: Stale | None = None,
    version: int | None = None, proposed: bool = False, focus: str = "",
) -> Response:  # fmt: skip
    sent, found, kept = request.method == "POST", dict(errors or {}), integration.settings
    mapped = _mapped(integration, _typed_rules() if sent and not proposed and "s.tracking_number.column" in request.form else None)
    ids = {field.key: f"s-{field.key}" for field in SHIPMENT_FIELDS} | _IDS
    supplier = connections.supplier_of(source)
    usual = DEMO_PATTERN if supplier.needs_demo else ""
    return render(
        "mappings/shipments.html", "mappings/_shipments.html", status, source=source, errors=found, focus=focus,
        problems=TypedErrors(operations.placed(found, ids), stale), version=integration.version if version is None else version,
        back=request.values.get("back", ""), cannot=order_setup.cannot(source, KIND), use=operations.answered(source, integration),
        folder=typed("folder") if sent else order_setup.place(source, integration),
        match=typed("match") if sent else kept.get("match", "all"), matches=order_setup.MATCHES,
        pattern=typed("pattern") if sent else kept.get("pattern", usual), **_of_way(source, kept),
        pasted=request.form.get("pasted", "") if sent else demo_goods.SHIPMENTS.decode() if supplier.needs_demo else "",
        fields=SHIPMENT_FIELDS, **_columns(source), **mapped,
    )  # fmt: skip


def _mapped(integration: Any, rules: Mapping[str, Any] | None) -> dict[str, Any]:
    """The sample, the columns chosen and what they make of it; without a sample nothing. `rules`: as typed, else proposed."""
    empty: dict[str, Any] = {"sample": None, "rules": {"fields": {}, "date_form": ""}, "matches_of": {}, "rows": [], "counts": None}
    try:
        sample = mappings.sample_of(integration)
        if sample is None:
            return {**empty, "problem": None}
        matches, proposed = order_setup.propose_shipments(integration, sample)
        chosen = proposed if rules is None else rules
        rows, counts = order_setup.preview_shipments(sample, order_setup.usable_shipments(chosen, sample.headers)[0])
    except SupplierError as error:
        return {**empty, "problem": error.problem}
    return {
        "sample": sample,
        "rules": chosen,
        "matches_of": {one.field: one for one in matches},
        "rows": rows,
        "counts": counts,
        "problem": None,
    }
