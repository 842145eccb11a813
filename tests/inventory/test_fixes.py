"""Rows that were set aside come back mended, each once, through the mapping of their run."""

from __future__ import annotations

import csv
import io

import pytest

from portal import documents, leases, runs
from portal.errors import Refused
from portal.inventory import fixes, pins, revert
from portal.models import Document, InventoryChange, InventoryItem, Run, RunMessage, SetAsideRow, Source
from tasks.work import HANDLERS
from tests.feed_of import HEADERS, Feed, aside, rows_of

WHO = "ana@harbor.example"


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def sync(feed, rows):
    run = feed.start(rows)
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def broken(count=10):
    rows = rows_of(count)
    rows[1][3] = "many"  # no quantity: set aside
    rows[2][0] = ""  # no SKU: set aside
    rows[3][4] = "cheap"  # no price: the value is left out, or the row set aside
    return rows


def to_mend(run):
    return list(csv.reader(io.StringIO("".join(fixes.to_mend_csv(run)))))


def upload(run, rows, name="mended.csv"):
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows(rows)
    return upload_bytes(run, out.getvalue().encode(), name)


def upload_bytes(run, raw, name="mended.csv"):
    started, fresh = fixes.start(run, io.BytesIO(raw), name, WHO)
    runs.work_available(HANDLERS)
    return Run.get_by_id(started.id), fresh


def mended(rows, **values):
    """The rows with cells changed: mended(rows, qty={3: "7"}) by the number of the row in its file."""
    at = {name: rows[0].index(name) for name in HEADERS}
    for row in rows[1:]:
        for column, by_row in values.items():
            if int(row[0]) in by_row:
                row[at[column]] = by_row[int(row[0])]
    return rows


def test_the_file_to_mend_has_the_headers_of_the_feed_and_every_reason(feed):
    run = sync(feed, broken())
    rows = to_mend(run)
    assert rows[0] == ["Quayside row", "Quayside result", "Quayside reasons", *HEADERS]
    assert [row[0] for row in rows[1:]] == ["3", "4", "5"]
    assert rows[1][1] == "Row set aside" and "qty" in rows[1][2] and rows[1][3:] == ["SKU-00001", "Lamp 1", "Kestrel", "many", "2.50"]
    assert fixes.open_rows(run) == 3


def test_mended_rows_are_added_and_changed_once_and_nothing_is_removed(feed):
    run = sync(feed, broken())
    before = set(feed.items())
    rows = mended(to_mend(run), qty={3: "7"}, item_no={4: "NEW-1"}, price={5: "9.25"})
    done, fresh = upload(run, rows)
    assert (done.state, fresh, done.started_by) == ("finished", True, WHO)
    items = feed.items()
    assert (items["SKU-00001"].quantity, items["NEW-1"].title, items["SKU-00003"].cost) == (7, "Lamp 2", 92_500)
    assert before < set(items) and Source.get_by_id(feed.source.id).item_count == len(items)
    assert items["NEW-1"].added_run_id == done.id
    assert {row.used_run_id for row in aside(run).values()} == {done.id}
    assert fixes.open_rows(run) == 0
    assert done.mapping_version == run.mapping_version
    assert Document.get_by_id(done.document_id).origin == "fixes"


def test_the_same_file_again_is_told_to_be_accepted_already(feed):
    run = sync(feed, broken())
    rows = mended(to_mend(run), qty={3: "7"})[:2]
    done, _ = upload(run, rows)
    again, fresh = upload(run, rows)
    assert (again.id, fresh) == (done.id, False)
    rows.append(mended(to_mend(run), item_no={4: "NEW-1"})[1])
    third, _ = upload(run, rows)
    assert (third.counts["already_accepted"], third.counts["new"], third.counts["changed"]) == (1, 1, 0)
    assert InventoryChange.select().where(InventoryChange.run == third.id).count() == 0
    upload(run, mended(to_mend(run), price={5: "1"}))
    with pytest.raises(Refused, match="accepted already"):
        fixes.start(run, io.BytesIO(b"else"), "x.csv", WHO)


def test_rows_that_are_not_of_the_list_or_still_broken_are_told_and_change_nothing(feed):
    run = sync(feed, broken())
    quantities = feed.quantities()
    rows = to_mend(run)
    stranger = ["2", "", "", "SKU-00000", "Lamp 0", "Kestrel", "999", "1.50"]
    other = list(rows[1])
    other[3], other[6] = "SKU-00008", "999"
    done, _ = upload(run, [rows[0], stranger, ["x", *stranger[1:]], other, *rows[2:]])
    assert (done.state, done.counts["set_aside"], done.counts["new"]) == ("warnings", 5, 0)
    assert feed.quantities() == quantities
    told = [row.problems[0]["reason"] for row in aside(done).values()]
    assert "Not a row that run 1 set aside" in told[0] and "was for SKU-00001" in told[2]
    assert fixes.open_rows(run) == 3


def test_a_newer_feed_counts_more_than_a_late_mend(feed):
    run = sync(feed, broken())
    rows = mended(to_mend(run), qty={3: "7"})
    newer = sync(feed, rows_of(10, quantity=3))
    done, _ = upload(run, rows[:2])
    assert feed.quantities()["SKU-00001"] == 3
    assert f"Run {newer.number} wrote this item since" in aside(done)[2].problems[0]["reason"]


def test_two_mended_rows_of_one_sku_are_not_both_taken(feed, monkeypatch):
    monkeypatch.setattr(fixes, "CHUNK", 1)
    rows = broken()
    rows[4][0] = ""
    run = sync(feed, rows)
    done, _ = upload(run, mended(to_mend(run), item_no={4: "NEW-1", 6: "NEW-1"}, qty={3: "7"}, price={5: "1"}))
    told = [row.problems[0]["reason"] for row in aside(done).values()]
    assert told == ["Another row that was mended has the same SKU"]
    assert (feed.items()["NEW-1"].title, fixes.open_rows(run)) == ("Lamp 2", 1)


def test_text_that_a_spreadsheet_would_run_comes_back_to_the_letter(feed):
    rows = broken()
    rows[1][1], rows[2][1] = "=cmd()", "'-5 mm"
    run = sync(feed, rows)
    listed = to_mend(run)
    assert listed[1][4] == "'=cmd()" and listed[2][4] == "''-5 mm"
    upload(run, mended(listed, qty={3: "7"}, item_no={4: "NEW-1"}))
    assert (feed.items()["SKU-00001"].title, feed.items()["NEW-1"].title) == ("=cmd()", "'-5 mm")


def test_long_cells_come_whole_from_the_kept_file(feed):
    rows = broken()
    rows[1][2] = "K" * 800
    run = sync(feed, rows)
    assert to_mend(run)[1][5] == "K" * 800


def test_a_pinned_value_is_not_mended(feed):
    sync(feed, rows_of(10))
    pins.pin(InventoryItem.get(sku="SKU-00001"), "quantity", "2", "", None, WHO)
    run = sync(feed, broken())
    upload(run, mended(to_mend(run), qty={3: "7"}, name={3: "Better"}))
    item = feed.items()["SKU-00001"]
    assert (item.quantity, item.title) == (2, "Better")


def test_mended_rows_can_be_taken_back(feed):
    run = sync(feed, broken())
    before = feed.quantities()
    done, _ = upload(run, mended(to_mend(run), qty={3: "7"}, item_no={4: "NEW-1"}))
    assert feed.quantities() != before
    revert.start(done, revert.Choice(), WHO)
    runs.work_available(HANDLERS)
    assert feed.quantities() == before


def test_another_kind_of_file_is_refused_with_a_reason(feed):
    run = sync(feed, broken())
    done, _ = upload(run, rows_of(3))
    assert (done.state, done.problem["headline"]) == ("failed", "This is not a file of mended rows")


def test_an_interrupted_mend_goes_on_without_taking_a_row_twice(feed, monkeypatch):
    monkeypatch.setattr(fixes, "CHUNK", 2)
    rows = rows_of(20)
    for row in rows[:9]:
        row[3] = "many"
    run = sync(feed, rows)
    seen = [0]

    def reach(name: str) -> None:
        seen[0] += 1
        if name == "applied-chunk" and seen[0] % 2:
            raise leases.GivenBack(name)

    monkeypatch.setattr("portal.failpoints.reach", reach)
    listed = mended(to_mend(run), qty=dict.fromkeys(range(2, 11), "8"))
    done, _ = upload(run, listed)
    for _ in range(6):
        runs.work_available(HANDLERS)
    done = Run.get_by_id(done.id)
    assert (done.state, done.counts["rows"], done.counts["new"], done.counts["already_accepted"]) == ("finished", 9, 9, 0)
    assert SetAsideRow.select().where(SetAsideRow.used_run_id == done.id).count() == 9


def unnamed(feed):
    """A feed whose fourth row has no SKU and was given NEW-1: (its rows, the run that took it in)."""
    rows = rows_of(10)
    rows[2][0] = ""
    run = sync(feed, rows)
    done, _ = upload(run, mended(to_mend(run), item_no={4: "NEW-1"}))
    assert feed.quantities()["NEW-1"] == 5
    return rows, done


def standing(feed):
    item = feed.items()["NEW-1"]
    return item.quantity, item.missing_since is None


def test_a_row_that_was_given_a_sku_holds_when_the_file_is_read_whole_and_is_not_asked_again(feed):
    rows, _ = unnamed(feed)
    rows[5][3] = 9
    run = sync(feed, rows)
    assert (standing(feed), run.counts["set_aside"], fixes.open_rows(run)) == ((5, True), 0, 0)
    said = [message.text for message in RunMessage.select().where(RunMessage.run == run)]
    assert any("stays as mended until this row changes" in text for text in said)
    feed.map(duplicates="first")  # other rules: nothing that was read before serves
    rows = [rows[0], *rows[3:], rows[2], rows[1]]
    run = sync(feed, rows)
    assert (standing(feed), run.counts["set_aside"], run.state) == ((5, True), 0, "finished")
    feed.map([*HEADERS, "printed"])
    run = feed.sync([[*row, "13:05"] for row in rows], [*HEADERS, "printed"])  # a column that no rule reads
    assert (standing(feed), run.counts["set_aside"]) == ((5, True), 0)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("change", ["changed", "gone", "given a SKU"])
def test_an_item_of_a_row_without_a_sku_is_missing_once_that_row_changes_or_goes(feed, change, whole):
    rows, _ = unnamed(feed)
    sync(feed, [*rows, ["LATE-1", "Late", "Kestrel", 1, "1.50"]])
    if whole:
        feed.map(duplicates="first")
    if change == "changed":
        rows[2][3] = 6
    elif change == "gone":
        rows.pop(2)
    else:
        rows[2][0] = "NEW-1"
        rows[2][3] = 8
    run = sync(feed, rows)
    assert standing(feed) == ((8, True) if change == "given a SKU" else (0, False))
    assert fixes.open_rows(run) == (1 if change == "changed" else 0)


def test_rows_without_a_sku_that_are_alike_keep_a_sku_each(feed):
    rows = rows_of(10)
    rows[2] = ["", "Twin", "Kestrel", 5, "1.50"]
    rows[3] = list(rows[2])
    run = sync(feed, rows)
    upload(run, mended(to_mend(run), item_no={4: "NEW-1", 5: "NEW-2"}))
    feed.map(duplicates="first")
    sync(feed, rows)
    assert (feed.quantities()["NEW-1"], feed.quantities()["NEW-2"]) == (5, 5)
    rows.pop(3)
    run = sync(feed, rows)
    assert (feed.quantities()["NEW-1"], feed.quantities()["NEW-2"], run.counts["missing"]) == (5, 0, 1)


def test_a_row_whose_mending_was_reverted_is_set_aside_again(feed):
    rows, done = unnamed(feed)
    revert.start(done, revert.Choice(), WHO)
    runs.work_available(HANDLERS)
    feed.map(duplicates="first")
    run = sync(feed, rows)
    assert (run.counts["set_aside"], fixes.open_rows(run)) == (1, 1)


def test_a_given_sku_holds_though_the_file_of_its_row_was_erased_by_age(feed):
    rows = [[row[3], *row[:3], row[4]] for row in rows_of(10)]
    headers = ["qty", "item_no", "name", "maker", "price"]  # in another order than the mapping's
    rows[2][1] = ""
    run = feed.sync(rows, headers)
    listed = to_mend(run)
    document = Document.get_by_id(run.document_id)
    documents.path_of(document).unlink()
    Document.update(stored_name=None).where(Document.id == document.id).execute()
    assert to_mend(run) == listed, "each cell stands below the name that it had in its file"
    at = listed[0].index("item_no")
    listed[1][at] = "NEW-1"
    upload(run, listed)
    feed.map(duplicates="first")
    run = feed.sync(rows, headers)
    assert (standing(feed), run.counts["set_aside"]) == ((5, True), 0)
