"""Rows without a usable SKU to which a person gave one: what the next files are read with, so that they hold until such a row changes.

The file still has the blank. A row whose mapped cells are those that were mended stands for the item that it became: the item is in
the file as it is, nothing of it is written, and the row is not set aside again. Once the row changes or goes, the item is missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from portal import documents, file_looks, read_files
from portal.errors import NotFound
from portal.inventory.role_sql import lacked_by
from portal.leases import Work
from portal.models import Integration, MappingVersion, Run, SetAsideRow, bulk
from portal.records import FeedFormat

ASKED = 500


def headers_of(run: Run) -> list[str]:
    """The headers that the run kept; of one that kept none those of its file, and once that was erased, those its mapping was made on."""
    if kept := run.settings.get("headers"):
        return list(kept)
    try:
        path = documents.path_of(documents.find_unscoped(run.document_id))
        return file_looks.headers(path, FeedFormat(**run.settings["format"]))
    except (NotFound, FileNotFoundError, KeyError):
        version = MappingVersion.get_or_none(MappingVersion.integration == run.integration_id, MappingVersion.number == run.mapping_version)
        return list(version.headers) if version else []


def named(work: Work) -> list[dict[str, Any]]:
    """Of each run whose rows without a SKU were mended: {"headers", "rows": [[cells, SKU]]}, the newest run first.

    Only items that the source still has and that this feed does not lack: what was reverted or went is set aside anew.
    """
    mending = Run.select(Run.settings).where(Run.integration == work.run.integration_id, Run.kind == "fixed_rows", Run.id < work.run.id)
    listed = sorted({int(run.settings["fixes"]) for run in mending}, reverse=True)
    found = []
    for run_id in listed:
        rows = list(_of_run(run_id))
        here = _in_the_feed(work, [row.sku for row in rows])
        rows = [row for row in rows if row.sku in here]
        if rows:
            run = Run.get_by_id(run_id)
            headers = headers_of(run)
            place = read_files.aligned(run, headers)
            found.append({"headers": headers, "rows": [[place(row.row_number, row.cells), row.sku] for row in rows]})
    return found


def _of_run(run_id: int) -> Iterator[SetAsideRow]:
    taken = SetAsideRow.select().where(SetAsideRow.run == run_id, SetAsideRow.used_run_id.is_null(False), SetAsideRow.fatal == 1)
    for row in taken.order_by(SetAsideRow.row_number):
        if row.sku and any(problem["field"] == "sku" for problem in row.problems):
            yield row


def _in_the_feed(work: Work, skus: list[str]) -> set[str]:
    lacked = lacked_by(Integration.get_by_id(work.run.integration_id).kind)
    found: set[str] = set()
    for start in range(0, len(skus), ASKED):
        some = skus[start : start + ASKED]
        marks = ", ".join("?" * len(some))
        sql = f"SELECT i.sku FROM inventory_item i WHERE i.source_id = ? AND i.sku IN ({marks}) AND i.archived_at IS NULL AND NOT {lacked}"
        found |= {row[0] for row in bulk.run(sql, (work.run.source_id, *some))}
    return found
