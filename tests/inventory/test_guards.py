"""What a refused or held file leaves behind, through a whole run. The table itself: test_guard_table.py."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from portal import runs
from portal.errors import Refused
from portal.inventory import accepting
from portal.models import Integration, Run, StagedRow
from tests.feed_of import HANDLERS, HEADERS, Feed, journal, leftovers, rows_of, text_of


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def refused(run, code):
    """The run was refused whole under that code and left nothing staged."""
    assert (run.state, run.problem["code"], run.accepted) == ("failed", code, False)
    assert journal(run) == {}
    assert leftovers() == (0, 0)
    return run


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"  \r\n \n", "empty_file"),
        (text_of([]), "header_only"),
        (b"<!doctype html><html><title>Sign in</title></html>", "html_page"),
        (text_of(rows_of(300)).replace(b"Kestrel", b"K\xe4strel"), "wrong_encoding"),
        (b"PK\x03\x04 [Content_Types].xml", "file_cut"),
        (b"item_no,name\nA,B\n", "columns_missing"),
        (text_of([["", "x", "y", 1, 1]] * 60), "no_usable_rows"),
    ],
)
def test_a_broken_file_is_refused_whole(feed, raw, code):
    feed.sync(rows_of(40))
    refused(feed.sync(raw), code)
    assert feed.quantities() == {f"SKU-{n:05}": 5 for n in range(40)}
    assert Integration.get_by_id(feed.integration.id).failures == 1


def test_the_header_only_sentence_tells_what_is_usual(feed):
    feed.sync(rows_of(40))
    feed.sync(rows_of(44))
    run = feed.sync(text_of([]))
    assert run.problem["headline"] == "The feed has headers but no rows"
    assert run.problem["body"] == "The last 2 had 40 to 44. We kept your stock as it was."


def test_a_renamed_column_is_named_when_it_stands_in_the_same_place(feed):
    feed.sync(rows_of(10))
    headers = [*HEADERS[:3], "quantity_available", HEADERS[4]]
    run = refused(feed.sync(rows_of(10), headers=headers), "columns_missing")
    assert run.problem["headline"] == 'Northwind renamed "qty"'
    assert '"quantity_available" in the place of "qty"' in run.problem["body"]


def test_a_column_that_is_simply_gone_is_not_called_renamed(feed):
    feed.sync(rows_of(10))
    run = refused(feed.sync([row[:3] + row[4:] for row in rows_of(10)], headers=HEADERS[:3] + HEADERS[4:]), "columns_missing")
    assert "renamed" not in run.problem["headline"]


def test_a_file_of_less_than_half_the_rows_is_refused(feed):
    feed.sync(rows_of(100))
    run = refused(feed.sync(rows_of(49, quantity=9)), "too_few_rows")
    assert set(feed.quantities().values()) == {5}
    told = {verdict["name"]: verdict for verdict in run.verdicts}["too_few_rows"]
    assert (told["limit"], told["seen"], told["against"]["median"]) == (50, 49, 100)
    assert run.counts["rows"] == 49


def test_refused_files_are_no_history(feed):
    feed.sync(rows_of(100))
    feed.sync(rows_of(40))
    refused(feed.sync(rows_of(30)), "too_few_rows")


def test_rows_are_judged_against_the_median_of_the_last_ten(feed):
    for count in (100, 90, 80):
        feed.sync(rows_of(count))
        Integration.update(policies={"guards": {"lost": 50, "lost_in_week": 50}}).execute()
    told = {verdict["name"]: verdict for verdict in feed.sync(rows_of(44)).verdicts}["too_few_rows"]
    assert (told["limit"], told["against"]) == (45, {"last": 80, "median": 90, "rows": [80, 90, 100]})


def test_a_limit_of_ones_own_counts(feed):
    feed.sync(rows_of(100))
    Integration.update(policies={"guards": {"fewest_rows": 30, "lost": 70}}).execute()
    assert feed.sync(rows_of(30)).state == "held"  # 70 of 100 are 70 %, but more than a quarter below the 7-day high
    Integration.update(policies={"guards": {"fewest_rows": 30, "lost": 70, "lost_in_week": 80}}).execute()
    assert feed.sync(rows_of(30, quantity=6)).state == "finished"


def test_slow_losses_are_held_against_the_7_day_high(feed):
    for count in (400, 365, 335, 306):
        assert feed.sync(rows_of(count)).state == "finished"  # each time less than a tenth
    run = feed.sync(rows_of(290))
    told = {verdict["name"]: verdict for verdict in run.verdicts}
    assert (run.state, told["skus_lost"]["verdict"], told["lost_slowly"]["verdict"]) == ("held", "apply", "hold")
    assert (told["lost_slowly"]["seen"], told["lost_slowly"]["against"]["high"]) == (110, 400)
    assert run.problem["headline"] == "110 SKUs were lost within 7 days"
    assert feed.quantities()["SKU-00305"] == 5
    accept(run)
    assert feed.sync(rows_of(289)).state == "finished"  # what a person accepted is the new high


def test_a_high_of_more_than_seven_days_ago_no_longer_counts(feed):
    for count in (400, 365, 335, 306):
        feed.sync(rows_of(count))
    Run.update(created_at=datetime(2026, 1, 1)).execute()
    assert feed.sync(rows_of(290)).state == "finished"


def test_too_many_bad_quantities_are_refused(feed):
    feed.sync(rows_of(100))
    rows = rows_of(100, quantity=8)
    for row in rows[:6]:
        row[3] = "12.5"
    run = refused(feed.sync(rows), "too_many_bad_rows")
    assert run.counts["set_aside"] == 6
    assert set(feed.quantities().values()) == {5}


def test_many_lost_skus_hold_the_removals_and_apply_the_rest(feed):
    first = feed.sync(rows_of(100))
    run = feed.sync(rows_of(70, quantity=7) + rows_of(2, start=500))
    assert (run.state, run.accepted) == ("held", False)
    assert run.problem["headline"] == "30 of 100 SKUs are missing"
    assert {name: run.counts[name] for name in ("new", "changed", "missing", "held")} == {
        "new": 2,
        "changed": 70,
        "missing": 30,
        "held": 30,
    }
    quantities = feed.quantities()
    assert [quantities[f"SKU-{n:05}"] for n in (0, 69, 70, 99, 501)] == [7, 7, 5, 5, 5]
    assert all(item.missing_since is None for item in feed.items().values())
    assert Integration.get_by_id(feed.integration.id).last_accepted_run_id == first.id


def test_many_zeros_are_held_and_the_rest_applied(feed):
    feed.sync(rows_of(200))
    rows = rows_of(200)
    for row in rows[:60]:
        row[3], row[1] = 0, f"New {row[1]}"
    for row in rows[60:80]:
        row[3] = 9
    run = feed.sync(rows)
    assert (run.state, run.counts["held"], run.counts["zeroed"]) == ("held", 60, 0)
    assert run.problem["headline"] == "60 items went to 0 at once"
    assert "30% of your stock with Northwind" in run.problem["body"]
    item = feed.items()["SKU-00003"]
    assert (item.quantity, item.title) == (5, "New Lamp 3")
    assert journal(run)["SKU-00003"] == ("change", {"title": "Lamp 3"}, {"title": "New Lamp 3"})
    assert feed.items()["SKU-00070"].quantity == 9


def test_held_zeros_come_up_again_with_the_same_file(feed):
    feed.sync(rows_of(200))
    rows = [[*row[:3], 0, row[4]] for row in rows_of(60)] + rows_of(140, start=60)
    assert feed.sync(rows).state == "held"
    again = feed.sync(rows)
    assert (again.state, again.counts["held"]) == ("held", 60)
    assert StagedRow.select().count() == 60  # of the newer run only


def test_a_later_good_file_settles_a_hold(feed):
    feed.sync(rows_of(100))
    feed.sync(rows_of(70))
    run = feed.sync(rows_of(100, quantity=6))
    assert (run.state, run.counts["missing"]) == ("finished", 0)
    assert leftovers() == (0, 0)


def accept(held):
    run = accepting.start_acceptance(held, "ana@harbor.example")
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def test_accepted_removals_are_applied_and_journaled(feed):
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    run = accept(held)
    assert (run.state, run.accepted, run.counts) == ("finished", True, {"missing": 30, "zeroed": 0})
    assert run.document_id == held.document_id
    gone = feed.items()["SKU-00099"]
    assert (gone.quantity, gone.missing_since is None) == (0, False)
    assert len(journal(run)) == 30
    assert leftovers() == (0, 0)
    row = Integration.get_by_id(feed.integration.id)
    assert (row.last_accepted_run_id, row.last_run_id) == (held.id, run.id)
    assert feed.sync(rows_of(70)).state == "no_change"
    assert feed.sync(rows_of(71)).counts["back"] == 1


def test_accepted_zeros_are_applied_with_what_the_file_said(feed):
    feed.sync(rows_of(200))
    rows = [[*row[:3], 0, row[4]] for row in rows_of(60)] + rows_of(140, start=60)
    run = accept(feed.sync(rows))
    assert run.counts == {"missing": 0, "zeroed": 60}
    assert journal(run)["SKU-00000"] == ("zero", {"quantity": 5}, {"quantity": 0})
    assert feed.sync(rows).state == "no_change"
    assert feed.sync(rows[::-1]).counts["changed"] == 0


def test_a_hold_that_a_newer_feed_settled_cannot_be_accepted(feed):
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    feed.sync(rows_of(100, quantity=6))
    with pytest.raises(Refused, match="newer feed"):
        accepting.start_acceptance(held, "ana@harbor.example")
    assert feed.items()["SKU-00099"].quantity == 6


def test_an_older_hold_cannot_be_accepted_when_a_newer_one_waits(feed):
    feed.sync(rows_of(100))
    older, newer = feed.sync(rows_of(70)), feed.sync(rows_of(69))
    with pytest.raises(Refused):
        accepting.start_acceptance(older, "ana@harbor.example")
    assert accept(newer).counts["missing"] == 31


def test_a_hold_is_accepted_once(feed):
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    accept(held)
    with pytest.raises(Refused, match="already"):
        accepting.start_acceptance(held, "ana@harbor.example")


def test_a_feed_that_came_between_confirming_and_applying_wins(feed):
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(70))
    run = accepting.start_acceptance(held, "ana@harbor.example")
    columns = {"merchant": held.merchant_id, "source": held.source_id, "integration": held.integration_id}
    Run.create(number=99, kind="inventory", state="finished", accepted=True, **columns)
    runs.work_available(HANDLERS)
    assert Run.get_by_id(run.id).problem["code"] == "refused"
    assert feed.items()["SKU-00099"].quantity == 5


def test_a_file_older_than_the_last_accepted_one_is_refused(feed):
    at = datetime(2026, 11, 25, 8, 40)
    feed.sync(rows_of(10), modified=at)
    run = refused(feed.sync(rows_of(10, quantity=9), modified=at - timedelta(seconds=1)), "older_than_last")
    assert "25 Nov 08:39" in run.problem["body"]
    assert feed.sync(rows_of(10, quantity=9), modified=at).state == "finished"


def test_a_file_of_unknown_age_is_not_called_old(feed):
    feed.sync(rows_of(10), modified=datetime(2026, 11, 25, 8, 40))
    assert feed.sync(rows_of(10, quantity=9)).state == "finished"


def test_a_first_run_never_removes_what_an_unfinished_one_left(feed):
    feed.sync(rows_of(100))
    Integration.update(last_accepted_run_id=None).execute()
    run = feed.sync(rows_of(10, quantity=7))
    assert (run.state, run.counts["missing"]) == ("finished", 0)
    assert feed.items()["SKU-00050"].quantity == 5
