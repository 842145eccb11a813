"""Alerts, what is told of them, who wants what; when the certificate of a server ends."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, SmallIntegerField, TextField

INDEXES = (
    'alert_open" ON "alert" ("state", "id") WHERE ("state" != \'resolved\')',
    'alert_message_to_go" ON "alert_message" ("state", "due_at") WHERE ("state" IN (\'waiting\', \'sending\'))',
    'request_unsent_by_age" ON "fulfillment_request" ("source_id", "created_at") '
    "WHERE (\"state\" IN ('unprocessed', 'processing', 'failed', 'too_long', 'duplicate'))",
    'request_expected_by_age" ON "fulfillment_request" ("source_id", "sent_at") '
    "WHERE ((\"state\" IN ('processed', 'acknowledged')) AND (\"shipped\" IN ('awaiting', 'partial')))",
    'shipment_unmatched" ON "shipment" ("source_id") WHERE ("state" = \'unmatched\')',
    'committed_stock_by_release" ON "committed_stock" ("released_at") WHERE ("released_because" = \'age\')',
    'channel_order_waiting" ON "channel_order" ("channel_id", "created_at") WHERE ("state" = \'waiting\')',
    'channel_notice_failed" ON "channel_notice" ("channel_id", "created_at") WHERE ("state" IN (\'failed\', \'unknown\'))',
)


def up(migrator: Any, db: Any) -> None:
    db.create_tables(_tables(db), safe=False)
    migrator.migrate(migrator.add_column("connection", "certificate_ends", DateTimeField(null=True)))
    for index in INDEXES:
        db.execute_sql(f'CREATE INDEX "{index}')


def _tables(db: Any) -> list[Any]:
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Known(Table):
        id = BigAutoField()

    class Merchant(Known):
        pass

    class User(Known):
        pass

    class Source(Known):
        pass

    class Channel(Known):
        pass

    class Alert(Known):
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        rule = CharField(max_length=30)
        object_key = CharField(max_length=60)
        source = ForeignKeyField(Source, null=True, on_delete="CASCADE")
        channel = ForeignKeyField(Channel, null=True, on_delete="CASCADE")
        level = CharField(max_length=10)
        state = CharField(max_length=15)
        headline = CharField(max_length=200)
        body = CharField(max_length=1000)
        facts = TextField()
        mark = CharField(max_length=120)
        times = IntegerField()
        turn = IntegerField()
        version = IntegerField()
        first_seen_at = DateTimeField()
        last_seen_at = DateTimeField()
        clear_since = DateTimeField(null=True)
        told_at = DateTimeField(null=True)
        acknowledged_at = DateTimeField(null=True)
        acknowledged_by = CharField(max_length=254)
        snoozed_until = DateTimeField(null=True)
        snoozed_by = CharField(max_length=254)
        snooze_mark = CharField(max_length=120)
        resolved_at = DateTimeField(null=True)
        ended = CharField(max_length=10)

        class Meta:
            indexes = ((("merchant", "rule", "object_key"), True), (("merchant", "state", "id"), False))

    return [Alert, *_around(Known, Merchant, User, Alert)]


def _around(known: Any, merchants: Any, users: Any, alerts: Any) -> list[Any]:
    """What is told of alerts, to whom, by which rules."""

    class AlertMessage(known):  # type: ignore[misc]
        merchant = ForeignKeyField(merchants, on_delete="CASCADE", index=False)
        key = CharField(max_length=80)
        alert = ForeignKeyField(alerts, null=True, on_delete="CASCADE")
        user = ForeignKeyField(users, null=True, on_delete="CASCADE")
        kind = CharField(max_length=10)
        turn = IntegerField()
        state = CharField(max_length=10)
        token = CharField(max_length=32)
        tries = IntegerField()
        due_at = DateTimeField()
        claimed_at = DateTimeField(null=True)
        ended_at = DateTimeField(null=True)
        said = CharField(max_length=300)
        created_at = DateTimeField()

        class Meta:
            table_name = "alert_message"
            indexes = ((("merchant", "key"), True),)

    class AlertWish(known):  # type: ignore[misc]
        user = ForeignKeyField(users, unique=True, on_delete="CASCADE")
        action = CharField(max_length=10)
        warning = CharField(max_length=10)
        news = CharField(max_length=10)
        hour = SmallIntegerField()
        digest_at = DateTimeField(null=True, index=True)
        digested_at = DateTimeField(null=True)
        version = IntegerField()

    class AlertSettings(known):  # type: ignore[misc]
        merchant = ForeignKeyField(merchants, unique=True, on_delete="CASCADE")
        rules = TextField()
        hook_url = CharField(max_length=1000)
        hook_level = CharField(max_length=10)
        hook_secret = TextField(null=True)
        hook_hint = CharField(max_length=60)
        hook_said = CharField(max_length=300)
        hook_at = DateTimeField(null=True)
        version = IntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

    return [AlertMessage, AlertWish, AlertSettings]
