"""What each source has of the SKUs of an order, read from the inventory and from committed stock."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from peewee import fn

from portal import sources as source_list
from portal.inventory import counted
from portal.models import FulfillmentRequest, Integration, InventoryItem, Merchant, Product, ProductLink, RequestLine, Source
from portal.models.database import is_postgres
from portal.requests import stock
from portal.requests.rules import of_workspace
from portal.routing.deciding import Offer, Pick, Place
from portal.sources import CHANNEL_LINE

BARRED = {"draft": "is not set up yet", "paused": "is paused", "deleted": "was deleted"}
CHUNK = 10_000  # SKUs asked for in one query


@dataclass
class Market:
    """The sources of a merchant and their offers of some Master SKUs; `take` counts what is promised meanwhile."""

    sources: Mapping[int, Source]
    ranks: Mapping[int, int]
    sending: Collection[int]
    offers: dict[tuple[int, str], Offer]

    def places(self, currency: str) -> list[Place]:
        """The sources as an order in that currency sees them."""
        return [
            Place(
                key, source.name, self.ranks[key],
                BARRED.get(source.state, "") or ("is a data source, which takes no orders" if source.kind == "data_source" else ""),
                source.allow_backorders, key in self.sending, source.currency == currency,
            )
            for key, source in self.sources.items()
        ]  # fmt: skip

    def of(self, skus: Collection[str], been: Mapping[tuple[int, str], str]) -> list[Offer]:
        """The offers of those SKUs. `been`: {(source, SKU): why it is out}, for lines that came back from there."""
        found = [offer for (_, sku), offer in self.offers.items() if sku in skus]
        return [replace(one, gone=one.gone or been.get((one.place, one.sku), "")) for one in found]

    def take(self, picks: Sequence[Pick]) -> None:
        """Count what an order was promised, so that the next one does not see it."""
        for pick in picks:
            key = (pick.place, pick.offer.sku)
            self.offers[key] = replace(self.offers[key], committed=self.offers[key].committed + pick.quantity)


def read(merchant: Merchant, skus: Collection[str], hold: bool = False) -> Market:
    """The market of these Master SKUs as it is now. `hold`: no source is paused or deleted until the open transaction ends."""
    ours = (Source.merchant == merchant.id) & (Source.kind != CHANNEL_LINE)
    query: Any = Source.select().where(ours).order_by(Source.id)
    known = {one.id: one for one in (query.for_update("FOR SHARE") if hold and is_postgres() else query)}
    order = {public_id: rank for rank, public_id in enumerate(of_workspace(merchant).order)}
    by_rank = sorted(known.values(), key=lambda one: (order.get(one.public_id, len(order)), one.name_key, one.id))
    sends: Any = Integration.select(Integration.source).where(
        Integration.source << list(known), Integration.kind == "send_orders", Integration.enabled, Integration.removed_at.is_null()
    )
    return Market(
        {one.id: one for one in by_rank}, {one.id: rank for rank, one in enumerate(by_rank)}, {row[0] for row in sends.tuples()},
        {(offer.place, offer.sku): offer for one in by_rank for offer in _offers(one, skus)},
    )  # fmt: skip


def _offers(source: Source, skus: Collection[str]) -> list[Offer]:
    """Items that are linked to products of these Master SKUs; of items without a product, those whose prefixed SKU is one of them.

    Of several items behind one product, the one of which most is left to sell.
    """
    prefix = source.sku_prefix
    prefixed = {sku[len(prefix) :]: sku for sku in skus if sku.startswith(prefix) and len(sku) > len(prefix)}
    found: dict[str, list[tuple[InventoryItem, str]]] = {}
    for names, condition in ((sorted(skus), Product.sku), (sorted(prefixed), InventoryItem.sku)):
        for start in range(0, len(names), CHUNK):
            for one in _items(source, condition << names[start : start + CHUNK], linked=condition is Product.sku):
                master = one.master if condition is Product.sku else prefixed[one.sku]
                found.setdefault(one.sku, []).append((one, master))
    held = stock.committed(source.id, found)
    best: dict[str, Offer] = {}
    for sku, items in found.items():
        for one, master in items:
            offer = Offer(source.id, master, one.id, one.quantity, held.get(sku, 0), one.cost, _gone(one))
            if master not in best or _rank(offer) > _rank(best[master]):
                best[master] = offer
    return list(best.values())


def _items(source: Source, condition: Any, linked: bool) -> Any:
    item = InventoryItem
    columns = [item.id, item.sku, item.quantity, item.cost, item.archived_at, item.missing_since, item.kept_out]
    mine = (item.source == source.id) & condition
    if linked:
        joined = item.select(*columns, Product.sku.alias("master")).join(ProductLink, on=(ProductLink.item == item.id))
        return joined.join(Product, on=(ProductLink.product == Product.id)).where(mine, Product.merchant == source.merchant_id).objects()
    return item.select(*columns).where(mine, ~fn.EXISTS(ProductLink.select().where(ProductLink.item == item.id)))


def _rank(offer: Offer) -> tuple[bool, int, int]:
    return (not offer.gone, offer.available, -offer.item)


def _gone(item: InventoryItem) -> str:
    if item.archived_at is not None:
        return "the item is archived"
    if item.kept_out:
        return counted.WHY[item.kept_out]
    return "its last accepted file does not hold the item" if item.missing_since is not None else ""


def been_there(order_ids: Collection[int]) -> Mapping[int, Mapping[tuple[int, str], str]]:
    """{order: {(source, Master SKU): why}}: where units of a line came back from, canceled by the supplier or voided by us."""
    rows = (
        RequestLine.select(RequestLine, FulfillmentRequest)
        .join(FulfillmentRequest)
        .where(FulfillmentRequest.order << list(order_ids), (RequestLine.cancelled > 0) | (RequestLine.voided > 0))
    )
    found: dict[int, dict[tuple[int, str], str]] = {}
    for line in rows:
        why = "canceled it before" if line.cancelled else "it was voided there before"
        found.setdefault(line.request.order_id, {})[line.request.source_id, line.order_line.sku] = why
    return found


def listed(merchant: Merchant) -> list[Source]:
    """The merchant's sources in the order in which they are asked."""
    order = {public_id: rank for rank, public_id in enumerate(of_workspace(merchant).order)}
    return sorted(source_list.listing(merchant), key=lambda one: (order.get(one.public_id, len(order)), one.name_key, one.id))
