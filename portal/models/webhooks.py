"""Webhooks in: our address for a source, what came to it, and which events were seen."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, BooleanField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.documents import Document
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.sources import Source


class Webhook(Table):
    """Our address for what one source's supplier sends. `token_hash`: SHA-256 of its unguessable part, `sealed_token` that part.

    `sealed_secret`: what deliveries are signed with, None until there is one; `secret_ours`: we made it, so it may be shown until
    `show_until` to the person who made it. `sealed_old`: the one before, good until `old_until`; `old_used_at`: its last use.
    """

    id = BigAutoField()
    source = ForeignKeyField(Source, unique=True, on_delete="CASCADE", backref="+")
    token_hash = CharField(max_length=64, unique=True)
    sealed_token = TextField()
    sealed_secret = TextField(null=True)
    secret_ours = BooleanField(default=False)
    secret_at = UtcTime(null=True)
    secret_by = CharField(max_length=254, default="")
    show_until = UtcTime(null=True)
    sealed_old = TextField(null=True)
    old_until = UtcTime(null=True)
    old_used_at = UtcTime(null=True)
    made_at = UtcTime(default=now)


class WebhookDelivery(Table):
    """One request to that address. `kind`: inventory, acknowledgement or shipment.

    `state`: refused (`reason` says why); ping (a sender's greeting, no event); waiting (for a run), taken (by the run `run_id`),
    read, replaced (a newer full one came), failed (its run did not take it; `reason`) or left_out (by a person); kept
    (an acknowledgement or a shipment, until the integration that reads it is on).
    `holds`: of stock, full or partial as it was declared when it came, "" of other kinds. `alone`: read it in a run of its own, as
    a run of several failed. `status`: what we answered. `repeats`: times it came again. `signed_with`: current, old or "".
    `headers` and `head`, the body's beginning, hold no secret.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False, backref="+")
    source = ForeignKeyField(Source, on_delete="CASCADE", index=False, backref="+")
    at = UtcTime(default=now)
    kind = CharField(max_length=20)
    state = CharField(max_length=20)
    holds = CharField(max_length=10, default="")
    alone = BooleanField(default=False)
    reason = CharField(max_length=300, default="")
    status = SmallIntegerField()
    event_id = CharField(max_length=255, default="")
    repeats = IntegerField(default=0)
    signed_with = CharField(max_length=10, default="")
    sender = CharField(max_length=45, default="")
    content_type = CharField(max_length=100, default="")
    size = BigIntegerField(default=0)
    sha256 = CharField(max_length=64, default="")
    headers = JsonText(default=list)
    head = TextField(default="")
    document = ForeignKeyField(Document, null=True, on_delete="SET NULL", backref="+")
    run_id = BigIntegerField(null=True, index=True)

    class Meta:
        table_name = "webhook_delivery"
        indexes = ((("source", "id"), False), (("state", "source", "id"), False))


class WebhookSeen(Table):
    """An event that was taken. The same id within three days has no second effect."""

    id = BigAutoField()
    source = ForeignKeyField(Source, on_delete="CASCADE", index=False, backref="+")
    event_hash = CharField(max_length=64)
    delivery = ForeignKeyField(WebhookDelivery, on_delete="CASCADE", backref="+")
    at = UtcTime(default=now, index=True)

    class Meta:
        table_name = "webhook_seen"
        indexes = ((("source", "event_hash"), True),)
