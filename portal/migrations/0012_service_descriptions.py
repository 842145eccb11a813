"""SOAP services: the WSDL of a source, and the call that is made by it."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "source"

    class ServiceDescription(Model):
        id = BigAutoField()
        source = ForeignKeyField(Source, unique=True, on_delete="CASCADE", backref="+")
        packed = TextField()
        digest = CharField(max_length=64)
        extra = TextField()
        outline = TextField()
        call = TextField()
        read_at = DateTimeField(null=True)
        changes = TextField()
        changes_at = DateTimeField(null=True)
        version = IntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "service_description"

    db.create_tables([ServiceDescription], safe=False)
