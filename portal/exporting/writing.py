"""The zip itself: written piece by piece, so that a million rows take no more memory than two thousand."""

from __future__ import annotations

import base64
import csv
import io
import json
import shutil
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import IO, Any

from peewee import ForeignKeyField, Tuple

from portal import belonging, clock, documents
from portal.errors import NotFound
from portal.exporting.sheets import LEFT_OUT, SHEETS, Sheet
from portal.inventory import export
from portal.models import Document, InventoryItem, Merchant, Source

CHUNK = 2_000
BLOCK = 1 << 20


def write(
    zipped: zipfile.ZipFile, merchant: Merchant, with_files: bool, told: Callable[[int], None], sheets: Sequence[Sheet] = SHEETS
) -> dict[str, int]:
    """Everything of the merchant into the open zip; {path in it: rows}. `told` hears of each chunk, and may raise to end it."""
    counts: dict[str, int] = {}
    for sheet in sheets:
        with zipped.open(sheet.name, "w", force_zip64=True) as raw:
            counts[sheet.name] = _sheet(raw, sheet, merchant, told)
    missing = _raw_files(zipped, merchant, told, counts) if with_files else []
    zipped.writestr("README.txt", readme(merchant, counts, with_files, missing, sheets))
    return counts


def _sheet(raw: IO[bytes], sheet: Sheet, merchant: Merchant, told: Callable[[int], None]) -> int:
    fields = fields_of(sheet)
    names = [_name(one, fields) for one in fields]
    out = io.TextIOWrapper(raw, "utf-8", newline="", write_through=True)
    plain = sheet.name.endswith(".csv")
    writer = csv.writer(out, lineterminator="\r\n")
    if plain:
        writer.writerow(names)
    count = 0
    for rows in _chunks(sheet, fields, merchant):
        ids = {one.name: _public_ids(one, [row[place] for row in rows]) for place, one in enumerate(fields)}
        for row in rows:
            values = [_shown(sheet, one.name, value, ids[one.name]) for one, value in zip(fields, row, strict=False)]
            if plain:
                writer.writerow([export.cell_for_people(_flat(value)) for value in values])
            else:
                out.write(json.dumps(dict(zip(names, values, strict=True)), default=_flat) + "\n")
        count += len(rows)
        told(len(rows))
    out.detach()
    return count


def fields_of(sheet: Sheet) -> list[Any]:
    """The columns that are in it, without what would be the same in each row."""
    return [one for one in sheet.table._meta.sorted_fields if one.name not in sheet.but and one.name != "merchant"]


def _name(one: Any, fields: Sequence[Any]) -> str:
    """`id` is what names a row everywhere; the number of a row, which few other columns hold, is its `row`."""
    public = any(other.name == "public_id" for other in fields)
    return str({"public_id": "id", "id": "row" if public else "id"}.get(one.name, one.name))


def _public_ids(one: Any, keys: Sequence[Any]) -> Mapping[Any, str]:
    """What other rows are named by, of those that a column leads to."""
    if not isinstance(one, ForeignKeyField) or not hasattr(one.rel_model, "public_id"):
        return {}
    key = one.rel_model._meta.primary_key
    found = one.rel_model.select(key, one.rel_model.public_id).where(key << {value for value in keys if value is not None})
    return dict(list(found.tuples()))


def _chunks(sheet: Sheet, fields: Sequence[Any], merchant: Merchant) -> Iterator[list[tuple[Any, ...]]]:
    keys = belonging.key_of(sheet.table)
    chosen = [*fields, *(one.alias(f"key_{place}") for place, one in enumerate(keys))]
    query = sheet.table.select(*chosen).where(belonging.rows(sheet.table, merchant.id)).order_by(*keys)
    last: tuple[Any, ...] = ()
    while True:
        rows: list[Any] = list((query.where(Tuple(*keys) > Tuple(*last)) if last else query).limit(CHUNK).tuples())
        if rows:
            yield rows
        if len(rows) < CHUNK:
            return
        last = rows[-1][-len(keys) :]


def _shown(sheet: Sheet, name: str, value: Any, ids: Mapping[Any, str]) -> Any:
    if ids and value is not None:
        return ids.get(value, value)
    if sheet.table is InventoryItem:
        return export.shown(name, value)
    if name in sheet.money and value is not None:
        return f"{'-' if value < 0 else ''}{abs(value) // 10_000}.{abs(value) % 10_000:04d}"
    return value


def _flat(value: Any) -> Any:
    """A value as a cell or as JSON holds it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return json.dumps(value) if isinstance(value, dict | list) else value


def _raw_files(zipped: zipfile.ZipFile, merchant: Merchant, told: Callable[[int], None], counts: dict[str, int]) -> list[str]:
    """Each raw file that is kept; the names of those that are nowhere any more."""
    missing, last = [], 0
    counts["files/"] = 0
    while True:
        kept = Document.select(Document, Source).join(Source).where(Document.merchant == merchant.id, Document.stored_name.is_null(False))
        found = list(kept.where(Document.id > last).order_by(Document.id).limit(100))
        for document in found:
            name = f"files/{document.public_id}-{_safe(document.name)}"
            try:
                with documents.path_of(document).open("rb") as file, zipped.open(name, "w", force_zip64=True) as raw:
                    shutil.copyfileobj(file, raw, BLOCK)
            except (FileNotFoundError, NotFound):
                missing.append(name)
                continue
            counts["files/"] += 1
            told(1)
        if not found:
            return missing
        last = found[-1].id


def _safe(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._- " else "_" for letter in name)[-100:].lstrip(".") or "file"


def readme(merchant: Merchant, counts: dict[str, int], with_files: bool, missing: Sequence[str], sheets: Sequence[Sheet]) -> str:
    """What is in the zip, in words."""
    width = max(len(one.name) for one in sheets)
    lines = [f"  {one.name:{width}}  {counts[one.name]:>9,}  {one.what}" for one in sheets]
    files = f"{counts.get('files/', 0):,} raw files are below files/." if with_files else "The raw files were not asked for."
    left = sorted({f"  {table._meta.table_name}: {why}" for table, why in LEFT_OUT.items()})
    return "\n".join(
        [
            f"Everything of {merchant.name} at Quayside, written from {clock.now():%Y-%m-%d %H:%M} UTC on.", "",
            "Tables were written one after the other while work went on: a row that came meanwhile may be in a later one only.",
            "Times are UTC. In .csv files a cell that a spreadsheet would run as a formula begins with an apostrophe; others hold one JSON",
            "object a line. `id` names a row, which columns of other files lead to by it.", "",
            "No password, key, token or other secret is in here, nor a hash of one. They are entered anew elsewhere.", "",
            "File, rows, and what it is:", *lines, "", files,
            *[f"  {name} is not kept any more" for name in missing], "", "Left out:", *left, "",
        ]
    )  # fmt: skip
