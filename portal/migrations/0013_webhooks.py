"""Webhooks in: addresses with their sealed secrets, deliveries, and the ids of events that were seen."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(_: Any, db: Any) -> None:
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Merchant(Table):
        id = BigAutoField()

    class Source(Table):
        id = BigAutoField()

    class Document(Table):
        id = BigAutoField()

    class Webhook(Table):
        id = BigAutoField()
        source = ForeignKeyField(Source, unique=True, on_delete="CASCADE", backref="+")
        token_hash = CharField(max_length=64, unique=True)
        sealed_token = TextField()
        sealed_secret = TextField(null=True)
        secret_ours = BooleanField()
        secret_at = DateTimeField(null=True)
        secret_by = CharField(max_length=254)
        show_until = DateTimeField(null=True)
        sealed_old = TextField(null=True)
        old_until = DateTimeField(null=True)
        old_used_at = DateTimeField(null=True)
        made_at = DateTimeField()

    class WebhookDelivery(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False, backref="+")
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False, backref="+")
        at = DateTimeField()
        kind = CharField(max_length=20)
        state = CharField(max_length=20)
        alone = BooleanField()
        reason = CharField(max_length=300)
        status = SmallIntegerField()
        event_id = CharField(max_length=255)
        repeats = IntegerField()
        signed_with = CharField(max_length=10)
        sender = CharField(max_length=45)
        content_type = CharField(max_length=100)
        size = BigIntegerField()
        sha256 = CharField(max_length=64)
        headers = TextField()
        head = TextField()
        document = ForeignKeyField(Document, null=True, on_delete="SET NULL", backref="+")
        run_id = BigIntegerField(null=True, index=True)

        class Meta:
            table_name = "webhook_delivery"
            indexes = ((("source", "id"), False), (("state", "source", "id"), False))

    class WebhookSeen(Table):
        id = BigAutoField()
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False, backref="+")
        event_hash = CharField(max_length=64)
        delivery = ForeignKeyField(WebhookDelivery, on_delete="CASCADE", backref="+")
        at = DateTimeField(index=True)

        class Meta:
            table_name = "webhook_seen"
            indexes = ((("source", "event_hash"), True),)

    db.create_tables([Webhook, WebhookDelivery, WebhookSeen], safe=False)
