"""What a source calls the way of shipping that a channel asked for, and the texts that nobody has mapped yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from portal import clock
from portal.models import ShippingCode, Source

LONGEST = 120


def fold(text: str) -> str:
    """The text as it is compared: small letters, single spaces."""
    return " ".join(text.casefold().split())[:LONGEST]


class Book:
    """The codes of the sources that are asked for, each source read once."""

    def __init__(self) -> None:
        self._codes: dict[int, dict[str, ShippingCode]] = {}

    def of(self, source: Source, text: str) -> ShippingCode | None:
        """The source's code for a channel's text; None where it has none, or no text was given."""
        return self._of(source).get(fold(text)) if text.strip() else None

    def missing(self, source: Source, text: str) -> str:
        """Why a request with that text must wait for a code, "" when it need not: the source maps some, but not this one."""
        if not text.strip() or not self._of(source) or self.of(source, text) is not None:
            return ""
        return f"{source.name} has no shipping code for “{text.strip()[:60]}”."

    def count(self, asked: Iterable[tuple[Source, str]]) -> None:
        """Count the orders that asked for these texts, so that the page of the map lists what is not mapped yet."""
        now, given = clock.now(), [(source.id, fold(text), text.strip()[:LONGEST]) for source, text in asked if text.strip()]
        texts, times = {(source_id, key): text for source_id, key, text in given}, Counter(one[:2] for one in given)
        for (source_id, key), text in sorted(texts.items()):
            seen = {"orders_seen": ShippingCode.orders_seen + times[source_id, key], "seen_at": now}
            ShippingCode.insert(
                source=source_id, text_key=key, text=text, orders_seen=times[source_id, key], seen_at=now
            ).on_conflict(conflict_target=[ShippingCode.source, ShippingCode.text_key], update=seen).execute()  # fmt: skip

    def _of(self, source: Source) -> dict[str, ShippingCode]:
        if source.id not in self._codes:
            query = ShippingCode.select().where(ShippingCode.source == source.id, ShippingCode.code != "")
            self._codes[source.id] = {one.text_key: one for one in query}
        return self._codes[source.id]
