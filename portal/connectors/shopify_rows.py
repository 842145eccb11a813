"""Variants and their stock by location, as lines of a feed. They wait in a file, so that a large store takes little memory.

variant, level ─▶ Shelf ─▶ which SKUs stand twice ─▶ one line each: sku, quantity, "at Main Street" …
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson

from portal.connectors import problems

HIDDEN = frozenset({"DRAFT", "ARCHIVED"})
"""States of a product that nobody can buy. (UNLISTED is for sale by its link.)"""
ONLY_TITLE = "Default Title"
"""What Shopify calls the one variant of a product without options."""
BATCH = 1_000


@dataclass(frozen=True)
class Choices:
    """What the merchant chose. `places`: location id -> name of its column, those whose stock counts.

    `untracked`: the quantity of what Shopify does not count, "" for unknown. `flags`: drafts and archived products come too.
    `empty`: further columns, of locations that hold nothing now.
    """

    places: Mapping[str, str]
    untracked: str = ""
    flags: bool = False
    empty: tuple[str, ...] = ()


@dataclass
class Seen:
    """What was read: variants, left out as draft or archived, without SKU, with a SKU that stands twice, untracked, below zero."""

    variants: int = 0
    hidden: int = 0
    without: int = 0
    twice: int = 0
    untracked: int = 0
    below: int = 0

    def words(self, choices: Choices) -> Iterator[str]:
        """What the merchant should know, a sentence each."""
        if self.hidden:
            yield f"{self.hidden:,} variants belong to drafts or archived products and were left out."
        if self.without or self.twice:
            told = [f"{self.without:,} have no SKU"] * bool(self.without) + [f"{self.twice:,} share theirs"] * bool(self.twice)
            yield f"Of the variants {' and '.join(told)}: these are known by Shopify's variant id instead."
        if self.untracked:
            known = f"they count as {choices.untracked}" if choices.untracked else "their quantity is unknown, not 0"
            yield f"Shopify does not count the stock of {self.untracked:,} variants: {known}."
        if self.below:
            yield f"{self.below:,} variants are sold below zero; they count as 0."


class Shelf:
    """Variants and levels as they come, in a file beside the feed; then the lines. Leaving the block removes the file."""

    def __init__(self, beside: Path, choices: Choices) -> None:
        self.path, self.choices, self.seen = beside.with_name(beside.name + ".shelf"), choices, Seen()
        self._variants: list[tuple[Any, ...]] = []
        self._levels: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self._db = sqlite3.connect(self.path, isolation_level=None)
        for line in ("PRAGMA journal_mode=OFF", "PRAGMA synchronous=OFF", "PRAGMA cache_size=-8000", "BEGIN", *_TABLES):
            self._db.execute(line)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._db.close()
        self.path.unlink(missing_ok=True)

    def put(self, variant: Mapping[str, Any]) -> None:
        """Take a variant, without its levels. Raises protocol_error."""
        item, product = variant.get("inventoryItem"), variant.get("product")
        if not isinstance(variant.get("id"), str) or not isinstance(item, Mapping) or not isinstance(product, Mapping):
            raise problems.protocol_error("The answer cannot be read", "A variant came without its id, item or product. Nothing was used.")
        kept = self.choices.flags or product.get("status") not in HIDDEN
        bare = {name: value for name, value in item.items() if name != "inventoryLevels"}
        body = orjson.dumps({**variant, "inventoryItem": bare})
        self._variants.append((variant["id"], item.get("id"), str(variant.get("sku") or "").strip(), kept, body))
        self.seen.variants += 1
        self.seen.hidden += not kept
        if len(self._variants) >= BATCH:
            self._flush()

    def put_level(self, parent: Any, level: Mapping[str, Any]) -> None:
        """Take a level of the variant or item `parent`. Raises protocol_error."""
        place, told = level.get("location"), level.get("quantities")
        found = [one.get("quantity") for one in told or () if isinstance(one, Mapping) and one.get("name") == "available"]
        if not isinstance(parent, str) or not isinstance(place, Mapping) or len(found) != 1 or type(found[0]) is not int:
            raise problems.protocol_error("The answer cannot be read", "A stock level came without its place or number. Nothing was used.")
        self._levels.append((parent, place.get("id"), found[0]))
        if len(self._levels) >= BATCH:
            self._flush()

    def skus(self) -> set[str]:
        """The SKUs of what is there so far and counts."""
        self._flush()
        return {sku for (sku,) in self._db.execute("SELECT DISTINCT sku FROM variant WHERE kept AND sku <> ''")}

    def lines(self, shared: Collection[str] = ()) -> Iterator[bytes]:
        """The feed's lines in the order in which the variants came. `shared`: SKUs that variants not on the shelf have too.

        Raises protocol_error for levels that belong to no variant.
        """
        self._flush()
        for line in _JOINS:
            self._db.execute(line)
        if (lost := self._db.execute(_LOST).fetchone()[0]) > 0:
            body = f"{lost:,} stock levels belong to no variant that came. Nothing was used."
            raise problems.protocol_error("The answer cannot be read", body)
        for number, sku, twice, body in self._db.execute(_KEPT):
            levels = dict(self._db.execute("SELECT place, available FROM level WHERE variant = ?", (number,)).fetchall())
            yield orjson.dumps(self._row(orjson.loads(body), sku, bool(twice) or sku in shared, levels), option=orjson.OPT_APPEND_NEWLINE)

    def _row(self, variant: Mapping[str, Any], sku: str, twice: bool, levels: Mapping[str, int]) -> dict[str, Any]:
        item, product, seen = variant["inventoryItem"], variant["product"], self.seen
        tracked, cost = item.get("tracked") is True, item.get("unitCost") or {}
        available = sum(levels.get(place, 0) for place in self.choices.places)
        seen.without += not sku
        seen.twice += twice
        seen.untracked += not tracked
        seen.below += tracked and available < 0
        return {
            "sku": sku if sku and not twice else variant["id"], "store_sku": sku, "variant_id": variant["id"],
            "product_id": product.get("id"),
            "title": _title(str(product.get("title") or ""), str(variant.get("title") or "")), "brand": product.get("vendor"),
            "barcode": variant.get("barcode"), "price": variant.get("price"), "cost": cost.get("amount"),
            "cost_currency": cost.get("currencyCode"), "quantity": max(0, available) if tracked else self.choices.untracked,
            "available": available if tracked else "", "tracked": tracked, "sells_when_out": variant.get("inventoryPolicy") == "CONTINUE",
            "product_status": str(product.get("status") or "").lower(), "updated_at": variant.get("updatedAt"),
            **{column: levels.get(place, "") if tracked else "" for place, column in self.choices.places.items()},
            **dict.fromkeys(self.choices.empty, ""),
        }  # fmt: skip

    def _flush(self) -> None:
        self._db.executemany("INSERT OR IGNORE INTO variant (id, item, sku, kept, body) VALUES (?, ?, ?, ?, ?)", self._variants)
        self._db.executemany("INSERT INTO level (parent, place, available) VALUES (?, ?, ?)", self._levels)
        self._variants, self._levels = [], []


def columns_of(places: Sequence[tuple[str, str]]) -> dict[str, str]:
    """location id -> column, of (id, name) pairs; places of the same name are told apart by the number in their id."""
    names = [name for _, name in places]
    return {id_: f"at {name}" if names.count(name) == 1 else f"at {name} ({id_.rpartition('/')[2]})" for id_, name in places}


def _title(product: str, variant: str) -> str:
    return product if variant in ("", ONLY_TITLE) else f"{product} - {variant}"


_TABLES = (
    "CREATE TABLE variant (number INTEGER PRIMARY KEY, id TEXT UNIQUE, item TEXT, sku TEXT, kept INTEGER, body BLOB)",
    "CREATE TABLE level (parent TEXT, place TEXT, available INTEGER, variant INTEGER)",
)
_JOINS = (
    "CREATE INDEX of_item ON variant (item)",
    "UPDATE level SET variant = coalesce((SELECT number FROM variant WHERE id = parent), (SELECT number FROM variant WHERE item = parent))",
    "CREATE INDEX of_variant ON level (variant)",
    "CREATE TABLE twice AS SELECT sku FROM variant WHERE kept AND sku <> '' GROUP BY sku HAVING count(*) > 1",
    "CREATE UNIQUE INDEX of_sku ON twice (sku)",
)
_LOST = "SELECT count(*) FROM level WHERE variant IS NULL"
_KEPT = """SELECT number, variant.sku, twice.sku IS NOT NULL, body FROM variant LEFT JOIN twice ON twice.sku = variant.sku
           WHERE kept ORDER BY number"""
