"""Which file a name or a pattern means."""

from __future__ import annotations

from datetime import datetime

import pytest

from portal.connectors.selection import newest_first, pick
from portal.errors import SupplierError
from portal.records import FileEntry


def entry(name: str, hour: int | None = 0, folder: bool = False) -> FileEntry:
    return FileEntry(name, 10, None if hour is None else datetime(2025, 11, 20, hour), folder)


FOLDER = [
    entry("stock_1.csv", 6), entry("stock_3.csv", 8), entry("stock_2.csv", 7), entry("Stock_9.csv", 9), entry("prices.csv", 23),
    entry(".stock_4.csv", 10), entry("stock_5.csv.part", 11), entry("stock_6.csv.filepart", 12), entry("stock_7.csv", 13, folder=True),
]  # fmt: skip


def test_the_newest_match_is_taken_and_case_counts():
    assert pick(FOLDER, "newest", "stock_*.csv").name == "stock_3.csv"


def test_unfinished_and_hidden_files_are_never_the_newest():
    assert pick(FOLDER, "newest", "*").name == "prices.csv"
    assert pick(FOLDER, "newest", "*.csv*").name == "prices.csv"


def test_an_exact_name_is_taken_to_the_letter():
    assert pick(FOLDER, "exact", "stock_2.csv").name == "stock_2.csv"
    assert pick([entry("a[1].csv")], "exact", "a[1].csv").name == "a[1].csv"


def test_without_times_the_last_name_is_the_newest():
    assert pick([entry("s_20251119.csv", None), entry("s_20251120.csv", None)], "newest", "s_*").name == "s_20251120.csv"


@pytest.mark.parametrize(
    ("match", "pattern", "words"),
    [
        ("exact", "stock_8.csv", "the newest is prices.csv of 20 Nov 23:00 UTC"),
        ("exact", "STOCK_1.CSV", "There is stock_1.csv: capital letters count"),
        ("newest", "feed_*.txt", "We looked for feed_*.txt in /out. It holds 8 files"),
        ("exact", "stock_7.csv", "8 files"),
    ],
)
def test_a_missing_file_says_what_is_there(match, pattern, words):
    with pytest.raises(SupplierError) as caught:
        pick(FOLDER, match, pattern, "/out")
    assert caught.value.problem.code == "file_missing" and words in caught.value.problem.body


def test_an_empty_folder_is_said_to_be_empty():
    with pytest.raises(SupplierError, match="No file fits") as caught:
        pick([], "newest", "*")
    assert "It holds no files" in caught.value.problem.body


def test_a_listing_for_people_has_folders_first_and_new_files_before_old():
    assert [one.name for one in newest_first(FOLDER)][:3] == ["stock_7.csv", "prices.csv", "stock_6.csv.filepart"]
