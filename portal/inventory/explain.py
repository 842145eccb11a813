"""Explain this number: file, row, mapping version, rule in words, guards, run, and who, of one value of one item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal import read_files
from portal.errors import NotFound
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import lineage, roles
from portal.inventory.export import shown
from portal.inventory.role_sql import IN_BOTH, IN_PRIMARY, IN_SECONDARY
from portal.inventory.roles import PRIMARY, SECONDARY
from portal.mapping import TRANSFORMS
from portal.models import Document, Integration, InventoryChange, InventoryItem, ItemPin, MappingVersion, Run

_LACKED = {
    IN_PRIMARY: "because the last accepted file does not hold the item",
    IN_SECONDARY: "because the last accepted file of Get Inventory Secondary does not hold the item",
    IN_BOTH: "because neither file holds the item",
}
PERSON = ("pin", "archive", "unpin", "unarchive")


@dataclass(frozen=True)
class Term:
    """One part of an equation: a number and what it is."""

    number: Any
    words: str


@dataclass(frozen=True)
class Explanation:
    """Why a value is what it is. What is not known is None or empty, never guessed.

    `origin`: the run that brought the value; `row`: of its file. `later`: reverts since, newest first, that led back to it.
    `spoken_by`: the integration kind whose files write the value, where the source has two.
    `rule`: sentences; `version`: of the mapping. `equation`: terms whose sum is the value, for the quantity only.
    """

    column: str
    label: str
    value: Any
    action: str
    origin: Run | None
    document: Document | None
    row: int | None
    at: Any
    version: int
    rule: list[str] = field(default_factory=list)
    verdicts: list[Mapping[str, Any]] = field(default_factory=list)
    later: list[InventoryChange] = field(default_factory=list)
    pin: ItemPin | None = None
    held: Run | None = None
    equation: list[Term] = field(default_factory=list)
    spoken_by: str = ""


def of(item: InventoryItem, column: str) -> Explanation:
    """The explanation of one column of an item. Raises NotFound for a column that items do not have."""
    if column not in INVENTORY_COLUMNS:
        raise NotFound("field")
    lines = [line for line in lineage.lines_of([item.id]).get(item.id, []) if line.sku == item.sku and line.at >= item.added_at]
    line = lineage.in_force(column, lines)
    origin, row = _origin(item, line)
    document = None
    if origin is not None:
        placed = read_files.Rows(origin).at(row or 0)
        document, row = placed.document, placed.row or None
    by_feed = origin is not None and (line is None or line.action not in PERSON)
    rules = _rules(origin) if by_feed else {}
    pin = ItemPin.get_or_none(ItemPin.item_id == item.id, ItemPin.column == column, ItemPin.source == item.source_id)
    told = Explanation(
        column=column, label=lineage.label(column), value=shown(column, getattr(item, column)), action=line.action if line else "add",
        origin=origin, document=document, row=row, at=line.at if line else item.added_at,
        version=origin.mapping_version if origin and by_feed else 0, rule=rule_in_words(rules, column),
        verdicts=list(origin.verdicts) if origin and by_feed else [], later=_reverts(column, lines, line), pin=pin,
        held=_held(origin), equation=[], spoken_by=_spoken_by(item, column),
    )  # fmt: skip
    if column == "quantity" and item.quantity is not None:
        told.equation.extend(_equation(item, told))
    return told


def rule_in_words(rules: Mapping[str, Any], column: str) -> list[str]:
    """What a mapping does for a column, a sentence each; none when it does not speak for it."""
    fields: Mapping[str, Any] = rules.get("fields") or {}
    if column in ("quantity", "warehouses") and rules.get("warehouse_rows"):
        return [
            *_field(fields["quantity"]),
            f"Added up over the rows of the SKU, one a warehouse, named by: {_field(rules['warehouse_rows'])[0]}",
        ]
    if column in fields:
        return _field(fields[column])
    if column in ("quantity", "warehouses") and rules.get("warehouses"):
        stores = ", ".join(f"{one['name']} (column “{one['column']}”)" for one in rules["warehouses"])
        return [f"{'The sum of' if column == 'quantity' else 'The quantities at'} {stores}."]
    if column == "custom" and rules.get("custom"):
        return [f"{one['name']}: {' '.join(_field(one))}" for one in rules["custom"]]
    if column in ("weight_unit", "dimension_unit") and rules.get(column):
        return [f"Every item gets “{rules[column]}”, the unit of the mapping."]
    return []


def _spoken_by(item: InventoryItem, column: str) -> str:
    secondary = Integration.get_or_none(
        Integration.source == item.source_id, Integration.kind == SECONDARY, Integration.removed_at.is_null()
    )
    if secondary is None:
        return ""
    taken = item.secondary >> INVENTORY_COLUMNS.index(column) & 1
    return SECONDARY if taken and column in roles.standing(secondary).owned else PRIMARY


def _field(rule: Mapping[str, Any]) -> list[str]:
    columns = rule.get("columns") or []
    if not columns:
        return [f"Every item gets “{rule.get('fixed', '')}”."]
    names = ", ".join(f"“{name}”" for name in columns)
    said = [f"Column {names}." if len(columns) == 1 else f"Columns {names}, joined by “{rule.get('join', ' ')}”."]
    said += [f"Then: {_step(step)}." for step in rule.get("steps") or []]
    if rule.get("separator"):
        said.append(f"Split at “{rule['separator']}”.")
    if rule.get("fallback"):
        said.append(f"“{rule['fallback']}” where the file has nothing.")
    return said


def _step(step: Mapping[str, Any]) -> str:
    transform = TRANSFORMS[step["do"]]
    details = []
    for parameter in transform.parameters:
        value = step.get(parameter.key, parameter.default)
        if parameter.kind == "pairs":
            details.append(f"{len(value)} pairs")
        elif value not in ("", None):
            details.append(f"{parameter.label.lower()} “{parameter.choices.get(value, value)}”")
    return transform.label.lower() + (f" ({', '.join(details)})" if details else "")


def _origin(item: InventoryItem, line: InventoryChange | None) -> tuple[Run | None, int | None]:
    if line is not None:
        return Run.get_by_id(line.run_id), line.row_number
    run = Run.get_or_none(Run.id == item.added_run_id, Run.merchant == item.merchant_id) if item.added_run_id else None
    return run, item.added_row or None


def _rules(run: Run | None) -> Mapping[str, Any]:
    if run is None or run.integration_id is None:
        return {}
    version = MappingVersion.get_or_none(MappingVersion.integration == run.integration_id, MappingVersion.number == run.mapping_version)
    return version.rules if version else {}


def _reverts(column: str, lines: Sequence[InventoryChange], origin: InventoryChange | None) -> list[InventoryChange]:
    """The newest line that touched the column, where it only led back to an older value."""
    newest = next((line for line in lines if column in lineage.touched(line)), None)
    return [newest] if newest is not None and (origin is None or newest.id != origin.id) else []


def _held(run: Run | None) -> Run | None:
    """The run that held what `run` applied once a person accepted it."""
    return Run.get_or_none(Run.id == run.settings.get("accepts")) if run is not None and run.kind == "accept_removals" else None


def _equation(item: InventoryItem, told: Explanation) -> list[Term]:
    """What the feed's quantity is made of. What open requests hold of it is taken off beside it, not in it."""
    words = "from the feed"
    if told.pin is not None:
        words = f"pinned by {told.pin.made_by}"
    elif item.archived_at is not None:
        words = "because the item is archived"
    elif item.missing_since is not None:
        words = _LACKED[item.missing_in]
    elif told.document is not None:
        words = f"in {told.document.name}" + (f", row {told.row:,}" if told.row else "")
    return [Term(item.quantity, words)]
