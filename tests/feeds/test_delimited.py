"""Reading delimited files: every ugliness is a row's own problem or a named refusal, never shifted data."""

from __future__ import annotations

import csv
import io
import tracemalloc

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import feeds
from portal.errors import FAILURE_CODES, SupplierError
from portal.feeds import delimited
from portal.records import FeedFormat

COMMA = FeedFormat()


@pytest.fixture
def read(tmp_path):
    """bytes or text, format -> (reader after reading, rows)."""

    def reading(content, form=COMMA):
        path = tmp_path / "feed.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with feeds.open_rows(path, form) as reader:
            return reader, list(reader)

    return reading


def refusal(read, content, form=COMMA):
    with pytest.raises(SupplierError) as caught:
        read(content, form)
    assert caught.value.permanent
    return caught.value.problem


def reasons(row):
    return [(problem.reason, problem.fatal) for problem in row.problems]


def test_rows_carry_the_line_on_which_they_start(read):
    _, rows = read('sku,title\nA,"two\nlines"\nB,one\n')
    assert [(row.number, row.cells) for row in rows] == [(2, ["A", "two\nlines"]), (4, ["B", "one"])]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_is_read(read, end):
    _, rows = read(end.join(["sku,qty", "A,1", "B,2", ""]))
    assert [(row.number, row.cells) for row in rows] == [(2, ["A", "1"]), (3, ["B", "2"])]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16-be", "cp1252", "iso-8859-1"])
def test_every_encoding_is_read_and_its_mark_is_not_part_of_the_first_header(read, encoding):
    text = "Größe,Preis\nÄ1,2\n"
    form = FeedFormat(encoding="utf-8" if encoding == "utf-8-sig" else encoding)
    mark = "\ufeff" if encoding.startswith("utf-16") else ""
    reader, rows = read((mark + text).encode(encoding), form)
    assert reader.headers == ["Größe", "Preis"]
    assert rows[0].cells == ["Ä1", "2"]


def test_a_mark_before_a_quoted_header_does_not_hide_the_quote(read):
    reader, _ = read(b'\xef\xbb\xbf"sku, ours",qty\nA,1\n')
    assert reader.headers == ["sku, ours", "qty"]


def test_lines_before_the_header_are_skipped_by_line_number(read):
    reader, rows = read('Stock of "Mueller\n;;\n\nsku;qty\nA;1\n', FeedFormat(delimiter=";", header_row=4))
    assert reader.headers == ["sku", "qty"]
    assert [(row.number, row.cells) for row in rows] == [(5, ["A", "1"])]


def test_without_a_header_columns_are_numbered_and_the_usual_width_counts(read):
    reader, rows = read("000001|5|1.50|\n000002|5\n000003|6|2.50|\n000004|6|2.50|\n", FeedFormat(delimiter="|", header_row=0))
    assert reader.headers == ["Column 1", "Column 2", "Column 3", "Column 4"]
    assert rows[0].number == 1
    assert rows[0].cells[0] == "000001"


def test_blank_and_doubled_headers_get_names_of_their_own(read):
    reader, _ = read("sku,, sku ,qty,\u200bqty,sku\nA,1,2,3,4,5\n")
    assert reader.headers == ["sku", "Column 2", "sku (2)", "qty", "\u200bqty", "sku (3)"]
    assert len(set(reader.headers)) == 6


def test_a_header_alone_gives_no_rows(read):
    reader, rows = read("sku,qty\n")
    assert (reader.headers, rows) == (["sku", "qty"], [])


@pytest.mark.parametrize("content", [b"", b"\r\n\r\n", b"  \n", b"\0\0\0\0"])
def test_nothing_is_an_empty_file(read, content):
    assert refusal(read, content).code == "empty_file"


def test_a_header_line_past_the_end_is_refused(read):
    assert refusal(read, "sku,qty\nA,1\n", FeedFormat(header_row=9)).code == "malformed_file"


def test_blank_lines_and_lines_of_delimiters_are_not_rows(read):
    reader, rows = read("sku,qty\n\nA,1\n,\n   \nB,2\n\n")
    assert [row.cells[0] for row in rows] == ["A", "B"]
    assert (reader.rows, reader.blank) == (2, 4)


def test_a_row_with_too_many_cells_is_set_aside_with_its_cells(read):
    reader, rows = read("sku,title,qty\nA,Bolt, zinc,5\nB,Nut,6\n")
    assert reasons(rows[0]) == [("4 cells where the file has 3 columns", True)]
    assert rows[0].cells == ["A", "Bolt", "zinc", "5"]
    assert reasons(rows[1]) == []
    assert reader.long == 1


def test_surplus_cells_that_are_empty_are_no_problem(read):
    _, rows = read("sku,qty\nA,1,,\n")
    assert (rows[0].cells, rows[0].problems) == (["A", "1"], ())


def test_short_rows_are_padded_and_noted_where_they_are_the_files_habit(read):
    _, rows = read("sku,qty,note\n" + "A,1\nB,2,x\n" * 20)
    assert rows[0].cells == ["A", "1", ""]
    assert reasons(rows[0]) == [("2 cells where the file has 3 columns", False)]


def test_a_row_that_an_unquoted_line_break_cut_in_two_gives_no_item(read):
    whole = "".join(f"A{n},Bolt,5\n" for n in range(100))
    _, rows = read("sku,title,qty\n" + whole + "B1,Two\nlines,5\n" + whole)
    assert [row.number for row in rows if row.problems] == [102, 103]
    assert all(problem.fatal for row in rows for problem in row.problems)


def test_a_line_of_totals_is_not_an_item(read):
    _, rows = read("sku;title;qty;ean\nA;x;1;2\nSumme;;136;\nTotal;Model T;3;4\n", FeedFormat(delimiter=";"))
    assert [reasons(row) for row in rows] == [[], [("A line of totals, not an item", True)], []]


def test_an_open_quote_costs_its_own_row_only(read):
    lines = [f'A{n},"Title {n}",{n}' for n in range(100)]
    lines[40] = 'A40,"Title 40,40'
    reader, rows = read("sku,title,qty\n" + "\n".join(lines) + "\n")
    assert [row.number for row in rows] == list(range(2, 102))
    assert [row.cells for row in rows if not row.problems] == [[f"A{n}", f"Title {n}", str(n)] for n in range(100) if n != 40]
    assert reasons(rows[40]) == [("A quote is opened here and never closed", True)]
    assert reader.open_quotes == 1


def test_an_open_quote_that_no_later_quote_closes_costs_its_own_row_only(read):
    lines = [f"A{n},Title {n},{n}" for n in range(30_000)]
    lines[5] = 'A5,"Title 5,5'
    reader, rows = read("sku,title,qty\n" + "\n".join(lines) + "\n")
    assert [row.number for row in rows if row.problems] == [7]
    assert len(rows) == 30_000


def test_an_open_quote_on_the_last_line_is_seen(read):
    _, rows = read('sku,title\nA,x\nB,"y')
    assert [bool(row.problems) for row in rows] == [False, True]


def test_a_quote_closed_by_inches_of_a_later_line_is_seen(read):
    lines = [f"A{n},Title,{n}" for n in range(50)]
    lines[10], lines[20] = 'A10,"Title,10', 'A20,pipe 5",20'
    _, rows = read("sku,title,qty\n" + "\n".join(lines) + "\n")
    assert [row.number for row in rows if row.problems] == [12]
    assert rows[20].cells == ["A20", 'pipe 5"', "20"]


def test_long_cells_with_many_lines_stay_whole(read):
    text = "<p>line, with commas</p>\n" * 300
    _, rows = read(f'sku,text,qty\nA,"{text}",5\nB,"{text}",6\n')
    assert [row.cells[1] for row in rows] == [text, text]


def test_open_quotes_all_over_are_refused(read):
    problem = refusal(read, "sku,title,qty\n" + "".join(f'A{n},"Title,{n}\n' for n in range(3_000)))
    assert problem.code == "malformed_file"
    assert "quote" in problem.body


def test_without_quoting_quotes_are_plain_signs(read):
    _, rows = read('sku|size\nA|"3/4" bolt\nB|5" pipe\n', FeedFormat(delimiter="|", quote=""))
    assert [row.cells[1] for row in rows] == ['"3/4" bolt', '5" pipe']


def test_a_ten_megabyte_cell_is_read(read):
    _, rows = read("sku,text\nA," + "x" * 10_000_000 + "\nB,y\n")
    assert [len(row.cells[1]) for row in rows] == [10_000_000, 1]


def test_a_cell_past_every_limit_is_refused_and_does_not_fill_the_memory(read, tmp_path):
    path = tmp_path / "endless.csv"
    with path.open("wb") as file:
        file.write(b"sku,text\nA,")
        for _ in range(60):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    with pytest.raises(SupplierError) as caught, feeds.open_rows(path, COMMA) as reader:
        list(reader)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.problem.code == "malformed_file"
    assert peak < 80_000_000


def test_nul_is_left_out_and_noted(read):
    _, rows = read(b"sku,title\nA\0B,x\nC,y\n" + b"D,some longer text\n" * 20)
    assert rows[0].cells == ["AB", "x"]
    assert reasons(rows[0]) == [("An empty character (NUL), left out", False)]
    assert not rows[1].problems


def test_few_broken_letters_are_noted_and_many_are_refused_with_counts(read):
    good = b"A,Gr\xc3\xb6\xc3\x9fe\n" * 2_000
    reader, rows = read(b"sku,title\n" + good + b"B,Gr\xf6\xdfe\n" + good)
    assert reader.unreadable == 1
    assert reasons(rows[2_000]) == [("Letters that this encoding cannot read", False)]
    assert rows[2_000].problems[0].column == "title"
    problem = refusal(read, b"sku,title\n" + b"A,plain\n" * 500 + b"B,Gr\xf6\xdfe\n" * 212)
    assert problem.code == "wrong_encoding"
    assert problem.body == "212 of 712 rows contain broken characters; the file looks like Windows-1252, not UTF-8."
    assert problem.act == "Read as Windows-1252"


def test_utf16_read_as_utf8_is_named(read):
    problem = refusal(read, "sku,title\nA,b\n".encode("utf-16-le"))
    assert (problem.code, problem.act) == ("wrong_encoding", "Read as UTF-16 little endian")


def test_a_preview_shows_broken_letters_and_does_not_judge(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_bytes(b"sku,title\nA,Gr\xf6\xdfe\nB,x\n")
    headers, rows = feeds.preview(path, COMMA, rows=1)
    assert headers == ["sku", "title"]
    assert rows[0].cells == ["A", "Gr\ufffd\ufffde"]


def test_progress_reaches_the_size_of_the_file(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_text("sku,qty\n" + "A,1\n" * 500_000)
    with feeds.open_rows(path, COMMA) as reader:
        seen = [reader.bytes_read for n, _ in enumerate(reader) if n % 100_000 == 0]
        assert seen == sorted(seen)
        assert 0 < seen[0] < reader.size
    assert reader.bytes_read == reader.size


def test_memory_does_not_follow_the_file(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_text("sku,qty,title\n" + "A1234567,1,Some title of usual length\n" * 400_000)
    tracemalloc.start()
    with feeds.open_rows(path, COMMA) as reader:
        assert sum(1 for _ in reader) == 400_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12_000_000


@pytest.mark.parametrize("at", range(-3, 4))
def test_line_ends_on_the_edge_of_a_block_are_not_doubled(read, at):
    first = "x" * (delimited._BLOCK - len("sku,t\r\nA,") - 1 + at)
    _, rows = read(f"sku,t\r\nA,{first}\r\nB,y\r\n")
    assert [(row.number, row.cells[0]) for row in rows] == [(2, "A"), (3, "B")]


TEXT = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\ufffd"), max_size=12).map(str.strip)
SKU = st.from_regex(r"[A-Z]{2}-\d{1,6}", fullmatch=True)


@given(
    rows=st.lists(st.tuples(SKU, TEXT, TEXT, TEXT), max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    everything=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-16-le", "utf-16-be"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_csv_wrote_is_read_back(tmp_path, rows, delimiter, everything, encoding):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL if everything else csv.QUOTE_MINIMAL)
    writer.writerow(["sku", "one", "two", "three"])
    writer.writerows(rows)
    path = tmp_path / "trip.csv"
    path.write_bytes(out.getvalue().encode(encoding))
    with feeds.open_rows(path, FeedFormat(delimiter=delimiter, encoding=encoding)) as reader:
        assert [tuple(row.cells) for row in reader] == rows


@given(
    st.binary(max_size=400),
    st.sampled_from(",;\t|"),
    st.sampled_from(['"', "'", ""]),
    st.sampled_from(list(feeds.ENCODINGS)),
    st.integers(0, 3),
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_rows_or_a_named_refusal(tmp_path, content, delimiter, quote, encoding, header_row):
    path = tmp_path / "any.csv"
    path.write_bytes(content)
    form = FeedFormat(delimiter=delimiter, quote=quote, encoding=encoding, header_row=header_row)
    try:
        feeds.detect(path)
        with feeds.open_rows(path, form) as reader:
            rows = list(reader)
    except SupplierError as error:
        assert error.problem.code in FAILURE_CODES - {"internal"}
        return
    assert all(len(row.cells) >= len(reader.headers) for row in rows)
    assert [row.number for row in rows] == sorted({row.number for row in rows})
    assert all(problem.fatal for row in rows if len(row.cells) > len(reader.headers) for problem in row.problems if problem.column == "")
