"""The record of a feed: what was read before is not read again, and nothing that was there is ever thought gone."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.intake import feed_record
from portal.intake.feed_record import READ_AGAIN, FeedRecord
from portal.intake.hashing import sku_hash
from portal.intake.job import Job
from portal.intake.known import Known
from portal.intake.reading import Reading
from portal.records import FeedFormat


def record(**entries: int) -> FeedRecord:
    return FeedRecord.of(list(entries.values()), list(entries))


def read(known: Known, *hashes: int) -> list[int]:
    return [int(n) for n in known.unseen(np.array(hashes, np.uint64))]


def test_only_records_that_the_last_feed_did_not_hold_are_read():
    known = Known(record(A=11, B=22, C=33))
    assert read(known, 33, 44, 11) == [1]
    known.add(44, "B", 3, True)
    assert not known.settle() and known.doubled() == [] and known.gone() == []
    after = known.after(delta=False).whole()
    assert sorted(zip(after.skus(range(len(after))), after.hashes.tolist(), strict=True)) == [("A", 11), ("B", 44), ("C", 33)]


def test_what_is_not_named_any_more_is_gone_from_a_full_feed_and_stays_in_the_record_of_a_delta():
    known = Known(record(A=11, B=22))
    assert read(known, 22) == []
    known.settle()
    assert known.gone() == ["A"]
    assert sorted(known.after(delta=True).whole().skus(range(2))) == ["A", "B"]
    assert known.after(delta=False).whole().skus(range(1)) == ["B"]


def test_a_sku_that_stood_on_a_set_aside_row_too_is_not_gone_while_its_other_row_is_there():
    before = FeedRecord.of([11, READ_AGAIN], ["A", "A"])
    known = Known(before)
    assert read(known, 11) == []
    known.settle()
    assert known.gone() == []


def test_a_sku_that_now_stands_twice_has_both_its_records_read():
    known = Known(record(A=11, B=22))
    assert read(known, 11, 22, 55) == [2]
    known.add(55, "A", 4, True)
    assert known.settle()
    assert [int(n) for n in known.forced(np.array([11, 22, 55], np.uint64))] == [0]
    known.add(READ_AGAIN, "A", 2, True)
    assert sorted(known.doubled()[0]) == [2, 4]
    after = known.after(delta=False).whole()
    told = dict(zip(after.skus(range(len(after))), after.hashes.tolist(), strict=True))
    assert told == {"A": READ_AGAIN, "B": 22}


@pytest.mark.parametrize("blocks", [[(11, 11)], [(11,), (11,)], [(11, 11, 11)]])
def test_the_same_record_twice_in_one_feed_is_read_each_time(blocks):
    known = Known(record(A=11))
    for block in blocks:
        assert read(known, *block) == []
    assert known.settle() and known.matched == 0
    assert len(known.forced(np.array([11, 11], np.uint64))) == 2


def test_stale_skus_are_read_whatever_they_look_like():
    known = Known(record(A=11, B=22), stale=["A"])
    assert read(known, 11, 22) == [0]


def test_a_record_survives_the_disk_and_another_key_or_a_flipped_bit_is_none(tmp_path):
    path = tmp_path / "x.record"
    record(A=11, Größe=22).save(path, "key")
    again = feed_record.load(path, "key")
    assert again is not None and again.skus([0, 1]) == ["A", "Größe"] and again.hashes.tolist() == [11, 22]
    assert again.sku_hashes.tolist() == [sku_hash("A"), sku_hash("Größe")]
    assert feed_record.load(path, "other") is None and feed_record.load(tmp_path / "none") is None
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    assert feed_record.load(path, "key") is None


def test_skus_move_together_once_half_of_their_bytes_are_of_no_use():
    many = FeedRecord.of(range(1, 101), [f"SKU-{n}" for n in range(100)])
    for share, moved in ((2, False), (10, True)):
        known = Known(many)
        read(known, *range(share, 101, share))
        known.settle()
        few = known.after(delta=False).whole()
        assert few.skus(range(len(few))) == [f"SKU-{n}" for n in range(100) if n % share == share - 1]
        assert (len(few.blob) < len(many.blob) / 5) == moved


@given(st.lists(st.integers(0, 60), max_size=40), st.lists(st.integers(0, 60), max_size=40), st.booleans())
def test_entries_are_saved_array_by_array_as_one_record_in_order(older, newer, delta):
    known = Known(FeedRecord.of(older, [f"SKU-{n}" for n in range(len(older))]))
    known.seen[::2] = True
    known.add_used([(one, row, f"SKU-{row}é") for row, one in enumerate(newer)])
    entries = known.after(delta)
    with TemporaryDirectory() as folder:
        entries.save(Path(folder) / "x.record", "key")
        back, whole = feed_record.load(Path(folder) / "x.record", "key"), entries.whole()
    assert back is not None and back.hashes.tolist() == whole.hashes.tolist() == sorted(whole.hashes.tolist())
    before = [(one, f"SKU-{n}") for n, one in sorted(enumerate(older), key=lambda pair: pair[1])]
    expected = before if delta else before[::2]
    assert Counter(zip(back.hashes.tolist(), back.skus(range(len(back))), strict=True)) == Counter(
        [*expected, *((one, f"SKU-{row}é") for row, one in enumerate(newer))]
    )


def test_a_record_comes_back_from_its_file_as_it_was_even_an_empty_one(tmp_path):
    for made in (record(A=11, Größe=22), record(), record(A=11).joined(record(B=22)), record(A=1, B=2).apart(np.array([False, True]))):
        made.save(tmp_path / "one.record", "key")
        back = feed_record.load(tmp_path / "one.record", "key")
        assert back is not None
        assert back.skus(range(len(back))) == made.skus(range(len(made)))
        assert (back.hashes.tolist(), back.sku_hashes.tolist()) == (made.hashes.tolist(), made.sku_hashes.tolist())


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_hashes_are_found_among_others(values, chosen):
    found = feed_record.among(np.array(values, np.uint64), np.array(chosen, np.uint64))
    assert found.tolist() == [value in chosen for value in values]


def test_blocks_that_are_compared_together_give_each_record_its_own_number_and_hash(tmp_path):
    """Many small blocks, in another order, with one record twice far apart, one changed, one new and one over two lines."""
    before = [f"K{n:03},{n}" for n in range(300)]
    later = [*reversed(before[1:]), before[150], 'K007,"1\n7"', "K999,9"]
    later.remove("K007,7")
    first = found_in(tmp_path, before, "", "first")
    assert first["end"]["decoded"] == 300
    second = found_in(tmp_path, later, str(tmp_path / "first.record"), "second")
    known = [line for line in later if line in before and line != before[150]]
    assert second["end"]["matched"] == len(known) == 297 and second["gone"] == ["K000"]
    numbers = {n: line.split(",")[0] for n, line in enumerate(later, start=2)}
    read_again = {n: sku for n, sku in numbers.items() if sku in ("K150", "K999")}
    assert {row[0]: row[3] for row in second["rows"] if row[3] in ("K150", "K999")} == {
        n + (sku == "K999"): sku for n, sku in read_again.items()
    }
    assert second["end"]["doubled"] == [sorted(n for n, sku in read_again.items() if sku == "K150")]


def found_in(folder, lines, before, name):
    path = folder / f"{name}.csv"
    path.write_text("\n".join(["sku,qty", *lines]) + "\n")
    rules = {"fields": {"sku": {"columns": ["sku"]}, "quantity": {"columns": ["qty"]}}}
    found = {"rows": [], "gone": []}

    def emit(kind, value):
        if kind == "rows":
            found["rows"] += value[0]
        elif kind == "gone":
            found["gone"] += value
        elif kind == "end":
            found["end"] = value

    Reading(Job(str(path), asdict(FeedFormat()), rules, str(folder / f"{name}.record"), before, block=64), emit).run()
    return found
