"""A role as SQL over an item `i`: which columns a run may not write, which items it may take away, which stay away though it names them."""

from __future__ import annotations

from collections.abc import Iterable

from portal.fields import INVENTORY_COLUMNS
from portal.inventory.missing import FILTERS, Missing
from portal.inventory.roles import PRIMARY, SECONDARY, STOCK, Role
from portal.models import bulk

IN_PRIMARY, IN_SECONDARY, IN_BOTH = 0, 2, 3
"""What `missing_in` says of a missing item: whose file lacks it."""

BY_FEED = "get_inventory"
"""How `archived_by` begins when a feed archived the item; a person's archiving is never undone by a feed."""

BY_A_FEED = f"substr(i.archived_by, 1, {len(BY_FEED)}) = '{BY_FEED}'"


def bit(column: str) -> int:
    """The column's bit in `inventory_item.pinned` and `.secondary`."""
    return 1 << INVENTORY_COLUMNS.index(column)


def bits(columns: Iterable[str]) -> int:
    """The bits of several columns."""
    return sum(bit(column) for column in columns)


def kept(role: Role, pins: bool) -> str:
    """SQL: a number with the bits of the columns that the run may not write on this item; "" where it may write all."""
    parts = ["i.pinned"] if pins else []
    if role.kind == PRIMARY and role.owned:
        taken = f"(i.secondary & {bits(role.owned)})"
        parts.append(f"(CASE WHEN {comes_back(role)} THEN 0 ELSE {taken} END)")
    if held := away(role):
        parts.append(f"(CASE WHEN {held} THEN {bits(STOCK)} ELSE 0 END)")
    return f"({' | '.join(parts)})" if parts else ""


def free(column: str, locks: str) -> str:
    """SQL: whether the column may be written; `locks` as `kept` gives them."""
    return f"({locks} & {bit(column)}) = 0" if locks else "1 = 1"


def differs(column: str, locks: str) -> str:
    """SQL: whether the fresh row `s` would change the item's column."""
    unlike = bulk.differs(f'i."{column}"', f's."{column}"')
    return f"{unlike} AND {free(column, locks)}" if locks else unlike


def is_away() -> str:
    """SQL: whether the item is missing or a feed archived it."""
    return "(i.missing_since IS NOT NULL OR i.archived_at IS NOT NULL)"


def lacked_by(kind: str) -> str:
    """SQL: whether the item is missing and the file of that integration kind lacks it."""
    test = f">= {IN_SECONDARY}" if kind == SECONDARY else f"<> {IN_SECONDARY}"
    return f"(i.missing_since IS NOT NULL AND i.missing_in {test})"


def away(role: Role) -> str:
    """SQL: whether the item stays missing though this run's file names it, as the other feed would take it away again; "" for never."""
    if role.other is None or not role.other.takes:
        return ""
    other = PRIMARY if role.kind == SECONDARY else SECONDARY
    if other == PRIMARY and role.other.scope == "own" and "quantity" in role.owned:
        return ""  # what the secondary names is its own from then on
    return f"({lacked_by(other)} AND {covers(role.other, other, role.owned)})"


def comes_back(role: Role) -> str:
    """SQL: whether an item that the file names is offered again by that."""
    held = away(role)
    return f"({is_away()}{f' AND NOT {held}' if held else ''})"


def covers(policy: Missing, kind: str, owned: Iterable[str]) -> str:
    """SQL: whether that feed's policy takes the item away when its file lacks it."""
    if not policy.takes:
        return "(1 = 0)"
    parts = ["1 = 1"]
    quantity = bit("quantity")
    if policy.scope == "own" and kind == SECONDARY:
        parts.append(f"(i.secondary & {quantity}) <> 0")
    elif policy.scope == "own" and "quantity" in owned:
        parts.append(f"(i.secondary & {quantity}) = 0")
    if policy.column:
        column = next(name for name in FILTERS if name == policy.column)
        parts.append(f"""coalesce(i."{column}", '') IN ({", ".join(bulk.text(value) for value in policy.values)})""")
    return f"({' AND '.join(parts)})"


def owns_quantity(role: Role) -> str:
    """SQL: whether the item's quantity is of this feed."""
    taken = f"(i.secondary & {bit('quantity')})"
    if role.kind == SECONDARY:
        return f"({taken} <> 0)" if "quantity" in role.owned else "(1 = 0)"
    return f"({taken} = 0)" if "quantity" in role.owned else "(1 = 1)"


def lacking(role: Role) -> str:
    """SQL: whether an item that the file lacks is one to be noted: there until now, or lacked by the other feed only."""
    there = "i.missing_since IS NULL AND i.archived_at IS NULL"
    if role.other is not None:
        other_only = IN_SECONDARY if role.kind == PRIMARY else IN_PRIMARY
        there = f"(({there}) OR (i.missing_since IS NOT NULL AND i.missing_in = {other_only} AND (i.archived_at IS NULL OR {BY_A_FEED})))"
    return f"{there} AND {covers(role.missing, role.kind, role.owned)}"


def lacked_now(role: Role) -> str:
    """SQL: `missing_in` once this run's file lacks the item too."""
    mine, other = (IN_PRIMARY, IN_SECONDARY) if role.kind == PRIMARY else (IN_SECONDARY, IN_PRIMARY)
    return f"CASE WHEN i.missing_since IS NULL THEN {mine} WHEN i.missing_in = {other} THEN {IN_BOTH} ELSE i.missing_in END"


def named_now(role: Role) -> str:
    """SQL: `missing_in` once this run's file names the item."""
    held = away(role)
    other = IN_SECONDARY if role.kind == PRIMARY else IN_PRIMARY
    return f"(CASE WHEN {held} THEN {other} ELSE 0 END)" if held else "0"


def taken_now(role: Role) -> str:
    """SQL: `secondary` once this run has written the item: all that the secondary owns; none of an item that came back to the primary."""
    if role.kind == SECONDARY:
        return f"(i.secondary | {bits(role.owned)})"
    return f"(CASE WHEN {comes_back(role)} THEN 0 ELSE i.secondary END)"


def to_note(role: Role) -> str:
    """SQL: whether an item that the file names needs a line though no value of it changes; "" for never."""
    parts = []
    if role.kind == SECONDARY and role.owned:
        mine = bits(role.owned)
        parts.append(f"(i.secondary & {mine}) <> {mine}")
    if held := away(role):
        parts.append(f"({held} AND {lacked_by(role.kind)})")
    return " OR ".join(parts)
