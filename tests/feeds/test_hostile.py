"""Hostile files are refused within 30 s of a processor and 1 GiB, reach nothing outside themselves, and long honest ones take little memory."""

# ruff: noqa: E501
from __future__ import annotations

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from portal import feeds
from portal.errors import SupplierError
from portal.records import FeedFormat

CHILD = """
import json, resource, sys
from tests.fuzz.reading import outcome, peak_kb
from portal.records import FeedFormat
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))  # whoever goes on for longer is ended
form = FeedFormat(**json.loads(sys.argv[2])) if sys.argv[2] else None
print(json.dumps([outcome(Path(sys.argv[1]), form), peak_kb()]))
"""


def outcome_of(path: Path, form: str = "") -> tuple[str, int]:
    """(rows or code, peak KB) of a child that may take 1 GiB and 30 s of a processor."""
    child = subprocess.run([sys.executable, "-c", CHILD, str(path), form], capture_output=True, text=True, timeout=120, check=False)
    assert child.returncode == 0, child.stderr[-2_000:]
    told, peak = json.loads(child.stdout)
    return told, peak


def repeated(head: bytes, piece: bytes, times: int, tail: bytes = b"") -> bytes:
    return head + piece * times + tail


HOSTILE = {
    "json-deep-in-an-item": (lambda: repeated(b'[{"sku": "A", "x": ', b"[", 100_000), ("unsafe_file", "file_cut")),
    "json-endless-string": (lambda: repeated(b'[{"sku": "', b"x" * 1_000, 40_000), ("malformed_file",)),
    "json-endless-object": (lambda: b"[{" + b",".join(b'"k%d":1' % n for n in range(2_000_000)) + b"}]", ("malformed_file",)),
    "json-many-columns": (lambda: b"[{" + b",".join(b'"k%d":1' % n for n in range(10_000)) + b"}]", ("malformed_file",)),
    "json-a-new-column-each-row": (lambda:
        b"[" + b",".join(b'{"sku":"%d","k%d":1}' % (n, n) for n in range(200_000)) + b"]", ("malformed_file",)),
    "jsonl-endless-line": (lambda: repeated(b'{"sku": "A"}\n{"x": "', b"x" * 1_000, 60_000), ("malformed_file",)),
    "xml-deep": (lambda: repeated(b"<f><item><sku>A</sku>", b"<a>", 100_000), ("unsafe_file",)),
    "xml-many-attributes": (lambda: b"<f><item " + b" ".join(b'a%d="1"' % n for n in range(100_000)) + b"/></f>", ("malformed_file",)),
    "xml-endless-item": (lambda: repeated(b"<f><item><sku>A</sku></item><item>", b"<a/>", 3_000_000), ("malformed_file", "file_cut")),
    "xml-endless-prolog": (lambda: repeated(b'<?xml version="1.0"?>', b"<!-- x -->", 2_000_000, b"<f/>"), ("malformed_file",)),
    "xml-many-columns": (lambda: b"<f>" + b"<item>" + b"".join(b"<c%d>1</c%d>" % (n, n) for n in range(10_000)) + b"</item></f>", ("malformed_file",)),
    "xml-long-text": (lambda: repeated(b"<f><item><sku>", b"x" * 1_000, 30_000, b"</sku></item></f>"), ("malformed_file", "unsafe_file")),
    "xml-quadratic": (lambda: b'<!DOCTYPE f [<!ENTITY a "' + b"x" * 100_000 + b'">]><f>' + b"<item>&a;</item>" * 10_000 + b"</f>", ("unsafe_file",)),
    "xml-doctype-behind-a-comment": (lambda: b"<!-- " + b"x" * 200_000 + b' --><!DOCTYPE f [<!ENTITY a "x">]><f><i><s>&a;</s></i></f>', ("unsafe_file",)),
    "edi-endless-segment": (lambda: repeated(b"ISA*00*          *00*          *ZZ*A*ZZ*B*261123*1200*U*00401*1*0*P*>~ST*846*1~LIN*", b"x" * 1_000, 30_000), ("malformed_file",)),
    "edi-endless-item": (lambda: repeated(b"ISA*00*          *00*          *ZZ*A*ZZ*B*261123*1200*U*00401*1*0*P*>~ST*846*1~LIN*1*VP*A~", b"QTY*33*1~", 2_000_000), ("malformed_file",)),
    "fixed-endless-line": (lambda: repeated(b"A    B   \nC    D   \n", b"x" * 1_000, 40_000), ("malformed_file", "rows")),
    "csv-10k-columns": (lambda: b",".join(b"c%d" % n for n in range(10_000)) + b"\n" + b"1," * 9_999 + b"1\n", ("rows", "malformed_file")),
    "csv-10k-headers-of-one-name": (lambda: b",".join([b"qty"] * 10_000) + b"\n" + b"1," * 9_999 + b"1\n", ("rows", "malformed_file")),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_in_time_and_in_little_memory(tmp_path, name):
    content, codes = HOSTILE[name]
    path = tmp_path / "feed.bin"
    path.write_bytes(content())
    told, peak = outcome_of(path)
    assert told in codes
    assert peak < 900_000


def test_a_packed_text_that_grows_is_refused(tmp_path):
    path = tmp_path / "feed.bin"
    path.write_bytes(gzip.compress(b'[{"sku": "' + b"x" * 60_000_000))
    assert outcome_of(path)[0] == "unsafe_archive"


@pytest.fixture
def listener():
    """A port that counts who comes."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        came: list[object] = []
        server.settimeout(0.2)

        def wait():
            while not came:
                try:
                    came.append(server.accept())
                except TimeoutError:
                    if done.is_set():
                        return
                except OSError:
                    return

        done = threading.Event()
        thread = threading.Thread(target=wait)
        thread.start()
        yield server.getsockname()[1], came
        done.set()
        thread.join()


ATTACKS = (
    '<!DOCTYPE f [<!ENTITY x SYSTEM "file://{secret}">]><f><item><sku>&x;</sku></item></f>',
    '<!DOCTYPE f [<!ENTITY x SYSTEM "http://127.0.0.1:{port}/x">]><f><item><sku>&x;</sku></item></f>',
    '<!DOCTYPE f [<!ENTITY % x SYSTEM "http://127.0.0.1:{port}/x"> %x;]><f><item><sku>A</sku></item></f>',
    '<!DOCTYPE f SYSTEM "http://127.0.0.1:{port}/x.dtd"><f><item><sku>A</sku></item></f>',
    '<!DOCTYPE f PUBLIC "-//X//EN" "http://127.0.0.1:{port}/x.dtd"><f><item><sku>A</sku></item></f>',
    '<f xmlns:xi="http://www.w3.org/2001/XInclude"><item><sku>A</sku><xi:include href="file://{secret}" parse="text"/></item></f>',
    '<f xmlns:xi="http://www.w3.org/2001/XInclude"><item><sku>A</sku><xi:include href="http://127.0.0.1:{port}/x"/></item></f>',
    '<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:{port}/x.xsl"?><f><item><sku>A</sku></item></f>',
    '<f xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="x http://127.0.0.1:{port}/x.xsd"><item><sku>A</sku></item></f>',
    '<xsl:stylesheet xmlns:xsl="http://www.w3.org/1999/XSL/Transform"><item><sku>A</sku><xsl:copy-of select="document(\'file://{secret}\')"/></item></xsl:stylesheet>',
    '<?xml version="1.0" standalone="no"?><!DOCTYPE f [<!ATTLIST f x CDATA "http://127.0.0.1:{port}/">]><f><item><sku>A</sku></item></f>',
    '<f><item><sku>&#x26;undefined;</sku><x>&undefined;</x></item></f>',
)  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_document_reads_another_file_or_opens_a_connection(tmp_path, listener, attack, encoding):
    port, came = listener
    (tmp_path / "secret").write_text("canary-9d1")
    path = tmp_path / "feed.xml"
    path.write_bytes(attack.format(port=port, secret=tmp_path / "secret").encode(encoding))
    for form in (None, FeedFormat("xml"), FeedFormat("xml", row_path="/f/item")):
        try:
            with feeds.open_rows(path, form or feeds.detect(path).format) as reader:
                assert "canary-9d1" not in repr([reader.headers, list(reader)])
        except SupplierError as error:
            assert error.problem.code in ("unsafe_file", "malformed_file", "row_path_missing")
    assert came == []


LONG = {
    "json": (b'{"meta": [', b'{"x": 1},', b'{"x": 1}], "items": [', b'{"sku": "A", "qty": 5},', b'{"sku": "A", "qty": 5}]}'),
    "xml": (b"<f><meta>", b"<x>1</x>", b"</meta><items>", b"<item><sku>A</sku><qty>5</qty></item>", b"</items></f>"),
    "jsonl": (b"", b'{"x": 1}\n', b"", b'{"sku": "A", "qty": 5}\n', b""),
}


@pytest.mark.parametrize("kind", LONG)
def test_memory_does_not_follow_the_file(tmp_path, kind):
    first, junk, middle, item, last = LONG[kind]
    path = tmp_path / "feed.bin"
    with path.open("wb") as file:
        file.write(first + junk * 400_000 + middle)
        for _ in range(60):
            file.write(item * 1_000)
        file.write(last)
    form = {
        "json": '{"kind": "json", "row_path": "$.items"}',
        "xml": '{"kind": "xml", "row_path": "/f/items/item"}',
        "jsonl": '{"kind": "jsonl"}',
    }
    told, peak = outcome_of(path, form[kind])
    assert told == "rows"
    assert peak < 130_000


def test_nothing_is_left_in_the_spool(tmp_path):
    path = tmp_path / "feed.bin"
    path.write_bytes(gzip.compress(b"<f>"))
    assert outcome_of(path)[0] in ("file_cut", "row_path_missing")
    assert os.listdir(tmp_path) == ["feed.bin"]  # noqa: PTH208
