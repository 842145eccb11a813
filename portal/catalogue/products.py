"""Products: looking at them, and putting items to them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN, SQL, fn

from portal import audit, clock
from portal.catalogue import keys
from portal.errors import Invalid, NotFound, Refused
from portal.models import InventoryItem, Merchant, Product, ProductLink, Source, database
from portal.requests import stock

PAGE = 50
LONGEST_TITLE = 500
MOST_OFFERED = 10
MOST_EXACT = 100  # products of one UPC or MPN that a search shows
LOOKED_AT = 20_000
"""Products of which one page finds those without items; the next goes on behind them."""


@dataclass(frozen=True)
class Row:
    """A product in the list: how many items of how many sources are behind it, and what is left of them to sell."""

    product: Product
    items: int
    sources: int
    available: int


@dataclass(frozen=True)
class Page:
    """Rows by Master SKU, and from which on the next page begins ("" for the last)."""

    rows: Sequence[Row]
    following: str


@dataclass(frozen=True)
class Units:
    """What a source says that it has, what open requests hold of that, and what is left to sell: 0 where no order may go."""

    feed: int
    committed: int
    left: int

    def __add__(self, other: Units) -> Units:
        return Units(self.feed + other.feed, self.committed + other.committed, self.left + other.left)


@dataclass(frozen=True)
class Behind:
    """An item behind a product: what its source says of it, and why it is linked."""

    item: InventoryItem
    source: Source
    link: ProductLink

    @property
    def is_sold(self) -> bool:
        """Whether an order may go there: neither archived nor kept out nor of a source that is paused or not set up yet."""
        return self.item.archived_at is None and not self.item.kept_out and self.source.state == "live"


def page(merchant: Merchant, query: str = "", after: str = "", bare: bool = False) -> Page:
    """Products by Master SKU, from behind `after` on. `query`: how a Master SKU begins; those of a whole UPC or MPN come first.

    `bare`: only those without an item, as many as there are among the next LOOKED_AT.
    """
    mine: Any = Product.merchant == merchant
    if after:
        mine &= Product.sku > after
    if bare:
        found, end = _bare(mine, query)
    else:
        found, end = _meant(mine, query, first=not after), ""
    shown = found[:PAGE]
    behind = _totals([one.id for one in shown])
    rows = [Row(one, *behind.get(one.id, (0, 0, 0))) for one in shown]
    return Page(rows, shown[-1].sku if len(found) > PAGE else end)


def _meant(mine: Any, query: str, first: bool) -> list[Product]:
    """One more than a page of what is meant, by SKU. Each way to mean it is a query of its own, so that each has its index."""
    ways = [mine & one for one in keys.beginnings(Product.sku, query)] if query else [mine]
    ordered = [Product.select().where(way).order_by(Product.sku).limit(PAGE + 1) for way in ways]
    found = list({one.id: one for some in ordered for one in some}.values())
    if len(ways) > 1:
        found.sort(key=lambda one: str(one.sku))
    found = found[: PAGE + 1]
    if not query or not first:
        return found
    exact = _of_codes(mine, query)
    known = {one.id for one in exact}
    return [*exact, *(one for one in found if one.id not in known)]


def _of_codes(mine: Any, query: str) -> list[Product]:
    """Products of that MPN or UPC; the first MOST_EXACT."""
    is_code = query.isascii() and query.isdigit() and len(query) in (8, 12, 13, 14)
    same = [Product.mpn == query, *([Product.gtin == keys.gtin(query)] if is_code else [])]
    found = {one.id: one for way in same for one in Product.select().where(mine, way).limit(MOST_EXACT)}
    return sorted(found.values(), key=lambda one: str(one.sku))


def _bare(mine: Any, query: str) -> tuple[list[Product], str]:
    """(products without items among the next LOOKED_AT that begin so, behind which to look further, "" for the end)."""
    found: list[Product] = []
    ends = []
    for way in keys.beginnings(Product.sku, query) if query else [SQL("1 = 1")]:
        wanted = Product.select().where(mine, way).order_by(Product.sku)
        some: Any = wanted.select(Product.id, Product.sku).limit(LOOKED_AT)
        there = fn.EXISTS(ProductLink.select(SQL("1")).where(ProductLink.product == some.c.id))
        ids = [row[0] for row in database.execute(some.select_from(some.c.id).where(~there).order_by(some.c.sku).limit(PAGE + 1))]
        ends.append(wanted.select(Product.sku).offset(LOOKED_AT - 1).limit(1).scalar())
        found.extend(Product.select().where(Product.id << ids))
    reached = [end for end in ends if end]
    found = sorted(found, key=lambda one: str(one.sku))
    return [one for one in found if not reached or one.sku <= min(reached)], min(reached, default="")


def _totals(ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """{product: (items, sources, units left to sell)}, without those of deleted sources."""
    found: dict[int, list[Behind]] = {}
    for one in _behind(ProductLink.product << list(ids)):
        found.setdefault(one.link.product_id, []).append(one)
    units = units_of([one for some in found.values() for one in some])
    return {
        key: (len(some), len({one.source.id for one in some}), sum(units[one.item.id].left for one in some)) for key, some in found.items()
    }


def units_of(rows: Sequence[Behind]) -> dict[int, Units]:
    """{item: its units}. Nothing is left of one that is archived or kept out, or whose source takes no orders now."""
    by_source: dict[int, list[Behind]] = {}
    for one in rows:
        by_source.setdefault(one.source.id, []).append(one)
    units: dict[int, Units] = {}
    for key, some in by_source.items():
        held = stock.committed(key, [one.item.sku for one in some])
        for one in some:
            feed, committed = one.item.quantity or 0, held.get(one.item.sku, 0)
            units[one.item.id] = Units(feed, committed, max(0, feed - committed) if one.is_sold else 0)
    return units


def count(merchant: Merchant) -> int:
    """How many products there are."""
    return int(Product.select().where(Product.merchant == merchant).count())


def find(merchant: Merchant, public_id: str) -> Product:
    """The merchant's product of that id. Raises NotFound."""
    found: Product | None = Product.get_or_none(Product.merchant == merchant, Product.public_id == public_id)
    if found is None:
        raise NotFound("product")
    return found


def has(merchant: Merchant, sku: str) -> bool:
    """Whether the merchant has a product of that Master SKU."""
    return bool(Product.select().where(Product.merchant == merchant, Product.sku == sku).exists())


def of_sku(merchant: Merchant, sku: str) -> Product:
    """The merchant's product of that Master SKU. Raises Invalid ("sku")."""
    found: Product | None = Product.get_or_none(Product.merchant == merchant, Product.sku == sku.strip())
    if found is None:
        raise Invalid({"sku": f"You have no product with the Master SKU {sku.strip()[:140] or 'that is empty'}. Copy it from Products."})
    return found


def behind(product: Product) -> list[Behind]:
    """The items behind it, by source and SKU; without those of deleted sources."""
    return _behind(ProductLink.product == product.id)


def _behind(condition: Any) -> list[Behind]:
    rows = (
        ProductLink.select(ProductLink, InventoryItem, Source)
        .join(InventoryItem, on=(ProductLink.item == InventoryItem.id))
        .switch(ProductLink)
        .join(Source, JOIN.INNER, on=(ProductLink.source == Source.id))
        .where(condition, Source.state != "deleted")
        .order_by(Source.name_key, InventoryItem.sku)
    )
    return [Behind(link.item, link.source, link) for link in rows]


def candidates_of(item: InventoryItem) -> list[Product]:
    """Products that share its Master SKU, its UPC, or its MPN and brand: to choose among by hand."""
    own = [("sku", keys.master(item.source, item)), ("gtin", keys.gtin(item.upc)), ("mpn_key", keys.mpn(item.mpn, item.brand))]
    found: dict[int, Product] = {}
    for column, value in own:
        if value:
            mine = Product.select().where(Product.merchant == item.merchant_id, getattr(Product, column) == value)
            found |= {one.id: one for one in mine.limit(MOST_OFFERED)}  # in no order: SQLite would go through all of them by it
    return sorted(found.values(), key=lambda one: str(one.sku))[:MOST_OFFERED]


def of_item(item: InventoryItem) -> ProductLink | None:
    """The item's link, where it has one."""
    return ProductLink.get_or_none(ProductLink.item == item.id)


def link(item: InventoryItem, product: Product, who: str, beside: bool = False) -> None:
    """Put the item to the product, away from the one it had. Raises Refused where the source has another item there, unless `beside`."""
    with database.atomic():
        Product.update(id=Product.id).where(Product.id == product.id).execute()  # held, so that two who link to it meet here
        theirs = ProductLink.select().where(ProductLink.product == product.id, ProductLink.source == item.source_id)
        other = theirs.where(ProductLink.item != item.id).first()
        if other is not None and not beside:
            raise Refused(f"{product.sku} has the item {other.item.sku} of the same source already. Link both only if they are one thing.")
        before = of_item(item)
        ProductLink.delete().where(ProductLink.item == item.id).execute()
        ProductLink.create(item=item, product=product, source=item.source_id, rule="hand", told="", at=clock.now(), by=who)
        was = {"product": before.product.sku} if before is not None else {}
        merchant = item.source.merchant
        audit.write(merchant, who, "item.link", "inventory_item", item.public_id, before=was, after={"product": product.sku})


def unlink(item: InventoryItem, who: str) -> None:
    """Take the item away from its product. Raises Refused where it has none."""
    with database.atomic():
        before = of_item(item)
        if before is None:
            raise Refused(f"{item.sku} is linked to no product. Nothing was changed.")
        sku = before.product.sku
        ProductLink.delete().where(ProductLink.item == item.id).execute()
        audit.write(item.source.merchant, who, "item.unlink", "inventory_item", item.public_id, before={"product": sku})
