"""Dry runs: a plan equal to the one that is applied after whatever happened, nothing written, rows kept a day and erased."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal import clock, documents, leases, runs
from portal.errors import Invalid, NotFound, Refused
from portal.inventory import accepting, archiving, dry_run, feed_states, fixes, pins, plan, plan_rows, planned, revert, stage, steps
from portal.inventory.dry_run import Choice
from portal.models import Document, Integration, PlanRow, Run, SetAsideRow, bulk
from tasks.work import HANDLERS
from tests.feed_of import HEADERS, RULES, Feed, rows_of, text_of
from tests.inventory.test_model import row
from tests.inventory.test_model import small as small
from tests.test_acceptance_dry_run import changed, equal, set_aside
from tests.web.walk import everything

WHO = "ana@harbor.example"
ITS_OWN = {"Run", "RunMessage", "PlanRow", "SetAsideRow", "Document", "RunFile", "AuditLine", "MerchantTurn"}

file = st.lists(row, min_size=3, max_size=12)
act = st.one_of(
    file, file, file, st.just("again"), st.sampled_from(["accept", "revert", "pin", "unpin", "archive", "unarchive", "price", "mend"])
)


@pytest.fixture
def feed(make_source: Any) -> Feed:
    made = Feed(make_source())
    assert made.sync(rows_of(40)).state == "finished"
    return made


def play(feed: Feed, policy: str, acts: Sequence[Any]) -> None:
    """Files, each dry run before it is synced, and what people do between them."""
    feed.map(duplicates=policy)
    rows: list[Any] = []
    for one in acts:
        if isinstance(one, str) and one != "again":
            _do(feed, one)
            runs.work_available(HANDLERS)
            continue
        rows = rows if one == "again" else one
        dry = feed.dry_run(text_of([[sku, title, "K", units, "1"] for sku, title, units in rows]))
        equal(dry, feed.sync_with(dry))


def _do(feed: Feed, what: str) -> None:
    writers = Run.select().where(Run.source == feed.source, Run.kind << ("inventory", "accept_removals", "revert", "fixed_rows", "edit"))
    run = writers.order_by(Run.id.desc()).first()
    items = [item for item in feed.items().values() if item.sku in "ABC"]
    here = [item for item in items if item.archived_at is None]
    if what == "accept" and run and run.state == "held":
        accepting.start_acceptance(run, WHO)
    elif what == "revert" and run and not revert.may_revert(run):
        revert.start(run, revert.Choice(), WHO)
    elif what in ("pin", "price") and here:
        column, value = ("quantity", "7") if what == "pin" else ("cost", "3.00")
        pins.pin(here[0], column, value, "", None, WHO)
    elif what == "unpin":
        for item in items:
            for column in pins.of_item(item):
                pins.unpin(item, column, WHO)
    elif what in ("archive", "unarchive"):
        chosen = [item.public_id for item in items if (item.archived_at is None) == (what == "archive")][:2]
        if chosen:
            getattr(archiving, what)(feed.source.merchant, chosen, WHO)
    elif what == "mend" and run and run.kind == "inventory" and fixes.open_rows(run):
        mended = "".join(fixes.to_mend_csv(run)).replace("'-1", "6")
        fixes.start(run, io.BytesIO(mended.encode()), "mended.csv", WHO)


def test_its_plan_is_the_one_that_is_applied_whatever_happened_before(small, make_source):
    numbers = count()

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True, database=None)
    @given(st.sampled_from(["first", "last", "sum", "set_aside"]), st.lists(act, min_size=3, max_size=8))
    def examples(policy: str, acts: Sequence[Any]) -> None:
        play(Feed(make_source(f"Source {next(numbers)}")), policy, acts)

    examples()


def test_sabotage_an_incremental_plan_that_forgets_what_is_gone_is_noticed(feed, monkeypatch):
    monkeypatch.setattr(plan, "_take_gone", lambda *_: None)
    dry = feed.dry_run(rows_of(38))
    with pytest.raises(AssertionError):
        equal(dry, feed.sync_with(dry))


def files() -> list[str]:
    return sorted(path.name for path in stage.folder().glob("*"))


def nothing_written(do: Callable[[], Any]) -> Any:
    """Do it, and compare every row of every table but those of a run's own before and after."""
    before = {name: rows for name, rows in everything(()).items() if name not in ITS_OWN}
    theirs, kept = list(everything(())["Run"]), files()
    done = do()
    after = everything(())
    assert {name: rows for name, rows in after.items() if name not in ITS_OWN} == before
    assert all(one in after["Run"] for one in theirs), "a dry run changed another run"
    assert files() == kept, "a dry run left a file or took one away"
    return done


FILES = (changed, set_aside, lambda rows: rows[:-12], lambda rows: rows[:9], lambda _: b"a,b\n1,2\n")


@pytest.mark.parametrize("rows", FILES)
def test_a_dry_run_writes_nothing_but_its_own_rows(feed, rows):
    feed.sync(changed(rows_of(40)))
    raw = rows(rows_of(40))
    run = nothing_written(lambda: feed.dry_run(raw))
    assert run.state == ("finished" if isinstance(raw, list) else "failed") and run.accepted is False
    assert nothing_written(feed.dry_run).checkpoint["would"] == "no_change"  # the latest upload still is the synced one


def test_on_an_empty_source_it_writes_nothing_either(make_source):
    made = Feed(make_source())
    assert nothing_written(lambda: made.dry_run(rows_of(9))).counts["add"] == 9


def test_sabotage_a_dry_run_that_remembers_the_feed_is_noticed(feed, monkeypatch):
    kept = steps.erase_stage
    monkeypatch.setattr(steps, "erase_stage", lambda work: (feed_states.forget(work), kept(work)))
    with pytest.raises(AssertionError):
        nothing_written(lambda: feed.dry_run(changed(rows_of(40))))


def test_it_goes_beside_a_sync_but_not_beside_another_dry_run(feed):
    waiting = feed.start(rows_of(41))
    integration = Integration.get_by_id(feed.integration.id)
    beside = dry_run.start(integration, Choice(), WHO)
    with pytest.raises(runs.AlreadyRunning) as busy:
        dry_run.start(integration, Choice(), WHO)
    assert busy.value.run.id == beside.id
    with pytest.raises(runs.AlreadyRunning) as busy:
        runs.start_sync(integration)
    assert busy.value.run.id == waiting.id
    runs.work_available(HANDLERS)
    assert (Run.get_by_id(waiting.id).state, Run.get_by_id(beside.id).state) == ("finished", "finished")


def test_a_file_for_a_dry_run_is_not_the_latest_upload_until_a_sync_is_started_with_it(feed):
    latest = documents.latest_upload(feed.source).id
    dry = feed.dry_run(changed(rows_of(40)))
    assert documents.latest_upload(feed.source).id == latest and Document.get_by_id(dry.document_id).origin == "dry_run"
    feed.sync_with(dry)
    assert documents.latest_upload(feed.source).id == dry.document_id


def test_an_old_file_is_planned_and_its_age_said(feed):
    old = feed.sync(changed(rows_of(40)))
    Document.update(modified=clock.now() - timedelta(hours=3)).where(Document.id == old.document_id).execute()
    feed.sync(rows_of(40, quantity=8), modified=clock.now())
    dry = feed.dry_run(document=Document.get_by_id(old.document_id))
    assert (dry.checkpoint["would"], dry.counts["change"] + dry.counts["zero"]) == ("refused", 40)
    assert planned.judged(dry)[0].label == "Age of the file" and dry.plan_hash != plan.NOTHING


def test_unsaved_rules_stay_with_the_run_and_allow_no_sync_until_they_are_saved(feed):
    rules = {**RULES, "fields": {**RULES["fields"], "mpn": {"columns": ["maker"], "steps": []}}}
    dry = feed.dry_run(rows_of(40), rules=rules)
    assert dry.counts["change"] == 40 and dry_run.rules_of(dry) == rules
    with pytest.raises(Refused, match="not the saved one"):
        dry_run.start_sync(dry, WHO)
    feed.map(**rules)
    equal(dry, feed.sync_with(dry))


def test_an_older_version_is_read_as_it_was(feed):
    feed.map(fields={"sku": {"columns": ["item_no"]}, "title": {"columns": ["maker"]}})
    assert feed.dry_run(rows_of(40)).counts["change"] == 40
    old = feed.dry_run(rows_of(40), version=1)
    assert (old.plan_hash, old.mapping_version, old.counts["unchanged"]) == (plan.NOTHING, 1, 40)


def test_what_cannot_be_dry_run_is_refused(feed, make_source):
    other = Feed(make_source("Elsewhere"))
    theirs = documents.store_upload(other.source, io.BytesIO(b"x"), "x.csv")
    integration = Integration.get_by_id(feed.integration.id)
    with pytest.raises(NotFound):
        dry_run.start(integration, Choice(document=theirs), WHO)
    with pytest.raises(NotFound):
        dry_run.start(integration, Choice(version=9), WHO)
    with pytest.raises(Invalid):
        dry_run.start(integration, Choice(rules={"fields": {}}, headers=HEADERS), WHO)
    with pytest.raises(Refused):
        dry_run.start(Integration.create(source=feed.source, kind="send_orders"), Choice(), WHO)


def test_an_erased_file_is_said(feed):
    dry = feed.dry_run(rows_of(40))
    Document.update(stored_name=None).where(Document.id == dry.document_id).execute()
    assert dry_run.why_not_sync(dry) == "The file was erased by age."
    again = feed.dry_run(document=Document.get_by_id(dry.document_id))
    assert (again.state, again.problem["headline"]) == ("failed", "The file was erased by age")


def test_changed_columns_lead_to_the_mapping_and_not_to_a_sync(feed):
    run = feed.dry_run(rows_of(40), headers=[*HEADERS[:3], "on hand", HEADERS[4]])
    assert (run.state, run.problem["code"], run.problem["act_at"]) == ("failed", "columns_missing", "mapping")
    assert PlanRow.select().count() == 0


def test_rows_are_kept_with_was_and_would_be_and_what_waits(feed):
    pins.pin(feed.items()["SKU-00005"], "quantity", "2", "", None, WHO)
    rows = [[*row[:3], 9, row[4]] for row in rows_of(10)]
    rows[1] = [*rows[1][:3], "", rows[1][4]]
    dry = feed.dry_run([*rows, ["NEW", "Lantern", "Kestrel", 3, "2.00"], *rows_of(0)])
    told = {one.sku: one for one in planned.rows(dry)[0]}
    assert (told["SKU-00000"].before, told["SKU-00000"].after) == ({"quantity": 5}, {"quantity": 9})
    assert (told["SKU-00001"].action, told["SKU-00001"].after) == ("zero", {"quantity": None})
    assert "SKU-00005" not in told  # its quantity is pinned, and nothing else differs
    assert told["NEW"].after["title"] == "Lantern" and told["NEW"].before == {}
    assert (told["SKU-00020"].before, told["SKU-00020"].after, told["SKU-00020"].waits) == (
        {"quantity": 5}, {"quantity": 0}, "The removal waits",
    )  # fmt: skip
    assert [one.sku for one in planned.rows(dry, "add")[0]] == ["NEW"] and len(planned.rows(dry, "waits")[0]) == 30
    assert [one.sku for one in planned.rows(dry, query="0003")[0]] == ["SKU-00003", *[f"SKU-0003{n}" for n in range(10)]][:11]
    lines = "".join(planned.csv(dry)).splitlines()
    assert lines[1] == "SKU-00000,Lamp 0,Change,Quantity,5,9,,2" and len(lines) == 1 + 9 + 4 + 30
    assert planned.movers(dry)[0][1] == ("SKU-00010", "Quantity", 5, 0)


def test_a_refused_file_is_planned_all_the_same(feed):
    dry = feed.dry_run(rows_of(9))
    assert (dry.checkpoint["would"], dry.counts["missing"]) == ("refused", 31)
    assert planned.reasons(dry)[0].startswith("9 rows; fewer than 20")


def test_rows_are_erased_after_a_day_or_once_there_is_a_newer_dry_run(feed, make_source):
    other = Feed(make_source("Elsewhere")).dry_run(rows_of(3))
    old = feed.dry_run(set_aside(rows_of(40)))
    assert dry_run.erase_old() == 0
    new = feed.dry_run(set_aside(rows_of(40)))
    held = feed.sync([[*row[:4], "999.00"] for row in rows_of(40)])
    assert held.state == "held"
    assert dry_run.erase_old() == 1 and not planned.is_kept(old) and SetAsideRow.select().where(SetAsideRow.run == old.id).count() == 0
    assert planned.is_kept(new) and planned.is_kept(other)
    Run.update(finished_at=clock.now() - timedelta(hours=25)).where(Run.kind == "dry_run").execute()
    assert dry_run.erase_old() == 2 and not planned.is_kept(new)
    assert {row.run_id for row in PlanRow.select()} == {held.id}, "what is held stays"


def test_a_worker_that_takes_over_comes_to_the_same_plan(feed, monkeypatch):
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    whole = feed.dry_run(changed(rows_of(40)))

    def die(*_: Any) -> None:
        raise leases.GivenBack("dry run")

    for step in ("make", "keep_values", "count_held"):
        integration = Integration.get_by_id(feed.integration.id)
        run = dry_run.start(integration, Choice(Document.get_by_id(whole.document_id)), WHO)
        with monkeypatch.context() as broken:
            broken.setattr(plan if step == "make" else plan_rows, step, die)
            runs.perform(runs.claim(), HANDLERS)
        assert Run.get_by_id(run.id).state == "queued"
        runs.work_available(HANDLERS)
        again = Run.get_by_id(run.id)
        assert (again.state, again.plan_hash, again.counts) == ("finished", whole.plan_hash, whole.counts)
        assert [(row.sku, row.after) for row in PlanRow.select().where(PlanRow.run == run.id).order_by(PlanRow.n)] == [
            (one.sku, one.after) for one in planned.rows(whole)[0]
        ]
