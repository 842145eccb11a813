"""Which columns each inventory feed writes, so that two feeds of one source never fight; and whether a feed is full or a delta.

The primary adds items and writes what its mapping names. The secondary writes prices, quantity and status only, whatever its mapping
names, and never adds. Each column has one owner: where both map it, the secondary, unless its policy `owns` leaves it out; `warehouses`
goes with `quantity`. The primary leaves a column of the secondary alone on items that the secondary has written it on, and fills it on
those that are new to it or come back to it, until the secondary names them. The secondary counts once it has had a run of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from portal import policies
from portal.errors import Invalid
from portal.fields import INVENTORY_BY_KEY, INVENTORY_COLUMNS
from portal.inventory import missing
from portal.inventory.missing import Missing
from portal.models import Integration, MappingVersion, Run, Source

PRIMARY, SECONDARY = "get_inventory_primary", "get_inventory_secondary"
STOCK = ("quantity", "warehouses")
WRITABLE = (*STOCK, "cost", "list_price", "msrp", "map_price", "status")
"""What the secondary may write."""

OWNABLE = {key: INVENTORY_BY_KEY[key].label for key in WRITABLE if key != "warehouses"}
"""What `policies["owns"]` may name."""

FEEDS = {"full": "Every file holds all items", "delta": "A file holds only what changed"}


@dataclass(frozen=True)
class Role:
    """What one run may do, fixed when it fetched its file. `columns`: those it writes; `owned`: those of the secondary.

    `missing`: what becomes of items that its file lacks; `other`: the same of the other feed, None where there is none.
    """

    kind: str = PRIMARY
    columns: tuple[str, ...] = ()
    owned: tuple[str, ...] = ()
    delta: bool = False
    missing: Missing = missing.ZERO_ALL
    other: Missing | None = None

    @property
    def adds(self) -> bool:
        """Whether it makes items of SKUs that the source does not have."""
        return self.kind == PRIMARY

    @property
    def removes(self) -> bool:
        """Whether a full file of it takes items away. The secondary does only where it owns the quantity."""
        return not self.delta and self.missing.takes and (self.adds or "quantity" in self.owned)

    @property
    def is_plain(self) -> bool:
        """Whether it is as of a source with one feed and nothing set otherwise."""
        return self == Role(columns=self.columns)

    def within(self, rules: Mapping[str, Any]) -> Mapping[str, Any]:
        """The mapping rules without what this feed may not write."""
        if self.adds:
            return rules
        fields = {key: rule for key, rule in (rules.get("fields") or {}).items() if key == "sku" or key in self.columns}
        kept = {"fields": fields, "duplicates": rules.get("duplicates", "last")}
        stores = ("warehouses", "warehouse_rows") if "warehouses" in self.columns else ()
        return kept | {name: rules[name] for name in stores if rules.get(name)}

    def keyed(self, rules: Mapping[str, Any]) -> dict[str, Any]:
        """The rules with all else that a record of the feed depends on: after any change of that, the next file is read whole."""
        return dict(rules) if self.is_plain else {**rules, "role": self.told()}

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "kind": self.kind, "columns": list(self.columns), "owned": list(self.owned), "delta": self.delta,
            "missing": self.missing.told(), "other": None if self.other is None else self.other.told(),
        }  # fmt: skip

    @classmethod
    def from_told(cls, told: Mapping[str, Any]) -> Role:
        """From its JSON."""
        other = told["other"]
        return cls(
            told["kind"], tuple(told["columns"]), tuple(told["owned"]), told["delta"], Missing.of(told["missing"]),
            None if other is None else Missing.of(other),
        )  # fmt: skip


def written_columns(rules: Mapping[str, Any]) -> tuple[str, ...]:
    """The columns that these mapping rules speak for; a run leaves all others as they are."""
    named = set(rules.get("fields", {}))
    if rules.get("warehouses") or rules.get("warehouse_rows"):
        named |= {"quantity", "warehouses"}
    if rules.get("custom"):
        named.add("custom")
    if "weight" in named:
        named.add("weight_unit")
    if named & {"length", "width", "height"}:
        named.add("dimension_unit")
    return _ordered(named - {"sku"})


def feed_of(integration: Integration) -> str:
    """full or delta."""
    return str((integration.policies or {}).get("feed") or "full")


def check_feed(chosen: str) -> None:
    """Raises Invalid (key feed) unless it is one of FEEDS."""
    if chosen not in FEEDS:
        raise Invalid({"feed": "Choose whether each file holds all items."})


def save_feed(integration: Integration, chosen: str, version: int, who: str) -> Integration:
    """Declare what each file holds; it counts from the next run on. Raises Invalid, Stale."""
    check_feed(chosen)
    return policies.save(integration, "feed", "" if chosen == "full" else chosen, version, who)


def check_owns(columns: Iterable[str]) -> None:
    """Raises Invalid (key owns) for columns that a secondary cannot own."""
    if set(columns) - set(OWNABLE):
        raise Invalid({"owns": "Get Inventory Secondary can own the quantity, prices and the status."})


def save_owns(integration: Integration, columns: Iterable[str] | None, version: int, who: str) -> Integration:
    """Keep which columns, of those that both feeds map, are the secondary's; None is all of them. Raises Invalid, Stale."""
    if integration.kind != SECONDARY:
        raise Invalid({"owns": "Only Get Inventory Secondary has this setting."})
    if columns is not None:
        chosen = list(columns)
        check_owns(chosen)
        return policies.save(integration, "owns", [key for key in OWNABLE if key in chosen], version, who)
    return policies.save(integration, "owns", None, version, who)


def owns(integration: Integration) -> tuple[str, ...] | None:
    """The columns that its policy gives the secondary where both map them; None is all."""
    told = (integration.policies or {}).get("owns")
    return None if told is None else tuple(told)


def contested(source: Source) -> dict[str, bool]:
    """Column -> whether the secondary owns it, of the columns that both feeds of the source map, as their mappings are now."""
    primary, secondary = _of(source.id, PRIMARY), _of(source.id, SECONDARY)
    if primary is None or secondary is None:
        return {}
    theirs, ours = _mapped(secondary), _mapped(primary)
    owned = _owned(ours, theirs, owns(secondary))
    return {column: column in owned for column in OWNABLE if column in theirs and column in ours}


def of(run: Run) -> Role:
    """What a run may do, as it was fixed when it fetched its file."""
    told = run.settings
    if "role" in told:
        return Role.from_told(told["role"])
    if "rules" in told:  # a dry run's, which were not saved
        return Role(columns=written_columns(told["rules"]))
    version = MappingVersion.get(MappingVersion.integration == run.integration_id, MappingVersion.number == run.mapping_version)
    return Role(columns=written_columns(version.rules))


def was_delta(run: Run) -> bool:
    """Whether the file of the run was declared to name only what changed."""
    return bool((run.settings.get("role") or {}).get("delta"))


def now_of(integration: Integration, version: MappingVersion, changes: bool | None = None) -> Role:
    """What a run of the integration with that mapping may do, as things are now.

    `changes`: whether this very run asked only for changes, or for everything; None where its policy says what a file holds.
    """
    primary, secondary = _of(integration.source_id, PRIMARY), _of(integration.source_id, SECONDARY)
    mine, delta = missing.policy(integration), feed_of(integration) == "delta" if changes is None else changes
    if integration.kind == SECONDARY:
        ours = () if primary is None else _mapped(primary)
        owned = _owned(ours, written_columns(version.rules), owns(integration))
        other = None if primary is None else _taking(missing.policy(primary), feed_of(primary))
        return Role(SECONDARY, owned, owned, delta, mine, other)
    columns = written_columns(version.rules)
    if secondary is None or secondary.last_run_id is None:
        return Role(PRIMARY, columns, (), delta, mine)
    owned = _owned(columns, _mapped(secondary), owns(secondary))
    theirs = _taking(missing.policy(secondary), feed_of(secondary)) if "quantity" in owned else missing.LEAVE
    return Role(PRIMARY, columns, owned, delta, mine, theirs)


def standing(integration: Integration) -> Role:
    """What a run of the integration may do as things are now; nothing while it has no mapping."""
    number = integration.mapping_version
    version = MappingVersion.get_or_none(MappingVersion.integration == integration, MappingVersion.number == number)
    return Role(integration.kind) if version is None else now_of(integration, version)


def _taking(policy: Missing, feed: str) -> Missing:
    """The policy as far as it takes anything away: a delta takes nothing."""
    return missing.LEAVE if feed == "delta" else policy


def _of(source_id: int, kind: str) -> Integration | None:
    mine = (Integration.source == source_id) & (Integration.kind == kind) & Integration.removed_at.is_null()
    return Integration.get_or_none(mine)


def _mapped(integration: Integration) -> tuple[str, ...]:
    number = integration.mapping_version
    version = MappingVersion.get_or_none(MappingVersion.integration == integration, MappingVersion.number == number)
    return () if version is None else written_columns(version.rules)


def _owned(primary: Iterable[str], secondary: Iterable[str], policy: Iterable[str] | None) -> tuple[str, ...]:
    """The columns that the secondary owns, by what both map."""
    ours = set(primary)
    mine = {column for column in WRITABLE if column in set(secondary) and column != "warehouses"}
    if policy is not None:
        mine = {column for column in mine if column in set(policy) or column not in ours}
    return _ordered(mine | ({"warehouses"} if "quantity" in mine else set()))


def _ordered(columns: Iterable[str]) -> tuple[str, ...]:
    chosen = set(columns)
    return tuple(column for column in INVENTORY_COLUMNS if column in chosen)
