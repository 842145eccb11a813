"""Sources whose new items are linked to products by themselves."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, Model, TextField


def up(migrator: Any, db: Any) -> None:
    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class AutomaticLinking(Model):
        source = ForeignKeyField(Source, primary_key=True, on_delete="CASCADE")
        mode = CharField(max_length=10)
        rules = TextField()
        seen_item_id = BigIntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "automatic_linking"

    db.create_tables([AutomaticLinking], safe=False)
    migrator.migrate(migrator.add_column("linking", "after_item_id", BigIntegerField(default=0)))
