"""What servers say about a folder, in the forms that are out there."""

from __future__ import annotations

from datetime import datetime

import pytest

from portal.connectors.ftp_listing import list_entry, mlsd_entry, moment
from portal.records import FileEntry

NOW = datetime(2025, 11, 25, 12, 0)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("-rw-r--r--    1 1000     1000        12345 Nov 20 08:42 stock.csv", FileEntry("stock.csv", 12345, datetime(2025, 11, 20, 8, 42))),
        ("-rw-r--r--    1 ftp ftp  0 Dec 24 2024 old file.csv", FileEntry("old file.csv", 0, datetime(2024, 12, 24))),
        ("-rw-r--r--    1 ftp ftp  7 Dec 24 08:00 last year.csv", FileEntry("last year.csv", 7, datetime(2024, 12, 24, 8))),
        ("-rw-r--r--    1 ftp ftp  7 Nov 26 03:00 zone ahead.csv", FileEntry("zone ahead.csv", 7, datetime(2025, 11, 26, 3))),
        ("drwxr-xr-x    2 ftp      ftp          4096 Nov 20 08:42 out", FileEntry("out", 4096, datetime(2025, 11, 20, 8, 42), True)),
        ("-rw-rw-r--+ 1 ftp 99 Jan  5 10:00 acl.csv", FileEntry("acl.csv", 99, datetime(2025, 1, 5, 10))),
        ("-rw-r--r-- 1 user group 5 20 Nov 08:42 day-first.csv", FileEntry("day-first.csv", 5, datetime(2025, 11, 20, 8, 42))),
        ("-rw-r--r-- 1 user group 5 2025-11-20 08:42 iso.csv", FileEntry("iso.csv", 5, datetime(2025, 11, 20, 8, 42))),
        ("lrwxrwxrwx 1 u g 9 Nov 20 08:42 latest.csv -> stock.csv", FileEntry("latest.csv", None, datetime(2025, 11, 20, 8, 42))),
        ("-rw-r--r-- 1 u g 9 Nov 20 08:42  leading blank.csv", FileEntry(" leading blank.csv", 9, datetime(2025, 11, 20, 8, 42))),
        ("11-20-25  08:42PM                12345 stock.csv", FileEntry("stock.csv", 12345, datetime(2025, 11, 20, 20, 42))),
        ("11-20-2025  12:05AM       <DIR>          out", FileEntry("out", None, datetime(2025, 11, 20, 0, 5), True)),
        ("-rw-r--r-- 1 u g 9 Feb 30 08:42 never.csv", FileEntry("never.csv", 9, None)),
        ("total 12", None),
        ("", None),
        ("What is this?", None),
    ],
)
def test_list_lines(line, expected):
    assert list_entry(line + "\r\n", NOW) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("type=file;size=5;modify=20251120084200; a b.csv", FileEntry("a b.csv", 5, datetime(2025, 11, 20, 8, 42))),
        ("Type=file;Size=5;Modify=20251120084200.123; x.csv", FileEntry("x.csv", 5, datetime(2025, 11, 20, 8, 42))),
        ("type=dir;modify=20251120084200; out", FileEntry("out", None, datetime(2025, 11, 20, 8, 42), True)),
        ("type=file;modify=20251340084200; odd.csv", FileEntry("odd.csv", None, None)),
        ("type=cdir;modify=20251120084200; .", None),
        ("type=pdir; ..", None),
        ("no facts", None),
    ],
)
def test_mlsd_lines(line, expected):
    assert mlsd_entry(line) == expected


def test_a_moment_is_utc_with_or_without_a_fraction():
    assert moment("20251120084200") == moment("20251120084200.5") == datetime(2025, 11, 20, 8, 42)
    assert moment("") is moment("2025") is moment("99999999999999") is None
