"""What a run held back, applied once a person accepted it: its zeros, prices, whole rows and removals."""

from __future__ import annotations

from typing import Any

from portal import runs
from portal.errors import Refused
from portal.exclusions.keeping import ACTS, finish
from portal.inventory import roles, stage, stale
from portal.inventory.apply import STAGED, Applying
from portal.leases import Work
from portal.models import Run, bulk
from portal.runs import Outcome


def start_acceptance(held: Run, who: str) -> Run:
    """Start the run that applies what `held` holds back, once a person confirmed it. Raises Refused, AlreadyRunning."""
    _still_held(held)
    if held.source is None:
        raise Refused("The source of this run is gone, so there is nothing to accept.")
    if held.integration is not None and held.integration.removed_at is not None:
        raise Refused("The feed of this run was removed since, so there is nothing to accept.")
    settings = {"accepts": held.id}
    return runs.start(held.source, "accept_removals", integration=held.integration, started_by=who, settings=settings)


def accept_removals(work: Work) -> Outcome:
    """Run handler: apply what one run holds, journaled under this one. Raises Refused when a newer feed came."""
    held = Run.get_by_id(work.run.settings["accepts"])
    if not work.checkpoint.get("done"):
        _still_held(held)
        work.stage("apply")
        work.save(document_id=held.document_id, mapping_version=held.mapping_version)
        total = bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND state = 'held'", (held.id,))[0]
        applying = Applying(work, roles.of(held), STAGED, planned=held.id)
        applying.accept_rows(total)
        applying.remove("held", total)
        with work.transaction():
            stale.forget_counts(work.run.source_id)
            Run.update(accepted=True).where(Run.id == held.id).execute()
            work.save_checkpoint(done=True)
    stage.erase(work, held.id)
    done = {"missing": 0, "zero": 0} | work.checkpoint.get("counts", {})
    kept = {name: done[name] for name in ACTS if done.get(name)} | finish(work)
    return Outcome("finished", {"missing": done["missing"], "zeroed": done["zero"], **kept}, accepted=True)


def _still_held(held: Run) -> None:
    """Raises Refused unless the run is held, no newer file of its integration was used and no removal took the items since."""
    if Run.select().where(Run.source == held.source_id, Run.id > held.id, Run.kind == "remove_inventory").exists():
        raise Refused("The inventory was removed since; there is nothing to decide here any more.")
    mine = (Run.integration == held.integration_id) & (Run.id > held.id)
    if held.state == "held" and roles.was_delta(held):
        _still_waits(held, mine)
        return
    newer = Run.select().where(mine, Run.kind << ("inventory", "accept_removals"))
    used = newer.where((Run.accepted == True) | (Run.state == "held")).order_by(Run.id.desc()).first()  # noqa: E712
    if held.state != "held" or (used is not None and used.settings.get("accepts") != held.id):
        raise Refused("A newer feed was read since; there is nothing to decide here any more.")
    if used is not None:
        raise Refused("This was accepted already.")


def _still_waits(held: Run, newer: Any) -> None:
    """Raises Refused when nothing of what a delta's run holds is left: newer files named it, or it was accepted."""
    accepted = [run for run in Run.select().where(newer, Run.kind == "accept_removals") if run.settings.get("accepts") == held.id]
    if any(run.accepted for run in accepted):
        raise Refused("This was accepted already.")
    whole = Run.select().where(newer, Run.kind == "inventory", Run.accepted == True)  # noqa: E712
    if not stage.undecided(held.id) or any(not roles.was_delta(run) for run in whole):
        raise Refused("Newer files named all of it since; there is nothing to decide here any more.")
