"""When the bytes of what was sent were erased; an index of those that are there."""

from __future__ import annotations

from typing import Any

from portal.models.database import is_postgres


def up(_: Any, db: Any) -> None:
    db.execute_sql(f"ALTER TABLE submission_part ADD COLUMN erased_at {'TIMESTAMP' if is_postgres() else 'DATETIME'}")
    db.execute_sql('CREATE INDEX "submission_part_kept" ON "submission_part" ("id") WHERE ("erased_at" IS NULL)')
