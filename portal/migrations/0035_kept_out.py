"""Items that a rule keeps out of the catalogue, or that wait for room in the plan. What is in costs no index entry."""

from __future__ import annotations

from typing import Any

from peewee import SQL, BigIntegerField, DateTimeField, SmallIntegerField

COLUMNS = (
    ("kept_out", SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])),
    ("exclusion_id", BigIntegerField(null=True)),
    ("kept_out_since", DateTimeField(null=True)),
)
INDEXES = (
    'inventory_item_kept_out" ON "inventory_item" ("source_id", "kept_out", "archived_at") WHERE ("kept_out" > 0)',
    'inventory_item_excluded" ON "inventory_item" ("exclusion_id", "id") WHERE ("kept_out" = 1)',
    'inventory_item_waiting" ON "inventory_item" ("merchant_id", "kept_out_since", "id") WHERE ("kept_out" = 2)',
    'inventory_item_let_in" ON "inventory_item" ("source_id", "kept_out_since") '
    'WHERE (("kept_out" = 0) AND ("kept_out_since" IS NOT NULL))',
)


def up(migrator: Any, db: Any) -> None:
    migrator.migrate(*[migrator.add_column("inventory_item", name, field) for name, field in COLUMNS])
    for index in INDEXES:
        db.execute_sql(f'CREATE INDEX "{index}')
