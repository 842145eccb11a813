"""Is my stock true? One state and one sentence for each source, for a whole list in a fixed number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal import freshness, setup_steps, standing
from portal.models import Integration, Merchant, Source
from portal.sources import INTEGRATION_KINDS
from portal.standing import WORST_FIRST, Standing


@dataclass(frozen=True)
class SourceStatus:
    """Where a source stands: as its worst feed. `state` is a key of the status badge; `flow` is (inventory, orders, shipments).

    `then`, `rule_acts`: how old the stock is, what happens next; "" while there is no need to say.
    `feeds`: the standing of each Get Inventory by its id.
    """

    source: Any
    state: str
    words: str
    sentence: str
    flow: tuple[str, str, str]
    last_sync: datetime | None
    next_sync: datetime | None
    run: Any = None
    step: str | None = None
    then: str = ""
    rule_acts: str = ""
    late_since: datetime | None = None
    expected_by: datetime | None = None
    feeds: Mapping[int, Standing] = field(default_factory=dict)


def of(source: Source, zone: str = "") -> SourceStatus:
    """The status of one source. `zone`: of the times in its sentences, by default the merchant's."""
    return of_all(source.merchant, [source], zone)[0]


def of_all(merchant: Merchant, sources: Iterable[Source], zone: str = "") -> list[SourceStatus]:
    """The status of each of the merchant's `sources`, in the same order."""
    known = {source.id: source for source in sources}
    parts: dict[int, dict[str, Any]] = {one: {} for one in known}
    for row in Integration.select().where(Integration.source << list(known), Integration.removed_at.is_null()):
        row.source = known[row.source_id]
        row.source.merchant = merchant
        parts[row.source_id][row.kind] = row
    feeds = [one for kinds in parts.values() for kind, one in kinds.items() if kind in freshness.FEEDS]
    standings = standing.of_feeds(feeds, zone or merchant.time_zone)
    return [_status(source, parts[source.id], standings) for source in known.values()]


def needs_you_first(statuses: Iterable[SourceStatus]) -> list[SourceStatus]:
    """Worst first, then the one whose sync is longest ago."""
    return sorted(statuses, key=lambda one: (WORST_FIRST.index(one.state), one.last_sync or datetime.min))


def _status(source: Source, kinds: Mapping[str, Any], standings: Mapping[int, Standing]) -> SourceStatus:
    mine = {kinds[kind].id: standings[kinds[kind].id] for kind in freshness.FEEDS if kind in kinds}
    on = [one for one in mine.values() if one.integration.enabled]
    counted = [one for one in on if one.state != "paused"] or on or list(mine.values())
    worst = min(counted, key=lambda one: WORST_FIRST.index(one.state), default=None)
    state, words, sentence = _state(source, worst, len(counted))
    moves = source.state == "live"
    return SourceStatus(
        source=source,
        state=state,
        words=words,
        sentence=sentence,
        flow=_flows(state, bool(on), kinds),
        last_sync=worst.integration.last_accepted_at if worst else None,
        next_sync=min((one.next_try for one in counted if one.next_try), default=None) if moves else None,
        run=worst.run if worst else None,
        step=setup_steps.next_step(source),
        then=worst.then if worst and moves else "",
        rule_acts=worst.rule_acts if worst and moves else "",
        late_since=worst.late_since if worst and moves else None,
        expected_by=min((one.expected_by for one in counted if one.expected_by), default=None),
        feeds=mine,
    )


def _state(source: Source, worst: Standing | None, feeds: int) -> tuple[str, str, str]:
    if source.state == "draft":
        return _draft(source)
    if source.state == "paused" or (worst is not None and worst.state == "paused"):
        return "paused", "Paused", "You paused this source. Its stock stays as it last came."
    if worst is None:
        return "ready", "Ready", "Set up. No file has been accepted yet."
    named = feeds > 1 and worst.state in ("action", "held", "late")
    return worst.state, worst.words, f"{INTEGRATION_KINDS[worst.integration.kind]}: {worst.sentence}" if named else worst.sentence


def _draft(source: Source) -> tuple[str, str, str]:
    step = setup_steps.next_step(source)
    phase = next(place for place, (_, keys) in enumerate(setup_steps.PHASES, 1) if step in keys)
    return "draft", f"Draft, step {phase} of {len(setup_steps.PHASES)}", "Not live yet. Nothing syncs until you save the review."


def _flows(state: str, feeds: bool, kinds: Mapping[str, Any]) -> tuple[str, str, str]:
    """Inventory, orders, shipments. Of a draft nothing flows, whatever was answered."""
    if state == "draft":
        return "off", "off", "off"
    tints = {"held": "hold", "action": "bad", "late": "late", "syncing": "run"}
    return tints.get(state, "on") if feeds else "off", _flow(kinds.get("send_orders")), _flow(kinds.get("get_shipments"))


def _flow(integration: Any) -> str:
    return "on" if integration is not None and integration.enabled and not integration.paused else "off"
