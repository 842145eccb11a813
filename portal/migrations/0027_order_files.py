"""Files of orders that a person uploads, with their mapping and the rows that were not taken."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "merchant"

    class OrderFile(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        name = CharField(max_length=255)
        stored_name = CharField(max_length=120)
        size = BigIntegerField()
        sha256 = CharField(max_length=64)
        format = TextField()
        headers = TextField()
        rules = TextField()
        state = CharField(max_length=10)
        made = IntegerField()
        known = IntegerField()
        held = IntegerField()
        bad = TextField()
        at = DateTimeField()
        added_by = CharField(max_length=254)
        taken_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "order_file"
            indexes = ((("merchant", "id"), False),)

    db.create_tables([OrderFile], safe=False)
