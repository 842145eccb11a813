"""Products by Master SKU, their links to inventory items, and the bulk linkings."""

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


def up(_: Any, db: Any) -> None:
    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Merchant(Known):
        pass

    class Source(Known):
        pass

    class InventoryItem(Known):
        class Meta:
            table_name = "inventory_item"

    class Linking(Known):
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, null=True, on_delete="CASCADE")
        rules = TextField()
        state = CharField(max_length=10)
        run_id = BigIntegerField(null=True)
        counts = TextField()
        include = TextField()
        create_rest = SmallIntegerField()
        at = DateTimeField()
        by = CharField(max_length=254)
        applied_at = DateTimeField(null=True)
        undone_at = DateTimeField(null=True)
        said = CharField(max_length=500)

        class Meta:
            indexes = ((("merchant", "id"), False),)

    class Product(Known):
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        sku = CharField(max_length=140)
        title = CharField(max_length=500)
        brand = CharField(max_length=255)
        gtin = CharField(max_length=14)
        mpn = CharField(max_length=120)
        mpn_key = CharField(max_length=400)
        images = TextField(null=True)
        linking = ForeignKeyField(Linking, null=True, on_delete="SET NULL")
        at = DateTimeField()
        by = CharField(max_length=254)

        class Meta:
            indexes = ((("merchant", "sku"), True), (("merchant", "gtin"), False), (("merchant", "mpn_key"), False))

    class ProductLink(Model):
        item = ForeignKeyField(InventoryItem, primary_key=True, on_delete="CASCADE")
        product = ForeignKeyField(Product, on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
        linking = ForeignKeyField(Linking, null=True, on_delete="SET NULL")
        rule = CharField(max_length=10)
        place = SmallIntegerField()
        told = CharField(max_length=400)
        at = DateTimeField()
        by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "product_link"
            indexes = ((("product", "source"), False), (("source", "item"), False))

    class LinkCandidate(Model):
        linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
        item = ForeignKeyField(InventoryItem, on_delete="CASCADE")
        product = ForeignKeyField(Product, on_delete="CASCADE")
        source_id = BigIntegerField()
        rule = CharField(max_length=10)
        place = SmallIntegerField()
        verdict = CharField(max_length=10)

        class Meta:
            database = db
            table_name = "link_candidate"
            primary_key = CompositeKey("linking", "item", "product")
            indexes = ((("linking", "verdict", "item"), False), (("linking", "product"), False))

    db.create_tables([Linking, Product, ProductLink, LinkCandidate], safe=False)
