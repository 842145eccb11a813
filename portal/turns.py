"""One server, few runs at a time, over all worker processes: a slow server never holds every worker.

claim ─▶ take (the run's row says whose server it talks with) ─▶ the connector's block ─▶ give back
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peewee import Case, fn

from portal import clock, config
from portal.errors import Later, Problem
from portal.models import Run, database
from portal.models.database import is_postgres

BY_HAND = ("person", "command", "first_sync")
"""Causes for which somebody waits in front of it: such a run may talk with a server beside those that may anyway."""


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
