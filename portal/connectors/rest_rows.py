"""The rows of a list: items with what a second list says of each, or a row for each part of an item.

items ─▶ join (a second list, by key) ─▶ children (own requests, or a list inside the item) ─▶ rows
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from portal.connectors import answers, problems

Item = Mapping[str, Any]


@dataclass(frozen=True)
class Join:
    """A second list: `key` is the path to the key in its items, `on` the path to it in ours; what is found goes under the name `under`."""

    key: str
    on: str
    under: str


@dataclass(frozen=True)
class Children:
    """The parts of an item that are rows of their own, each with its item as "parent".

    `path`: where they are read, with {names} of the item in it, "" when they are at `items` in the item itself. `when`: "key=value|other"
    of the items that have parts; "" for all. An item that has parts is no row itself.
    """

    path: str = ""
    items: str = ""
    when: str = ""

    def apply(self, item: Item) -> bool:
        """Whether the item's parts are rows instead of it."""
        if not self.when:
            return bool(self.path or answers.items(item, self.items))
        key, _, wanted = self.when.partition("=")
        found = answers.at(item, key)
        return ("true" if found is True else str(found)) in wanted.split("|")


class Joined:
    """A second list on disk, by key; a file beside the one that is fetched, gone at the end. Raises SupplierError for a full disk."""

    def __init__(self, place: Path, join: Join) -> None:
        self.place, self.join = place, join
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        self._line = sqlite3.connect(place, isolation_level=None)
        self._line.execute("PRAGMA journal_mode = OFF")
        self._line.execute("PRAGMA synchronous = OFF")
        self._line.execute("PRAGMA cache_size = -8000")
        self._line.execute("CREATE TABLE item (key TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")

    def take(self, items: Iterable[Item]) -> None:
        """Keep a page of the second list; of two with one key the later counts."""
        rows = [(str(key), orjson.dumps(one)) for one in items if (key := answers.at(one, self.join.key)) is not None]
        try:
            self._line.execute("BEGIN")
            self._line.executemany("INSERT OR REPLACE INTO item VALUES (?, ?)", rows)
            self._line.execute("COMMIT")
        except sqlite3.OperationalError as error:
            raise problems.not_stored(str(error)) from error

    def onto(self, item: Item) -> Item:
        """The item with its partner under the name; without, when it has none."""
        key = answers.at(item, self.join.on)
        found = None if key is None else self._line.execute("SELECT body FROM item WHERE key = ?", (str(key),)).fetchone()
        return item if found is None else {**item, self.join.under: orjson.loads(found[0])}

    def close(self) -> None:
        """Forget it all."""
        self._line.close()
        self.place.unlink(missing_ok=True)


def with_children(items: Iterable[Item], children: Children, asked: Callable[[Item], Iterator[Iterable[Item]]]) -> Iterator[Item]:
    """A row for each item, or for each of its children where it has some. `asked` reads the children of an item from the server."""
    for item in items:
        if not children.apply(item):
            yield item
        elif children.path:
            for page in asked(item):
                yield from ({**child, "parent": item} for child in page)
        else:
            whole, within = dict(item), answers.items(item, children.items) or []
            whole.pop(children.items, None)
            yield from ({**child, "parent": whole} for child in within)


def with_columns(row: Item, columns: Iterable[str]) -> Item:
    """The row with every dotted name of `columns` in it, empty where it was absent, so that a feed always has the mapped columns.

    "options 2.label" is of the second entry of a list, as feeds name it.
    """
    whole = dict(row)
    for column in columns:
        _set(whole, column.split("."))
    return whole


def _set(item: dict[str, Any], path: list[str]) -> None:
    name = path[0]
    listed, _, number = name.rpartition(" ")
    if number.isdecimal() and isinstance(entries := item.get(listed), list) and len(entries) >= int(number):
        return
    if len(path) == 1:
        item.setdefault(name, None)
        return
    inner = item.get(name)
    if inner in (None, []) or isinstance(inner, Mapping):
        item[name] = dict(inner or {})
        _set(item[name], path[1:])
