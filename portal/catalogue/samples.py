"""What a linking found, a page at a time by SKU, as a person looks through it: each page reads one index, however many were found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import Tuple

from portal.catalogue import keys
from portal.inventory import queries
from portal.models import InventoryItem, LinkCandidate, LinkDamaged, Linking, LinkUnmatched, Product, ProductLink, Source

SAMPLES = 20
MOST_SAME = 1_000  # items of one UPC that a search looks at
MOST_EXACT = 100


@dataclass(frozen=True)
class Sample:
    """A candidate as a person sees it. `same`: the value that both have. `now`: the Master SKU that it is linked to, "" for none."""

    item: InventoryItem
    source: Source
    product: Product
    rule: str
    same: str
    now: str


@dataclass(frozen=True)
class Place:
    """Behind which row a page begins, as its link says: by SKU, then by ids."""

    sku: str = ""
    item: int = 0
    product: int = 0

    @classmethod
    def read(cls, text: str) -> Place:
        """The place of a link; the beginning for anything else."""
        ids, _, sku = text.partition(".")
        item, _, product = ids.partition("-")
        if not all(one.isascii() and one.isdigit() and len(one) < 19 for one in (item, product)):
            return cls()
        return cls(sku[:140], int(item), int(product))

    def __str__(self) -> str:
        return f"{self.item}-{self.product}.{self.sku}"


def samples(linking: Linking, verdict: str, query: str = "", after: str = "") -> tuple[list[Sample], str]:
    """(candidates of that verdict by the item's SKU, the link of the next page, "" for the last).

    `query`: how an Inventory SKU begins; a whole Master SKU or a whole UPC, whose candidates come first.
    """
    row = (LinkCandidate.sku, LinkCandidate.item, LinkCandidate.product)
    mine: Any = LinkCandidate.select(*row).where(LinkCandidate.linking == linking, LinkCandidate.verdict == verdict)
    exact = _exact(linking, verdict, query) if query and not after else []
    place = Place.read(after)
    if after:
        mine = mine.where(Tuple(*row) > Tuple(place.sku, place.item, place.product))
    shown, following = _page(exact, _rows(mine, row, query))
    return _told(linking, [(one[1], one[2]) for one in shown]), following


def _rows(mine: Any, row: Sequence[Any], query: str) -> list[Any]:
    """One more than a page, by SKU. Each way in which one begins is a query of its own, so that each has the index."""
    ways = [mine.where(one) for one in keys.beginnings(row[0], query)] if query else [mine]
    found = [one for way in ways for one in way.order_by(*row).limit(SAMPLES + 1).tuples()]
    return sorted(found)[: SAMPLES + 1] if len(ways) > 1 else found


def _exact(linking: Linking, verdict: str, query: str) -> list[Any]:
    """Candidates of that whole Master SKU or UPC, found by the product and by the item: the verdict is read, not searched."""
    columns = (LinkCandidate.sku, LinkCandidate.item, LinkCandidate.product, LinkCandidate.verdict)
    mine: Any = LinkCandidate.select(*columns).where(LinkCandidate.linking == linking)
    known = [one.id for one in Product.select(Product.id).where(Product.merchant == linking.merchant_id, Product.sku == query)]
    found: list[Any] = []
    for column, ids in ((LinkCandidate.product, known), (LinkCandidate.item, _of_code(linking, query))):
        found.extend(mine.where(column << ids).limit(MOST_SAME).tuples() if ids else [])
    return sorted({tuple(one[:3]) for one in found if one[3] == verdict})[:MOST_EXACT]


def _page(exact: Sequence[Any], found: Sequence[Any]) -> tuple[list[Any], str]:
    """Rows to show, each once, and the link of the next page."""
    following = str(Place(*found[SAMPLES - 1])) if len(found) > SAMPLES else ""
    return list(dict.fromkeys([*exact, *found[:SAMPLES]])), following


def _told(linking: Linking, pairs: Sequence[tuple[int, int]]) -> list[Sample]:
    rows: Any = (
        LinkCandidate.select(LinkCandidate, InventoryItem, Source, Product)
        .join(InventoryItem)
        .join(Source, on=(InventoryItem.source == Source.id))
        .switch(LinkCandidate)
        .join(Product)
        .where(LinkCandidate.linking == linking, LinkCandidate.item << [item for item, _ in pairs])
    )
    by_pair = {(one.item_id, one.product_id): one for one in rows}
    links = ProductLink.select(ProductLink, Product).join(Product).where(ProductLink.item << [item for item, _ in pairs])
    now = {one.item_id: one.product.sku for one in links}
    shown = [by_pair[pair] for pair in pairs if pair in by_pair]
    return [Sample(one.item, one.item.source, one.product, one.rule, _same(one), now.get(one.item_id, "")) for one in shown]


LISTS: dict[str, Any] = {"unmatched": LinkUnmatched, "damaged": LinkDamaged}
"""What a look noted of items alone: no product was found; an MPN or SKU that a spreadsheet program cut."""


def items(linking: Linking, name: str, query: str = "", after: str = "") -> tuple[list[InventoryItem], str]:
    """(items of a key of LISTS, the link of the next page). `query`: how the SKU begins, or a whole UPC."""
    table = LISTS[name]
    row = (table.sku, table.item)
    mine: Any = table.select(*row).where(table.linking == linking).distinct()
    same = _of_code(linking, query) if query and not after else []
    exact = sorted(table.select(*row).where(table.linking == linking, table.item << same).distinct().tuples()) if same else []
    place = Place.read(after)
    if after:
        mine = mine.where(Tuple(*row) > Tuple(place.sku, place.item))
    shown, following = _page(exact[:MOST_EXACT], _rows(mine, row, query))
    ids = [one[1] for one in shown]
    found = InventoryItem.select(InventoryItem, Source).join(Source, on=(InventoryItem.source == Source.id))
    known = {one.id: one for one in found.where(InventoryItem.id << ids)}
    return [known[one] for one in ids if one in known], following


def _of_code(linking: Linking, query: str) -> list[int]:
    """Items that have the UPC, in any of its lengths."""
    codes = queries.read(query).gtins if query.isascii() and query.isdigit() else ()
    mine = InventoryItem.select(InventoryItem.id).where(InventoryItem.merchant == linking.merchant_id, InventoryItem.upc << list(codes))
    return [one.id for one in mine.limit(MOST_SAME)] if codes else []


def _same(one: LinkCandidate) -> str:
    return str({"sku": one.product.sku, "gtin": one.item.upc or "", "mpn": f"{one.item.brand} {one.item.mpn}"}[one.rule])
