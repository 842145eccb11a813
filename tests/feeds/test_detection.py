"""What detection says about a file, and the files that are no feed at all."""

from __future__ import annotations

import json
import random

import pytest

from portal import feeds
from portal.errors import Invalid, SupplierError
from portal.records import FeedFormat

OPTIONS = {"encoding", "delimiter", "quote", "header_row", "decimal_mark"}


@pytest.fixture
def detect(tmp_path):
    def detecting(content, name="feed.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return feeds.detect(path, name)

    return detecting


def german():
    """Preamble, cp1252, semicolons, decimal commas that are also in the text, a totals line."""
    lines = ["Bestandsliste Müller GmbH;;;;", "Stand: 23.11.2026;;;;", "", "Artikelnummer;Bezeichnung;Verfügbar;Preis €;EAN"]
    lines += [f"1005-{n:04};Schraube,5.56 mm – Größe L;{n % 9};{n}{',71' if n % 3 else ''};" for n in range(120)]
    return "\r\n".join([*lines, "Summe;;136;;", ""])


def test_a_german_list_with_a_preamble(detect):
    found = detect(german().encode("cp1252"))
    assert found.format == FeedFormat("delimited", ";", '"', "cp1252", 4, ",")
    assert found.said["header_row"] == "Line 4: it names 4 of our fields."
    assert found.said["delimiter"].startswith("Semicolon: ")
    assert set(found.said) == OPTIONS
    assert all(words.endswith((".", "?")) for words in found.said.values())


def test_excels_unicode_text(detect):
    text = "\ufeffSKU\tTitle\tQty\r\n" + "".join(f"A{n}\tRIFLE,5.56\t{n}\r\n" for n in range(40))
    assert detect(text.encode("utf-16-le")).format == FeedFormat("delimited", "\t", '"', "utf-16-le", 1, ".")
    assert detect(text[1:].encode("utf-16-be")).format.encoding == "utf-16-be"


def test_pipes_without_a_header(detect):
    text = "".join(f"{n:06}|01{n:010}|{n % 5}|{n}{'.71' if n % 2 else ''}\n" for n in range(120))
    found = detect(text)
    assert found.format == FeedFormat("delimited", "|", '"', "utf-8", 0, ".")
    assert found.said["header_row"] == "No header: the first full line already holds values."


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "~", "^"])
def test_each_delimiter(detect, delimiter):
    rows = [["sku", "title", "qty", "images"]] + [[f"A{n}", f"Title {n}", str(n), "a|b;c"] for n in range(30)]
    rows = [[cell.replace("|", "/").replace(";", "/") for cell in row] for row in rows]
    assert detect("\n".join(delimiter.join(row) for row in rows)).format.delimiter == delimiter


def test_lists_inside_a_column_are_not_taken_for_columns(detect):
    text = "sku,images,qty\n" + "".join(f"A{n},a|b|c|d|e,{n}\n" for n in range(30))
    assert detect(text).format.delimiter == ","


def test_the_line_that_excel_announces_the_delimiter_with(detect):
    found = detect("sep=;\r\nsku;title\r\nA;x,y\r\nB;z,w\r\n")
    assert (found.format.delimiter, found.format.header_row) == (";", 2)
    assert found.said["delimiter"] == "Semicolon, announced by the first line of the file."


def test_quotes(detect):
    assert detect("sku,title\n" + "'A1','x, y'\n" * 9).format.quote == "'"
    assert detect("sku|title\n" + 'A1|"3/4" bolt\n' * 9).format.quote == ""
    assert detect("sku,title\n" + 'A1,"x, ""y"""\n' * 9).format.quote == '"'


def test_apostrophes_inside_words_are_not_quotes(detect):
    assert detect("sku,title\n" + "A1,Men's coat\nA2,'Tis\n" * 9).format.quote == '"'


@pytest.mark.parametrize(
    ("prices", "mark"),
    [
        (["1.234,56", "9,99"], ","),
        (["1,234.56", "9.99"], "."),
        (["12", "13"], "."),
        (["$12.50", "$3.00"], "."),
        (["12,50 €", "3,00 €"], ","),
    ],
)
def test_decimal_marks(detect, prices, mark):
    found = detect("sku;price\n" + "".join(f"A{n};{price}\n" for n, price in enumerate(prices * 9)))
    assert (found.format.decimal_mark, found.warnings) == (mark, ())


def test_a_number_that_can_be_read_both_ways_is_pointed_out(detect):
    found = detect("sku;price\n" + "A;1.234\n" * 9)
    assert found.format.decimal_mark == ","
    assert found.warnings == ("“1.234” could be thousands or decimals; check the decimal mark.",)


def test_accents_far_behind_the_head_are_seen(detect):
    head = b"sku,title\n" + b"A1,plain title\n" * 60_000
    assert detect(head + b"A2,Gr\xf6\xdfe\n" * 3).format.encoding == "cp1252"
    assert detect(head + "A2,Größe\n".encode() * 3).format.encoding == "utf-8"


def test_one_broken_letter_does_not_make_a_utf8_file_something_else(detect):
    assert detect(("sku,title\n" + "A,Größe\n" * 100).encode() + b"B,\xf6\n").format.encoding == "utf-8"


def test_bytes_that_windows_does_not_know(detect):
    assert detect(b"sku,title\n" + b"A,\xe4\x81\n" * 50).format.encoding == "iso-8859-1"
    assert detect(b"sku,title\n" + b"A,\xe4\x80\n" * 50).format.encoding == "cp1252"


def test_a_letter_split_between_two_blocks_is_whole(detect):
    assert detect(b"sku,title\nA," + b"x" * ((1 << 20) - 13) + "ö\n".encode()).format.encoding == "utf-8"


def refused(detect, content, name="feed.csv"):
    with pytest.raises(SupplierError) as caught:
        detect(content, name)
    problem = caught.value.problem
    assert len(problem.headline) < 60
    assert len(problem.body.split()) < 40
    return problem


def test_a_web_page_is_named_by_its_title(detect, tmp_path):
    page = "\n<!-- x --><!DOCTYPE html>\n<html><head><title>\n Sign in </title></head><body>…"
    problem = refused(detect, page)
    assert problem.code == "html_page"
    assert "“Sign in”" in problem.body
    with pytest.raises(SupplierError, match="web page"):
        feeds.open_rows(tmp_path / "feed.csv", FeedFormat())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"%PDF-1.7", "a PDF"),
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"BZh91AY", "packed with bzip2"),
        (b"a" * 257 + b"ustar", "a tar archive"),
        (b"UNA:+.? 'UNB+UNOC:3", "an EDIFACT document"),
        (b'<?xml version="1.0"?>\n<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet">', "an Excel 2003 XML workbook"),
    ],
)  # fmt: skip
def test_other_formats_are_named(detect, content, words):
    problem = refused(detect, content)
    assert (problem.code, problem.headline) == ("unsupported_format", f"The file is {words}")


def test_an_empty_file_and_binary_content(detect):
    assert refused(detect, b"").code == "empty_file"
    noise = random.Random(1).randbytes(4_000).replace(b"PK", b"--") + b"\0" * 3_000
    assert refused(detect, b"\x07" + noise).code in {"unreadable_text", "wrong_encoding"}


def test_a_single_column(detect):
    found = detect("sku\nA1\nA2\n")
    assert (found.format.delimiter, found.format.header_row) == (",", 1)


@pytest.mark.parametrize(
    "change",
    [{"delimiter": ""}, {"delimiter": "ab"}, {"delimiter": "a"}, {"delimiter": '"'}, {"quote": "x"}, {"encoding": "rot13"},
     {"header_row": -1}, {"header_row": 1001}, {"decimal_mark": "x"}],
)  # fmt: skip
def test_formats_that_read_nothing_are_refused(change):
    with pytest.raises(Invalid) as caught:
        feeds.check_format(FeedFormat(**change))
    assert set(caught.value.errors) == set(change)


def test_every_choice_offered_can_be_read(tmp_path):
    path = tmp_path / "feed.txt"
    for encoding in feeds.ENCODINGS:
        for delimiter in feeds.DELIMITERS:
            for quote in feeds.QUOTES:
                form = FeedFormat(delimiter=delimiter, quote=quote, encoding=encoding)
                feeds.check_format(form)
                path.write_bytes(f"sku{delimiter}qty\nA{delimiter}1\n".encode(encoding))
                with feeds.open_rows(path, form) as reader:
                    assert [row.cells for row in reader] == [["A", "1"]]


@pytest.mark.parametrize("sign", ["È", "x", '"', ".", "5"])
def test_a_first_line_that_announces_no_sign_is_a_line(tmp_path, sign):
    path = tmp_path / "feed.csv"
    path.write_text(f"sep={sign}\nsku;qty\nA;1\nB;2\n")
    feeds.check_format(feeds.detect(path).format)
    assert feeds.detect(path).format.delimiter == ";"


def test_what_is_found_can_be_saved(tmp_path):
    path = tmp_path / "feed.bin"
    long = "x" * 600
    for content in (
        f"<f>{f'<{long}><sku>A</sku><qty>1</qty></{long}>' * 3}<i><sku>A</sku></i></f>",
        "<f>" + "<it\ufeffm sku='A' qty='1'/>" * 3 + "<i><sku>A</sku></i></f>",
        json.dumps({long: [{"sku": "A", "qty": 1}] * 3, "items": [{"sku": "B"}]}),
        json.dumps({"it\ufeffems": []}),
        json.dumps({"a\u0000b": [{"sku": "A", "qty": 1}] * 3, "items": [{"sku": "B"}]}),
    ):
        path.write_text(content, encoding="utf-8")
        feeds.check_format(feeds.detect(path).format)


def test_names_are_cut_and_more_columns_than_any_feed_has_are_refused(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_text(f"sku,{'n' * 9_000},{'n' * 9_001}\nA,1,2\n")
    headers, _ = feeds.preview(path, feeds.detect(path).format)
    assert headers == ["sku", "n" * 500, "n" * 500 + " (2)"]
    for text in ("sku," + ",".join("abc" for _ in range(2_000)) + "\nA\n", ("1," * 2_500 + "\n") * 3):
        path.write_text(text)
        with pytest.raises(SupplierError) as caught:
            feeds.detect(path), feeds.preview(path, FeedFormat(header_row=0))
        assert caught.value.problem.headline == "The file has too many columns"


def test_a_single_item_of_a_file_of_lines_is_an_item(tmp_path):
    (tmp_path / "one").write_bytes(b'{"sku": "A", "sizes": [{"sku": "A-S", "qty": 1}, {"sku": "A-M", "qty": 2}]}\n')
    kinds = {name: feeds.detect(tmp_path / "one", name).format.kind for name in ("items.jsonl", "items.NDJSON", "items.json", "")}
    assert kinds == {"items.jsonl": "jsonl", "items.NDJSON": "jsonl", "items.json": "json", "": "json"}
    (tmp_path / "two").write_bytes(b'{\n"items": [{"sku": "A"}]\n}\n')
    assert feeds.detect(tmp_path / "two", "items.jsonl").format.kind == "json", "a document, whatever its name"
