"""The rules of a channel for what a listing does not say itself: its Listing SKU, price and quantity. Reading, judging, keeping."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

from portal import audit, clock
from portal.errors import Invalid, Stale
from portal.fields import LARGEST_QUANTITY, MONEY_SCALE
from portal.models import Channel, Listing, database
from portal.sku_mapping import ALLOWED, ALLOWED_WORDS

FACTOR_SCALE = 1_000_000
MOST_PRICE = 100_000_000 * MONEY_SCALE
"""Ten-thousandths from which on a price is taken for a mistake: it is not offered, and that is said."""
MOST_FACTOR = 1_000
LONGEST_AFFIX = 10
LONGEST_SKU = 160
TO_THE_CENT = -1
COSTS = {
    "stocked": "The lowest of the sources that have stock",
    "lowest": "The lowest of all sources",
    "highest": "The highest of all sources",
}
MODES = {"percent": "Percent on the cost", "times": "Times the cost"}
ENDINGS = {
    "-1": "To the cent", "99": "Up to .99", "95": "Up to .95", "90": "Up to .90", "49": "Up to .49", "0": "Up to a whole number",
}  # fmt: skip
UNITS = {"total": "All sources together", "best": "The source that has most"}
WHOLE_ONLY = frozenset({"BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "VND", "VUV", "XAF", "XOF", "XPF"})
"""Currencies without a smaller unit (ISO 4217): their prices are whole, whatever the rule says."""


@dataclass(frozen=True)
class PriceRule:
    """cost × `factor` (millionths; 0: no rule yet, so no price) + `amount` (ten-thousandths), not below MAP, then to its `ending`.

    `cost_of`: key of COSTS. `mode`: how a person wrote the factor, key of MODES. `ending`: cents that prices end with, -1 as they come.
    """

    cost_of: str = "stocked"
    mode: str = "percent"
    factor: int = 0
    amount: int = 0
    map_floor: bool = True
    ending: int = TO_THE_CENT


@dataclass(frozen=True)
class QuantityRule:
    """Units of all sources, or of the best, less `buffer`; at least `backorder` where a source allows backorders; at most `cap`."""

    of: str = "total"
    buffer: int = 0
    cap: int | None = None
    backorder: int = 0


@dataclass(frozen=True)
class SkuRule:
    """What stands before and after a Master SKU. It names new listings; those that are there keep their SKU."""

    prefix: str = ""
    suffix: str = ""
    longest: int = LONGEST_SKU

    def of(self, master: str) -> str:
        """The Listing SKU of a Master SKU."""
        return f"{self.prefix}{master}{self.suffix}"


@dataclass(frozen=True)
class Rules:
    """All rules of a channel. `currency`: of its prices."""

    currency: str = "USD"
    price: PriceRule = field(default_factory=PriceRule)
    quantity: QuantityRule = field(default_factory=QuantityRule)
    sku: SkuRule = field(default_factory=SkuRule)

    @property
    def ending(self) -> int:
        """Of prices: a currency without cents has whole ones."""
        return 0 if self.currency in WHOLE_ONLY else self.price.ending


def of(channel: Channel) -> Rules:
    """The rules of a channel as kept."""
    kept = channel.settings.get("listings", {})
    return Rules(
        channel.currency, PriceRule(**kept.get("price", {})), QuantityRule(**kept.get("quantity", {})), SkuRule(**kept.get("sku", {}))
    )  # fmt: skip


def typed(rules: Rules) -> dict[str, str]:
    """The rules as a person would type them; what `judged` reads."""
    price, quantity = rules.price, rules.quantity
    factor = Decimal(price.factor) / FACTOR_SCALE
    markup = "" if not price.factor else plain(factor if price.mode == "times" else (factor - 1) * 100)
    return {
        "currency": rules.currency, "cost_of": price.cost_of, "mode": price.mode, "markup": markup,
        "amount": plain(Decimal(price.amount) / MONEY_SCALE) if price.amount else "", "map_floor": "y" if price.map_floor else "",
        "ending": str(price.ending), "of": quantity.of, "buffer": str(quantity.buffer or ""),
        "cap": "" if quantity.cap is None else str(quantity.cap), "backorder": str(quantity.backorder or ""),
        "prefix": rules.sku.prefix, "suffix": rules.sku.suffix, "longest": str(rules.sku.longest),
    }  # fmt: skip


def plain(number: Decimal) -> str:
    """1.300000 -> "1.3"."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def judged(values: Mapping[str, str]) -> Rules:
    """The rules that were typed. Raises Invalid, with a sentence for each field."""
    found = {name: (values.get(name) or "").strip() for name in (*typed(Rules()), "map_floor")}
    errors: dict[str, str] = {}
    _choose(found, errors, {"cost_of": COSTS, "mode": MODES, "ending": ENDINGS, "of": UNITS})
    if not re.fullmatch(r"[A-Z]{3}", found["currency"].upper()):
        errors["currency"] = "Use the three letters of a currency, such as USD."
    for name in ("prefix", "suffix"):
        if not ALLOWED.fullmatch(found[name]) or len(found[name]) > LONGEST_AFFIX:
            errors[name] = f"Use at most {LONGEST_AFFIX} characters. {ALLOWED_WORDS}"
    numbers = {
        "markup": _number(found, errors, "markup", 4, 100 * MOST_FACTOR - 100 if found["mode"] == "percent" else MOST_FACTOR),
        "amount": _number(found, errors, "amount", 4, MOST_PRICE // MONEY_SCALE),
        **{name: _number(found, errors, name, 0, LARGEST_QUANTITY) for name in ("buffer", "cap", "backorder")},
        "longest": _number(found, errors, "longest", 0, LONGEST_SKU),
    }
    markup = numbers["markup"]
    if markup == 0 and found["mode"] == "times":
        errors.setdefault("markup", "Times 0 would give everything away. Enter a number above 0, such as 1.3.")
    if errors:
        raise Invalid(errors)
    per = markup / 100 + 1 if markup is not None and found["mode"] == "percent" else markup
    if markup is None and numbers["amount"]:
        per = Decimal(1)
    price = PriceRule(
        found["cost_of"], found["mode"], int((per or Decimal(0)) * FACTOR_SCALE), int((numbers["amount"] or 0) * MONEY_SCALE),
        bool(found["map_floor"]), int(found["ending"]),
    )  # fmt: skip
    cap = numbers["cap"]
    quantity = QuantityRule(
        found["of"], int(numbers["buffer"] or 0), None if cap is None else int(cap), int(numbers["backorder"] or 0)
    )  # fmt: skip
    return Rules(
        found["currency"].upper(), price, quantity, SkuRule(found["prefix"], found["suffix"], int(numbers["longest"] or LONGEST_SKU))
    )


def sku_error(sku: str, longest: int) -> str:
    """What is wrong with a Listing SKU, "" for nothing."""
    if not sku or not sku.isprintable():
        return "Enter a Listing SKU."
    return f"This Listing SKU has {len(sku)} characters; the channel takes {longest}." if len(sku) > longest else ""


def _choose(found: Mapping[str, str], errors: dict[str, str], choices: Mapping[str, Mapping[str, str]]) -> None:
    errors |= {name: "Choose one of the list." for name, known in choices.items() if found[name] not in known}


def _number(found: Mapping[str, str], errors: dict[str, str], name: str, places: int, most: int) -> Decimal | None:
    text = found[name].replace(" ", "")
    text = text.removesuffix("%") if name == "markup" else text
    if not text:
        return None
    if not re.fullmatch(r"\d{1,12}" + (rf"(?:[.,]\d{{1,{places}}})?" if places else ""), text, re.ASCII):
        example = ("30 or 1.35" if name == "markup" else "2.50") if places else "5"
        errors[name] = f"Enter a number such as {example}" + (f", with at most {places} decimals." if places else ", without decimals.")
        return None
    value = Decimal(text.replace(",", "."))
    if value > most:
        errors[name] = f"Enter at most {most:,}."
    return value


def money(text: str, currency: str) -> int | None:
    """A price that a person typed, in ten-thousandths; None for an empty one. Raises ValueError with a sentence."""
    text = text.strip().replace(" ", "")
    if not text:
        return None
    try:
        if not re.fullmatch(r"\d{1,12}(?:[.,]\d{1,4})?", text, re.ASCII):
            raise InvalidOperation
        value = int(Decimal(text.replace(",", ".")) * MONEY_SCALE)
    except InvalidOperation as error:
        raise ValueError("Enter a price such as 19.99, without thousands signs.") from error
    if currency in WHOLE_ONLY and value % MONEY_SCALE:
        raise ValueError(f"Enter a whole price: {currency} has no cents.")
    if not MONEY_SCALE // 100 <= value <= MOST_PRICE:
        raise ValueError(f"Enter a price from 0.01 to {MOST_PRICE // MONEY_SCALE:,}.")
    return value


def save(channel: Channel, rules: Rules, version: int, who: str) -> None:
    """Keep the rules. They count at once for everything that a listing does not say itself. Raises Stale.

    Raises Invalid for another currency while listings have their own prices: those would be read in it, and nothing is converted.
    """
    before = of(channel)
    if rules.currency != before.currency and (own := own_prices(channel)):
        words = f"{own:,} listings have their own prices" if own != 1 else "1 listing has its own price"
        raise Invalid({"currency": f"{words} in {before.currency}, which would be read as {rules.currency}. Clear them first."})
    told = {"price": asdict(rules.price), "quantity": asdict(rules.quantity), "sku": asdict(rules.sku)}
    keep(channel, version, who, currency=rules.currency, listings=told)
    audit.write(
        channel.merchant, who, "channel.listing_rules", "channel", channel.public_id, before=asdict(before), after=asdict(rules)
    )  # fmt: skip


def own_prices(channel: Channel) -> int:
    """Listings of the channel that have their own price."""
    return int(Listing.select().where(Listing.channel == channel.id, Listing.price.is_null(False)).count())


def keep(channel: Channel, version: int, who: str, currency: str = "", **settings: Any) -> None:
    """Write settings of the channel beside those that it has. Raises Stale."""
    with database.atomic():
        columns = {"settings": {**channel.settings, **settings}, "currency": currency or channel.currency}
        stamped = {**columns, "version": Channel.version + 1, "changed_at": clock.now(), "changed_by": who, "touched_at": clock.now()}
        if not Channel.update(stamped).where(Channel.id == channel.id, Channel.version == version).execute():
            fresh = Channel.get_by_id(channel.id)
            raise Stale(fresh.changed_by, fresh.changed_at)


def touch(channel_id: int) -> None:
    """A person changed listings of the channel: its next fetch gets a file that was made since. Joins the open transaction."""
    Channel.update(touched_at=clock.now()).where(Channel.id == channel_id).execute()


def in_words(rules: Rules) -> str:
    """The price rule in a sentence, "" for none."""
    price = rules.price
    if not price.factor:
        return ""
    told = typed(rules)
    words = "Cost"
    if price.factor != FACTOR_SCALE:
        words += f" × {told['markup']}" if price.mode == "times" else f" plus {told['markup']} %"
    if price.amount:
        words += f" plus {rules.currency} {told['amount']}"
    ending = "" if rules.ending == TO_THE_CENT else f", {ENDINGS[str(rules.ending)].lower()}"
    return f"{words}{', not below MAP' if price.map_floor else ''}{ending}."
