"""Take back what a run did: the whole run, one field of it, or chosen SKUs. Values that were changed since stay, and are listed.

choose ─▶ preview (the same reckoning, nothing written) ─▶ a run of kind "revert": chunks, each with its journal and checkpoint
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from peewee import fn

from portal import audit, failpoints, runs
from portal.errors import Invalid, Refused
from portal.exclusions.keeping import finish
from portal.fields import INVENTORY_BY_KEY
from portal.inventory import lineage, stale
from portal.inventory.restoring import Step, reckon_additions, reckon_lines, report_of, write
from portal.leases import Work
from portal.models import Integration, InventoryChange, InventoryItem, Run, Source, bulk, database
from portal.runs import Outcome

CHUNK = 1_000
SHOWN = 50
MOST_RECKONED = 20_000  # items a preview counts exactly
MOST_MARKED = 50_000  # items beyond which the next feed is read whole instead
MOST_SKUS = 1_000
MOST_REPORTED = 50_000

KINDS = ("inventory", "accept_removals", "fixed_rows", "silence", "revert")
"""Runs that can be taken back. What a person did to single items has its own way back: unpin, un-archive."""

FIELDS: dict[str, tuple[str, ...]] = {
    "quantity": ("quantity", "warehouses", "missing_since", "missing_in", "archived_at", "archived_by"),
    "weight": ("weight", "weight_unit"),
    "dimensions": ("length", "width", "height", "dimension_unit"),
    "custom": ("custom",),
}
"""Fields that only mean something together go back together; every other column is one of its own."""


_ASIDE = ("run_id", "row_number", "sku", "fatal", "problems", "cells")
ACTS = {"values": "reverted", "unadd": "taken_out", "readd": "brought_back"}
WHOLE = (*lineage.ARRIVALS, *lineage.DEPARTURES)


@dataclass(frozen=True)
class Place:
    """How far a revert is: the last journal line and, after those, the last SKU of what was added."""

    line: int = 0
    sku: str = ""


@dataclass(frozen=True)
class Choice:
    """What of a run is to go back: `field` "" is every field; no `skus` are all."""

    field: str = ""
    skus: tuple[str, ...] = ()

    @property
    def columns(self) -> frozenset[str]:
        """The columns that go back."""
        return frozenset(columns_of(self.field) if self.field else lineage.COLUMNS)

    @property
    def whole_items(self) -> bool:
        """Whether an item that the run added is taken out again."""
        return not self.field


@dataclass
class Preview:
    """What a revert would do now. `items` would go back, `removed` be taken out, `again` be put in again; `left` stay in part or whole.

    `total`: lines and additions of the run that were chosen; `reckoned` of them were counted, all of them unless there are very many.
    """

    total: int = 0
    reckoned: int = 0
    items: int = 0
    removed: int = 0
    again: int = 0
    left: int = 0
    steps: list[Step] = field(default_factory=list)
    conflicts: list[Step] = field(default_factory=list)

    @property
    def does(self) -> int:
        """Items that would be written."""
        return self.items + self.removed + self.again

    def count(self, step: Step) -> None:
        """Add one item."""
        self.reckoned += 1
        name = {"values": "items", "unadd": "removed", "readd": "again"}[step.act]
        if step.writes:
            setattr(self, name, getattr(self, name) + 1)
            self._keep(self.steps, step)
        if step.kept:
            self.left += 1
            self._keep(self.conflicts, step)

    def _keep(self, shown: list[Step], step: Step) -> None:
        if len(shown) < SHOWN:
            shown.append(step)


def columns_of(field_key: str) -> tuple[str, ...]:
    """The columns that go back with a field."""
    return FIELDS.get(field_key, (field_key,))


def fields_of(run: Run) -> dict[str, str]:
    """The fields that the run touched, as far as its first lines tell: {key: label}."""
    seen: set[str] = set()
    for line in InventoryChange.select().where(InventoryChange.run == run.id).order_by(InventoryChange.id).limit(CHUNK):
        seen |= set(lineage.touched(line))
    grouped = {column: key for key, columns in FIELDS.items() for column in columns}
    keys = {grouped.get(column, column) for column in seen}
    labels = {key: one.label for key, one in INVENTORY_BY_KEY.items()} | {"dimensions": "Dimensions", "custom": "Your own fields"}
    return {key: label for key, label in labels.items() if key in keys}


def chosen(run: Run, field_key: str = "", skus: str = "") -> Choice:
    """What a person asked for. `skus`: one a line. Raises Invalid."""
    listed = tuple(dict.fromkeys(line.strip() for line in skus.splitlines() if line.strip()))
    if len(listed) > MOST_SKUS:
        raise Invalid({"skus": f"Name at most {MOST_SKUS:,} SKUs at once; these are {len(listed):,}."})
    if field_key and field_key not in fields_of(run):
        raise Invalid({"field": "This run did not touch that field."})
    return Choice(field_key, listed)


def may_revert(run: Run) -> str:
    """Why the run cannot be taken back, as a sentence; "" when it can."""
    if run.kind not in KINDS:
        return "Only runs that changed the inventory can be taken back."
    if run.state in ("queued", "running"):
        return "This run is not finished. Stop it or wait for its end, then take it back."
    if run.source is None or run.source.state == "deleted":
        return "The source of this run is gone."
    cleared = Run.select().where(Run.source == run.source_id, Run.id > run.id, Run.kind == "remove_inventory").exists()
    if cleared:
        return "The inventory was removed since, so there is nothing to take back."
    wrote = InventoryChange.select().where(InventoryChange.run == run.id).exists()
    return "" if wrote or _added(run, "", 1) else "This run changed nothing, so there is nothing to take back."


def preview(run: Run, choice: Choice) -> Preview:
    """Reckon what a revert would do now. Raises Refused when the run cannot be taken back."""
    if reason := may_revert(run):
        raise Refused(reason)
    seen, place = Preview(total=_total(run, choice)), Place()
    while seen.reckoned < MOST_RECKONED and (chunk := _next(run, choice, place)) is not None:
        steps, place = chunk
        for step in steps:
            seen.count(step)
    return seen


def start(run: Run, choice: Choice, who: str) -> Run:
    """Start the run that takes it back. Raises Refused, or AlreadyRunning while the source is syncing."""
    reason = may_revert(run)
    if reason or run.source is None:
        raise Refused(reason)
    settings = {"reverts": run.id, "field": choice.field, "skus": list(choice.skus)}
    with database.atomic():
        # On the inventory integration, so that no sync of it reads the same items meanwhile.
        holder = run.integration or Integration.get_or_none(Integration.source == run.source, Integration.kind == stale.KINDS[0])
        started = runs.start(run.source, "revert", integration=holder, started_by=who, settings=settings)
        asked = {"run": run.number, "field": choice.field, "skus": len(choice.skus)}
        audit.write(run.merchant, who, "run.revert", "run", run.public_id, after=asked)
    return started


def perform(work: Work) -> Outcome:
    """Run handler: take the run back, chunk by chunk. What was changed since is left as it is and listed with the run."""
    told = work.run.settings
    target, choice = Run.get_by_id(told["reverts"]), Choice(told["field"], tuple(told["skus"]))
    if "place" not in work.checkpoint and (reason := may_revert(target)):
        raise Refused(reason)
    work.stage("revert", "items")
    try:
        _take_back(work, target, choice)
    finally:
        _count_items(work)
    counts = _counts(work) | finish(work, undoes=True)
    return Outcome("warnings" if counts["left_alone"] else "finished", counts)


def _take_back(work: Work, target: Run, choice: Choice) -> None:
    total = _total(target, choice) + work.checkpoint.get("removed", 0)
    place, done = Place(*work.checkpoint.get("place", ())), work.checkpoint.get("done", 0)
    marks = total <= MOST_MARKED
    while True:
        work.look_for_stop()
        with work.transaction():
            chunk = _next(target, choice, place, lock=True)
            if chunk is None:
                if not marks:
                    stale.forget(work.run.source_id)
                return
            steps, place = chunk
            write(work, steps, mark=marks)
            done += len(steps)
            _keep(work, steps, place, done)
        failpoints.reach("applied-chunk")
        work.progress(min(done, total), total)
        bulk.pause()


def _keep(work: Work, steps: Sequence[Step], place: Place, done: int) -> None:
    """List what was left alone, and how far this run is."""
    left = [step for step in steps if step.kept]
    before = work.checkpoint.get("left", 0)
    rows = [(work.run.id, before + n, step.sku, int(not step.writes), report_of(step), "[]") for n, step in enumerate(left, 1)]
    bulk.insert("set_aside_row", _ASIDE, rows[: max(0, MOST_REPORTED - before)])
    acts = {act: work.checkpoint.get(act, 0) + sum(step.writes and step.act == act for step in steps) for act in ACTS}
    removed = work.checkpoint.get("removed", 0) + sum(step.writes and step.act == "unadd" for step in steps)
    work.save_checkpoint(**acts, removed=removed, place=[place.line, place.sku], done=done, left=before + len(left))
    work.save(counts=_counts(work))


def _counts(work: Work) -> dict[str, int]:
    told = work.checkpoint
    return {name: told.get(act, 0) for act, name in ACTS.items()} | {"left_alone": told.get("left", 0)}


def _count_items(work: Work) -> None:
    with work.transaction():
        items = InventoryItem.select().where(InventoryItem.source == work.run.source_id).count()
        Source.update(item_count=items).where(Source.id == work.run.source_id).execute()


def _next(run: Run, choice: Choice, place: Place, lock: bool = False) -> tuple[list[Step], Place] | None:
    """The next chunk past `place` and where it ends: first the run's journal, then what it added without a line there."""
    lines = _lines(run, choice, place.line)
    if lines:
        wanted = [line for line in lines if choice.whole_items or line.action not in WHOLE]
        return reckon_lines(wanted, choice.columns, lock=lock), Place(lines[-1].id, "")
    items = _added(run, place.sku, CHUNK, choice.skus) if choice.whole_items else []
    if items:
        return reckon_additions(items, lock=lock), Place(place.line, items[-1].sku)
    return None


def _lines(run: Run, choice: Choice, after: int) -> list[InventoryChange]:
    lines = InventoryChange.select().where(InventoryChange.run == run.id, InventoryChange.id > after)
    if choice.skus:
        lines = lines.where(InventoryChange.sku << choice.skus)
    return lineage.with_runs(lines.order_by(InventoryChange.id).limit(CHUNK))


def _added(run: Run, after: str, most: int, skus: Collection[str] = ()) -> list[InventoryItem]:
    """Items that the run added and of which its journal says nothing, in the order of their SKUs."""
    items = InventoryItem.select().where(InventoryItem.source == run.source_id, InventoryItem.added_run_id == run.id, _not_journaled(run))
    if skus:
        items = items.where(InventoryItem.sku << list(skus))
    return list(items.where(InventoryItem.sku > after).order_by(InventoryItem.sku).limit(most))


def _not_journaled(run: Run) -> Any:
    mine = InventoryChange.select(InventoryChange.id).where(
        InventoryChange.run == run.id, InventoryChange.item_id == InventoryItem.id, InventoryChange.action == "add"
    )
    return ~fn.EXISTS(mine)


def _total(run: Run, choice: Choice) -> int:
    lines = InventoryChange.select().where(InventoryChange.run == run.id)
    items = InventoryItem.select().where(InventoryItem.source == run.source_id, InventoryItem.added_run_id == run.id, _not_journaled(run))
    if choice.skus:
        lines, items = lines.where(InventoryChange.sku << choice.skus), items.where(InventoryItem.sku << choice.skus)
    return int(lines.count()) + (int(items.count()) if choice.whole_items else 0)


def target_of(run: Run) -> Run | None:
    """The run that a revert took back."""
    return Run.get_or_none(Run.merchant == run.merchant_id, Run.id == run.settings.get("reverts", 0)) if run.kind == "revert" else None


def reverts_of(run: Run) -> list[Run]:
    """The reverts of a run so far, newest first."""
    later = Run.select().where(Run.merchant == run.merchant_id, Run.source == run.source_id, Run.kind == "revert", Run.id > run.id)
    return [one for one in later.order_by(Run.id.desc()) if one.settings.get("reverts") == run.id]
