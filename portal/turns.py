"""Whose turn it is, over all worker processes: no slow server holds every worker, and no merchant's large runs keep out another's.

What somebody waits for (PROMPT) has places of its own in each worker and at each server; all other runs share WORKERS.

claim ─▶ take (the run's row says whose server it talks with) ─▶ the connector's block ─▶ give back
the merchant with the fewest running runs comes next, then the one that waits longest; a long run makes way for a merchant with none
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from peewee import Case, fn

from portal import clock, config
from portal.errors import Later, Problem
from portal.models import Merchant, MerchantTurn, Run, Source, database
from portal.models.database import is_postgres
from portal.operation import presence

BY_HAND = ("person", "command", "first_sync")
"""Causes for which somebody waits in front of it: such a run may talk with a server beside those that may anyway."""

SLICE_SECONDS = 5.0
"""How long a run keeps its worker while a merchant without any running run waits."""

NOBODY_CAME = timedelta(seconds=1)
"""A run that has been due for so long found no free worker."""

RESUMED_FOR_FREE = ("apply", "revert", "silence", "remove", "purge", "link", "undo", "create", "push")
"""Stages that go on at the chunk where they were left; leaving another one would read or reckon something again."""


PROMPT = ("send_orders", "channel_tracking", "connection_check")
"""Kinds that wait for no long run: they have threads of their own, and are counted apart at a server."""

PROMPT_PLACES = 3
"""Threads for them in one worker process."""

READS = ("inventory", "dry_run", "get_shipments", "get_acknowledgements", "channel_orders")
"""Kinds that hold their worker while they read, however long that takes; every other one is short or makes way."""


def in_turn() -> list[Any]:
    """For a query of runs that may be taken: the order in which they are."""
    other: Any = Run.alias()
    held = other.select(fn.COUNT(other.id)).where(other.merchant == Run.merchant, other.state == "running", other.lease_until > clock.now())
    served = MerchantTurn.select(MerchantTurn.served_at).where(MerchantTurn.merchant == Run.merchant)
    return [fn.COALESCE(held, 0), fn.COALESCE(served, _NEVER), Run.due_at, Run.id]


def leaves_a_lane() -> Any:
    """For a query of runs that may be taken: those that leave one place of all workers free for another merchant.

    While something is read its run cannot make way, so a merchant with many of them never holds every place; nor those for what is prompt.
    Where one merchant alone has sources, or there is one place, nothing is kept free. Of a deleted workspace nothing is.
    """
    goes_on = Run.merchant.not_in(Merchant.select(Merchant.id).where(Merchant.closing_at.is_null(False)))
    return goes_on & _lanes()


def _lanes() -> Any:
    workers = presence.living("worker")
    if Source.select(Source.merchant).where(Source.state != "deleted").distinct().count() < 2:
        return Run.id.is_null(False)
    return _leaves_one(READS, sum(one.threads for one in workers)) & _leaves_one(PROMPT, PROMPT_PLACES * len(workers))


def _leaves_one(kinds: tuple[str, ...], places: int) -> Any:
    other: Any = Run.alias()
    held = other.select(fn.COUNT(other.id)).where(
        other.merchant == Run.merchant, other.kind << kinds, other.state == "running", other.lease_until > clock.now(), other.id != Run.id
    )
    return Run.kind.not_in(kinds) | (held < places - 1) if places > 1 else Run.id.is_null(False)


def among(kinds: Iterable[str] | None) -> Any:
    """For a query of runs: those of these kinds, all for None."""
    return Run.id.is_null(False) if kinds is None else Run.kind << list(kinds)


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
    long = other.kind.not_in(PROMPT)
    busy = other.select(other.id).where(other.merchant == Run.merchant, long, other.state == "running", other.lease_until > now)
    waits = (Run.state == "queued") & Run.kind.not_in(PROMPT) & (Run.due_at <= now - NOBODY_CAME) & (Run.merchant != run.merchant_id)
    return Run.select(Run.id).where(waits, ~fn.EXISTS(busy), may_begin()).exists()


_NEVER = datetime(1970, 1, 1)


@contextmanager
def taken(run_id: int | None, server: str) -> Iterator[None]:
    """Talk with `server` ("host:port") for the run inside the block. Raises Later when as many runs as may do it already.

    A run that was started by a person may do it beside them, a prompt one beside all that are not. Without run or server none count.
    """
    run = Run.get_or_none(Run.id == run_id) if run_id is not None and server else None
    if run is None:
        yield
        return
    mine = (Run.id == run.id) & (Run.fence == run.fence) & (Run.state == "running")
    with database.atomic():
        if is_postgres():  # two workers must not both see the last place free
            database.execute_sql("SELECT pg_advisory_xact_lock(hashtext(%s))", (server,))
        if run.state == "running" and _talking(server, run).count() >= most() + (run.cause in BY_HAND):
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
    alike = (other.kind << PROMPT) == (Run.kind << PROMPT)
    talking = other.select(fn.COUNT(other.id)).where(
        other.server == Run.server, alike, other.state == "running", other.lease_until > clock.now(), other.id != Run.id
    )
    room = Case(None, [(Run.cause << BY_HAND, most() + 1)], most())
    return (Run.server == "") | (talking < room)


def _talking(server: str, run: Run) -> Any:
    alike = Run.kind << PROMPT if run.kind in PROMPT else Run.kind.not_in(PROMPT)
    return Run.select().where(Run.server == server, alike, Run.state == "running", Run.lease_until > clock.now(), Run.id != run.id)


def _busy(server: str) -> Later:
    host = server.rpartition(":")[0]
    body = f"Other runs are talking with {host}. This one goes on by itself as soon as one of them is done."
    return Later(Problem("server_busy", "Waiting for its turn at the server", body), clock.now(), server)  # see may_begin
