"""Turning Auto Process on: what would leave at once is counted first, and put in line with the switch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from portal import sources, workspaces
from portal.models import FulfillmentRequest, Merchant, Source
from portal.requests.process import Done, process, would_leave

SWITCHES = ("auto-process", "override")


def would_send(source: Source, name: str, on: bool) -> Any:
    """The query of requests that leave at once if the source's setting becomes `on`; none where that does not turn Auto Process on."""
    before = source.auto_process if source.override_global else source.merchant.auto_process
    after = before
    if name == "auto-process":
        after = on
    elif name == "override":  # turned on it takes over the global value; turned off the global one counts
        after = source.merchant.auto_process
    query = would_leave(source.merchant, source)
    return query if after and not before else query.where(FulfillmentRequest.id == 0)


def would_send_everywhere(merchant: Merchant, on: bool) -> Any:
    """The same for the setting of the workspace: of all sources that do not override it."""
    query = would_leave(merchant)
    return query if on and not merchant.auto_process else query.where(FulfillmentRequest.id == 0)


def switch_source(source: Source, name: str, version: int, who: str) -> Done:
    """Turn it on for the source (`name`: one of SWITCHES) and put what waits in line. Raises Stale, Refused."""
    waiting = list(would_send(source, name, name == "auto-process"))
    if name == "auto-process":
        sources.set_auto_process(source, True, version, who)
    else:
        sources.set_override(source, False, version, who)
    return process(waiting, who, "rule")


def switch_workspace(merchant: Merchant, version: int, who: str) -> Done:
    """Turn it on for the workspace and put what waits in line. Raises Stale."""
    waiting = list(would_send_everywhere(merchant, True))
    workspaces.save(merchant, merchant.name, merchant.time_zone, True, version=version, who=who)
    return process(waiting, who, "rule")


def by_source(query: Any) -> Mapping[str, int]:
    """{name of the source: how many of the query's requests}, most first."""
    return dict(Counter(one.source.name for one in query).most_common())
