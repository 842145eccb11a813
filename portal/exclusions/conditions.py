"""Exclusion rules as SQL of both databases, over the columns of an item or over those that it will have."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from portal.exclusions import patterns
from portal.models import Exclusion
from portal.models.database import is_postgres

Column = Callable[[str], str]
"""The SQL of a column's value, by its name."""

Sql = tuple[str, list[Any]]
_BEYOND = 2**63 - 1
_CATEGORIES = ("category_1", "category_2", "category_3")
_SIGNS = {"less": "<", "most": "<=", "same": "=", "least": ">=", "more": ">"}


def of_item(alias: str = "i") -> Column:
    """The columns of the item in the table `alias`."""
    return lambda name: f'{alias}."{name}"'


def fits(rule: Exclusion, column: Column = of_item(), source: str = "i.source_id", known_source: int | None = None) -> Sql:  # noqa: B008
    """Whether the rule means the item. `source`: SQL of its source; `known_source`: where that is one only."""
    sql, values = _listed(rule, column, source) if rule.kind == "skus" else _of_definition(rule.definition, column)
    if rule.source_id is not None and rule.source_id != known_source:
        return f"({source} = {int(rule.source_id)} AND {sql})", values
    return sql, values


def first(rules: Iterable[Exclusion], column: Column = of_item(), source: str = "i.source_id", known: int | None = None) -> Sql:  # noqa: B008
    """The id of the first rule that means the item, NULL where none does. However many lists there are, they are looked up at once."""
    some = list(rules)
    lists, parts, values = [one.id for one in some if one.kind == "skus"], [], list[Any]()
    for rule in some:
        if rule.kind != "skus":
            sql, more = fits(rule, column, source, known)
            parts.append(f"WHEN {sql} THEN CAST({int(rule.id)} AS bigint)")
            values += more
    own = f"CASE {' '.join(parts)} ELSE NULL END" if parts else "CAST(NULL AS bigint)"
    if not lists:
        return own, values
    listed = f"(SELECT min(e.exclusion_id) FROM exclusion_sku e WHERE {_on_list(lists, column, source)})"
    if not parts:
        return listed, []
    least = "LEAST(" if is_postgres() else "min("  # SQLite's is NULL where either is
    either = f"{least}coalesce({own}, {_BEYOND}), coalesce({listed}, {_BEYOND}))"
    return f"NULLIF({either}, {_BEYOND})", values


def any_fits(rules: Iterable[Exclusion], column: Column = of_item(), source: str = "i.source_id", known: int | None = None) -> Sql:  # noqa: B008
    """Whether any rule means the item."""
    some = list(rules)
    lists = [one.id for one in some if one.kind == "skus"]
    found = [fits(rule, column, source, known) for rule in some if rule.kind != "skus"]
    if lists:
        found.append((f"EXISTS (SELECT 1 FROM exclusion_sku e WHERE {_on_list(lists, column, source)})", []))
    return f"({' OR '.join(sql for sql, _ in found) or '1 = 0'})", [value for _, values in found for value in values]


def columns_of(rules: Iterable[Exclusion]) -> Collection[str]:
    """The item columns that the rules look at."""
    found = set[str]()
    for rule in rules:
        if rule.kind == "skus":
            found.add("sku")
            continue
        for one in (one for group in rule.definition["groups"] for one in group["conditions"]):
            found |= set(_CATEGORIES) if one["field"] == "category" else {one["field"]}
    return found


def _listed(rule: Exclusion, column: Column, source: str) -> Sql:
    return f"EXISTS (SELECT 1 FROM exclusion_sku e WHERE {_on_list([rule.id], column, source)})", []


def _on_list(lists: Iterable[int], column: Column, source: str) -> str:
    """SQL: the lines `e` of these lists that name the item. A line names its source, so the list's own source says no more."""
    ids = ", ".join(str(int(one)) for one in lists)
    return f"e.source_id = {source} AND e.sku = {column('sku')} AND e.exclusion_id IN ({ids})"


def _of_definition(definition: Mapping[str, Any], column: Column) -> Sql:
    return _joined(definition["match"], [_joined(g["match"], [_one(c, column) for c in g["conditions"]]) for g in definition["groups"]])


def _joined(match: str, parts: Sequence[Sql]) -> Sql:
    glue = " AND " if match == "all" else " OR "
    return f"({glue.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]


def _one(condition: Mapping[str, Any], column: Column) -> Sql:
    field, op = condition["field"], condition["op"]
    if op in _SIGNS:
        return f"({column(field)} IS NOT NULL AND {column(field)} {_SIGNS[op]} ?)", [condition["value"]]
    if field in ("quantity", "cost", "list_price", "msrp", "map_price"):
        return f"({column(field)} IS {'' if op == 'empty' else 'NOT '}NULL)", []
    sql, values = _text(field, op.removesuffix("_not").replace("filled", "empty"), condition, column)
    return (f"NOT {sql}" if op.endswith("_not") or op == "filled" else sql), values


def _text(field: str, op: str, condition: Mapping[str, Any], column: Column) -> Sql:
    if field == "category":
        glue = " AND " if op == "empty" else " OR "
        parts = [_compared(f"coalesce({column(name)}, '')", op, condition) for name in _CATEGORIES]
        return f"({glue.join(sql for sql, _ in parts)})", [value for _, values in parts for value in values]
    if field != "custom":
        return _compared(f"coalesce({column(field)}, '')", op, condition)
    if is_postgres():
        value = f"coalesce(CAST({column('custom')} AS json) ->> CAST(? AS text), '')"
    else:
        value = f"coalesce((SELECT j.value FROM json_each({column('custom')}) j WHERE j.key = ?), '')"
    sql, values = _compared(value, op, condition)
    return sql, [condition["name"], *values]


def _compared(value: str, op: str, condition: Mapping[str, Any]) -> Sql:
    if op == "empty":
        return f"({value} = '')", []
    text = condition["value"]
    pattern = {"is": patterns.literal(text), "contains": f"*{patterns.literal(text)}*"}.get(op) or patterns.typed(text)
    return (f"({value} ~ ?)", [patterns.regex(pattern)]) if is_postgres() else (f"({value} GLOB ?)", [patterns.glob(pattern)])
