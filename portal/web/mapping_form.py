"""The mapping editor's form: one flat form, read into a Draft, changed by its buttons, turned into rules and back. Pure.

f.sku.column=c:item_no · f.sku.more.0=c:suffix · f.sku.steps.0.do=trim · w.0.name=East · x.1.name=Colour · open=f.sku
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.fields import INVENTORY_FIELDS, Field
from portal.mapping import TRANSFORMS

COLUMN = "c:"  # before a column's name, so that no column can be taken for "not mapped" or "fixed"
FIXED = "fixed"
MOST_PARTS = 7  # f.condition.steps.0.pairs.0.their
MOST_ENTRIES = 500  # of any one list: steps, values, columns, warehouses, custom fields


@dataclass
class RuleDraft:
    """One field's row as typed. `place` is its name in the form: "f.sku", "w.0" for a warehouse, "r.0" for the
    column that names the warehouse of a row, "x.0" for a custom field.

    `choice`: "" (not mapped), "fixed" or "c:" + column. `more`: further columns, in the same way, joined by `join`.
    Each step is {"do": key, parameter: text, "pairs": a list of [their value, our value]}.
    """

    place: str
    name: str = ""
    choice: str = ""
    more: list[str] = field(default_factory=list)
    fixed: str = ""
    fallback: str = ""
    join: str = " "
    separator: str = ""
    steps: list[dict[str, Any]] = field(default_factory=list)
    confirmed: bool = False

    @property
    def columns(self) -> list[str]:
        """The columns chosen, first to last."""
        chosen = [self.choice, *self.more]
        return [one.removeprefix(COLUMN) for one in chosen if one.startswith(COLUMN)]

    @property
    def used(self) -> bool:
        """Whether the field gets a value from somewhere."""
        return self.choice == FIXED or bool(self.columns)

    @property
    def edited(self) -> int:
        """How many things were set beyond the column: steps, further columns, a fallback."""
        return len(self.steps) + len([one for one in self.more if one]) + bool(self.fallback) + bool(self.separator)


@dataclass
class Draft:
    """The whole editor as typed. `opened`: places whose Edit panel is open. `show`: "all" or "needs"."""

    fields: dict[str, RuleDraft] = field(default_factory=dict)
    warehouses: list[RuleDraft] = field(default_factory=list)
    custom: list[RuleDraft] = field(default_factory=list)
    by_row: list[RuleDraft] = field(default_factory=lambda: [RuleDraft("r.0")])
    duplicates: str = "last"
    weight_unit: str = ""
    dimension_unit: str = ""
    opened: list[str] = field(default_factory=list)
    show: str = "all"

    def rule(self, place: str) -> RuleDraft | None:
        """The row of that place; None when there is none."""
        kind, _, key = place.partition(".")
        if kind == "f":
            return self.fields.get(key)
        rows = self.listed(kind)
        return rows[int(key)] if key.isdecimal() and int(key) < len(rows) else None

    def listed(self, kind: str) -> list[RuleDraft]:
        """The rows of a kind: "w" warehouses and "x" custom fields, which a person may add and remove, and the one of "r"."""
        return {"w": self.warehouses, "x": self.custom, "r": self.by_row}.get(kind, [])

    @property
    def rows(self) -> list[RuleDraft]:
        """Every field's row, then the warehouses' and the custom fields'."""
        return [*self.fields.values(), *self.warehouses, *self.by_row, *self.custom]


def tree(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """`a.b.0=x` pairs as nested dicts of text; the last of equal names counts, line ends become "\\n", NUL goes."""
    root: dict[str, Any] = {}
    for name, value in pairs:
        parts = name.split(".")
        if len(parts) > MOST_PARTS:
            continue
        node: Any = root
        for part in parts[:-1]:
            node = node.setdefault(part, {}) if isinstance(node, dict) else None
        if isinstance(node, dict) and not isinstance(node.get(parts[-1]), dict):
            node[parts[-1]] = value.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    return root


def entries(node: Any) -> list[Any]:
    """The values of a node with numbered keys, by number."""
    numbered = {int(key): value for key, value in node.items() if key.isdecimal() and len(key) < 6} if isinstance(node, Mapping) else {}
    return [numbered[number] for number in sorted(numbered)][:MOST_ENTRIES]


def read(pairs: Iterable[tuple[str, str]], headers: Sequence[str], ours: Sequence[Field] = INVENTORY_FIELDS) -> Draft:
    """The draft that a form holds. `headers`: the file's columns, to give back line ends that a browser changed.

    `ours`: the fields that may be filled.
    """
    given = list(pairs)
    root = tree(given)
    known = {COLUMN + _line_ends(header): COLUMN + header for header in headers}
    fields = {f.key: _rule(f"f.{f.key}", _node(root, "f", f.key), known) for f in ours}
    return Draft(
        fields=fields,
        warehouses=[_rule(f"w.{n}", node, known) for n, node in enumerate(entries(root.get("w")))],
        custom=[_rule(f"x.{n}", node, known) for n, node in enumerate(entries(root.get("x")))],
        by_row=[_rule("r.0", _node(root, "r", "0"), known)],
        duplicates=_text(root, "duplicates") or "last",
        weight_unit=_text(root, "weight_unit"),
        dimension_unit=_text(root, "dimension_unit"),
        opened=list(dict.fromkeys(value for name, value in given if name == "open")),
        show="needs" if _text(root, "show") == "needs" else "all",
    )


def draft_of(rules: Mapping[str, Any], ours: Sequence[Field] = INVENTORY_FIELDS) -> Draft:
    """The draft that shows saved or proposed `rules`, with the fields that may be filled."""
    given = rules.get("fields", {})
    return Draft(
        fields={one.key: _rule_of(f"f.{one.key}", given.get(one.key, {})) for one in ours},
        warehouses=[_rule_of(f"w.{n}", {**one, "columns": [one["column"]]}) for n, one in enumerate(rules.get("warehouses", []))],
        custom=[_rule_of(f"x.{n}", one) for n, one in enumerate(rules.get("custom", []))],
        by_row=[_rule_of("r.0", rules.get("warehouse_rows") or {})],
        duplicates=rules.get("duplicates", "last"),
        weight_unit=rules.get("weight_unit", ""),
        dimension_unit=rules.get("dimension_unit", ""),
    )


def rules_of(draft: Draft) -> dict[str, Any]:
    """The rules that a draft says; unused rows and rows left wholly empty are not in them."""
    rules: dict[str, Any] = {"fields": {key: _rule_json(rule) for key, rule in draft.fields.items() if rule.used}}
    rules["warehouses"] = [_warehouse_json(rule) for rule in draft.warehouses if rule.used or rule.name.strip()]
    rules["custom"] = [{"name": rule.name.strip(), **_rule_json(rule)} for rule in draft.custom if rule.used or rule.name.strip()]
    if draft.by_row[0].columns:
        rules["warehouse_rows"] = _rule_json(draft.by_row[0])
    rules["duplicates"] = draft.duplicates
    for unit in ("weight_unit", "dimension_unit"):
        if getattr(draft, unit):
            rules[unit] = getattr(draft, unit)
    return rules


def _rule(place: str, node: Any, known: Mapping[str, str]) -> RuleDraft:
    choice = known.get(_text(node, "column"), _text(node, "column"))
    return RuleDraft(
        place=place,
        name=_text(node, "name"),
        choice=choice,
        more=[known.get(value, value) for value in entries(_node(node, "more")) if isinstance(value, str)],
        fixed=_text(node, "fixed"),
        fallback=_text(node, "fallback"),
        join=node["join"] if isinstance(node, Mapping) and isinstance(node.get("join"), str) else " ",
        separator=_text(node, "separator"),
        steps=[_step(one) for one in entries(_node(node, "steps")) if _text(one, "do") in TRANSFORMS],
        confirmed=_text(node, "confirmed") == choice != "",
    )


def _rule_of(place: str, rule: Mapping[str, Any]) -> RuleDraft:
    columns = [COLUMN + column for column in rule.get("columns", [])]
    return RuleDraft(
        place=place,
        name=rule.get("name", ""),
        choice=FIXED if "fixed" in rule else (columns or [""])[0],
        more=columns[1:],
        fixed=rule.get("fixed", ""),
        fallback=rule.get("fallback", ""),
        join=rule.get("join", " "),
        separator=rule.get("separator", ""),
        steps=[_step_of(step) for step in rule.get("steps", [])],
    )


def _rule_json(rule: RuleDraft) -> dict[str, Any]:
    if rule.choice == FIXED:
        return {"fixed": rule.fixed.strip()}
    found: dict[str, Any] = {"columns": rule.columns, "steps": [_step_json(step) for step in rule.steps]}
    if len(rule.columns) > 1:
        found["join"] = rule.join
    if rule.fallback:
        found["fallback"] = rule.fallback
    if rule.separator:
        found["separator"] = rule.separator
    return found


def _warehouse_json(rule: RuleDraft) -> dict[str, Any]:
    column = rule.columns[0] if rule.columns else ""
    return {"name": rule.name.strip(), "column": column, "steps": [_step_json(step) for step in rule.steps]}


def _step(node: Mapping[str, Any]) -> dict[str, Any]:
    step: dict[str, Any] = {key: value for key, value in node.items() if isinstance(value, str)}
    if step.get("do") == "table":
        step["pairs"] = [[_text(one, "their"), _text(one, "our")] for one in entries(_node(node, "pairs"))]
    return step


def _step_of(step: Mapping[str, Any]) -> dict[str, Any]:
    return {key: [list(pair) for pair in value.items()] if key == "pairs" else str(value) for key, value in step.items()}


def _step_json(step: Mapping[str, Any]) -> dict[str, Any]:
    return {key: {their: our for their, our in value if their.strip()} if key == "pairs" else value for key, value in step.items()}


def _node(root: Any, *path: str) -> Mapping[str, Any]:
    node = root
    for part in path:
        node = node.get(part) if isinstance(node, Mapping) else None
    return node if isinstance(node, Mapping) else {}


def _text(node: Any, key: str) -> str:
    value = node.get(key) if isinstance(node, Mapping) else None
    return value if isinstance(value, str) else ""


def _line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
