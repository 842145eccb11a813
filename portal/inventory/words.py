"""Sentences of inventory runs for the merchant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from portal.errors import Problem
from portal.models import Merchant

LONGEST_HEADLINE = 60

_POLICIES = {
    "first": "the first row of each was used",
    "last": "the last row of each was used",
    "sum": "their quantities were added up",
    "set_aside": "none of them was used",
}


def moment(at: datetime | None, merchant: Merchant) -> str:
    """A moment in the merchant's time zone, such as 25 Nov 08:42; "an unknown time" for None."""
    if at is None:
        return "an unknown time"
    local = at.replace(tzinfo=UTC).astimezone(ZoneInfo(merchant.time_zone))
    return f"{local.day} {local:%b %H:%M}"


def not_mapped() -> Problem:
    """There is no mapping to read the file by."""
    body = "We do not know yet which column is what. Nothing was read."
    return Problem("not_set_up", "The columns are not mapped yet", body, "Map the columns", "mapping")


def nothing_uploaded() -> Problem:
    """The source's files are uploaded, and there is none."""
    return Problem("not_set_up", "There is no file to read", "This source reads files that you upload.", "Upload a file", "file")


def erased(name: str) -> Problem:
    """The file that was to be read is not kept any more."""
    body = f"{name} is not kept any more. Nothing was read."
    return Problem("not_set_up", "The file was erased by age", body, "Choose another file", "file")


def renamed(source: str, missing: Sequence[str], before: Sequence[str], now: Sequence[str]) -> Problem | None:
    """The missing column under its new name, when exactly one column differs and stands in the same place; else None."""
    if len(missing) != 1 or len(before) != len(now) or missing[0] not in before:
        return None
    place = list(before).index(missing[0])
    if [*now[:place], *now[place + 1 :]] != [*before[:place], *before[place + 1 :]]:
        return None
    headline = f'{source} renamed "{missing[0]}"'
    if len(headline) > LONGEST_HEADLINE:
        headline = "A column was renamed"
    body = f'The file has "{now[place]}" in the place of "{missing[0]}". We used none of it. Your stock is as it was.'
    return Problem("columns_missing", headline, body, "Use the new name", "mapping")


def duplicates(rows: int, policy: str) -> str:
    """What was done about SKUs that stand on several rows."""
    subject = "1 row repeats a SKU" if rows == 1 else f"{rows:,} rows repeat a SKU"
    return f"{subject}; {_POLICIES[policy]}."


def mended(rows: int) -> str:
    """What was done about rows without a SKU that a person mended before."""
    if rows == 1:
        return "1 row has no usable SKU and is as it was when you mended it: its item stays as mended until this row changes."
    return (
        f"{rows:,} rows have no usable SKU and are as they were when you mended them: their items stay as mended until these rows change."
    )


def nothing_above(columns: Sequence[str]) -> str:
    """Columns whose blank cells were to mean what stands above, and that the file does not have."""
    names = " and ".join(f"“{name[:60]}”" for name in columns[:3])
    return f"The file has no column {names}, whose blank cells take what stands above them. Look at how the file is read."


def nothing_new() -> Problem:
    """There is no file that was not read before."""
    body = "Every file that fits was read before. Choose a file that lies here, or wait for the supplier's next one."
    return Problem("file_missing", "There is no new file to read", body, "See the folder", "file")


def replaced(rows: int, files: int) -> str:
    """What was done about SKUs that stand in several files of one run."""
    subject = "1 row was" if rows == 1 else f"{rows:,} rows were"
    return f"{files:,} files were read in order. {subject} replaced by a later file that holds the same SKU."


def column_of(rules: Mapping[str, Any], field: str) -> str:
    """The first column a field is read from, "" when it is not."""
    columns = rules.get("fields", {}).get(field, {}).get("columns") or [""]
    return str(columns[0])
