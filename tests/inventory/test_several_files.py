"""Several files in one run: which are read, in what order, as one feed, each once."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from portal import clock, documents, read_files, runs
from portal.connectors import problems
from portal.connectors.folders import FolderConnector
from portal.errors import NotFound, Refused
from portal.inventory import browse, explain, export, fixes
from portal.models import AuditLine, Document, Integration, Run, RunFile
from tasks import work
from tests.connecting import WHO
from tests.feed_of import HANDLERS, aside, rows_of
from tests.folder_feed import FolderFeed, files_of, story

pytest_plugins = ("tests.folder_feeds",)


@pytest.fixture
def feed(folder_feed: Callable[..., FolderFeed]) -> FolderFeed:
    """All new files that fit stock*.csv, in a folder of this test's own. A full feed."""
    return folder_feed()


def again_later(run: Run) -> Run:
    """The retry that the run waits for, now."""
    assert run.state == "queued"
    Run.update(due_at=clock.now()).where(Run.id == run.id).execute()
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def test_the_parts_of_a_feed_are_read_as_one(feed: FolderFeed) -> None:
    feed.put("stock_part1.csv", rows_of(60), 1)
    feed.put("stock_part2.csv", rows_of(60, start=60), 2)
    feed.put("prices.csv", rows_of(5, start=900), 2)
    run = feed.run()
    assert (run.state, run.counts["rows"], run.counts["new"]) == ("finished", 120, 120)
    assert files_of(run) == [("stock_part1.csv", "file", ""), ("stock_part2.csv", "file", "")]
    feed.put("stock_part1.csv", rows_of(60, quantity=9), 11)
    feed.put("stock_part2.csv", rows_of(50, start=60), 12)
    run = feed.run()
    assert (run.counts["changed"], run.counts["missing"], run.counts["unchanged"]) == (60, 10, 50)
    assert feed.quantities()["SKU-00119"] == 0 and feed.quantities()["SKU-00000"] == 9


def test_nothing_new_is_no_change_and_no_sign_of_life(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(5))
    first = feed.run()
    when = Integration.get_by_id(feed.integration.id).last_accepted_at
    run = feed.run()
    assert (run.state, run.accepted, run.document_id, files_of(run)) == ("no_change", False, None, [])
    assert "No new file" in story(run)
    kept = Integration.get_by_id(feed.integration.id)
    assert (kept.last_accepted_run_id, kept.last_accepted_at) == (first.id, when)


def test_the_oldest_is_read_first_and_the_last_file_counts(feed: FolderFeed) -> None:
    feed.put("stock_b.csv", [["A", "Lamp", "K", 1, "1"], ["B", "Lamp", "K", 1, "1"]], 1)
    feed.put("stock_a.csv", [["A", "Lamp", "K", 2, "1"]], 2)
    feed.put("stock_part10.csv", [["C", "Lamp", "K", 10, "1"]], 3)
    feed.put("stock_part2.csv", [["C", "Lamp", "K", 2, "1"]], 3)
    run = feed.run()
    assert feed.quantities() == {"A": 2, "B": 1, "C": 10}
    assert [name for name, _, _ in files_of(run)] == ["stock_b.csv", "stock_a.csv", "stock_part2.csv", "stock_part10.csv"]
    assert (run.counts["rows"], run.counts["replaced"], run.counts["new"], run.counts["set_aside"]) == (5, 2, 3, 0)
    assert "2 rows were replaced by a later file" in story(run)


def test_rows_of_one_file_that_repeat_a_sku_are_settled_by_the_rule_of_the_mapping(feed: FolderFeed) -> None:
    feed.map(duplicates="sum")
    feed.put("stock_1.csv", [["A", "Lamp", "K", 100, "1"], ["B", "Lamp", "K", 3, "1"], ["B", "Lamp", "K", 4, "1"]], 1)
    feed.put("stock_2.csv", [["A", "Lamp", "K", 1, "1"], ["A", "Lamp", "K", 2, "1"]], 2)
    run = feed.run()
    assert feed.quantities() == {"A": 3, "B": 7}
    assert run.counts["replaced"] == 1


def test_each_row_is_explained_by_its_own_file(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", [*rows_of(40), ["BAD-1", "Lamp", "K", "many", "1"]], 1)
    feed.put("stock_2.csv", [*rows_of(9, start=40), ["BAD-2", "Lamp", "K", "few", "1"], ["SKU-00001", "Lamp 1", "Kestrel", 8, "2.50"]], 2)
    run = feed.run()
    assert run.state == "warnings"
    rows = read_files.Rows(run)
    assert [rows.words(number) for number in sorted(aside(run))] == ["row 42 of stock_1.csv", "row 11 of stock_2.csv"]
    items = feed.items()
    for sku, name, row in (("SKU-00000", "stock_1.csv", 2), ("SKU-00040", "stock_2.csv", 2), ("SKU-00001", "stock_2.csv", 12)):
        told = explain.of(items[sku], "quantity")
        assert (told.document.name, told.row) == (name, row)
        assert f"in {name}, row {row}" in told.equation[0].words
    change = browse.history(items["SKU-00001"])[0]
    assert (change.document.name, change.row_number) == ("stock_2.csv", 12)


def test_rows_to_mend_stand_under_the_columns_of_one_file(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", b"qty,colour,item_no,price,maker,name\nmany,red,Z-1,2.00,K,Lamp\n", 1)
    feed.put("stock_2.csv", [*rows_of(40), ["BAD-2", "Lamp", "K", "few", "1"]], 2)
    feed.set(guards={"bad_quantities": 20})
    run = feed.run()
    listed = list(csv.DictReader(io.StringIO("".join(fixes.to_mend_csv(run)))))
    assert [(row["item_no"], row["qty"], row["name"]) for row in listed] == [("Z-1", "many", "Lamp"), ("BAD-2", "few", "Lamp")]
    text = "".join(fixes.to_mend_csv(run)).replace(",many", ",7").replace(",few", ",9")
    fixes.start(run, io.BytesIO(text.encode()), "mended.csv", "ana")
    runs.work_available({"fixed_rows": fixes.perform})
    assert (feed.quantities()["Z-1"], feed.quantities()["BAD-2"]) == (7, 9)
    exported = list(csv.reader(io.StringIO("".join(export.set_aside_csv(run)))))
    assert [row[:3] for row in exported] == [["Row in file", "File", "SKU"], ["2", "stock_1.csv", "Z-1"], ["42", "stock_2.csv", "BAD-2"]]


def test_one_broken_file_refuses_the_whole_run_and_nothing_counts_as_read(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.put("stock_2.csv", b"name,price\nLamp,3\n", 2)
    feed.put("stock_3.csv", rows_of(5, start=5), 3)
    run = feed.run()
    assert (run.state, run.problem["code"]) == ("failed", "columns_missing")
    assert "stock_2.csv, file 2 of 3" in run.problem["body"] and "None of the files was used" in run.problem["body"]
    assert Document.get_by_id(run.document_id).name == "stock_2.csv"
    assert feed.items() == {}
    feed.put("stock_2.csv", rows_of(5, start=10), 4)
    assert feed.run().counts["new"] == 15


def test_a_broken_file_is_left_out_until_it_changes(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.put("stock_2.csv", b"name,price\nLamp,3\n", 2)
    broken = feed.run()
    bad = Document.get_by_id(broken.document_id)
    assert read_files.leave_out(broken, bad.public_id, True, WHO) == "stock_2.csv"
    run = feed.run()
    assert (run.state, run.counts["new"], files_of(run)) == ("finished", 5, [("stock_1.csv", "file", "")])
    assert feed.run().state == "no_change"
    read_files.leave_out(broken, bad.public_id, False, WHO)
    assert feed.run().state == "failed"
    read_files.leave_out(broken, bad.public_id, True, WHO)
    feed.put("stock_2.csv", rows_of(5, start=5), 9)
    assert feed.run().counts["new"] == 5
    for of, wanted, refusal in ((broken, "no-such", NotFound), (run, Document.get_by_id(run.document_id).public_id, Refused)):
        with pytest.raises(refusal):
            read_files.leave_out(of, wanted, True, WHO)
    told = [line.action for line in AuditLine.select().order_by(AuditLine.id) if "file" in line.action]
    assert told[-3:] == ["integration.leave_out_file", "integration.read_file_after_all", "integration.leave_out_file"]


def test_a_file_of_other_columns_is_read_by_their_names(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.put("stock_2.csv", b"qty,colour,item_no,price,maker,name\n7,red,Z-1,2.00,K,Lamp\n", 2)
    feed.run()
    assert feed.quantities()["Z-1"] == 7


def test_changes_are_applied_in_order_and_only_once(feed: FolderFeed) -> None:
    feed.set(feed="delta")
    feed.put("stock_1.csv", [["A", "Lamp", "K", 1, "1"]], 1)
    feed.run()
    feed.put("stock_2.csv", [["A", "Lamp", "K", 0, "1"]], 2)
    feed.put("stock_3.csv", [["A", "Lamp", "K", 1, "1"]], 3)
    run = feed.run()
    assert [name for name, kind, _ in files_of(run) if kind == "file"] == ["stock_2.csv", "stock_3.csv"]
    assert feed.quantities()["A"] == 1


def test_changes_that_say_the_same_as_the_last_file_are_skipped_and_said(feed: FolderFeed) -> None:
    feed.set(feed="delta")
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.run()
    feed.put("stock_2.csv", rows_of(5), 2)
    run = feed.run()
    assert (run.state, run.accepted) == ("no_change", True)
    assert files_of(run) == [("stock_2.csv", "repeat", "")]
    assert "stock_2.csv holds the very bytes of stock_1.csv" in story(run)
    assert files_of(feed.run()) == []


def test_a_file_that_was_only_touched_is_not_read_again(feed: FolderFeed) -> None:
    feed.set(feed="delta")
    for number in (1, 2):
        feed.put(f"stock_{number}.csv", [["A", "Lamp", "K", number, "1"]], number)
    feed.run()
    for number in (1, 2):
        feed.put(f"stock_{number}.csv", [["A", "Lamp", "K", number, "1"]], 90 - number)
    run = feed.run()
    assert {kind for _, kind, _ in files_of(run)} == {"repeat"} and feed.quantities()["A"] == 2


def test_an_unchanged_part_of_a_full_feed_still_belongs_to_it(feed: FolderFeed) -> None:
    feed.put("stock_part1.csv", rows_of(60), 1)
    feed.put("stock_part2.csv", rows_of(60, start=60), 2)
    feed.run()
    feed.put("stock_part1.csv", rows_of(60), 11)
    feed.put("stock_part2.csv", rows_of(60, start=60, quantity=8), 12)
    run = feed.run()
    assert (run.counts["missing"], run.counts["changed"], run.counts["unchanged"]) == (0, 60, 60)
    feed.put("stock_part1.csv", rows_of(60), 21)
    run = feed.run()
    assert (run.state, files_of(run)) == ("no_change", [("stock_part1.csv", "repeat", "")])
    assert min(feed.quantities().values()) == 5


def test_files_read_as_the_newest_count_as_read(feed: FolderFeed) -> None:
    feed.choose(match="newest")
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.run()
    feed.choose(match="all")
    assert "No new file" in story(feed.run())


def test_after_several_files_one_alone_is_compared_whole(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(60), 1)
    feed.put("stock_2.csv", rows_of(60, start=60), 2)
    feed.run()
    feed.put("stock_3.csv", rows_of(115), 3)
    run = feed.run()
    assert (run.counts["missing"], run.counts["unchanged"]) == (5, 115)
    feed.put("stock_4.csv", rows_of(113), 4)
    run = feed.run()
    assert (run.counts["missing"], run.counts["unchanged"], run.state) == (2, 113, "finished")


def test_a_held_run_marks_nothing_as_read(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(120), 1)
    feed.run()
    feed.put("stock_2.csv", rows_of(60), 2)
    assert feed.run().state == "held"
    feed.put("stock_3.csv", rows_of(60, start=60), 3)
    run = feed.run()
    assert [name for name, _, _ in files_of(run)] == ["stock_2.csv", "stock_3.csv"]
    assert (run.state, run.counts["missing"]) == ("finished", 0)


def test_a_line_that_breaks_goes_on_with_the_same_files(feed: FolderFeed, monkeypatch: Any) -> None:
    for number in (1, 2, 3):
        feed.put(f"stock_{number}.csv", rows_of(5, start=5 * number), number)
    real, brought = FolderConnector.bring, []

    def bring(connector: FolderConnector, place: str, name: str, *rest: Any) -> Any:
        brought.append(name)
        if brought.count("stock_2.csv") == 1 and name == "stock_2.csv":
            feed.put("stock_4.csv", rows_of(10, start=50), 4)
            raise problems.connection_lost("the supplier", "fetching the file")
        return real(connector, place, name, *rest)

    monkeypatch.setattr(FolderConnector, "bring", bring)
    run = again_later(feed.run())
    assert brought == ["stock_1.csv", "stock_2.csv", "stock_2.csv", "stock_3.csv"]
    assert (run.state, run.counts["new"]) == ("finished", 15)
    assert feed.run().counts["new"] == 10


def test_a_file_replaced_before_it_is_fetched_makes_a_new_choice(feed: FolderFeed, monkeypatch: Any) -> None:
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.put("stock_2.csv", rows_of(5, start=5), 2)
    real, brought = FolderConnector.bring, []

    def bring(connector: FolderConnector, place: str, name: str, *rest: Any) -> Any:
        if not brought:
            feed.put("stock_2.csv", rows_of(8, start=5), 7)
        brought.append(name)
        return real(connector, place, name, *rest)

    monkeypatch.setattr(FolderConnector, "bring", bring)
    run = feed.run()
    assert run.problem["code"] == "file_growing" and "files" not in run.checkpoint
    run = again_later(run)
    assert (run.state, run.counts["new"], feed.items()["SKU-00012"].quantity) == ("finished", 13, 5)


def test_files_of_the_last_accepted_run_are_not_erased(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.put("stock_2.csv", rows_of(5, start=5), 2)
    run = feed.run()
    Document.update(erase_at=clock.now()).execute()
    assert documents.erase_old() == 0
    assert all(row.document.stored_name for row in RunFile.select().where(RunFile.run == run.id))


def test_after_remove_inventory_every_file_is_new(feed: FolderFeed) -> None:
    feed.put("stock_1.csv", rows_of(5), 1)
    feed.run()
    runs.start(feed.source, "remove_inventory", integration=feed.integration, started_by="ana")
    runs.work_available(work.HANDLERS)
    assert feed.items() == {}
    assert feed.run().counts["new"] == 5


def test_a_file_for_each_warehouse_adds_up_and_a_later_one_of_the_same_warehouse_counts(feed: FolderFeed) -> None:
    feed.map(warehouse_rows={"columns": ["maker"], "steps": []})
    feed.put("stock_east_1.csv", [["A", "Lamp", "East", 5, "1"], ["B", "Lamp", "East", 1, "1"]], 1)
    feed.put("stock_west.csv", [["A", "Lamp", "West", 3, "1"]], 2)
    feed.put("stock_east_2.csv", [["A", "Lamp", "East", 7, "1"]], 3)
    run = feed.run()
    assert (run.counts["new"], run.counts["replaced"], run.counts["set_aside"]) == (2, 1, 0)
    assert {sku: (item.quantity, item.warehouses) for sku, item in feed.items().items()} == {
        "A": (10, '{"East":7,"West":3}'), "B": (1, '{"East":1}'),
    }  # fmt: skip
