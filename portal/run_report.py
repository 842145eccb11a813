"""What a run did, as a person reads it: stages, rate, differences, rows set aside; and the history of runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from peewee import JOIN

from portal import after_read, clock, read_files
from portal.errors import NotFound
from portal.fields import INVENTORY_BY_KEY
from portal.inventory import arrivals
from portal.inventory.export import label_of as label_of
from portal.inventory.export import shown
from portal.models import Document, Integration, InventoryChange, InventoryItem, Merchant, Run, RunMessage, SetAsideRow, Source
from portal.run_words import ALWAYS_SHOWN, CAUSES, COUNT_LABELS, LABELS, STAGES, TITLES
from portal.run_words import FILTERS as FILTERS
from portal.sources import INTEGRATION_KINDS, INVENTORY_KINDS, SECONDARY

PAGE_SIZE = 50
UNFINISHED = ("queued", "running")
STEADY_AFTER = 5.0  # seconds before a rate means anything


@dataclass(frozen=True)
class Stage:
    """One stage of a run. `state`: done, running or waiting; `seconds` is None before it starts; `unit`: rows, bytes or items."""

    name: str
    label: str
    state: str
    seconds: float | None
    count: int | None
    unit: str = "rows"
    pages: int | None = None
    called: str = "page"


@dataclass(frozen=True)
class Progress:
    """Where the present stage stands, in its `unit`. `rate` in units a second and `remaining` in seconds; None until steady.

    `pages` were read, of `of_pages` where that is told, of a list that comes page by page.
    """

    done: int
    total: int | None
    rate: float | None
    remaining: float | None
    unit: str = "rows"
    pages: int | None = None
    of_pages: int | None = None
    called: str = "page"

    @property
    def percent(self) -> int | None:
        """0 to 100, or None while the total is not known."""
        if self.total:
            return min(100, 100 * self.done // self.total)
        return min(100, 100 * (self.pages or 0) // self.of_pages) if self.of_pages else None


@dataclass(frozen=True)
class ReadFile:
    """A file of a run. `said`: what became of it here and at the supplier, "" for nothing but that it was read.

    `may`: what a person may do with it, "leave_out", "take_back" or "".
    """

    document: Any
    said: str = ""
    may: str = ""


@dataclass(frozen=True)
class Report:
    """A run as its page shows it."""

    run: Any
    title: str
    started: str
    seconds: float | None
    stages: list[Stage]
    progress: Progress
    counts: list[tuple[str, str, int]]
    messages: list[Any]
    document: Any
    settled_by: Any = None
    files: list[ReadFile] = field(default_factory=list)


@dataclass(frozen=True)
class Difference:
    """One changed value of one item, both sides as a person reads them."""

    sku: str
    title: str
    item_public_id: str
    action: str
    values: list[tuple[str, Any, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Group:
    """Neighbouring runs shown as one line: `runs` newest first, more than one only for "no change"."""

    runs: list[Any]

    @property
    def newest(self) -> Any:
        """The run that stands for the group."""
        return self.runs[0]


def report(run: Run) -> Report:
    """Everything the run page shows, at the moment of asking."""
    stages = _stages(run)
    messages = list(RunMessage.select().where(RunMessage.run == run.id).order_by(RunMessage.id.desc()).limit(5))
    return Report(
        run=run,
        title=title_of(run),
        started=CAUSES.get(run.cause, "").format(who=run.started_by or "you"),
        seconds=_duration(run),
        stages=stages,
        progress=_progress(run),
        counts=_counts(run),
        messages=messages,
        document=_document(run),
        settled_by=_settled_by(run),
        files=_files(run),
    )


def differences(run: Run, after: int = 0) -> tuple[list[Difference], int | None]:
    """PAGE_SIZE items past `after`, and where the next page starts: first what the journal tells, then, below 0, what was added."""
    if after < 0:
        return _added(run, -after - 1)
    rows = list(
        InventoryChange.select(
            InventoryChange,
            InventoryItem.title.alias("item_title"),
            InventoryItem.public_id.alias("item_public_id"),
        )
        .join(InventoryItem, JOIN.LEFT_OUTER, on=(InventoryItem.id == InventoryChange.item_id))
        .where((InventoryChange.run == run.id) & (InventoryChange.id > after))
        .order_by(InventoryChange.id)
        .limit(PAGE_SIZE + 1)
        .objects(),
    )
    if len(rows) > PAGE_SIZE:
        return [_difference(row) for row in rows[:PAGE_SIZE]], rows[PAGE_SIZE - 1].id
    added, following = _added(run, 0, PAGE_SIZE - len(rows))
    return [*map(_difference, rows), *added], following


def _added(run: Run, after: int, size: int = PAGE_SIZE) -> tuple[list[Difference], int | None]:
    rows = arrivals.of_run(run, after, size + 1)
    following = -(rows[size - 1].item_id if size else after) - 1 if len(rows) > size else None
    return [_difference(row) for row in rows[:size]], following


def set_aside(run: Run, after: int = 0) -> tuple[list[Any], int | None]:
    """PAGE_SIZE set-aside rows past row number `after`, and where the next page starts."""
    rows = list(
        SetAsideRow.select()
        .where((SetAsideRow.run == run.id) & (SetAsideRow.row_number > after))
        .order_by(SetAsideRow.row_number)
        .limit(PAGE_SIZE + 1),
    )
    following = rows[PAGE_SIZE - 1].row_number if len(rows) > PAGE_SIZE else None
    return rows[:PAGE_SIZE], following


def title_of(run: Run) -> str:
    """What the run is: of the two inventory integrations, by the name of the one that it read for."""
    title, integration = TITLES[run.kind], run.integration
    if integration is None or integration.kind not in INVENTORY_KINDS:
        return title
    name = INTEGRATION_KINDS[integration.kind]
    return name if run.kind == "inventory" else f"{title}, {name}" if integration.kind == SECONDARY else title


def history(
    merchant: Merchant,
    *,
    source: Source | None = None,
    kind: str = "",
    state: str = "",
    before: int = 0,
) -> tuple[list[Group], int | None]:
    """The newest runs, repeats of "no change" folded, and the run number that the next page starts below."""
    rows = (
        Run.select(Run, Source, Integration)
        .join(Source, JOIN.LEFT_OUTER, on=(Source.id == Run.source))
        .switch(Run)
        .join(Integration, JOIN.LEFT_OUTER, on=(Integration.id == Run.integration))
        .where(Run.merchant == merchant.id)
        .order_by(Run.number.desc())
    )
    if source is not None:
        rows = rows.where(Run.source == source.id)
    if kind in INVENTORY_KINDS:
        rows = rows.where(Run.kind == "inventory", Integration.kind == kind)
    elif kind:
        rows = rows.where(Run.kind == kind)
    if state:
        rows = rows.where(Run.state == state)
    if before:
        rows = rows.where(Run.number < before)
    found = list(rows.limit(4 * PAGE_SIZE))
    groups = _fold(found)[:PAGE_SIZE]
    shown_runs = sum(len(group.runs) for group in groups)
    more = shown_runs < len(found) or len(found) == 4 * PAGE_SIZE
    return groups, groups[-1].runs[-1].number if groups and more else None


def _fold(runs: list[Any]) -> list[Group]:
    groups: list[Group] = []
    for run in runs:
        last = groups[-1].newest if groups else None
        if last and run.state == last.state == "no_change" and run.integration_id == last.integration_id:
            groups[-1].runs.append(run)
        else:
            groups.append(Group([run]))
    return groups


def _difference(row: Any) -> Difference:
    values = values_of(row.before or {}, row.after or {})
    return Difference(row.sku, row.item_title or "", row.item_public_id or "", row.action, values)


def values_of(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(our label, was, is) of each column that differs, quantity and cost first, as a person reads them."""
    in_order = dict.fromkeys(("quantity", "cost", *INVENTORY_BY_KEY, "warehouses", "custom"))
    return [
        (label_of(key), shown(key, before.get(key)), shown(key, after.get(key))) for key in in_order if before.get(key) != after.get(key)
    ]


def _stages(run: Run) -> list[Stage]:
    listed = STAGES[run.kind]
    told: dict[str, Any] = run.stages or {}
    names = [name for name, _ in listed]
    at = names.index(run.stage) if run.stage in names else (len(names) if run.stage == "done" else -1)
    return [_stage(run, name, label, told.get(name) or {}, place, at) for place, (name, label) in enumerate(listed)]


def _stage(run: Run, name: str, label: str, told: dict[str, Any], place: int, at: int) -> Stage:
    running = place == at and run.state == "running"
    done = bool(told) and not running
    state = "running" if running else ("done" if done else "waiting")
    unit = str(told.get("unit") or ("bytes" if name == "fetch" else "rows"))
    return Stage(name, label, state, told.get("seconds"), told.get("count"), unit, told.get("pages"), told.get("called") or "page")


def _progress(run: Run) -> Progress:
    elapsed = (clock.now() - _stage_start(run)).total_seconds() if run.state == "running" else 0.0
    rate = run.done_rows / elapsed if elapsed >= STEADY_AFTER and run.done_rows else None
    left = None
    if rate and run.total_rows and run.total_rows > run.done_rows:
        left = (run.total_rows - run.done_rows) / rate
    told: dict[str, Any] = (run.stages or {}).get(run.stage) or {}
    unit = str(told.get("unit") or "rows")
    return Progress(run.done_rows, run.total_rows, rate, left, unit, told.get("pages"), told.get("of_pages"), told.get("called") or "page")


def _stage_start(run: Run) -> datetime:
    told = ((run.stages or {}).get(run.stage) or {}).get("started")
    return datetime.fromisoformat(told) if told else (run.started_at or clock.now())


def _counts(run: Run) -> list[tuple[str, str, int]]:
    if run.kind in LABELS:
        return [(key, label, run.counts[key]) for key, label in LABELS[run.kind] if key in (run.counts or {})]
    if run.kind != "inventory":
        return [(key, key.replace("_", " ").capitalize(), value) for key, value in (run.counts or {}).items()]
    told = run.counts or {}
    return [(key, label, told.get(key, 0)) for key, label in COUNT_LABELS if key in ALWAYS_SHOWN or told.get(key)]


def _duration(run: Run) -> float | None:
    if run.started_at is None:
        return None
    return float(((run.finished_at or clock.now()) - run.started_at).total_seconds())


def _document(run: Run) -> Any:
    if run.document_id is None:
        return None
    return Document.get_or_none((Document.id == run.document_id) & (Document.merchant == run.merchant_id))


def document_of(run: Run, public_id: str = "") -> Any:
    """The run's file of that id, or its only or last one. Raises NotFound, once its bytes were erased too."""
    mine = [one for one in (_document(run), *(file.document for file in read_files.of_run(run))) if one is not None]
    mine += [document for document, _ in read_files.Rows(run).parts]
    found = next((one for one in mine if public_id in ("", one.public_id)), None)
    if found is None or found.stored_name is None:
        raise NotFound("file")
    return found


def _files(run: Run) -> list[ReadFile]:
    found, may = [], read_files.may_leave_out(run)
    for file in read_files.of_run(run, "file", "repeat", read_files.LEFT_OUT):
        out = file.kind == read_files.LEFT_OUT
        said = ["Not read again: it repeats what was read"] if file.kind == "repeat" else []
        said += ["Left out: no run reads it as it is"] if out else []
        said += [after_read.wording(file)] if run.accepted and after_read.wording(file) else []
        found.append(ReadFile(file.document, ". ".join(said), ("take_back" if out else "leave_out") if may else ""))
    return found


def _settled_by(run: Run) -> Any:
    """The newer accepted run that made a held one moot, if there is one."""
    if run.state != "held" or run.integration_id is None:
        return None
    newer = (Run.integration == run.integration_id) & (Run.id > run.id) & (Run.accepted == True)  # noqa: E712
    return Run.select().where((Run.merchant == run.merchant_id) & newer & (Run.state != "held")).order_by(Run.id).first()
