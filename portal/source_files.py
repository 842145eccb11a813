"""A source as one TOML file: its supplier, address, mapping, schedule and guards, without anything secret or personal.

source ─▶ text (elsewhere, or for a friend) ─▶ begin ─▶ a draft whose set-up pages come filled in
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import tomli_w

from portal import (
    after_read,
    clock,
    connection_values,
    directory,
    feeds,
    freshness,
    mappings,
    order_mapping,
    schedules,
    sku_mapping,
    sources,
)
from portal.errors import Invalid, NotFound
from portal.inventory import guard_limits, missing, roles, silence
from portal.inventory.missing import Missing
from portal.models import Connection, Integration, MappingVersion, Merchant, Source, database
from portal.records import FeedFormat
from portal.sources import SECONDARY
from portal.suppliers import Supplier

T = TypeVar("T")
FORM = 1
LARGEST = 1_000_000  # bytes
LONGEST_TEXT = 500
PERSONAL = frozenset({"user", "client_id"})
"""Settings that name the merchant's own account; they are no secret, and nobody else's business."""

WRITTEN = ("folder", "match", "pattern", "marker", "marker_text")
POLICIES = ("guards", "silence", "feed", "missing", "owns", "freshness", "after_read")
_FORM_FIELDS = frozenset(one.name for one in fields(FeedFormat))


@dataclass(frozen=True)
class Brought:
    """A source made from a file, and sentences about what the file could not bring."""

    source: Source
    remarks: tuple[str, ...]


def written(source: Source) -> str:
    """The source as TOML. Raises NotFound before a supplier was chosen."""
    supplier = directory.find(source.supplier)
    connection = Connection.get_or_none(Connection.source == source)
    table: dict[str, Any] = {
        "quayside": FORM, "supplier": supplier.slug, "name": source.name, "kind": source.kind,
        "allow_backorders": source.allow_backorders, "sku_prefix": source.sku_prefix,
        "connection": _shareable(supplier, connection.settings if connection else {}),
        "integrations": {one.kind: _integration(one) for one in sources.integrations(source)},
    }  # fmt: skip
    return (
        "# A fulfillment source of Quayside. It holds no password, key, user name, or link or path that may carry one.\n\n"
        + tomli_w.dumps(_without_nothing(table))
    )


def begin(merchant: Merchant, text: bytes, name: str, confirmed: bool, who: str) -> Brought:
    """Make a draft from such a file: all of it or nothing. `name`: "" for the one in the file; `confirmed`: there is an account.

    Raises Invalid (keys file, name, account): `file` names the place in the file.
    """
    table = _read(text)
    supplier = _supplier(table)
    with database.atomic():
        source = sources.create(merchant, name.strip() or str(table.get("name", "")), str(table.get("kind", "")), who)
        directory.select(source, supplier.slug, confirmed, source.version, who)
        source = sources.find(merchant, source.public_id)
        remarks = _connection(source, supplier, table.get("connection", {}))
        for kind, one in _tables(table, "integrations").items():
            remarks += _take_integration(source, str(kind), one, who)
        source = sources.find(merchant, source.public_id)
        prefix = _judged("sku_prefix", lambda: sku_mapping.check_prefix(str(table.get("sku_prefix", ""))))
        sources.change(
            source, source.version, who, "source.from_file", sku_prefix=prefix, allow_backorders=table.get("allow_backorders") is True
        )  # fmt: skip
    return Brought(sources.find(merchant, source.public_id), tuple(remarks))


def _shareable(supplier: Supplier, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What others may see of a connection. A link or path with a query or a user may carry a key, so it is left out whole."""
    public = {one.key for one in supplier.settings if not one.secret and one.kind != "key_pair"} - PERSONAL
    links = {key for key in (*connection_values.LINKS, *connection_values.PATHS) if _carries(str(settings.get(key, "")))}
    return {key: value for key, value in settings.items() if key in public - links}


def _carries(link: str) -> bool:
    try:
        parts = urlsplit(link)
    except ValueError:
        return True
    return bool(parts.query or parts.fragment or "@" in parts.netloc)


def _integration(one: Integration) -> dict[str, Any]:
    version, settings = mappings.current(one), one.settings
    told: dict[str, Any] = {
        **{key: settings[key] for key in WRITTEN if key in settings},
        "format": dict(settings["format"]) if settings.get("format") else None,
        "schedule": one.schedule or None,
        "policies": {key: value for key, value in (one.policies or {}).items() if key in POLICIES} or None,
    }
    if version is not None:
        told["mapping"] = {"headers": list(version.headers), "rules": version.rules}
    return told


def _without_nothing(value: Any) -> Any:
    """TOML has no word for nothing, so what is nothing is left out."""
    if isinstance(value, Mapping):
        return {str(key): _without_nothing(one) for key, one in value.items() if one is not None}
    if isinstance(value, (list, tuple)):
        return [_without_nothing("" if one is None else one) for one in value]
    return value


def _read(text: bytes) -> Mapping[str, Any]:
    if len(text) > LARGEST:
        raise _refusal(f"This file is larger than {LARGEST:,} bytes. A source file is small; choose the one that was exported.")
    try:
        table = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refusal(f"This is not a TOML file: {str(error)[:200]}. Nothing was made.") from None
    if table.get("quayside") != FORM:
        raise _refusal(f"This is not a source file of this version: its first line must say quayside = {FORM}. Nothing was made.")
    return table


def _supplier(table: Mapping[str, Any]) -> Supplier:
    try:
        return directory.find(str(table.get("supplier", "")))
    except NotFound:
        raise _refusal(f"The directory here has no supplier {str(table.get('supplier', ''))[:60]!r}. Nothing was made.") from None


def _tables(table: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = table.get(name, {})
    if not isinstance(found, Mapping) or not all(isinstance(one, Mapping) for one in found.values()):
        raise _refusal(f"{name} must hold tables. Nothing was made.")
    return found


def _connection(source: Source, supplier: Supplier, typed: Any) -> list[str]:
    """Fill in the connect form; it is saved and tested by the person, who adds what is secret."""
    if not isinstance(typed, Mapping):
        raise _refusal("connection must be a table. Nothing was made.")
    allowed = _shareable(supplier, typed)
    form = connection_values.read(supplier, allowed)
    wrong = {key: words for key, words in form.errors.items() if allowed.get(key) not in (None, "")}
    if wrong:
        raise _refusal("; ".join(f"connection.{key}: {words}" for key, words in wrong.items()))
    Connection.update(settings={key: value for key, value in form.values.items() if key in allowed}).where(
        Connection.source == source
    ).execute()
    absent = [one.label.lower() for one in supplier.settings if one.required and one.applies(form.values) and one.key not in allowed]
    return [f"The file holds no {', '.join(absent)}: enter {'it' if len(absent) == 1 else 'them'} yourself."] if absent else []


def _take_integration(source: Source, kind: str, table: Mapping[str, Any], who: str) -> list[str]:
    if kind == SECONDARY:
        return ["Get Inventory Secondary is added once the source is active; the file's settings for it were not taken."]
    if kind not in {one.kind for one in sources.integrations(source)}:
        raise _refusal(f"integrations.{kind[:40]}: there is no such integration. Nothing was made.")
    at, one = f"integrations.{kind}", sources.integration(source, kind)
    settings: dict[str, Any] = {key: table[key] for key in WRITTEN if key in table}
    if not all(isinstance(value, str) and len(value) <= LONGEST_TEXT and value.isprintable() for value in settings.values()):
        raise _refusal(f"{at}: {', '.join(settings)} must be texts of one line, up to {LONGEST_TEXT} characters. Nothing was made.")
    if "format" in table:
        settings["format"] = _judged(f"{at}.format", lambda: _format(table["format"]))
    schedule = table.get("schedule", {})
    if schedule:
        _judged(f"{at}.schedule", lambda: schedules.check(schedule))
    columns = {"settings": {**one.settings, **settings}, "schedule": schedule}
    Integration.update(columns).where(Integration.id == one.id).execute()
    policies = table.get("policies", {})
    if not isinstance(policies, Mapping):
        raise _refusal(f"{at}.policies must be a table. Nothing was made.")
    for part, value in policies.items():
        _judged(f"{at}.policies.{part}", partial(_take_policy, source, kind, part, value, who))
    if "mapping" in table:
        _judged(f"{at}.mapping", lambda: _take_mapping(sources.integration(source, kind), table["mapping"]))
    return []


def _format(table: Mapping[str, Any]) -> dict[str, Any]:
    form = FeedFormat(**{key: value for key, value in table.items() if key in _FORM_FIELDS})
    feeds.check_format(form)
    return asdict(form)


def _take_mapping(one: Integration, table: Mapping[str, Any]) -> None:
    """Version 1, as a proposal: its set-up step is saved by the person who sees it on a real file."""
    rules, headers = table["rules"], [str(name) for name in table["headers"]]
    if one.kind == "send_orders":
        order_mapping.check_layout(rules)
    elif one.kind == "get_shipments":
        order_mapping.check_shipment_rules(rules, headers)
    elif one.kind == "get_acknowledgements":
        order_mapping.check_answer_rules(rules, headers)
    else:
        mappings.check(one, rules, headers)
    MappingVersion.create(integration=one, number=1, rules=rules, headers=headers, made_at=clock.now())
    Integration.update(mapping_version=1).where(Integration.id == one.id).execute()


def _take_policy(source: Source, kind: str, part: str, value: Any, who: str) -> None:
    one = sources.integration(source, kind)
    version = one.version
    match part:
        case "guards":
            guard_limits.save(one, {key: guard_limits.told(number) for key, number in value.items()}, version, who)
        case "silence":
            silence.save(one, value["hours"], value["act"], value.get("percent", 50), version, who)
        case "missing":
            missing.save(one, Missing.of(value), version, who)
        case "freshness":
            lists = {key: tuple(value[key]) for key in ("days", "times") if key in value}
            freshness.save(one, freshness.Rule(**{**value, **lists}), version, who)
        case "feed":
            roles.save_feed(one, value, version, who)
        case "after_read":
            _take_after_read(one, value)
        case _:
            raise Invalid({part: "There is no such part."})


def _take_after_read(one: Integration, value: Mapping[str, str]) -> None:
    typed = {"after_act": value["act"], "after_folder": value.get("folder", ""), "after_suffix": value.get("suffix", "")}
    if errors := after_read.errors(typed):
        raise Invalid(errors)
    rule = after_read.kept(typed)
    Integration.update(policies={**one.policies, "after_read": rule}).where(Integration.id == one.id).execute()


def _judged(where: str, act: Callable[[], T]) -> T:
    """What `act` gives. The judges were written for what our own forms send; a file from elsewhere may hold anything."""
    try:
        return act()
    except Invalid as refused:
        words = "; ".join(f"{key}: {text}" for key, text in list(refused.errors.items())[:3])
        raise _refusal(f"{where}: {words.rstrip('.')}. Nothing was made.") from None
    except (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError):
        raise _refusal(f"{where} is not in the form that an exported file has. Nothing was made.") from None


def _refusal(words: str) -> Invalid:
    return Invalid({"file": words})
