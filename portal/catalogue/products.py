"""Products: looking at them, making one, and putting items to them by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from peewee import JOIN, IntegrityError

from portal import audit, clock
from portal.catalogue import keys
from portal.errors import Invalid, NotFound, Refused
from portal.models import InventoryItem, Merchant, Product, ProductLink, Source, database
from portal.requests import stock

PAGE = 50
MOST_OFFERED = 10
_TAKEN = "You have a product with the Master SKU {sku} already. Use another."
LONGEST_SKU, LONGEST_TITLE = 140, 500


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
class Behind:
    """An item behind a product: what its source says of it, and why it is linked."""

    item: InventoryItem
    source: Source
    link: ProductLink

    @property
    def is_sold(self) -> bool:
        """Whether an order may go there: neither archived nor kept out nor of a source that is paused or not set up yet."""
        return self.item.archived_at is None and not self.item.kept_out and self.source.state == "live"


def page(merchant: Merchant, query: str = "", after: str = "") -> Page:
    """Products by Master SKU, from behind `after` on. `query`: how a Master SKU begins, a whole UPC, or a whole MPN."""
    wanted: Any = Product.select().where(Product.merchant == merchant)
    if query:
        wanted = wanted.where(_meant(query))
    if after:
        wanted = wanted.where(Product.sku > after)
    found = list(wanted.order_by(Product.sku).limit(PAGE + 1))
    shown = found[:PAGE]
    behind = _totals([one.id for one in shown])
    rows = [Row(one, *behind.get(one.id, (0, 0, 0))) for one in shown]
    return Page(rows, shown[-1].sku if len(found) > PAGE else "")


def _meant(query: str) -> Any:
    told = keys.begins(Product.sku, query) | (Product.mpn == query)
    if query.isascii() and query.isdigit() and len(query) in (8, 12, 13, 14):
        told = told | (Product.gtin == keys.gtin(query))
    return told


def _totals(ids: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """{product: (items, sources, units left to sell)}, without those of deleted sources."""
    found: dict[int, list[Behind]] = {}
    for one in _behind(ProductLink.product << list(ids)):
        found.setdefault(one.link.product_id, []).append(one)
    left = left_of([one for some in found.values() for one in some])
    return {key: (len(some), len({one.source.id for one in some}), sum(left[one.item.id] for one in some)) for key, some in found.items()}


def left_of(rows: Sequence[Behind]) -> dict[int, int]:
    """{item: units left to sell}: feed - committed, 0 of an item that is archived or kept out or of a source that takes no orders now."""
    by_source: dict[int, list[Behind]] = {}
    for one in rows:
        by_source.setdefault(one.source.id, []).append(one)
    left: dict[int, int] = {}
    for key, some in by_source.items():
        free = stock.available(key, [one.item.sku for one in some])
        left |= {one.item.id: free.get(one.item.sku, 0) if one.is_sold else 0 for one in some}
    return left


def count(merchant: Merchant) -> int:
    """How many products there are."""
    return int(Product.select().where(Product.merchant == merchant).count())


def find(merchant: Merchant, public_id: str) -> Product:
    """The merchant's product of that id. Raises NotFound."""
    found: Product | None = Product.get_or_none(Product.merchant == merchant, Product.public_id == public_id)
    if found is None:
        raise NotFound("product")
    return found


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
    own = [("sku", item.source.sku_prefix + item.sku), ("gtin", keys.gtin(item.upc)), ("mpn_key", keys.mpn(item.mpn, item.brand))]
    found: dict[int, Product] = {}
    for column, value in own:
        if value:
            mine = Product.select().where(Product.merchant == item.merchant_id, getattr(Product, column) == value)
            found |= {one.id: one for one in mine.order_by(Product.sku).limit(MOST_OFFERED)}
    return list(found.values())[:MOST_OFFERED]


def of_item(item: InventoryItem) -> ProductLink | None:
    """The item's link, where it has one."""
    return ProductLink.get_or_none(ProductLink.item == item.id)


def create(merchant: Merchant, sku: str, title: str, who: str, like: InventoryItem | None = None) -> Product:
    """A product, with brand, identifiers and images of the item it is `like`. Raises Invalid."""
    sku, title = sku.strip(), title.strip()
    errors = {}
    if not sku or len(sku) > LONGEST_SKU or not sku.isprintable():
        errors["sku"] = f"Enter a Master SKU of at most {LONGEST_SKU} letters and signs."
    elif Product.select().where(Product.merchant == merchant, Product.sku == sku).exists():
        errors["sku"] = _TAKEN.format(sku=sku)
    if len(title) > LONGEST_TITLE or not title.isprintable():
        errors["title"] = f"Use at most {LONGEST_TITLE} characters, without line breaks."
    if errors:
        raise Invalid(errors)
    more = {} if like is None else {
        "brand": like.brand or "", "gtin": keys.gtin(like.upc), "mpn": like.mpn or "", "mpn_key": keys.mpn(like.mpn, like.brand),
        "images": like.images,
    }  # fmt: skip
    try:
        with database.atomic():
            made: Product = Product.create(merchant=merchant, sku=sku, title=title, at=clock.now(), by=who, **more)
            audit.write(merchant, who, "product.create", "product", made.public_id, after={"sku": sku, "title": title})
    except IntegrityError as error:  # somebody made it beside this one
        raise Invalid({"sku": _TAKEN.format(sku=sku)}) from error
    return made


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
