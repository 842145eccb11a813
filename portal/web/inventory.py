"""Inventory pages: of the whole workspace, of one source, of one item."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

from portal import run_report, sources
from portal.bulk_acts import acts as bulk_acts
from portal.catalogue import products
from portal.errors import Invalid
from portal.exclusions import told
from portal.fields import INVENTORY_COLUMNS, INVENTORY_FIELDS
from portal.inventory import browse, pins
from portal.inventory.export import shown
from portal.requests import listing
from portal.web import permissions
from portal.web.guards import signed_in
from portal.web.render import render

blueprint = Blueprint("inventory", __name__)

SORT_WORDS = {"sku": "SKU", "quantity": "Quantity, most first", "cost": "Cost, highest first", "changed": "Changed, newest first"}
STOCK_WORDS = {"": "All", "in": "In stock", "out": "Out of stock", "missing": "Missing from the last file", "archived": "Archived",
    "excluded": "Excluded by a rule", "waiting": "Waits for room", "counted": "Count in the plan",
}  # fmt: skip
LONG_FIELDS = ("description",)


@blueprint.get("/inventory")
@signed_in
def index() -> Response:
    """Everything every source offers."""
    return _listing("inventory/index.html", None)


@blueprint.get("/sources/<source_id>/inventory")
@signed_in
def of_source(source_id: str) -> Response:
    """What one source offers."""
    return _listing("inventory/of_source.html", sources.find(g.merchant, source_id))


@blueprint.get("/inventory/<item_id>")
@signed_in
def show(item_id: str) -> Response:
    """One item: its values, where each came from, and its history."""
    item = browse.find(g.merchant, item_id)
    origins = browse.origins(item)
    values = [(field, shown(field.key, getattr(item, field.key)), origins.get(field.key)) for field in INVENTORY_FIELDS]
    set_by = [origins.get(name) for name in INVENTORY_COLUMNS if getattr(item, name) not in (None, "")]
    return render(
        "inventory/show.html",
        item=item,
        source=item.source,
        values=[line for line in values if line[1] not in (None, "")],
        empty=[field.label for field, value, _ in values if value in (None, "")],
        more=[
            (name, run_report.label_of(name), shown(name, getattr(item, name)), origins.get(name))
            for name in ("warehouses", "custom")
            if getattr(item, name)
        ],
        changes=[(change, run_report.values_of(change.before, change.after)) for change in browse.history(item)],
        common=set_by[0] if set_by and all(one is set_by[0] for one in set_by) else None,
        long_fields=LONG_FIELDS,
        pins=pins.of_item(item),
        stock=listing.available_of(item),
        link=products.of_item(item),
        kept=told.of(item),
        kept_lines=told.history(item),
    )


def _listing(page: str, source: Any) -> Response:
    asked = {name: request.args.get(name, "").strip() for name in ("q", "stock", "sort", "page")}
    known = sources.listing(g.merchant)
    chosen = source or next((one for one in known if one.public_id == request.args.get("source")), None)
    problem = ""
    try:
        found = _found(chosen, asked)
    except Invalid as error:
        problem, asked["page"] = error.errors["page"], ""
        found = _found(chosen, asked)
    return render(
        page,
        "inventory/_items.html",
        source=source,
        tab="inventory",
        chosen=chosen,
        sources=known,
        found=found,
        asked=asked,
        problem=problem,
        behind=bool(asked["q"]) and browse.is_behind(g.merchant),
        sorts=SORT_WORDS,
        stocks=STOCK_WORDS,
        acts=_acts(asked["stock"]),
        asking={name: value for name, value in (("q", asked["q"]), ("stock", asked["stock"]), ("source", _id_of(chosen))) if value},
        next_url=_page_url(found.next_cursor, asked, source, chosen),
        prev_url=_page_url(found.previous_cursor, asked, source, chosen),
        anything=any(one.item_count for one in ([source] if source else known)),
    )


def _acts(stock: str) -> dict[str, str]:
    """What can be done with the items of a list that is narrowed so: {act: words}."""
    useless = {"archive" if stock == "archived" else "unarchive", "exclude" if stock == "excluded" else "include"}
    return {key: act.label for key, act in bulk_acts.ACTS.items() if key not in useless and permissions.may(act.right)}


def _id_of(source: Any) -> str:
    return source.public_id if source is not None else ""


def _found(source: Any, asked: dict[str, str]) -> browse.Page:
    return browse.search(
        g.merchant, source=source, query=asked["q"], stock=asked["stock"], sort=asked["sort"] or "sku", cursor=asked["page"]
    )


def _page_url(cursor: str, asked: dict[str, str], source: Any, chosen: Any) -> str:
    if not cursor:
        return ""
    kept: dict[str, Any] = {name: value for name, value in asked.items() if value and name != "page"}
    if source is not None:
        return url_for("inventory.of_source", source_id=source.public_id, page=cursor, **kept)
    if chosen is not None:
        kept["source"] = chosen.public_id
    return url_for("inventory.index", page=cursor, **kept)
