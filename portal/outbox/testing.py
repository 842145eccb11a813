"""Test send: the bytes that an order would have, marked as a test by name or subject, into the place for tests, never the real one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from portal import clock, order_mapping, order_setup, sources
from portal.errors import Refused
from portal.models import FulfillmentRequest, Source, Submission, SubmissionPart, database
from portal.outbox import collect, ways
from portal.requests.document import order_lines

MARK = "TEST_"


def send(source: Source, request: FulfillmentRequest | None, who: str) -> Submission:
    """Put a test in line: of a request, or of the sample order. Raises Refused where there is no place for tests."""
    integration = sources.integration(source, "send_orders")
    way = ways.of(source, integration)
    place = str(integration.settings.get("test_place") or "").strip()
    if way.transport in ways.CALLS:
        raise Refused("This supplier's API has no place for tests, so that a test would be a real order. Nothing was sent.")
    if not place:
        raise Refused("There is no place for tests yet. Enter one under How orders leave. Nothing was sent.")
    layout = order_setup.layout_of(integration)
    order_mapping.check_layout(layout)
    rows = order_lines(request) if request is not None else [dict(line) for line in order_mapping.SAMPLE_ORDER]
    with database.atomic():
        count = Submission.select().where(Submission.source == source, Submission.kind == "test").count()
        reference = f"TEST-{count + 1:04}"
        made = collect.documents(source, layout, replace(way, folder=place), rows, reference, test=True)
        row = Submission.create(
            merchant=source.merchant_id, source=source, kind="test", transport=way.transport, witness=way.witness, reference=reference,
            created_by=who, created_at=clock.now(), next_at=clock.now(),
        )  # fmt: skip
        marked = [replace(one, name=f"{MARK}{one.name}") for one in made]
        collect.add_parts(row, place, marked)
    return row


def is_real_place(row: Submission, server: Any, way: ways.Way) -> bool:
    """Whether a test would go where real orders go, as the server itself spells its folders."""
    if row.kind != "test" or row.transport not in ways.FILES:
        return False
    parts = SubmissionPart.select().where(SubmissionPart.submission == row.id)
    return any(server.place_of(one.folder) == server.place_of(way.folder) for one in parts)


def latest(source: Source) -> list[Submission]:
    """The last tests of the source, newest first."""
    rows = Submission.select().where(Submission.source == source, Submission.kind == "test")
    return list(rows.order_by(Submission.id.desc()).limit(5))
