"""Every kind of run with the domain function that performs it."""

from __future__ import annotations

from collections.abc import Mapping

from portal import connection_checks, removals, turns
from portal.bulk_acts import acts
from portal.catalogue import linking
from portal.channels import pulling, telling
from portal.erasing import persons
from portal.exclusions import performing, room
from portal.exporting import exports
from portal.inventory import accepting, dry_run, fixes, revert, silence, sync
from portal.listings import making
from portal.outbox import running
from portal.pushing import running as pushing
from portal.runs import Handler
from portal.shipments import answering, reading

HANDLERS: Mapping[str, Handler] = {
    "inventory": sync.perform,
    "dry_run": dry_run.perform,
    "accept_removals": accepting.accept_removals,
    "fixed_rows": fixes.perform,
    "revert": revert.perform,
    "silence": silence.perform,
    "connection_check": connection_checks.perform,
    "remove_inventory": removals.remove_inventory,
    "delete_source": removals.delete_source,
    "purge_source": removals.purge_source,
    "linking": linking.perform,
    "listing_batch": making.perform,
    "bulk_act": acts.perform,
    "exclusion": performing.perform,
    "room": room.perform,
    "send_orders": running.perform,
    "get_shipments": reading.perform,
    "get_acknowledgements": answering.perform,
    "channel_orders": pulling.perform,
    "channel_tracking": telling.perform,
    "workspace_export": exports.perform,
    "push_listings": pushing.perform,
    "erasure": persons.perform,
}

SENDING: Mapping[str, Handler] = {kind: HANDLERS[kind] for kind in turns.PROMPT}
"""Kinds that somebody waits for: they have threads of their own, so that no long run is before them."""

LONG: Mapping[str, Handler] = {kind: handler for kind, handler in HANDLERS.items() if kind not in SENDING}
