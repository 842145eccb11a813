"""How many items are not linked, and what each rule would find: read now where that is quick, else as the worker counted it last.

a run or a linking ends ─▶ the mark of a source is another ─▶ the worker counts that source again ─▶ pages tell it with its time
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import fn

from portal import clock
from portal.catalogue import matching, products
from portal.models import CatalogueCount, Linking, Merchant, Run, Source, bulk, database
from portal.models.runs import UNFINISHED
from portal.runs import WRITERS
from portal.sources import CHANNEL_LINE

_CHANGED_NOTHING = (*UNFINISHED, "no_change")
WHOLE = 0  # as a source: what is counted of the merchant


@dataclass(frozen=True)
class Told:
    """Counts for a page. `at`: when the worker counted them, None for now. `is_old`: a run or a linking has ended since."""

    counts: Mapping[str, int]
    at: datetime | None = None
    is_old: bool = False


@dataclass(frozen=True)
class Whole:
    """Products of a merchant, and items that are linked to none (None: not counted yet). `at` as of Told."""

    products: int
    unlinked: int | None
    at: datetime | None


def of_merchant(merchant: Merchant) -> Whole:
    """Counts for the list of products."""
    if matching.is_quick(merchant.id):
        return Whole(products.count(merchant), matching.possible(merchant.id, None, ())["unlinked"], None)
    kept = _kept(merchant, WHOLE)
    told = possible(merchant, None)
    number = kept.counts["products"] if kept is not None else products.count(merchant)
    return Whole(number, told.counts["unlinked"] if told else None, told.at if told else kept.at if kept else None)


def possible(merchant: Merchant, source: Source | None) -> Told | None:
    """What each rule would find, of a source or of all. None where that takes too long now and was not counted yet."""
    if matching.is_quick(merchant.id):
        return Told(matching.possible(merchant.id, source.id if source else None))
    known = {one.id: one for one in _sources(merchant)}
    wanted = [source.id] if source else list(known)
    kept = {one.source_id: one for one in CatalogueCount.select().where(CatalogueCount.merchant == merchant)}
    if not wanted or any(one not in kept for one in wanted):
        return None
    total: Counter[str] = Counter()
    for one in wanted:
        total.update(kept[one].counts)
    marks = _marks(merchant, wanted)
    return Told(total, min(kept[one].at for one in wanted), any(kept[one].mark != marks[one] for one in wanted))


def refresh_due() -> int:
    """Count what a run or a linking has changed since it was counted, of merchants whose pages do not count themselves; how many sources.

    The clock calls it. A source that a run is writing waits for its end.
    """
    done = 0
    for merchant in Merchant.select():
        if matching.is_quick(merchant.id):
            continue
        kept = {one.source_id: one.mark for one in CatalogueCount.select().where(CatalogueCount.merchant == merchant)}
        ids = [one.id for one in _sources(merchant)]
        marks = _marks(merchant, ids)
        writing = _writing(merchant)
        for source in ids:
            if kept.get(source) != marks[source] and source not in writing:
                _keep(merchant, source, matching.possible(merchant.id, source), marks[source])
                done += 1
        whole = str(_linked(merchant))
        if kept.get(WHOLE) != whole:
            _keep(merchant, WHOLE, {"products": products.count(merchant)}, whole)
        CatalogueCount.delete().where(CatalogueCount.merchant == merchant, CatalogueCount.source_id.not_in([WHOLE, *ids])).execute()
    return done


def _keep(merchant: Merchant, source: int, counts: Mapping[str, int], mark: str) -> None:
    with database.atomic():
        CatalogueCount.delete().where(CatalogueCount.merchant == merchant, CatalogueCount.source_id == source).execute()
        CatalogueCount.create(merchant=merchant, source_id=source, counts=dict(counts), mark=mark, at=clock.now())
    bulk.pause()


def _kept(merchant: Merchant, source: int) -> CatalogueCount | None:
    found: CatalogueCount | None = CatalogueCount.get_or_none(CatalogueCount.merchant == merchant, CatalogueCount.source_id == source)
    return found


def _sources(merchant: Merchant) -> list[Source]:
    return list(Source.select(Source.id).where(Source.merchant == merchant, Source.state != "deleted", Source.kind != CHANNEL_LINE))


def _marks(merchant: Merchant, sources: list[int]) -> dict[int, str]:
    """{source: what its counts depend on: its last ended run that writes stock, and the last linking of the merchant}."""
    runs: Any = Run.select(Run.source, fn.MAX(Run.id)).where(Run.source << sources, Run.kind << WRITERS, Run.state.not_in(_CHANGED_NOTHING))
    last: dict[int, int] = dict(runs.group_by(Run.source).tuples())
    linked = _linked(merchant)
    return {one: f"{last.get(one, 0)} {linked}" for one in sources}


def _linked(merchant: Merchant) -> str:
    """The last linking that was applied, and the last that was undone."""
    ended: Any = Linking.select(fn.MAX(Linking.applied_at), fn.MAX(Linking.undone_at)).where(Linking.merchant == merchant)
    applied, undone = ended.tuples().get()
    return f"{applied or '-'} {undone or '-'}"


def _writing(merchant: Merchant) -> set[int]:
    rows: Any = Run.select(Run.source).where(Run.merchant == merchant, Run.state << UNFINISHED, Run.kind << WRITERS).tuples()
    return {row[0] for row in rows}
