"""What a source calls the way of shipping that a channel asked for, and the texts that nobody has mapped yet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from peewee import Case

from portal import audit, clock
from portal.errors import Invalid
from portal.models import ShippingCode, Source, database

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


LENGTHS = {"code": 40, "carrier": 40, "method": 60}


def listing(source: Source) -> list[ShippingCode]:
    """The source's map: what was seen and is not mapped first, the most asked for above."""
    unmapped = Case(None, [((ShippingCode.code == ""), 0)], 1)
    rows = ShippingCode.select().where(ShippingCode.source == source.id)
    return list(rows.order_by(unmapped, ShippingCode.orders_seen.desc(), ShippingCode.text_key).limit(MOST))


MOST = 300


def save(source: Source, typed: Mapping[str, Mapping[str, str]], added: Mapping[str, str], who: str) -> None:
    """Keep the map: {text_key: {"code", "carrier", "method"}} of those listed, and one more where `added` has a "text".

    A text without a code is not mapped; one that nobody asked for goes. Raises Invalid, keyed "<column>-<text_key>" or "<column>-new".
    """
    known = {one.text_key: one for one in listing(source)}
    wanted = {key: {name: tidy(values.get(name, "")) for name in LENGTHS} for key, values in typed.items() if key in known}
    text, new = tidy(added.get("text", "")), {name: tidy(added.get(name, "")) for name in LENGTHS}
    errors = {f"{name}-{key}": words for key, values in wanted.items() for name, words in _errors(values).items()}
    errors |= {f"{name}-new": words for name, words in _errors(new).items()}
    if text and not new["code"]:
        errors["code-new"] = "Enter the code that they know it by."
    if not text and any(new.values()):
        errors["text-new"] = "Enter what your channel calls it, such as Ground."
    if len(text) > LONGEST or not text.isprintable():
        errors["text-new"] = f"Enter at most {LONGEST} characters."
    elif text and fold(text) in known:
        errors["text-new"] = f"“{text}” is in the list already."
    if errors:
        raise Invalid(errors)
    _write(source, known, wanted, text, new, who)


def tidy(text: str) -> str:
    """Without blanks around and doubled within."""
    return " ".join(text.split())


def _errors(values: Mapping[str, str]) -> dict[str, str]:
    return {
        name: f"Enter at most {longest} characters."
        for name, longest in LENGTHS.items()
        if len(values[name]) > longest or not values[name].isprintable()
    }


def _write(
    source: Source, known: Mapping[str, ShippingCode], wanted: Mapping[str, Mapping[str, str]], text: str, new: Mapping[str, str], who: str
) -> None:  # fmt: skip
    stamp = {"changed_at": clock.now(), "changed_by": who}
    changed = {key: values for key, values in wanted.items() if any(getattr(known[key], name) != value for name, value in values.items())}
    if not changed and not text:
        return
    with database.atomic():
        for key, values in changed.items():
            ShippingCode.update({**values, **stamp}).where(ShippingCode.source == source.id, ShippingCode.text_key == key).execute()
        if text:
            ShippingCode.create(source=source.id, text_key=fold(text), text=text, **new, **stamp)
        idle = (ShippingCode.source == source.id) & (ShippingCode.code == "") & (ShippingCode.orders_seen == 0)
        ShippingCode.delete().where(idle).execute()
        before = {known[key].text: known[key].code for key in changed}
        after = {known[key].text: values["code"] for key, values in changed.items()} | ({text: new["code"]} if text else {})
        audit.write(source.merchant, who, "source.shipping_methods", "source", source.public_id, before=before, after=after)
