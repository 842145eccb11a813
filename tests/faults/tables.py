"""What the fault tests compare: a source's table and journal against those of a twin that nobody disturbed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.inventory import lineage
from portal.models import Integration, InventoryChange, InventoryItem, PlanRow, Run, RunMessage, SetAsideRow, Source, StagedRow
from tests.feed_of import Feed

LEFT_OUT = {
    "id",
    "public_id",
    "source",
    "source_id",
    "last_run_id",
    "added_run_id",
    "added_at",
    "changed_at",
    "missing_since",
}  # ids and times
OWN = {"public_id", "last_run_id", "added_run_id", "added_at", "missing_since", "archived_at"}
QUIET = ("missing", "back", "readd", "pin", "unpin")  # lines that say it by their action alone
BLANK = dict.fromkeys(lineage.COLUMNS) | {"archived_by": ""} | dict.fromkeys(lineage.NOTES, 0)
"""What a line leaves out of an item that was taken out."""

EVERY = (InventoryItem, InventoryChange, StagedRow, PlanRow, SetAsideRow, Run, RunMessage, Source, Integration)


def table(feed: Feed) -> dict[str, tuple[Any, ...]]:
    """SKU -> all columns of its item but ids and times; of `missing_since` whether it is set. Fails when a SKU stands twice."""
    columns = [field for field in InventoryItem._meta.sorted_fields if field.name not in LEFT_OUT]
    missing = InventoryItem.missing_since.is_null().alias("here")
    found = list(InventoryItem.select(*columns, missing).where(InventoryItem.source == feed.source).tuples())
    at = [field.name for field in columns].index("sku")
    rows = {row[at]: row for row in found}
    assert len(rows) == len(found), "a SKU stands twice"
    return rows


def journal(runs_of: Sequence[Run]) -> list[tuple[Any, ...]]:
    """All journal lines of these runs together, in the order of their SKUs; of ids and times whether they are set."""
    fields = (InventoryChange.sku, InventoryChange.action, InventoryChange.row_number, InventoryChange.before, InventoryChange.after)
    lines = InventoryChange.select(*fields).where(InventoryChange.run << [run.id for run in runs_of]).tuples()
    told = [(*line[:3], _timeless(line[3]), _timeless(line[4])) for line in lines]
    return sorted(told, key=lambda line: (line[0], line[1]))


def _timeless(values: dict[str, Any] | None) -> dict[str, Any] | None:
    """The values; of ids and times only whether they are set."""
    return values and {name: value is not None if name in OWN else value for name, value in values.items()}


def aside(run: Run) -> list[tuple[Any, ...]]:
    fields = (SetAsideRow.row_number, SetAsideRow.sku, SetAsideRow.fatal, SetAsideRow.problems, SetAsideRow.cells)
    return list(SetAsideRow.select(*fields).where(SetAsideRow.run == run.id).order_by(SetAsideRow.row_number).tuples())


def check_same(feed: Feed, ended: Sequence[Run], twin: Feed, clean: Run) -> None:
    """The disturbed source is as its twin: table, journal of these runs, set-aside rows, counts, and nothing left behind."""
    last = ended[-1]
    assert (last.state, last.accepted) == (clean.state, clean.accepted), last.problem
    mine, other = table(feed), table(twin)
    wrong = [sku for sku in mine.keys() | other.keys() if mine.get(sku) != other.get(sku)]
    assert not wrong, [(sku, mine.get(sku), other.get(sku)) for sku in wrong[:3]]
    assert journal(ended) == journal([clean])
    assert aside(last) == aside(clean)
    if len(ended) == 1:
        assert last.counts == clean.counts
    assert Source.get_by_id(feed.source.id).item_count == len(mine)
    assert Integration.get_by_id(feed.integration.id).last_accepted_run_id == last.id
    assert StagedRow.select().count() == PlanRow.select().count() == 0


def check_journal(feed: Feed) -> None:
    """Played backwards from the table, each line's values after are what the item had; every item carries a run that added it."""
    items = {row.pop("id"): row for row in InventoryItem.select().where(InventoryItem.source == feed.source).dicts()}
    own = {run.id for run in Run.select(Run.id).where(Run.source == feed.source)}
    assert all(item["added_run_id"] in own for item in items.values())
    for line in InventoryChange.select().where(InventoryChange.source == feed.source).order_by(InventoryChange.id.desc()):
        before, after = line.before or {}, line.after or {}
        if line.action == "unadd":  # what was taken out was here before; another item may have its number by now
            items[line.item_id] = BLANK | before
            continue
        item = items[line.item_id]
        if line.action == "missing":  # told by the action alone
            before, after = before | {"missing_since": None}, after | {"missing_since": lineage.told(line.at)}
        assert line.run_id > item["added_run_id"], f"{line.sku}: {line.action} before it was there"
        assert before.keys() == after.keys() and before != after or line.action in QUIET, f"{line.sku}: nothing changed"
        touched = after.keys() & lineage.COLUMNS
        assert {name: lineage.told(item[name]) for name in touched} == {name: after[name] for name in touched}, f"{line.sku}: a gap"
        item |= before
        if line.action == "readd":
            del items[line.item_id]


def whole_database() -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a run writes."""
    return {model.__name__: sorted(model.select().tuples(), key=repr) for model in EVERY}
