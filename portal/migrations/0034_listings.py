"""Listings of products on channels, the acts that make many, and links from which shops fetch them; channels of one currency."""

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
    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Merchant(Known):
        pass

    class Channel(Known):
        pass

    class Product(Known):
        pass

    class ListingBatch(Known):
        public_id = CharField(max_length=32, unique=True)
        channel = ForeignKeyField(Channel, on_delete="CASCADE", index=False)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        query = CharField(max_length=140)
        state = CharField(max_length=10)
        begin_as = CharField(max_length=10)
        unpriced = SmallIntegerField()
        run_id = BigIntegerField(null=True)
        counts = TextField()
        at = DateTimeField()
        by = CharField(max_length=254)
        applied_at = DateTimeField(null=True)
        undone_at = DateTimeField(null=True)

        class Meta:
            table_name = "listing_batch"
            indexes = ((("channel", "id"), False), (("merchant", "state"), False))

    class Listing(Known):
        public_id = CharField(max_length=32, unique=True)
        channel = ForeignKeyField(Channel, on_delete="CASCADE", index=False)
        product = ForeignKeyField(Product, on_delete="CASCADE", index=False)
        sku = CharField(max_length=160)
        title = CharField(max_length=500, null=True)
        price = BigIntegerField(null=True)
        buffer = IntegerField(null=True)
        cap = IntegerField(null=True)
        state = CharField(max_length=10)
        batch = ForeignKeyField(ListingBatch, null=True, on_delete="SET NULL")
        their_id = CharField(max_length=120)
        pushed_price = BigIntegerField(null=True)
        pushed_quantity = BigIntegerField(null=True)
        pushed_at = DateTimeField(null=True)
        version = IntegerField()
        created_at = DateTimeField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            indexes = ((("channel", "sku"), True), (("product", "channel"), True), (("channel", "state", "sku"), False))

    class FeedLink(Known):
        channel = ForeignKeyField(Channel, unique=True, on_delete="CASCADE")
        token_hash = CharField(max_length=64, unique=True)
        sealed_token = TextField()
        made_at = DateTimeField()
        made_by = CharField(max_length=254)
        polled_at = DateTimeField(null=True)
        polled_from = CharField(max_length=45)
        polled_status = SmallIntegerField()

        class Meta:
            table_name = "feed_link"

    db.create_tables([ListingBatch, Listing, FeedLink], safe=False)
    migrator.migrate(migrator.add_column("channel", "currency", CharField(max_length=3, default="USD")))
