"""Send Orders: whether, where to, and the exact file. A draft is redrawn at /draft; only Save keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, g, url_for
from htmx_flask import request

from portal import order_calls, order_mapping, order_setup, sources
from portal.errors import Invalid, Refused, Stale
from portal.fields import ORDER_FIELDS
from portal.web import guards, operations, order_call, order_form
from portal.web.operations import blueprint, typed
from portal.web.render import download, go, render, wants_fragment
from portal.web.typed import TypedErrors, whole_number

KIND = "send_orders"
DECIMAL_MARKS = {".": "Dot, as in 12.50", ",": "Comma, as in 12,50"}
LONGEST_SHOWN = 20_000
CELLS = {"format": "csv", "delimiter": "\t", "quoting": "minimal", "line_end": "lf", "encoding": "utf-8"}
"""How a workbook's cells are shown."""

COLUMNS_AT = {"c": "order-columns", "d": "order-details"}


@blueprint.get("/orders")
@guards.signed_in
def orders(source_id: str) -> Response:
    """The questions of Send Orders as saved, or a usual file to begin with."""
    source, integration = operations.opened(source_id, KIND)
    return _page(source, integration, order_setup.layout_of(integration))


@blueprint.post("/orders")
@guards.signed_in
@guards.once
def save_orders(source_id: str) -> Response:
    """Keep the answers and go on, or show what is in the way."""
    source, integration = operations.opened(source_id, KIND)
    use = operations.answered(source, integration)
    settings: dict[str, Any] = {"auto_send": "auto_send" in request.form}
    settings |= {} if order_setup.leaves_by_api(integration) else {"folder": typed("folder")}
    if kind := order_setup.described_by_merchant(integration):
        settings["call"] = order_call.typed(kind)
    layout = _layout(integration)
    try:
        order_setup.save_orders(source, use, settings, layout, whole_number(request.form.get("version", "")), g.user.email, g.user)
    except Invalid as refused:
        return _page(source, integration, layout, refused.errors, 422)
    except Stale as stale:
        return _page(source, sources.integration(source, KIND), layout, status=409, stale=stale)
    return operations.done(source)


@blueprint.post("/orders/draft")
@guards.signed_in
def draft_orders(source_id: str) -> Response:
    """Do what a button says, to the draft only, and show it; or give the file that the draft makes."""
    source, integration = operations.opened(source_id, KIND)
    layout, do = _layout(integration), request.form.get("do", "preview")
    if do.startswith("download"):
        made = order_setup.sample_files(g.merchant, layout, order_setup.leaves_by_api(integration))
        one = made[min(max(whole_number(do.partition(":")[2]), 0), len(made) - 1)]
        return download(one.content, one.name, one.content_type)
    errors: Mapping[str, str] = {}
    if do == "propose":
        try:
            layout = {**layout, **order_setup.layout_from(request.form.get("their_headers", "")), "file_name": layout.get("file_name", "")}
        except Invalid as refused:
            errors = refused.errors
    focus = order_form.act(layout, do)
    if do == "reshape" and wants_fragment():
        return _page(source, integration, layout, focus=focus, version=whole_number(request.form.get("version", "")))
    if wants_fragment() and (part := _part(integration, layout, request.htmx.target or "", errors, focus)) is not None:
        return part
    version = whole_number(request.form.get("version", ""))
    return _page(source, integration, layout, errors, 422 if errors else 200, focus=focus, version=version)


@blueprint.get("/orders/draft")
@guards.signed_in
def drafted_orders(source_id: str) -> Response:
    """A draft lives in its form only: asked for by address there is the page."""
    source = sources.find(g.merchant, source_id)
    return go(url_for("mappings.orders", source_id=source.public_id))


def _layout(integration: Any) -> dict[str, Any]:
    """The layout that the form holds; the supplier's own where its API takes no other."""
    return order_setup.fixed_layout(integration) or order_form.read(request.form.items(multi=True))


def _part(integration: Any, layout: Mapping[str, Any], target: str, errors: Mapping[str, str], focus: str) -> Response | None:
    """The file, the columns or one of them; None for the whole page. What was typed elsewhere meanwhile stays untouched."""
    source = integration.source
    if target == "preview":
        return render("mappings/_order_file.html", "mappings/_order_file.html", source=source, **_made(integration, layout))
    for mark, name in order_form.SETS.items():
        n = whole_number(target.removeprefix(f"row-{mark}-"))
        one = target.startswith(f"row-{mark}-") and 0 <= n < len(layout.get(name) or ())
        if one or target == COLUMNS_AT[mark]:
            page = "mappings/_order_row.html" if one else "mappings/_order_columns.html"
            response = render(page, page, 422 if errors else 200, **_columns(source, layout, errors, focus, mark), n=n)
            response.headers["HX-Trigger-After-Settle"] = "mapped"
            return response
    return None


def _columns(source: Any, layout: Mapping[str, Any], errors: Mapping[str, str], focus: str, mark: str = "c") -> dict[str, Any]:
    return {
        "source": source, "layout": layout, "errors": errors, "focus": focus, "fields": ORDER_FIELDS, "dates": order_form.DATES,
        "their_headers": request.form.get("their_headers", ""), "choice_of": order_form.choice_of, "mark": mark,
        "draft_at": url_for("mappings.draft_orders", source_id=source.public_id), "date_forms": list(order_mapping.DATE_FORMS),
        "pair": len(order_mapping.column_sets(layout)) == 2, "nested": layout.get("format") in order_mapping.NESTED,
        "aligns": order_mapping.ALIGNS, "pads": order_mapping.PADS,
    }  # fmt: skip


def _page(
    source: Any, integration: Any, layout: Mapping[str, Any], errors: Mapping[str, str] | None = None, status: int = 200,
    stale: Stale | None = None, focus: str = "", version: int | None = None,
) -> Response:  # fmt: skip
    sent, found = request.method == "POST", dict(errors or {})
    ids = {f"{name}.{n}": f"{mark}-{n}-value" for mark, name in order_form.SETS.items() for n in range(len(layout.get(name) or ()))}
    ids |= {"columns": "add-column", "detail_columns": "d-add-column", "use": "use-yes"}
    return render(
        "mappings/orders.html", "mappings/_orders.html", status, **_columns(source, layout, found, focus),
        problems=TypedErrors(operations.placed(found, ids), stale), version=integration.version if version is None else version,
        back=request.values.get("back", ""), cannot=order_setup.cannot(source, KIND), use=operations.answered(source, integration),
        folder=typed("folder") if sent else order_setup.place(source, integration),
        auto_send="auto_send" in request.form if sent else bool(integration.settings.get("auto_send")),
        held=order_form.held_in_words(layout) if layout.get("fixed") else (),
        formats=_formats(integration), shapes=order_mapping.SHAPES, options=_options(layout), **_made(integration, layout),
        **order_call.shown(source, integration, sent),
    )  # fmt: skip


def _options(layout: Mapping[str, Any]) -> dict[str, tuple[str, Mapping[str, str]]]:
    """The choices that the format leaves: key -> (label, {value: words})."""
    form = layout.get("format", "csv")
    known: dict[str, tuple[str, Mapping[str, str], tuple[str, ...]]] = {
        "delimiter": ("Sign between values", order_mapping.DELIMITERS, ("csv",)),
        "quoting": ("Quotes", order_mapping.QUOTING, ("csv",)),
        "line_join": ("Sign between the lines of an order", order_mapping.LINE_JOINS, ("csv", "fixed", "xlsx")),
        "encoding": ("Letters are encoded as", order_mapping.ENCODINGS, ("csv", "fixed", "xml")),
        "line_end": ("Line ends", order_mapping.LINE_ENDS, ("csv", "fixed")),
        "decimal_mark": ("Numbers use", DECIMAL_MARKS, ("csv", "fixed", "xml")),
    }
    return {
        key: (label, choices)
        for key, (label, choices, forms) in known.items()
        if form in forms and (key != "line_join" or layout.get("shape") == "orders")
    }


def _formats(integration: Any) -> dict[str, str]:
    """Those that may be chosen: what a call of an API can hold, or any."""
    kind = order_setup.described_by_merchant(integration)
    return {key: words for key, words in order_mapping.FORMATS.items() if not kind or key in order_calls.FORMATS[kind]}


def _made(integration: Any, layout: Mapping[str, Any]) -> dict[str, Any]:
    """The files of the sample order as the page shows them, or why there are none yet. Of a workbook, what stands in its cells."""
    by_api = order_setup.leaves_by_api(integration)
    try:
        made = order_setup.sample_files(g.merchant, layout, by_api)
        as_text = order_setup.sample_files(g.merchant, {**layout, **CELLS}) if layout.get("format") == "xlsx" else made
    except Invalid as refused:
        return {"made": (), "unmade": " ".join(f"{words}." for words in list(refused.errors.values())[:1]), "by_api": by_api}
    except Refused as refused:
        return {"made": (), "unmade": str(refused), "by_api": by_api}
    encoding = str(layout.get("encoding", "utf-8")) if layout.get("format", "csv") not in ("xlsx", "json") else "utf-8"
    shown = [one.content.decode(encoding)[:LONGEST_SHOWN] for one in as_text]
    return {"made": [(one.name, text) for one, text in zip(made, shown, strict=True)], "unmade": "", "by_api": by_api}
