"""When nothing is sent: after three unknowns within an hour at one source, after a restore, or because an operator says so.

unknown ×3 ─▶ stop of the source ─▶ a look-up finds all, or a person allows it        journal ahead of the database ─▶ stop of everything
"""

from __future__ import annotations

from datetime import timedelta

from peewee import IntegrityError

from portal import audit, clock
from portal.errors import Refused
from portal.models import SendingStop, Source, Submission, database
from portal.outbox import journal

UNKNOWNS = 3
WITHIN = timedelta(hours=1)
IN_DOUBT = ("uploading", "check_needed")


def of(source: Source) -> SendingStop | None:
    """The stop that keeps the source from sending: of the whole installation first, else its own."""
    return everywhere() or SendingStop.get_or_none(SendingStop.source == source)


def everywhere() -> SendingStop | None:
    """The stop of the whole installation."""
    return SendingStop.get_or_none(SendingStop.source.is_null())


def resting(source_ids: set[int]) -> set[int]:
    """Of these sources those to which nothing is sent now."""
    if everywhere() is not None:
        return set(source_ids)
    return {one.source_id for one in SendingStop.select().where(SendingStop.source << source_ids)}


def note_unknown(source: Source) -> SendingStop | None:
    """Stop the source where this was the third unknown within the hour. Joins the open transaction."""
    since = clock.now() - WITHIN
    recent = Submission.select().where(
        Submission.source == source, Submission.kind == "orders", Submission.unknown_at >= since, Submission.state.not_in(("cancelled",))
    )
    count = recent.count()
    if count < UNKNOWNS or SendingStop.get_or_none(SendingStop.source == source):
        return None
    why = f"{count} sends within an hour ended without a whole answer. Nothing more is sent until those are found, or you allow it."
    return _make(source, why)


def lift_if_found(source: Source) -> bool:
    """End our own stop of the source once nothing that was sent there is in doubt any more. Joins the open transaction."""
    doubts = Submission.select().where(
        Submission.source == source,
        Submission.kind == "orders",
        Submission.unknown_at.is_null(False),
        Submission.state << IN_DOUBT,
        Submission.settled_by == "",
    )
    if doubts.exists():
        return False
    mine = (SendingStop.source == source) & (SendingStop.automatic == True)  # noqa: E712
    return bool(SendingStop.delete().where(mine).execute())


def allow(source: Source, who: str) -> bool:
    """A person allows the source to send again. What is in doubt stays so. False where nothing was stopped."""
    with database.atomic():
        stop = SendingStop.get_or_none(SendingStop.source == source)
        if stop is None:
            return False
        stop.delete_instance()
        Submission.update(unknown_at=clock.now() - WITHIN).where(  # three more are needed to stop it again
            Submission.source == source, Submission.unknown_at > clock.now() - WITHIN
        ).execute()
        audit.write(source.merchant, who, "sending.allow", "source", source.public_id, before={"stopped": stop.why}, after=None)
    return True


def stop_everything(why: str, by: str = "", automatic: bool = False) -> SendingStop:
    """Nothing is sent from this installation until `start_everything`. The stop that is there already stays."""
    return everywhere() or _make(None, why, by, automatic)


def start_everything(who: str) -> bool:
    """End the stop of the installation. What the journal knew until now stops nothing any more. False where there was none.

    Raises Refused while a restore has not come to its end: what may have left is not noted yet.
    """
    stop = everywhere()
    if stop is None:
        return False
    if stop.by == RESTORING:
        raise Refused(UNENDED)
    journal.accept(who)
    stop.delete_instance()
    return True


def while_restoring() -> list[str]:
    """Statements that switch sending off in a database that is just being loaded; `restored` says that it was."""
    row = f"NULL, '{UNENDED}', TRUE, '{clock.now():%Y-%m-%d %H:%M:%S.%f}', '{RESTORING}'"
    return [
        "DELETE FROM sending_stop WHERE source_id IS NULL",
        f'INSERT INTO sending_stop (source_id, why, automatic, since, "by") VALUES ({row})',  # noqa: S608 - our own words
    ]


def restored(why: str) -> None:
    """A restore came to its end: sending stays off, and an operator may turn it on. Joins the open transaction."""
    SendingStop.delete().where(SendingStop.source.is_null()).execute()
    stop_everything(why, "restore", automatic=True)


def mind_the_journal() -> SendingStop | None:
    """Stop everything where more left this machine than the database knows, as after a restore. The stop that stands now."""
    ahead = journal.unknown_here()
    if ahead:
        return stop_everything(RESTORED.format(count=len(ahead), them="thing" if len(ahead) == 1 else "things"), automatic=True)
    return everywhere()


RESTORING = "restore under way"
UNENDED = (
    "A restore is under way, or did not come to its end. Sending stays off, because what may have left is not noted yet. If none runs any "
    "more, empty the place (database and raw files) and restore again."
)
RESTORED = (
    "The database is older than what was sent: it was probably restored from a backup. {count:,} {them} left after it. Nothing is sent "
    "until an operator turns sending on (flask --app app sending on). What left before opens as Check needed then."
)


def _make(source: Source | None, why: str, by: str = "", automatic: bool = True) -> SendingStop:
    try:
        with database.atomic():
            return SendingStop.create(source=source, why=why[:300], automatic=automatic, by=by)
    except IntegrityError:  # another worker was faster
        return SendingStop.get(SendingStop.source == source)
