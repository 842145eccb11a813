"""Our address for what a source's supplier sends, and the secrets that deliveries are signed with.

made with the connection ─▶ a secret of ours, shown once, or the sender's ─▶ rotated: the old one stays good until it ends
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from portal import audit, clock, vault
from portal.errors import Invalid, NotFound
from portal.hook_signatures import THEIRS, Scheme, new_secret, secret_problem
from portal.inventory import roles
from portal.models import Connection, Document, Integration, Merchant, Source, Webhook, WebhookDelivery, WebhookSeen, database
from portal.records import Secret
from portal.sources import PRIMARY

PROTOCOL = "webhook"
KINDS = {"inventory": "Stock", "acknowledgement": "Acknowledgements", "shipment": "Shipments"}
TICKS = {"acknowledgement": "acknowledgements", "shipment": "shipments"}
"""The settings that open an address for another kind than stock; also the last part of that address."""

READ_BY = {"inventory": PRIMARY, "acknowledgement": "get_acknowledgements", "shipment": "get_shipments"}
"""The integration whose runs read deliveries of a kind."""

SHOWN_FOR = timedelta(minutes=15)
KEPT_AFTER = {"0": "At once: only the new one is taken", "1": "1 hour", "24": "24 hours", "168": "7 days"}
"""How long the old secret stays good after a rotation, in hours."""

_TOKEN, _SECRET = vault.WEBHOOK_FIELDS


def find(source: Source) -> Webhook:
    """The source's webhook. Raises NotFound for one that has none (yet)."""
    hook = Webhook.get_or_none(Webhook.source == source)
    if hook is None:
        raise NotFound("webhook")
    hook.source = source
    return hook


def exists(source: Source) -> bool:
    """Whether the source has an address of ours: once its connection was saved."""
    return bool(Webhook.select().where(Webhook.source == source).exists())


def forget(source: Source) -> None:
    """Another supplier was chosen: the address is nobody's any more, and what came to it goes."""
    mine = WebhookDelivery.select(WebhookDelivery.document).where(WebhookDelivery.source == source)
    Document.update(erase_at=clock.now()).where(Document.id << mine.where(WebhookDelivery.document.is_null(False))).execute()
    for table in (WebhookSeen, WebhookDelivery, Webhook):
        table.delete().where(table.source == source).execute()


def scheme_of(source: Source) -> Scheme:
    """How its deliveries are signed. Raises NotFound before a supplier was chosen."""
    return Scheme.of(_settings(source))


def opened(source: Source) -> list[str]:
    """The kinds of delivery that are taken: inventory always, others where they were ticked."""
    settings = _settings(source)
    return ["inventory", *(kind for kind, tick in TICKS.items() if settings.get(tick))]


def is_read(source: Source, kind: str) -> bool:
    """Whether a run reads what comes as that kind: of stock always, else once its integration was set up and turned on."""
    mine = (Integration.source == source) & (Integration.kind == READ_BY[kind]) & (Integration.enabled == True)  # noqa: E712
    return kind == "inventory" or bool(Integration.select().where(mine, Integration.removed_at.is_null()).exists())


def token_of(hook: Webhook) -> str:
    """The unguessable part of the address, for its owner's page."""
    return vault.unseal(hook.source.merchant, hook.source.public_id, _TOKEN, hook.sealed_token).reveal()


def behind(token: str) -> Webhook | None:
    """The webhook of an address, None for one that is nobody's or whose source was deleted. The one look-up without a merchant."""
    digest = hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
    found: Webhook | None = (
        Webhook.select(Webhook, Source)
        .join(Source)
        .join(Merchant)
        .where(Webhook.token_hash == digest, Source.state != "deleted", Merchant.closing_at.is_null())
        .first()
    )
    return found


def saved(source: Source, before: Mapping[str, Any], now: Mapping[str, Any], who: str) -> list[str]:
    """A connection was saved: make the address, a secret where we make it, and the feed's policy. What was done, in sentences.

    Another kind of signature than before takes another secret. Call it in the transaction that saved the connection.
    """
    hook, remarks, scheme = Webhook.get_or_none(Webhook.source == source), [], Scheme.of(now)
    if hook is None:
        hook = _made(source)
    elif scheme.kind != Scheme.of(before).kind and hook.sealed_secret:
        _write(hook, **_NO_SECRET)
        remarks.append("Deliveries are signed another way now, so the secret before counts no longer.")
    hook = find(source)
    if hook.sealed_secret is None and scheme.kind not in THEIRS:
        _make(hook, scheme.kind, who)
    integration = Integration.get(Integration.source == source, Integration.kind == PRIMARY)
    feed = "full" if now.get("holds") == "full" else "delta"
    if roles.feed_of(integration) != feed:
        roles.save_feed(integration, feed, integration.version, who)
    return [*remarks, *_read_as_declared(source)]


def _read_as_declared(source: Source) -> list[str]:
    """A sentence on the deliveries that wait and were declared to hold something else than those from now on; none without any."""
    other = "full" if holds(source) == "partial" else "partial"
    mine = (WebhookDelivery.source == source) & (WebhookDelivery.state == "waiting") & (WebhookDelivery.holds == other)
    count = WebhookDelivery.select().where(mine).count()
    if not count:
        return []
    told = "all items" if other == "full" else "only what changed"
    if count == 1:
        return [f"1 delivery that waits came as holding {told}, and counts so. Under All deliveries you can leave it out."]
    return [f"{count:,} deliveries that wait came as holding {told}, and count so. Under All deliveries you can leave them out."]


def holds(source: Source) -> str:
    """What a delivery of stock holds, as its feed policy says now: full or partial."""
    integration = Integration.get_or_none(Integration.source == source, Integration.kind == PRIMARY)
    return "partial" if integration is None or roles.feed_of(integration) == "delta" else "full"


def make_secret(source: Source, hours: int, who: str) -> None:
    """A new secret of ours; the one before stays good for so many hours. Raises Invalid, NotFound."""
    hook, kind = find(source), scheme_of(source).kind
    if kind in THEIRS:
        raise Invalid({"secret": "Enter the client secret of the app; the sender signs with that one."})
    with database.atomic():
        _retire(hook, hours)
        _make(hook, kind, who)
        _log(source, who, "webhook.secret", {"made": True, "old_hours": hours})


def take_secret(source: Source, text: str, hours: int, who: str) -> None:
    """Take a secret that the sender made; the one before stays good for so many hours. Raises Invalid, NotFound."""
    hook, kind = find(source), scheme_of(source).kind
    if problem := secret_problem(kind, text):
        raise Invalid({"secret": problem})
    with database.atomic():
        _retire(hook, hours)
        _write(hook, sealed_secret=_sealed(source, text), secret_ours=False, secret_at=clock.now(), secret_by=who, show_until=None)
        _log(source, who, "webhook.secret", {"made": False, "old_hours": hours})


def end_old(source: Source, who: str) -> None:
    """The old secret ends now. Raises NotFound."""
    hook = find(source)
    with database.atomic():
        _write(hook, **_NO_OLD)
        _log(source, who, "webhook.old_secret_ended", {})


def revealed(hook: Webhook, who: str) -> str:
    """A secret of ours, for the person who made it and only until they said that they have it, or SHOWN_FOR is over; "" then."""
    if not (hook.sealed_secret and hook.secret_ours and hook.secret_by == who):
        return ""
    shown = hook.show_until is not None and hook.show_until > clock.now()
    return _open(hook, hook.sealed_secret).reveal() if shown else ""


def conceal(source: Source) -> None:
    """Show the secret no more: it was copied. Raises NotFound."""
    _write(find(source), show_until=None)


def good_secrets(hook: Webhook, now: datetime) -> Sequence[tuple[str, Secret]]:
    """The secrets that may sign now: ("current", secret) and, until it ends, ("old", secret)."""
    found = [("current", _open(hook, hook.sealed_secret))] if hook.sealed_secret else []
    if hook.sealed_old and hook.old_until and hook.old_until > now:
        found.append(("old", _open(hook, hook.sealed_old)))
    return found


def note_old_used(hook: Webhook) -> None:
    """A delivery was still signed with the old secret."""
    _write(hook, old_used_at=clock.now())


def _made(source: Source) -> Webhook:
    token = secrets.token_urlsafe(32)
    sealed = vault.seal(source.merchant, source.public_id, _TOKEN, token)
    made: Webhook = Webhook.create(
        source=source, token_hash=hashlib.sha256(token.encode()).hexdigest(), sealed_token=sealed, made_at=clock.now()
    )
    return made


def _make(hook: Webhook, kind: str, who: str) -> None:
    text, now = new_secret(kind, secrets.token_bytes(32)), clock.now()
    sealed = _sealed(hook.source, text)
    _write(hook, sealed_secret=sealed, secret_ours=True, secret_at=now, secret_by=who, show_until=now + SHOWN_FOR)


def _retire(hook: Webhook, hours: int) -> None:
    """The present secret becomes the old one. One that was old before ends: there are never three."""
    if str(hours) not in KEPT_AFTER:
        raise Invalid({"hours": "Choose how long the old secret stays good."})
    if hook.sealed_secret and hours:
        _write(hook, sealed_old=hook.sealed_secret, old_until=clock.now() + timedelta(hours=hours), old_used_at=None)
    else:
        _write(hook, **_NO_OLD)


_NO_OLD: Mapping[str, Any] = {"sealed_old": None, "old_until": None, "old_used_at": None}
_NO_SECRET: Mapping[str, Any] = {**_NO_OLD, "sealed_secret": None, "secret_at": None, "secret_by": "", "show_until": None}


def _write(hook: Webhook, **columns: Any) -> None:
    Webhook.update(columns).where(Webhook.id == hook.id).execute()


def _sealed(source: Source, text: str) -> str:
    return vault.seal(source.merchant, source.public_id, _SECRET, text)


def _open(hook: Webhook, sealed: str) -> Secret:
    return vault.unseal(hook.source.merchant, hook.source.public_id, _SECRET, sealed)


def _settings(source: Source) -> Mapping[str, Any]:
    connection = Connection.get_or_none(Connection.source == source)
    if connection is None or source.supplier == "":
        raise NotFound("connection")
    settings: Mapping[str, Any] = connection.settings
    return settings


def _log(source: Source, who: str, action: str, after: Mapping[str, Any]) -> None:
    audit.write(source.merchant, who, action, "source", source.public_id, before=None, after=dict(after))
