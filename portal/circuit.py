"""A source whose server keeps failing is left alone for a while: closed ─▶ open ─▶ one try ─▶ closed, or open for longer.

Only failures of the server count (no answer, lost lines, 5xx), of every integration of the source together; any other answer closes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from portal import certificates, clock
from portal.connectors import network
from portal.errors import Later, Problem, SupplierError
from portal.models import Circuit, Merchant, Source, database
from portal.models.database import is_postgres

OPENS_AFTER = 3
"""Failures in a row. Each is a whole try of a run, which has repeated its own requests before."""
RESTS = (5, 15, 30, 60)
"""Minutes that the circuit stays open: the first time, the second …"""
ONE_TRY = timedelta(minutes=10)
"""How long the one try may take before another run may be the one."""
CODES = frozenset({"timed_out", "connection_lost", "port_closed", "host_unknown", "cut_download", "http_status", "tls_refused"})

ANSWERED = frozenset({
    "sign_in_refused", "key_refused", "user_locked", "permission_denied", "folder_missing", "file_missing", "file_growing", "redirected",
})  # fmt: skip
"""Said of a server that answered, but for some settings of ours that cannot be signed with, where another try does no harm."""


@dataclass(frozen=True)
class Rest:
    """An open circuit: how many failures in a row, the last of them in words, and when we try again by ourselves."""

    failures: int
    headline: str
    until: datetime


def of(source: Source) -> Rest | None:
    """The open circuit of the source, None while it is closed."""
    row = Circuit.get_or_none(Circuit.source == source)
    return None if row is None or row.until is None else Rest(row.failures, row.headline, row.until)


@contextmanager
def watched(source: Source, by_hand: bool) -> Iterator[None]:
    """Whatever talks with the source's server goes inside. `by_hand`: a person asked for it, so it always tries.

    Raises Later while the circuit is open, except for one try once its time is over.
    """
    if not by_hand:
        _ask_leave(source)
    network.picks_up()
    try:
        with certificates.noted(source):
            yield
    except SupplierError as error:
        if network.was_cut():
            raise
        if is_servers(error):
            _failed(source, error)
        elif _answered(error):
            _close(source)
        raise
    _close(source)


def _close(source: Source) -> None:
    if Circuit.select().where(Circuit.source == source).exists():
        Circuit.delete().where(Circuit.source == source).execute()


def is_servers(error: SupplierError) -> bool:
    """Whether the server failed, and not what it was asked, who asked, or we."""
    if error.permanent or error.problem.code not in CODES or isinstance(error, Later):
        return False
    return error.status is None or error.status >= 500 or error.status in (408, 425, 429)


def _answered(error: SupplierError) -> bool:
    """Whether the server is there, though it did not give us what we asked for."""
    return error.status is not None or error.problem.code in ANSWERED


def _ask_leave(source: Source) -> None:
    row = Circuit.get_or_none(Circuit.source == source)
    if row is None or row.until is None:
        return
    now = clock.now()
    mine = (Circuit.source == source) & (Circuit.until <= now)
    if not Circuit.update(until=now + ONE_TRY).where(mine).execute():  # only one finds it over
        raise Later(_resting(row, source.merchant), max(row.until, now + timedelta(seconds=5)))


def _failed(source: Source, error: SupplierError) -> None:
    with database.atomic():
        if is_postgres():
            database.execute_sql("SELECT id FROM source WHERE id = %s FOR NO KEY UPDATE", (source.id,))
        row = Circuit.get_or_none(Circuit.source == source) or Circuit(source=source)
        row.failures, row.headline = row.failures + 1, error.problem.headline[:200]
        if row.failures >= OPENS_AFTER:
            row.opened += 1
            row.until = clock.now() + timedelta(minutes=RESTS[min(row.opened, len(RESTS)) - 1])
        row.save()


def _resting(row: Circuit, merchant: Merchant) -> Problem:
    zone = ZoneInfo(merchant.time_zone)
    at = row.until.replace(tzinfo=ZoneInfo("UTC")).astimezone(zone).strftime("%H:%M")
    body = f"{row.headline}, {row.failures} times in a row. Nothing was asked now; we try again at {at}. Run Sync tries at once."
    return Problem("server_resting", "We leave the server alone for a while", body, "Run Sync", "run_again")
