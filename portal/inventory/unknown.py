"""SKUs that the file of Get Inventory Secondary names and the source has no item of. They are counted and named; none becomes an item.

Kept from run to run, as a run reads only what is new in its file.
"""

from __future__ import annotations

from peewee import fn

from portal.inventory import stage
from portal.leases import Work
from portal.models import Integration, InventoryItem, UnknownSku, bulk
from portal.models.database import is_postgres
from portal.models.staging import Stage

CHUNK = 4_000
PAGE_SIZE = 100
NAMED = 5
LONGEST_NAMED = 300

_NO_ITEM = "NOT EXISTS (SELECT 1 FROM inventory_item i WHERE i.source_id = ? AND i.sku = s.sku)"


def count(work: Work, held: Stage, fresh_only: bool) -> int:
    """How many the run's file names, as far as its record tells. `fresh_only`: only those in the stage. Inside `held.attached()`."""
    fresh = f"SELECT count(*) FROM {held.table} s WHERE s.run_id = ? AND s.used = 1 AND {_NO_ITEM}"
    found = int(bulk.one(fresh, (work.run.id, work.run.source_id))[0])
    if fresh_only:
        return found
    if not is_postgres():
        bulk.run("CREATE INDEX IF NOT EXISTS stage.fresh_sku ON fresh_row (sku)")
    kept = f"""SELECT count(*) FROM unknown_sku u WHERE u.integration_id = ?
        AND NOT EXISTS (SELECT 1 FROM {held.table} s WHERE s.run_id = ? AND s.sku = u.sku)"""
    return found + int(bulk.one(kept, (work.run.integration_id, work.run.id))[0])


def settle(work: Work, rows: str, whole: bool) -> None:
    """Bring the list up to the run's file, in chunks that may be done twice. `whole`: what the stage does not hold is no longer named."""
    sql = f"""INSERT INTO unknown_sku (integration_id, sku, run_id, row_number)
        SELECT ?, s.sku, s.run_id, s.row_number FROM {rows} s
        WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ? AND s.used = 1 AND {_NO_ITEM} ORDER BY s.sku"""
    named = f"SELECT s.sku FROM {rows} s WHERE s.run_id = ? AND s.row_number > ? AND s.row_number <= ?"
    chunk = f"SELECT row_number FROM {rows} WHERE run_id = ? AND row_number > ? ORDER BY row_number LIMIT {CHUNK}"
    after, mine = -(1 << 40), work.run.integration_id
    while (last := bulk.one(f"SELECT max(row_number) FROM ({chunk}) AS chunk", (work.run.id, after))[0]) is not None:
        scope = (work.run.id, after, last)
        with work.transaction():
            bulk.run(f"DELETE FROM unknown_sku WHERE integration_id = ? AND sku IN ({named})", (mine, *scope))
            bulk.run(sql, (mine, *scope, work.run.source_id))
        after = last
        bulk.pause()
    if whole:
        _forget_earlier(work)


def _forget_earlier(work: Work) -> None:
    earlier = UnknownSku.select(UnknownSku.sku).where(UnknownSku.integration == work.run.integration_id, UnknownSku.run_id != work.run.id)
    while skus := [row.sku for row in earlier.limit(stage.CHUNK)]:
        with work.transaction():
            UnknownSku.delete().where(UnknownSku.integration == work.run.integration_id, UnknownSku.sku << skus).execute()
        bulk.pause()


def words(work: Work, number: int) -> str:
    """The sentence of a run that met such SKUs."""
    names = [row.sku for row in listing(Integration.get_by_id(work.run.integration_id), size=NAMED)[0]]
    such = ", ".join(names)[:LONGEST_NAMED]
    which = f": {such}" if number == len(names) else f", such as {such}" if such else ""
    if number == 1:
        return f"1 SKU of the file is not in your inventory and was left out{which}. This feed never adds items."
    return f"{number:,} SKUs of the file are not in your inventory and were left out{which}. This feed never adds items."


def listing(integration: Integration, after: str = "", size: int = PAGE_SIZE) -> tuple[list[UnknownSku], str]:
    """`size` of them past the SKU `after`, each with `row_number` and `run_id` of the file that said so; and where the next page starts."""
    here = InventoryItem.select().where(InventoryItem.source == integration.source_id, InventoryItem.sku == UnknownSku.sku)
    rows = UnknownSku.select().where(UnknownSku.integration == integration.id, UnknownSku.sku > after).where(~fn.EXISTS(here))
    found = list(rows.order_by(UnknownSku.sku).limit(size + 1))
    return found[:size], found[size - 1].sku if len(found) > size else ""
