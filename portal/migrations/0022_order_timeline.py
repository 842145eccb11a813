"""What happened to one object is found in the audit log by its id, for the timeline of an order."""

from __future__ import annotations

from typing import Any


def up(migrator: Any, _: Any) -> None:
    migrator.migrate(migrator.add_index("audit_line", ("merchant_id", "object_id"), False))
