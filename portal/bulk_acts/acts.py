"""Acts on many items: confirmed by a person, carried out by a run, stopped, gone on with, undone for 7 days.

gathering ─▶ ready ─▶ doing ─▶ done ─▶ undoing ─▶ undone          to link and to create products begins a Linking of these items instead
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from peewee import fn

from portal import audit, clock, runs
from portal.bulk_acts import choosing, consequences, deleting, excluding, offering
from portal.catalogue import linking, matching
from portal.errors import NotFound, Refused
from portal.exclusions import keeping
from portal.leases import LostLease, Work
from portal.models import BulkAct, Linking, Merchant, Run, bulk, database
from portal.models.runs import UNFINISHED
from portal.runs import Outcome

DAYS_TO_UNDO = 7
HOURS_TO_CONFIRM = 24
STATES = {"gather": "gathering", "act": "doing", "undo": "undoing"}
Carry = Callable[[Work, BulkAct], dict[str, int]]


@dataclass(frozen=True)
class Act:
    """What a person may do: its words on a button, how it is carried out and undone; neither where something else does it.

    `right`: a key of portal.roles.RIGHTS.
    """

    label: str
    carry: Carry | None = None
    undo: Carry | None = None
    right: str = "operate"


ACTS: Mapping[str, Act] = {
    "link": Act("Link to products"),
    "create": Act("Create products"),
    "exclude": Act("Exclude", excluding.exclude, excluding.undo_exclude),
    "include": Act("Include", excluding.include, excluding.undo_include),
    "archive": Act("Archive", offering.archive, offering.undo_archive),
    "unarchive": Act("Un-archive", offering.unarchive, offering.undo_unarchive),
    "delete": Act("Delete", deleting.delete, deleting.restore, right="delete"),
    "export": Act("Export"),
}
LINKINGS = {"link": "", "create": "create"}
"""Acts that begin a linking, and what that does by itself once it has looked."""


def find(merchant: Merchant, public_id: str) -> BulkAct:
    """The merchant's act of that id. Raises NotFound."""
    found: BulkAct | None = BulkAct.get_or_none(BulkAct.merchant == merchant, BulkAct.public_id == public_id)
    if found is None:
        raise NotFound("bulk_act")
    found.merchant = merchant
    return found


def confirm(act: BulkAct, who: str, **options: Any) -> BulkAct:
    """Begin to carry it out on the items that were chosen, and no others. Raises Refused."""
    if ACTS[act.act].carry is None:
        raise Refused("There is nothing to carry out.")
    with database.atomic():
        _still_ready(act, {"state": "doing", "options": options, "by": who})
        _start(act, "act", who)
        told = {"items": act.counts.get("chosen", 0), **options}
        audit.write(act.merchant, who, f"items.{act.act}", "bulk_act", act.public_id, after=told)
    return BulkAct.get_by_id(act.id)


def link(act: BulkAct, rules: Sequence[str], who: str) -> Linking:
    """Begin a linking of the items that were chosen. Raises Invalid ("rules"), Refused."""
    with database.atomic():
        made = linking.begin(act.merchant, None, rules, who, then=LINKINGS[act.act], chosen=act.id)
        _still_ready(act, {"state": "done", "applied_at": clock.now(), "options": {"linking": made.public_id}})
    return made


def undo(act: BulkAct, who: str) -> BulkAct:
    """Take it back. Raises Refused after 7 days, or with nothing to undo."""
    if not may_undo(act):
        raise Refused(f"There is nothing to undo: it was not done, was undone already, or is older than {DAYS_TO_UNDO} days.")
    with database.atomic():
        if not BulkAct.update(state="undoing").where(BulkAct.id == act.id, BulkAct.state == "done").execute():
            raise Refused("It was undone already, or is being undone.")
        _start(act, "undo", who)
        audit.write(act.merchant, who, f"items.{act.act}.undo", "bulk_act", act.public_id)
    return BulkAct.get_by_id(act.id)


def go_on(act: BulkAct, who: str) -> BulkAct:
    """Continue what stopped half-way; what was done stays done. Raises Refused where nothing did."""
    with database.atomic():
        _hold(act)
        if not is_stuck(act):
            raise Refused("It is not stopped: there is nothing to go on with.")
        before = run_of(act)
        step = next(one for one, state in STATES.items() if state == act.state)
        run = _start(act, step, who)
        if before is not None:
            Run.update(checkpoint=before.checkpoint).where(Run.id == run.id).execute()
    return BulkAct.get_by_id(act.id)


def give_up(act: BulkAct, who: str) -> BulkAct:
    """Leave what stopped half-way as it is; what was done by then can be undone. Raises Refused where nothing stopped."""
    with database.atomic():
        _hold(act)
        if not is_stuck(act):
            raise Refused("It is not stopped: there is nothing to leave.")
        run = run_of(act)
        counted = run.checkpoint.get("counts", {}) if run is not None else {}
        ends: dict[str, Any] = {"gathering": {"state": "left"}, "undoing": {"state": "done"}}.get(
            act.state, {"state": "done", "applied_at": clock.now()}
        )  # fmt: skip
        BulkAct.update(counts=_added(act, counted), **ends).where(BulkAct.id == act.id).execute()
        audit.write(act.merchant, who, f"items.{act.act}.give_up", "bulk_act", act.public_id)
    return BulkAct.get_by_id(act.id)


def run_of(act: BulkAct) -> Run | None:
    """Its latest run."""
    return runs.find_of(act.merchant, act.run_id)


def is_stuck(act: BulkAct) -> bool:
    """Whether it was to do something, and its run ended without that: stopped by a person, or failed."""
    run = run_of(act)
    return act.state in STATES.values() and (run is None or run.state not in UNFINISHED)


def may_confirm(act: BulkAct) -> bool:
    """Whether it can still be done: the choice is not too old."""
    return act.state == "ready" and clock.now() <= act.chosen_at + timedelta(hours=HOURS_TO_CONFIRM)


def may_undo(act: BulkAct) -> bool:
    """Whether it was done, not too long ago, and something of it stands."""
    over = act.applied_at is None or clock.now() > act.applied_at + timedelta(days=DAYS_TO_UNDO)
    return act.state == "done" and not over and ACTS[act.act].undo is not None and act.counts.get("done", 0) > act.counts.get("back", 0)


def linking_of(act: BulkAct) -> Linking | None:
    """The linking that it began."""
    return Linking.get_or_none(Linking.merchant == act.merchant_id, Linking.bulk_act_id == act.id)


def perform(work: Work) -> Outcome:
    """Run handler: choose, do, or undo. What an interruption left is gone on with."""
    act, step = BulkAct.get_by_id(work.run.settings["act"]), work.run.settings["step"]
    if act.state != STATES[step] or act.run_id != work.run.id:
        return Outcome("finished", act.counts)
    told = _carry(work, act, step)
    now = clock.now()
    act.chosen_at = act.chosen_at or now
    met = {"met": consequences.count(act).told() | {"chosen": told["chosen"]}} if step == "gather" else {}
    ends: dict[str, dict[str, Any]] = {
        "gather": {"state": "ready", "chosen_at": now, "options": met}, "act": {"state": "done", "applied_at": now},
        "undo": {"state": "undone" if not told.get("kept") else "done", "undone_at": now},
    }  # fmt: skip
    with work.transaction():
        mine = (BulkAct.id == act.id) & (BulkAct.state == STATES[step]) & (BulkAct.run_id == work.run.id)
        if not BulkAct.update(counts=_added(act, told), **ends[step]).where(mine).execute():
            raise LostLease(work.run.public_id)
    return Outcome("finished", told)


def _carry(work: Work, act: BulkAct, step: str) -> dict[str, int]:
    if step == "gather":
        return choosing.gather(work, act)
    work.stage("act" if step == "act" else "undo", "items")
    carry = ACTS[act.act].carry if step == "act" else ACTS[act.act].undo
    if carry is None:
        raise Refused("There is nothing to carry out.")
    told = carry(work, act)
    work.stage("let_in", "items")
    return {**told, **keeping.finish(work, undoes=step == "undo")}


def _added(act: BulkAct, told: Mapping[str, int]) -> dict[str, int]:
    """The act's counts with those of a run: what came back by an earlier undo came back too."""
    counts: dict[str, int] = {name: number for name, number in act.counts.items() if name not in ("no_room", "over")}
    counts |= told
    return counts | {"back": act.counts.get("back", 0) + told["back"]} if "back" in told else counts


def erase_old() -> None:
    """Forget which items old acts were for: those that were never confirmed after a day, others once they can no longer be undone."""
    day, week = (clock.now() - timedelta(**ago) for ago in ({"hours": HOURS_TO_CONFIRM}, {"days": DAYS_TO_UNDO + 1}))
    unconfirmed = (BulkAct.state == "ready") & (fn.COALESCE(BulkAct.chosen_at, BulkAct.at) < day)
    BulkAct.update(state="left").where(unconfirmed).execute()  # first: whoever confirms meanwhile finds either all or nothing
    over = (BulkAct.state << ("undone", "left")) | ((BulkAct.state == "done") & (fn.COALESCE(BulkAct.applied_at, BulkAct.at) < week))
    for act in BulkAct.select(BulkAct.id).where(over):
        some = "SELECT item_id FROM bulk_item WHERE act_id = ? LIMIT ?"
        while bulk.run(f"DELETE FROM bulk_item WHERE act_id = ? AND item_id IN ({some})", [act.id, act.id, matching.SPAN]).rowcount:
            bulk.pause()


def _still_ready(act: BulkAct, columns: dict[str, Any]) -> None:
    if not may_confirm(act):
        raise Refused(f"This was chosen more than {HOURS_TO_CONFIRM} hours ago, or was done already. Choose again. Nothing was changed.")
    if not BulkAct.update(columns).where(BulkAct.id == act.id, BulkAct.state == "ready").execute():
        raise Refused("This was done already. Nothing was changed now.")


def _hold(act: BulkAct) -> None:
    """Two who press at once meet here."""
    BulkAct.update(id=BulkAct.id).where(BulkAct.id == act.id).execute()
    fresh = BulkAct.get_by_id(act.id)
    act.state, act.run_id, act.counts, act.runs = fresh.state, fresh.run_id, fresh.counts, fresh.runs


def _start(act: BulkAct, step: str, who: str) -> Run:
    run = runs.start(None, choosing.KIND, merchant=act.merchant, started_by=who, settings=choosing.told(act, step))
    columns: dict[str, Any] = {"run_id": run.id}
    if step == "act":
        columns["runs"] = [*act.runs, run.id]
    BulkAct.update(columns).where(BulkAct.id == act.id).execute()
    return run
