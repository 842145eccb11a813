"""Carry out a plan: chunks of a transaction each, the checkpoint in it, old and new values journaled. Removals come last.

Nothing is ever deleted: an item that is missing gets quantity 0 and `missing_since`.
"""

from __future__ import annotations

from collections.abc import Callable

from portal import clock, failpoints, runs
from portal.errors import Refused
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import stage
from portal.inventory.plan import REMOVALS_FROM, written_columns
from portal.leases import Work
from portal.models import MappingVersion, Run, Source, bulk
from portal.runs import Outcome

CHUNK = 2_000
UNKNOWN_HASH = 0
"""Content hash of an item that no longer is what its file said; the next file is compared value by value."""

_HELD_BACK = ("quantity", "warehouses")
_JOURNAL = "INSERT INTO inventory_change (merchant_id, source_id, run_id, item_id, sku, action, row_number, before, after, at) "
# CROSS JOIN pins the order on SQLite: a chunk of the plan, then its rows, then their items, each by its key.
_ROWS = "plan_row p CROSS JOIN staged_row s"
_CHUNK = "p.run_id = ? AND p.n > ? AND p.n <= ? AND p.state = ?"
_SAME_ROW = "s.run_id = p.run_id AND s.row_number = p.row_number"


class Applying:
    """Carries out the plan of run `planned`: that run itself, or the held one whose rest a person accepted.

    `columns`: those the mapping writes; all others stay as they are.
    """

    def __init__(self, work: Work, columns: tuple[str, ...], planned: int | None = None) -> None:
        self.work, self.columns = work, columns
        self.run_id, self.source_id, self.merchant_id = work.run.id, work.run.source_id, work.run.merchant_id
        self.planned = planned or work.run.id
        self.done = 0

    def apply_rows(self, total: int) -> None:
        """Adds, changes, zeros and items that are back; of a held zero everything but its quantity."""

        def chunk(after: int, last: int) -> None:
            self._add(after, last)
            self._change(after, last, "waiting", self.columns)
            self._change(after, last, "held", tuple(name for name in self.columns if name not in _HELD_BACK))

        self._each_chunk("applied", 0, REMOVALS_FROM, total, chunk)

    def accept_rows(self, total: int) -> None:
        """The zeros that were held."""
        self._each_chunk("applied", 0, REMOVALS_FROM, total, lambda after, last: self._change(after, last, "held", self.columns))

    def remove(self, state: str, total: int) -> None:
        """Missing items go to quantity 0. `state`: waiting, or held ones that a person accepted. Only after every other row."""
        failpoints.reach("removals")
        self._each_chunk("removed", REMOVALS_FROM, 2 * REMOVALS_FROM, total, lambda after, last: self._remove(after, last, state))

    def finish(self) -> dict[str, int]:
        """Count the source's items anew, and what this run did by its journal: {action: items}."""
        with self.work.transaction():
            items = bulk.one("SELECT count(*) FROM inventory_item WHERE source_id = ?", (self.source_id,))[0]
            Source.update(item_count=items).where(Source.id == self.source_id).execute()
        return journaled(self.run_id)

    def _each_chunk(self, key: str, low: int, high: int, total: int, act: Callable[[int, int], None]) -> None:
        chunk = f"SELECT n FROM plan_row WHERE run_id = ? AND n > ? AND n <= ? ORDER BY n LIMIT {CHUNK}"
        after = self.work.checkpoint.get(key, low)
        while True:
            self.work.look_for_stop()
            last, size = bulk.one(f"SELECT max(n), count(*) FROM ({chunk}) AS chunk", (self.planned, after, high))
            if last is None:
                return
            with self.work.transaction():
                act(after, last)
                self.work.save_checkpoint(**{key: last})
            failpoints.reach("applied-chunk")
            after, self.done = last, self.done + size
            self.work.progress(min(self.done, total), total)
            bulk.pause()

    def _add(self, after: int, last: int) -> None:
        now, names = clock.now(), ", ".join(f'"{name}"' for name in INVENTORY_COLUMNS)
        values = ", ".join(f's."{name}"' for name in INVENTORY_COLUMNS)
        chosen = f"{_CHUNK} AND p.action = 'add' AND {_SAME_ROW}"
        items = f"""
            INSERT INTO inventory_item
                (public_id, merchant_id, source_id, content_hash, last_run_id, last_row, added_run_id, pinned, archived_by,
                added_at, changed_at, {names})
            SELECT {bulk.random_id()}, ?, ?, s.content_hash, ?, s.row_number, ?, 0, '', ?, ?, {values}
            FROM {_ROWS} WHERE {chosen} ORDER BY p.n"""
        scope = (self.planned, after, last, "waiting")
        added = bulk.run(items, (self.merchant_id, self.source_id, self.run_id, self.run_id, now, now, *scope)).rowcount
        if not added:
            return
        written = bulk.json_object([(name, f's."{name}"', f's."{name}" IS NOT NULL') for name in INVENTORY_COLUMNS])
        journal = f"""{_JOURNAL}
            SELECT ?, ?, ?, i.id, p.sku, p.action, p.row_number, NULL, {written}, ?
            FROM {_ROWS} CROSS JOIN inventory_item i WHERE {chosen} AND i.source_id = ? AND i.sku = p.sku ORDER BY p.n"""
        bulk.run(journal, (self.merchant_id, self.source_id, self.run_id, now, *scope, self.source_id))

    def _change(self, after: int, last: int, state: str, columns: tuple[str, ...]) -> None:
        """Write `columns` of planned rows in `state`. Without all of ours, only where they differ, as a plain change."""
        now, whole = clock.now(), columns == self.columns
        scope = (self.planned, after, last, state)
        action = "p.action" if whole else "'change'"
        chosen = f"{_CHUNK} AND p.action <> 'add' AND {_SAME_ROW}" + ("" if whole else f" AND ({_any_differs('i', columns)})")
        journal = f"""{_JOURNAL}
            SELECT ?, ?, ?, i.id, p.sku, {action}, p.row_number, {_values("i", columns)}, {_values("s", columns)}, ?
            FROM {_ROWS} CROSS JOIN inventory_item i WHERE {chosen} AND i.id = p.item_id ORDER BY p.n"""
        if not bulk.run(journal, (self.merchant_id, self.source_id, self.run_id, now, *scope)).rowcount:
            return
        sets = "".join(f'"{name}" = s."{name}", ' for name in columns)
        content = self._content_hash() if whole else str(UNKNOWN_HASH)
        update = f"""
            UPDATE inventory_item AS i SET {sets}content_hash = {content}, missing_since = NULL,
                last_run_id = ?, last_row = s.row_number, changed_at = ?
            FROM {_ROWS} WHERE {chosen} AND i.id = p.item_id"""
        bulk.run(update, (self.run_id, now, *scope))

    def _content_hash(self) -> str:
        """SQL: the staged row's hash, where the item is all that row says: nothing is left of columns that another mapping wrote."""
        others = [f'i."{name}" IS NULL' for name in INVENTORY_COLUMNS if name not in self.columns and name != "sku"]
        return f"CASE WHEN {' AND '.join(others)} THEN s.content_hash ELSE {UNKNOWN_HASH} END" if others else "s.content_hash"

    def _remove(self, after: int, last: int, state: str) -> None:
        now, scope = clock.now(), (self.planned, after, last, state)
        gone = [("quantity", "i.quantity", bulk.differs("i.quantity", "0")), ("warehouses", "i.warehouses", "i.warehouses IS NOT NULL")]
        left = [("quantity", "0", bulk.differs("i.quantity", "0")), ("warehouses", "CAST(NULL AS text)", "i.warehouses IS NOT NULL")]
        journal = f"""{_JOURNAL}
            SELECT ?, ?, ?, i.id, p.sku, p.action, NULL, {bulk.json_object(gone)}, {bulk.json_object(left)}, ?
            FROM plan_row p CROSS JOIN inventory_item i WHERE {_CHUNK} AND i.id = p.item_id ORDER BY p.n"""
        bulk.run(journal, (self.merchant_id, self.source_id, self.run_id, now, *scope))
        update = f"""
            UPDATE inventory_item AS i SET quantity = 0, warehouses = NULL, missing_since = ?, content_hash = {UNKNOWN_HASH},
                last_run_id = ?, changed_at = ?
            FROM plan_row p WHERE {_CHUNK} AND i.id = p.item_id"""
        bulk.run(update, (now, self.run_id, now, *scope))


def journaled(run_id: int) -> dict[str, int]:
    """What a run did so far: {action: items}."""
    return dict(bulk.run("SELECT action, count(*) FROM inventory_change WHERE run_id = ? GROUP BY action", (run_id,)).fetchall())


def _any_differs(item: str, columns: tuple[str, ...]) -> str:
    return " OR ".join(bulk.differs(f'{item}."{name}"', f's."{name}"') for name in columns) or "1 = 0"


def _values(side: str, columns: tuple[str, ...]) -> str:
    """SQL: the JSON of one side's values, of the columns that differ."""
    return bulk.json_object([(name, f'{side}."{name}"', bulk.differs(f'i."{name}"', f's."{name}"')) for name in columns])


def start_acceptance(held: Run, who: str) -> Run:
    """Start the run that applies what `held` holds back, once a person confirmed it. Raises Refused, AlreadyRunning."""
    _still_held(held)
    if held.source is None:
        raise Refused("The source of this run is gone, so there is nothing to accept.")
    settings = {"accepts": held.id}
    return runs.start(held.source, "accept_removals", integration=held.integration, started_by=who, settings=settings)


def accept_removals(work: Work) -> Outcome:
    """Run handler: apply the held zeros and removals of one run, journaled under this one. Raises Refused when a newer feed came."""
    held = Run.get_by_id(work.run.settings["accepts"])
    if not work.checkpoint.get("done"):
        _still_held(held)
        work.stage("apply")
        version = MappingVersion.get(MappingVersion.integration == held.integration, MappingVersion.number == held.mapping_version)
        work.save(document_id=held.document_id, mapping_version=held.mapping_version)
        total = bulk.one("SELECT count(*) FROM plan_row WHERE run_id = ? AND state = 'held'", (held.id,))[0]
        applying = Applying(work, written_columns(version.rules), planned=held.id)
        applying.accept_rows(total)
        applying.remove("held", total)
        applying.finish()
        with work.transaction():
            Run.update(accepted=True).where(Run.id == held.id).execute()
            work.save_checkpoint(done=True)
    stage.erase(work, held.id)
    done = journaled(work.run.id)
    return Outcome("finished", {"missing": done.get("missing", 0), "zeroed": done.get("zero", 0)}, accepted=True)


def _still_held(held: Run) -> None:
    """Raises Refused unless the run is held, no newer file of its integration was used and no removal took the items since."""
    if Run.select().where(Run.source == held.source_id, Run.id > held.id, Run.kind == "remove_inventory").exists():
        raise Refused("The inventory was removed since; there is nothing to decide here any more.")
    newer = Run.select().where(Run.integration == held.integration_id, Run.id > held.id, Run.kind << ("inventory", "accept_removals"))
    used = newer.where((Run.accepted == True) | (Run.state == "held")).order_by(Run.id.desc()).first()  # noqa: E712
    if held.state != "held" or (used is not None and used.settings.get("accepts") != held.id):
        raise Refused("A newer feed was read since; there is nothing to decide here any more.")
    if used is not None:
        raise Refused("This was accepted already.")
