"""When a person last changed a channel's listings, and of when the newest file is that its shop has."""

from __future__ import annotations

from typing import Any

from portal.models.database import is_postgres


def up(_: Any, db: Any) -> None:
    moment = "TIMESTAMP" if is_postgres() else "DATETIME"
    for column in ("touched_at", "shown_at"):
        db.execute_sql(f"ALTER TABLE channel ADD COLUMN {column} {moment}")
