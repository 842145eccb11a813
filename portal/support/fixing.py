"""What support staff mend at one source: test its connection, release a run's lease, reset it, delete it, and take the last two back.

Reset: the set-up is open again from the step that is broken; nothing is synced meanwhile, as only a live source is on the clock; its
items stay, or are deleted in a way that can be undone. Every act names who, why and which ticket in the merchant's audit log.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from portal import audit, clock, connection_checks, removals, runs, schedules, setup_steps, sources
from portal.bulk_acts import acts
from portal.errors import Invalid, NotFound, Refused
from portal.models import BulkAct, Integration, Run, RunMessage, Source, SourceReset, StaffPerson, bulk, database

DAYS_TO_RESTORE = removals.DAYS_TO_RESTORE
A_LINE = "This is the line of a channel: its merchant disconnects the channel. Nothing was changed."
UNFINISHED = removals.UNFINISHED
KEPT_COLUMNS = ("enabled", "paused")
RESETS = {
    "supplier": "Choose the supplier again: connection, file, mappings and orders are gone through again",
    "connection": "Connect again: address and sign-in first, then everything after",
    "file": "Choose the file again; the connection stays",
    "inventory": "Map the inventory again; connection and file stay",
    "orders": "Set up Send Orders again; the inventory's mapping stays",
    "shipments": "Set up Get Shipments again; Send Orders stays",
    "skus": "Decide the SKU mapping again; everything before it stays",
}
"""Step of the set-up -> what going back to it means. What was saved stays filled in; it has to be saved again."""


@dataclass(frozen=True)
class Why:
    """Why support acts: said by the person, kept with the act."""

    reason: str
    ticket: str

    def told(self) -> dict[str, str]:
        """As the audit log keeps it."""
        return {"reason": self.reason, "ticket": self.ticket}


def why(reason: str, ticket: str) -> Why:
    """Judged. Raises Invalid naming reason and ticket."""
    tidy = [" ".join(one.replace("\x00", "").split()) for one in (reason, ticket)]
    errors = {}
    if not 5 <= len(tidy[0]) <= 400:
        errors["reason"] = "Say why, in 5 to 400 characters: the merchant reads it."
    if not 1 <= len(tidy[1]) <= 60:
        errors["ticket"] = "Name the ticket, in at most 60 characters."
    if errors:
        raise Invalid(errors)
    return Why(*tidy)


def test(source: Source, person: StaffPerson) -> Run:
    """Queue the seven checks of the connection.

    Raises NotFound where there is no connection yet, Refused for a source or a workspace that is deleted.
    """
    _check_open(source)
    if source.state == "deleted":
        raise Refused("The source is deleted. Restore it first.")
    with database.atomic():
        run = connection_checks.start(source, person.email)
        audit.write(source.merchant, person.email, "support.test", "source", source.public_id, after={"run": run.number})
    return run


def release(run: Run, person: StaffPerson) -> None:
    """Take the run out of the hands of its worker, which writes nothing more; the next free one goes on from its checkpoint.

    Raises Refused where no worker holds it.
    """
    with database.atomic():
        held = (Run.id == run.id) & (Run.state == "running") & (Run.fence == run.fence)
        ended = {"lease_until": clock.now() - timedelta(seconds=1), "fence": Run.fence + 1}
        if not Run.update(ended).where(held).execute():
            raise Refused("No worker holds this run any more. Nothing was changed.")
        RunMessage.create(run=run.id, level="warning", text="Support released it; another worker goes on.", at=clock.now())
        told = {"run": run.number, "held until": f"{run.lease_until:%Y-%m-%d %H:%M:%S} UTC"}
        audit.write(run.merchant, person.email, "support.release", "run", run.public_id, after=told)


def suggested(source: Source) -> str:
    """The step that is broken, as the last problem of a run says; the connection where nothing says it."""
    newest = Run.select(Run.problem).where(Run.source == source, Run.problem.is_null(False)).order_by(Run.id.desc()).first()
    place = (newest.problem or {}).get("act_at", "") if newest else ""
    return {"file": "file", "mapping": "inventory", "columns": "inventory"}.get(place, "connection")


def reset(source: Source, step: str, remove: bool, typed_name: str, reason: Why, person: StaffPerson) -> SourceReset:
    """Put the source back to that step. Raises Invalid (step, typed_name), Refused for a deleted source, a draft that is not so far,
    and where items shall go while a run works.
    """
    errors = {} if step in RESETS else {"step": "Choose where to begin again."}
    if sources.tidy_name(typed_name) != source.name:
        errors["typed_name"] = f"The name does not match. Type {source.name}."
    if errors:
        raise Invalid(errors)
    _check_open(source)
    if source.kind == sources.CHANNEL_LINE:
        raise Refused(A_LINE)
    if source.state == "deleted":
        raise Refused("The source is deleted. Restore it first.")
    kept = setup_steps.STEPS[: setup_steps.STEPS.index(step)]
    if source.state == "draft" and step not in source.setup_done:
        raise Refused("Its set-up has not come that far. Nothing was changed.")
    if remove and removals.active_run(source) is not None:
        raise Refused("A run of this source is not finished. Stop it or wait for its end, then remove the items. Nothing was changed.")
    now = clock.now()
    with database.atomic():
        stamped = {"state": "draft", "setup_done": [one for one in source.setup_done if one in kept], "changed_at": now,
                   "changed_by": person.email, "version": Source.version + 1}  # fmt: skip
        if not Source.update(stamped).where(Source.id == source.id, Source.version == source.version).execute():
            raise Refused("Somebody changed the source meanwhile. Look at it again. Nothing was changed.")
        made = SourceReset.create(
            merchant=source.merchant_id, source=source, staff=person.email, reason=reason.reason, ticket=reason.ticket, step=step,
            before=_as_it_is(source), items=source.item_count, at=now, until=now + timedelta(days=DAYS_TO_RESTORE),
        )  # fmt: skip
        for run in Run.select().where(Run.source == source.id, Run.state << UNFINISHED):
            runs.request_stop(run, person.email)
        if remove and source.item_count:
            made.act_id = _delete_items(source, person.email).id
            made.save(only=[SourceReset.act_id])
        told = {"step": setup_steps.TITLES[step], "items": "deleted" if made.act_id else "kept", **reason.told()}
        before = {"state": source.state, "items": source.item_count}
        audit.write(source.merchant, person.email, "support.reset", "source", source.public_id, before=before, after=told)
    return made


def open_reset(source: Source) -> SourceReset | None:
    """The last reset of a source that is a draft since, and can be taken back."""
    if source.state != "draft":
        return None
    living = (SourceReset.source == source) & SourceReset.restored_at.is_null() & (SourceReset.until > clock.now())
    found: SourceReset | None = SourceReset.select().where(living).order_by(SourceReset.id.desc()).first()
    return found


def find_reset(source: Source, public_id: str) -> SourceReset:
    """A reset of the source that can be taken back. Raises NotFound."""
    found: SourceReset | None = SourceReset.get_or_none(
        SourceReset.source == source, SourceReset.public_id == public_id, SourceReset.restored_at.is_null(), SourceReset.until > clock.now()
    )
    if found is None:
        raise NotFound("reset")
    return found


def take_back(source: Source, made: SourceReset, who: str) -> None:
    """Bring a source back as it was before a reset, deleted items too.

    Raises Refused where it was set up again since, or items still go.
    """
    _check_open(source)
    act = BulkAct.get_or_none(BulkAct.id == made.act_id) if made.act_id else None
    if act is not None and act.state in ("gathering", "ready", "doing"):
        raise Refused("Its items are still being deleted. Wait for that, then restore. Nothing was changed.")
    with database.atomic():
        now = clock.now()
        mine = (SourceReset.id == made.id) & SourceReset.restored_at.is_null()
        if not SourceReset.update(restored_at=now, restored_by=who).where(mine).execute():
            raise Refused("It was restored already. Nothing was changed now.")
        whole = {"state": made.before["state"], "setup_done": made.before["setup_done"], "changed_at": now, "changed_by": who,
                 "version": Source.version + 1}  # fmt: skip
        if not Source.update(whole).where(Source.id == source.id, Source.state == "draft").execute():
            raise Refused("It was set up again since, or deleted. Nothing was changed: what works now is kept.")
        for one, columns in made.before["integrations"].items():
            Integration.update({name: columns[name] for name in KEPT_COLUMNS}).where(
                Integration.source == source.id, Integration.id == int(one)
            ).execute()
        if act is not None:
            act.merchant = source.merchant
            acts.undo(act, who)
        told = {"state": made.before["state"], "items": made.items if act else "kept"}
        audit.write(source.merchant, who, "support.restore", "source", source.public_id, before={"state": "draft"}, after=told)
        schedules.plan_anew(sources.find(source.merchant, source.public_id))


def delete(source: Source, typed_name: str, reason: Why, person: StaffPerson) -> None:
    """Delete the source as its owner could: hidden at once, restorable for 7 days. Raises Invalid, NotFound, Refused."""
    _check_open(source)
    if source.kind == sources.CHANNEL_LINE:
        raise Refused(A_LINE)
    with database.atomic():
        removals.delete(source, typed_name, person.email)
        audit.write(source.merchant, person.email, "support.delete", "source", source.public_id, after=reason.told())


def undelete(source: Source, person: StaffPerson) -> Source:
    """Bring a deleted source back. Raises NotFound."""
    _check_open(source)
    gone = removals.find_deleted(source.merchant, source.public_id)
    return removals.restore(gone, person.email)


def _check_open(source: Source) -> None:
    """Raises Refused while the whole workspace is being deleted."""
    if source.merchant.closing_at is not None:
        raise Refused("This workspace is being deleted by an owner. Nothing in it is changed, unless an owner brings it back.")


def _as_it_is(source: Source) -> dict[str, Any]:
    parts = Integration.select().where(Integration.source == source.id)
    columns = {str(one.id): {name: getattr(one, name) for name in KEPT_COLUMNS} for one in parts}
    return {"state": source.state, "setup_done": list(source.setup_done), "integrations": columns}


def _delete_items(source: Source, who: str) -> BulkAct:
    """The act that deletes every item of the source, begun: each goes whole into the journal and comes back from there."""
    act = BulkAct.create(merchant=source.merchant_id, act="delete", asked={"q": "", "stock": "", "source": source.public_id},
                         at=clock.now(), by=who)  # fmt: skip
    bulk.run("INSERT INTO bulk_item (act_id, item_id, done) SELECT ?, id, 0 FROM inventory_item WHERE source_id = ?", (act.id, source.id))
    ready = {"state": "ready", "chosen_at": clock.now(), "counts": {"chosen": source.item_count}}
    BulkAct.update(ready).where(BulkAct.id == act.id).execute()
    fresh = BulkAct.get_by_id(act.id)
    fresh.merchant = source.merchant
    return acts.confirm(fresh, who)
