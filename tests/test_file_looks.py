"""What pages and the worker know of a file comes from the readers' process, where a hostile one is refused quickly and cheaply."""

from __future__ import annotations

import ast
import io
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from portal import file_looks
from portal.errors import FAILURE_CODES, SupplierError
from portal.intake.asking import Look
from portal.intake.looks import ANSWERS
from portal.records import FeedFormat
from tests.connecting import check
from tests.feeds import corpus
from tests.feeds.test_archives import FEED, gzip_bomb, zipped
from tests.feeds.test_hostile import ATTACKS, HOSTILE, listener  # noqa: F401
from tests.feeds.workbooks import xlsx_of_parts
from tests.test_architecture import FILES, layer_of, module_of

pytest_plugins = ("tests.connected",)

CHILD = """
import json, sys
from portal.errors import SupplierError
from portal.intake import child, looks
from tests.endless import ends
from tests.fuzz.reading import peak_kb
asked = json.loads(sys.argv[1])
child.limit(asked[0]["memory"], 60)
for told in asked:
    end = {}
    try:
        with ends(told["seconds"]):  # as the portal allows that look
            looks.answer(told, end.__setitem__)
        said = "answered"
    except SupplierError as error:
        said = error.problem.code
    except MemoryError:
        said = "reading_stopped"
    print(json.dumps([said, peak_kb(), len(json.dumps(end))]))
"""
BOMBS = {
    "gzip-ratio-1000": lambda: gzip_bomb(400),
    "zip-of-zeros": lambda: zipped({"feed.csv": b"\0" * 400_000_000}),
    "zip-in-a-zip": lambda: zipped({"feed.zip": zipped({"feed.csv": FEED})}),
    "zip-of-2000-files": lambda: zipped({f"{n}.csv": b"a" for n in range(2_000)}),
    "zip-slip": lambda: zipped({"../../feed.csv": FEED}),
    "json-depth-100000": lambda: b"[" * 100_000,
    "xml-laughs": lambda: b'<!DOCTYPE f [<!ENTITY a "ha">' + b"".join(b'<!ENTITY a%d "&a;&a;">' % n for n in range(99)) + b"]><f>&a9;</f>",
    "xlsx-far-cell": lambda: xlsx_of_parts('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "xlsx-inflated-sheet": lambda: xlsx_of_parts('<row r="1"><c r="A1"><v>1</v></c></row>' + " " * 600_000_000),
    "cells-of-ten-megabytes": lambda: b"sku,text\n" + (b"A," + b"x" * 10_000_000 + b"\n") * 8,
}  # fmt: skip
PEAK_KB = 300_000


def taken(looks: list[Look]) -> list[tuple[str, int, int]]:
    """(answered or the refusal's code, peak KB so far, letters of the answer) of looks; one that goes on beyond its limits fails."""
    asked = json.dumps([vars(look) for look in looks])
    child = subprocess.run([sys.executable, "-c", CHILD, asked], capture_output=True, text=True, timeout=180, check=False)
    assert child.returncode == 0, child.stderr[-2_000:]
    return [json.loads(line) for line in child.stdout.splitlines()]


def looks_at(path: Path) -> list[Look]:
    """The looks that a page takes of a file, as it was detected or else as each kind that it could be."""
    limits = {"memory": file_looks._memory(path), "seconds": file_looks._seconds(path, file_looks.MOST_SECONDS)}
    forms = [vars(FeedFormat(kind)) for kind in ("delimited", "xml", "json", "spreadsheet")]
    asked = [Look("detect", str(path), {}, {"name": "feed.bin", "member": ""}, **limits)]
    for form in forms:
        asked += [Look("preview", str(path), form, {"rows": 1_000}, **limits), Look("options", str(path), form, {}, **limits)]
    return asked


@pytest.mark.timeout(200)
@pytest.mark.parametrize("name", [*HOSTILE, *BOMBS])
def test_no_look_at_a_hostile_file_takes_long_or_much(tmp_path, name):
    path = tmp_path / "feed.bin"
    path.write_bytes(HOSTILE[name][0]() if name in HOSTILE else BOMBS[name]())
    looks = looks_at(path)
    for look, (said, peak, letters) in zip(looks, taken(looks), strict=True):
        assert said == "answered" or said in FAILURE_CODES - {"internal"}, (look.name, look.format)
        assert peak < PEAK_KB, (look.name, look.format)
        assert letters < 60_000_000  # what the page's own process gets to hold
    assert os.listdir(tmp_path) == ["feed.bin"]  # noqa: PTH208


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_look_reads_another_file_or_opens_a_connection(tmp_path, listener, attack):  # noqa: F811
    port, came = listener
    (tmp_path / "secret").write_text("canary-9d1")
    path = tmp_path / "feed.xml"
    path.write_text(attack.format(port=port, secret=tmp_path / "secret"))
    form = FeedFormat("xml", row_path="/f/item")
    for look in (lambda: file_looks.detect(path), lambda: file_looks.preview(path, form, 9), lambda: file_looks.options(path, form)):
        try:
            assert "canary-9d1" not in repr(look())
        except SupplierError as error:
            assert error.problem.code in ("unsafe_file", "malformed_file", "row_path_missing")
    assert came == []


def test_what_is_told_is_what_the_reader_says(tmp_path):
    path = tmp_path / "feed.bin"
    for case in corpus.cases():
        if case.code or len(case.content) > 100_000:
            continue
        path = path.with_name(case.name)
        path.write_bytes(case.content)
        from portal import feeds

        found, expected = file_looks.detect(path), feeds.detect(path)
        assert (found.format, found.said, list(found.warnings)) == (expected.format, expected.said, list(expected.warnings))
        assert list(found.damage) == list(expected.damage)
        assert file_looks.preview(path, found.format, 5) == feeds.preview(path, found.format, 5)
        with file_looks.rows_of(path, found.format, 0) as (headers, rows), feeds.open_rows(path, found.format) as reader:
            assert (headers, list(rows)) == (reader.headers, list(reader))


def test_a_look_that_takes_too_long_or_too_much_is_stopped_and_said(tmp_path, monkeypatch):
    path = tmp_path / "feed.json"
    path.write_bytes(b'{"items": [' + b'{"sku": "A"},' * 4_000_000 + b'{"sku": "A", "late": 1}]}')
    form = FeedFormat("json", row_path="$.items", columns=("sku", "late"))  # which is looked for in the whole file
    monkeypatch.setattr(file_looks, "MOST_SECONDS", 1)
    with pytest.raises(SupplierError, match="took too long"):
        file_looks.preview(path, form, 9)
    monkeypatch.undo()
    assert file_looks.preview(path, form, 9)[1][0].cells == ["A", ""]
    path = tmp_path / "feed.csv"
    path.write_bytes(b"sku,text\n" + (b"A," + b"x" * 10_000_000 + b"\n") * 8)
    monkeypatch.setattr(file_looks, "MEMORY", 150 << 20)
    with pytest.raises(SupplierError, match="too complex"):
        file_looks.preview(path, FeedFormat(), 9)


def test_looks_wait_for_each_other_and_say_so_when_that_takes_too_long(tmp_path, monkeypatch):
    path = tmp_path / "feed.csv"
    path.write_bytes(FEED)
    monkeypatch.setattr(file_looks, "_room", threading.BoundedSemaphore(1))
    monkeypatch.setattr(file_looks, "WAIT", 0.05)
    with file_looks._room, pytest.raises(SupplierError, match="could not be looked at yet") as caught:
        file_looks.headers(path, FeedFormat())
    assert not caught.value.permanent
    monkeypatch.undo()
    assert file_looks.headers(path, FeedFormat()) == ["sku", "qty"]


def test_cells_too_long_for_a_page_are_cut(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_bytes(b"sku,text\n" + b"".join(b"A%d,%s\n" % (n, b"x" * 100_000) for n in range(900)))
    headers, rows = file_looks.preview(path, FeedFormat(), 900)
    assert headers == ["sku", "text"] and len(rows[0].cells[1]) == 20_000
    assert sum(len(row.cells[1]) for row in rows) < 8_000_000 and len(rows) > 300


def test_counts_say_when_they_are_not_of_the_whole_file(tmp_path):
    path = tmp_path / "feed.csv"
    path.write_bytes(FEED)
    rules = {"fields": {"sku": {"columns": ["sku"]}}}
    told = file_looks.tally(path, FeedFormat(), rules, 300, "last")
    assert (told.rows, told.items, told.whole) == (300, 300, True)
    told = file_looks.tally(path, FeedFormat(), rules, 299, "last")
    assert (told.rows, told.whole) == (299, False)


@pytest.mark.one_database
@pytest.mark.parametrize("name", ["gzip-ratio-1000", "json-depth-100000", "xml-laughs", "xlsx-far-cell", "cells-of-ten-megabytes"])
def test_the_pages_stay_small_and_well_beside_a_bomb(client, chosen, run_work, name):
    from portal import documents

    source, mine = chosen("file-upload"), psutil.Process()
    content = BOMBS[name]()
    client.get(f"/sources/{source.public_id}/file")
    before = mine.memory_info().rss
    documents.store_upload(source, io.BytesIO(content), "feed.bin")
    check(source, run_work)
    for rest in ("/connection/checks", "/file", "/file/preview", "/mapping/inventory"):
        assert client.get(f"/sources/{source.public_id}{rest}").status_code < 500, rest
    assert mine.memory_info().rss - before < 100_000_000 + 2 * len(content)


FILE_READERS = {"detect", "open_rows", "preview", "plain", "members", "sheets", "tree", "with_columns"}


def test_files_are_opened_by_the_readers_process_alone():
    wrong = []
    for path in FILES:
        if layer_of(module_of(path)) == "pure" or module_of(path) == "portal.supplier_check":  # samples of our own
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            of_feeds = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "feeds"
            if of_feeds and node.attr in FILE_READERS:
                wrong.append(f"{module_of(path)}: feeds.{node.attr}")
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("portal.feeds"):
                wrong += [f"{module_of(path)}: {one.name}" for one in node.names if one.name not in ("Branch", "Tree")]
    assert wrong == []
    assert set(ANSWERS) >= {"detect", "preview", "options", "with_columns"}
