"""What a linking found no product for, as it was looked at; and products by MPN."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CompositeKey, ForeignKeyField, Model


def up(migrator: Any, db: Any) -> None:
    class Linking(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class InventoryItem(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "inventory_item"

    class LinkUnmatched(Model):
        linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
        item = ForeignKeyField(InventoryItem, on_delete="CASCADE")

        class Meta:
            database = db
            table_name = "link_unmatched"
            primary_key = CompositeKey("linking", "item")

    db.create_tables([LinkUnmatched], safe=False)
    migrator.migrate(migrator.add_index("product", ("merchant_id", "mpn"), False))
