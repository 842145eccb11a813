"""The audit log in words: what an act is called, what it was done to, and before → after as pairs that a person reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ACTS: dict[str, str] = {
    "access.refused": "Was refused a page or an act",
    "alerts.rule": "Changed a rule of alerts",
    "alerts.webhook": "Changed where alerts are posted",
    "alerts.webhook_secret": "Made a new secret for the webhook of alerts",
    "api_token.make": "Made an API token",
    "api_token.resume": "Let an API token work again after a restore",
    "api_token.revoke": "Revoked an API token",
    "billing.credit": "Credited an invoice",
    "billing.details": "Changed the details on invoices",
    "billing.invoice": "Issued an invoice",
    "billing.paid": "Noted an invoice as paid",
    "billing.plan": "Changed the plan",
    "billing.request": "Asked for another plan",
    "billing.unpaid": "Noted an invoice as not paid",
    "channel.change": "Changed a channel",
    "channel.create": "Added a channel",
    "channel.listing_rules": "Changed the rules of listings",
    "channel.push_leave": "Left alone what was held for a store",
    "channel.push_off": "Switched sending to a store off",
    "channel.push_on": "Switched sending to a store on",
    "channel.push_release": "Sent all the same what was held for a store",
    "channel.push_settings": "Changed how a store is told units and prices",
    "channel.remove": "Disconnected a channel",
    "connection.key_ended": "Ended a key pair",
    "connection.key_given": "Gave a private key",
    "connection.key_pair": "Made a key pair",
    "connection.replace_key": "Accepted another host key",
    "connection.save": "Saved the connection",
    "connection.sign_in": "Signed in at the supplier",
    "connection.trust_key": "Accepted the host key",
    "exclusion.change": "Changed an exclusion rule",
    "exclusion.create": "Made an exclusion rule",
    "exclusion.delete": "Deleted an exclusion rule",
    "exclusion.pause": "Paused an exclusion rule",
    "exclusion.resume": "Resumed an exclusion rule",
    "feed_link.make": "Made a feed link",
    "feed_link.revoke": "Ended a feed link",
    "feed_link.rotate": "Replaced a feed link",
    "installation.restore": "Restored the installation from a backup",
    "integration.activate": "Switched an integration on",
    "integration.after_read": "Changed what becomes of files that were read",
    "integration.answer": "Changed how answers are read",
    "integration.create": "Added an integration",
    "integration.feed": "Changed what a feed's file holds",
    "integration.file": "Chose the file",
    "integration.freshness": "Changed when the feed is expected",
    "integration.guards": "Changed guard limits",
    "integration.leave_out_file": "Left a file out",
    "integration.missing": "Changed what becomes of missing items",
    "integration.owns": "Changed which feed sets which fields",
    "integration.pause": "Paused an integration",
    "integration.read_file_after_all": "Reads a file after all",
    "integration.remove": "Removed an integration",
    "integration.resume": "Resumed an integration",
    "integration.schedule": "Changed the schedule",
    "integration.silence": "Changed what happens when no feed comes",
    "item.archive": "Archived items",
    "item.link": "Linked an item to a product",
    "item.pin": "Pinned a value",
    "item.unarchive": "Un-archived items",
    "item.unlink": "Unlinked an item",
    "item.unpin": "Took a pin out",
    "linking.apply": "Linked items to products",
    "linking.give_up": "Gave a linking up",
    "linking.undo": "Undid a linking",
    "listing.change": "Changed a listing",
    "listing.create": "Made a listing",
    "listing.remove": "Removed a listing",
    "listing.state": "Put a listing on or off",
    "listing_batch.apply": "Made listings of many products",
    "listing_batch.undo": "Undid listings of many products",
    "mapping.save": "Saved a mapping",
    "order.address": "Changed an address",
    "order.cancel": "Cancelled an order",
    "order.create": "Took an order in",
    "order.hold": "Put an order on hold",
    "order.note": "Changed a note",
    "order.release": "Released an order",
    "plan.limits": "Changed the limits of the plan",
    "product.change": "Changed a product",
    "product.create": "Made a product",
    "product.delete": "Deleted a product",
    "product.merge": "Merged products",
    "run.revert": "Reverted a run",
    "sending.allow": "Let sending go on",
    "sending.send_again": "Sent a request again",
    "sending.they_have_it": "Noted that they have a request",
    "sending.way": "Changed how orders are sent",
    "service_call.save": "Chose the operation of a service",
    "service_description.upload": "Uploaded a WSDL",
    "session.close": "Signed out",
    "session.close_others": "Signed out elsewhere",
    "session.open": "Signed in",
    "session.refused": "Failed to sign in",
    "source.allow_backorders": "Changed Allow Backorders",
    "source.auto_process": "Changed Auto Process",
    "source.automatic_linking": "Changed automatic linking",
    "source.create": "Added a source",
    "source.delete": "Deleted a source",
    "source.master_from": "Changed what Master SKUs are made of",
    "source.override_global": "Changed whether the workspace's setting holds",
    "source.pause": "Paused a source",
    "source.purge": "Erased a deleted source",
    "source.remove_inventory": "Removed the inventory",
    "source.rename": "Renamed a source",
    "source.restore": "Restored a source",
    "source.resume": "Resumed a source",
    "source.shipping_methods": "Changed shipping methods",
    "support.delete": "Deleted a source, as support",
    "support.grant": "Let support change things",
    "support.grant_end": "Ended what support may change",
    "support.look": "Looked at it, as support",
    "support.outage": "Announced an outage, as support",
    "support.outage_end": "Ended the notice of an outage, as support",
    "support.release": "Released a run's lease, as support",
    "support.reset": "Reset a source, as support",
    "support.restore": "Restored a source after a reset",
    "support.test": "Tested the connection, as support",
    "support.view": "Began to view the workspace, as support",
    "support.view_end": "Ended the view, as support",
    "two_step.code_off": "Turned the app of codes off",
    "two_step.code_on": "Turned the app of codes on",
    "two_step.passkey_copied": "A passkey was refused as a copy",
    "two_step.passkey_off": "Removed a passkey",
    "two_step.passkey_on": "Added a passkey",
    "two_step.recovery_codes": "Made recovery codes",
    "two_step.recovery_used": "Used a recovery code",
    "two_step.ended_for": "Took every second step of somebody away",
    "two_step.required": "Changed whether two-step sign-in is required",
    "user.create": "Added a person",
    "user.erase": "Erased somebody who signed in here",
    "user.disable": "Ended somebody's access",
    "user.email": "Changed an email",
    "user.email_asked": "Asked for another email",
    "user.enable": "Gave access back",
    "user.invite": "Invited somebody",
    "user.join": "Joined by an invitation",
    "user.password": "Changed a password",
    "user.reset": "Reset a password by link",
    "user.role": "Changed a role",
    "user.uninvite": "Took an invitation back",
    "webhook.left_out": "Left a delivery out",
    "webhook.old_secret_ended": "Ended the old webhook secret",
    "webhook.read_again": "Read a delivery again",
    "webhook.secret": "Made a webhook secret",
    "workspace.close": "Deleted the workspace",
    "workspace.create": "Made the workspace",
    "workspace.erase_person": "Asked for a person to be erased",
    "workspace.export": "Asked for an export of everything",
    "workspace.export_downloaded": "Downloaded an export of everything",
    "workspace.lines_blanked": "Blanked what lines of this log told of a person",
    "workspace.lines_removed": "Removed lines of this log by their age",
    "workspace.kept": "Erased what was kept long enough",
    "workspace.person_erased": "Erased a person",
    "workspace.reopen": "Took the deletion of the workspace back",
    "workspace.retention": "Changed how long things are kept",
    "workspace.routing": "Changed routing and stock rules",
    "workspace.settings": "Changed the workspace",
}
"""What an act of the log is called; one that is not here is told by its own name."""

AT_ONCE = {"archive": "archived", "unarchive": "un-archived", "exclude": "excluded", "include": "included", "delete": "deleted"}
"""An act on many items, "items.delete" and the like, in words."""

AREAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "access": ("Sign-ins and refusals", ("session.", "access.")),
    "people": ("People, passwords and tokens", ("user.", "two_step.", "api_token.")),
    "support": ("Support staff", ("support.",)),
    "sources": (
        "Sources and connections",
        ("source.", "integration.", "connection.", "mapping.", "service_", "webhook.", "sending.way"),
    ),
    "stock": ("Stock and products", ("item.", "items.", "run.", "product.", "linking.", "exclusion.")),
    "orders": ("Orders and sending", ("order.", "sending.")),
    "channels": ("Channels and listings", ("channel.", "listing", "feed_link.")),
    "workspace": ("Workspace, alerts and billing", ("workspace.", "alerts.", "plan.", "billing.", "installation.")),
}
"""Area -> what it is called, and how the acts in it begin."""

KINDS: dict[str, str] = {
    "user": "Person", "merchant": "Workspace", "integration": "Integration", "inventory_item": "Item", "api_token": "API token",
    "bulk_act": "Act on many items", "listing_batch": "Listings at once", "exclusion": "Exclusion rule",
}  # fmt: skip
"""What a kind of object is called, where it is not just its name."""

SECRET = ("password", "passphrase", "secret", "private_key", "api_key", "client_secret", "authorization")
STARS = "***"
CHANGED = "changed"
LONGEST = 160
MOST_PAIRS = 8


@dataclass(frozen=True)
class Pair:
    """One value: `label` ("" where the line has only one), as it was and as it is; None on a side that says nothing."""

    label: str
    before: str | None
    after: str | None


def act(action: str) -> str:
    """What was done: "Renamed a source"."""
    if action in ACTS:
        return ACTS[action]
    kind, _, rest = action.partition(".")
    what, _, how = rest.partition(".")
    if kind == "items" and what in AT_ONCE:
        return {"undo": f"Undid: {AT_ONCE[what]} many items", "give_up": f"Left half done: {AT_ONCE[what]} many items"}.get(
            how, f"{AT_ONCE[what].capitalize()} many items"
        )
    return f"{named(kind)}: {rest.replace('_', ' ').replace('.', ', ')}" if rest else named(kind)


def named(kind: str) -> str:
    """A kind of object: "API token"."""
    return KINDS.get(kind) or kind.replace("_", " ").capitalize()


def pairs(before: Any, after: Any) -> list[Pair]:
    """The values of a line, each with what it was and what it is. Secrets are only ever told as changed."""
    was, now = dict(_flat(before)), dict(_flat(after))
    found = []
    for name in dict.fromkeys([*was, *now]):
        old, new = (_told(name, side[name]) if name in side else None for side in (was, now))
        if old is None or new is None or old != new or old == CHANGED:
            found.append(Pair(_label(name), None if old == CHANGED and new == CHANGED else old, new))
    return found


def in_line(found: Sequence[Pair]) -> str:
    """All pairs as one text for a cell of a file: "name: Kestrel → Kestrel Outdoor; state: live"."""
    return "; ".join((f"{one.label}: " if one.label else "") + " → ".join(side for side in (one.before, one.after) if side is not None)
                     for one in found)  # fmt: skip


def cut(text: str) -> str:
    """At most 160 characters of it."""
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        if value and len(path) < 4:
            for name, part in value.items():
                yield from _flat(part, (*path, str(name)))
            return
        if not value and path:
            yield path, None
            return
        if not value:
            return
    if value is not None or path:
        yield path, value


def _told(path: tuple[str, ...], value: Any) -> str:
    if value == STARS or (value not in (None, "") and path and path[-1].lower() in SECRET):
        return CHANGED
    if value is None or value == "" or value == []:
        return "nothing"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list):
        return ", ".join(_told(path, one) for one in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{_label((str(name),))}: {_told((str(name),), one)}" for name, one in value.items())
    return str(value)


def _label(path: tuple[str, ...]) -> str:
    return ": ".join(part.replace("_", " ") for part in path)
