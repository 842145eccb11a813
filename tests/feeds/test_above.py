"""Blank cells that mean what stands above them, in columns that were chosen for it and in no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import feeds
from portal.errors import Invalid
from portal.feeds import raw_records
from portal.records import FeedFormat
from tests.feeds.workbooks import xlsx

LIST = "sku,brand,size,qty\n,,S,1\nA,Kestrel,S,1\n, ,M,2\n,Lumen,L,3\nB,,S,4\nTotal,,,11\n,,M,5\n"
FORM = FeedFormat(as_above="sku\n brand \r\nsku\n\nnot there")


def rows_of(path: Path, form: FeedFormat) -> list[list[str]]:
    with feeds.open_rows(path, form) as reader:
        return [[cell.strip() for cell in row.cells] for row in reader if not any(problem.fatal for problem in row.problems)]


FILLED = [
    ["", "", "S", "1"], ["A", "Kestrel", "S", "1"], ["A", "Kestrel", "M", "2"], ["A", "Lumen", "L", "3"], ["B", "Lumen", "S", "4"],
    ["B", "Lumen", "M", "5"],
]  # fmt: skip


def test_a_blank_takes_what_stands_above_it_but_not_from_a_line_of_totals(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_text(LIST)
    assert FORM.above == ("sku", "brand", "not there")
    assert rows_of(path, FORM) == FILLED
    assert rows_of(path, FeedFormat())[1:3] == [["A", "Kestrel", "S", "1"], ["", "", "M", "2"]]
    assert [row.cells[0] for row in feeds.preview(path, FORM, 3)[1]] == ["", "A", "A"]


def test_a_workbook_whose_cells_were_joined_is_filled_too(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    path.write_bytes(xlsx({"Stock": [line.split(",") for line in LIST.splitlines() if "Total" not in line]}))
    assert rows_of(path, FeedFormat("spreadsheet", as_above=FORM.as_above)) == FILLED


def test_records_are_not_told_apart_by_their_own_bytes_alone() -> None:
    assert raw_records.can_cut(FeedFormat()) and not raw_records.can_cut(FORM)
    assert FeedFormat("xml", as_above="sku").above == () and FeedFormat("jsonl", as_above="sku").above == ()


@pytest.mark.parametrize("typed", ["x" * 2_000, "sk\0u", 7])
def test_what_can_be_no_name_of_a_column_is_refused(typed: object) -> None:
    with pytest.raises(Invalid) as caught:
        feeds.check_format(FeedFormat(as_above=typed))  # type: ignore[arg-type]
    assert list(caught.value.errors) == ["as_above"]
