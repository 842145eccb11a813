"""One inventory run: fetch │ parse │ plan │ guard │ apply. Each step is kept in the checkpoint, so that any worker can go on.

The document, its format and the mapping version are fixed at the start; live items change only in the last step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from portal import failpoints, read_files, readers
from portal.errors import Problem, SupplierError
from portal.exclusions import keeping
from portal.inventory import baseline, contract, feed_states, plan, stage, stale, steps, unknown, words
from portal.inventory.apply import Applying, hold
from portal.inventory.baseline import Baseline
from portal.inventory.guards import Verdict
from portal.inventory.parsing import Tally
from portal.inventory.plan import Summary
from portal.inventory.roles import Role
from portal.inventory.steps import Holds
from portal.leases import Stopped, Work
from portal.runs import Outcome


def perform(work: Work) -> Outcome:
    """Run handler of Get Inventory. Raises SupplierError for a file that is refused, with nothing of the inventory touched."""
    try:
        return _perform(work)
    except Stopped:
        work.save(counts=_counts(work, Tally.of(work), steps.summary_of(work)))
        _erase(work)
        raise
    except SupplierError:
        _erase(work)
        raise


def _perform(work: Work) -> Outcome:
    at_hand = "document" in work.run.settings  # it may be the last accepted one again, which nobody reads
    if not at_hand:
        readers.make_ready()
    reading, before = steps.fetch(work), baseline.of(work.run)
    if reading is None:
        return _nothing_new(work, before)
    if steps.is_unchanged(work, reading, before):
        work.say(f"No change: the file is byte for byte the one from {words.moment(before.document_at, work.merchant)}.")
        return _no_change(work, before)
    _judge(work, steps.judge_age(work, reading.document, before))
    held, memory = stage.opened(work), feed_states.recalled(work)
    tally = steps.parse(work, reading, held, memory)
    with held.attached() as rows:
        summary = steps.make_plan(work, held, reading.role, tally, before, memory)
        problem = _guard(work, rows, tally, summary, before)
        _apply(work, rows, reading.role, summary)
    if problem is None:
        contract.remember(reading.version, reading.document, reading.format, bool(work.checkpoint.get("columns_differ")))
    return _outcome(work, tally, summary, problem)


def _nothing_new(work: Work, before: Baseline) -> Outcome:
    """Nothing came: that is no sign of life. Or files that repeat what was read: those are read with it."""
    if work.checkpoint.get("nothing_changed"):  # an API said so
        return _no_change(work, before)
    return _no_change(work, before) if read_files.of_run(work.run) else Outcome("no_change")


def _no_change(work: Work, before: Baseline) -> Outcome:
    work.save(plan_hash=plan.NOTHING)
    told = before.counts
    unchanged = sum(told.get(name, 0) for name in ("new", "changed", "unchanged", "back"))
    counts = {"rows": told.get("rows", 0), "unchanged": unchanged, "set_aside": told.get("set_aside", 0), "noted": told.get("noted", 0)}
    return Outcome("no_change", counts, accepted=True)


def _guard(work: Work, rows: str, tally: Tally, summary: Summary, before: Baseline) -> Problem | None:
    """Judge the plan; hold what must wait. Returns what is held for the merchant to read. Raises SupplierError when refused."""
    if "held" not in work.checkpoint:
        work.stage("guard")
        verdicts = _judge(work, steps.judge_plan(work, tally, summary, before))
        holds = [verdict for verdict in verdicts if verdict.verdict == "hold"]
        what = Holds.of(holds)
        waiting = hold(work, rows, what.marks, what.removals, what.everything) if holds else 0
        problems = [asdict(verdict.problem) for verdict in holds if verdict.problem]
        work.save_checkpoint(held=problems[0] if problems and waiting else None, waiting=waiting)
        failpoints.reach("guarded")
    held = work.checkpoint["held"]
    return Problem(**held) if held else None


def _judge(work: Work, verdicts: Sequence[Verdict]) -> Sequence[Verdict]:
    """Keep the verdicts with the run. Raises SupplierError with the first refusal."""
    steps.keep_verdicts(work, verdicts)
    for verdict in verdicts:
        if verdict.verdict == "refuse" and verdict.problem is not None:
            work.save(counts=_counts(work, Tally.of(work), None))
            raise SupplierError(verdict.problem, permanent=True)
    return verdicts


def _apply(work: Work, rows: str, role: Role, summary: Summary) -> None:
    if work.checkpoint.get("done"):
        return
    work.stage("apply")
    stage.erase_earlier(work, rows, role.delta)  # not before: a file that is refused settles nothing of what an earlier one holds
    feed_states.forget(work)
    if role.adds and summary.add + summary.back > feed_states.MOST_STALE:
        with work.transaction():
            stale.forget_others(work.run.source_id, work.run.integration_id)
    applying = Applying(work, role, rows)
    if summary.whole:
        applying.add_all(summary.add)
    else:
        applying.apply_rows(summary.listed)
        applying.remove("waiting", summary.listed)
    if not role.adds:
        unknown.settle(work, rows, bool(work.checkpoint["whole"]) and not role.delta)
    feed_states.remember(work, summary, applying.counts)
    work.save_checkpoint(done=True)
    work.save_checkpoint(kept=keeping.finish(work))


def _outcome(work: Work, tally: Tally, summary: Summary, held: Problem | None) -> Outcome:
    counts = _counts(work, tally, summary)
    if summary.unknown:
        work.say(unknown.words(work, summary.unknown), "warning" if summary.unknown == summary.usable else "info")
    _erase(work, keep_held=held is not None)
    if held is not None:
        return Outcome("held", counts, held)
    warned = tally.set_aside or tally.duplicates or (summary.unknown and summary.unknown == summary.usable)
    return Outcome("warnings" if warned else "finished", counts, accepted=True)


def _erase(work: Work, keep_held: bool = False) -> None:
    stage.erase(work, keep_held=keep_held)
    steps.erase_stage(work)


def _counts(work: Work, tally: Tally, summary: Summary | None) -> dict[str, int]:
    """The run's counts: what was done by its checkpoint, what was seen by its tally and plan."""
    counts = {"rows": tally.rows, "set_aside": tally.set_aside, "noted": tally.noted}
    if tally.replaced:
        counts["replaced"] = tally.replaced
    if summary is None:
        return counts
    done = dict.fromkeys(("add", "change", "zero", "back"), 0) | work.checkpoint.get("counts", {})
    return counts | {
        "new": done["add"], "changed": done["change"] + done["zero"], "zeroed": done["zero"], "back": done["back"],
        "unchanged": summary.unchanged, "missing": summary.missing, "held": work.checkpoint.get("waiting", 0),
        **{name: number for name, number in (("archived", done.get("archive", 0)), ("unknown", summary.unknown)) if number},
        **{name: done[name] for name in keeping.ACTS if done.get(name)}, **work.checkpoint.get("kept", {}),
    }  # fmt: skip
