"""Taking things away: in chunks, safe to kill at any of them, never beyond the source, and undone for seven days."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portal import clock, documents, removals, requests, runs, sources
from portal.errors import Invalid, NotFound, Refused
from portal.inventory import accepting
from portal.leases import Work
from portal.models import (
    AuditLine,
    Connection,
    Document,
    Integration,
    InventoryChange,
    InventoryItem,
    PlanRow,
    Run,
    SealedSecret,
    SetAsideRow,
    Source,
    StagedRow,
)
from tests.feed_of import Feed, rows_of
from tests.ordered import ask, lines_of, place

WHO = "ana@harbor.example"
HANDLERS = removals.HANDLERS


class Killed(BaseException):
    """What SIGKILL does to an open transaction: it is never committed."""


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(removals, "CHUNK", 3)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """later(days=7): the clock goes on by that much."""
    real, shift = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + shift[0])

    def move(**by: float) -> None:
        shift[0] += timedelta(**by)

    return move


@pytest.fixture
def full(make_source: Callable[..., Source]) -> Source:
    """A live source with eight items and something in every table that hangs on a source."""
    return filled(make_source(state="live"))


def filled(source: Source, items: int = 8) -> Source:
    Connection.create(source=source, settings={"host": "sftp.northwind.example"})
    SealedSecret.create(source=source, field="password", sealed="sealed")
    hourly = {"every_minutes": 60}
    integration = Integration.create(
        source=source, kind="get_inventory_primary", enabled=True, schedule=hourly, next_run_at=clock.now() + timedelta(minutes=9)
    )
    run = Run.create(merchant=source.merchant, source=source, integration=integration, number=1000 + source.id, kind="inventory",
                     state="finished", accepted=True)  # fmt: skip
    Integration.update(last_accepted_run_id=run.id, last_accepted_at=clock.now()).where(Integration.id == integration.id).execute()
    documents.store_upload(source, io.BytesIO(b"sku\n1\n"), "stock.csv", run=run)
    for n in range(items):
        item = InventoryItem.create(merchant=source.merchant, source=source, sku=f"S{n}", content_hash=n, last_run_id=run.id, last_row=n)
        scope = {"run": run, "sku": item.sku}
        StagedRow.create(**scope, row_number=n, content_hash=n)
        PlanRow.create(**scope, n=n, action="add", item_id=item.id)
        SetAsideRow.create(**scope, row_number=n)
        InventoryChange.create(**scope, merchant=source.merchant, source=source, item_id=item.id, action="add")
    Source.update(item_count=items).where(Source.id == source.id).execute()
    return Source.get_by_id(source.id)


def items(source: Source) -> int:
    return InventoryItem.select().where(InventoryItem.source == source.id).count()


def state_of(run: Run) -> str:
    return str(Run.get_by_id(run.id).state)


def everything_of(source: Source) -> dict[str, int]:
    """How many rows each table holds of the source."""
    own = Run.select(Run.id).where(Run.source == source.id)
    counts = {table.__name__: table.select().where(table.run << own).count() for table in (StagedRow, PlanRow, SetAsideRow)}
    for table in (Connection, SealedSecret, Integration, Document, InventoryItem, InventoryChange, Run):
        counts[table.__name__] = table.select().where(table.source == source.id).count()
    return counts | {"Source": Source.select().where(Source.id == source.id).count()}


def files_of(source: Source) -> list[str]:
    return [
        str(documents.path_of(row)) for row in Document.select().where(Document.source == source.id, Document.stored_name.is_null(False))
    ]


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int) -> bool:
    """Work until the process dies inside its `number`-th write of a checkpoint; False when it finished before."""
    left, save = [number], Work.save_checkpoint

    def dying(self: Work, **values: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        save(self, **values)

    with monkeypatch.context() as patched:
        patched.setattr(Work, "save_checkpoint", dying)
        try:
            runs.work_available(HANDLERS)
        except Killed:
            Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.state == "running").execute()
            return True
    return False


# Remove Inventory


def test_losses_are_counted_now_and_of_this_source_alone(full: Source, make_source: Any) -> None:
    filled(make_source("Kestrel", state="live"), items=2)
    found = removals.losses(full)
    assert (found.items, found.files, found.runs, found.credentials, found.active) == (8, 1, 1, 1, None)
    waiting = runs.start(full, "connection_check")
    assert removals.losses(full).active == waiting


@pytest.mark.parametrize("typed", ["", "northwind", "Northwind Distribution", "N\u043erthwind"])
def test_nothing_starts_until_the_name_is_typed(full: Source, typed: str) -> None:
    for act in (removals.remove_inventory_of, removals.delete):
        with pytest.raises(Invalid) as refusal:
            act(full, typed, WHO)
        assert refusal.value.errors == {"typed_name": "The name does not match. Type Northwind."}
    assert Source.get_by_id(full.id).state == "live" and not Run.select().where(Run.kind != "inventory").exists()


def test_spaces_around_and_inside_the_typed_name_do_not_matter(make_source: Any) -> None:
    source = make_source("Harbor & Pine", state="live")
    assert removals.remove_inventory_of(source, "  Harbor  &  Pine ", WHO).kind == "remove_inventory"


def test_removing_takes_every_item_and_leaves_the_rest(full: Source) -> None:
    before, files = everything_of(full), files_of(full)
    run = removals.remove_inventory_of(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    assert (state_of(run), Run.get_by_id(run.id).counts) == ("finished", {"removed": 8})
    assert everything_of(full) == before | {"InventoryItem": 0, "Run": 2}
    assert files_of(full) == files
    kept = Source.get_by_id(full.id)
    assert (kept.state, kept.item_count) == ("live", 0)
    line = AuditLine.select().where(AuditLine.action == "source.remove_inventory").get()
    assert (line.who, line.before) == (WHO, {"items": 8})


def test_no_other_source_loses_anything(full: Source, make_source: Any, other_merchant: Any) -> None:
    mine = filled(make_source("Kestrel", state="live"))
    theirs = filled(make_source("Northwind", of=other_merchant, state="live"))
    before = everything_of(mine), everything_of(theirs)
    removals.remove_inventory_of(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    assert items(full) == 0 and (everything_of(mine), everything_of(theirs)) == before


def test_it_is_refused_while_a_run_of_the_source_is_not_finished(full: Source) -> None:
    runs.start(full, "connection_check")
    with pytest.raises(Refused, match="Nothing was removed"):
        removals.remove_inventory_of(full, "Northwind", WHO)
    assert items(full) == 8


def test_no_sync_starts_while_the_inventory_is_removed(full: Source) -> None:
    removals.remove_inventory_of(full, "Northwind", WHO)
    with pytest.raises(runs.AlreadyRunning):
        runs.start_sync(sources.integration(full, "get_inventory_primary"))


@pytest.mark.parametrize("number", range(1, 6))
def test_a_kill_at_any_checkpoint_is_continued_to_the_same_end(full: Source, monkeypatch: Any, number: int) -> None:
    run = removals.remove_inventory_of(full, "Northwind", WHO)
    assert killed_at(monkeypatch, number)
    assert items(full) == Source.get_by_id(full.id).item_count, "a chunk and its count are one transaction"
    runs.work_available(HANDLERS)
    assert (state_of(run), Run.get_by_id(run.id).counts, items(full)) == ("finished", {"removed": 8}, 0)


def test_the_work_is_cut_into_chunks(full: Source, monkeypatch: Any) -> None:
    removals.remove_inventory_of(full, "Northwind", WHO)
    left = []
    for _ in range(3):  # each try forgets what was seen, takes one chunk, and dies in the next
        assert killed_at(monkeypatch, 3)
        left.append(items(full))
    assert left == [5, 2, 0]


def test_a_worker_that_lost_the_run_takes_nothing_more(full: Source, monkeypatch: Any) -> None:
    run, progress = removals.remove_inventory_of(full, "Northwind", WHO), Work.progress

    def overtaken(self: Work, done: int, total: int | None = None) -> None:
        progress(self, done, total)
        Run.update(fence=Run.fence + 1).where(Run.id == run.id).execute()

    monkeypatch.setattr(Work, "progress", overtaken)
    runs.work_available(HANDLERS)
    assert (items(full), Source.get_by_id(full.id).item_count, state_of(run)) == (5, 5, "running")


def test_after_a_removal_the_same_file_is_read_again_as_a_first_one(make_source: Any, run_work: Callable[[], None]) -> None:
    feed = Feed(make_source())
    feed.sync(rows_of(7))
    assert feed.sync(rows_of(7)).state == "no_change"
    removals.remove_inventory_of(feed.source, "Northwind", WHO)
    run_work()
    again = feed.sync(rows_of(7))
    assert (again.state, again.counts["new"], len(feed.items())) == ("finished", 7, 7)


def test_stopped_halfway_the_next_sync_brings_back_what_went(make_source: Any, run_work: Callable[[], None], monkeypatch: Any) -> None:
    feed = Feed(make_source())
    feed.sync(rows_of(7))
    run = removals.remove_inventory_of(feed.source, "Northwind", WHO)
    assert killed_at(monkeypatch, 3)
    runs.request_stop(run, WHO)
    monkeypatch.setattr("portal.leases.WRITE_EVERY", 0)
    run_work()
    assert (state_of(run), items(feed.source), Source.get_by_id(feed.source.id).item_count) == ("stopped", 4, 4)
    again = feed.sync(rows_of(7))
    assert (again.state, again.counts["new"], again.counts["unchanged"]) == ("finished", 3, 4)


def test_what_was_held_before_a_removal_cannot_be_accepted_after_it(make_source: Any, run_work: Callable[[], None]) -> None:
    feed = Feed(make_source())
    feed.sync(rows_of(100))
    held = feed.sync(rows_of(60))
    assert held.state == "held"
    removals.remove_inventory_of(feed.source, "Northwind", WHO)
    run_work()
    with pytest.raises(Refused, match="inventory was removed since"):
        accepting.start_acceptance(held, WHO)


# Delete Source, restore


def test_a_deleted_source_is_hidden_at_once_and_its_name_is_free(full: Source, merchant: Any) -> None:
    removals.delete(full, "Northwind", WHO)
    with pytest.raises(NotFound):
        sources.find(merchant, full.public_id)
    assert sources.listing(merchant) == [] and removals.deleted(merchant) == [full]
    assert sources.create(merchant, "Northwind", "data_source", WHO).name == "Northwind"
    assert items(full) == 8, "its inventory waits for restore or purge"


def test_deleting_twice_is_a_missing_source(full: Source) -> None:
    removals.delete(full, "Northwind", WHO)
    with pytest.raises(NotFound):
        removals.delete(full, "Northwind", WHO)
    assert Run.select().where(Run.kind == "delete_source").count() == 1


def test_the_background_run_stops_its_work_and_takes_it_off_the_schedule(full: Source, make_source: Any) -> None:
    other = filled(make_source("Kestrel", state="live"))
    waiting, theirs = (runs.start_sync(sources.integration(one, "get_inventory_primary")) for one in (full, other))
    Run.update(due_at=clock.now() + timedelta(hours=1)).execute()
    run = removals.delete(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    assert (state_of(run), state_of(waiting), state_of(theirs)) == ("finished", "stopped", "queued")
    assert Integration.get(Integration.source == full).next_run_at is None
    assert Integration.get(Integration.source == other).next_run_at is not None
    with pytest.raises(Refused, match="was deleted"):
        runs.start_sync(Integration.get(Integration.source == full))


@pytest.mark.parametrize("state", ["draft", "live", "paused"])
def test_a_restored_source_is_as_it_was_and_on_its_schedule_again(full: Source, merchant: Any, state: str) -> None:
    Source.update(state=state).where(Source.id == full.id).execute()
    before = everything_of(full)
    removals.delete(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    back = removals.restore(removals.find_deleted(merchant, full.public_id), WHO)
    assert (back.state, back.name, back.purge_at, back.item_count) == (state, "Northwind", None, 8)
    assert everything_of(full) == before | {"Run": 2}
    assert Integration.get(Integration.source == full).next_run_at > clock.now()
    with pytest.raises(NotFound):
        removals.find_deleted(merchant, full.public_id)
    with pytest.raises(NotFound):
        removals.restore(full, WHO)


def test_restored_before_its_run_was_done_nothing_is_stopped(full: Source, merchant: Any) -> None:
    run = removals.delete(full, "Northwind", WHO)
    removals.restore(removals.find_deleted(merchant, full.public_id), WHO)
    runs.work_available(HANDLERS)
    assert state_of(run) == "failed" and Run.get_by_id(run.id).problem["body"] == "The source was restored, so nothing was stopped."
    assert Integration.get(Integration.source == full).next_run_at is not None


def test_a_name_that_was_taken_meanwhile_gets_a_mark(full: Source, merchant: Any, make_source: Any) -> None:
    names = []
    for _ in range(2):
        removals.delete(full, full.name, WHO)
        make_source("Northwind") if not names else make_source("Northwind (restored)")
        full = removals.restore(removals.find_deleted(merchant, full.public_id), WHO)
        names.append(full.name)
        full.name = full.name_key = "Northwind"
        Source.update(name="Northwind", name_key="gone").where(Source.id == full.id).execute()
    assert names == ["Northwind (restored)", "Northwind (restored 2)"]


def test_the_longest_name_still_fits_when_it_comes_back(merchant: Any, make_source: Any) -> None:
    source = make_source("N" * 80)
    removals.delete(source, source.name, WHO)
    make_source("N" * 80)
    assert removals.restore(removals.find_deleted(merchant, source.public_id), WHO).name == "N" * 69 + " (restored)"


def test_nobody_restores_anothers_source_or_one_that_is_over(full: Source, merchant: Any, other_merchant: Any, later: Any) -> None:
    removals.delete(full, "Northwind", WHO)
    with pytest.raises(NotFound):
        removals.find_deleted(other_merchant, full.public_id)
    assert removals.deleted(other_merchant) == []
    later(days=7, seconds=1)
    with pytest.raises(NotFound):
        removals.find_deleted(merchant, full.public_id)
    assert removals.deleted(merchant) == []
    with pytest.raises(NotFound):
        removals.restore(full, WHO)


# the purge


def test_a_purge_starts_after_seven_days_and_only_once(full: Source, later: Any) -> None:
    removals.delete(full, "Northwind", WHO)
    later(days=6, hours=23)
    assert removals.purge_due() == []
    later(hours=1)
    assert len(removals.purge_due()) == 1 and removals.purge_due() == []


def test_a_purge_erases_all_of_the_source_and_nothing_else(full: Source, make_source: Any, later: Any) -> None:
    other = filled(make_source("Kestrel", state="live"))
    before, files, theirs = everything_of(other), files_of(full), files_of(other)
    removals.delete(full, "Northwind", WHO)
    later(days=7)
    (run,) = removals.purge_due()
    runs.work_available(HANDLERS)
    assert set(everything_of(full).values()) == {0} and everything_of(other) == before
    assert not any(Path(path).exists() for path in files) and all(Path(path).exists() for path in theirs)
    ended = Run.get_by_id(run.id)
    assert (ended.state, ended.source, ended.counts) == ("finished", None, {"files": 1, "items": 8})
    line = AuditLine.select().where(AuditLine.action == "source.purge").get()
    assert line.before == {"name": "Northwind", "files": 1, "items": 8}


def test_credentials_go_first(full: Source, later: Any, monkeypatch: Any) -> None:
    removals.delete(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    later(days=7)
    removals.purge_due()
    assert killed_at(monkeypatch, 2)
    left = everything_of(full)
    assert (left["SealedSecret"], left["InventoryItem"], left["Document"]) == (0, 8, 1)


def test_a_purge_killed_at_any_checkpoint_is_continued_to_the_same_end(full: Source, later: Any, monkeypatch: Any) -> None:
    removals.delete(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    later(days=7)
    (run,) = removals.purge_due()
    kills = 0
    while killed_at(monkeypatch, 2 + kills):  # each try gets one write further than the last
        kills += 1
        Run.update(interruptions=0).where(Run.id == run.id).execute()
    assert kills > 5
    assert set(everything_of(full).values()) == {0}
    ended = Run.get_by_id(run.id)
    assert (ended.state, ended.counts["items"]) == ("finished", 8)


def test_a_source_restored_at_the_last_moment_is_not_erased(full: Source, merchant: Any, later: Any) -> None:
    removals.delete(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    later(days=7)
    (run,) = removals.purge_due()
    Source.update(state="live", purge_at=None).where(Source.id == full.id).execute()
    before = everything_of(full)
    runs.work_available(HANDLERS)
    assert state_of(run) == "failed" and everything_of(full) == before


def test_a_source_with_open_requests_is_not_deleted(full: Source) -> None:
    request = ask(place(full.merchant), full)
    assert removals.losses(full).open_requests == 1
    with pytest.raises(Refused, match="Northwind has 1 open fulfillment request. Let it ship"):
        removals.delete(full, "Northwind", WHO)
    assert Source.get_by_id(full.id).state == "live" and not AuditLine.select().where(AuditLine.action == "source.delete").exists()
    (line,) = lines_of(request)
    requests.record(request, "ship", [("ship", line.id, 3)], cause="file")
    assert removals.losses(full).open_requests == 0
    removals.delete(full, "Northwind", WHO)
    assert removals.restore(removals.find_deleted(full.merchant, full.public_id), WHO).name == "Northwind"


def test_a_purge_leaves_the_history_of_requests(full: Source, later: Any) -> None:
    request = ask(place(full.merchant), full)
    (line,) = lines_of(request)
    requests.record(request, "ship", [("ship", line.id, 3)], cause="file")
    removals.delete(full, "Northwind", WHO)
    runs.work_available(HANDLERS)
    later(days=7)
    removals.purge_due()
    runs.work_available(HANDLERS)
    left = Source.get_by_id(full.id)
    assert (left.state, left.purge_at, left.name) == ("deleted", None, "Northwind") and not removals.deleted(full.merchant)
    assert removals.purge_due() == [] and lines_of(request)[0].shipped == 3
    for table in (Connection, SealedSecret, Integration, InventoryItem, Document, Run):
        assert not table.select().where(table.source == full.id).exists(), table
