"""Every kind of run with the domain function that performs it."""

from __future__ import annotations

from collections.abc import Mapping

from portal import connection_checks, removals
from portal.runs import Handler

HANDLERS: Mapping[str, Handler] = {
    "connection_check": connection_checks.perform,
    "remove_inventory": removals.remove_inventory,
    "delete_source": removals.delete_source,
    "purge_source": removals.purge_source,
}
