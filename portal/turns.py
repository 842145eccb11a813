"""Whose turn it is, over all worker processes: no slow server holds every worker, and no merchant's large runs keep out another's.

claim ─▶ take (the run's row says whose server it talks with) ─▶ the connector's block ─▶ give back
the merchant with the fewest running runs comes next, then the one that waits longest; a long run makes way for a merchant with none
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from peewee import Case, fn

from portal import clock, config
from portal.errors import Later, Problem
from portal.models import MerchantTurn, Run, Source, database
from portal.models.database import is_postgres
from portal.operation import presence

BY_HAND = ("person", "command", "first_sync")
"""Causes for which somebody waits in front of it: such a run may talk with a server beside those that may anyway."""

SLICE_SECONDS = 5.0
"""How long a run keeps its worker while a merchant without any running run waits."""

NOBODY_CAME = timedelta(seconds=1)
"""A run that has been due for so long found no free worker."""

RESUMED_FOR_FREE = ("apply", "revert", "silence", "remove", "purge", "link", "undo", "create")
"""Stages that go on at the chunk where they were left; leaving another one would read or reckon something again."""


READS_A_FEED = ("inventory", "dry_run")
"""Kinds that hold their worker while they read a file, however long it is; every other one is short or makes way."""


def in_turn() -> list[Any]:
    """For a query of runs that may be taken: the order in which they are."""
    other: Any = Run.alias()
    held = other.select(fn.COUNT(other.id)).where(other.merchant == Run.merchant, other.state == "running", other.lease_until > clock.now())
    served = MerchantTurn.select(MerchantTurn.served_at).where(MerchantTurn.merchant == Run.merchant)
    return [fn.COALESCE(held, 0), fn.COALESCE(served, _NEVER), Run.due_at, Run.id]


def leaves_a_lane() -> Any:
    """For a query of runs that may be taken: those that leave one place of all workers free for another merchant.

    While a file is read its run cannot make way, so a merchant with many of them never holds every place. Where one merchant alone has live
    sources, or there is one place, nothing is kept free. What reads no feed (orders, shipments, tests of a connection) may always begin.
    """
    places = sum(one.threads for one in presence.living("worker"))
    if places < 2 or Source.select(Source.merchant).where(Source.state == "live").distinct().count() < 2:
        return Run.id.is_null(False)
    other: Any = Run.alias()
    reads = other.kind << READS_A_FEED
    held = other.select(fn.COUNT(other.id)).where(
        other.merchant == Run.merchant, reads, other.state == "running", other.lease_until > clock.now(), other.id != Run.id
    )
    return Run.kind.not_in(READS_A_FEED) | (held < places - 1)


def note_taken(run: Run) -> None:
    """The run's merchant was served now. Joins the open transaction."""
    now = {"served_at": clock.now()}
    row = {"merchant": run.merchant_id, **now}
    MerchantTurn.insert(row).on_conflict(conflict_target=[MerchantTurn.merchant], update=now).execute()


def should_make_way(run: Run, held_seconds: float) -> bool:
    """Whether a run that has been held so long should give its worker to a merchant that waits and has none."""
    if held_seconds < SLICE_SECONDS or run.stage not in RESUMED_FOR_FREE:
        return False
    now = clock.now()
    other: Any = Run.alias()
    busy = other.select(other.id).where(other.merchant == Run.merchant, other.state == "running", other.lease_until > now)
    waits = (Run.state == "queued") & (Run.due_at <= now - NOBODY_CAME) & (Run.merchant != run.merchant_id)
    return Run.select(Run.id).where(waits, ~fn.EXISTS(busy), may_begin()).exists()


_NEVER = datetime(1970, 1, 1)


@contextmanager
def taken(run_id: int | None, server: str) -> Iterator[None]:
    """Talk with `server` ("host:port") for the run inside the block. Raises Later when as many runs as may do it already.

    A run that was started by a person may do it beside them. Without a run, or a server, nothing is counted.
    """
    run = Run.get_or_none(Run.id == run_id) if run_id is not None and server else None
    if run is None:
        yield
        return
    mine = (Run.id == run.id) & (Run.fence == run.fence) & (Run.state == "running")
    with database.atomic():
        if is_postgres():  # two workers must not both see the last place free
            database.execute_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", (server,))
        if run.state == "running" and _talking(server, run.id).count() >= most() + (run.cause in BY_HAND):
            raise _busy(server)
        waited = (run.problem or {}).get("code") in ("server_busy", "server_resting")
        Run.update(server=server, **({"problem": None} if waited else {})).where(mine).execute()
    try:
        yield
    finally:
        Run.update(server="").where(mine, Run.server == server).execute()


def most() -> int:
    """How many runs may talk with one server at a time."""
    return config.current().per_server


def may_begin() -> Any:
    """For a query of queued runs: those that do not wait for a server, or whose server has room again."""
    other: Any = Run.alias()
    talking = other.select(fn.COUNT(other.id)).where(
        other.server == Run.server, other.state == "running", other.lease_until > clock.now(), other.id != Run.id
    )
    room = Case(None, [(Run.cause << BY_HAND, most() + 1)], most())
    return (Run.server == "") | (talking < room)


def _talking(server: str, but: int) -> Any:
    return Run.select().where(Run.server == server, Run.state == "running", Run.lease_until > clock.now(), Run.id != but)


def _busy(server: str) -> Later:
    host = server.rpartition(":")[0]
    body = f"Other runs are talking with {host}. This one goes on by itself as soon as one of them is done."
    return Later(Problem("server_busy", "Waiting for its turn at the server", body), clock.now(), server)  # see may_begin
