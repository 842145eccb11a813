"""A held run: what was applied, what waits for a person, how the file compares with those before, and whether it is settled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.fields import INVENTORY_BY_KEY
from portal.inventory import baseline, export, guards, roles, stage
from portal.inventory.plan import PRICE, PRICES, ZERO
from portal.models import Document, Integration, InventoryItem, PlanRow, Run, bulk

SHOWN = 50
CHUNK = 2_000
GUARDS = ("skus_lost", "lost_slowly", "zeroed", "prices_moved", "match_rate")


@dataclass(frozen=True)
class Waiting:
    """One row that waits. `was` and `now`: lines as a person reads them; `seen`: when a file last held the SKU."""

    sku: str
    title: str
    what: str
    was: list[str]
    now: list[str]
    seen: datetime | None


@dataclass(frozen=True)
class Bar:
    """One run of the chart: its rows, and where its bar stands in a drawing of 120 units height."""

    run: Any
    rows: int
    height: int
    held: bool = False


@dataclass(frozen=True)
class Chart:
    """Rows of the last accepted runs, oldest first, then of the held one. The band is what was usual; below `limit` is refused."""

    bars: list[Bar]
    low: int
    high: int
    limit: int
    band_top: int
    band_height: int
    limit_at: int


def kinds(run: Run) -> dict[str, int]:
    """How many rows wait: missing, zero, price and whole ones (a new or changed row of a file that matched too little)."""
    counts = dict.fromkeys(("missing", "zero", "price", "whole"), 0)
    sql = "SELECT action, marks, count(*) FROM plan_row WHERE run_id = ? AND state = 'held' GROUP BY action, marks"
    for action, marks, number in bulk.run(sql, (run.id,)).fetchall():
        counts[_kind(action, marks)] += number
    return counts


def verdicts(run: Run) -> list[dict[str, Any]]:
    """What the guards that held it said."""
    return [told for told in run.verdicts if told["name"] in GUARDS and told["verdict"] == "hold"]


def waiting(run: Run, query: str = "", after: int = 0, most: int = SHOWN) -> tuple[list[Waiting], int | None]:
    """Up to `most` rows that wait, past plan number `after`, and where the next ones begin. `query`: a part of the SKU."""
    rows = PlanRow.select().where(PlanRow.run == run.id, PlanRow.state == "held", PlanRow.n > after)
    if query:
        rows = rows.where(PlanRow.sku.contains(query))
    found = list(rows.order_by(PlanRow.n).limit(most + 1))
    more, found = len(found) > most, found[:most]
    items = {item.id: item for item in InventoryItem.select().where(InventoryItem.id << [row.item_id for row in found if row.item_id])}
    seen = _last_seen(run)
    return [_told(row, items.get(row.item_id or 0), seen) for row in found], (found[-1].n if more else None)


def csv(run: Run) -> Iterator[str]:
    """Everything that waits, safe to open in a spreadsheet."""
    yield export.line(["SKU", "Item", "What waits", "Was", "In this file", "Last seen"])
    after: int | None = 0
    while after is not None:
        rows, after = waiting(run, after=after, most=CHUNK)
        for row in rows:
            seen = row.seen.isoformat(" ", "minutes") if row.seen else ""
            yield export.line([row.sku, row.title, row.what, "; ".join(row.was), "; ".join(row.now), seen])


def chart(run: Run) -> Chart | None:
    """The drawing of rows; None without a run before."""
    integration = Integration.get_by_id(run.integration_id)
    before = baseline.history(integration, run.id)
    if not before:
        return None
    mine = int(run.counts.get("rows", 0))
    counts = [rows for _, rows in before]
    top = max([*counts, mine, 1])
    bars = [Bar(one, rows, _height(rows, top)) for one, rows in reversed(before)] + [Bar(run, mine, _height(mine, top), held=True)]
    usual = sorted(counts)[len(counts) // 2]
    limit = int(usual * guards.limits(integration).fewest_rows / 100)
    low, high = min(counts), max(counts)
    band = max(2, _height(high, top) - _height(low, top))
    return Chart(bars, low, high, limit, 120 - _height(high, top), band, 120 - _height(limit, top))


def settled_by(run: Run) -> Run | None:
    """The newer run that made the hold moot: a feed or an acceptance that was used, a newer hold, or a removal of everything.

    A newer delta settles only what it names, so that the rest of an older one still waits.
    """
    later = (Run.source == run.source_id) & (Run.id > run.id)
    read = (Run.integration == run.integration_id) & (Run.kind << ("inventory", "accept_removals"))
    used = read & ((Run.accepted == True) | (Run.state == "held"))  # noqa: E712
    settling = Run.select().where(later & (used | (Run.kind == "remove_inventory"))).order_by(Run.id.desc())
    waits = roles.was_delta(run) and stage.undecided(run.id) > 0
    return next((one for one in settling if not (waits and _settles_no_delta(one, run))), None)


def _settles_no_delta(one: Run, held: Run) -> bool:
    """Whether the newer run leaves what a delta's run holds as it is: another delta, or the acceptance of another run."""
    return (one.kind == "inventory" and roles.was_delta(one)) or (one.kind == "accept_removals" and one.settings.get("accepts") != held.id)


def document(run: Run) -> Document | None:
    """The file that was held."""
    return Document.get_or_none(Document.id == run.document_id, Document.merchant == run.merchant_id)


def message(run: Run) -> str:
    """A text for the supplier, with what we saw."""
    file, told = document(run), verdicts(run)
    name = f"{file.name} ({file.size:,} bytes)" if file else "your file"
    lines = [f"- {one['sentence']}" for one in told] or [f"- {run.problem['headline']}" if run.problem else ""]
    return "\n".join([
        "Hello,", "", f"our system read {name} and stopped part of it, because it differs much from the files before:", "", *lines,
        f"- It has {run.counts.get('rows', 0):,} rows.", "", "Is this file complete and meant so? If not, please send a whole one.",
    ])  # fmt: skip


def _height(rows: int, top: int) -> int:
    return max(1, round(110 * rows / top))


def _last_seen(run: Run) -> datetime | None:
    """When the last accepted file before it was written or came: every item that is not missing was in it."""
    before = baseline.history(Integration.get_by_id(run.integration_id), run.id)
    if not before:
        return None
    last = Run.get_by_id(before[0][0].id)
    file = Document.get_or_none(Document.id == last.document_id)
    moment: datetime | None = (file.modified or file.at) if file else last.finished_at
    return moment


def _kind(action: str, marks: int) -> str:
    if action == "missing":
        return "missing"
    return "zero" if marks == ZERO else "price" if marks in (PRICE, PRICE | ZERO) else "whole"


_WHAT = {"missing": "Removal", "zero": "Goes to 0", "price": "Price", "whole": "The whole row"}


def _told(row: PlanRow, item: InventoryItem | None, seen: datetime | None) -> Waiting:
    kind = _kind(row.action, row.marks)
    title = (item.title or "") if item else ""
    if kind == "missing":
        stock = f"{item.quantity:,} in stock" if item and item.quantity is not None else "In the list"
        return Waiting(row.sku, title, _WHAT[kind], [stock], ["Not in it"], seen)
    if row.action == "add":
        return Waiting(row.sku, title, "New item", ["Not known"], ["In it"], None)
    columns = [name for name in ("quantity", *PRICES) if name in (row.after or {}) or name in (row.before or {})]
    if kind == "zero":
        columns = [name for name in columns if name == "quantity"]
    was = [_value(name, (row.before or {}).get(name)) for name in columns]
    now = [_value(name, (row.after or {}).get(name)) for name in columns]
    what = "Goes to 0, and a price" if row.marks == PRICE | ZERO else _WHAT[kind]
    return Waiting(row.sku, title, what, was or ["Other values"], now or ["Other values"], seen)


def _value(column: str, value: Any) -> str:
    shown = export.shown(column, value)
    return f"{INVENTORY_BY_KEY[column].label} {'none' if shown is None else shown}"
