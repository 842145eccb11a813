"""How single items stand towards a feed that names them: what it may not write, and what becomes of their being missing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from portal.inventory import role_sql
from portal.inventory.roles import Role
from portal.models import bulk

_OFFERED = {"missing_since": None, "archived_at": None, "archived_by": ""}


def of(ids: Sequence[int], role: Role, locks: str) -> dict[int, tuple[int, dict[str, Any]]]:
    """Item id -> (bits of the columns that may not be written, {column: value} of how it stands then). `locks`: see role_sql.kept."""
    if not ids:
        return {}
    back = f"{role_sql.comes_back(role)} AND (i.archived_at IS NULL OR {role_sql.BY_A_FEED})"
    sql = f"""SELECT i.id, {locks}, CASE WHEN {back} THEN 1 ELSE 0 END, {role_sql.named_now(role)}, {role_sql.taken_now(role)}
        FROM inventory_item i WHERE i.id IN ({", ".join("?" * len(ids))})"""
    return {
        number: (kept, {"missing_in": lacked, "secondary": taken} | (_OFFERED if returns else {}))
        for number, kept, returns, lacked, taken in bulk.run(sql, ids).fetchall()
    }
