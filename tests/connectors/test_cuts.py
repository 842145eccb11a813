"""N3: a download cut at each of 200 points, plain, in gzip and in zip. Where a length or an end mark exists, no part is ever taken for all.

Without either, a cut packed file fails its own check when it is read; a cut plain text cannot be told from a short one, and is left to
the guards (tests/inventory/test_guard_table.py). SFTP, whose sessions take longer, is cut in test_sftp.py.
"""

from __future__ import annotations

import gzip
import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import feeds
from portal.errors import SupplierError
from portal.records import FeedFormat
from tests.connectors.conftest import LIMIT, fetch, left_nothing
from tests.connectors.faults import cutting, cutting_data
from tests.connectors.web_server import answer, chunked, web
from tests.servers import LOOPBACK, Server, SystemUser, vsftpd

POINTS = 200
TEMPORARY = ("cut_download", "connection_lost", "protocol_error")
_draw = random.Random(3)
ROWS = [f"A-{n:04d},{_draw.randrange(10**9)},{_draw.random():.9f}" for n in range(400)]
PLAIN = ("sku,qty,cost\r\n" + "\r\n".join(ROWS) + "\r\n").encode()


def _zip(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("stock.csv", content)
    return out.getvalue()


FILES = {"stock.csv": PLAIN, "stock.csv.gz": gzip.compress(PLAIN), "stock.zip": _zip(PLAIN)}


def points(first: int, end: int) -> list[int]:
    """200 places to cut, the first byte and the last among them, and the border of a row."""
    spread = {first + (end - first) * n // (POINTS - 1) for n in range(POINTS - 1)} - {end}
    return sorted({*spread, end - 1, first + min(PLAIN.index(b"\r\n", 3_000) + 2, end - first - 2)})


def cut(connector: object, into: Path, folder: str = "") -> str:
    """The code that a fetch fails with, nothing being left; "" when it brought a file."""
    try:
        fetch(connector, into, folder, pattern="*")  # type: ignore[arg-type]
    except SupplierError as error:
        assert not error.permanent and left_nothing(into), error.problem
        return error.problem.code
    return ""


def reads_as_a_feed(path: Path) -> bool:
    """Whether reading comes to an end with the columns that a mapping needs."""
    try:
        with feeds.open_rows(path, FeedFormat()) as reader:
            return len(list(reader)) > 0 and "sku" in reader.headers
    except SupplierError:
        return False


@pytest.mark.parametrize("name", FILES)
def test_http_with_a_length_never_takes_a_part(connect, tmp_path, name):
    whole = answer(FILES[name], Content_Type="application/octet-stream")
    _never_by_http(connect, tmp_path, whole, len(whole), name)


@pytest.mark.parametrize("name", FILES)
def test_http_in_chunks_never_takes_a_part(connect, tmp_path, name):
    whole = chunked(FILES[name], 700, Content_Type="application/octet-stream")
    _never_by_http(connect, tmp_path, whole, len(whole) - len(b"0\r\n\r\n"), name)


def _never_by_http(connect, tmp_path: Path, whole: bytes, end: int, name: str) -> None:
    body = whole.index(b"\r\n\r\n") + 4
    tried = points(body, end)
    assert len(tried) >= POINTS
    with web(whole) as server:
        for k in tried:
            with cutting(server.port, k) as port:
                code = cut(connect("http", {"url": f"http://{LOOPBACK}:{port}/{name}"}), tmp_path / "feed")
            assert code in TEMPORARY, (k, code)
        assert cut(connect("http", {"url": server.link(f"/{name}")}), tmp_path / "feed") == ""


@pytest.mark.parametrize("name", ["stock.csv.gz", "stock.zip"])
def test_http_without_a_length_a_cut_packed_file_fails_when_it_is_read(connect, tmp_path, name):
    content = FILES[name]
    whole = answer(content, length=False, Content_Type="application/octet-stream")
    body, into = len(whole) - len(content), tmp_path / "feed"
    with web(whole) as server:
        for k in points(body + 1, len(whole)):
            with cutting(server.port, k) as port:
                code = cut(connect("http", {"url": f"http://{LOOPBACK}:{port}/{name}"}), into)
            if code:
                assert code in TEMPORARY, (k, code)
                continue
            assert into.read_bytes() == content[: k - body]
            assert not reads_as_a_feed(into), k
            into.unlink()


def test_http_without_a_length_a_reset_is_never_taken_for_the_end(connect, tmp_path):
    whole = answer(PLAIN, length=False)
    with web(whole) as server:
        for k in points(len(whole) - len(PLAIN), len(whole)):
            with cutting(server.port, k, rudely=True) as port:
                code = cut(connect("http", {"url": f"http://{LOOPBACK}:{port}/stock.csv"}), tmp_path / "feed")
            assert code in TEMPORARY, (k, code)


@pytest.fixture(scope="module")
def ftp(user: SystemUser) -> Iterator[Server]:
    for name, content in FILES.items():
        user.put(f"cut/{name.replace('.', '_')}/{name}", content, 1_700_000_000)
    with vsftpd(user) as server:
        yield server


@pytest.mark.parametrize("name", FILES)
def test_ftp_never_takes_a_part(connect, ftp, tmp_path, name):
    settings = {"port": ftp.port, "user": ftp.user.name, "security": "plain", "plain_ok": True}
    connector = connect("ftp", settings, {"password": ftp.user.password})
    place = connector.place_of(f"cut/{name.replace('.', '_')}")
    seen = connector.still(place, [name], lambda *_: None, 0.0)[name]
    for k in points(0, len(FILES[name])):
        with cutting_data(0, k) as asked, pytest.raises(SupplierError) as refused:
            connector.bring(place, name, seen, tmp_path / "feed", LIMIT, lambda *_: None)
        assert len(asked) == 1 and refused.value.problem.code in TEMPORARY and not refused.value.permanent, k
        assert left_nothing(tmp_path / "feed"), k
    assert connector.bring(place, name, seen, tmp_path / "feed", LIMIT, lambda *_: None).size == len(FILES[name])
