"""Primary and secondary of one source in turn: each value is its owner's, the secondary adds nothing, and neither fights the other."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, runs, sources
from portal.inventory import explain, fixes, history, pins, revert, roles, silence, unknown
from portal.inventory.missing import Missing
from portal.inventory.revert import Choice
from portal.models import FeedState, Integration, InventoryChange, InventoryItem, Run, StaleRecord, bulk
from tasks.work import HANDLERS
from tests.faults import tables
from tests.feed_of import Feed, journal

WHO = "owner@harbor.example"
STOCK = ["item_no", "qty", "price"]
STOCK_RULES = {"fields": {"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"]}, "cost": {"columns": ["price"]}}}
ZERO, ALL, LEAVE = Missing("zero", scope="own").told(), Missing("zero", scope="all").told(), Missing("leave").told()


class Two:
    """A source with both feeds. Rows of the primary are (SKU, title, quantity, cost), of the secondary (SKU, quantity, cost)."""

    def __init__(self, source: Any) -> None:
        self.primary = Feed(source)
        self.secondary = Feed(source, kind=roles.SECONDARY)
        self.secondary.map(STOCK, **STOCK_RULES)
        for feed in (self.primary, self.secondary):  # a handful of items is no reason to hold
            feed.policy(guards={"lost_floor": 100, "zeroed_floor": 100, "prices_moved": 100})

    def first(self, *rows: Any) -> Run:
        return self.primary.sync([[sku, title, "K", units, cost] for sku, title, units, cost in rows])

    def second(self, *rows: Any) -> Run:
        return self.secondary.sync(list(rows), headers=STOCK)

    @property
    def now(self) -> dict[str, tuple[Any, ...]]:
        """SKU -> (title, quantity, cost), the last two as a feed would say them."""
        cost = {sku: None if row.cost is None else row.cost // 10_000 for sku, row in self.primary.items().items()}
        return {sku: (row.title, row.quantity, cost[sku]) for sku, row in self.primary.items().items()}

    def missing(self) -> dict[str, int]:
        return {sku: row.missing_in for sku, row in self.primary.items().items() if row.missing_since}


@pytest.fixture
def two(make_source, monkeypatch):
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    return Two(make_source())


def ended(run):
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def test_the_secondary_writes_what_it_owns_and_adds_nothing(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    run = two.second(("A", 9, 2), ("X", 1, 1), ("Y", 2, 2))
    assert two.now == {"A": ("Lamp", 9, 2), "B": ("Chair", 6, 1)}
    assert (run.state, run.counts["unknown"], run.counts["changed"], run.counts["new"]) == ("finished", 2, 1, 0)
    assert [row.sku for row in unknown.listing(two.secondary.integration)[0]] == ["X", "Y"]
    assert "2 SKUs of the file are not in your inventory and were left out: X, Y" in run.messages.order_by(-run.messages.model.id)[0].text


def test_whatever_its_mapping_says_it_writes_prices_quantity_and_status_only(two):
    two.secondary.map(title={"columns": ["name"]}, brand={"columns": ["maker"]}, custom=[{"name": "Colour", "columns": ["name"]}])
    two.first(("A", "Lamp", 5, 1))
    two.secondary.sync([["A", "Other", "Heron", 7, 3]])
    item = two.primary.items()["A"]
    assert (item.title, item.brand, item.quantity, item.cost, item.custom) == ("Lamp", "K", 7, 30_000, None)


def test_the_primary_leaves_the_secondarys_columns_alone_and_fills_them_on_new_items(two):
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2))
    run = two.first(("A", "Lamp II", 4, 4), ("B", "Chair", 3, 3))
    assert two.now == {"A": ("Lamp II", 9, 2), "B": ("Chair", 3, 3)}
    assert journal(run)["A"] == ("change", {"title": "Lamp"}, {"title": "Lamp II"})
    two.first(("A", "Lamp II", 4, 4), ("B", "Chair", 8, 8))  # the secondary has not named B yet
    assert two.now["B"] == ("Chair", 8, 8)


def test_an_item_that_the_primary_adds_is_written_by_an_unchanged_secondary_record(two):
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2), ("B", 7, 7), ("C", 1, 1))
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 3, 3))
    run = two.second(("A", 9, 2), ("B", 7, 7), ("C", 1, 1))  # the same bytes, yet not "no change"
    assert two.now == {"A": ("Lamp", 9, 2), "B": ("Chair", 7, 7)} and run.counts["unknown"] == 1
    assert two.second(("A", 9, 2), ("B", 7, 7), ("C", 1, 1)).state == "no_change"


def test_an_item_that_it_names_with_the_same_values_is_its_own_from_then_on(two):
    two.first(("A", "Lamp", 5, 1))
    run = two.second(("A", 5, 1))
    assert (run.counts["changed"], run.counts["unchanged"]) == (0, 1)
    assert journal(run)["A"][0] == "note"
    two.first(("A", "Lamp", 8, 8))
    assert two.now["A"] == ("Lamp", 5, 1)


def test_what_one_writes_costs_the_other_no_reading(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2))
    two.second(("A", 8, 2))
    assert StaleRecord.select().count() == 0
    assert two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1)).state == "finished"  # the secondary owns columns since: read once more
    assert two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1)).state == "no_change"
    two.second(("A", 7, 2))
    assert two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1)).state == "no_change" and two.now["A"] == ("Lamp", 7, 2)


def test_owns_gives_a_column_back_to_the_primary_with_the_next_file_even_the_same(two):
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2))
    two.first(("A", "Lamp", 4, 4))
    two.secondary.policy(owns=["quantity"])
    two.first(("A", "Lamp", 4, 4))
    assert two.now["A"] == ("Lamp", 9, 4)
    two.second(("A", 8, 7))
    assert two.now["A"] == ("Lamp", 8, 4)


def test_a_column_that_only_the_secondary_maps_is_its_own_in_any_case(two):
    rules = {**STOCK_RULES["fields"], "msrp": {"columns": ["price"]}}
    two.secondary.map(STOCK, fields=rules)
    two.secondary.policy(owns=[])
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2))
    assert two.now["A"] == ("Lamp", 5, 1) and two.primary.items()["A"].msrp == 20_000


def test_removed_the_primary_writes_everything_again(two):
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2))
    two.first(("A", "Lamp", 4, 4))
    sources.remove_secondary(two.primary.source, WHO)
    two.first(("A", "Lamp", 4, 4))
    assert two.now["A"] == ("Lamp", 4, 4)
    two.secondary.integration = sources.add_secondary(two.primary.source, WHO)
    two.first(("A", "Lamp", 3, 3))
    assert two.now["A"] == ("Lamp", 3, 3)  # it has had no run of its own yet


def test_missing_in_the_secondary_is_left_by_default_and_zero_only_where_it_wrote(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1), ("C", "Desk", 7, 1))
    two.second(("A", 9, 2), ("B", 9, 2))
    two.second(("A", 9, 2))
    assert two.now["B"] == ("Chair", 9, 2) and not two.missing()
    two.secondary.policy(missing=ZERO)
    run = two.second(("A", 9, 2))
    assert two.now["B"] == ("Chair", 0, 2) and two.now["C"] == ("Desk", 7, 1) and two.missing() == {"B": 2}
    assert (run.counts["missing"], journal(run)["B"]) == (
        1,
        ("missing", {"quantity": 9, "missing_in": 0}, {"quantity": 0, "missing_in": 2}),
    )
    two.first(("A", "Lamp", 5, 1), ("B", "Chair II", 6, 1), ("C", "Desk", 7, 1))
    assert two.now["B"] == ("Chair II", 0, 2) and two.missing() == {"B": 2}  # the primary names it, and does not fight
    two.second(("A", 9, 2), ("B", 4, 2))
    assert two.now["B"] == ("Chair II", 4, 2) and not two.missing()


def test_for_all_items_it_takes_those_that_it_never_named_too(two):
    two.secondary.policy(missing=ALL)
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2))
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 8, 2))
    assert two.now["B"] == ("Chair", 0, 1) and two.missing() == {"B": 2}


def test_what_the_primary_lacks_is_out_whatever_the_secondary_says_until_it_returns(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2), ("B", 9, 2))
    two.first(("A", "Lamp", 5, 1))
    assert two.now["B"] == ("Chair", 0, 2) and two.missing() == {"B": 0}
    two.second(("A", 9, 2), ("B", 4, 3))
    assert two.now["B"] == ("Chair", 0, 3)
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    assert two.now["B"] == ("Chair", 6, 1)  # as a new item, filled by the primary
    two.second(("A", 9, 2), ("B", 4, 3))
    assert two.now["B"] == ("Chair", 4, 3)


def test_with_scope_own_the_primary_leaves_the_secondarys_stock(two):
    two.primary.policy(missing=ZERO)
    rest = [("D", "Stool", 1, 1), ("E", "Shelf", 1, 1)]
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1), ("C", "Desk", 6, 1), *rest)
    two.second(("A", 9, 2), ("B", 9, 2))
    two.first(("A", "Lamp", 5, 1), *rest)
    assert {sku: two.now[sku][1] for sku in "ABC"} == {"A": 9, "B": 9, "C": 0}


@pytest.mark.parametrize("order", ["primary first", "secondary first"])
def test_lacked_by_both_it_comes_back_only_when_both_have_it_again(two, order):
    two.secondary.policy(missing=ZERO)
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2), ("B", 9, 2))
    gone = [lambda: two.first(("A", "Lamp", 5, 1)), lambda: two.second(("A", 9, 2))]
    for act in gone if order == "primary first" else reversed(gone):
        act()
    assert two.now["B"][1] == 0 and two.missing() == {"B": 3}
    two.second(("A", 9, 2), ("B", 4, 2))
    assert two.now["B"][1] == 0 and two.missing() == {"B": 0}
    two.second(("A", 9, 2))
    assert two.missing() == {"B": 3}
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    assert two.now["B"][1] == 0 and two.missing() == {"B": 2}
    two.second(("A", 9, 2), ("B", 4, 2))
    assert two.now["B"][1] == 4 and not two.missing()


def test_a_feed_whose_policy_takes_nothing_any_more_has_no_say(two):
    two.secondary.policy(missing=ZERO)
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2), ("B", 9, 2))
    two.second(("A", 9, 2))
    two.secondary.policy(missing=LEAVE)
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    assert two.now["B"] == ("Chair", 6, 1) and not two.missing()


def test_reverting_the_first_secondary_run_gives_the_columns_back(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    before = values(two)
    run = two.second(("A", 9, 2), ("B", 6, 1))
    ended(revert.start(run, Choice(), WHO))
    assert values(two) == before and [row.secondary for row in two.primary.items().values()] == [0, 0]
    two.first(("A", "Lamp", 4, 4), ("B", "Chair", 6, 1))
    assert two.now["A"] == ("Lamp", 4, 4)


def values(two):
    """The compared table without content hashes, which a revert takes away."""
    fields = [field.name for field in InventoryItem._meta.sorted_fields if field.name not in tables.LEFT_OUT]
    at = fields.index("content_hash")
    return {sku: row[:at] + row[at + 1 :] for sku, row in tables.table(two.primary).items()}


def test_reverting_every_kind_of_run_restores_what_was(two):
    two.secondary.policy(missing=ZERO)
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    acts = [
        lambda: two.second(("A", 9, 2), ("B", 9, 2)),
        lambda: two.second(("A", 9, 2)),
        lambda: two.first(("A", "Lamp", 5, 1)),
        lambda: two.second(("A", 9, 2), ("B", 4, 2)),
        lambda: two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1)),
    ]
    for act in acts:
        before, since = values(two), {sku: row.missing_since for sku, row in two.primary.items().items()}
        units = two.primary.quantities()
        moment = clock.now()
        run = act()
        assert run.state == "finished"
        past, _ = history.as_of(two.primary.source, moment)
        assert {one.sku: one.values["quantity"] for one in past} == units
        tables.check_journal(two.primary)
        ended(revert.start(run, Choice(), WHO))
        assert values(two) == before
        assert {sku: row.missing_since for sku, row in two.primary.items().items()} == since
        act()


def test_explain_tells_the_file_and_the_feed_of_each_value(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    run = two.second(("A", 9, 2), ("B", 6, 2))
    item = two.primary.items()["A"]
    told = explain.of(item, "quantity")
    assert (told.origin.id, told.row, told.spoken_by, told.rule) == (run.id, 2, roles.SECONDARY, ["Column “qty”."])
    assert explain.of(item, "title").spoken_by == roles.PRIMARY
    two.secondary.policy(missing=ZERO)
    gone = two.second(("A", 9, 2))
    told = explain.of(two.primary.items()["B"], "quantity")
    assert told.origin.id == gone.id and told.equation[0].words.endswith("Get Inventory Secondary does not hold the item")


def test_explain_without_a_secondary_names_no_feed(make_source):
    feed = Feed(make_source())
    feed.sync([["A", "Lamp", "K", 5, 1]])
    assert explain.of(feed.items()["A"], "quantity").spoken_by == ""


def test_a_pin_holds_against_both_and_the_owner_goes_on_after_it(two):
    two.first(("A", "Lamp", 5, 1))
    two.second(("A", 9, 2))
    pins.pin(two.primary.items()["A"], "quantity", "3", "", None, WHO)
    two.second(("A", 8, 2))
    two.first(("A", "Lamp", 7, 1))
    assert two.now["A"] == ("Lamp", 3, 2)
    pins.unpin(two.primary.items()["A"], "quantity", WHO)
    two.first(("A", "Lamp", 7, 1))
    two.second(("A", 8, 2))
    assert two.now["A"] == ("Lamp", 8, 2)


def test_its_first_file_is_guarded_against_zeros_and_prices(two):
    two.secondary.policy(guards={"zeroed": 20, "zeroed_floor": 1, "prices_moved": 30})
    two.first(*((f"S{n}", "Lamp", 5, 10) for n in range(10)))
    run = two.second(*((f"S{n}", 0, 10) for n in range(10)))
    assert (run.state, run.problem["code"], run.counts["held"]) == ("held", "zeroed", 10)
    run = two.second(*((f"S{n}", 5, 99) for n in range(10)))
    assert (run.state, run.problem["code"]) == ("held", "prices_moved")
    assert {row[1:] for row in two.now.values()} == {(5, 10)}


def test_its_losses_are_judged_against_its_own_items(two):
    two.secondary.policy(missing=ZERO, guards={"lost": 10, "lost_floor": 2})
    two.first(*((f"S{n:03}", "Lamp", 5, 10) for n in range(100)))
    two.second(*((f"S{n:03}", 7, 10) for n in range(10)))
    run = two.second(*((f"S{n:03}", 7, 10) for n in range(6)))
    assert (run.state, run.problem["code"], run.counts["held"]) == ("held", "skus_lost", 4)
    assert run.verdicts[0]["against"]["known"] == 10


def test_a_file_of_nothing_but_unknown_skus_is_a_warning(two):
    two.first(("A", "Lamp", 5, 1))
    run = two.second(("X", 5, 1), ("Y", 5, 1))
    assert (run.state, run.counts["unknown"]) == ("warnings", 2)


def test_on_an_empty_source_it_adds_nothing(two):
    run = two.second(("A", 5, 1))
    assert (run.state, two.now, run.counts["unknown"]) == ("warnings", {}, 1)
    two.first(("A", "Lamp", 3, 3))
    two.second(("A", 5, 1))
    assert two.now == {"A": ("Lamp", 5, 1)}


def test_two_feeds_of_a_source_never_run_side_by_side(two, make_source):
    other = Feed(make_source("Kestrel"))
    first = two.primary.start([["A", "Lamp", "K", 5, 1]])
    second = two.secondary.start([["A", 9, 2]], headers=STOCK)
    third = other.start([["A", "Lamp", "K", 5, 1]])
    assert [runs.claim().id, runs.claim().id] == [first.id, third.id] and runs.claim() is None
    with pytest.raises(runs.AlreadyRunning):
        runs.start(two.primary.source, "revert", claimed=True)
    Run.update(state="finished").where(Run.id == first.id).execute()
    assert runs.claim().id == second.id


def test_silence_lowers_what_each_feed_owns(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2))
    two.primary.policy(silence={"hours": 24, "act": "zero"})
    Integration.update(last_accepted_at=clock.now() - timedelta(hours=30)).execute()
    silence.start_due()
    runs.work_available(HANDLERS)
    assert two.now == {"A": ("Lamp", 9, 2), "B": ("Chair", 0, 1)}
    two.secondary.policy(silence={"hours": 24, "act": "zero"})
    silence.start_due()
    runs.work_available(HANDLERS)
    assert two.now["A"] == ("Lamp", 0, 2)


def test_counts_of_the_other_feed_are_not_trusted(two):
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 0, 2))
    assert {row.known for row in FeedState.select()} == {-1}
    run = two.first(("A", "Lamp", 5, 1), ("B", "Chair", 7, 1))
    assert next(one for one in run.verdicts if one["name"] == "zeroed")["against"] == {"in_stock": 1}
    assert InventoryChange.select().where(InventoryChange.run == run).count() == 1


def test_what_the_secondary_archived_it_brings_back_and_the_primary_does_once_it_has_no_say(two):
    two.secondary.policy(missing=Missing("archive", after_runs=1, scope="own").told())
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2), ("B", 9, 2))
    two.second(("A", 9, 2))
    two.second(("A", 8, 2))
    item = two.primary.items()["B"]
    assert item.archived_by == roles.SECONDARY
    two.first(("A", "Lamp", 5, 1), ("B", "Chair II", 6, 1))
    item = two.primary.items()["B"]
    assert (item.archived_by, item.title, item.quantity) == (roles.SECONDARY, "Chair II", 0)
    two.second(("A", 8, 2), ("B", 3, 2))
    assert two.now["B"] == ("Chair II", 3, 2) and not two.primary.items()["B"].archived_at
    two.second(("A", 8, 2))
    two.second(("A", 7, 2))
    two.secondary.policy(missing=LEAVE)
    run = two.first(("A", "Lamp", 5, 1), ("B", "Chair II", 6, 1))
    assert two.now["B"] == ("Chair II", 6, 1) and not two.primary.items()["B"].archived_at
    ended(revert.start(run, Choice(), WHO))
    item = two.primary.items()["B"]
    assert (item.archived_by, item.quantity, item.missing_in) == (roles.SECONDARY, 0, 2)
    tables.check_journal(two.primary)


def test_a_delta_secondary_names_what_changed_and_keeps_the_rest(two):
    two.secondary.policy(feed="delta", missing=ALL)
    two.first(("A", "Lamp", 5, 1), ("B", "Chair", 6, 1))
    two.second(("A", 9, 2), ("B", 9, 2), ("X", 1, 1))
    run = two.second(("B", 3, 2), ("Y", 1, 1))
    assert two.now == {"A": ("Lamp", 9, 2), "B": ("Chair", 3, 2)} and run.counts["unknown"] == 1
    assert [row.sku for row in unknown.listing(two.secondary.integration)[0]] == ["X", "Y"]
    two.first(("A", "Lamp", 4, 4), ("B", "Chair", 6, 1), ("X", "Desk", 2, 2))
    assert two.now["A"] == ("Lamp", 9, 2) and two.now["X"] == ("Desk", 2, 2)
    assert [row.sku for row in unknown.listing(two.secondary.integration)[0]] == ["Y"]


def test_mended_rows_go_by_the_role_of_their_run(two):
    two.secondary.map(STOCK, duplicates="set_aside")
    two.first(("A", "Lamp", 5, 1))
    two.secondary.policy(guards={"bad_quantities": 100})
    run = two.second(("A", -1, 2), ("B", -1, 2), ("C", 1, 1))
    assert (run.state, run.counts["set_aside"]) == ("warnings", 2)
    text = "".join(fixes.to_mend_csv(run)).replace("'-1", "7")
    fixes.start(run, io.BytesIO(text.encode()), "mended.csv", WHO)
    runs.work_available(HANDLERS)
    mended = Run.select().where(Run.kind == "fixed_rows").get()
    assert two.now == {"A": ("Lamp", 7, 2)} and mended.counts["set_aside"] == 1
    assert two.primary.items()["A"].secondary and journal(mended)["A"][0] == "change"


def test_the_command_line_knows_the_secondary_by_its_short_name(two, app):
    answer = app.test_cli_runner().invoke(args=["sync", two.primary.source.name, "secondary", "--json"])
    assert '"code": "not_set_up"' in answer.output and answer.exit_code == 4
