"""Why is this not sent? In one sentence, of each request."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal import clock, order_calls, spoken
from portal.errors import NotFound
from portal.models import FulfillmentRequest, Integration, SendingStop, Source, Submission, SubmissionMember
from portal.requests import rules, windows

MOVING = ("claimed", "uploading", "uploaded")
LEFT = ("sent", "confirmed")


@dataclass(frozen=True)
class Facts:
    """What the sentence needs beside the request, read once for many. `stops`: {source id, or None for everything: why}.

    `missing`: {source id: what an order cannot leave without there}. `leases`: {request id: until when it is leased by the API}.
    """

    zone: str = "UTC"
    stops: Mapping[int | None, str] = field(default_factory=dict)
    integrations: Mapping[int, Integration] = field(default_factory=dict)
    missing: Mapping[int, str] = field(default_factory=dict)
    leases: Mapping[int, datetime] = field(default_factory=dict)
    now: datetime = field(default_factory=clock.now)


def facts(zone: str, source_ids: Iterable[int]) -> Facts:
    """The facts about these sources as they are now; times are said in `zone`."""
    ids = sorted(set(source_ids))
    stops = SendingStop.select().where(SendingStop.source.is_null() | (SendingStop.source << ids))
    mine = (Integration.source << ids) & (Integration.kind == "send_orders") & Integration.removed_at.is_null()
    integrations = {one.source_id: one for one in Integration.select(Integration, Source).join(Source).where(mine)}
    missing = {key: words for key, one in integrations.items() if one.enabled and (words := _missing(one))}
    leased: Any = (
        SubmissionMember.select(SubmissionMember.request, Submission.lease_until)
        .join(Submission)
        .where(
            Submission.source << ids, Submission.transport == "pull", Submission.state == "claimed", Submission.lease_until.is_null(False)
        )
    )
    stopped = {one.source_id: one.why for one in stops}
    return Facts(zone or "UTC", stopped, integrations, missing, dict(leased.tuples()), clock.now())


def _missing(integration: Integration) -> str:
    try:
        return "" if integration.settings.get("leave_by") else order_calls.missing(integration)
    except NotFound:  # no supplier was chosen yet, or the directory has it no more
        return ""


def not_sent(request: FulfillmentRequest, known: Facts) -> str:
    """The sentence; "" once it was sent."""
    name = request.source.name
    if request.sending == "check_needed":
        return f"We do not know whether {name} has it. Look at what we know, and decide."
    if request.state in ("processed", "acknowledged"):
        return ""
    if request.state in ("canceled", "voided"):
        return "" if request.sent_at else f"It was {request.state} before it left, so {name} is not told of it."
    if source_gone := _gone(request):
        return source_gone
    if request.state in ("too_long", "duplicate"):
        return f"{request.said} Give it another number."
    if request.state == "failed":
        return f"{request.said.rstrip('.') or f'{name} refused it'}. Mend that, then press Process."
    if request.state == "unprocessed":
        return request.said or f"Nobody has pressed Process yet, and Auto Process is off for {name}."
    return _in_line(request, request.source, known)


def _gone(request: FulfillmentRequest) -> str:
    gone = request.source.state == "deleted"
    return f"{request.source.name} was deleted, so nothing is sent there. Void it, and its lines can be routed again." if gone else ""


def _in_line(request: FulfillmentRequest, source: Source, known: Facts) -> str:
    """Why a request that may leave has not left."""
    if request.sending in MOVING:
        return _leased(request, source, known) or "It is being sent now."
    if request.sending in LEFT:
        return ""
    if request.cancel_after is not None and request.cancel_after <= known.now:
        return f"Its cancel-after date passed {spoken.at(request.cancel_after, known.zone, known.now)}, so it is not sent any more."
    if rests := _rests(source, known):
        return rests
    if request.not_before is not None and request.not_before > known.now:
        opens = spoken.at(request.not_before, known.zone, known.now)
        return f"It waits until {source.name} takes orders again, {opens}."
    window = rules.of_source(source).window
    if not windows.is_open(window, known.now):
        return f"{source.name} takes orders {windows.in_words(window)}; it is outside of that now."
    one = known.integrations[source.id]
    if not one.settings.get("auto_send", True):
        return "Automatically Send Orders is off, so it leaves with the next Run Sync of Send Orders."
    when = f", {spoken.at(one.next_run_at, known.zone, known.now)}" if one.next_run_at and one.next_run_at > known.now else ""
    return f"It is in line and leaves with the next run of Send Orders{when}."


def _leased(request: FulfillmentRequest, source: Source, known: Facts) -> str:
    """Of one that the supplier has leased by the API: until when, or that the lease ended without a confirmation."""
    until = known.leases.get(request.id)
    if until is None:
        return ""
    when = spoken.at(until, known.zone, known.now)
    if until > known.now:
        return f"{source.name} has leased it until {when} and not confirmed it yet."
    return f"{source.name} leased it and did not confirm it by {when}. It may have it; it is offered again, the same, when it asks."


def _rests(source: Source, known: Facts) -> str:
    if None in known.stops:
        return f"Sending is switched off for everything: {known.stops[None]}"
    if source.state != "live":
        return {
            "paused": f"{source.name} is paused. Resume it, and it leaves.",
            "draft": f"{source.name} is not set up yet.",
            "deleted": f"{source.name} was deleted.",
        }[source.state]
    one = known.integrations.get(source.id)
    if one is None or not one.enabled:
        return f"Send Orders of {source.name} is not set up, so nothing can tell them."
    if one.paused:
        return f"Send Orders of {source.name} is paused. Resume it, and it leaves."
    if source.id in known.missing:
        return known.missing[source.id]
    return f"Sending to {source.name} rests: {known.stops[source.id]}" if source.id in known.stops else ""
