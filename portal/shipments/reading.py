"""The run that reads tracking files: each new file once, its rows together by parcel, each parcel recorded.

fetch ─▶ rows (by the process that reads feeds) ─▶ mapping ─▶ notices ─▶ `record`        what cannot be used is set aside with reasons
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from itertools import islice
from typing import Any, Protocol

from portal import connections, documents, failpoints, file_looks, notice_shapes, order_mapping, read_files, readers
from portal.errors import Problem, Refused, SupplierError
from portal.fields import SHIPMENT_FIELDS, Field
from portal.intake.aside import cells_text, told
from portal.inventory import fetching
from portal.leases import Work
from portal.models import Document, Integration, MappingVersion, Run, RunFile, bulk, database
from portal.records import CellProblem, FeedFormat, Row
from portal.runs import Outcome
from portal.shipments.recording import Cause, Notice, record

CHUNK = 50  # parcels of one transaction
MOST_ROWS = 200_000
MOST_SHOWN = 50  # doubts and waiting parcels said in the run's story
_ASIDE = ("run_id", "row_number", "sku", "fatal", "problems", "cells")


Mapper = Callable[[Row], tuple[dict[str, Any] | None, list[CellProblem]]]


class Told(Protocol):
    """The rows of a file that belong together, from the first of them on."""

    row: int

    def add(self, row: int, values: Mapping[str, Any]) -> None:
        """One more row."""


@dataclass(frozen=True)
class Reader:
    """What files of one kind tell. `key`: rows with the same one belong together; `record`: takes one of them, and counts it."""

    title: str
    compile: Callable[..., Mapper]
    key: Callable[[Mapping[str, Any]], tuple[str, ...]]
    begin: Callable[[int, Mapping[str, Any]], Told]
    record: Callable[[Work, MappingVersion, Document, Any, Counter[str]], None]
    fields: Sequence[Field]
    waits: str = "unmatched"


@dataclass
class Parcel:
    """The rows of a file that speak of one parcel: our reference, its number, and units by SKU (None: all of it)."""

    row: int
    values: Mapping[str, Any]
    items: dict[str, int | None] = field(default_factory=dict)
    whole: bool = False

    def add(self, row: int, values: Mapping[str, Any]) -> None:  # noqa: ARG002 -- a parcel is of its first row
        """One more row. A row without a SKU says that the whole request went."""
        sku, quantity = values["sku"], values["quantity"]
        if not sku:
            self.whole = True
        elif quantity is None or self.items.get(sku, 0) is None:
            self.items[sku] = None
        else:
            self.items[sku] = (self.items.get(sku) or 0) + quantity

    def notice(self) -> Notice:
        """What is recorded."""
        values = self.values
        shipped = values["shipped_at"]
        return Notice(
            values["order_reference"], values["tracking_number"], () if self.whole else tuple(self.items.items()),
            carrier=values["carrier"] or "", shipped_at=datetime.combine(shipped, time()) if shipped else None,
        )  # fmt: skip


def perform(work: Work) -> Outcome:
    """Run handler of Get Shipments. Raises SupplierError for a file that cannot be read; what came before it stays recorded."""
    return read(work, SHIPMENTS)


def read(work: Work, reader: Reader) -> Outcome:
    """Bring what is new and record it. Raises SupplierError."""
    readers.make_ready()
    integration = Integration.get_by_id(work.run.integration_id)
    if connections.is_upload(integration.source) and not work.run.settings.get("document"):
        raise Refused("Nothing can be fetched from this source: its files are uploaded.")
    version = _version(work, integration, reader)
    work.stage("fetch", "bytes")
    files = [file for file in fetching.files(work, integration) if file.kind == "file"]
    if not files or _same_as_last(work, integration, files, version):
        return Outcome("no_change", accepted=bool(files))
    if work.run.document_id is None:
        work.save(document_id=files[-1].document_id)
    failpoints.reach("fetch-done")
    counts: Counter[str] = Counter(work.checkpoint.get("counts") or {})
    work.stage("parse")
    for file in files:
        _read(work, reader, version, file, counts)
    return _outcome(counts, reader)


def _version(work: Work, integration: Integration, reader: Reader) -> MappingVersion:
    """The mapping that the run began with."""
    if not work.run.mapping_version:
        work.save(mapping_version=integration.mapping_version)
    found = MappingVersion.get_or_none(MappingVersion.integration == integration, MappingVersion.number == work.run.mapping_version)
    if found is None:
        body = f"It is not set up: we do not know which column holds what. Open {reader.title} and save it once."
        raise SupplierError(Problem("not_set_up", f"{reader.title} has no mapping", body, "Edit mapping", "mapping"), permanent=True)
    return found


def _same_as_last(work: Work, integration: Integration, files: Sequence[RunFile], version: MappingVersion) -> bool:
    """Whether the one file that is always read anew holds the very bytes that were read with this mapping."""
    last = Run.get_or_none(Run.id == integration.last_accepted_run_id)
    if len(files) != 1 or read_files.reads_once(integration) or last is None or last.mapping_version != version.number:
        return False
    before = Document.get_or_none(Document.id == last.document_id)
    same = before is not None and files[0].document is not None and before.sha256 == files[0].document.sha256
    if same and before is not None:
        work.say(f"No change: {before.name} is byte for byte as when it was read last.")
    return same


def _read(work: Work, reader: Reader, version: MappingVersion, file: RunFile, counts: Counter[str]) -> None:
    """One file, from the parcel (or request) that an interruption left it at."""
    done = dict(work.checkpoint.get("parcels") or {})
    begun = int(done.get(str(file.place), -1))
    document = file.document
    assert document is not None
    base = int(RunFile.select(RunFile.rows_before).where(RunFile.id == file.id).scalar())
    parcels, aside, rows = _parcels(work, reader, version, document, base)
    if begun < 0:
        with work.transaction():
            bulk.insert("set_aside_row", _ASIDE, [tuple(row.values()) for row in aside])
            counts.update({"rows": rows, "set_aside": sum(one["fatal"] for one in aside), "noted": sum(not one["fatal"] for one in aside)})
            done[str(file.place)] = 0
            work.save_checkpoint(parcels=done, counts=dict(counts))
        _number_on(work, file, base + rows + 1)
    waiting = iter(parcels[max(begun, 0) :])
    while chunk := list(islice(waiting, CHUNK)):
        work.check_stop()
        with work.transaction():
            for parcel in chunk:
                reader.record(work, version, document, parcel, counts)
            done[str(file.place)] = int(done[str(file.place)]) + len(chunk)
            work.save_checkpoint(parcels=done, counts=dict(counts))
        failpoints.reach("shipments-chunk")
        work.progress(int(done[str(file.place)]), len(parcels))


def _record(work: Work, _: MappingVersion, document: Document, parcel: Parcel, counts: Counter[str]) -> None:
    assert work.source is not None
    cause = Cause("file", document_id=document.id, run_id=work.run.id, row=parcel.row)
    with database.atomic():
        found = record(work.source, parcel.notice(), cause)
    counts[found.kind] += 1
    if found.kind == "unmatched" and counts["unmatched"] <= MOST_SHOWN:
        work.say(f"Row {parcel.row}: {found.words}", "warning")
    elif found.doubt:
        counts["doubtful"] += 1
        if counts["doubtful"] <= MOST_SHOWN:
            work.say(f"Row {parcel.row}: {found.doubt} The shipment was recorded.", "warning")


def _parcels(
    work: Work, reader: Reader, version: MappingVersion, document: Document, base: int
) -> tuple[list[Told], list[dict[str, Any]], int]:
    """(the parcels of a file in the order of their first rows, rows to set aside or noted, rows in all). Raises SupplierError."""
    path = documents.path_of(document)
    kept = Integration.get_by_id(work.run.integration_id).settings.get("format")
    form = FeedFormat(**kept) if kept else notice_shapes.shape(path, document.name, reader.fields)
    found: dict[tuple[str, ...], Told] = {}
    aside: list[dict[str, Any]] = []
    count = 0
    with file_looks.rows_of(path, form, 0) as (headers, rows):
        absent = _left_out(form, version, headers)
        mapper = _only_whole(form, version, headers, reader.compile(version.rules, [*headers, *absent], form.decimal_mark))
        for row in _bounded(rows, document):
            row = row._replace(cells=[*row.cells, *absent.values()]) if absent else row
            count += 1
            values, problems = mapper(row)
            if problems:
                aside.append(_aside(work, row, base, values, problems))
            if values is not None:
                at = row.number + base
                found.setdefault(reader.key(values), reader.begin(at, values)).add(at, values)
            if not count % 1_000:
                work.progress(count)
    return list(found.values()), aside, count


def _left_out(form: FeedFormat, version: MappingVersion, headers: Sequence[str]) -> dict[str, str]:
    """{column that is mapped: ""} of those that no item has: what such a document leaves out is empty, where a table lacks a column."""
    wanted = order_mapping.needed_shipment_columns(version.rules) if form.kind in notice_shapes.KINDS else ()
    return dict.fromkeys((one for one in wanted if one not in headers), "")


def _only_whole(form: FeedFormat, version: MappingVersion, headers: Sequence[str], mapper: Mapper) -> Mapper:
    """Sets an item aside that has more lines, or parcels, than its columns can hold: nothing of it is left out in silence."""
    wanted = order_mapping.needed_shipment_columns(version.rules) if form.kind in notice_shapes.KINDS else ()
    repeated = {one: again for one in wanted if (again := notice_shapes.repeats(one, headers))}
    if not repeated:
        return mapper

    def judged(row: Row) -> tuple[dict[str, Any] | None, list[CellProblem]]:
        for column, again in repeated.items():
            if any(row.cells[n].strip() for n in again):
                said = f"The item has more than one {column.rpartition('.')[0]}, and only the first could be read"
                return None, [*row.problems, CellProblem("", column, "", said)]
        return mapper(row)

    return judged


def _bounded(rows: Iterator[Row], document: Document) -> Iterator[Row]:
    for n, row in enumerate(rows):
        if n >= MOST_ROWS:
            body = f"{document.name} has more than {MOST_ROWS:,} rows. Ask the supplier for files of what is new."
            raise SupplierError(Problem("too_large", "The file is too long", body, "Choose the files", "file"), permanent=True)
        yield row


def _aside(work: Work, row: Row, base: int, values: Mapping[str, Any] | None, problems: Sequence[CellProblem]) -> dict[str, Any]:
    whole = (
        work.run.id,
        row.number + base,
        str((values or {}).get("sku") or "")[:120],
        int(values is None),
        told(problems),
        cells_text(row.cells),
    )
    return dict(zip(_ASIDE, whole, strict=True))


def _number_on(work: Work, file: RunFile, base: int) -> None:
    """Rows of the next file are numbered on from those of this one."""
    RunFile.update(rows_before=base).where(RunFile.run == work.run.id, RunFile.place > file.place).execute()


def _outcome(counts: Counter[str], reader: Reader) -> Outcome:
    state = "warnings" if counts["set_aside"] or counts[reader.waits] else "finished"
    return Outcome(state, dict(counts), accepted=True)


SHIPMENTS = Reader(
    "Get Shipments",
    order_mapping.compile_shipments,
    lambda values: (values["order_reference"], values["tracking_number"]),
    Parcel,
    _record,
    SHIPMENT_FIELDS,
)
