"""The screens of usage and exclusions, and the journey around a limit: numbers right at each step, nothing silently dropped."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from portal import clock, plans, runs, usage
from portal.exclusions import saving
from portal.inventory import counted
from portal.models import Exclusion, InventoryItem, Run, UsageDay
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of, text_of

WHO = "ana@harbor.example"
LOOK = "?name=x&g0c0.field=cost&g0c0.op=less&g0c0.value=5&act=preview"
CHEAP = {"name": "Under 5", "g0c0.field": "cost", "g0c0.op": "less", "g0c0.value": "5"}


def work() -> None:
    while runs.work_available(HANDLERS):
        continue


@pytest.fixture
def feed(make_source):
    return Feed(make_source("Northwind"))


def test_at_the_limit_over_it_and_back_under_it_after_an_exclusion_numbers_are_right_at_each_step(
    client, merchant, feed, app, tmp_path
):  # fmt: skip
    """Through import-feed, as an operator runs it: 30 items of costs 1.50 to 30.50, a plan of 10."""
    cli = app.test_cli_runner()

    def imported(count: int) -> Run:
        path = tmp_path / f"stock-{count}.csv"
        path.write_bytes(text_of(rows_of(count)))
        done = cli.invoke(args=["import-feed", "--merchant", merchant.public_id, "--source", feed.source.public_id, str(path), "--json"])
        assert done.exit_code == 0, done.output
        return Run.select().where(Run.kind == "inventory").order_by(Run.id.desc()).get()

    def standing() -> tuple[int, int, int]:
        tally = counted.of_merchant(merchant.id)
        assert tally.items == InventoryItem.select().count(), "nothing is dropped"
        return tally.counted, tally.waiting, tally.excluded

    told = cli.invoke(args=["plan", "--merchant", merchant.public_id, "--skus", "10", "--json"])
    assert json.loads(told.output)["limits"]["skus"] == 10
    imported(8)
    assert standing() == (8, 0, 0)
    run = imported(10)  # at the limit
    assert standing() == (10, 0, 0) and "no_room" not in run.counts
    run = imported(30)  # over it
    assert standing() == (10, 20, 0) and run.counts["new"] == run.counts["no_room"] == 20
    assert "20 new items wait: the plan holds 10" in client.get(f"/runs/{run.public_id}").text
    page = client.get("/usage").text
    assert "The plan holds 10 SKUs, and 20 items wait for room" in page
    assert "= 30 − 0 − 0 − 20 = 10" in page
    assert "Waits for room" in client.get("/inventory?stock=waiting").text
    oldest = [one.sku for one in InventoryItem.select().where(counted.COUNTED).order_by(InventoryItem.id)]
    assert oldest == [f"SKU-{n:05}" for n in range(10)], "who was first is in"
    saving.create(merchant, None, "Under 5", {"groups": [{"conditions": [{"field": "cost", "op": "less", "value": "5"}]}]}, WHO)
    work()  # four of those that are in go out, and the four that wait longest come in
    assert standing() == (10, 16, 4)
    exclusion = Run.get(Run.kind == "exclusion")
    assert (exclusion.counts["excluded"], exclusion.counts["let_in"]) == (4, 4)
    assert "4 items that waited came in. 16 still wait: the plan holds 10." in client.get(f"/runs/{exclusion.public_id}").text
    plans.set_limits(merchant, {"skus": 40}, WHO)
    work()
    assert standing() == (26, 0, 4) and Run.get(Run.kind == "room").counts == {"let_in": 16}
    plans.set_limits(merchant, {"skus": 5}, WHO)
    work()
    assert standing() == (26, 0, 4), "a lower limit takes nothing away"
    assert "You have more SKUs than the plan holds" in client.get("/usage").text
    imported(31)
    assert standing() == (26, 1, 4)
    assert InventoryItem.get(InventoryItem.sku == "SKU-00001").quantity == 5


def test_a_rule_is_filled_in_looked_at_saved_edited_paused_and_deleted(client, merchant, feed):
    feed.sync(rows_of(20))
    assert "No exclusion rule yet" in client.get("/exclusions").text
    page = client.get("/exclusions/new", query_string={**CHEAP, "act": "preview"}).text
    assert "Would exclude <b>4 items</b>, of which 0 have open orders, 0 live listings" in page and "SKU-00003" in page
    assert not Exclusion.select().count(), "looking saves nothing"
    assert "Would exclude <b>4 items</b>" in client.get("/exclusions/count", query_string=CHEAP, headers={"HX-Request": "true"}).text
    assert client.get("/exclusions/new", query_string={**CHEAP, "act": "line-0"}).text.count('name="g0c1.field"') == 1
    bad = client.get("/exclusions/new", query_string={**CHEAP, "g0c0.value": "5 USD", "act": "preview"}).text
    assert "Enter an amount such as 4.99" in bad and 'value="5 USD"' in bad
    refused = client.send_form("/exclusions/new", {**CHEAP, "name": ""}, page=f"/exclusions/new{LOOK}")
    assert refused.status_code == 422 and "Give the rule a name" in refused.text
    answer = client.send_form("/exclusions/new", CHEAP, page=f"/exclusions/new{LOOK}")
    rule = Exclusion.get()
    assert answer.status_code == 303 and answer.headers["Location"].endswith(rule.public_id)
    assert "Being applied" in client.get(f"/exclusions/{rule.public_id}").text
    work()
    here = f"/exclusions/{rule.public_id}"
    assert "SKU-00003" in client.get(here).text and "4 items" in client.get(here).text
    item = InventoryItem.get(InventoryItem.sku == "SKU-00001")
    run = Run.get(Run.kind == "exclusion")
    said = f"Excluded by rule “Under 5” since run {run.number}"
    assert said in client.get(f"/inventory/{item.public_id}").text
    assert said in client.get(f"/inventory/{item.public_id}/explanation/cost").text
    looked = client.send_form(f"{here}/edit", {**CHEAP, "g0c0.value": "3", "act": "preview", "version": "1"})
    assert looked.status_code == 303 and "token" not in looked.headers["Location"] and "g0c0.value=3" in looked.headers["Location"]
    page = client.get(looked.headers["Location"]).text
    assert 'id="rule-save" form="rule-form"' in page and page.count('name="g0c0.value"') == 1, "what stands in the form is what is saved"
    assert saving.find(merchant, rule.public_id).version == 1
    look = client.get(f"{here}/edit", query_string={**CHEAP, "g0c0.value": "3", "act": "preview", "version": "1"}).text
    assert "<b>2 items</b> would come back" in look
    assert client.send_form(f"{here}/edit", {**CHEAP, "g0c0.value": "3", "version": "1"}, page=f"{here}/edit{LOOK}").status_code == 303
    stale = client.send_form(f"{here}/edit", {**CHEAP, "version": "1"}, page=f"{here}/edit{LOOK}")
    assert stale.status_code == 422 and "Someone changed this" in stale.text
    work()
    assert counted.of_merchant(merchant.id).excluded == 2
    assert "<b>2 items</b> come back" in client.get(f"{here}/pause").text
    client.send_form(f"{here}/pause", {})
    work()
    assert counted.of_merchant(merchant.id).excluded == 0 and "Paused" in client.get("/exclusions").text
    assert "Would exclude <b>2 items</b>" in client.get(f"{here}/pause").text
    client.send_form(f"{here}/pause", {})
    work()
    assert counted.of_merchant(merchant.id).excluded == 2
    assert "<b>2 items</b> come back" in client.get(f"{here}/deletion").text
    assert client.send_form(f"{here}/deletion", {}).status_code == 303
    work()
    assert counted.of_merchant(merchant.id).excluded == 0 and client.get(here).status_code == 404
    assert "No rule excludes it any more" in client.get(f"/inventory/{item.public_id}").text


def test_a_changed_value_is_judged_anew_and_the_dry_run_says_so_before(merchant, feed):
    saving.create(merchant, feed.source, "Sold out", {"groups": [{"conditions": [{"field": "quantity", "op": "most", "value": "0"}]}]}, WHO)
    work()
    feed.sync(rows_of(6))
    assert counted.of_merchant(merchant.id).excluded == 0
    rows = [[*row[:3], 0 if n < 1 else 5, row[4]] for n, row in enumerate(rows_of(6))]
    dry = feed.dry_run(rows)
    assert dry.counts["excluded"] == 1
    run = feed.sync_with(dry)
    assert run.plan_hash == dry.plan_hash and run.counts["excluded"] == 1
    assert feed.sync(rows_of(6)).counts["included"] == 1
    assert counted.of_merchant(merchant.id).excluded == 0


def test_a_million_skus_can_be_named_and_what_comes_later_is_kept_out_too(merchant, feed):
    feed.sync(rows_of(5))
    made = saving.exclude_skus(merchant, feed.source, [f"SKU-{n:05}" for n in range(3, 12_005)], WHO, "Deleted ones")
    work()
    assert saving.skus_of(made) == 12_002 and counted.of_merchant(merchant.id).excluded == 2
    assert feed.sync(rows_of(8)).counts["excluded"] == 3
    by_choice = saving.exclude_items(merchant, "i.sku = ?", ["SKU-00001"], WHO, "By hand")
    work()
    assert Exclusion.get_by_id(by_choice.id).counted == 1


def test_what_is_foretold_needs_a_week_and_speaks_plainly(merchant, feed):
    def day(ago: int, number: int) -> None:
        when = (clock.now() - timedelta(days=ago)).date().isoformat()
        UsageDay.create(merchant=merchant, day=when, counted=number, excluded=0, archived=0, waiting=0)

    def said(now: int, limit: int | None) -> str:
        return usage.forecast(usage.history(merchant.id), now, limit)

    assert said(5, None) == "" and said(5, 10).startswith("Not enough history")
    day(3, 5)
    assert "3 days of it, and it takes 7" in said(5, 10)
    day(30, 700)
    assert said(1_000, 1_200) == "At the rate of the last 30 days you reach the limit in about 3 weeks."
    assert "did not grow" in said(700, 1_200) and "The plan is full" in said(10, 10) and "2 over the limit" in said(12, 10)
    feed.sync(rows_of(4))
    assert usage.note_all() >= 1 and usage.note_day(merchant.id).counted == 4
    assert UsageDay.select().where(UsageDay.merchant == merchant).count() == 3
