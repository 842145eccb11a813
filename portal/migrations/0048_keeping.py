"""Exports of a workspace, what was erased, how long things are kept, a workspace that ends, and what a restore suspends."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(migrator: Any, db: Any) -> None:
    migrator.migrate(
        migrator.add_column("merchant", "closing_at", DateTimeField(null=True)),
        migrator.add_column("merchant", "closing_by", CharField(max_length=254, null=True)),
        migrator.add_column("api_token", "suspended_at", DateTimeField(null=True)),
        migrator.add_column("recovery_code", "suspended_at", DateTimeField(null=True)),
    )

    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class WorkspaceExport(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE")
        with_files = SmallIntegerField()
        state = CharField(max_length=10)
        stored_name = CharField(max_length=120, null=True)
        size = BigIntegerField(null=True)
        sha256 = CharField(max_length=64)
        counts = TextField()
        made_by = CharField(max_length=254)
        made_at = DateTimeField()
        ends_at = DateTimeField(index=True)
        downloads = IntegerField()

        class Meta:
            database = db
            table_name = "workspace_export"

    class Erasure(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE")
        kind = CharField(max_length=10)
        state = CharField(max_length=10)
        sealed = TextField(null=True)
        marks = TextField()
        counts = TextField()
        reason = CharField(max_length=200)
        made_by = CharField(max_length=254)
        made_at = DateTimeField()
        done_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "erasure"

    class Retention(Model):
        merchant = ForeignKeyField(Merchant, primary_key=True, on_delete="CASCADE")
        files = IntegerField(null=True)
        exchanges = IntegerField(null=True)
        persons = IntegerField(null=True)
        audit = IntegerField(null=True)
        kept_on = CharField(max_length=10)
        version = IntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "retention"

    db.create_tables([WorkspaceExport, Erasure, Retention], safe=False)
