"""Orders from a file that a person uploads: mapped, looked at, then taken in; what cannot be taken comes back with reasons.

upload ─▶ detect ─▶ match (as last time) ─▶ preview ─▶ take: each order once, the same ones again change nothing
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from portal import clock, config, documents, file_looks, matching, raw_files
from portal.errors import Invalid, NotFound, Problem, SupplierError
from portal.models import Merchant, OrderFile, database
from portal.models.fields import new_public_id
from portal.orders import addresses, columns, intake
from portal.orders.columns import BadRow, Together
from portal.records import FeedFormat, Match

MOST_ROWS = 5_000
LARGEST = 20_000_000  # bytes
AT_ONCE = 50  # orders in one transaction
_SAMPLE = 200
OURS = ("Row", "Why it was not taken")


@dataclass(frozen=True)
class Seen:
    """A file as its rules read it now. `held`: how many of its orders would come in on hold, for their address."""

    together: Together
    lines: int
    held: int


def begin(merchant: Merchant, stream: IO[bytes], name: str, who: str) -> OrderFile:
    """Keep the file and match its columns, as the last file was mapped where it has the same. Raises SupplierError."""
    path = config.current().spool_dir / f"orders-{merchant.public_id}" / new_public_id()
    kept = documents.spool_at(path, stream, name, LARGEST)
    raw_files.keep(str(path.relative_to(config.current().spool_dir)))
    form = file_looks.detect(path, name).format
    headers, rows = file_looks.preview(path, form, _SAMPLE)
    matches = matching.propose(columns.FIELDS, headers, [row.cells for row in rows], _as_rules(_last(merchant)), "As last time")
    return OrderFile.create(
        merchant=merchant, name=Path(name.replace("\\", "/")).name[:255], size=kept.size, sha256=kept.sha256, format=vars(form),
        stored_name=str(path.relative_to(config.current().spool_dir)), headers=headers, added_by=who, rules=_chosen(matches),
    )  # fmt: skip


def find(merchant: Merchant, public_id: str) -> OrderFile:
    """The merchant's file of that id. Raises NotFound."""
    found = OrderFile.get_or_none(OrderFile.merchant == merchant, OrderFile.public_id == public_id)
    if found is None:
        raise NotFound("order file")
    found.merchant = merchant
    return found


def save_rules(file: OrderFile, typed: Mapping[str, str]) -> OrderFile:
    """Which column holds what. Raises Invalid: a needed field without a column, or one column for two fields."""
    rules = {key: column for key, column in typed.items() if key in columns.BY_KEY and column in file.headers}
    errors = {key: f"Choose the column that holds the {_small(key)}." for key in columns.NEEDED if key not in rules}
    for key, column in rules.items():
        others = [one for one in rules if rules[one] == column and one != key]
        if others:
            errors[key] = f"“{column}” is used for {_small(others[0])} too. A column can be used once."
    if errors:
        raise Invalid(errors)
    OrderFile.update(rules=rules).where(OrderFile.id == file.id, OrderFile.state == "read").execute()
    return find(file.merchant, file.public_id)


def look(file: OrderFile) -> Seen:
    """What taking it in would do. Raises SupplierError for a file that is gone, cannot be read or is too long."""
    together = _together(file)
    held = sum(bool(addresses.normalise(order.ship_to)[1]) for order, _ in together.orders)
    return Seen(together, sum(len(order.lines) for order, _ in together.orders), held)


def take(file: OrderFile, who: str) -> OrderFile:
    """Take in every order that can be; cut off in the middle it is pressed again, and takes what is left. Raises SupplierError."""
    if file.state == "taken":
        return file
    together, made, known, held = _together(file), 0, 0, 0
    bad = list(together.bad)
    for begin in range(0, len(together.orders), AT_ONCE):
        with database.atomic():
            for order, rows in together.orders[begin : begin + AT_ONCE]:
                try:
                    kept, fresh = intake.create(file.merchant, order, who, "csv")
                except intake.OtherContent as error:
                    bad += columns.keep_out(rows, {rows[0].number: str(error)})
                    continue
                made, known, held = made + fresh, known + (not fresh), held + (fresh and kept.state == "on_hold")
    bad.sort(key=lambda one: one.row)
    OrderFile.update(
        state="taken", made=made, known=known, held=held, taken_at=clock.now(), bad=[_plain(one) for one in bad]
    ).where(OrderFile.id == file.id).execute()  # fmt: skip
    return find(file.merchant, file.public_id)


def bad_csv(file: OrderFile) -> str:
    """The rows that were not taken, as they came, with reasons before them: to be mended and uploaded again."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([*OURS, *file.headers])
    for one in file.bad:
        writer.writerow([one["row"], one["words"], *one["cells"]])
    return out.getvalue()


def matches(file: OrderFile) -> Sequence[tuple[Any, str, Sequence[str]]]:
    """[(field, its column or "", the first values there)]. Raises SupplierError for a file that is gone."""
    headers, rows = file_looks.preview(_path(file), FeedFormat(**file.format), 3)
    at = {key: headers.index(column) for key, column in file.rules.items() if column in headers}
    return [(one, file.rules.get(one.key, ""), _values(rows, at.get(one.key))) for one in columns.FIELDS]


def _values(rows: Sequence[Any], place: int | None) -> list[str]:
    return [row.cells[place] for row in rows if place is not None and place < len(row.cells) and row.cells[place].strip()]


def _small(key: str) -> str:
    label = columns.BY_KEY[key].label
    return label if label.isupper() else label.lower()


def _plain(one: BadRow) -> dict[str, Any]:
    return {"row": one.row, "cells": list(one.cells), "words": one.words}


def _path(file: OrderFile) -> Path:
    path = raw_files.found(file.stored_name)
    if not path.is_file():
        body = "Uploaded files of orders are kept for a day. Nothing of it was taken in; upload it again."
        raise SupplierError(Problem("file_missing", "This file is not kept any more", body, "Upload it again", "file"), permanent=True)
    return path


def _together(file: OrderFile) -> Together:
    form, rows = FeedFormat(**file.format), []
    with file_looks.rows_of(_path(file), form, 0) as (headers, told):
        for row in told:
            rows.append(row)
            if len(rows) > MOST_ROWS:
                body = f"We take {MOST_ROWS:,} rows at a time, so that nobody waits long. Nothing was taken in; upload it in parts."
                raise SupplierError(Problem("too_large", "The file has too many rows", body, "Upload it in parts", "file"), permanent=True)
    return columns.put_together(headers, rows, file.rules, form.decimal_mark)


def _last(merchant: Merchant) -> Mapping[str, str]:
    newest = OrderFile.select().where(OrderFile.merchant == merchant.id, OrderFile.state == "taken").order_by(OrderFile.id.desc()).first()
    return newest.rules if newest else {}


def _as_rules(rules: Mapping[str, str]) -> Mapping[str, Any]:
    return {"fields": {key: {"columns": [column]} for key, column in rules.items()}}


def _chosen(found: Sequence[Match]) -> dict[str, str]:
    return {
        one.field: one.column for one in found if one.column and one.field in columns.BY_KEY and one.how in (matching.SAME, matching.HEADER)
    }
