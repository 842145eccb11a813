"""Keys that a store hands over by itself."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CharField, DateTimeField, ForeignKeyField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "source"

    class KeyOffer(Model):
        id = BigAutoField()
        token_hash = CharField(max_length=64, unique=True)
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        kind = CharField(max_length=20)
        session_hash = CharField(max_length=64)
        store = CharField(max_length=500)
        sealed = TextField()
        told = TextField()
        ends_at = DateTimeField(index=True)
        received_at = DateTimeField(null=True)
        used_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "key_offer"

    db.create_tables([KeyOffer], safe=False)
