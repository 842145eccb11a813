"""Which files of the supplier an integration reads, which of them were read already, and which file a row of a run stands in.

A file counts as read once a run that read it was accepted; after Remove Inventory nothing counts as read. One that a person left
out counts as read too, until it changes.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from peewee import JOIN, fn

from portal import audit
from portal.connectors.selection import Choice
from portal.errors import NotFound, Refused
from portal.models import Document, Integration, Run, RunFile, database

CHUNK = 500  # paths asked for at once
LEFT_OUT = "left_out"
MARKERS = {
    "": "When its size stays the same",
    "beside": "When a marker file of the same name is beside it",
    "folder": "When a marker file is in the folder",
}


@dataclass(frozen=True)
class Known:
    """A file that was read: as it was at the supplier, and the digest of its bytes ("" when nothing is known of them)."""

    path: str
    size: int | None
    modified: datetime | None
    sha256: str


@dataclass(frozen=True)
class Placed:
    """The file and the row in it that a row number of a run means. `of_several`: the run read more than one."""

    document: Document | None
    row: int
    of_several: bool = False


def choice_of(integration: Integration) -> Choice:
    """Which files the integration reads; what was renamed after reading is not read again."""
    kept, act = integration.settings, (integration.policies or {}).get("after_read") or {}
    left_out = str(act.get("suffix") or "") if act.get("act") == "rename" else ""
    names = {name: str(kept.get(name) or otherwise) for name, otherwise in (("match", "newest"), ("pattern", "*"))}
    return Choice(**names, marker=str(kept.get("marker") or ""), marker_text=str(kept.get("marker_text") or ""), left_out=left_out)


def reads_once(integration: Integration) -> bool:
    """Whether a file that was read is never read again; else the newest one is read each time, and compared."""
    act = ((integration.policies or {}).get("after_read") or {}).get("act", "leave")
    return bool(integration.settings.get("match") == "all" or act != "leave")


def known(integration: Integration, paths: Iterable[str]) -> dict[str, list[Known]]:
    """What was read under each of the paths, in order; paths never read are absent."""
    found: dict[str, list[Known]] = {}
    wanted = list(paths)
    for start in range(0, len(wanted), CHUNK):
        of_these = RunFile.path << wanted[start : start + CHUNK]
        left_out = _of(integration).where(RunFile.kind == LEFT_OUT, of_these)
        for row in sorted([*_read(integration).where(of_these), *left_out], key=lambda row: row.id):
            found.setdefault(row.path, []).append(_known(row))
    return found


def may_leave_out(run: Run) -> bool:
    """Whether files of the run can be left out: it failed, and they stand in the way of those that come."""
    integration = Integration.get_or_none(Integration.id == run.integration_id)
    return run.state == "failed" and integration is not None and reads_once(integration)


def leave_out(run: Run, document_id: str, out: bool, who: str) -> str:
    """Have no run read a file of this failed run as long as it stays as it is, or take that back; its name.

    Raises NotFound for a document that is none of the run's, Refused when the run did not fail or its files are read anew each time.
    """
    mine = of_run(run, "file", "repeat", LEFT_OUT)
    row = next((one for one in mine if one.document is not None and one.document.public_id == document_id), None)
    if row is None or row.document is None or run.source is None:
        raise NotFound("file")
    if not may_leave_out(run):
        raise Refused("Only a file of a run that failed can be left out, and only where each file is read once. Nothing was changed.")
    with database.atomic():
        RunFile.update(kind=LEFT_OUT if out else "file").where(RunFile.id == row.id).execute()
        told = {"file": row.path, "run": run.public_id}
        action = "integration.leave_out_file" if out else "integration.read_file_after_all"
        audit.write(run.merchant, who, action, "source", run.source.public_id, before=None, after=told)
    return str(row.document.name)


def last_read(integration: Integration) -> list[Known]:
    """The files of the last accepted run that read any, in order."""
    newest = _read(integration).order_by(RunFile.run.desc()).first()
    return [] if newest is None else [_known(row) for row in _read(integration).where(RunFile.run == newest.run_id).order_by(RunFile.place)]


def is_read(one: Any, before: Sequence[Known]) -> bool:
    """Whether a listed file, or a look at one, is one of those read. A time that nobody told is no proof."""
    return any(one.modified is not None and (one.size, one.modified) == (each.size, each.modified) for each in before)


def of_run(run: Run | int, *kinds: str) -> list[RunFile]:
    """The files of a run in the order they were read, with their documents. `kinds`: all but markers when none is named."""
    rows = (
        RunFile.select(RunFile, Document)
        .join(Document, JOIN.LEFT_OUTER)
        .where(RunFile.run == run, RunFile.kind << (kinds or ("file", "repeat")))
    )
    return list(rows.order_by(RunFile.place, RunFile.id))


class Rows:
    """Finds the file that rows of a run stand in; of an acceptance those of the run it accepts."""

    def __init__(self, run: Run) -> None:
        self._files = of_run(run.settings.get("accepts", run.id), "file")
        self._starts = [file.rows_before for file in self._files]
        self._only = Document.get_or_none(Document.id == run.document_id, Document.merchant == run.merchant_id)

    def at(self, number: int) -> Placed:
        """The file and row of a row number of the run."""
        if len(self._files) < 2:
            return Placed(self._only, number)
        file = self._files[max(0, bisect_right(self._starts, number - 1) - 1)]
        return Placed(file.document, number - file.rows_before, True)

    def words(self, number: int) -> str:
        """Where the row stands: "row 12", or "row 12 of stock_2.csv" where the run read several files."""
        found = self.at(number)
        return f"row {found.row:,}" + (f" of {found.document.name}" if found.of_several and found.document else "")

    @property
    def parts(self) -> list[tuple[Document, int]]:
        """Each file of a run that read several, and what its row numbers are raised by; none of one that read one."""
        several = self._files if len(self._files) > 1 else []
        return [(file.document, file.rows_before) for file in several if file.document is not None]


def aligned(run: Run, headers: Sequence[str]) -> Callable[[int, list[str]], list[str]]:
    """place(row number of the run, its cells) -> its cells in the order of `headers`, where the run's files had other orders."""
    told = run.settings.get("part_headers") or []
    orders = [[own.index(name) if name in own else -1 for name in headers] for own in told]
    parts = list(zip((base for _, base in Rows(run).parts), orders, strict=True)) if told else []

    def place(number: int, cells: list[str]) -> list[str]:
        order = next((order for base, order in reversed(parts) if number > base), None)
        return cells if order is None else [cells[at] if 0 <= at < len(cells) else "" for at in order]

    return place


def _read(integration: Integration) -> Any:
    removed = Run.select(fn.MAX(Run.id)).where(Run.source == integration.source_id, Run.kind == "remove_inventory").scalar() or 0
    read = RunFile.kind << ("file", "repeat")
    return _of(integration).switch(RunFile).join(Run).where(read, Run.accepted == True, Run.id > removed)  # noqa: E712


def _of(integration: Integration) -> Any:
    mine = (RunFile.integration == integration) & (RunFile.path != "")
    return RunFile.select(RunFile, Document).join(Document, JOIN.LEFT_OUTER).where(mine)


def _known(row: RunFile) -> Known:
    return Known(row.path, row.size, row.modified, row.document.sha256 if row.document else "")
