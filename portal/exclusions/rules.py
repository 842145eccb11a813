"""What an exclusion rule says: groups of conditions, joined by and/or in one level. Read from what a person typed, and said in words. Pure.

{"match": "any"|"all", "groups": [{"match": "any"|"all", "conditions": [{"field", "op", "value", "name"}]}]}
`value`: text as typed, ten-thousandths of money, or units. `name`: of a custom field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from portal.errors import Invalid
from portal.exclusions import patterns

TEXTS = {
    "brand": "Brand", "category": "Category", "sku": "Inventory SKU", "title": "Title", "status": "Status", "condition": "Condition",
    "upc": "UPC / EAN", "mpn": "MPN", "custom": "Your own field",
}  # fmt: skip
MONEY = {"cost": "Cost", "list_price": "List price", "msrp": "MSRP", "map_price": "MAP"}
UNITS = {"quantity": "Stock"}
FIELDS = {**TEXTS, **MONEY, **UNITS}

TEXT_OPS = {
    "is": "is", "is_not": "is not", "contains": "contains", "contains_not": "does not contain", "fits": "fits the pattern",
    "fits_not": "does not fit the pattern", "empty": "is empty", "filled": "is not empty",
}  # fmt: skip
NUMBER_OPS = {
    "less": "is less than", "most": "is at most", "same": "is exactly", "least": "is at least", "more": "is more than",
    "empty": "is empty", "filled": "is not empty",
}  # fmt: skip
OPS = {**TEXT_OPS, **NUMBER_OPS}
WITHOUT_VALUE = ("empty", "filled")
MATCHES = {"all": "all of these", "any": "any of these"}
JOINS = {"all": "and", "any": "or"}
MOST_GROUPS, MOST_CONDITIONS = 5, 10
LONGEST_NAME = 80
LONGEST_AMOUNT = 30
SCALE = 10_000
_TOP = 2**53

Condition = Mapping[str, Any]
Definition = Mapping[str, Any]


def ops_of(field: str) -> Mapping[str, str]:
    """What may be asked of a field."""
    return TEXT_OPS if field in TEXTS else NUMBER_OPS


def read(typed: Definition) -> dict[str, Any]:
    """The definition of what was typed, every `value` a text still. Conditions without a field are left out.

    Raises Invalid, each error at "g<group>c<condition>" or "groups".
    """
    errors: dict[str, str] = {}
    groups = []
    for g, group in enumerate(typed.get("groups") or ()):
        conditions = []
        for c, one in enumerate(group.get("conditions") or ()):
            if not one.get("field"):
                continue
            try:
                conditions.append(_condition(one))
            except ValueError as error:
                errors[f"g{g}c{c}"] = str(error)
        if conditions:
            groups.append({"match": _match(group), "conditions": conditions})
    if not groups and not errors:
        errors["groups"] = "Add at least one condition. A rule without any would keep everything out."
    if len(groups) > MOST_GROUPS or any(len(one["conditions"]) > MOST_CONDITIONS for one in groups):
        errors["groups"] = f"Use at most {MOST_GROUPS} groups of {MOST_CONDITIONS} conditions. Make a second rule for the rest."
    if errors:
        raise Invalid(errors)
    return {"match": _match(typed), "groups": groups}


def name_of(text: str) -> str:
    """A rule's name. Raises Invalid ("name")."""
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise Invalid({"name": f"Give the rule a name of at most {LONGEST_NAME} letters: items show it."})
    return name


def said(definition: Definition) -> str:
    """The rule in words: "Brand is Acme and Cost is less than 5"."""
    groups = list(definition["groups"])
    texts = [f" {JOINS[one['match']]} ".join(map(condition_said, one["conditions"])) for one in groups]
    if len(texts) == 1:
        return texts[0]
    held = [f"({text})" if len(one["conditions"]) > 1 else text for text, one in zip(texts, groups, strict=True)]
    return f" {JOINS[definition['match']]} ".join(held)


def condition_said(one: Condition) -> str:
    """One condition in words."""
    field = f"{one['name']} (your own field)" if one["field"] == "custom" else FIELDS[one["field"]]
    value = "" if one["op"] in WITHOUT_VALUE else f" {shown(one)}"
    return f"{field} {OPS[one['op']]}{value}"


def shown(one: Condition) -> str:
    """The condition's value as a person types it."""
    value = one.get("value")
    if value is None:
        return ""
    return _plain(value) if one["field"] in MONEY else str(value)


def _plain(amount: int) -> str:
    text = f"{Decimal(amount) / SCALE:.4f}"
    whole, part = text.split(".")
    part = part.rstrip("0")
    return f"{whole}.{part.ljust(2, '0')}" if part else whole


def _match(typed: Definition) -> str:
    return "any" if typed.get("match") == "any" else "all"


def _condition(one: Condition) -> dict[str, Any]:
    """Raises ValueError with a sentence."""
    field, op = str(one["field"]), str(one.get("op") or "")
    if field not in FIELDS:
        raise ValueError("Choose a field.")
    if op not in ops_of(field):
        raise ValueError(f"“{OPS.get(op, op or 'nothing')}” cannot be asked of {FIELDS[field]}. Choose another comparison.")
    told: dict[str, Any] = {"field": field, "op": op}
    if field == "custom":
        told["name"] = str(one.get("name") or "").strip()
        if not told["name"] or len(told["name"]) > 120 or not told["name"].isprintable():
            raise ValueError("Enter the name of your own field, as the mapping has it.")
    if op in WITHOUT_VALUE:
        return told
    text = str(one.get("value") or "").strip()
    told["value"] = _text(text, op) if field in TEXTS else _money(text) if field in MONEY else _units(text)
    return told


def _text(text: str, op: str) -> str:
    if not text:
        raise ValueError("Enter what to look for. For items without one, choose “is empty”.")
    if len(text) > patterns.LONGEST or not text.isprintable():
        raise ValueError(f"Use at most {patterns.LONGEST} letters, without line breaks.")
    if op.startswith("fits") and text.count(patterns.MANY) > patterns.MOST_STARS:
        raise ValueError(f"Use at most {patterns.MOST_STARS} stars in a pattern.")
    return text


def _money(text: str) -> int:
    try:
        amount = Decimal(text if len(text) <= LONGEST_AMOUNT else "") * SCALE
        exact = int(amount) if amount.adjusted() <= LONGEST_AMOUNT else _TOP
    except (ArithmeticError, ValueError):
        raise ValueError("Enter an amount such as 4.99, without a currency. It is compared in each source’s own currency.") from None
    if amount != exact or abs(exact) >= _TOP:
        raise ValueError("Enter an amount with at most 4 digits behind the point.")
    return exact


def _units(text: str) -> int:
    if not text.removeprefix("-").isdecimal() or len(text) > 15:
        raise ValueError("Enter a whole number of units.")
    return int(text)


def blank(groups: Sequence[int] = (1,)) -> dict[str, Any]:
    """A definition to fill in: so many empty conditions in each group."""
    return {"match": "any", "groups": [{"match": "all", "conditions": [{} for _ in range(count)]} for count in groups]}
