"""Packed feeds: the one file in them is read, and nothing in an archive hurts us."""

from __future__ import annotations

import gzip
import io
import resource
import stat
import struct
import zipfile
import zlib

import pytest

from portal import feeds
from portal.errors import SupplierError
from portal.feeds import archives
from portal.records import FeedFormat
from tests.endless import ends

FEED = b"sku,qty\n" + b"".join(b"A%d,%d\n" % (n, n % 7) for n in range(300))


def zipped(files, method=zipfile.ZIP_DEFLATED):
    """{name: bytes, or (bytes, date)} -> the zip's bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            content, date = content if isinstance(content, tuple) else (content, (2026, 11, 1, 0, 0, 0))
            archive.writestr(zipfile.ZipInfo(name, date), content, method)
    return out.getvalue()


@pytest.fixture
def spool(tmp_path):
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


@pytest.fixture
def read(spool):
    """bytes -> the rows, after which nothing but the file itself is left in the spool."""

    def reading(content, name="feed.bin", member=""):
        path = spool / name
        path.write_bytes(content)
        found = feeds.detect(path, name, member)
        with feeds.open_rows(path, found.format) as reader:
            rows = [row.cells for row in reader]
        assert feeds.preview(path, found.format, 2)[1][0].cells == rows[0]
        assert not list(spool.glob("*.unpacked"))
        return rows

    return reading


def code_of(spool, content, form=None, name="feed.bin"):
    path = spool / name
    path.write_bytes(content)
    with pytest.raises(SupplierError) as caught:
        feeds.detect(path, name)
    first = caught.value.problem
    with pytest.raises(SupplierError) as caught, feeds.open_rows(path, form or FeedFormat()) as reader:
        list(reader)
    assert caught.value.problem == first
    assert not list(spool.glob("*.unpacked"))
    assert len(first.headline) < 60 and len(first.body.split()) < 40
    return first.code


def test_gzip_and_zip_are_unpacked(read):
    rows = [line.split(",") for line in FEED.decode().split()[1:]]
    assert read(gzip.compress(FEED), "feed.csv.gz") == rows
    assert read(gzip.compress(FEED[:100]) + gzip.compress(FEED[100:])) == rows
    assert read(zipped({"feed.csv": FEED})) == rows
    assert read(zipped({"out/feed.csv": FEED}, zipfile.ZIP_STORED)) == rows


def test_of_several_files_the_newest_that_fits_is_read(read, spool):
    content = zipped(
        {
            "readme.txt": (b"read me, please\n", (2026, 11, 9, 0, 0, 0)),
            "__MACOSX/._feed.csv": (b"junk", (2026, 11, 9, 0, 0, 0)),
            "stock_1.csv": (b"sku,qty\nOLD,1\n", (2026, 11, 1, 0, 0, 0)),
            "stock_2.csv": (b"sku,qty\nNEW,2\n", (2026, 11, 2, 0, 0, 0)),
            "prices.csv": (b"sku,qty\nPRICE,3\n", (2026, 11, 3, 0, 0, 0)),
        }
    )
    assert read(content) == [["PRICE", "3"]]
    assert read(content, member="stock_*.csv") == [["NEW", "2"]]
    path = spool / "feed.bin"
    assert feeds.members(path) == ["prices.csv", "stock_2.csv", "stock_1.csv"]
    found = feeds.detect(path, "feed.bin", "stock_*.csv")
    assert (found.format.member, found.said["member"]) == ("stock_*.csv", "stock_2.csv, the newest of 2 that fit.")


def test_no_file_that_fits_is_said_with_what_is_there(spool):
    (spool / "a.zip").write_bytes(zipped({"stock.csv": FEED}))
    with pytest.raises(SupplierError) as caught:
        feeds.open_rows(spool / "a.zip", FeedFormat(member="gone_*.csv"))
    assert caught.value.problem.code == "member_missing"
    assert "stock.csv" in caught.value.problem.body
    assert code_of(spool, zipped({}), name="a.zip") == "member_missing"


@pytest.mark.parametrize(
    "name", ["../feed.csv", "/etc/feed.csv", "a/../../feed.csv", "..\\feed.csv", "C:\\feed.csv", "\\\\host\\feed.csv", "a\\..\\..\\b.csv"]
)
def test_names_that_lead_outside_are_refused(spool, name):
    assert code_of(spool, zipped({name: FEED, "feed.csv": FEED})) == "unsafe_archive"


def test_odd_names_are_only_names(read):
    for name in ("CON.csv", "a" * 300 + ".csv", "🎁 stock;rm -rf.csv", "feed.csv "):
        assert len(read(zipped({name: FEED}))) == 300


def test_links_doubled_names_and_archives_inside_are_refused(spool):
    link = zipfile.ZipInfo("feed.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    assert code_of(spool, out.getvalue()) == "unsafe_archive"
    with pytest.warns(UserWarning, match="Duplicate"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("feed.csv", FEED)
            archive.writestr("feed.csv", FEED)
    assert code_of(spool, out.getvalue()) == "unsafe_archive"
    assert code_of(spool, zipped({"feed.zip": zipped({"feed.csv": FEED})})) == "unsafe_archive"
    assert code_of(spool, gzip.compress(gzip.compress(FEED))) == "unsafe_archive"
    assert code_of(spool, zipped({"feed.csv.gz": gzip.compress(FEED)})) == "unsafe_archive"


def test_a_password_is_said(spool):
    content = bytearray(zipped({"feed.csv": FEED}))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(signature) + offset] |= 1
    assert code_of(spool, bytes(content)) == "encrypted_file"


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_cut_archive_is_shorter_than_it_says(spool, share):
    packed = gzip.compress(FEED)
    assert code_of(spool, packed[: int(len(packed) * share)]) == "file_cut"
    packed = zipped({"feed.csv": FEED})
    assert code_of(spool, packed[: int(len(packed) * share)]) == "file_cut"


def test_a_wrong_check_sum_is_refused(spool):
    packed = bytearray(gzip.compress(FEED))
    packed[-6] ^= 255
    assert code_of(spool, bytes(packed)) == "malformed_file"
    packed = bytearray(zipped({"feed.csv": FEED}, zipfile.ZIP_STORED))
    packed[60] ^= 1
    assert code_of(spool, bytes(packed)) == "file_cut"


def limited(act):
    """The act's code; it must end, and take no more than 300 MB on top."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ends():
        code = act()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000
    return code


def gzip_bomb(megabytes):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(megabytes)) + packer.flush()


def test_bombs_are_refused_early(spool):
    bomb = gzip_bomb(400)
    assert limited(lambda: code_of(spool, bomb)) == "unsafe_archive"
    packed = zipped({"feed.csv": b"\0" * 400_000_000})
    assert limited(lambda: code_of(spool, packed)) == "unsafe_archive"
    lying = bytearray(packed)  # the list of files announces a small file
    lying[packed.rindex(b"PK\x01\x02") + 24 : packed.rindex(b"PK\x01\x02") + 28] = struct.pack("<I", 1_000)
    assert limited(lambda: code_of(spool, bytes(lying))) in ("unsafe_archive", "file_cut")


def test_a_list_of_a_million_files_is_refused_before_it_is_read(spool):
    one = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    entries = 1_000_000
    listing = one * entries
    end64 = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, len(listing), 4)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, 4 + len(listing), 1)
    for count, size in ((0xFFFF, 0xFFFFFFFF), (3, 150)):
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, count, count, size, 4, 0)
        assert limited(lambda end=end: code_of(spool, b"PK\x03\x04" + listing + end64 + locator + end)) == "unsafe_archive"


def test_ordinary_repetition_is_no_bomb(read):
    assert len(read(gzip.compress(b"sku,qty\n" + b"A1,1\n" * 200_000))) == 200_000


def test_limits_count_what_comes_out(spool, monkeypatch):
    monkeypatch.setattr(archives, "LARGEST_UNPACKED", 1_000)
    assert code_of(spool, gzip.compress(FEED)) == "unsafe_archive"
    monkeypatch.undo()
    monkeypatch.setattr(archives, "LARGEST_PACKED", 100)
    assert code_of(spool, gzip.compress(FEED)) == "too_large"
    monkeypatch.undo()
    monkeypatch.setattr(archives, "MOST_ENTRIES", 2)
    assert code_of(spool, zipped({f"{n}.csv": FEED for n in range(3)})) == "unsafe_archive"
