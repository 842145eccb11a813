"""Audit lines say from which device, and whether one of the installation's support staff acted."""

from __future__ import annotations

from typing import Any

from portal.models.database import is_postgres


def up(_: Any, db: Any) -> None:
    for column in ("device VARCHAR(200) NOT NULL DEFAULT ''", f"staff {'SMALLINT' if is_postgres() else 'INTEGER'} NOT NULL DEFAULT 0"):
        db.execute_sql(f"ALTER TABLE audit_line ADD COLUMN {column}")
