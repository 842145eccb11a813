"""A channel's listings as a file: columns chosen, named and ordered by the merchant; CSV or JSON, a line at a time.

A cell that a spreadsheet would take for a formula is made plain text, unless the merchant says that only programs read the file.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.catalogue import keys
from portal.errors import Invalid
from portal.fields import MONEY_SCALE
from portal.inventory.export import cell_for_people
from portal.listings import offers
from portal.listings import rules as listing_rules
from portal.listings.offers import Offer
from portal.models import Channel

MOST_COLUMNS = 30
LONGEST_NAME = 60
LONGEST_TEXT = 200
LINES_AT_ONCE = 500


def _money(value: int | None) -> str:
    if value is None:
        return ""
    whole, part = divmod(value, MONEY_SCALE)
    return f"{whole}.{f'{part:04d}'.rstrip('0').ljust(2, '0')}"


def _nothing(_: Offer) -> str:
    return ""


def _images(one: Offer) -> list[str]:
    text = one.images or ""
    return [str(address) for address in json.loads(text)] if text.startswith("[") else [address for address in text.split(", ") if address]


FIELDS: Mapping[str, tuple[str, Callable[[Offer], Any]]] = {
    "sku": ("Listing SKU", lambda one: one.sku),
    "title": ("Title", lambda one: one.title),
    "price": ("Price", lambda one: _money(one.price)),
    "quantity": ("Quantity", lambda one: one.quantity),
    "currency": ("Currency", _nothing),
    "state": ("State", lambda one: one.state),
    "master_sku": ("Master SKU", lambda one: one.master_sku),
    "brand": ("Brand", lambda one: one.brand),
    "code": ("UPC / EAN", lambda one: keys.shown(one.gtin)),
    "mpn": ("MPN", lambda one: one.mpn),
    "map_price": ("MAP", lambda one: _money(one.map_price)),
    "images": ("Images", lambda one: ", ".join(_images(one))),
    "image": ("First image", lambda one: "".join(_images(one)[:1])),
    "fixed": ("A text of your own", _nothing),
}
"""What a column may hold -> its usual name, and its value. Costs and names of sources are not among them: shops never need them."""
USUAL = ("sku", "title", "price", "quantity", "currency", "code", "brand")


@dataclass(frozen=True)
class Column:
    """One column: key of FIELDS, its name in the file, and the text of a fixed one."""

    field: str
    name: str
    text: str = ""


@dataclass(frozen=True)
class Layout:
    """The file's columns in order. `safe`: no cell can act as a formula in a spreadsheet."""

    columns: Sequence[Column]
    safe: bool = True


def layout_of(channel: Channel) -> Layout:
    """As kept, or the usual one."""
    kept = channel.settings.get("export")
    if not kept:
        return Layout([Column(key, FIELDS[key][0]) for key in USUAL])
    return Layout([Column(**one) for one in kept["columns"]], bool(kept["safe"]))


def judged(rows: Sequence[tuple[str, str, str]], safe: bool) -> Layout:
    """A layout from rows of (field, name, text): without a field left out, without a name with the usual one. Raises Invalid."""
    columns = [Column(field, " ".join(name.split()) or FIELDS[field][0], text.strip()) for field, name, text in rows if field in FIELDS]
    names = [one.name.lower() for one in columns]
    wrong = next((one.name for one in columns if len(one.name) > LONGEST_NAME or not one.name.isprintable()), "")
    if not columns or len(columns) > MOST_COLUMNS:
        raise Invalid({"columns": f"Choose from 1 to {MOST_COLUMNS} columns."})
    if twice := next((one for one in names if names.count(one) > 1), ""):
        raise Invalid({"columns": f"Two columns are called {twice}. Give each its own name."})
    if wrong:
        raise Invalid({"columns": f"Use at most {LONGEST_NAME} characters for a column's name: {wrong[:LONGEST_NAME]}…"})
    if any(len(one.text) > LONGEST_TEXT or not one.text.isprintable() for one in columns):
        raise Invalid({"columns": f"Use at most {LONGEST_TEXT} characters for a text of your own, without line breaks."})
    return Layout([Column(one.field, one.name, one.text if one.field == "fixed" else "") for one in columns], safe)


def save(channel: Channel, layout: Layout, version: int, who: str) -> None:
    """Keep the layout. Raises Stale."""
    told = {"columns": [{"field": one.field, "name": one.name, "text": one.text} for one in layout.columns], "safe": layout.safe}
    listing_rules.keep(channel, version, who, export=told)


def moved(layout: Layout, place: int, by: int) -> Layout:
    """The layout with a column one further up (-1) or down (1); as it is where there is no further."""
    columns = list(layout.columns)
    if 0 <= place < len(columns) and 0 <= place + by < len(columns):
        columns[place], columns[place + by] = columns[place + by], columns[place]
    return Layout(columns, layout.safe)


def csv_lines(channel: Channel, layout: Layout | None = None, most: int | None = None) -> Iterator[str]:
    """The file, a few hundred lines at a time. `most`: no more listings than that, for a look at it."""
    layout = layout or layout_of(channel)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    safe = cell_for_people if layout.safe else _plain
    writer.writerow([safe(one.name) for one in layout.columns])
    for number, values in enumerate(_rows(channel, layout), 1):
        writer.writerow([safe(value) for value in values])
        if number == most:
            break
        if not number % LINES_AT_ONCE:
            yield out.getvalue()
            out.seek(0)
            out.truncate()
    yield out.getvalue()


def json_lines(channel: Channel, layout: Layout | None = None) -> Iterator[str]:
    """The same as one JSON document: {"currency", "listings": [{column's name: value}]}. Prices are texts, so that none is rounded."""
    layout = layout or layout_of(channel)
    names = [one.name for one in layout.columns]
    yield f'{{"currency":{json.dumps(channel.currency)},"listings":['
    some: list[str] = []
    parting = ""
    for values in _rows(channel, layout):
        some.append(json.dumps(dict(zip(names, values, strict=True)), ensure_ascii=False))
        if len(some) == LINES_AT_ONCE:
            yield parting + ",\n".join(some)
            parting, some = ",\n", []
    yield (parting if some else "") + ",\n".join(some) + "]}\n"


def _rows(channel: Channel, layout: Layout) -> Iterator[list[Any]]:
    known = {"currency": channel.currency}
    takes = [(FIELDS[one.field][1], one.text if one.field == "fixed" else known.get(one.field, "")) for one in layout.columns]
    for offer in offers.offers(channel):
        yield [text or take(offer) for take, text in takes]


def _plain(value: Any) -> str:
    return "" if value is None else re.sub(r"[\0\r\n]+", " ", str(value))
