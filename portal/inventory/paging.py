"""Items in one of the list's orders: walked window by window along an index of each source, or chosen from known ids.

A place in an order is (value, id). Empty values come last going down and first going up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Any

from portal.models import bulk
from portal.models.database import is_postgres

Place = tuple[Any, int]
TEXTS = "i.sku, i.mpn, i.upc, i.title, i.brand"  # what `queries.Query.means` looks at
_BYTEWISE = ("C", "POSIX", "C.UTF-8", "C.utf8")
MOST_ARMS = 200  # of one UNION; SQLite takes 500


@dataclass(frozen=True)
class Sort:
    """An order of the list, by a column with an index (source, column, id)."""

    column: str
    descending: bool
    nullable: bool


SORTS = {
    "sku": Sort("sku", False, False),
    "quantity": Sort("quantity", True, True),
    "cost": Sort("cost", True, True),
    "changed": Sort("changed_at", True, False),
}
STOCK_FILTERS = {
    "": "i.archived_at IS NULL",
    "in": "i.archived_at IS NULL AND i.quantity > 0",
    "out": "i.archived_at IS NULL AND i.quantity = 0",
    "missing": "i.archived_at IS NULL AND i.missing_since IS NOT NULL",
    "excluded": "i.archived_at IS NULL AND i.kept_out = 1",
    "waiting": "i.archived_at IS NULL AND i.kept_out = 2",
    "counted": "i.archived_at IS NULL AND i.kept_out = 0",
    "archived": "i.archived_at IS NOT NULL",
}
RARE = {"in": "i.quantity > 0", "out": "i.quantity = 0", "missing": "i.missing_since IS NOT NULL", "archived": "i.archived_at IS NOT NULL",
    "excluded": "i.kept_out > 0 AND i.kept_out = 1", "waiting": "i.kept_out > 0 AND i.kept_out = 2",
}  # fmt: skip
"""Conditions with an index of their own, for when few items meet them."""


@dataclass(frozen=True)
class Scope:
    """Which items, in which order, from where on. `downwards`: as read, so a way back up a falling order is upwards.

    `begins`: only SKUs that begin in one of these ways; for a database that orders texts by their code points (`is_bytewise`).
    """

    sources: tuple[int, ...]
    stock: str
    sort: Sort
    downwards: bool
    after: Place | None = None
    begins: tuple[str, ...] = ()

    @property
    def direction(self) -> str:
        """SQL: the direction."""
        return "DESC" if self.downwards else "ASC"


Seen = tuple[Any, ...]
"""An item on the way: id, its value in the order, whether it meets the stock filter (0 or 1), and TEXTS."""

ID, VALUE, FITS, FIRST_TEXT = 0, 1, 2, 3


def walk(scope: Scope, sizes: Iterable[int], *, bare: bool = False) -> Iterator[list[Seen]]:
    """The items of the scope's sources in their order, from its place on, in windows of these sizes.

    `bare`: only ids and values, which the index alone tells.
    """
    sizes = iter(sizes)
    parts = [False, True] if scope.downwards else [True, False]
    if not scope.sort.nullable:
        parts = [False]
    elif scope.after is not None:
        parts = parts[parts.index(scope.after[0] is None) :]
    place = scope.after
    for empty in parts:
        while True:
            size = next(sizes)
            window = _window(replace(scope, after=place), empty, size, bare)
            yield window
            if len(window) < size:
                break
            place = (window[-1][VALUE], window[-1][ID])
        place = None


def choose(scope: Scope, ids: Iterable[int]) -> Iterator[Seen]:
    """Those of `ids` that are in scope, after its place and meet its filter, in order; sorted anew for each larger piece."""
    chosen, size = bulk.as_list(set(ids)), 500
    while True:
        piece = _piece(scope, chosen, size)
        yield from piece
        if len(piece) < size:
            return
        scope, size = replace(scope, after=(piece[-1][VALUE], piece[-1][ID])), 8 * size


def _piece(scope: Scope, ids: Any, size: int) -> list[Seen]:
    column, (source, params), (beyond, more) = f"i.{scope.sort.column}", _in_sources(scope), _beyond(scope)
    known = "unnest(?::bigint[]) AS j (value) JOIN" if is_postgres() else "json_each(?) j CROSS JOIN"
    nulls = " NULLS LAST" if scope.downwards else " NULLS FIRST"
    order = f"{scope.direction}{nulls}, {{}} {scope.direction}"
    piece: list[Seen] = bulk.run(
        f"""SELECT i.id, m.place, 1, {TEXTS} FROM (
            SELECT i.id AS id, {column} AS place FROM {known} inventory_item i ON i.id = j.value
            WHERE {source} AND {STOCK_FILTERS[scope.stock]}{beyond} ORDER BY {column} {order.format("i.id")} LIMIT ?
        ) AS m {"JOIN" if is_postgres() else "CROSS JOIN"} inventory_item i ON i.id = m.id ORDER BY m.place {order.format("m.id")}""",
        (ids, *params, *more, size),
    ).fetchall()
    return piece


def rare(scope: Scope, limit: int | None) -> list[int] | None:
    """Ids of the items that may meet the scope's stock filter; None when it has none, or there are more than `limit`."""
    if scope.stock not in RARE:
        return None
    source, params = _in_sources(scope)
    most = "" if limit is None else f" LIMIT {limit + 1}"
    found = [row[0] for row in bulk.run(f"SELECT i.id FROM inventory_item i WHERE {source} AND {RARE[scope.stock]}{most}", params)]
    return found if limit is None or len(found) <= limit else None


def is_bytewise() -> bool:
    """Whether texts are ordered by code points, so that those that begin alike stand together. A database of ICU's never is."""
    if not is_postgres():
        return True
    sql = "SELECT datcollate, to_jsonb(d) ->> 'datlocprovider' FROM pg_database d WHERE datname = current_database()"
    collation, provider = bulk.one(sql)  # the provider is told since Postgres 15: libc, ICU, or builtin, which knows code points only
    return provider == "b" or (provider != "i" and collation in _BYTEWISE)


def above(start: str) -> str:
    """The first text, by code points, after every text that begins with `start`."""
    last = ord(start[-1])
    if last == 0x10FFFF:
        return start + chr(last)
    return start[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)


def read_value(sort: Sort, value: Any) -> Any:
    """The value of a place as a page link carries it, ready for the database. Raises ValueError for one that it cannot be."""
    if value is None and sort.nullable:
        return None
    if sort.column == "changed_at":
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is None or at.tzinfo is not None:
            raise ValueError(value)
        return at if is_postgres() else at.isoformat(" ")
    if sort.column == "sku":
        if not isinstance(value, str) or "\0" in value:
            raise ValueError(value)
        value.encode()
    elif type(value) is not int or abs(value) >= 2**63:
        raise ValueError(value)
    return value


def _window(scope: Scope, empty: bool, size: int, bare: bool) -> list[Seen]:
    arms, params, order = [], list[Any](), f"ORDER BY place {scope.direction}, id {scope.direction} LIMIT {size}"
    for source, begin in product(scope.sources, scope.begins or ("",)):
        sql, given = _arm(replace(scope, begins=(begin,) if begin else ()), source, empty)
        arms.append(f"SELECT id, place FROM ({sql} {order}) AS arm" if is_postgres() else sql)
        params += given
    # SQLite merges arms without a limit, each along its index and no further than needed; Postgres does so when each has one
    while len(arms) > MOST_ARMS:
        groups = [arms[at : at + MOST_ARMS] for at in range(0, len(arms), MOST_ARMS)]
        arms = [f"SELECT id, place FROM ({' UNION ALL '.join(group)} {order}) AS arms" for group in groups]
    if not arms:
        return []
    sql = f"{' UNION ALL '.join(arms)} {order}"
    if not bare:
        join = "JOIN" if is_postgres() else "CROSS JOIN"
        sql = f"""SELECT i.id, m.place, CASE WHEN {STOCK_FILTERS[scope.stock]} THEN 1 ELSE 0 END, {TEXTS}
            FROM ({sql}) AS m {join} inventory_item i ON i.id = m.id ORDER BY m.place {scope.direction}, m.id {scope.direction}"""
    found: list[Seen] = bulk.run(sql, params).fetchall()
    return found


def _arm(scope: Scope, source: int, empty: bool) -> tuple[str, list[Any]]:
    """SQL: ids and places of one source, which one index holds in order."""
    column, sign = f"i.{scope.sort.column}", "<" if scope.downwards else ">"
    where, params = ["i.source_id = ?"], list[Any]([source])
    if scope.begins:
        where.append("i.sku >= ? AND i.sku < ?")
        params += [scope.begins[0], above(scope.begins[0])]
    if scope.sort.nullable:
        where.append(f"{column} IS {'' if empty else 'NOT '}NULL")
    if scope.after is not None and empty:
        where.append(f"i.id {sign} ?")
        params.append(scope.after[1])
    elif scope.after is not None:
        where.append(f"({column}, i.id) {sign} (?, ?)")
        params += scope.after
    return f"SELECT i.id AS id, {column} AS place FROM inventory_item i WHERE {' AND '.join(where)}", params


def _in_sources(scope: Scope) -> tuple[str, list[Any]]:
    """SQL with its parameters: the item is of one of the sources, and its SKU begins as the scope says."""
    sql, params = f"i.source_id {bulk.any_of()}", [bulk.as_list(scope.sources)]
    if scope.begins:
        sql += f" AND ({' OR '.join(['(i.sku >= ? AND i.sku < ?)'] * len(scope.begins))})"
        params += [bound for begin in scope.begins for bound in (begin, above(begin))]
    return sql, params


def _beyond(scope: Scope) -> tuple[str, list[Any]]:
    """SQL: the item comes after the scope's place."""
    if scope.after is None:
        return "", []
    (value, item), column = scope.after, f"i.{scope.sort.column}"
    sign = "<" if scope.downwards else ">"
    if value is None:
        same = f"({column} IS NULL AND i.id {sign} ?)"
        return (f" AND {same}", [item]) if scope.downwards else (f" AND ({same} OR {column} IS NOT NULL)", [item])
    beyond = f"({column}, i.id) {sign} (?, ?)"
    return f" AND ({beyond} OR {column} IS NULL)" if scope.downwards else f" AND {beyond}", [value, item]
