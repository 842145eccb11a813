"""The acceptance checks of the product, each named after its number, on whole runs of real files."""

from __future__ import annotations

from typing import Any

import pytest

from portal import runs
from portal.models import InventoryItem, Run
from tests.feed_of import HANDLERS, HEADERS, Feed, journal, rows_of, text_of

ROWS = 10_000


@pytest.fixture
def feed(make_source: Any) -> Feed:
    made = Feed(make_source())
    assert made.sync(rows_of(ROWS)).state == "finished"
    return made


def stock(feed: Feed) -> list[tuple[Any, ...]]:
    """Every column of every item, to compare before and after."""
    return sorted(InventoryItem.select().where(InventoryItem.source == feed.source).tuples())


def alarm(client: Any, feed: Feed) -> str:
    """What the list of sources says first."""
    return client.get("/sources").text


@pytest.mark.parametrize("share", [0.4, 0.49])
def test_check_1_a_feed_cut_at_40_percent_changes_nothing_and_is_not_applied(client: Any, feed: Feed, share: float) -> None:
    before, raw = stock(feed), text_of(rows_of(ROWS, quantity=9))
    run = feed.sync(raw[: int(len(raw) * share)])
    assert (run.state, run.accepted, journal(run)) == ("failed", False, {})  # less than half of the rows is refused whole
    assert run.problem["code"] == "too_few_rows" and stock(feed) == before
    page = alarm(client, feed)
    assert "Action needed" in page and "less than half" in client.get(f"/runs/{run.public_id}").text


def test_check_1_a_feed_cut_past_its_half_holds_every_removal(client: Any, feed: Feed) -> None:
    raw = text_of(rows_of(ROWS))
    before = {item.sku: item.quantity for item in InventoryItem.select()}
    run = feed.sync(raw[: int(len(raw) * 0.6)])
    assert (run.state, run.accepted, run.problem["code"]) == ("held", False, "skus_lost")
    assert {item.sku: item.quantity for item in InventoryItem.select()} == before
    assert "Held for review" in alarm(client, feed)


def test_check_2_a_renamed_column_stops_the_run_the_proposal_is_right_and_one_click_reads_it_again(client: Any, feed: Feed) -> None:
    before = stock(feed)
    headers = [*HEADERS[:3], "Quantity On Hand", HEADERS[4]]
    run = feed.sync(rows_of(ROWS, quantity=5), headers=headers)
    assert (run.state, run.problem["code"]) == ("failed", "columns_missing") and stock(feed) == before
    path = f"/runs/{run.public_id}/columns"
    page = client.get(path).text
    assert "Quantity On Hand</span> holds 100% of the values" in page and '<option value="Quantity On Hand" selected>' in page
    assert client.send_form(path, {"column-0": "Quantity On Hand"}, page=path).status_code == 303
    runs.work_available(HANDLERS)
    again = Run.select().order_by(Run.id.desc()).get()
    assert (again.state, again.document_id) == ("finished", run.document_id)
    assert set(feed.quantities().values()) == {5}


def test_check_4_an_all_zero_file_is_held(client: Any, feed: Feed) -> None:
    run = feed.sync(rows_of(ROWS, quantity=0))
    assert (run.state, run.problem["code"], run.counts["held"]) == ("held", "zeroed", ROWS)
    assert set(feed.quantities().values()) == {5}
    assert "Held for review" in alarm(client, feed)


def test_check_4_a_genuine_sell_out_of_3_percent_is_applied_without_nagging(client: Any, feed: Feed) -> None:
    sold = ROWS * 3 // 100
    run = feed.sync([[*row[:3], 0, row[4]] for row in rows_of(sold)] + rows_of(ROWS - sold, start=sold))
    assert (run.state, run.counts["zeroed"], run.counts["held"], run.problem) == ("finished", sold, 0, None)
    assert [verdict["name"] for verdict in run.verdicts if verdict["verdict"] != "apply"] == []
    page = alarm(client, feed)
    assert "Up to date" in page and "Decide" not in page


@pytest.mark.parametrize(
    "raw, code",
    [
        (b"\r\n\r\n", "empty_file"),
        (b"item_no,name,maker,qty,price\n", "header_only"),
        (b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>", "html_page"),
    ],
    ids=["empty", "header-only", "error-page"],
)
def test_check_3_an_empty_file_or_an_error_page_is_failed_and_not_0_updated(client: Any, feed: Feed, raw: bytes, code: str) -> None:
    before = stock(feed)
    run = feed.sync(raw)
    assert (run.state, run.accepted, run.problem["code"]) == ("failed", False, code) and stock(feed) == before
    page = client.get(f"/runs/{run.public_id}").text
    assert "Failed" in page and run.problem["headline"] in page
    assert "Action needed" in alarm(client, feed)


def test_check_10_duplicates_and_damaged_codes_are_seen_with_their_row_numbers(client: Any, make_source: Any) -> None:
    feed = Feed(make_source("Kestrel"))
    feed.map(
        headers=["item_no", "upc", "qty"],
        fields={"sku": {"columns": ["item_no"]}, "upc": {"columns": ["upc"]}, "quantity": {"columns": ["qty"]}},
        duplicates="set_aside",
    )
    lines = ["item_no,upc,qty", "A-1,4006381333931,5", "A-2,4006381333932,6", "A-3,4.00638E+12,7", "A-4,,1", "A-4,,2", "1.2E+05,,3"]
    run = feed.sync(("\n".join(lines) + "\n").encode())
    assert run.state == "warnings" and run.counts["set_aside"] == 3 and run.counts["noted"] == 2
    told = client.get(f"/runs/{run.public_id}").text.split("Rows set aside, with every reason")[1]
    for row, words in ((3, "check digit"), (4, "shortened"), (5, "stands on 2 rows"), (6, "stands on 2 rows"), (7, "shortened")):
        line = next(part for part in told.split("<tr>") if f">{row}</" in part)
        assert words in line, (row, line)
    assert {sku: item.upc for sku, item in feed.items().items()} == {"A-1": "4006381333931", "A-2": None, "A-3": None}
