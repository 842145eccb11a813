"""What plan, guard, apply and revert need: pins, archiving, the record of the last feed, policies of an integration."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)

from portal.models.database import is_postgres

COLUMNS = (
    ("inventory_item", "added_run_id", BigIntegerField(default=0)),
    ("inventory_item", "added_row", IntegerField(default=0)),
    ("inventory_item", "pinned", BigIntegerField(default=0)),
    ("inventory_item", "archived_at", DateTimeField(null=True)),
    ("inventory_item", "archived_by", CharField(max_length=254, default="")),
    ("plan_row", "marks", SmallIntegerField(default=0)),
    ("plan_row", "before", TextField(null=True)),
    ("plan_row", "after", TextField(null=True)),
    ("set_aside_row", "used_run_id", BigIntegerField(null=True)),
    ("integration", "policies", TextField(default="{}")),
    ("integration", "late_since", DateTimeField(null=True)),
    ("mapping_version", "contract", TextField(null=True)),
    ("run", "plan_hash", CharField(max_length=32, default="")),
)


def up(migrator: Any, db: Any) -> None:
    migrator.migrate(*[migrator.add_column(table, name, field) for table, name, field in COLUMNS])
    # the longer indexes that begin with them serve as well, and a first load need not keep these
    for column in ("merchant_id", "source_id"):
        db.execute_sql(f'DROP INDEX "inventoryitem_{column}"')

    db.execute_sql('CREATE INDEX "inventory_item_added_run_id_id" ON "inventory_item" ("added_run_id", "id")')

    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "merchant"

    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "source"

    class Integration(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "integration"

    class FreshRow(Model):
        sku = CharField(max_length=120)
        parent_sku = CharField(max_length=120, null=True)
        title = CharField(max_length=500, null=True)
        description = TextField(null=True)
        brand = CharField(max_length=255, null=True)
        upc = CharField(max_length=14, null=True)
        mpn = CharField(max_length=120, null=True)
        quantity = BigIntegerField(null=True)
        cost = BigIntegerField(null=True)
        list_price = BigIntegerField(null=True)
        msrp = BigIntegerField(null=True)
        map_price = BigIntegerField(null=True)
        weight = BigIntegerField(null=True)
        weight_unit = CharField(max_length=20, null=True)
        length = BigIntegerField(null=True)
        width = BigIntegerField(null=True)
        height = BigIntegerField(null=True)
        dimension_unit = CharField(max_length=20, null=True)
        category_1 = CharField(max_length=255, null=True)
        category_2 = CharField(max_length=255, null=True)
        category_3 = CharField(max_length=255, null=True)
        images = TextField(null=True)
        condition = CharField(max_length=60, null=True)
        status = CharField(max_length=60, null=True)
        bin_location = CharField(max_length=60, null=True)
        warehouses = TextField(null=True)
        custom = TextField(null=True)
        run_id = BigIntegerField()
        row_number = IntegerField()
        used = SmallIntegerField()
        content_hash = BigIntegerField()

        class Meta:
            database = db
            table_name = "fresh_row"
            primary_key = CompositeKey("run_id", "row_number")

    class ItemPin(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        item_id = BigIntegerField()
        sku = CharField(max_length=120)
        column = CharField(max_length=40)
        value = TextField(null=True)
        note = CharField(max_length=200)
        made_by = CharField(max_length=254)
        made_at = DateTimeField()
        expires_at = DateTimeField(null=True, index=True)

        class Meta:
            database = db
            table_name = "item_pin"
            indexes = ((("item_id", "column"), True),)

    class FeedState(Model):
        integration = ForeignKeyField(Integration, primary_key=True, on_delete="CASCADE", backref="+")
        run_id = BigIntegerField()
        key = CharField(max_length=64)
        compared = CharField(max_length=10)
        stored_name = CharField(max_length=120)
        records = IntegerField()
        known = IntegerField()
        in_stock = IntegerField()
        at = DateTimeField()

        class Meta:
            database = db
            table_name = "feed_state"

    class StaleRecord(Model):
        integration = ForeignKeyField(Integration, on_delete="CASCADE", backref="+", index=False)
        sku = CharField(max_length=120)
        marked_at = DateTimeField()

        class Meta:
            database = db
            table_name = "stale_record"
            primary_key = CompositeKey("integration", "sku")

    db.create_tables([FreshRow, ItemPin, FeedState, StaleRecord], safe=False)
    if is_postgres():
        db.execute_sql("ALTER TABLE fresh_row SET UNLOGGED")
