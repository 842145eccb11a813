"""Products that are edited, links that a linking moved, looking through what it found by SKU, Master SKUs of other identifiers, counts."""

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

ADDED = (
    "product ADD COLUMN version INTEGER NOT NULL DEFAULT 1",
    "product ADD COLUMN changed_by VARCHAR(254) NOT NULL DEFAULT ''",
    "source ADD COLUMN master_from VARCHAR(10) NOT NULL DEFAULT 'sku'",
    "linking ADD COLUMN master_from VARCHAR(10) NOT NULL DEFAULT ''",
    "link_candidate ADD COLUMN sku VARCHAR(120) NOT NULL DEFAULT ''",
    "link_unmatched ADD COLUMN sku VARCHAR(120) NOT NULL DEFAULT ''",
)


def up(migrator: Any, db: Any) -> None:
    for column in ADDED:
        db.execute_sql(f"ALTER TABLE {column}")
    for table in ("link_candidate", "link_unmatched"):
        db.execute_sql(f"UPDATE {table} SET sku = (SELECT i.sku FROM inventory_item i WHERE i.id = {table}.item_id)")
    migrator.migrate(
        migrator.add_column("product", "changed_at", DateTimeField(null=True)),
        migrator.drop_index("link_candidate", "linkcandidate_linking_id_verdict_item_id"),
        migrator.add_index("link_candidate", ("linking_id", "verdict", "sku", "item_id"), False),
        migrator.add_index("link_unmatched", ("linking_id", "sku", "item_id"), False),
    )

    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Merchant(Known):
        pass

    class Linking(Known):
        pass

    class InventoryItem(Known):
        class Meta:
            table_name = "inventory_item"

    class LinkDamaged(Model):
        linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
        item = ForeignKeyField(InventoryItem, on_delete="CASCADE")
        field = CharField(max_length=10)
        sku = CharField(max_length=120)

        class Meta:
            database = db
            table_name = "link_damaged"
            primary_key = CompositeKey("linking", "item", "field")
            indexes = ((("linking", "sku", "item"), False),)

    class LinkMoved(Model):
        linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
        item = ForeignKeyField(InventoryItem, on_delete="CASCADE")
        product_id = BigIntegerField()
        source_id = BigIntegerField()
        former_id = BigIntegerField(null=True)
        rule = CharField(max_length=10)
        place = SmallIntegerField()
        told = CharField(max_length=400)
        at = DateTimeField()
        by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "link_moved"
            primary_key = CompositeKey("linking", "item")

    class CatalogueCount(Model):
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        source_id = BigIntegerField()
        counts = TextField()
        mark = CharField(max_length=80)
        at = DateTimeField()

        class Meta:
            database = db
            table_name = "catalogue_count"
            primary_key = CompositeKey("merchant", "source_id")

    db.create_tables([LinkDamaged, LinkMoved, CatalogueCount], safe=False)
