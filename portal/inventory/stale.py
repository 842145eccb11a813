"""What tells a feed that something else wrote an item: its record must be read again though it looks the same.

Call one of these in the same transaction as the write. Of two feeds, the primary marks for the secondary what it adds and what comes
back to it, as the secondary has to write those anew. Nothing else that one feed writes is any of the other's: columns have one owner,
and who may bring a missing item back is asked whenever its row is read (see roles, missing). What changes that is part of a record's
key, so that the next file is read whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

from portal import clock
from portal.models import FeedState, Integration, bulk

CHUNK = 2_000
KINDS = ("get_inventory_primary", "get_inventory_secondary")

EVERYTHING = ""
UNKNOWN = -1
_MARK = """
INSERT INTO stale_record (integration_id, sku, marked_at) VALUES (?, ?, ?)
ON CONFLICT (integration_id, sku) DO UPDATE SET marked_at = excluded.marked_at"""


def mark(source_id: int, skus: Iterable[str]) -> None:
    """Each inventory integration of the source reads the records of these SKUs again. Sorted, so that two of us never wait in a circle."""
    integrations, now = _integrations(source_id), clock.now()
    waiting = iter(sorted(set(skus)))
    while some := list(islice(waiting, CHUNK)):
        bulk.run_many(_MARK, [(integration, sku, now) for integration in integrations for sku in some])


def forget(source_id: int) -> None:
    """Each inventory integration of the source reads its next feed whole: for when very many items changed, or all of them."""
    integrations, now = _integrations(source_id), clock.now()
    if integrations:
        FeedState.delete().where(FeedState.integration << integrations).execute()
        bulk.run_many(_MARK, [(integration, EVERYTHING, now) for integration in integrations])  # for a run that is amid its work


def mark_those(integration_id: int, skus: str, scope: Sequence[Any]) -> None:
    """One integration reads the records of these SKUs again. `skus`: SQL that selects them by the parameters `scope`."""
    sql = f"""INSERT INTO stale_record (integration_id, sku, marked_at) SELECT ?, those.sku, ? FROM ({skus}) AS those WHERE 1 = 1
        ORDER BY those.sku ON CONFLICT (integration_id, sku) DO UPDATE SET marked_at = excluded.marked_at"""
    bulk.run(sql, (integration_id, clock.now(), *scope))


def others(source_id: int, integration_id: int) -> list[int]:
    """The other inventory integrations of the source that remember a feed."""
    known = [row.integration_id for row in FeedState.select(FeedState.integration).where(FeedState.integration << _integrations(source_id))]
    return [one for one in known if one != integration_id]


def forget_others(source_id: int, integration_id: int) -> None:
    """Each other inventory integration reads its next feed whole."""
    now = clock.now()
    for other in others(source_id, integration_id):
        FeedState.delete().where(FeedState.integration == other).execute()
        bulk.run_many(_MARK, [(other, EVERYTHING, now)])


def forget_counts(source_id: int) -> None:
    """The next run counts the source's items anew, as something else than its feed changed how many there are."""
    integrations = _integrations(source_id)
    FeedState.update(known=UNKNOWN).where(FeedState.integration << integrations).execute()


def _integrations(source_id: int) -> list[int]:
    rows = Integration.select(Integration.id).where(Integration.source == source_id, Integration.kind << KINDS).order_by(Integration.id)
    return [row.id for row in rows]
