"""A source made for a file of the operator's disk, mapped by its headers."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from portal import clock, directory, documents, file_looks, mappings, matching, setup_steps, sources
from portal.errors import Problem, SupplierError
from portal.fields import INVENTORY_FIELDS
from portal.models import Document, Integration, Merchant, database

KIND = "get_inventory_primary"
SAMPLED = 200


def create(merchant: Merchant, name: str, path: Path, who: str) -> tuple[Integration, Document]:
    """A live File upload source whose columns are matched by header and look, all or nothing."""
    with database.atomic():
        source = sources.create(merchant, name, "dropship_supplier", who)
        directory.select(source, "file-upload", True, source.version, who)
        integration = sources.integration(source, KIND)
        document = documents.store_file(source, path)
        _map(integration, document, path, who)
        for step in setup_steps.STEPS:
            setup_steps.mark(source, step)
        fresh = sources.find(merchant, source.public_id)
        live = sources.change(fresh, fresh.version, who, "source.activate", state="live", activated_at=clock.now())
        Integration.update(enabled=True).where(Integration.id == integration.id).execute()
    return sources.integration(live, KIND), document


def _map(integration: Integration, document: Document, path: Path, who: str) -> None:
    """Read the file as detected, and map it by what its headers and values look like. Raises SupplierError without a SKU column."""
    form = file_looks.detect(path, document.name).format
    headers, rows = file_looks.preview(path, form, SAMPLED)
    cells = [row.cells for row in rows]
    matches = matching.propose(INVENTORY_FIELDS, headers, cells)
    if not any(match.field == "sku" and match.column for match in matches):
        body = f"{path.name} has: {', '.join(headers)[:200]}. Create the source in the portal and map it there."
        raise SupplierError(Problem("columns_missing", "No column looks like a SKU", body, "Edit the mapping", "mapping"))
    Integration.update(settings={**integration.settings, "format": asdict(form)}, sample_document_id=document.id).where(
        Integration.id == integration.id
    ).execute()
    rules = matching.rules_from(matches, headers, cells, form.decimal_mark)
    mappings.save(sources.integration(integration.source, KIND), rules, headers, who)
