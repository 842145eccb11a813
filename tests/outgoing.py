"""Requests that are about to leave: short words for the tests of sending."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal import order_mapping, runs
from portal.models import (
    Connection,
    FulfillmentRequest,
    Integration,
    MappingVersion,
    Run,
    SendAttempt,
    Source,
    Submission,
    SubmissionMember,
)
from portal.outbox import journal
from tasks.work import HANDLERS
from tests.ordered import ask, place
from tests.servers import LOOPBACK


def turn_on(source: Source, layout: Mapping[str, Any] | None = None, **settings: Any) -> Integration:
    """Send Orders on, with a layout of a few columns."""
    row = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    rules = {**order_mapping.propose_layout(), **(layout or {})}
    number = MappingVersion.select().where(MappingVersion.integration == row).count() + 1
    version = MappingVersion.create(integration=row, number=number, rules=rules)
    row.enabled, row.settings, row.mapping_version = True, {"folder": "orders", "auto_send": True, **settings}, version.number
    row.save()
    journal.forget()
    return row


def connected(source: Source, server: Any, **settings: Any) -> Source:
    """The source connected to a real server, whose key is trusted."""
    from portal import connections

    kind, fingerprint = next(iter(server.fingerprints.items()), ("", ""))
    key = {"key_type": kind, "fingerprint": fingerprint, "how": "compared", "by": "", "at": "2026-11-27T00:00:00"} if kind else None
    values = {"host": LOOPBACK, "port": str(server.port), "user": server.user.name, "auth": "password", **settings}
    Connection.update(settings=values, trusted_key=key, state="ok").where(Connection.source == source).execute()
    connections._seal(source, "password", server.user.password, "", "test")
    source.state = "live"
    source.save(only=[Source.state])
    return source


def wants(source: Source, *numbers: str, state: str = "processing", **columns: Any) -> list[FulfillmentRequest]:
    """Requests of three lamps each that are to be sent."""
    return [ask(place(source.merchant, number=number), source, number, state, **columns) for number in numbers]


def send(source: Source) -> Run:
    """Run Sync of Send Orders, here and now, to its end."""
    run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == "send_orders"))
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def submissions(source: Source) -> list[Submission]:
    """Everything that was to leave for the source, oldest first."""
    return list(Submission.select().where(Submission.source == source).order_by(Submission.id))


def tries(submission: Submission) -> list[tuple[str, str]]:
    """(kind, outcome) of each attempt."""
    rows = SendAttempt.select().where(SendAttempt.submission == submission.id).order_by(SendAttempt.id)
    return [(one.kind, one.outcome) for one in rows]


def states(*requests: FulfillmentRequest) -> list[tuple[str, str]]:
    """(state, sending) of each request now."""
    return [(one.state, one.sending) for one in (FulfillmentRequest.get_by_id(request.id) for request in requests)]


def due_now(source: Source) -> None:
    """As if every wait of the source's submissions were over."""
    Submission.update(next_at=None).where(Submission.source == source, Submission.next_at.is_null(False)).execute()


def members_of(submission: Submission) -> list[int]:
    return [one.request_id for one in SubmissionMember.select().where(SubmissionMember.submission == submission.id)]
