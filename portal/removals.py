"""Taking things away: Remove Inventory, Delete Source with seven days to restore, and the purge after them.

refuse or hide now ─▶ a run ─▶ chunks, each with its checkpoint in one transaction ─▶ nothing left
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from portal import audit, clock, documents, runs, schedules, sources
from portal.errors import Invalid, NotFound, Refused
from portal.exclusions import keeping
from portal.inventory import stale
from portal.models import (
    TABLES,
    AnswerProblem,
    CommittedStock,
    Document,
    FulfillmentRequest,
    Integration,
    InventoryChange,
    InventoryItem,
    ItemPin,
    KeptOutChange,
    Merchant,
    PlanRow,
    RequestLine,
    Run,
    SealedSecret,
    SetAsideRow,
    Shipment,
    Source,
    StagedRow,
    Submission,
    Webhook,
    database,
)

CHUNK = 2_000
DAYS_TO_RESTORE = 7
UNFINISHED = ("queued", "running")


@dataclass(frozen=True)
class Losses:
    """What an act would take, counted now. `active`: a run that is queued or running on the source, if any.

    `open_requests`: fulfillment requests with something that is neither shipped, canceled nor voided; `requests`: all, which stay.
    """

    items: int
    files: int
    runs: int
    credentials: int
    active: Run | None
    open_requests: int = 0
    requests: int = 0


def losses(source: Source) -> Losses:
    """Count what the source holds, for its confirm pages."""
    return Losses(
        items=InventoryItem.select().where(InventoryItem.source == source).count(),
        files=Document.select().where(Document.source == source, Document.stored_name.is_null(False)).count(),
        runs=Run.select().where(Run.source == source).count(),
        credentials=SealedSecret.select().where(SealedSecret.source == source).count(),
        active=active_run(source),
        open_requests=open_requests(source),
        requests=FulfillmentRequest.select().where(FulfillmentRequest.source == source).count(),
    )


def open_requests(source: Source) -> int:
    """How many fulfillment requests of the source have units that are neither shipped, canceled nor voided."""
    held = RequestLine.select(RequestLine.request).where(RequestLine.open + RequestLine.acknowledged > 0)
    return int(FulfillmentRequest.select().where(FulfillmentRequest.source == source, FulfillmentRequest.id << held).count())


def active_run(source: Source) -> Run | None:
    """The newest queued or running run of the source."""
    newest: Run | None = Run.select().where(Run.source == source, Run.state << UNFINISHED).order_by(Run.id.desc()).first()
    return newest


def remove_inventory_of(source: Source, typed_name: str, who: str) -> Run:
    """Start the run that clears every item of the source. Raises Invalid (name), Refused or AlreadyRunning (a run is active)."""
    _match_name(source, typed_name)
    holder = _inventory_integration(source)
    if active_run(source) is not None:
        raise Refused("A run of this source is not finished. Stop it or wait for its end, then remove the inventory. Nothing was removed.")
    with database.atomic():
        # Started on the inventory integration, so that its one-run-at-a-time rule keeps any sync out meanwhile.
        run = runs.start(source, "remove_inventory", integration=holder, started_by=who)
        audit.write(source.merchant, who, "source.remove_inventory", "source", source.public_id, before={"items": source.item_count})
    return run


def delete(source: Source, typed_name: str, who: str) -> Run:
    """Hide the source at once and start the run that stops its work; it is purged after 7 days. Raises Invalid, NotFound.

    Raises Refused while it has open fulfillment requests: customers wait for those.
    """
    _match_name(source, typed_name)
    now = clock.now()
    hidden = {
        "state": "deleted", "state_before": Source.state, "deleted_at": now, "purge_at": now + timedelta(days=DAYS_TO_RESTORE),
        "changed_at": now, "changed_by": who, "version": Source.version + 1,
    }  # fmt: skip
    with database.atomic():
        if not Source.update(hidden).where(Source.id == source.id, Source.state != "deleted").execute():
            raise NotFound("source")
        if count := open_requests(source):  # counted behind the write, so that routing either sees the deleted source or is seen here
            raise Refused(OPEN_REQUESTS.format(name=source.name, count=f"{count:,} open fulfillment request" + "s" * (count > 1)))
        audit.write(source.merchant, who, "source.delete", "source", source.public_id, before={"name": source.name, "state": source.state})
        return runs.start(source, "delete_source", started_by=who)


OPEN_REQUESTS = "{name} has {count}. Let it ship or cancel them, or void them, first. Nothing was deleted."


def deleted(merchant: Merchant) -> list[Source]:
    """Deleted sources that can still be restored, the last deleted first."""
    query = Source.select().where(Source.merchant == merchant, Source.state == "deleted", Source.purge_at > clock.now())
    return list(query.order_by(Source.deleted_at.desc(), Source.id.desc()))


def find_deleted(merchant: Merchant, public_id: str) -> Source:
    """A deleted source of the merchant that can still be restored. Raises NotFound."""
    source = Source.get_or_none(
        Source.merchant == merchant, Source.public_id == public_id, Source.state == "deleted", Source.purge_at > clock.now()
    )
    if source is None:
        raise NotFound("source")
    source.merchant = merchant
    return source


def restore(source: Source, who: str) -> Source:
    """Bring a deleted source back as it was, under a free name when its own was taken. Raises NotFound (restored or purged already)."""
    name = _free_name(source)
    now = clock.now()
    whole = {
        "state": Source.state_before, "state_before": "", "deleted_at": None, "purge_at": None, "name": name,
        "name_key": sources.name_key(name), "changed_at": now, "changed_by": who, "version": Source.version + 1,
    }  # fmt: skip
    with database.atomic():
        written = Source.update(whole).where(Source.id == source.id, Source.state == "deleted", Source.purge_at > now).execute()
        if not written:
            raise NotFound("source")
        audit.write(source.merchant, who, "source.restore", "source", source.public_id, before={"name": source.name}, after={"name": name})
        fresh = sources.find(source.merchant, source.public_id)
        schedules.plan_anew(fresh)
    return fresh


def purge_due() -> list[Run]:
    """Start a purge run for each deleted source whose seven days are over and that has none unfinished."""
    started = []
    for source in Source.select().where(Source.state == "deleted", Source.purge_at <= clock.now()):
        unfinished = Run.select().where(Run.source == source, Run.state << UNFINISHED, Run.kind == "purge_source")
        if not unfinished.exists():
            settings = {"source_id": source.id, "name": source.name}
            started.append(runs.start(source, "purge_source", cause="schedule", started_by="", settings=settings))
    return started


def remove_inventory(work: Any) -> Any:
    """Run handler: forget what the last sync had seen, then clear the items of the source in chunks.

    Forgetting comes first: also after a stop halfway the next sync must read the same file again, judged as a first one.
    """
    source = work.source
    work.stage("remove", unit="items")
    with work.transaction():
        Integration.update(last_accepted_run_id=None, last_accepted_at=None, failures=0).where(
            Integration.source == source.id, Integration.kind << stale.KINDS
        ).execute()
        ItemPin.delete().where(ItemPin.source == source.id).execute()
        stale.forget(source.id)
        work.save_checkpoint(forgotten=True)
    removed = _in_chunks(work, _item_chunk(source.id), total=InventoryItem.select().where(InventoryItem.source == source.id).count())
    with work.transaction():
        Source.update(item_count=0).where(Source.id == source.id).execute()
    work.say(f"Removed {removed:,} items. The source and its settings stay.")
    return runs.Outcome("finished", counts={"removed": removed, **keeping.finish(work)})


def delete_source(work: Any) -> Any:
    """Run handler: stop what the hidden source is doing and take it off the schedule. Its inventory waits for restore or purge."""
    work.stage("delete")
    stopped = 0
    with work.transaction():
        # A write that changes nothing: it locks the row, so that a restore comes wholly before or wholly after.
        still_deleted = Source.update(state="deleted").where(Source.id == work.source.id, Source.state == "deleted").execute()
        if still_deleted:
            Integration.update(next_run_at=None).where(Integration.source == work.source.id).execute()
            stopped = _stop_others(work)
    if not still_deleted:
        raise Refused("The source was restored, so nothing was stopped.")
    work.say(f"The source is hidden. It can be restored for {DAYS_TO_RESTORE} days; then it is erased with its inventory.")
    return runs.Outcome("finished", counts={"stopped": stopped, "kept": work.source.item_count})


def _stop_others(work: Any) -> int:
    unfinished = Run.select().where(Run.source == work.source.id, Run.state << UNFINISHED)
    others = list(unfinished.where(Run.kind.not_in(("delete_source", "purge_source"))))
    for run in others:
        runs.request_stop(run, work.run.started_by)
    return len(others)


def purge_source(work: Any) -> Any:
    """Run handler: erase a source for good: credentials first, then files, items, journals and the source itself."""
    source = Source.get_or_none(Source.id == work.run.settings["source_id"])
    if source is not None:
        if not _purge_is_due(source):
            raise Refused("The source was restored, so nothing was erased.")
        _erase(work, source)
    return runs.Outcome("finished", counts=dict(work.checkpoint.get("erased", {})))


def _match_name(source: Source, typed_name: str) -> None:
    if sources.tidy_name(typed_name) != source.name:
        raise Invalid({"typed_name": f"The name does not match. Type {source.name}."})


def _inventory_integration(source: Source) -> Integration | None:
    return Integration.get_or_none(Integration.source == source, Integration.kind == "get_inventory_primary")


def _free_name(source: Source) -> str:
    """The source's own name, or the first "Name (restored)", "Name (restored 2)" … that nobody carries."""
    name, number = source.name, 1
    while not sources.name_is_free(source.merchant, name, apart_from=source):
        suffix = " (restored)" if number == 1 else f" (restored {number})"
        name, number = source.name[: sources.LONGEST_NAME - len(suffix)].rstrip() + suffix, number + 1
    return name


def _purge_is_due(source: Source) -> bool:
    return bool(source.state == "deleted" and source.purge_at is not None and source.purge_at <= clock.now())


def _erase(work: Any, source: Source) -> None:
    """Everything of the source, the sealed credentials first and the source's own row last. Each step may be done twice.

    Where it ever had a fulfillment request, its row stays without all it held: the history of orders names it.
    """
    work.stage("purge")
    with database.atomic():
        SealedSecret.delete().where(SealedSecret.source == source.id).execute()
        Webhook.delete().where(Webhook.source == source.id).execute()
        work.save_checkpoint(credentials_gone=True)
    erased = {"files": _erase_files(work, source), "items": _in_chunks(work, _item_chunk(source.id), total=source.item_count)}
    for run in Run.select().where(Run.source == source.id, Run.id != work.run.id):
        for table in (StagedRow, PlanRow, SetAsideRow, InventoryChange):
            _in_chunks(work, _rows_of_run(table, run.id))
    with database.atomic():
        # This run outlives its source: its row lets go before the cascade would take it along.
        work.save(source=None, integration=None)
        audit.write(work.merchant, "Quayside", "source.purge", "source", source.public_id, before={"name": source.name, **erased})
        _erase_row(source)
        work.save_checkpoint(erased=erased)
    work.say(f"Erased {source.name}: {erased['items']:,} items, {erased['files']:,} files, its credentials, runs and settings.")


KEPT = (FulfillmentRequest, CommittedStock, AnswerProblem, Submission, Shipment)
"""What stays of a purged source: what was asked of it, what it shipped, and what left for it."""


def _erase_row(source: Source) -> None:
    gone = (Source.id == source.id) & (Source.state == "deleted")
    if not FulfillmentRequest.select().where(FulfillmentRequest.source == source.id).exists():
        Source.delete().where(gone).execute()
        return
    for table in TABLES:
        for key in table._meta.refs if table not in KEPT else ():
            if key.rel_model is Source:
                table.delete().where(key == source.id).execute()
    Source.update(purge_at=None, setup_done=[], order_rules={}, supplier="").where(gone).execute()


def _erase_files(work: Any, source: Source) -> int:
    kept = Document.select().where(Document.source == source.id, Document.stored_name.is_null(False)).order_by(Document.id)
    count = 0
    for document in kept:
        work.check_stop()
        documents.erase(document)
        with database.atomic():
            Document.update(stored_name=None).where(Document.id == document.id).execute()
            work.save_checkpoint(files=document.id)
        count += 1
    return count


def _item_chunk(source_id: int) -> Callable[[], int]:
    """Deletes the next items of the source and takes them off its count; how many went."""

    def delete_some() -> int:
        some = InventoryItem.select(InventoryItem.id).where(InventoryItem.source == source_id).order_by(InventoryItem.sku).limit(CHUNK)
        ids = [item.id for item in some]
        gone = InventoryItem.delete().where(InventoryItem.id << ids).execute()
        KeptOutChange.delete().where(KeptOutChange.item_id << ids).execute()
        Source.update(item_count=Source.item_count - gone).where(Source.id == source_id).execute()
        return int(gone)

    return delete_some


def _rows_of_run(table: Any, run_id: int) -> Callable[[], int]:
    """Deletes the next rows that `table` keeps for the run; how many went."""
    key = table.id if table is InventoryChange else table.n if table is PlanRow else table.row_number

    def delete_some() -> int:
        some = [row[0] for row in table.select(key).where(table.run == run_id).order_by(key).limit(CHUNK).tuples()]
        return int(table.delete().where(table.run == run_id, key << some).execute()) if some else 0

    return delete_some


def _in_chunks(work: Any, delete_some: Callable[[], int], total: int | None = None) -> int:
    """Call `delete_some` until nothing is left. Each chunk and its fenced checkpoint are one transaction: a worker that
    lost its lease takes nothing away, and one that was killed goes on where it was. Raises Stopped between chunks."""
    removed = int(work.checkpoint.get("removed", 0)) if total is not None else 0
    whole = None if total is None else removed + total
    while True:
        work.check_stop()
        with database.atomic():
            gone = delete_some()
            if total is not None:
                work.save_checkpoint(removed=removed + gone)
            else:
                work.save_checkpoint()
        if not gone:
            return removed
        removed += gone
        work.progress(removed, whole)


HANDLERS: dict[str, Callable[[Any], Any]] = {
    "remove_inventory": remove_inventory,
    "delete_source": delete_source,
    "purge_source": purge_source,
}
