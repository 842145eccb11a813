"""The plan of a dry run as a person reads it: verdicts with the history they were judged against, and row by row was and would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from portal.inventory import export
from portal.inventory.plan import PRICE, ZERO
from portal.models import InventoryItem, PlanRow, Run

SHOWN = 50
CHUNK = 2_000
ACTIONS = {
    "add": "Add",
    "change": "Change",
    "zero": "Goes to 0",
    "missing": "Missing",
    "back": "Back again",
    "archive": "Archive",
    "note": "Kept by the other file",
}
VERDICTS = {"apply": "Passes", "warn": "Passes, with a warning", "hold": "Would be held", "refuse": "Would be refused"}
GUARDS = {
    "older_than_last": "Age of the file", "rows_present": "Usable rows", "too_few_rows": "Rows of the file",
    "too_many_bad_rows": "Quantities that cannot be used", "broken_rows": "Letters that cannot be read", "skus_lost": "SKUs lost",
    "lost_slowly": "SKUs lost within 7 days", "zeroed": "Stock going to 0", "prices_moved": "Costs and prices",
    "match_rate": "Known SKUs", "duplicates": "SKUs on several rows",
}  # fmt: skip
AT_LEAST = ("rows_present", "too_few_rows", "match_rate")


@dataclass(frozen=True)
class Judged:
    """What one guard says of the file. `limit` and `against` in words; `verdict` is a key of VERDICTS."""

    label: str
    verdict: str
    sentence: str
    limit: str
    against: str


@dataclass(frozen=True)
class Planned:
    """One planned row. `before`, `after`: {column: stored value} of what differs; `waits`: what of it a guard would hold, in words."""

    sku: str
    title: str
    item_public_id: str
    action: str
    row_number: int | None
    waits: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def judged(run: Run) -> list[Judged]:
    """Every verdict on the run's file, those that refuse first."""
    order = list(VERDICTS)[::-1]
    told = sorted(run.verdicts, key=lambda one: order.index(one["verdict"]))
    return [Judged(GUARDS[one["name"]], one["verdict"], one["sentence"], _limit(one), _against(one)) for one in told]


def reasons(run: Run) -> list[str]:
    """What the guards that would hold or refuse the file saw, in sentences."""
    return [one.sentence for one in judged(run) if one.verdict in ("hold", "refuse")]


def is_kept(run: Run) -> bool:
    """Whether rows of the plan are still there."""
    return bool(PlanRow.select().where(PlanRow.run == run.id).exists())


def rows(run: Run, action: str = "", query: str = "", after: int = 0, most: int = SHOWN) -> tuple[list[Planned], int | None]:
    """Up to `most` planned rows past plan number `after`, and where the next ones begin.

    `action`: a key of ACTIONS, or "waits" for what a guard would hold; `query`: a part of the SKU.
    """
    chosen = PlanRow.select().where(PlanRow.run == run.id, PlanRow.n > after)
    if action == "waits":
        chosen = chosen.where(PlanRow.state == "held")
    elif action:
        chosen = chosen.where(PlanRow.action == action)
    if query:
        chosen = chosen.where(PlanRow.sku.contains(query))
    found = list(chosen.order_by(PlanRow.n).limit(most + 1))
    more, found = len(found) > most, found[:most]
    items = {item.id: item for item in InventoryItem.select().where(InventoryItem.id << [row.item_id for row in found if row.item_id])}
    return [_told(row, items.get(row.item_id or 0)) for row in found], (found[-1].n if more else None)


def csv(run: Run, action: str = "", query: str = "") -> Iterator[str]:
    """The planned rows, a line for each value, safe to open in a spreadsheet."""
    yield export.line(["SKU", "Item", "Action", "Field", "Was", "Would be", "Waits", "Row in file"])
    after: int | None = 0
    while after is not None:
        found, after = rows(run, action, query, after, CHUNK)
        for row in found:
            for column in sorted({*row.before, *row.after}) or [""]:
                sides = [export.shown(column, side.get(column)) for side in (row.before, row.after)]
                label = export.label_of(column) if column else ""
                yield export.line([row.sku, row.title, ACTIONS[row.action], label, *sides, row.waits, row.row_number])


def movers(run: Run) -> tuple[list[tuple[str, str, Any, Any]], list[tuple[str, str, Any, Any]]]:
    """(SKU, our label, was, would be) of the items that move furthest: by quantity, and by cost or price."""
    told = [(one["column"], one) for one in run.checkpoint.get("movers", ())]
    named = [
        (column, (one["sku"], export.label_of(column), export.shown(column, one["before"]), export.shown(column, one["after"])))
        for column, one in told
    ]
    return [one for column, one in named if column == "quantity"], [one for column, one in named if column != "quantity"]


def _limit(told: Mapping[str, Any]) -> str:
    if told["name"] == "older_than_last":
        return "Not older"
    return f"{'At least' if told['name'] in AT_LEAST else 'At most'} {told['limit']:,}"


def _against(told: Mapping[str, Any]) -> str:
    """The history of one verdict, in words."""
    against: Mapping[str, Any] = told["against"]
    if "median" in against:
        files = against["rows"] or [against["last"]]
        span = f", {min(files):,} to {max(files):,}" if min(files) != max(files) else ""
        return f"The last {len(files)} accepted files: median {against['median']:,}{span}" if len(files) > 1 else _last(against)
    if "high" in against:
        return f"The 7-day high of {against['high']:,}" + (f", {against['at']}" if against["at"] else "")
    for key, words in (("in_stock", "items in stock"), ("priced", "known items of the file"), ("known", "SKUs you have")):
        if key in against:
            return f"{against[key]:,} {words}" + (f", {against['days']:,} days after the first file" if "days" in against else "")
    return "The last accepted file" if "modified" in against else "The file itself"


def _last(against: Mapping[str, Any]) -> str:
    return f"The last accepted file: {against['last']:,} rows"


def _told(row: PlanRow, item: InventoryItem | None) -> Planned:
    before, after = row.before or {}, row.after or {}
    title = (item.title if item else after.get("title")) or ""
    return Planned(row.sku, title, item.public_id if item else "", row.action, row.row_number, _waits(row), before, after)


def _waits(row: PlanRow) -> str:
    if row.state != "held":
        return ""
    if row.action in ("missing", "archive"):
        return "The removal waits"
    return {ZERO: "The quantity waits", PRICE: "Costs and prices wait", ZERO | PRICE: "Quantity and prices wait"}.get(
        row.marks, "All waits"
    )
