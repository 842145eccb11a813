"""A source whose feed a test writes row by row, imported as a run does it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from portal import documents, runs
from portal.inventory import accepting, dry_run, sync
from portal.inventory.dry_run import Choice
from portal.models import Integration, InventoryChange, InventoryItem, MappingVersion, PlanRow, Run, SetAsideRow, Source, StagedRow

HEADERS = ["item_no", "name", "maker", "qty", "price"]
RULES: dict[str, Any] = {
    "fields": {
        "sku": {"columns": ["item_no"]},
        "title": {"columns": ["name"]},
        "brand": {"columns": ["maker"]},
        "quantity": {"columns": ["qty"]},
        "cost": {"columns": ["price"]},
    },
    "duplicates": "last",
}
HANDLERS = {"inventory": sync.perform, "accept_removals": accepting.accept_removals, "dry_run": dry_run.perform}
FORMAT = {"kind": "delimited", "delimiter": ",", "quote": '"', "encoding": "utf-8", "header_row": 1, "decimal_mark": "."}


def rows_of(count: int, quantity: int = 5, start: int = 0) -> list[list[Any]]:
    """`count` rows SKU-00000 … in the columns of HEADERS."""
    return [[f"SKU-{n:05}", f"Lamp {n}", "Kestrel", quantity, f"{n % 90 + 1}.50"] for n in range(start, start + count)]


def text_of(rows: Sequence[Sequence[Any]], headers: Sequence[str] = HEADERS) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(headers)
    writer.writerows(rows)
    return out.getvalue().encode()


class Feed:
    """The Get Inventory integration of an upload source, mapped and switched on; `kind` is Primary unless another is said."""

    def __init__(self, source: Source, kind: str = "get_inventory_primary", **rules: Any) -> None:
        Source.update(supplier="file-upload", state="live").where(Source.id == source.id).execute()
        self.source = Source.get_by_id(source.id)
        settings = {"format": FORMAT}
        self.integration = Integration.create(source=self.source, kind=kind, enabled=True, settings=settings)
        self.map(**rules)

    def map(self, headers: Sequence[str] = HEADERS, **rules: Any) -> None:
        """A new mapping version: RULES with `rules` in their place."""
        number = self.integration.mapping_version + 1
        MappingVersion.create(integration=self.integration, number=number, rules={**RULES, **rules}, headers=list(headers))
        self.integration = Integration.get_by_id(self.integration.id)
        self.integration.mapping_version = number
        self.integration.save()

    def policy(self, **parts: Any) -> None:
        """Set parts of the integration's policies."""
        kept = Integration.get_by_id(self.integration.id).policies
        Integration.update(policies={**kept, **parts}).where(Integration.id == self.integration.id).execute()

    def start(self, rows: Sequence[Sequence[Any]] | bytes, headers: Sequence[str] = HEADERS, modified: datetime | None = None) -> Run:
        """Queue a run of a file that holds these rows."""
        raw = rows if isinstance(rows, bytes) else text_of(rows, headers)
        document = documents.store_upload(self.source, io.BytesIO(raw), "stock.csv")
        document.modified = modified
        document.save()
        return runs.start_sync(Integration.get_by_id(self.integration.id), settings={"document": document.id})

    def sync(self, rows: Sequence[Sequence[Any]] | bytes, headers: Sequence[str] = HEADERS, modified: datetime | None = None) -> Run:
        """Import a file that holds these rows; the run as it ended."""
        run = self.start(rows, headers, modified)
        runs.work_available(HANDLERS)
        return Run.get_by_id(run.id)

    def dry_run(self, rows: Sequence[Sequence[Any]] | bytes | None = None, headers: Sequence[str] = HEADERS, **choice: Any) -> Run:
        """Dry run a file that holds these rows, or what `choice` says; the run as it ended."""
        if rows is not None:
            raw = rows if isinstance(rows, bytes) else text_of(rows, headers)
            choice["document"] = documents.store_upload(self.source, io.BytesIO(raw), "stock.csv", origin=dry_run.ORIGIN)
        if "rules" in choice:
            choice["headers"] = headers
        run = dry_run.start(Integration.get_by_id(self.integration.id), Choice(**choice), "ana@harbor.example")
        runs.work_available(HANDLERS)
        return Run.get_by_id(run.id)

    def sync_with(self, dry: Run) -> Run:
        """Start a sync of a dry run's file; the run as it ended."""
        run = dry_run.start_sync(dry, "ana@harbor.example")
        runs.work_available(HANDLERS)
        return Run.get_by_id(run.id)

    def items(self) -> dict[str, InventoryItem]:
        """The source's items by SKU."""
        return {row.sku: row for row in InventoryItem.select().where(InventoryItem.source == self.source)}

    def quantities(self) -> dict[str, int | None]:
        return {sku: row.quantity for sku, row in self.items().items()}


def journal(run: Run) -> dict[str, tuple[str, Any, Any]]:
    """SKU -> (action, before, after) of one run."""
    changes = InventoryChange.select().where(InventoryChange.run == run.id)
    return {row.sku: (row.action, row.before, row.after) for row in changes}


def aside(run: Run) -> dict[int, SetAsideRow]:
    return {row.row_number: row for row in SetAsideRow.select().where(SetAsideRow.run == run.id)}


def leftovers() -> tuple[int, int]:
    """Staged rows and plan rows in the whole database."""
    return StagedRow.select().count(), PlanRow.select().count()
