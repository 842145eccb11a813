"""What is not as by default on an integration: each part of `Integration.policies` is saved whole, by version, with a line in the audit."""

from __future__ import annotations

from typing import Any

from portal import audit, clock
from portal.errors import Stale
from portal.models import Integration, database


def save(integration: Integration, part: str, value: Any, version: int, who: str) -> Integration:
    """Keep one part of the policies, a JSON value; None, "" and {} are the default again.

    Raises Stale when someone saved the integration since `version`.
    """
    with database.atomic():
        fresh = Integration.get_by_id(integration.id)
        before = dict(fresh.policies or {})
        policies = {name: kept for name, kept in before.items() if name != part} | ({} if value in (None, "", {}) else {part: value})
        columns = {"policies": policies, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
        mine = (Integration.id == integration.id) & (Integration.version == version)
        if not Integration.update(columns).where(mine).execute():
            raise Stale(fresh.changed_by, fresh.changed_at)
        source = integration.source
        told = ({part: before.get(part)}, {part: policies.get(part)})
        audit.write(
            source.merchant, who, f"integration.{part}", "integration", integration.public_id, before=told[0], after=told[1]
        )  # fmt: skip
    return Integration.get_by_id(integration.id)
