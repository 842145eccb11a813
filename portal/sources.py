"""Fulfillment sources: add, find, name, set, pause. Every one is found through its merchant."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from peewee import IntegrityError

from portal import audit, clock, runs
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.inventory import stale
from portal.models import Integration, Merchant, Run, Source, database
from portal.models.runs import UNFINISHED

KINDS = {
    "dropship_supplier": "Dropship supplier",
    "internal_warehouse": "Internal warehouse",
    "external_warehouse": "External warehouse",
    "data_source": "Data source",
}
CHANNEL_LINE = "sales_channel"
"""The kind of a row that is no source of fulfillment but the line to a store where the merchant sells (portal.channels)."""
PRIMARY, SECONDARY = INVENTORY_KINDS = ("get_inventory_primary", "get_inventory_secondary")
INTEGRATION_KINDS = {
    PRIMARY: "Get Inventory Primary",
    SECONDARY: "Get Inventory Secondary",
    "send_orders": "Send Orders",
    "get_acknowledgements": "Get Acknowledgements",
    "get_shipments": "Get Shipments",
}
OPTIONAL_KINDS = ("get_inventory_secondary", "get_acknowledgements")
"""Integrations that a source has only once a person added them."""

LONGEST_NAME = 80
LONGEST_KEY = 200


def find(merchant: Merchant, public_id: str) -> Source:
    """The merchant's source of that id. Raises NotFound, for a deleted one, another merchant's, and the line of a channel."""
    source = find_line(merchant, public_id)
    if source.kind == CHANNEL_LINE:
        raise NotFound("source")
    return source


def find_line(merchant: Merchant, public_id: str) -> Source:
    """As `find`, also the line of one of the merchant's channels: for the pages of a connection. Raises NotFound."""
    source = Source.get_or_none(Source.merchant == merchant, Source.public_id == public_id, Source.state != "deleted")
    if source is None:
        raise NotFound("source")
    source.merchant = merchant
    return source


def listing(merchant: Merchant) -> list[Source]:
    """All sources of the merchant that are not deleted, by name."""
    ours = (Source.merchant == merchant) & (Source.state != "deleted") & (Source.kind != CHANNEL_LINE)
    return list(Source.select().where(ours).order_by(Source.name_key, Source.id))


def create(merchant: Merchant, name: str, kind: str, who: str) -> Source:
    """A new source in state draft. Backorders start allowed only for an internal warehouse. Raises Invalid."""
    name = _checked(merchant, name, kind)
    with _one_name(name), database.atomic():
        source = Source.create(
            merchant=merchant, name=name, name_key=name_key(name), kind=kind,
            allow_backorders=kind == "internal_warehouse", changed_by=who,
        )  # fmt: skip
        audit.write(merchant, who, "source.create", "source", source.public_id, after={"name": name, "kind": kind})
    return source


def rename(source: Source, name: str, kind: str, version: int, who: str) -> Source:
    """Give the source another name and type. Raises Invalid, or Stale when someone saved since `version`."""
    name = _checked(source.merchant, name, kind, apart_from=source)
    with _one_name(name):
        return change(source, version, who, "source.rename", name=name, name_key=name_key(name), kind=kind)


def set_backorders(source: Source, allowed: bool, version: int, who: str) -> Source:
    """Whether items out of stock may still be ordered from this source. Raises Stale."""
    return change(source, version, who, "source.allow_backorders", allow_backorders=allowed)


def set_override(source: Source, override: bool, version: int, who: str) -> Source:
    """Whether the source has its own automatic settings.

    Turning it on takes over the global value, so that nothing changes by that alone. Raises Stale.
    """
    columns: dict[str, Any] = {"override_global": override}
    if override and not source.override_global:
        columns["auto_process"] = source.merchant.auto_process
    return change(source, version, who, "source.override_global", **columns)


def set_auto_process(source: Source, on: bool, version: int, who: str) -> Source:
    """Whether requests go out unattended. Raises Refused unless the source overrides the global settings, and Stale."""
    if not source.override_global:
        raise Refused("This source follows the global setting. Turn on Override Global Settings for This Source first.")
    return change(source, version, who, "source.auto_process", auto_process=on)


def change(source: Source, version: int, who: str, action: str, **columns: Any) -> Source:
    """Write `columns` unless someone saved since `version`, with an audit line; the fresh row. Raises Stale, NotFound."""
    stamped = {**columns, "version": Source.version + 1, "changed_at": clock.now(), "changed_by": who}
    with database.atomic():
        written = Source.update(stamped).where(Source.id == source.id, Source.version == version, Source.state != "deleted").execute()
        if not written:
            raise _lost(source)
        _audit(source, who, action, {name: getattr(source, name) for name in columns}, columns)
    fresh = Source.get_by_id(source.id)
    fresh.merchant = source.merchant
    return fresh


def integrations(source: Source) -> list[Integration]:
    """The source's integrations in the order of INTEGRATION_KINDS; empty before the first is created."""
    known = {row.kind: row for row in Integration.select().where(Integration.source == source, Integration.removed_at.is_null())}
    return [known[kind] for kind in INTEGRATION_KINDS if kind in known]


def integration(source: Source, kind: str) -> Integration:
    """One integration of the source. Raises NotFound when it was not created yet, was removed, or there is no such kind."""
    row = Integration.get_or_none(Integration.source == source, Integration.kind == kind, Integration.removed_at.is_null())
    if row is None:
        raise NotFound("integration")
    row.source = source
    return row


def inventory_feed(merchant: Merchant, source_id: str, kind: str) -> Integration:
    """The Get Inventory integration `kind` of the merchant's source. Raises NotFound for any other."""
    found = integration(find(merchant, source_id), kind)
    if kind not in INVENTORY_KINDS:
        raise NotFound("integration")
    return found


def add_integration(source: Source, kind: str, who: str) -> Integration:
    """The integration of that kind, created (switched off) when it is not there. Raises NotFound for an unknown kind."""
    if kind not in INTEGRATION_KINDS:
        raise NotFound("integration")
    known = Integration.get_or_none(Integration.source == source, Integration.kind == kind)
    if known is not None and known.removed_at is None:
        return known
    if known is not None:
        return _taken_back(source, known, who)
    try:
        with database.atomic():
            row = Integration.create(source=source, kind=kind, changed_by=who)
            _audit(source, who, "integration.create", None, {"kind": kind})
            return row
    except IntegrityError:  # created by another browser a moment ago
        return integration(source, kind)


def add_secondary(source: Source, who: str) -> Integration:
    """Get Inventory Secondary of the source, made when it is not there yet, switched on and run by hand until it has a schedule."""
    with database.atomic():
        made = add_integration(source, "get_inventory_secondary", who)
        if not made.enabled:
            Integration.update(enabled=True).where(Integration.id == made.id).execute()
    return integration(source, made.kind)


def remove_secondary(source: Source, who: str) -> None:
    """Take Get Inventory Secondary away, if there is one: its unfinished run is stopped, its values stay until the primary writes them.

    The row itself stays, hidden, as its runs and mappings explain values. Added again, it has its mappings and settings, no past.
    """
    with database.atomic():
        gone = {
            "removed_at": clock.now(), "enabled": False, "paused": False, "schedule": {}, "next_run_at": None, "failures": 0,
            "last_run_id": None, "last_accepted_run_id": None, "last_accepted_at": None, "late_since": None,
            "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who,
        }  # fmt: skip
        mine = (Integration.source == source) & (Integration.kind == "get_inventory_secondary") & Integration.removed_at.is_null()
        known = Integration.get_or_none(mine)
        if known is None or not Integration.update(gone).where(mine).execute():
            return
        for run in Run.select().where(Run.integration == known, Run.state << UNFINISHED):
            runs.request_stop(run, who)
        stale.forget(source.id)
        _audit(source, who, "integration.remove", {"kind": known.kind}, {})


def name_key(name: str) -> str:
    """The name folded for comparing: "Café  NORTH" and "café north" are one. At most 200 characters."""
    key = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
    if len(key) > LONGEST_KEY:  # a few letters unfold into a whole phrase
        key = key[:130] + hashlib.sha256(key.encode()).hexdigest()
    return key


def tidy_name(name: str) -> str:
    """One composed form, no space around it and one space between words."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def name_is_free(merchant: Merchant, name: str, apart_from: Source | None = None) -> bool:
    """Whether no other source that is not deleted carries this name."""
    query = Source.select().where(Source.merchant == merchant, Source.name_key == name_key(name), Source.state != "deleted")
    if apart_from is not None:
        query = query.where(Source.id != apart_from.id)
    return not query.exists()


def _checked(merchant: Merchant, name: str, kind: str, apart_from: Source | None = None) -> str:
    """The tidy name. Raises Invalid with every error at once."""
    name = tidy_name(name)
    errors = {"name": name_error(name), "kind": "" if kind in KINDS else "Choose what kind of source this is."}
    if not errors["name"] and not name_is_free(merchant, name, apart_from):
        errors["name"] = _taken(name)
    found = {field: text for field, text in errors.items() if text}
    if found:
        raise Invalid(found)
    return name


def name_error(name: str) -> str:
    """What is wrong with a name, "" for nothing."""
    categories = [unicodedata.category(letter) for letter in name]
    if all(category[0] in "ZC" for category in categories):
        return "Enter a name, such as the supplier's own."
    if "Cc" in categories or "Cs" in categories:
        return "The name holds a character that cannot be shown. Type the name again."
    if len(name) > LONGEST_NAME:
        return f"The name has {len(name)} characters. Use {LONGEST_NAME} or fewer."
    return ""


def _taken(name: str) -> str:
    return f"You already have a source called {name}. Use another name."


@contextmanager
def _one_name(name: str) -> Iterator[None]:
    """Turns the database's refusal of a second equal name (two browsers at once) into the form's error."""
    try:
        yield
    except IntegrityError as error:
        raise Invalid({"name": _taken(name)}) from error


def _taken_back(source: Source, removed: Integration, who: str) -> Integration:
    columns = {"removed_at": None, "version": Integration.version + 1, "changed_at": clock.now(), "changed_by": who}
    if Integration.update(columns).where(Integration.id == removed.id, Integration.removed_at.is_null(False)).execute():
        _audit(source, who, "integration.create", None, {"kind": removed.kind})
    return integration(source, removed.kind)


def _lost(source: Source) -> Exception:
    fresh = Source.get_or_none(Source.id == source.id, Source.state != "deleted")
    return NotFound("source") if fresh is None else Stale(fresh.changed_by, fresh.changed_at)


def _audit(source: Source, who: str, action: str, before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    hidden = ("name_key",)
    old = None if before is None else {name: value for name, value in before.items() if name not in hidden}
    new = {name: value for name, value in after.items() if name not in hidden}
    audit.write(source.merchant, who, action, "source", source.public_id, before=old, after=new)
