"""What a linking found, a page at a time, as a person looks through it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from peewee import fn

from portal.catalogue import keys
from portal.models import InventoryItem, LinkCandidate, Linking, Product, ProductLink, Source


@dataclass(frozen=True)
class Sample:
    """A candidate as a person sees it. `same`: the value that both have."""

    item: InventoryItem
    source: Source
    product: Product
    rule: str
    same: str


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
    told = [Sample(one.item, one.item.source, one.product, one.rule, _same(one)) for one in shown]
    return told, int(shown[-1].item_id) if len(found) > SAMPLES else 0


def unmatched(linking: Linking, query: str = "", after: int = 0) -> tuple[list[InventoryItem], int]:
    """(items in scope without a product and without a candidate, from which the next go on). `query`: how the SKU begins."""
    own = InventoryItem.source == linking.source_id if linking.source_id else InventoryItem.merchant == linking.merchant_id
    rows: Any = (
        InventoryItem.select(InventoryItem, Source).join(Source, on=(InventoryItem.source == Source.id))
        .where(
            own, InventoryItem.id > max(after, linking.after_item_id), InventoryItem.archived_at.is_null(), Source.state != "deleted",
            ~fn.EXISTS(ProductLink.select().where(ProductLink.item == InventoryItem.id)),
            ~fn.EXISTS(LinkCandidate.select().where(LinkCandidate.linking == linking, LinkCandidate.item == InventoryItem.id)),
        )
    )  # fmt: skip
    if query:
        rows = rows.where(keys.begins(InventoryItem.sku, query))
    found = list(rows.order_by(InventoryItem.id).limit(SAMPLES + 1))
    return found[:SAMPLES], int(found[SAMPLES - 1].id) if len(found) > SAMPLES else 0


def _same(one: LinkCandidate) -> str:
    return str({"sku": one.product.sku, "gtin": one.item.upc or "", "mpn": f"{one.item.brand} {one.item.mpn}"}[one.rule])
