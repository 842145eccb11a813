"""What a linking found, a page at a time, as a person looks through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from portal.catalogue import keys
from portal.models import InventoryItem, LinkCandidate, Linking, LinkUnmatched, Product, ProductLink, Source


@dataclass(frozen=True)
class Sample:
    """A candidate as a person sees it. `same`: the value that both have. `now`: the Master SKU that it is linked to, "" for none."""

    item: InventoryItem
    source: Source
    product: Product
    rule: str
    same: str
    now: str


SAMPLES = 20


def samples(linking: Linking, verdict: str, query: str = "", after: int = 0) -> tuple[list[Sample], int]:
    """(candidates of that verdict by item, from which item the next go on, 0 for the last). `query`: how a SKU of either begins."""
    rows: Any = (
        LinkCandidate.select(LinkCandidate, InventoryItem, Source, Product)
        .join(InventoryItem)
        .join(Source, on=(InventoryItem.source == Source.id))
        .switch(LinkCandidate)
        .join(Product)
        .where(LinkCandidate.linking == linking, LinkCandidate.verdict == verdict, LinkCandidate.item > after)
    )
    if query:
        rows = rows.where(keys.begins(InventoryItem.sku, query) | keys.begins(Product.sku, query) | (InventoryItem.upc == query))
    found = list(rows.order_by(LinkCandidate.item, LinkCandidate.product).limit(SAMPLES + 1))
    shown = found[:SAMPLES]
    links = ProductLink.select(ProductLink, Product).join(Product).where(ProductLink.item << [one.item_id for one in shown])
    now = {one.item_id: one.product.sku for one in links}
    told = [Sample(one.item, one.item.source, one.product, one.rule, _same(one), now.get(one.item_id, "")) for one in shown]
    return told, int(shown[-1].item_id) if len(found) > SAMPLES else 0


def unmatched(linking: Linking, query: str = "", after: int = 0) -> tuple[list[InventoryItem], int]:
    """(items for which the look found no product, from which the next go on). `query`: how the SKU begins."""
    rows: Any = (
        LinkUnmatched.select(LinkUnmatched, InventoryItem, Source)
        .join(InventoryItem)
        .join(Source, on=(InventoryItem.source == Source.id))
        .where(LinkUnmatched.linking == linking, LinkUnmatched.item > after)
    )
    if query:
        rows = rows.where(keys.begins(InventoryItem.sku, query))
    found = [one.item for one in rows.order_by(LinkUnmatched.item).limit(SAMPLES + 1)]
    return found[:SAMPLES], int(found[SAMPLES - 1].id) if len(found) > SAMPLES else 0


def _same(one: LinkCandidate) -> str:
    return str({"sku": one.product.sku, "gtin": one.item.upc or "", "mpn": f"{one.item.brand} {one.item.mpn}"}[one.rule])
