"""Which items an act is for: those that were ticked, or all that a search finds, written down before anything is said of them.

ticked, or a search of few items ─▶ ready at once          a search of many ─▶ a run that writes them down, window by window ─▶ ready
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal import clock, failpoints, runs
from portal.errors import Invalid
from portal.inventory import finding, paging, queries
from portal.inventory.paging import ID, SORTS, VALUE, Place, Scope
from portal.leases import Work
from portal.models import BulkAct, BulkItem, InventoryItem, Merchant, Source, bulk, database

KIND = "bulk_act"
MOST_TICKED = 500
AT_ONCE = 50_000
"""Items among which a search is followed while a person waits."""


@dataclass(frozen=True)
class Asked:
    """A search of the list. `source`: a public id, "" for all."""

    query: str = ""
    stock: str = ""
    source: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Asked:
        """From its JSON, or from a form."""
        return cls(str(told.get("q") or "")[: queries.LONGEST], str(told.get("stock") or ""), str(told.get("source") or ""))

    def told(self) -> dict[str, str]:
        """As JSON."""
        return {"q": self.query, "stock": self.stock, "source": self.source}


def ticked(merchant: Merchant, act: str, public_ids: Iterable[str], who: str) -> BulkAct:
    """Choose the merchant's items of these ids. Raises Invalid ("item") for none, and for too many."""
    ids = list(dict.fromkeys(public_ids))
    if not ids:
        raise Invalid({"item": "Choose at least one item, or everything that matches."})
    if len(ids) > MOST_TICKED:
        raise Invalid({"item": f"Choose at most {MOST_TICKED} items one by one, or everything that matches."})
    mine = InventoryItem.select(InventoryItem.id).join(Source).where(InventoryItem.merchant == merchant.id, Source.state != "deleted")
    found = [row.id for row in mine.where(InventoryItem.public_id << ids).order_by(InventoryItem.id)]
    if not found:
        raise Invalid({"item": "These items are not here any more. Search again."})
    with database.atomic():
        made = BulkAct.create(merchant=merchant, act=act, at=clock.now(), by=who)
        _write(made, found)
        return _ready(made, len(found))


def searched(merchant: Merchant, act: str, asked: Asked, who: str) -> BulkAct:
    """Choose all that the search finds now: at once, or by a run where there is much to search. Raises Invalid ("item") for none."""
    finder = _finder(merchant, asked)
    with database.atomic():
        made = BulkAct.create(merchant=merchant, act=act, asked=asked.told(), at=clock.now(), by=who)
        if not is_quick(finder):
            made.run_id = runs.start(None, KIND, merchant=merchant, started_by=who, settings=told(made, "gather")).id
            made.save(only=[BulkAct.run_id])
            return made
        chosen = 0
        for meant, _ in finder.every():
            _write(made, [one[ID] for one in meant])
            chosen += len(meant)
        if not chosen:
            raise Invalid({"item": "No item matches any more. Search again."})
        return _ready(made, chosen)


def told(act: BulkAct, step: str) -> dict[str, Any]:
    """The settings of a run of the act. `step`: gather, act or undo."""
    return {"act": act.id, "step": step, "of": act.public_id}


def gather(work: Work, act: BulkAct) -> dict[str, int]:
    """Write down all that its search finds, from where an interruption left it; {"chosen"}. In the order of SKUs, which never change."""
    work.stage("gather", "items")
    chosen = int(work.checkpoint.get("chosen", 0))
    place = work.checkpoint.get("place")
    finder = _finder(act.merchant, Asked.of(act.asked), tuple(place) if place else None)
    for meant, last in _windows(finder, ended=bool(work.checkpoint.get("ended"))):
        with work.transaction():
            _write(act, [one[ID] for one in meant])
            chosen += len(meant)
            work.save_checkpoint(chosen=chosen, place=[last[VALUE], last[ID]] if last else None, ended=last is None)
        failpoints.reach("gathered-chunk")
        work.progress(chosen)
        bulk.pause()
    bulk.analyze("bulk_item")
    return {"chosen": chosen}


def count(merchant: Merchant, asked: Asked) -> int | None:
    """How many items the search finds now; None where that takes too long to wait for."""
    finder = _finder(merchant, asked)
    return sum(len(meant) for meant, _ in finder.every()) if is_quick(finder) else None


def is_quick(finder: finding.Finder) -> bool:
    """Whether a person can wait for all that the search finds: few can match, or there are not many items."""
    rows: Any = Source.select(Source.item_count).where(Source.id << list(finder.scope.sources)).tuples()
    return sum(number for (number,) in rows) <= AT_ONCE or finder.few() is not None


def _windows(finder: finding.Finder, *, ended: bool) -> Iterator[tuple[list[paging.Seen], paging.Seen | None]]:
    if not ended:
        yield from finder.every()


def _finder(merchant: Merchant, asked: Asked, after: Place | None = None) -> finding.Finder:
    rows = Source.select(Source.id).where(Source.merchant == merchant, Source.state != "deleted").order_by(Source.id)
    if asked.source:
        rows = rows.where(Source.public_id == asked.source)
    stock = asked.stock if asked.stock in paging.STOCK_FILTERS else ""
    scope = Scope(tuple(row.id for row in rows), stock, SORTS["sku"], False, after)
    return finding.Finder(merchant.id, scope, queries.read(asked.query))


def _write(act: BulkAct, ids: Sequence[int]) -> None:
    bulk.insert("bulk_item", ("act_id", "item_id", "done"), [(act.id, one, 0) for one in ids])


def _ready(act: BulkAct, chosen: int) -> BulkAct:
    ends = {"state": "ready", "chosen_at": clock.now(), "counts": {"chosen": chosen}}
    BulkAct.update(ends).where(BulkAct.id == act.id).execute()
    return BulkAct.get_by_id(act.id)


def has_items(act: BulkAct) -> bool:
    """Whether the items of the act are still written down."""
    return bool(BulkItem.select().where(BulkItem.act == act.id).exists())
