"""Items that a rule keeps out of the catalogue, or that wait for room in the plan. What is in costs no index entry."""

from __future__ import annotations

from typing import Any

from portal.models.database import is_postgres

# by hand: peewee would build SQLite's table anew for a column that is NOT NULL, and its triggers would go with the old one
POSTGRES = ("kept_out SMALLINT NOT NULL DEFAULT 0", "exclusion_id BIGINT", "kept_out_since TIMESTAMP")
SQLITE = ("kept_out INTEGER NOT NULL DEFAULT 0", "exclusion_id INTEGER", "kept_out_since DATETIME")
INDEXES = (
    'inventory_item_kept_out" ON "inventory_item" ("source_id", "kept_out", "archived_at") WHERE ("kept_out" > 0)',
    'inventory_item_excluded" ON "inventory_item" ("exclusion_id", "id") WHERE ("kept_out" = 1)',
    'inventory_item_waiting" ON "inventory_item" ("merchant_id", "kept_out_since", "id") WHERE ("kept_out" = 2)',
    'inventory_item_let_in" ON "inventory_item" ("source_id", "kept_out_since") '
    'WHERE (("kept_out" = 0) AND ("kept_out_since" IS NOT NULL))',
)


def up(_: Any, db: Any) -> None:
    for column in POSTGRES if is_postgres() else SQLITE:
        db.execute_sql(f"ALTER TABLE inventory_item ADD COLUMN {column}")
    for index in INDEXES:
        db.execute_sql(f'CREATE INDEX "{index}')
