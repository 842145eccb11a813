"""A dry run only reads, so it may go beside a sync of the same integration: one of each, instead of one of either."""

from __future__ import annotations

from typing import Any

UNFINISHED = "(\"state\" IN ('queued', 'running'))"


def up(_: Any, db: Any) -> None:
    db.execute_sql('DROP INDEX "run_unfinished_of_integration"')
    for name, kind in (("run_unfinished_of_integration", "!="), ("run_unfinished_dry_run", "=")):
        db.execute_sql(f"""CREATE UNIQUE INDEX "{name}" ON "run" ("integration_id") WHERE ({UNFINISHED} AND ("kind" {kind} 'dry_run'))""")
    db.execute_sql("""CREATE INDEX "run_dry" ON "run" ("integration_id", "id") WHERE ("kind" = 'dry_run')""")
