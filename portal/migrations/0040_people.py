"""Four roles in place of two: who was a member is an admin now, so that nobody loses what they could do."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, db: Any) -> None:  # noqa: ARG001 - every migration is called the same way
    db.execute_sql("UPDATE \"user\" SET role = 'admin' WHERE role <> 'owner'")
