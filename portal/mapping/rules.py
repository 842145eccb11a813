"""The rules JSON of an inventory mapping: which columns it needs, and what is wrong with it.

{"fields": {key: {"columns": [...], "steps": [...], "join": " ", "fixed": "…", "fallback": "…", "separator": "|"}},
 "warehouses": [{"name", "column", "steps"}], "warehouse_rows": {"columns", "steps", "join"} for a row a SKU and warehouse,
 "custom": [{"name", "columns", "steps", …}],
 "duplicates": "first", "weight_unit": "pound", "dimension_unit": "inch"}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from portal.errors import Invalid
from portal.fields import DIMENSION_UNITS, INVENTORY_BY_KEY, WEIGHT_UNITS, Field
from portal.mapping.amounts import Unfit
from portal.mapping.kinds import parser
from portal.mapping.transforms import fits, problem_of

Rules = Mapping[str, Any]

DUPLICATES = {
    "first": "Use the first",
    "last": "Use the last",
    "sum": "Add up their quantities",
    "set_aside": "Set all of them aside",
}
MOST_STEPS = 20
MOST_CUSTOM = 100
MOST_WAREHOUSES = 100
MOST_COLUMNS = 30
LONGEST_NAME = 80


def needed_columns(rules: Rules) -> list[str]:
    """Every column the rules read, once, in order. A file without one of them is refused, never read as blank."""
    names: dict[str, None] = {}
    for rule in _each_rule(rules):
        names.update(dict.fromkeys(rule.get("columns") or ()))
    names.update(dict.fromkeys(one["column"] for one in rules.get("warehouses") or () if one.get("column")))
    return list(names)


def _each_rule(rules: Rules) -> Iterator[Mapping[str, Any]]:
    yield from (rules.get("fields") or {}).values()
    yield from rules.get("custom") or ()
    if rules.get("warehouse_rows"):
        yield rules["warehouse_rows"]


def constant(field: Field, text: str, unit: str | None = None) -> Any:
    """A fixed or fallback value as the field stores it; people write these with a dot. Raises Invalid."""
    if not text.strip():
        return None
    try:
        return parser(field, ".", unit)(text.strip())
    except Unfit as unfit:
        raise Invalid({field.key: f"“{text}” cannot be {field.label}: {unfit.reason[0].lower()}{unfit.reason[1:]}"}) from None


def check_rules(rules: Rules, headers: Sequence[str]) -> None:
    """Raise Invalid for rules that cannot be used on a file with these headers.

    Keys: a field's key, "warehouses", "custom", "duplicates", "weight_unit", "dimension_unit".
    """
    errors: dict[str, str] = {}
    fields = rules.get("fields") or {}
    if not (fields.get("sku") or {}).get("columns"):
        errors["sku"] = "Choose the column that holds your Inventory SKU"
    for key, rule in fields.items():
        field = INVENTORY_BY_KEY.get(key)
        problem = _rule_problem(rule, headers, field) if field else "There is no such field"
        if problem:
            errors.setdefault(key, problem)
    for key, problem in (
        ("warehouses", _warehouses_problem(rules.get("warehouses") or [], headers) or _rows_problem(rules, headers)),
        ("custom", _custom_problem(rules.get("custom") or [], headers)),
        ("duplicates", None if rules.get("duplicates", "last") in DUPLICATES else "Choose what happens to a SKU that comes twice"),
        ("weight_unit", _unit_problem(rules.get("weight_unit"), WEIGHT_UNITS)),
        ("dimension_unit", _unit_problem(rules.get("dimension_unit"), DIMENSION_UNITS)),
    ):
        if problem:
            errors.setdefault(key, problem)
    if errors:
        raise Invalid(errors)


def _rule_problem(rule: Any, headers: Sequence[str], field: Field | None) -> str | None:
    if not isinstance(rule, Mapping):
        return "Choose a column"
    columns = rule.get("columns") or []
    if problem := _columns_problem(columns, headers):
        return problem
    if not columns and "fixed" in rule and not str(rule["fixed"] or "").strip():
        return "Type the value that every item gets"
    if not columns and not rule.get("fixed"):
        return f"Choose the column that holds your {field.label if field else 'value'}"
    for key in ("fixed", "fallback", "join", "separator"):
        if not fits(rule.get(key) or ""):
            return "Use a shorter text without line breaks"
    return _steps_problem(rule.get("steps") or []) or (_constants_problem(rule, field) if field else None)


def _constants_problem(rule: Mapping[str, Any], field: Field) -> str | None:
    if field.key == "sku" and (rule.get("fixed") or rule.get("fallback")):
        return "Each item needs its own SKU, so it cannot be a fixed text"
    for key in ("fixed", "fallback"):
        try:
            constant(field, str(rule.get(key) or ""), "gram" if field.key == "weight" else "inch")
        except Invalid as invalid:
            return invalid.errors[field.key]
    return None


def _columns_problem(columns: Any, headers: Sequence[str]) -> str | None:
    if not isinstance(columns, list) or len(columns) > MOST_COLUMNS:
        return f"Choose at most {MOST_COLUMNS} columns"
    absent = [str(column) for column in columns if column not in headers]
    return f"The file has no column “{absent[0]}”" if absent else None


def _steps_problem(steps: Any) -> str | None:
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        return f"Use at most {MOST_STEPS} changes"
    return next((problem for step in steps if (problem := problem_of(step))), None)


def _warehouses_problem(warehouses: Any, headers: Sequence[str]) -> str | None:
    if not isinstance(warehouses, list) or len(warehouses) > MOST_WAREHOUSES:
        return f"Name at most {MOST_WAREHOUSES} warehouses"
    for one in warehouses:
        if not isinstance(one, Mapping) or not one.get("column"):
            return "Choose the column of each warehouse"
        if problem := _columns_problem([one["column"]], headers) or _steps_problem(one.get("steps") or []):
            return problem
    return _names_problem([one.get("name") for one in warehouses], "warehouse")


def _rows_problem(rules: Rules, headers: Sequence[str]) -> str | None:
    """What is wrong with a row a SKU and warehouse."""
    rule = rules.get("warehouse_rows")
    if not rule:
        return None
    if not isinstance(rule, Mapping) or not rule.get("columns"):
        return "Choose the column that names the warehouse of each row"
    if rules.get("warehouses"):
        return "A file has one row or one column for each warehouse, not both"
    quantity = (rules.get("fields") or {}).get("quantity")
    if not isinstance(quantity, Mapping) or not quantity.get("columns"):
        return "Choose the column of the Quantity, which each row then gives for its warehouse"
    return _rule_problem({**rule, "fallback": ""}, headers, None)


def _custom_problem(custom: Any, headers: Sequence[str]) -> str | None:
    if not isinstance(custom, list) or len(custom) > MOST_CUSTOM:
        return f"Use at most {MOST_CUSTOM} fields of your own"
    for rule in custom:
        if problem := _rule_problem(rule, headers, None):
            return problem
    return _names_problem([rule.get("name") for rule in custom], "field of your own")


def _names_problem(names: Sequence[Any], what: str) -> str | None:
    texts = [name.strip() if isinstance(name, str) else "" for name in names]
    if any(not text or len(text) > LONGEST_NAME or not fits(text) for text in texts):
        return f"Give each {what} a name of at most {LONGEST_NAME} characters"
    return f"Two have the same name; give each {what} its own" if len({text.casefold() for text in texts}) < len(texts) else None


def _unit_problem(unit: Any, units: Mapping[str, float]) -> str | None:
    return None if not unit or unit in units else "Choose a unit from the list"
