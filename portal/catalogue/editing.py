"""A product as a person makes, changes, merges and deletes it: what was typed is judged first, and nothing is mended unasked."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from peewee import IntegrityError, fn

from portal import audit, clock
from portal.catalogue import codes, keys, linking, products
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.fields import INVENTORY_BY_KEY
from portal.models import (
    FulfillmentRequest,
    InventoryItem,
    Listing,
    Merchant,
    Order,
    OrderLine,
    Product,
    ProductLink,
    RequestLine,
    Source,
    database,
)
from portal.orders.listing import OVER
from portal.requests.states import ENDED

LONGEST = {"sku": 140, "title": products.LONGEST_TITLE, "brand": 255, "mpn": 120}
LONGEST_ADDRESS = 2_000
NAMES = ("sku", "title", "brand", "upc", "mpn", "images")
_WORDS = {"sku": "a Master SKU", "title": "a title", "brand": "a brand", "mpn": "an MPN"}
_TAKEN = "You have a product with the Master SKU {sku} already. Use another."
_MOST_NAMED = 100


@dataclass(frozen=True)
class Typed:
    """A product as typed. `upc`: a UPC, EAN or GTIN; `images`: web addresses, one a line."""

    sku: str
    title: str = ""
    brand: str = ""
    upc: str = ""
    mpn: str = ""
    images: str = ""


@dataclass(frozen=True)
class Uses:
    """What hangs on a product. `waiting`: order lines of its Master SKU that no source has yet; `requests`: open ones of its items.

    `listings`: those that are not ended.
    """

    items: int
    sources: int
    waiting: int
    requests: int
    listings: int


def as_typed(product: Product) -> Typed:
    """The product as its form shows it."""
    images = "\n".join(images_of(product.images))
    return Typed(product.sku, product.title, product.brand, keys.shown(product.gtin), product.mpn, images)


def like(item: InventoryItem) -> Typed:
    """What a product of that item would be."""
    images = "\n".join(images_of(item.images))
    return Typed(keys.master(item.source, item), item.title or "", item.brand or "", item.upc or "", item.mpn or "", images)


def images_of(text: str | None) -> list[str]:
    """Addresses, of the JSON list in which they are kept."""
    return [str(one) for one in json.loads(text)] if text else []


def create(merchant: Merchant, typed: Typed, who: str) -> Product:
    """A new product. Raises Invalid, whose proposals are codes as they were before a spreadsheet program damaged them."""
    columns = _judged(merchant, typed, None)
    try:
        with database.atomic():
            made: Product = Product.create(merchant=merchant, at=clock.now(), by=who, **columns)
            audit.write(merchant, who, "product.create", "product", made.public_id, after=asdict(as_typed(made)))
    except IntegrityError as error:  # somebody made it beside this one
        raise Invalid({"sku": _TAKEN.format(sku=columns["sku"])}) from error
    return made


def change(product: Product, typed: Typed, version: int, who: str) -> Product:
    """Keep what was typed unless someone saved since `version`; the fresh row. Raises Invalid as `create`, Stale, NotFound."""
    columns = _judged(product.merchant, typed, product)
    if columns["sku"] != product.sku and (waiting := waiting_for(product)):
        raise Invalid({"sku": f"{_lines(waiting)} for {product.sku} and found no source yet. Settle that first, or keep the Master SKU."})
    stamped = {**columns, "version": Product.version + 1, "changed_at": clock.now(), "changed_by": who}
    mine = (Product.id == product.id) & (Product.version == version)
    try:
        with database.atomic():
            before = _fresh(product)
            if not Product.update(stamped).where(mine).execute():
                raise Stale(before.changed_by or before.by, before.changed_at or before.at)
            after = _fresh(product)
            was, now = asdict(as_typed(before)), asdict(as_typed(after))
            changed = [name for name in was if was[name] != now[name]]
            audit.write(
                product.merchant, who, "product.change", "product", product.public_id,
                before={name: was[name] for name in changed}, after={name: now[name] for name in changed},
            )  # fmt: skip
    except IntegrityError as error:
        raise Invalid({"sku": _TAKEN.format(sku=columns["sku"])}) from error
    return after


def uses(product: Product) -> Uses:
    """What hangs on it, counted now."""
    links = ProductLink.select().join(Source, on=(ProductLink.source == Source.id))
    mine = links.where(ProductLink.product == product.id, Source.state != "deleted")
    sources = mine.select(fn.COUNT(ProductLink.source.distinct())).scalar()
    requests = (
        FulfillmentRequest.select(fn.COUNT(FulfillmentRequest.id.distinct())).join(RequestLine).where(
            RequestLine.item << ProductLink.select(ProductLink.item).where(ProductLink.product == product.id),
            FulfillmentRequest.state.not_in(ENDED),
        )
    ).scalar()  # fmt: skip
    return Uses(mine.count(), int(sources or 0), waiting_for(product), int(requests or 0), offered(product))


def offered(product: Product) -> int:
    """Listings of it that channels offer or may offer again: all that are not ended."""
    return int(Listing.select().where(Listing.product == product.id, Listing.state != "ended").count())


def waiting_for(product: Product) -> int:
    """Order lines that ask for its Master SKU and have units that no source was asked for."""
    lines = OrderLine.select().join(Order).where(OrderLine.sku == product.sku, Order.merchant == product.merchant_id)
    return int(lines.where(Order.state.not_in(OVER), OrderLine.unrouted > 0).count())


def delete(product: Product, version: int, who: str) -> None:
    """Take it away; its items stay, linked to none. Raises Refused where orders wait for it or channels list it, Stale, NotFound."""
    with database.atomic():
        fresh = _alone(product, version)
        _settled(fresh, "deleted")
        _erase(fresh, who, "product.delete")


def merge(product: Product, other: Product, version: int, beside: bool, who: str) -> int:
    """Put the items of `product` to `other`, which stays as it is, and delete `product`; how many moved.

    Raises Refused where orders wait for its Master SKU or channels list it, or where a source would have several items there unless
    `beside`; Stale, NotFound.
    """
    if product.id == other.id:
        raise Refused("A product cannot be merged with itself. Enter the Master SKU of another.")
    with database.atomic():
        fresh = _alone(product, version)
        _fresh(other)
        _settled(fresh, "merged")
        theirs = ProductLink.select(ProductLink.source).where(ProductLink.product == other.id)
        met = ProductLink.select().where(ProductLink.product == fresh.id, ProductLink.source << theirs).count()
        if met and not beside:
            raise Refused(f"{other.sku} has items of {'a source that' if met == 1 else 'sources which'} {fresh.sku} has, too. "
                          "Merge them only if they are one thing.")  # fmt: skip
        told = {"product": other.id, "linking": None, "rule": "hand", "place": 0, "told": "", "at": clock.now(), "by": who}
        moved = int(ProductLink.update(told).where(ProductLink.product == fresh.id).execute())
        _erase(fresh, who, "product.merge", {"into": other.sku, "items": moved})
    return moved


def _alone(product: Product, version: int) -> Product:
    """The product as it is, while no linking is under way, behind the lock of all linkings. Raises Refused, Stale, NotFound."""
    linking.hold(product.merchant)
    if linking.is_under_way(product.merchant):
        raise Refused("A linking is under way, which may put items to this product. Wait for its end. Nothing was changed.")
    fresh = _fresh(product)
    if fresh.version != version:
        raise Stale(fresh.changed_by or fresh.by, fresh.changed_at or fresh.at)
    return fresh


def _settled(product: Product, act: str) -> None:
    """Raises Refused where something would be left without its product."""
    if waiting := waiting_for(product):
        raise Refused(f"{_lines(waiting)} for {product.sku} and found no source yet. Settle that first. Nothing was {act}.")
    if listings := offered(product):
        words = f"{listings:,} listings of {product.sku} are" if listings != 1 else f"1 listing of {product.sku} is"
        raise Refused(f"{words} not ended. End that on the channel, and let the shop fetch its 0 units once: "
                      f"what merely disappears from a file a shop may go on selling. Nothing was {act}.")  # fmt: skip


def _erase(product: Product, who: str, action: str, after: Any = None) -> None:
    names = InventoryItem.select(InventoryItem.sku).join(ProductLink, on=(ProductLink.item == InventoryItem.id))
    skus = [one.sku for one in names.where(ProductLink.product == product.id).order_by(InventoryItem.id).limit(_MOST_NAMED)]
    ProductLink.delete().where(ProductLink.product == product.id).execute()
    Product.delete().where(Product.id == product.id).execute()
    before = {**asdict(as_typed(product)), "items": skus}
    audit.write(product.merchant, who, action, "product", product.public_id, before=before, after=after)


def _fresh(product: Product) -> Product:
    fresh: Product | None = Product.get_or_none(Product.id == product.id)
    if fresh is None:
        raise NotFound("product")
    fresh.merchant = product.merchant
    return fresh


def _lines(count: int) -> str:
    return f"{count:,} order lines wait" if count != 1 else "1 order line waits"


def _judged(merchant: Merchant, typed: Typed, known: Product | None) -> dict[str, Any]:
    """Columns of what was typed. What the product has already is not judged again. Raises Invalid."""
    was = as_typed(known) if known is not None else Typed("")
    errors: dict[str, str] = {}
    offers: dict[str, str] = {}
    plain = {name: getattr(typed, name).strip() for name in LONGEST}
    for name, longest in LONGEST.items():
        if len(plain[name]) > longest or not plain[name].isprintable():
            errors[name] = f"Enter {_WORDS[name]} of at most {longest} letters and signs, without line breaks."
    if not plain["sku"]:
        errors["sku"] = f"Enter a Master SKU of at most {LONGEST['sku']} letters and signs."
    elif plain["sku"] != was.sku and products.has(merchant, plain["sku"]):
        errors["sku"] = _TAKEN.format(sku=plain["sku"])
    elif plain["sku"] != was.sku and codes.is_cut(plain["sku"]):
        errors["sku"] = f"{codes.CUT_WORDS} Enter the whole number."
    upc = codes.gtin(typed.upc) if typed.upc.strip() != was.upc else codes.Judged(was.upc)
    mpn = codes.mpn(plain["mpn"]) if plain["mpn"] != was.mpn else codes.Judged(was.mpn)
    for name, found in (("upc", upc), ("mpn", mpn)):
        if found.problem:
            errors.setdefault(name, found.problem)
            offers |= {name: found.offer} if found.offer else {}
    images = _images(typed.images, errors)
    if errors:
        raise Invalid(errors, offers)
    return {
        "sku": plain["sku"], "title": plain["title"], "brand": plain["brand"], "gtin": keys.gtin(upc.value), "mpn": mpn.value,
        "mpn_key": keys.mpn(mpn.value, plain["brand"]), "images": images,
    }  # fmt: skip


def _images(text: str, errors: dict[str, str]) -> str | None:
    found = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    odd = next((one for one in found if not _is_address(one)), None)
    kept = json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else None
    if odd is not None:
        errors["images"] = f"{odd[:80]} is no web address. Enter one address a line, each beginning with https:// or http://."
    elif kept and len(kept) > INVENTORY_BY_KEY["images"].longest:
        errors["images"] = f"Use fewer addresses: at most {INVENTORY_BY_KEY['images'].longest:,} characters in all."
    return kept


def _is_address(text: str) -> bool:
    begins = text[:8].lower().startswith(("https://", "http://"))
    return begins and len(text) <= LONGEST_ADDRESS and " " not in text and text.isprintable()


def mended(typed: Typed, taken: Sequence[str]) -> Typed:
    """What was typed, with what was offered for the damaged codes of `taken` ("upc", "mpn") in their place, as a person chose it."""
    offers = {"upc": codes.gtin(typed.upc).offer, "mpn": codes.mpn(typed.mpn).offer}
    return replace(typed, **{name: offer for name, offer in offers.items() if offer and name in taken})
