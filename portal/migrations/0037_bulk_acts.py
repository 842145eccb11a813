"""What a person does to many items at once; and linkings of such items."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    DateTimeField,
    ForeignKeyField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(migrator: Any, db: Any) -> None:
    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Merchant(Known):
        pass

    class BulkAct(Known):
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        act = CharField(max_length=12)
        asked = TextField()
        options = TextField()
        state = CharField(max_length=10)
        run_id = BigIntegerField(null=True)
        runs = TextField()
        counts = TextField()
        at = DateTimeField()
        by = CharField(max_length=254)
        chosen_at = DateTimeField(null=True)
        applied_at = DateTimeField(null=True)
        undone_at = DateTimeField(null=True)

        class Meta:
            table_name = "bulk_act"
            indexes = ((("merchant", "id"), False),)

    class BulkItem(Model):
        act = ForeignKeyField(BulkAct, on_delete="CASCADE", index=False)
        item_id = BigIntegerField()
        done = SmallIntegerField()
        was = TextField(null=True)

        class Meta:
            database = db
            table_name = "bulk_item"
            primary_key = CompositeKey("act", "item_id")

    db.create_tables([BulkAct, BulkItem], safe=False)
    migrator.migrate(migrator.add_column("linking", "bulk_act_id", BigIntegerField(null=True)))
