"""The record of a feed: what was read before is not read again, and nothing that was there is ever thought gone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.intake import feed_record
from portal.intake.feed_record import READ_AGAIN, FeedRecord
from portal.intake.hashing import sku_hash
from portal.intake.known import Known


def record(**entries: int) -> FeedRecord:
    return FeedRecord.of(list(entries.values()), list(entries))


def read(known: Known, *hashes: int) -> list[int]:
    return [int(n) for n in known.unseen(np.array(hashes, np.uint64))]


def test_only_records_that_the_last_feed_did_not_hold_are_read():
    known = Known(record(A=11, B=22, C=33))
    assert read(known, 33, 44, 11) == [1]
    known.add(44, "B", 3, True)
    assert not known.settle() and known.doubled() == [] and known.gone() == []
    after = known.after(delta=False)
    assert sorted(zip(after.skus(range(len(after))), after.hashes.tolist(), strict=True)) == [("A", 11), ("B", 44), ("C", 33)]


def test_what_is_not_named_any_more_is_gone_from_a_full_feed_and_stays_in_the_record_of_a_delta():
    known = Known(record(A=11, B=22))
    assert read(known, 22) == []
    known.settle()
    assert known.gone() == ["A"]
    assert sorted(known.after(delta=True).skus(range(2))) == ["A", "B"]
    assert known.after(delta=False).skus(range(1)) == ["B"]


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
    after = known.after(delta=False)
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
    few = many.only(np.arange(100) % 10 == 3)
    assert few.skus(range(10)) == [f"SKU-{n}" for n in range(100) if n % 10 == 3]
    assert len(few.blob) < len(many.blob) / 5


def test_a_record_comes_back_from_its_file_as_it_was_even_an_empty_one(tmp_path):
    for made in (record(A=11, Größe=22), record(), record(A=11).joined(record(B=22)), record(A=1, B=2).only(np.array([False, True]))):
        made.save(tmp_path / "one.record", "key")
        back = feed_record.load(tmp_path / "one.record", "key")
        assert back is not None
        assert back.skus(range(len(back))) == made.skus(range(len(made)))
        assert (back.hashes.tolist(), back.sku_hashes.tolist()) == (made.hashes.tolist(), made.sku_hashes.tolist())


@given(st.lists(st.integers(0, 9)), st.lists(st.integers(0, 9)))
def test_hashes_are_found_among_others(values, chosen):
    found = feed_record.among(np.array(values, np.uint64), np.array(chosen, np.uint64))
    assert found.tolist() == [value in chosen for value in values]
