"""Rows that were set aside, mended by a person: a file to mend, and the run that takes in what comes back. Each row is taken once.

Mended rows go through the mapping version of the run that set them aside. They add and change, and never remove. They hold until
the supplier's own row changes: a feed whose row is still the same is not asked again, and one without a SKU keeps the one it was given
(see mended).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import IO, Any

from portal import clock, documents, failpoints, file_looks, mapping, read_files, runs
from portal.errors import Problem, Refused, SupplierError
from portal.exclusions.keeping import Keeping, finish
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import duplicates, item_roles, lineage, mended, role_sql, roles, stale
from portal.inventory.apply import UNKNOWN_HASH
from portal.inventory.export import RISKY
from portal.leases import Work
from portal.models import InventoryChange, InventoryItem, MappingVersion, Run, SetAsideRow, Source, bulk
from portal.models.database import is_postgres
from portal.records import CellProblem, FeedFormat, Row
from portal.runs import Outcome

CHUNK = 500
MOST_ROWS = 50_000
ROW, WHAT, WHY = "Quayside row", "Quayside result", "Quayside reasons"
OURS = (ROW, WHAT, WHY)
_QUANTITY, _STORES = INVENTORY_COLUMNS.index("quantity"), INVENTORY_COLUMNS.index("warehouses")
FED = ("add", "change", "zero", "back", "missing", "note")

_JOURNAL = ("merchant_id", "source_id", "run_id", "item_id", "sku", "action", "row_number", "before", "after", "at")
_ASIDE = ("run_id", "row_number", "sku", "fatal", "problems", "cells")
_ITEM = (
    "public_id", "merchant_id", "source_id", "content_hash", "last_run_id", "last_row", "added_run_id", "added_row", "pinned",
    "archived_by", "added_at", "changed_at", *INVENTORY_COLUMNS,
)  # fmt: skip


@dataclass
class Tally:
    """What became of the rows so far; `upto`: the last row of the file that was looked at."""

    upto: int = 0
    rows: int = 0
    new: int = 0
    changed: int = 0
    unchanged: int = 0
    already_accepted: int = 0
    set_aside: int = 0

    def counts(self) -> dict[str, int]:
        """As the run shows them."""
        return {name: value for name, value in asdict(self).items() if name != "upto"}


@dataclass
class _Chunk:
    """What one chunk writes: accepted rows by SKU, the list rows they use, those of them that had no SKU, and rows that go back."""

    accepted: dict[str, tuple[Row, tuple[Any, ...]]] = field(default_factory=dict)
    used: list[int] = field(default_factory=list)
    named: dict[int, str] = field(default_factory=dict)
    refused: list[tuple[Row, str, list[CellProblem]]] = field(default_factory=list)


def open_rows(run: Run) -> int:
    """How many rows of the run wait for a person: set aside or left without a value, and not yet mended."""
    if run.kind != "inventory" or run.integration_id is None or run.source is None or run.source.state == "deleted":
        return 0
    return int(SetAsideRow.select().where(SetAsideRow.run == run.id, SetAsideRow.used_run_id.is_null()).count())


def to_mend_csv(run: Run) -> Iterator[str]:
    """The open rows of a run under the headers of its file, each with its number and every reason before them."""
    headers, whole = mended.headers_of(run), _whole_cells(run)
    place = read_files.aligned(run, headers)
    yield _line([*OURS, *headers])
    last = 0
    while True:
        waiting = SetAsideRow.select().where(SetAsideRow.run == run.id, SetAsideRow.row_number > last, SetAsideRow.used_run_id.is_null())
        rows = list(waiting.order_by(SetAsideRow.row_number).limit(CHUNK))
        for row in rows:
            what = "Row set aside" if row.fatal else "Value left out"
            reasons = "; ".join(f"{one.get('column') or one['field']}: {one['reason']}" for one in row.problems)
            yield _line(
                [row.row_number, what, reasons, *_fitted(place(row.row_number, whole.get(row.row_number, row.cells)), len(headers))]
            )
        if len(rows) < CHUNK:
            return
        last = rows[-1].row_number


def start(run: Run, stream: IO[bytes], name: str, who: str) -> tuple[Run, bool]:
    """Take in an uploaded file of mended rows: (the run that does, True); or (the run that took this very file, False).

    Raises Refused when nothing of the run waits, SupplierError for an empty or too large file, AlreadyRunning.
    """
    if run.source is None or run.integration is None or run.kind != "inventory":
        raise Refused("Only a run that read a feed has rows to mend.")
    document = documents.store_upload(run.source, stream, name, origin="fixes")
    for earlier in Run.select().where(Run.source == run.source_id, Run.kind == "fixed_rows", Run.id > run.id).order_by(Run.id.desc()):
        same = earlier.settings.get("fixes") == run.id and earlier.settings.get("sha256") == document.sha256
        if same and earlier.state in ("queued", "running", "finished"):
            return earlier, False
    if not open_rows(run):
        raise Refused("No row of this run waits to be mended: all of them were accepted already.")
    settings = {"document": document.id, "fixes": run.id, "sha256": document.sha256}
    return runs.start(run.source, "fixed_rows", integration=run.integration, started_by=who, cause="upload", settings=settings), True


def perform(work: Work) -> Outcome:
    """Run handler: take in mended rows, a chunk a transaction. Raises SupplierError for a file that cannot be read as such rows."""
    told, tally = work.run.settings, Tally(**work.checkpoint.get("tally", {}))
    listed = Run.get_by_id(told["fixes"])
    version = MappingVersion.get(MappingVersion.integration == listed.integration_id, MappingVersion.number == listed.mapping_version)
    document = documents.find_unscoped(told["document"])
    work.save(document_id=document.id, mapping_version=listed.mapping_version)
    work.stage("apply")
    path = documents.path_of(document)
    form = replace(file_looks.detect(path, document.name).format, header_row=1)
    with file_looks.rows_of(path, form, tally.upto) as (headers, rows):
        taking = Taking(work, listed, version.rules, headers)
        while some := list(islice(rows, CHUNK)):
            work.look_for_stop()
            if tally.rows + len(some) > MOST_ROWS:
                raise _not_ours(f"It holds more than {MOST_ROWS:,} rows.")
            with work.transaction():
                taking.take(some, tally)
                work.save_checkpoint(tally=asdict(tally), kept=taking.kept)
                work.save(counts=tally.counts())
            failpoints.reach("applied-chunk")
            work.progress(tally.rows)
            bulk.pause()
    _count_items(work)
    kept = {name: number for name, number in work.checkpoint.get("kept", {}).items() if number} | finish(work)
    return _outcome(work, tally, kept)


class Taking:
    """Takes chunks of mended rows for the run `listed`, whose list they must be of."""

    def __init__(self, work: Work, listed: Run, rules: Mapping[str, Any], headers: Sequence[str]) -> None:
        if ROW not in headers:
            raise _not_ours(f"It has no column “{ROW}”, which tells the row it mends.")
        self.work, self.listed, self.run = work, listed, work.run
        self.at = headers.index(ROW)
        mark = (listed.settings.get("format") or {}).get("decimal_mark", ".")
        self.by_warehouse = bool(rules.get("warehouse_rows"))
        self.role = roles.of(listed)
        self.mapper = mapping.compile_rules(self.role.within(rules), headers, mark)
        self.locks = role_sql.kept(self.role, pins=True)
        self.kept = dict(work.checkpoint.get("kept", {}))
        self.keeping = Keeping(self.run, self._count)

    def _count(self, name: str, number: int) -> None:
        self.kept[name] = self.kept.get(name, 0) + number

    def take(self, rows: Sequence[Row], tally: Tally) -> None:
        """Judge the rows and write what is accepted, in the transaction that is open."""
        self.keeping.look()
        plain = [Row(row.number, [_unguarded(cell) for cell in row.cells], row.problems) for row in rows]
        chunk = self._judge(plain, tally)
        items = self._items(chunk)
        self._add([one for sku, one in chunk.accepted.items() if sku not in items], tally)
        self._change([(items[sku], *one) for sku, one in chunk.accepted.items() if sku in items], tally)
        if chunk.used:
            mine = (SetAsideRow.run == self.listed.id) & (SetAsideRow.row_number << chunk.used)
            SetAsideRow.update(used_run_id=self.run.id).where(mine).execute()
        for number, sku in chunk.named.items():
            SetAsideRow.update(sku=sku).where(SetAsideRow.run == self.listed.id, SetAsideRow.row_number == number).execute()
        self._report(chunk, tally)
        tally.rows += len(rows)
        tally.upto = rows[-1].number

    def _judge(self, rows: Sequence[Row], tally: Tally) -> _Chunk:
        numbers = {row.number: _number(row.cells[self.at]) for row in rows}
        wanted = [number for number in numbers.values() if number is not None]
        listed = SetAsideRow.select().where(SetAsideRow.run == self.listed.id, SetAsideRow.row_number << wanted)
        known = {one.row_number: one for one in (listed if wanted else [])}
        chunk = _Chunk()
        for row in rows:
            number = numbers[row.number]
            waiting = known.get(number) if number is not None else None
            if waiting is None:
                chunk.refused.append((row, "", [_problem(row, self.at, f"Not a row that run {self.listed.number:,} set aside")]))
            elif waiting.used_run_id is not None or waiting.row_number in chunk.used:
                tally.already_accepted += 1
            else:
                self._accept(row, waiting, chunk)
        return chunk

    def _accept(self, row: Row, waiting: SetAsideRow, chunk: _Chunk) -> None:
        values, problems = self.mapper(row)
        if values is None or (problems and not waiting.fatal):
            chunk.refused.append((row, values[0] if values else waiting.sku, list(problems)))
            return
        sku, beside = values[0], self._beside(chunk, values)
        if waiting.sku and sku != waiting.sku and not any(one["field"] == "sku" for one in waiting.problems):
            reason = f"This row was for {waiting.sku}, and its SKU was not what was wrong"
        elif not self.role.adds and not self._is_known(sku):
            reason = "No item of the source has this SKU, and this feed never adds items"
        elif not beside and (sku in chunk.accepted or self._written(sku)):
            reason = "Another row that was mended has the same SKU"
        else:
            reason = self._superseded(sku)
        if reason:
            chunk.refused.append((row, sku, [CellProblem("sku", "", sku, reason)]))
            return
        if earlier := chunk.accepted.get(sku):
            row, values = earlier[0], self._joined(earlier[1], values)
        chunk.accepted[sku] = (row, values)
        chunk.used.append(waiting.row_number)
        if not waiting.sku:
            chunk.named[waiting.row_number] = sku

    def _is_known(self, sku: str) -> bool:
        return InventoryItem.select().where(InventoryItem.source == self.run.source_id, InventoryItem.sku == sku).exists()

    def _beside(self, chunk: _Chunk, values: tuple[Any, ...]) -> bool:
        """Whether rows are of one warehouse each, and this one's was not mended in this chunk yet."""
        if not self.by_warehouse or values[_STORES] is None:
            return False
        earlier = chunk.accepted.get(values[0])
        return earlier is None or not json.loads(earlier[1][_STORES] or "{}").keys() & json.loads(values[_STORES]).keys()

    def _joined(self, held: Sequence[Any], values: tuple[Any, ...]) -> tuple[Any, ...]:
        """The values with the warehouses that were known before beside their own."""
        quantity, stores = duplicates.with_others(held[_STORES], values[_STORES])
        joined = list(values)
        joined[_QUANTITY], joined[_STORES] = quantity, stores
        return tuple(joined)

    def _written(self, sku: str) -> bool:
        """Whether this run has written the SKU in an earlier chunk."""
        item = InventoryItem.get_or_none(InventoryItem.source == self.run.source_id, InventoryItem.sku == sku)
        if item is None:
            return False
        lines = InventoryChange.select().where(InventoryChange.run == self.run.id, InventoryChange.item_id == item.id)
        return item.added_run_id == self.run.id or lines.exists()

    def _superseded(self, sku: str) -> str:
        """Why a newer feed's word counts instead; "" when none spoke of the item since."""
        item = InventoryItem.get_or_none(InventoryItem.source == self.run.source_id, InventoryItem.sku == sku)
        if item is None:
            return ""
        newer = InventoryChange.select(InventoryChange.run).where(
            InventoryChange.item_id == item.id, InventoryChange.run > self.listed.id, InventoryChange.action << FED
        )
        last = newer.order_by(InventoryChange.id.desc()).first()
        run_id = last.run_id if last else item.added_run_id
        if run_id <= self.listed.id:
            return ""
        return f"Run {Run.get_by_id(run_id).number:,} wrote this item since"

    def _items(self, chunk: _Chunk) -> dict[str, InventoryItem]:
        if not chunk.accepted:
            return {}
        rows = InventoryItem.select().where(InventoryItem.source == self.run.source_id, InventoryItem.sku << list(chunk.accepted))
        rows = rows.order_by(InventoryItem.id)
        return {item.sku: item for item in (rows.for_update() if is_postgres() else rows)}

    def _add(self, accepted: Sequence[tuple[Row, tuple[Any, ...]]], tally: Tally) -> None:
        run, now = self.run, clock.now()
        new_id = InventoryItem._meta.fields["public_id"].default
        rows = [
            (new_id(), run.merchant_id, run.source_id, UNKNOWN_HASH, run.id, row.number, run.id, row.number, 0, "", now, now, *values)
            for row, values in accepted
        ]
        last, kept = self.keeping.adding(len(rows)) if self.keeping.active else (0, 0)
        bulk.insert("inventory_item", _ITEM, rows)
        if rows and self.keeping.active:
            self.keeping.added(last, kept, len(rows))
        tally.new += len(rows)

    def _change(self, accepted: Sequence[tuple[InventoryItem, Row, tuple[Any, ...]]], tally: Tally) -> None:
        now, lines, standings = clock.now(), [], item_roles.of([item.id for item, _, _ in accepted], self.role, self.locks)
        for item, row, values in accepted:
            if self.by_warehouse and values[_STORES] is not None:
                values = self._joined([getattr(item, name) for name in INVENTORY_COLUMNS], values)
            given, (locks, stands) = dict(zip(INVENTORY_COLUMNS, values, strict=True)), standings[item.id]
            free = [name for name in self.role.columns if not locks >> INVENTORY_COLUMNS.index(name) & 1]
            after = {name: given[name] for name in free if getattr(item, name) != given[name]}
            after |= {name: value for name, value in stands.items() if getattr(item, name) != value}
            if not after:
                tally.unchanged += 1
                continue
            before = {name: lineage.told(getattr(item, name)) for name in after}
            zero = "quantity" in after and (before["quantity"] or 0) > 0 and not after["quantity"]
            noted = after.keys() <= set(lineage.NOTES)
            action = "back" if set(lineage.TIMES) & after.keys() else "zero" if zero else "note" if noted else "change"
            self._write(item, row, after)
            lines.append(
                (item.merchant_id, item.source_id, self.run.id, item.id, item.sku, action, row.number, _json(before), _json(after), now)
            )
        bulk.insert("inventory_change", _JOURNAL, lines)
        if lines and self.keeping.active:
            self.keeping.judge_those([line[3] for line in lines])
            self.keeping.wait_again([item.id for item, _, _ in accepted if item.archived_at is not None])
        tally.changed += len(lines)

    def _write(self, item: InventoryItem, row: Row, after: Mapping[str, Any]) -> None:
        sets = "".join(f'"{name}" = ?, ' for name in after)
        sql = f"""
            UPDATE inventory_item SET {sets}content_hash = {UNKNOWN_HASH}, last_run_id = ?, last_row = ?, changed_at = ? WHERE id = ?"""
        bulk.run(sql, (*after.values(), self.run.id, row.number, clock.now(), item.id))

    def _report(self, chunk: _Chunk, tally: Tally) -> None:
        rows = [
            (self.run.id, row.number, sku or "", 1, _json([asdict(one) for one in problems]), _json([cell[:500] for cell in row.cells]))
            for row, sku, problems in chunk.refused
        ]
        bulk.insert("set_aside_row", _ASIDE, rows)
        tally.set_aside += len(rows)


def _outcome(work: Work, tally: Tally, kept: Mapping[str, int]) -> Outcome:
    if tally.already_accepted:
        work.say(f"{tally.already_accepted:,} of {tally.rows:,} rows were accepted already, and were not taken again.")
    if tally.set_aside:
        work.say(f"{tally.set_aside:,} rows still cannot be used. They wait on the list of the run that set them aside.", "warning")
    return Outcome("warnings" if tally.set_aside else "finished", {**tally.counts(), **kept})


def _count_items(work: Work) -> None:
    with work.transaction():
        items = InventoryItem.select().where(InventoryItem.source == work.run.source_id).count()
        Source.update(item_count=items).where(Source.id == work.run.source_id).execute()
        stale.forget_counts(work.run.source_id)


def _whole_cells(run: Run) -> dict[int, list[str]]:
    """Row number -> all of its cells, of open rows with a cell that was kept only in part."""
    waiting = SetAsideRow.select().where(SetAsideRow.run == run.id, SetAsideRow.used_run_id.is_null())
    cut = {row.row_number for row in waiting if any(len(cell) >= 500 for cell in row.cells) or not row.cells}
    if not cut or run.document_id is None:
        return {}
    found: dict[int, list[str]] = {}
    for document, base in read_files.Rows(run).parts or [(documents.find_unscoped(run.document_id), 0)]:
        if document.stored_name is not None:
            here = [number - base for number in cut if number > base]
            told = file_looks.cells(documents.path_of(document), FeedFormat(**run.settings["format"]), here)
            found |= {number + base: cells for number, cells in told.items()}
    return found


def _fitted(cells: Sequence[str], width: int) -> list[str]:
    return [*cells, *[""] * (width - len(cells))][:width]


def _line(values: Iterable[Any]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow([_guarded(str(value)) for value in values])
    return out.getvalue()


def _guarded(text: str) -> str:
    """A cell that no spreadsheet runs; `_unguarded` gives the very text back."""
    return "'" + text if text.lstrip(" '").startswith(RISKY) else text


def _unguarded(text: str) -> str:
    return text[1:] if text.startswith("'") and text.lstrip(" '").startswith(RISKY) else text


def _number(text: str) -> int | None:
    digits = text.strip().removesuffix(".0").replace(",", "")
    return int(digits) if digits.isdecimal() and len(digits) < 10 else None


def _problem(row: Row, at: int, reason: str) -> CellProblem:
    return CellProblem("", ROW, row.cells[at][:200], reason)


def _json(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _not_ours(fact: str) -> SupplierError:
    body = f"{fact} Download the rows to mend on the run's page, change that file and upload it. Nothing was written."
    return SupplierError(Problem("other_format", "This is not a file of mended rows", body), permanent=True)
