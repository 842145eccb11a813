"""A reference may be used again once a supplier refused it, and a submission remembers at which server it began."""

from __future__ import annotations

from typing import Any

from peewee import CharField


def up(migrator: Any, db: Any) -> None:
    """Add the column; make the index anew."""
    db.execute_sql("DROP INDEX submission_reference")
    db.execute_sql(
        "CREATE UNIQUE INDEX submission_reference ON submission (source_id, reference) WHERE (\"state\" NOT IN ('cancelled', 'rejected'))"
    )
    migrator.migrate(migrator.add_column("submission", "server", CharField(max_length=300, default="")))
