"""What a run does to the inventory: add, change, zero, missing, back; only differences, all journaled."""

from __future__ import annotations

from datetime import datetime

import pytest

from portal import clock, runs
from portal.fields import INVENTORY_FIELDS
from portal.inventory import accepting, apply, lineage
from portal.models import Document, FeedState, Integration, InventoryItem, Run, Source
from tests.feed_of import HANDLERS, HEADERS, Feed, aside, journal, leftovers, rows_of

EVERY_FIELD = {
    "sku": ("A", "A"), "parent_sku": ("P1", "P2"), "title": ("One", "Two"), "description": ("a", 'b "quoted", größer'),
    "brand": ("K", "L"), "upc": ("036000291452", "4006381333931"), "mpn": ("0012", "012"), "quantity": ("5", "6"),
    "cost": ("1.00", "1.01"), "list_price": ("2", "3"), "msrp": ("4", "5"), "map_price": ("6", "7"),
    "weight": ("1.5", "1.25"), "weight_unit": ("pound", "kilogram"), "length": ("1", "2"), "width": ("3", "4"), "height": ("5", "6"),
    "dimension_unit": ("inch", "centimetre"), "category_1": ("x", "X"), "category_2": ("y", "z"), "category_3": ("u", "v"),
    "images": ("https://a.example/1.jpg", "https://a.example/2.jpg"), "condition": ("New", "Used"), "status": ("active", "gone"),
    "bin_location": ("B1", "B2"),
}  # fmt: skip


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def test_a_first_run_adds_every_row(feed):
    run = feed.sync(rows_of(3))
    assert (run.state, run.accepted) == ("finished", True)
    assert run.counts == {
        "rows": 3, "new": 3, "changed": 0, "unchanged": 0, "missing": 0, "zeroed": 0, "back": 0, "set_aside": 0, "noted": 0, "held": 0,
    }  # fmt: skip
    item = feed.items()["SKU-00001"]
    assert (item.title, item.brand, item.quantity, item.cost) == ("Lamp 1", "Kestrel", 5, 25_000)
    assert (item.last_run_id, item.last_row, item.merchant_id) == (run.id, 3, feed.source.merchant_id)
    assert Source.get_by_id(feed.source.id).item_count == 3


def test_public_ids_of_items_are_random_and_differ(feed):
    feed.sync(rows_of(50))
    ids = {item.public_id for item in feed.items().values()}
    assert len(ids) == 50
    assert all(len(one) == 32 and one.isalnum() for one in ids)


def test_only_differences_are_written_and_journaled(feed):
    feed.sync(rows_of(3))
    before = feed.items()
    changed = rows_of(3)
    changed[1][3], changed[1][1] = 9, 'Lamp "one" – größer'
    run = feed.sync(changed)
    assert (run.counts["changed"], run.counts["unchanged"], run.counts["new"]) == (1, 2, 0)
    assert journal(run) == {
        "SKU-00001": ("change", {"quantity": 5, "title": "Lamp 1"}, {"quantity": 9, "title": 'Lamp "one" – größer'}),
    }
    after = feed.items()
    assert after["SKU-00001"].changed_at > before["SKU-00001"].changed_at
    assert after["SKU-00000"].changed_at == before["SKU-00000"].changed_at
    assert (after["SKU-00001"].id, after["SKU-00001"].public_id) == (before["SKU-00001"].id, before["SKU-00001"].public_id)


def test_an_added_item_says_which_run_brought_it(feed):
    run = feed.sync(rows_of(1))
    assert journal(run) == {}
    assert feed.items()["SKU-00000"].added_run_id == run.id


def test_an_emptied_cell_empties_the_value(feed):
    feed.sync(rows_of(2))
    rows = rows_of(2)
    rows[0][2] = ""
    run = feed.sync(rows)
    assert journal(run)["SKU-00000"] == ("change", {"brand": "Kestrel"}, {"brand": None})
    assert feed.items()["SKU-00000"].brand is None


def test_columns_that_are_not_mapped_stay_as_they_are(feed):
    feed.sync(rows_of(2))
    fields = {name: {"columns": [column]} for name, column in (("sku", "item_no"), ("quantity", "qty"))}
    feed.map(fields=fields)
    run = feed.sync(rows_of(2, quantity=8))
    item = feed.items()["SKU-00001"]
    assert (item.quantity, item.title, item.cost) == (8, "Lamp 1", 25_000)
    assert journal(run)["SKU-00001"] == ("change", {"quantity": 5}, {"quantity": 8})


def test_a_column_that_is_mapped_again_is_emptied_where_the_file_has_nothing(feed):
    some = {name: {"columns": [column]} for name, column in (("sku", "item_no"), ("quantity", "qty"))}
    more = some | {"title": {"columns": ["name"]}}
    feed.map(fields=more)
    feed.sync(rows_of(2))
    feed.map(fields=some)
    feed.sync([["SKU-00000", "", "", 6, ""], ["SKU-00001", "", "", 5, ""]])
    assert feed.items()["SKU-00000"].title == "Lamp 0"
    feed.map(fields=more)
    feed.sync([["SKU-00000", "", "K", 6, ""], ["SKU-00001", "", "K", 5, ""]])
    assert [item.title for item in feed.items().values()] == [None, None]


def test_a_change_of_each_single_column_is_seen_written_and_journaled(make_source):
    feed, names = Feed(make_source()), list(EVERY_FIELD)
    assert names == [field.key for field in INVENTORY_FIELDS]
    feed.map(headers=names, fields={name: {"columns": [name]} for name in names})
    row = [cells[0] for cells in EVERY_FIELD.values()]
    feed.sync([row], headers=names)
    for place, name in enumerate(names[1:], 1):
        row[place] = EVERY_FIELD[name][1]
        before = getattr(feed.items()["A"], name)
        run = feed.sync([row], headers=names)
        after = getattr(feed.items()["A"], name)
        assert before != after and None not in (before, after), name
        assert journal(run) == {"A": ("change", {name: before}, {name: after})}


def test_an_item_that_goes_to_zero_is_a_change_counted_as_zeroed(feed):
    feed.sync(rows_of(3))
    rows = rows_of(3)
    rows[2][3] = 0
    run = feed.sync(rows)
    assert (run.counts["zeroed"], run.counts["changed"], run.counts["unchanged"]) == (1, 1, 2)
    assert journal(run)["SKU-00002"] == ("zero", {"quantity": 5}, {"quantity": 0})


def test_a_missing_item_goes_to_zero_and_is_kept(feed):
    feed.sync(rows_of(10))
    run = feed.sync(rows_of(9))
    assert (run.state, run.counts["missing"], run.counts["unchanged"]) == ("finished", 1, 9)
    gone = feed.items()["SKU-00009"]
    assert (gone.quantity, gone.title) == (0, "Lamp 9")
    assert gone.missing_since is not None
    assert journal(run) == {"SKU-00009": ("missing", {"quantity": 5}, {"quantity": 0})}
    again = feed.sync(rows_of(9, quantity=6))
    assert again.counts["missing"] == 0


def test_an_item_that_comes_back_is_restored(feed):
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    since = lineage.told(feed.items()["SKU-00009"].missing_since)
    run = feed.sync(rows_of(10))
    back = feed.items()["SKU-00009"]
    assert (run.counts["back"], run.counts["new"], back.quantity, back.missing_since) == (1, 0, 5, None)
    assert journal(run)["SKU-00009"] == ("back", {"quantity": 0, "missing_since": since}, {"quantity": 5, "missing_since": None})
    assert feed.sync(rows_of(10, quantity=5)).state == "no_change"


def test_a_row_that_is_set_aside_is_not_missing(feed):
    feed.sync(rows_of(30))
    rows = rows_of(30)
    rows[4][3] = "-2"
    run = feed.sync(rows)
    assert (run.state, run.counts["set_aside"], run.counts["missing"]) == ("warnings", 1, 0)
    assert feed.items()["SKU-00004"].quantity == 5
    told = aside(run)[6]
    assert (told.sku, told.fatal, told.cells) == ("SKU-00004", 1, ["SKU-00004", "Lamp 4", "Kestrel", "-2", "5.50"])
    assert told.problems[0]["field"] == "quantity"


def test_rows_without_a_sku_are_set_aside_with_their_row_number(feed):
    rows = rows_of(3)
    rows[1][0] = ""
    run = feed.sync(rows)
    assert list(aside(run)) == [3]
    assert sorted(feed.items()) == ["SKU-00000", "SKU-00002"]


def test_the_same_file_again_is_no_change(feed):
    first = feed.sync(rows_of(4))
    run = feed.sync(rows_of(4))
    assert (run.state, run.accepted) == ("no_change", True)
    assert (run.counts["rows"], run.counts["unchanged"]) == (4, 4)
    assert journal(run) == {}
    assert Integration.get_by_id(feed.integration.id).last_accepted_run_id == first.id


def test_the_same_file_under_another_mapping_is_read_again(feed):
    feed.sync(rows_of(4))
    feed.map(fields={"sku": {"columns": ["item_no"]}, "title": {"columns": ["maker"]}, "quantity": {"columns": ["qty"]}})
    run = feed.sync(rows_of(4))
    assert (run.state, run.counts["changed"]) == ("finished", 4)
    assert feed.items()["SKU-00000"].title == "Kestrel"


def test_the_same_file_read_another_way_is_read_again(feed):
    feed.sync(rows_of(4))
    feed.integration.settings = {"format": {**feed.integration.settings["format"], "decimal_mark": ","}}
    feed.integration.save()
    assert feed.sync(rows_of(4)).state != "no_change"


def test_the_good_file_again_after_a_held_one_wrote_something_is_read_again(feed):
    feed.sync(rows_of(100))
    assert feed.sync(rows_of(60, quantity=7)).state == "held"
    run = feed.sync(rows_of(100))
    assert run.state == "finished"
    assert set(feed.quantities().values()) == {5}


@pytest.mark.parametrize(
    ("policy", "quantity", "title", "fatal", "state"),
    [
        ("first", 1, "One", 1, "warnings"),
        ("last", 4, "Three", 1, "warnings"),
        ("sum", 7, "One", 0, "warnings"),
        ("set_aside", None, None, 1, "warnings"),
    ],
)
def test_duplicate_skus_follow_the_policy_and_each_is_reported(make_source, policy, quantity, title, fatal, state):
    feed = Feed(make_source(), duplicates=policy)
    rows = [["A", "One", "K", 1, "1"], ["B", "Other", "K", 9, "1"], ["A", "Two", "K", 2, "1"], ["A", "Three", "K", 4, "1"]]
    run = feed.sync(rows)
    item = feed.items().get("A")
    assert (item and item.quantity, item and item.title) == (quantity, title)
    assert feed.items()["B"].quantity == 9
    told = aside(run)
    assert len(told) == (3 if policy == "set_aside" else 2)
    assert {row.fatal for row in told.values()} == {fatal}
    assert all(row.cells[0] == "A" and "SKU" in row.problems[0]["reason"] for row in told.values())
    assert run.state == state
    assert run.counts["set_aside" if fatal else "noted"] == len(told)


def test_set_aside_duplicates_do_not_make_a_known_item_missing(make_source):
    feed = Feed(make_source(), duplicates="set_aside")
    feed.sync([["A", "One", "K", 1, "1"], ["B", "Two", "K", 2, "1"]])
    run = feed.sync([["A", "One", "K", 3, "1"], ["A", "One", "K", 4, "1"], ["B", "Two", "K", 2, "1"]])
    assert run.counts["missing"] == 0
    assert feed.quantities() == {"A": 1, "B": 2}


def test_a_summed_file_read_again_changes_nothing(make_source):
    feed = Feed(make_source(), duplicates="sum")
    rows = [["A", "One", "K", 1, "1"], ["A", "One", "K", 2, "1"], ["B", "Two", "K", 2, "1"]]
    feed.sync(rows)
    run = feed.sync([*rows[::-1][:1], *rows[:2]])  # the same rows in another order
    assert (run.counts["changed"], run.counts["unchanged"]) == (0, 2)


def test_a_sku_that_stood_twice_before_is_handled_by_its_own_row(feed):
    feed.sync([["A", "One", "K", 1, "1"], ["A", "Two", "K", 2, "1"], ["B", "B", "K", 1, "1"]])
    run = feed.sync([["A", "One", "K", 1, "1"], ["B", "B", "K", 1, "1"]])
    assert journal(run)["A"] == ("change", {"quantity": 2, "title": "Two"}, {"quantity": 1, "title": "One"})
    assert run.counts["missing"] == 0


def test_rows_in_another_order_change_nothing(feed):
    feed.sync(rows_of(20))
    run = feed.sync(rows_of(20)[::-1])
    assert (run.state, run.counts["changed"], run.counts["unchanged"]) == ("finished", 0, 20)


def test_nothing_stays_staged_after_a_run(feed):
    feed.sync(rows_of(30))
    feed.sync(rows_of(29, quantity=2))
    assert leftovers() == (0, 0)


def test_another_source_with_the_same_skus_is_left_alone(feed, make_source):
    other = Feed(make_source("Kestrel"))
    other.sync(rows_of(5, quantity=1))
    feed.sync(rows_of(5, quantity=2))
    feed.sync(rows_of(4, quantity=3))
    assert set(other.quantities().values()) == {1}
    assert len(other.items()) == 5


def test_a_bigger_file_takes_many_chunks(feed, monkeypatch):
    from portal.inventory import parsing, plan

    for module, size in ((plan, 30), (apply, 25)):
        monkeypatch.setattr(module, "CHUNK", size)
    monkeypatch.setattr(parsing, "BLOCK", 1_000)
    feed.sync(rows_of(330))
    rows = rows_of(310, quantity=6) + rows_of(10, start=400)
    run = feed.sync(rows)
    assert (run.counts["new"], run.counts["changed"], run.counts["missing"]) == (10, 310, 20)
    quantities = feed.quantities()
    assert len(quantities) == 340
    assert [quantities[f"SKU-{n:05}"] for n in (0, 309, 310, 329, 400, 409)] == [6, 6, 0, 0, 5, 5]
    assert leftovers() == (0, 0)


def test_a_stopped_run_keeps_what_it_applied_and_counts_only_that(feed, monkeypatch):
    monkeypatch.setattr(apply, "CHUNK", 10)
    monkeypatch.setattr(apply, "LONGEST_HOLD", 0)  # each chunk a transaction of its own
    feed.sync(rows_of(40))
    run = feed.start(rows_of(40, quantity=9))
    real = apply.Applying._change
    seen = []

    def stopping(applying, *arguments):
        real(applying, *arguments)
        seen.append(arguments)
        if len(seen) == 2:
            runs.request_stop(run, "ana@harbor.example")

    monkeypatch.setattr(apply.Applying, "_change", stopping)
    runs.work_available(HANDLERS)
    ended = Run.get_by_id(run.id)
    assert (ended.state, ended.counts["changed"]) == ("stopped", 10)
    assert sorted(feed.quantities().values()) == [5] * 30 + [9] * 10
    assert leftovers() == (0, 0)
    assert feed.sync(rows_of(40, quantity=9)).counts["changed"] == 30


def test_the_run_knows_its_document_and_mapping(feed):
    run = feed.sync(rows_of(2))
    document = Document.get_by_id(run.document_id)
    assert (document.name, document.origin, run.mapping_version) == ("stock.csv", "uploaded", 1)
    assert len(document.sha256) == 64


def test_an_upload_source_without_a_file_says_so(make_source):
    feed = Feed(make_source())
    run = runs.start_sync(feed.integration)
    runs.work_available(HANDLERS)
    assert Run.get_by_id(run.id).problem["headline"] == "There is no file to read"


def test_an_integration_that_was_never_mapped_says_so(make_source):
    feed = Feed(make_source())
    Integration.update(mapping_version=0).execute()
    run = feed.sync(rows_of(2))
    assert (run.state, run.problem["code"]) == ("failed", "not_set_up")
    assert InventoryItem.select().count() == 0


def test_headers_of_the_feed_are_those_of_the_tests():
    assert HEADERS[0] == "item_no"
    assert clock.now() > datetime(2024, 1, 1)


def test_an_item_that_is_back_comes_back_though_its_price_waits(feed):
    feed.sync(rows_of(10))
    feed.sync(rows_of(9))
    since = lineage.told(feed.items()["SKU-00009"].missing_since)
    dearer = [[*row[:4], "500.00"] for row in rows_of(10)]
    run = feed.sync(dearer)
    assert (run.state, run.problem["code"], run.counts["back"]) == ("held", "prices_moved", 1)
    item = feed.items()["SKU-00009"]
    assert (item.missing_since, item.quantity, item.cost) == (None, 5, 105_000)
    assert journal(run)["SKU-00009"] == ("back", {"quantity": 0, "missing_since": since}, {"quantity": 5, "missing_since": None})
    state = FeedState.get(FeedState.integration == feed.integration.id)
    assert (state.known, state.in_stock) == (10, 10)


def test_a_price_that_waits_comes_back_as_it_was_only_held_again_until_it_is_accepted(feed):
    feed.sync(rows_of(10))
    dearer = [[*row[:4], "500.00"] for row in rows_of(10)]
    first, again = feed.sync(dearer), feed.sync(dearer)
    assert (first.counts["held"], again.counts["held"], again.state) == (10, 10, "held")
    assert {item.cost for item in feed.items().values()} != {5_000_000}
    accepting.start_acceptance(again, "ana@harbor.example")
    runs.work_available(HANDLERS)
    assert {item.cost for item in feed.items().values()} == {5_000_000}


def test_what_is_held_can_be_accepted_after_a_file_that_was_refused(feed):
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(60))
    assert held.state == "held" and feed.sync([]).state == "failed"
    run = accepting.start_acceptance(held, "ana@harbor.example")
    runs.work_available(HANDLERS)
    assert Run.get_by_id(run.id).counts == {"missing": 40, "zeroed": 0}
    assert sum(quantity == 0 for quantity in feed.quantities().values()) == 40
