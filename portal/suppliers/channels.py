"""What a supplier's TOML says of its store as a channel: where the merchant sells, which is asked for orders instead of stock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from portal.suppliers.schema import Keys, check_keys

if TYPE_CHECKING:
    from portal.suppliers import Supplier

CHANNEL_KEYS = Keys(needed={"steps": list}, optional={"leave_out": list, "fixed": dict, "defaults": dict, "hints": dict, "listings": dict})
LISTING_KEYS = Keys(needed={"needs": str, "price": str}, optional={"place": str, "scopes": str})


@dataclass(frozen=True)
class ChannelFace:
    """How connecting differs. `leave_out`: settings that a channel does not have; `fixed` is laid over the supplier's.

    `defaults` and `hints` replace those of settings, by key. `listings`: what setting units and prices there takes, empty where that is
    not possible: "needs" what we must be allowed, "price" which of its prices is set, "place" what a location is called where units are
    counted at one, "scopes" that the app must have.
    """

    steps: tuple[str, ...]
    leave_out: frozenset[str] = frozenset()
    fixed: Mapping[str, str] = field(default_factory=dict)
    defaults: Mapping[str, str] = field(default_factory=dict)
    hints: Mapping[str, str] = field(default_factory=dict)
    listings: Mapping[str, str] = field(default_factory=dict)


def read(where: str, table: Mapping[str, Any]) -> ChannelFace:
    """The [channel] of a TOML file. Raises ValueError naming the file and the key."""
    at = f"{where}: channel"
    check_keys(at, table, CHANNEL_KEYS)
    for name in ("fixed", "defaults", "hints"):
        check_keys(f"{at}.{name}", table.get(name, {}), Keys(optional=dict.fromkeys(table.get(name, {}), str)))
    texts = {name: dict(table.get(name, {})) for name in ("fixed", "defaults", "hints")}
    if "listings" in table:
        check_keys(f"{at}.listings", table["listings"], LISTING_KEYS)
    return ChannelFace(tuple(table["steps"]), frozenset(table.get("leave_out", [])), **texts, listings=dict(table.get("listings", {})))


def check(where: str, face: ChannelFace, settings: frozenset[str]) -> None:
    """Raise ValueError for a setting that the supplier does not have."""
    if unknown := ({*face.leave_out, *face.defaults, *face.hints}) - settings:
        raise ValueError(f"{where}: channel names {min(unknown)!r}, which is no setting")


def as_channel(supplier: Supplier) -> Supplier:
    """The supplier as one connects it to sell there. Raises ValueError for one that has no [channel]."""
    face = supplier.channel
    if face is None:
        raise ValueError(f"{supplier.slug} is no channel")
    settings = tuple(
        replace(one, default=face.defaults.get(one.key, one.default), hint=face.hints.get(one.key, one.hint))
        for one in supplier.settings
        if one.key not in face.leave_out and one.shown_when.partition("=")[0] not in face.leave_out
    )
    scopes = {"push_scopes": face.listings["scopes"]} if "scopes" in face.listings else {}
    return replace(supplier, settings=settings, steps=face.steps, fixed={**supplier.fixed, **face.fixed, **scopes}, operations={})
