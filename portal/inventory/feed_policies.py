"""The policies of one inventory feed as a page shows and saves them: what its file holds, what it no longer names, who sets what.

What each means for the items of now is counted here; `missing` and `roles` keep and obey them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from peewee import fn

from portal import sources
from portal.errors import Invalid, NotFound
from portal.fields import INVENTORY_COLUMNS
from portal.inventory import missing, roles
from portal.inventory.explain import rule_in_words
from portal.inventory.missing import Missing
from portal.models import Integration, InventoryItem, MappingVersion, Source, database

MOST_SEEN = 40
_QUANTITY = 1 << INVENTORY_COLUMNS.index("quantity")
_LACKED_BY = {roles.PRIMARY: (0, 3), roles.SECONDARY: (2, 3)}


@dataclass(frozen=True)
class Standing:
    """Counted now: `items` of the source, `own` of them with a quantity of this feed, `missing` in it, `archived` by it."""

    items: int
    own: int
    missing: int
    archived: int


@dataclass(frozen=True)
class Owner:
    """One value that a second feed may set. `primary`, `secondary`: the rules that map it, as words; "" where one does not.

    `who`: the integration that sets it, "" for none; `contested`: both map it, so a person may choose.
    """

    column: str
    label: str
    primary: str
    secondary: str
    who: str
    contested: bool


def standing(integration: Integration) -> Standing:
    """What the policies of this feed are about, as it is now."""
    items = InventoryItem.select().where(InventoryItem.source == integration.source_id)
    wrote = InventoryItem.secondary.bin_and(_QUANTITY) != 0
    lacked = items.where(InventoryItem.missing_since.is_null(False), InventoryItem.missing_in << _LACKED_BY[integration.kind])
    archived = items.where(InventoryItem.archived_at.is_null(False), InventoryItem.archived_by == integration.kind)
    own = items.where(wrote if integration.kind == roles.SECONDARY else ~wrote)
    return Standing(items.count(), own.count(), lacked.count(), archived.count())


def seen(source: Source, column: str) -> list[tuple[str, int]]:
    """The MOST_SEEN most frequent values that items have in a column of missing.FILTERS, with how often. Raises NotFound."""
    field = _filter(column)
    rows = (
        InventoryItem.select(field, fn.COUNT(InventoryItem.id))
        .where(InventoryItem.source == source, field.is_null(False), field != "")
        .group_by(field)
        .order_by(fn.COUNT(InventoryItem.id).desc(), field)
    )
    return list(rows.limit(MOST_SEEN).tuples().iterator())


def covered(source: Source, column: str, values: Sequence[str]) -> int:
    """How many items of the source have one of the values in the column. Raises NotFound."""
    return int(InventoryItem.select().where(InventoryItem.source == source, _filter(column) << list(values)).count())


def ownership(source: Source) -> list[Owner]:
    """Who sets each value that either feed maps, of those that both may set."""
    ours, theirs = (_rules(source, kind) for kind in (roles.PRIMARY, roles.SECONDARY))
    contested = roles.contested(source)
    table = []
    for column, label in roles.OWNABLE.items():
        one, other = (" ".join(rule_in_words(rules, column)).rstrip(".") for rules in (ours, theirs))
        who = roles.SECONDARY if contested.get(column, not one) else roles.PRIMARY
        if one or other:
            table.append(Owner(column, label, one, other, who, column in contested))
    return table


def save(integration: Integration, feed: str, chosen: Missing, owned: Iterable[str] | None, version: int, who: str) -> Integration:
    """Keep what differs, all of it or nothing, a line of the audit each. `owned`: columns of the secondary, None to leave them.

    Raises Invalid with every error at once (keys as roles.check_feed, missing.check and roles.check_owns), Stale.
    """
    columns = None if owned is None or integration.kind != roles.SECONDARY else list(owned)
    errors = _errors(lambda: roles.check_feed(feed)) | _errors(lambda: missing.check(chosen))
    errors |= _errors(lambda: roles.check_owns(columns or ()))
    if errors:
        raise Invalid(errors)
    with database.atomic():
        if columns is not None and (mine := _owns(integration, columns)) != roles.owns(integration):
            integration = roles.save_owns(integration, mine, version, who)
            version = integration.version
        if feed != roles.feed_of(integration):
            integration = roles.save_feed(integration, feed, version, who)
            version = integration.version
        if chosen != missing.policy(integration):
            integration = missing.save(integration, chosen, version, who)
    return integration


def _owns(integration: Integration, chosen: Sequence[str]) -> tuple[str, ...] | None:
    """The policy that gives the secondary the contested columns of `chosen`; None, the default, where it gives all of them."""
    contested, before = roles.contested(integration.source), roles.owns(integration)
    if all(column in chosen for column in contested) and before is None:
        return None
    kept = {column for column in roles.OWNABLE if column not in contested and (before is None or column in before)}
    mine = tuple(column for column in roles.OWNABLE if column in kept or (column in contested and column in chosen))
    return None if len(mine) == len(roles.OWNABLE) else mine


def _errors(check: Callable[[], None]) -> dict[str, str]:
    try:
        check()
    except Invalid as refused:
        return dict(refused.errors)
    return {}


def _filter(column: str) -> Any:
    if column not in missing.FILTERS:
        raise NotFound("field")
    return getattr(InventoryItem, column)


def _rules(source: Source, kind: str) -> Mapping[str, Any]:
    there = next((one for one in sources.integrations(source) if one.kind == kind), None)
    if there is None:
        return {}
    version = MappingVersion.get_or_none(MappingVersion.integration == there, MappingVersion.number == there.mapping_version)
    rules: Mapping[str, Any] = version.rules if version else {}
    return rules
