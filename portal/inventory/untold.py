"""For a file of changes whose items name only some fields: what an item does not mention stays as it is.

Rows that give a SKU again in the same run come first: a later one leaves alone what an earlier one said.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portal.fields import INVENTORY_COLUMNS, LARGEST_QUANTITY
from portal.inventory.duplicates import GROUPS, warehouses_text
from portal.leases import Work
from portal.mapping import content_hash
from portal.mapping.untold import CUSTOM, WAREHOUSE
from portal.models import InventoryItem
from portal.models.staging import Stage

Keys = tuple[str, ...]
STOCK = ("quantity", "warehouses")
_AT = {name: place for place, name in enumerate(INVENTORY_COLUMNS)}


class Filling:
    """Fills staged rows. `untold`: the keys of each row's fields that it does not mention."""

    def __init__(self, work: Work, stage: Stage, untold: Mapping[int, Keys], rules: Mapping[str, Any]) -> None:
        self.work, self.stage, self.untold = work, stage, dict(untold)
        self.by_warehouse, self.sums = bool(rules.get("warehouse_rows")), "quantity" not in rules["fields"]

    def from_earlier_rows(self, groups: Sequence[Sequence[int]], bases: Sequence[int], policy: str) -> None:
        """Of rows that share a SKU, in their order: each takes what it does not mention from the one before.

        `bases`: what the row numbers of each file are raised by. Within one file that is so only where the last row counts.
        """
        for start in range(0, len(groups), GROUPS):
            some = [sorted(group) for group in groups[start : start + GROUPS]]
            rows = self._rows([number for group in some for number in group])
            changed: dict[int, list[Any]] = {}
            for group in some:
                usable = [number for number in group if number in rows]
                for before, number in zip(usable, usable[1:], strict=False):
                    one_file = bisect_left(bases, before) == bisect_left(bases, number)
                    keys = () if one_file and policy != "last" else self.untold.get(number, ())
                    if self.by_warehouse:  # another row's stock is another warehouse's
                        keys = tuple(key for key in keys if key not in STOCK)
                    if keys:
                        changed[number] = filled(rows[number], keys, rows[before], self.sums)
                        still = {*self.untold[number]} - {*keys} | {*self.untold.get(before, ())}
                        self.untold[number] = tuple(key for key in self.untold[number] if key in still)
            self._write(changed)

    def from_items(self) -> None:
        """Each row takes what is still not mentioned from its item; of a new item that stays empty."""
        numbers = sorted(number for number, keys in self.untold.items() if keys)
        for some in (numbers[start : start + GROUPS] for start in range(0, len(numbers), GROUPS)):
            rows = self._rows(some)
            skus = [row[_AT["sku"]] for row in rows.values()]
            mine = (InventoryItem.source == self.work.run.source_id) & (InventoryItem.sku << skus)
            items = {item.sku: [getattr(item, name) for name in INVENTORY_COLUMNS] for item in InventoryItem.select().where(mine)}
            known = ((number, row, items.get(row[_AT["sku"]])) for number, row in rows.items())
            self._write({number: filled(row, self._left(number, row), held, self.sums) for number, row, held in known if held})

    def _left(self, number: int, row: list[Any]) -> Keys:
        """What is still to be filled: not the stock of a row that another warehouse's row was joined to."""
        joined = self.by_warehouse and row[_AT["warehouses"]] is not None
        return tuple(key for key in self.untold[number] if not (joined and key in STOCK))

    def _rows(self, numbers: Sequence[int]) -> dict[int, list[Any]]:
        """The values of those of the rows that are used."""
        columns = ", ".join(f'"{name}"' for name in INVENTORY_COLUMNS)
        found: dict[int, list[Any]] = {}
        for start in range(0, len(numbers), 10_000):
            some = numbers[start : start + 10_000]
            marks = ", ".join("?" * len(some))
            sql = f"SELECT row_number, {columns} FROM fresh_row WHERE run_id = ? AND used = 1 AND row_number IN ({marks})"
            found |= {row[0]: list(row[1:]) for row in self.stage.rows(sql, (self.work.run.id, *some))}
        return found

    def _write(self, rows: Mapping[int, list[Any]]) -> None:
        if rows:
            columns = ", ".join(f'"{name}" = ?' for name in INVENTORY_COLUMNS)
            sql = f"UPDATE fresh_row SET {columns}, content_hash = ? WHERE run_id = ? AND row_number = ?"
            with self.work.staging():
                told = [(*row, content_hash(row), self.work.run.id, number) for number, row in rows.items()]
                self.stage.change(sql, told)
        self.work.check_stop()


def filled(row: list[Any], keys: Keys, held: Sequence[Any], sums: bool) -> list[Any]:
    """The row, changed in place: what it does not mention is as `held`."""
    for key in keys:
        if key in _AT:
            row[_AT[key]] = held[_AT[key]]
    _join(row, "custom", dict(_named(keys, CUSTOM, held[_AT["custom"]])))
    stores = dict(_named(keys, WAREHOUSE, held[_AT["warehouses"]]))
    if any(key.startswith(WAREHOUSE) for key in keys):
        _join(row, "warehouses", stores)
        if sums:
            units = [*json.loads(row[_AT["warehouses"]] or "{}").values()]
            row[_AT["quantity"]] = min(sum(units), LARGEST_QUANTITY) if units else held[_AT["quantity"]]
    return row


def _named(keys: Keys, before: str, held: str | None) -> Iterator[tuple[str, Any]]:
    told = json.loads(held or "{}")
    for key in keys:
        if key.startswith(before) and (name := key.removeprefix(before)) in told:
            yield name, told[name]


def _join(row: list[Any], column: str, kept: Mapping[str, Any]) -> None:
    if kept:
        row[_AT[column]] = warehouses_text({**kept, **json.loads(row[_AT[column]] or "{}")})
