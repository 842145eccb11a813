"""Price and quantity of listings go to connected stores: how a channel does that, what each store has, and what was sent."""

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

from portal.models.database import is_postgres

# by hand: peewee would build SQLite's table anew for a column that is NOT NULL
POSTGRES = (
    "push_state VARCHAR(10) NOT NULL DEFAULT ''", "push_said VARCHAR(300) NOT NULL DEFAULT ''", "store_price BIGINT",
    "store_quantity BIGINT", "asked_at TIMESTAMP",
)  # fmt: skip
SQLITE = (
    "push_state VARCHAR(10) NOT NULL DEFAULT ''", "push_said VARCHAR(300) NOT NULL DEFAULT ''", "store_price INTEGER",
    "store_quantity INTEGER", "asked_at DATETIME",
)  # fmt: skip


def up(migrator: Any, db: Any) -> None:
    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Channel(Known):
        pass

    class Listing(Known):
        pass

    class ChannelPush(Known):
        channel = ForeignKeyField(Channel, unique=True, on_delete="CASCADE")
        state = CharField(max_length=10)
        prices = SmallIntegerField()
        place = CharField(max_length=120)
        place_name = CharField(max_length=120)
        share = SmallIntegerField()
        least = IntegerField()
        move = SmallIntegerField()
        looked = TextField()
        looked_at = DateTimeField(null=True)
        held = TextField()
        compared_at = DateTimeField(null=True)
        audited_to = IntegerField()
        due_at = DateTimeField(null=True)
        version = IntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            table_name = "channel_push"

    class ListingPush(Known):
        listing = ForeignKeyField(Listing, on_delete="CASCADE", index=False)
        run_id = BigIntegerField(null=True)
        at = DateTimeField()
        old_price = BigIntegerField(null=True)
        new_price = BigIntegerField(null=True)
        old_quantity = BigIntegerField(null=True)
        new_quantity = BigIntegerField(null=True)
        outcome = CharField(max_length=10)
        said = CharField(max_length=300)

        class Meta:
            table_name = "listing_push"
            indexes = ((("listing", "id"), False),)

    db.create_tables([ChannelPush, ListingPush], safe=False)
    db.execute_sql('CREATE INDEX "listing_push_open" ON "listing_push" ("listing_id") WHERE ("outcome" = \'\')')
    for column in POSTGRES if is_postgres() else SQLITE:
        db.execute_sql(f"ALTER TABLE listing ADD COLUMN {column}")
    migrator.migrate(migrator.add_index("committed_stock", ("merchant_id", "changed_at"), False))
