"""Two integrations of one inventory: who wrote a column, whose file lacks an item, SKUs that only the secondary's file names."""

from __future__ import annotations

from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
)

COLUMNS = (
    ("inventory_item", "missing_in", SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])),
    ("inventory_item", "secondary", BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])),
    ("integration", "removed_at", DateTimeField(null=True)),
)


def up(migrator: Any, db: Any) -> None:
    migrator.migrate(*[migrator.add_column(table, name, field) for table, name, field in COLUMNS])

    class Integration(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "integration"

    class UnknownSku(Model):
        integration = ForeignKeyField(Integration, on_delete="CASCADE", backref="+", index=False)
        sku = CharField(max_length=120)
        run_id = BigIntegerField()
        row_number = IntegerField()

        class Meta:
            database = db
            table_name = "unknown_sku"
            primary_key = CompositeKey("integration", "sku")

    db.create_tables([UnknownSku], safe=False)
