"""One listing: made of a product, changed, paused, ended, removed. What it says itself counts before the channel's rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from peewee import IntegrityError

from portal import audit, clock
from portal.catalogue.products import LONGEST_TITLE
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.fields import LARGEST_QUANTITY
from portal.listings import leaving
from portal.listings import rules as listing_rules
from portal.models import Channel, Listing, Merchant, Product, ProductLink, Source, database

STATES = {"live": "Live", "paused": "Paused", "ended": "Ended"}
COUNTED_TO = 10_000
"""Listings that a page counts before it answers; of more it says that there are more."""


def find(channel: Channel, public_id: str) -> Listing:
    """The channel's listing of that id, with its channel and product. Raises NotFound."""
    found: Listing | None = (
        Listing.select(Listing, Product).join(Product).where(Listing.channel == channel.id, Listing.public_id == public_id).first()
    )  # fmt: skip
    if found is None:
        raise NotFound("listing")
    found.channel = channel
    return found


def of_product(product: Product) -> Mapping[int, Listing]:
    """{channel: the product's listing there}, of channels that are not removed."""
    mine = Listing.select(Listing, Channel).join(Channel).where(Listing.product == product.id, Channel.state == "open")
    return {one.channel_id: one for one in mine}


def masters(channel: Channel, skus: Iterable[str]) -> dict[str, str]:
    """{Listing SKU: Master SKU} of those that are listed on the channel, ended ones too: a shop may sell what it was told before."""
    mine: Any = (
        Listing.select(Listing.sku, Product.sku).join(Product).where(Listing.channel == channel.id, Listing.sku << sorted(set(skus)))
    )
    return dict(mine.tuples())


def create(channel: Channel, product: Product, sku: str, who: str) -> Listing:
    """List a product on a channel. `sku`: its own Listing SKU, "" by the channel's rule. Raises Invalid ("sku")."""
    rule = listing_rules.of(channel).sku
    sku = sku.strip() or rule.of(product.sku)
    if words := listing_rules.sku_error(sku, rule.longest):
        raise Invalid({"sku": words})
    with database.atomic():
        if Listing.select().where(Listing.channel == channel.id, Listing.product == product.id).exists():
            raise Invalid({"product": f"{product.sku} is listed on {channel.name} already. A product is on a channel once."})
        made: Listing = _stored(sku, lambda: Listing.create(channel=channel, product=product, sku=sku, changed_by=who))
        listing_rules.touch(channel.id)
        told = {"channel": channel.name, "product": product.sku, "sku": sku}
        audit.write(channel.merchant, who, "listing.create", "listing", made.public_id, after=told)
    return made


def change(listing: Listing, values: Mapping[str, str], version: int, who: str) -> None:
    """Keep what the listing says itself: "sku", "title", "price", "buffer", "cap" as typed, empty for the rule. Raises Invalid, Stale."""
    columns = judged(listing, values)
    before = {name: getattr(listing, name) for name in columns}
    if columns == before:
        return
    with database.atomic():
        mine = (Listing.id == listing.id) & (Listing.version == version)
        if not _stored(columns["sku"], lambda: Listing.update(_stamped(who, **columns)).where(mine).execute()):
            fresh = Listing.get_by_id(listing.id)
            raise Stale(fresh.changed_by, fresh.changed_at)
        listing_rules.touch(listing.channel_id)
        audit.write(listing.channel.merchant, who, "listing.change", "listing", listing.public_id, before=before, after=columns)


def judged(listing: Listing, values: Mapping[str, str]) -> dict[str, Any]:
    """Columns from what was typed. Raises Invalid, with a sentence for each field."""
    errors: dict[str, str] = {}
    rule = listing_rules.of(listing.channel).sku
    sku, title = values.get("sku", "").strip() or rule.of(listing.product.sku), " ".join(values.get("title", "").split())
    if words := listing_rules.sku_error(sku, rule.longest):
        errors["sku"] = words
    if len(title) > LONGEST_TITLE or not title.isprintable():
        errors["title"] = f"Use at most {LONGEST_TITLE} characters, without line breaks."
    columns: dict[str, Any] = {"sku": sku, "title": title or None}
    try:
        columns["price"] = listing_rules.money(values.get("price", ""), listing.channel.currency)
    except ValueError as problem:
        errors["price"] = str(problem)
    for name in ("buffer", "cap"):
        text = values.get(name, "").strip().replace(" ", "")
        if text and not (text.isascii() and text.isdigit() and len(text) < 9 and int(text) <= LARGEST_QUANTITY):
            errors[name] = f"Enter a whole number of units, at most {LARGEST_QUANTITY:,}."
        else:
            columns[name] = int(text) if text else None
    if errors:
        raise Invalid(errors)
    return columns


def put(listing: Listing, state: str, who: str) -> None:
    """Make it live, paused or ended. Raises NotFound for another word; the state that it has changes nothing."""
    if state not in STATES:
        raise NotFound("state")
    with database.atomic():
        other = (Listing.id == listing.id) & (Listing.state != state)
        if Listing.update(_stamped(who, state=state)).where(other).execute():
            listing_rules.touch(listing.channel_id)
            before, after = {"state": listing.state}, {"state": state}
            audit.write(listing.channel.merchant, who, "listing.state", "listing", listing.public_id, before=before, after=after)


def remove(listing: Listing, who: str, insist: bool = False) -> None:
    """Take it off the channel for good; the product stays. Raises Refused where a shop was not told 0 yet, unless a person insists."""
    with database.atomic():
        Channel.update(id=Channel.id).where(Channel.id == listing.channel_id).execute()  # held: nobody shows another file meanwhile
        words = leaving.why_not_yet(Listing.get_by_id(listing.id))
        if words and not insist:
            raise Refused(f"{words} It was kept.")
        Listing.delete().where(Listing.id == listing.id).execute()
        listing_rules.touch(listing.channel_id)
        before = {"channel": listing.channel.name, "sku": listing.sku, "product": listing.product.sku}
        before |= {"not told 0": words} if words else {}
        audit.write(listing.channel.merchant, who, "listing.remove", "listing", listing.public_id, before=before)


def count(channel: Channel, *states: str) -> int:
    """How many listings the channel has, of those states or in all; never counted past COUNTED_TO + 1."""
    mine = Listing.select(Listing.id).where(Listing.channel == channel.id)
    return _capped(mine.where(Listing.state << states) if states else mine)


def counts(channel: Channel) -> dict[str, int]:
    """{state: listings}, each counted up to COUNTED_TO + 1."""
    return {state: count(channel, state) for state in STATES}


def fed_by(source: Source) -> int:
    """Live listings that have an item of the source behind them, up to COUNTED_TO + 1: what removing it touches."""
    links = ProductLink.select(Listing.id).join(Listing, on=(Listing.product == ProductLink.product)).join(Channel)
    return _capped(links.where(ProductLink.source == source.id, Listing.state == "live", Channel.state == "open"))


def in_words(number: int) -> str:
    """A count of the above: "1,204", "more than 10,000"."""
    return f"{number:,}" if number <= COUNTED_TO else f"more than {COUNTED_TO:,}"


def any_products(merchant: Merchant) -> bool:
    """Whether the merchant has a product to list."""
    return bool(Product.select().where(Product.merchant == merchant).exists())


def _capped(query: Any) -> int:
    return int(query.limit(COUNTED_TO + 1).count())


def _stamped(who: str, **columns: Any) -> dict[str, Any]:
    return {**columns, "version": Listing.version + 1, "changed_at": clock.now(), "changed_by": who}


def _stored(sku: str, act: Any) -> Any:
    try:
        with database.atomic():
            return act()
    except IntegrityError as error:
        raise Invalid({"sku": f"Another listing of this channel has the Listing SKU {sku}. Use another."}) from error
