"""What a source calls the way of shipping that a channel asked for, and the texts that nobody has mapped yet."""

from __future__ import annotations

from portal import clock
from portal.models import ShippingCode, Source

LONGEST = 120


def fold(text: str) -> str:
    """The text as it is compared: small letters, single spaces."""
    return " ".join(text.casefold().split())[:LONGEST]


def of(source: Source, text: str) -> ShippingCode | None:
    """The source's code for a channel's text; None where it has none, or no text was given."""
    known: ShippingCode | None = ShippingCode.get_or_none(
        ShippingCode.source == source.id, ShippingCode.text_key == fold(text), ShippingCode.code != ""
    )
    return known if text.strip() else None


def saw(source: Source, text: str) -> None:
    """Count an order that asked for it, so that the page of the map lists what is not mapped yet."""
    if not text.strip():
        return
    key, now = fold(text), clock.now()
    seen = {"orders_seen": ShippingCode.orders_seen + 1, "seen_at": now}
    if not ShippingCode.update(seen).where(ShippingCode.source == source.id, ShippingCode.text_key == key).execute():
        ShippingCode.insert(source=source.id, text_key=key, text=text.strip()[:LONGEST], orders_seen=1, seen_at=now).on_conflict(
            conflict_target=[ShippingCode.source, ShippingCode.text_key], update=seen
        ).execute()


def missing(source: Source, text: str) -> str:
    """Why a request with that text must wait for a code, "" when it need not: the source maps some, but not this one."""
    if not text.strip() or of(source, text) is not None:
        return ""
    if not ShippingCode.select().where(ShippingCode.source == source.id, ShippingCode.code != "").exists():
        return ""
    return f"{source.name} has no shipping code for “{text.strip()[:60]}”."
