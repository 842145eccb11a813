"""Channels: where goods are sold, the orders pulled from there, and the tracking numbers that go back."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Merchant(Table):
        id = BigAutoField()

    class Source(Table):
        id = BigAutoField()

    class Order(Table):
        id = BigAutoField()

        class Meta:
            table_name = "customer_order"

    class Shipment(Table):
        id = BigAutoField()

    class Channel(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        line = ForeignKeyField(Source, null=True, unique=True, on_delete="CASCADE")
        name = CharField(max_length=80)
        kind = CharField(max_length=20)
        state = CharField(max_length=10)
        settings = TextField()
        take_from = DateTimeField()
        seen_until = DateTimeField(null=True)
        version = IntegerField()
        created_at = DateTimeField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            indexes = ((("merchant", "state", "id"), False),)

    class ChannelOrder(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        channel = ForeignKeyField(Channel, on_delete="CASCADE", index=False)
        ref = CharField(max_length=60)
        number = CharField(max_length=120)
        order = ForeignKeyField(Order, null=True, backref="+", on_delete="SET NULL")
        state = CharField(max_length=10)
        why = CharField(max_length=1000)
        differs = CharField(max_length=500)
        told = TextField()
        run_id = BigIntegerField(null=True)
        seen_at = DateTimeField()
        created_at = DateTimeField()

        class Meta:
            indexes = ((("channel", "ref"), True), (("channel", "state", "id"), False))

    class ChannelNotice(Table):
        id = BigAutoField()
        channel = ForeignKeyField(Channel, on_delete="CASCADE", index=False)
        shipment = ForeignKeyField(Shipment, unique=True, on_delete="CASCADE")
        state = CharField(max_length=10)
        their_id = CharField(max_length=120)
        said = TextField()
        tries = IntegerField()
        left_at = DateTimeField(null=True)
        due_at = DateTimeField()
        told_at = DateTimeField(null=True)
        created_at = DateTimeField()

        class Meta:
            indexes = ((("channel", "state", "due_at"), False),)

    class ChannelAttempt(Table):
        id = BigAutoField()
        notice = ForeignKeyField(ChannelNotice, backref="attempts", on_delete="CASCADE")
        at = DateTimeField()
        act = CharField(max_length=10)
        outcome = CharField(max_length=10)
        words = CharField(max_length=500)
        run_id = BigIntegerField(null=True)
        ended_at = DateTimeField(null=True)

    db.create_tables([Channel, ChannelOrder, ChannelNotice, ChannelAttempt], safe=False)
