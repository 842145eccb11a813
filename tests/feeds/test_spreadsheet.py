"""Workbooks: what a person sees in a cell is what we read, and a small file cannot fill the memory."""

from __future__ import annotations

import datetime
import gzip
import io
import resource
import zipfile

import pytest

from portal import feeds
from portal.errors import SupplierError
from portal.records import FeedFormat
from tests.endless import ends
from tests.feeds.workbooks import xls, xlsx, xlsx_of_parts

ROWS = [["SKU", "Title", "Qty", "Cost"], *[[f"A{n}", f"Widget {n}", n % 9, n + 0.5] for n in range(1, 40)]]


@pytest.fixture
def read(tmp_path):
    """bytes -> (detection, headers, rows)."""

    def reading(content, **change):
        path = tmp_path / "feed.bin"
        path.write_bytes(content)
        found = feeds.detect(path)
        form = FeedFormat(**{**vars(found.format), **change})
        with feeds.open_rows(path, form) as reader:
            rows = list(reader)
            assert all(len(row.cells) >= len(reader.headers) for row in rows)
            assert all(type(cell) is str for row in rows for cell in row.cells)
            return found, reader.headers, rows

    return reading


def code(tmp_path, content, form=None):
    path = tmp_path / "feed.bin"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(SupplierError) as caught, ends():
        found = form or feeds.detect(path).format
        with feeds.open_rows(path, found) as reader:
            list(reader)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600_000
    assert len(caught.value.problem.headline) < 60 and len(caught.value.problem.body.split()) < 40
    return caught.value.problem.code


@pytest.mark.parametrize("write", [lambda rows: xlsx({"Stock": rows}), xls], ids=["xlsx", "xls"])
def test_a_plain_workbook(read, write):
    found, headers, rows = read(write(ROWS))
    assert (found.format.kind, found.format.header_row, found.format.sheet) == ("spreadsheet", 1, "")
    assert headers == ["SKU", "Title", "Qty", "Cost"]
    assert [(row.number, row.cells) for row in rows[:2]] == [(2, ["A1", "Widget 1", "1", "1.5"]), (3, ["A2", "Widget 2", "2", "2.5"])]
    assert len(rows) == 39


def test_values_are_what_a_person_sees(read):
    values = [
        5, 5.0, 0.1 + 0.2, 12.5, 1234567890123, 98765432109876, 1e20, 1.5e-7, -3, True, "007", "=not a formula", " spaced ",
        datetime.date(2026, 11, 25), datetime.datetime(2026, 11, 25, 13, 5, 7),
    ]  # fmt: skip

    def formula(book, sheets):
        sheets["S"].write_formula(1, 15, "=SUM(1,2)", None, 3)
        sheets["S"].write_string(1, 11, "=not a formula")

    _, headers, rows = read(xlsx({"S": [[f"h{n}" for n in range(16)], values, ["x"] * 16]}, formula), header_row=1)
    assert rows[0].cells == [
        "5", "5", "0.3", "12.5", "1234567890123", "98765432109876", "100000000000000000000", "0.00000015", "-3", "true", "007",
        "=not a formula", "spaced", "2026-11-25", "2026-11-25 13:05:07", "3",
    ]  # fmt: skip


def test_a_merged_title_a_preamble_and_totals(read):
    preamble = [["Stock list of Mueller"], [], ["as of", "2026-11-25"], *ROWS, ["Total", "", 150]]
    content = xlsx({"Stock": preamble}, lambda _, sheets: sheets["Stock"].merge_range(0, 0, 0, 3, "Stock list of Mueller"))
    found, headers, rows = read(content)
    assert (found.format.header_row, headers) == (4, ["SKU", "Title", "Qty", "Cost"])
    assert rows[0].number == 5
    assert [problem.reason for problem in rows[-1].problems] == ["A line of totals, not an item"]
    assert sum(not row.problems for row in rows) == 39


def test_the_sheet_can_be_chosen_and_its_absence_is_said(read, tmp_path):
    sheets = {"Cover": [["Welcome"]], "Stock": ROWS, "Prices": [["SKU", "Price"], ["B1", 5]]}
    found, _, rows = read(xlsx(sheets))
    assert found.format.sheet == "Stock"
    assert found.said["sheet"] == "“Stock” is the first of 3 sheets with rows."
    assert feeds.sheets(tmp_path / "feed.bin") == ["Cover", "Stock", "Prices"]
    assert read(xlsx(sheets), sheet="Prices")[2][0].cells == ["B1", "5"]
    assert code(tmp_path, xlsx(sheets), FeedFormat("spreadsheet", sheet="Gone")) == "sheet_missing"


def test_hidden_sheets_and_a_start_off_the_corner(read):
    def hide(book, sheets):
        sheets["Stock"].activate()
        sheets["Secret"].hide()

    content = xlsx({"Secret": ROWS[:5], "Stock": [[], [], *[["", *row] for row in ROWS]]}, hide)
    found, headers, rows = read(content)
    assert (found.format.header_row, headers[:2], rows[0].number) == (3, ["SKU", "Title"], 4)


def test_mixed_types_blank_rows_and_wide_rows(read):
    body = [["SKU", "Qty"], [7, 5], ["007", "n/a"], [], ["A1", 2.0], [1.5, True]] + [["B", n] for n in range(1_200)] + [["C", 1, "extra"]]
    _, headers, rows = read(xlsx({"S": body}))
    assert [row.cells for row in rows[:4]] == [["7", "5"], ["007", "n/a"], ["A1", "2"], ["1.5", "true"]]
    assert [row.number for row in rows[:4]] == [2, 3, 5, 6]
    assert rows[-1].problems[0].fatal


def test_formulas_without_a_value_and_errors_are_told(read):
    content = xlsx_of_parts(
        '<row r="1"><c r="A1" t="inlineStr"><is><t>sku</t></is></c><c r="B1" t="inlineStr"><is><t>qty</t></is></c></row>'
        + "".join(f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="B{n}"><f>A{n}*2</f></c></row>' for n in range(2, 6))
        + '<row r="6"><c r="A6"><v>6</v></c><c r="B6" t="e"><v>#N/A</v></c></row>'
    )
    found, _, rows = read(content)
    assert [one.split(" ")[0] for one in found.warnings] == ["4", "1"]
    assert [row.cells for row in rows][-1] == ["6", ""]


def test_a_workbook_in_a_zip_or_gzip_stays_a_workbook(read):
    content = xlsx({"Stock": ROWS})
    assert len(read(gzip.compress(content))[2]) == 39
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("stock.xlsx", content)
    assert len(read(out.getvalue())[2]) == 39


def test_cut_and_damaged_workbooks_are_refused(tmp_path):
    content = xlsx({"Stock": ROWS})
    assert code(tmp_path, content[:-300]) == "file_cut"
    assert code(tmp_path, content[: len(content) // 2]) == "file_cut"
    assert code(tmp_path, xls(ROWS)[:3_000]) in ("malformed_file", "unreadable_text")
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook")
    assert code(tmp_path, out.getvalue()) == "malformed_file"


def test_an_encrypted_workbook_says_so(tmp_path):
    assert code(tmp_path, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600 + "EncryptedPackage".encode("utf-16-le")) == "encrypted_file"


@pytest.mark.parametrize(
    "cells",
    [
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
        '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r = \'xfd1048576\'><v>1</v></c></row>',
        '<row r="1"><c\tr="A1"/><c r="XFD1"/><c r="A1"/></row><row\nr="900000"><c r="A900000"/></row>',
        '<row r="1">' + "<c><v>1</v></c>" * 16_000 + '</row><row r="1048576"><c r="A1048576"><v>1</v></c></row>',
    ],
    ids=["far", "oddly-written", "wide-first", "no-places"],
)
def test_a_far_cell_cannot_fill_the_memory(tmp_path, cells):
    assert code(tmp_path, xlsx_of_parts(cells)) in ("too_large", "malformed_file")


def test_one_long_text_in_every_cell_cannot_fill_the_memory(tmp_path):
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c><c r="B{n}" t="s"><v>0</v></c></row>' for n in range(1, 60_000))
    assert code(tmp_path, xlsx_of_parts(cells, f"<si><t>{'x' * 32_000}</t></si>")) == "too_large"


def test_an_inflated_sheet_is_refused(tmp_path):
    assert code(tmp_path, xlsx_of_parts(" " * 300_000_000)) == "unsafe_archive"


def test_too_many_columns_are_refused(tmp_path):
    assert code(tmp_path, xlsx({"S": [[f"h{n}" for n in range(3_000)], ["x"] * 3_000]})) == "malformed_file"
