"""The rule of what goes to stores: units and prices that wait for a person."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from portal.alerts.findings import Finding, Look, counted
from portal.models import Channel, ChannelPush


def pushes(look: Look) -> Iterator[Finding]:  # noqa: ARG001
    """Pushes of which a part is held, and nobody left it."""
    query: Any = ChannelPush.select(ChannelPush.held, Channel.id, Channel.name, Channel.merchant).join(Channel)
    rows = query.where(ChannelPush.state == "on", ChannelPush.held != {}, Channel.state == "open").tuples()
    for held, channel, name, merchant in rows:
        if held.get("left_by"):
            continue
        zero, moves = int(held.get("zero", 0)), int(held.get("moves", 0))
        told = [f"{counted(zero, 'listing')} would fall to 0 units"] if zero else []
        told += [f"{counted(moves, 'price')} would move far"] if moves else []
        body = (
            f"Of {int(held.get('live', 0)):,} live listings {' and '.join(told)}. The store keeps what it has of them; the rest was sent."
        )
        facts = {"place": "push", "count": zero + moves}
        mark = f"{zero} and {moves}"
        headline = f"Units and prices for {name} are held"
        yield Finding(merchant, "push_held", f"channel {channel}", headline, body, channel=channel, mark=mark, facts=facts)
