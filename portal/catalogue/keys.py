"""Identifiers as they are compared: the same in Python and as SQL of both databases."""

from __future__ import annotations

import string
from functools import reduce
from operator import or_
from typing import Any

from peewee import fn

from portal.catalogue import codes
from portal.inventory import paging
from portal.models.database import is_postgres

STRIPPED = " -_./"
"""What makers and shops write differently in a part number."""

_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)


def gtin(upc: str | None) -> str:
    """A UPC, EAN or GTIN of 8 to 14 digits as a GTIN of 14, "" for none (GS1 General Specifications 3.3.2: zeros in front)."""
    return upc.zfill(14) if upc else ""


def shown(code: str) -> str:
    """A GTIN of 14 digits as it is printed: 12 of a UPC, 13 of an EAN, 8 of an EAN-8. "" stays "" (GS1: zeros in front are filling)."""
    if not code:
        return ""
    length = 8 if code.startswith("000000") else 12 if code.startswith("00") else 13 if code.startswith("0") else 14
    return code[-length:]


def mpn(number: str | None, brand: str | None) -> str:
    """A part number of a brand: without spaces, dashes, dots, strokes and capitals of A to Z.

    "" unless both are there, and where a spreadsheet program cut the number: many would look the same.
    """
    if codes.is_cut(number):
        return ""
    bare = (number or "").translate(str.maketrans("", "", STRIPPED)).translate(_LOWER)
    maker = (brand or "").strip(" ").translate(_LOWER)
    return f"{bare}|{maker}" if bare and maker else ""


def beginnings(column: Any, text: str) -> list[Any]:
    """Conditions, each for a query of its own, that together say how the column's text begins, as typed or in capitals.

    By the index where that orders by code points: two of them in one condition would be searched without it.
    """
    ways = sorted({text, text.upper()})
    if paging.is_bytewise():
        return [(column >= one) & (column < paging.above(one)) for one in ways]
    found = [fn.SUBSTR(column, 1, len(one)) == one for one in ways]
    return [found[0] if len(found) == 1 else found[0] | found[1]]


def begins(column: Any, text: str) -> Any:
    """`beginnings` as one condition."""
    return reduce(or_, beginnings(column, text))


MASTERS = {"sku": "Inventory SKU", "upc": "UPC / EAN", "mpn": "MPN", "parent_sku": "Parent SKU"}
"""What a Master SKU is made of, behind the prefix of the source. Where an item has none of it: of its Inventory SKU."""


def master(source: Any, item: Any, made_from: str = "") -> str:
    """The Master SKU that an item has: the prefix and what its source says, or `made_from`; of the Inventory SKU where it has none."""
    chosen = getattr(item, made_from or source.master_from)
    return str(source.sku_prefix + (chosen.strip(" ") if chosen and chosen.strip(" ") and not codes.is_cut(chosen) else item.sku))


def sku_sql(item: str, source: str, made_from: str = "") -> str:
    """`master` of an item. `made_from`: a key of MASTERS, "" as the source says."""
    if made_from:
        return f"{source}.sku_prefix || {_chosen(item, made_from)}"
    kinds = " ".join(f"WHEN '{one}' THEN {_chosen(item, one)}" for one in MASTERS if one != "sku")
    return f"{source}.sku_prefix || CASE {source}.master_from {kinds} ELSE {item}.sku END"


def _chosen(item: str, made_from: str) -> str:
    if made_from == "sku":
        return f"{item}.sku"
    column = f"{item}.{made_from}"
    return f"CASE WHEN {cut_sql(column)} THEN {item}.sku ELSE coalesce(nullif(trim({column}), ''), {item}.sku) END"


def gtin_sql(item: str) -> str:
    """`gtin` of an item whose UPC is not NULL."""
    return f"lpad({item}.upc, 14, '0')" if is_postgres() else f"substr('00000000000000' || {item}.upc, -14)"


def mpn_sql(item: str) -> str:
    """`mpn` of an item whose MPN and brand are not NULL; only where both hold something."""
    bare = f"{item}.mpn"
    for letter in STRIPPED:
        bare = f"replace({bare}, '{letter}', '')"
    key = f"{_lower(bare)} || '|' || {_lower(f'trim({item}.brand)')}"
    return f'({key}) COLLATE "default"' if is_postgres() else key  # as the column is ordered: else its index serves nothing


def cut_sql(column: str) -> str:
    """`codes.is_cut` of a column."""
    if is_postgres():
        return f"{column} ~ '^{codes.CUT}$'"
    return f"({column} GLOB '[0-9]*[eE]+[0-9]*' AND {column} NOT GLOB '*[^0-9.,eE+]*')"


def _lower(text: str) -> str:
    return f'lower({text} COLLATE "C")' if is_postgres() else f"lower({text})"
