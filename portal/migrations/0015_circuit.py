"""Sources whose server keeps failing, and which server a run talks with."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model


def up(migrator: Any, db: Any) -> None:
    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "source"

    class Circuit(Model):
        id = BigAutoField()
        source = ForeignKeyField(Source, unique=True, on_delete="CASCADE", backref="+")
        failures = IntegerField()
        opened = IntegerField()
        headline = CharField(max_length=200)
        until = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "circuit"

    db.create_tables([Circuit], safe=False)
    migrator.migrate(migrator.add_column("run", "server", CharField(max_length=300, default="")))
