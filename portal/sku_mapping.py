"""From the supplier's item number to ours: Inventory SKU ─▶ Master SKU ─▶ Listing SKU, and where two sources would meet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from portal import mappings, setup_steps, sources
from portal.errors import Invalid
from portal.models import InventoryItem, Source, database

LONGEST_PREFIX = 20
ALLOWED = re.compile(r"[A-Za-z0-9._/+-]*", re.ASCII)
ALLOWED_WORDS = "Letters A to Z, digits and - _ . / + may be used."
CHUNK = 10_000  # SKUs asked for in one query; SQLite takes 32,766 values


@dataclass(frozen=True)
class Chain:
    """One item's names. Until a channel asks for another, the Listing SKU is the Master SKU."""

    inventory_sku: str
    master_sku: str
    listing_sku: str


@dataclass(frozen=True)
class Meeting:
    """One Master SKU that another source already has: our Inventory SKU, theirs, and their title."""

    master_sku: str
    inventory_sku: str
    other_sku: str
    other_title: str


@dataclass(frozen=True)
class Collisions:
    """How many of `total` Master SKUs equal one of another source. `by_source`: (source, count), most first."""

    total: int
    by_source: Sequence[tuple[Source, int]]

    @property
    def count(self) -> int:
        """Meetings with all sources together; a SKU met at two sources counts twice."""
        return sum(count for _, count in self.by_source)


@dataclass(frozen=True)
class Known:
    """Inventory SKUs to show and to compare. `origin`: "items" once synced, "sample" before, "" while neither is there."""

    skus: Sequence[str]
    origin: str


def known_skus(source: Source) -> Known:
    """The SKUs of the source's items, or of its sample as mapped. Raises SupplierError when the sample cannot be read."""
    skus = list(item_skus(source))
    if skus:
        return Known(skus, "items")
    integration = sources.integration(source, "get_inventory_primary")
    version, sample = mappings.current(integration), mappings.sample_of(integration)
    if version is None or sample is None:
        return Known((), "")
    return Known(mappings.sample_skus(sample, version.rules), "sample")


def check_prefix(text: str) -> str:
    """The prefix without space around it. Raises Invalid."""
    prefix = text.strip()
    if len(prefix) > LONGEST_PREFIX:
        raise Invalid({"prefix": f"The prefix has {len(prefix)} characters. Use {LONGEST_PREFIX} or fewer."})
    odd = next((letter for letter in prefix if not ALLOWED.fullmatch(letter)), None)
    if odd is not None:
        shown = "a space" if odd == " " else odd if odd.isprintable() else "a character that cannot be shown"
        raise Invalid({"prefix": f"The prefix holds {shown}. {ALLOWED_WORDS}"})
    return prefix


def save(source: Source, prefix: str, version: int, who: str) -> Source:
    """Keep the prefix and mark the step; the fresh row. Raises Invalid, or Stale when someone saved since `version`."""
    prefix = check_prefix(prefix)
    with database.atomic():
        fresh = sources.change(source, version, who, "source.sku_prefix", sku_prefix=prefix)
        setup_steps.mark(fresh, "skus")
    return fresh


def chain(prefix: str, skus: Iterable[str], count: int = 3) -> list[Chain]:
    """The names of the first `count` items."""
    return [Chain(sku, prefix + sku, prefix + sku) for sku in islice(skus, count)]


def item_skus(source: Source) -> Iterator[str]:
    """Every Inventory SKU the source offers, in order; nothing before its first sync."""
    query = InventoryItem.select(InventoryItem.sku).where(InventoryItem.source == source).order_by(InventoryItem.sku)
    return (row[0] for row in query.tuples().iterator())


def collisions(source: Source, prefix: str, skus: Sequence[str]) -> Collisions:
    """Where `prefix` + each of `skus` is a Master SKU of another source of the merchant already."""
    found = [(other, sum(1 for _ in _met(other, prefix, skus))) for other in _others(source)]
    met = sorted((pair for pair in found if pair[1]), key=lambda pair: -pair[1])
    return Collisions(len(skus), met)


def meetings(other: Source, prefix: str, skus: Sequence[str], limit: int = 200) -> list[Meeting]:
    """The first `limit` Master SKUs shared with `other`, by SKU."""
    rows = islice(_met(other, prefix, sorted(skus)), limit)
    return [Meeting(other.sku_prefix + sku, (other.sku_prefix + sku)[len(prefix) :], sku, title or "") for sku, title in rows]


def _others(source: Source) -> list[Source]:
    return [one for one in sources.listing(source.merchant) if one.id != source.id]


def _met(other: Source, prefix: str, skus: Sequence[str]) -> Iterator[tuple[str, str | None]]:
    """(their SKU, title) of each item of `other` whose Master SKU is one of ours, a chunk of SKUs at a time."""
    wanted = _theirs(other.sku_prefix, prefix, skus)
    while chunk := list(islice(wanted, CHUNK)):
        columns = InventoryItem.select(InventoryItem.sku, InventoryItem.title)
        met = columns.where(InventoryItem.source == other, InventoryItem.sku.in_(chunk)).order_by(InventoryItem.sku)
        yield from ((sku, title) for sku, title in met.tuples().iterator())


def _theirs(their_prefix: str, prefix: str, skus: Sequence[str]) -> Iterator[str]:
    """What the other source's Inventory SKU would have to be for its Master SKU to equal ours."""
    masters = (prefix + sku for sku in skus)
    return (master[len(their_prefix) :] for master in masters if master.startswith(their_prefix) and len(master) > len(their_prefix))
