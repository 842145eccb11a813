"""The review: every answer of the set-up in words, phase by phase, and what going live will do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal import (
    activation,
    connection_checks,
    connection_parts,
    connection_values,
    connections,
    file_choice,
    mappings,
    order_setup,
    secondary,
    setup_steps,
    sku_mapping,
    sources,
    webhooks,
)
from portal.errors import SupplierError
from portal.fields import INVENTORY_BY_KEY
from portal.mapping import DUPLICATES

ORDER = list(INVENTORY_BY_KEY)
KINDS = {"orders": "send_orders", "shipments": "get_shipments"}


@dataclass(frozen=True)
class Answer:
    """One line: what was asked, what was answered, more below it, and the step that changes it ("" for none)."""

    label: str
    words: str
    step: str = ""
    more: Sequence[str] = ()
    is_id: bool = False


@dataclass(frozen=True)
class Coming:
    """What the first sync will find. `rows` and the like are None when the sample cannot be read any more."""

    schedule: str
    rows: int | None = None
    used: int = 0
    set_aside: int = 0
    capped: bool = False
    problem: Any = None


def phases(source: Any) -> list[tuple[str, list[Answer]]]:
    """(title, answers) of each of the four phases."""
    titles = [title for title, _ in setup_steps.PHASES[:-1]] + [setup_steps.TITLES["skus"]]
    return list(zip(titles, (_source(source), _connection(source), _operations(source), _skus(source)), strict=True))


def coming(source: Any) -> Coming:
    """What will happen once the source is live, counted over the sample."""
    integration = sources.integration(source, "get_inventory_primary")
    schedule = schedule_words(integration.schedule or activation.default_schedule(source))
    if connections.is_webhook(source):
        schedule = "As deliveries come"
    version = mappings.current(integration)
    try:
        sample = mappings.sample_of(integration)
        if sample is None or version is None:
            return Coming(schedule)
        tally = mappings.counts(sample, version.rules)
    except SupplierError as error:
        return Coming(schedule, problem=error.problem)
    return Coming(schedule, tally.rows, tally.items, tally.set_aside, not tally.whole)


def flow(source: Any) -> tuple[str, str, str]:
    """The flow strip: inventory, orders, shipments."""
    supplier, known = connections.supplier_of(source), {one.kind: one for one in sources.integrations(source)}
    rest = [_part(supplier.supports[operation], known.get(kind)) for operation, kind in KINDS.items()]
    return ("on", rest[0], rest[1])


def schedule_words(schedule: Mapping[str, Any]) -> str:
    """ "Every hour", "Mon, Tue at 08:00", "After each upload"."""
    every, days = schedule.get("every_minutes"), schedule.get("days")
    if every:
        return {60: "Every hour"}.get(every) or (f"Every {every // 60} hours" if every % 60 == 0 else f"Every {every} minutes")
    if days:
        names = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
        which = "Every day" if len(days) == 7 else ", ".join(names[day] for day in sorted(days))
        return f"{which} at {', '.join(schedule.get('times', []))}"
    return "After each upload"


def _part(supported: bool, integration: Any) -> str:
    return "none" if not supported else "on" if integration is not None and integration.enabled else "off"


def _source(source: Any) -> list[Answer]:
    supplier = connections.supplier_of(source)
    return [
        Answer("Name", source.name),
        Answer("Type", sources.KINDS[source.kind]),
        Answer("Supplier", supplier.name, "supplier", tuple(method for method in supplier.methods if method not in supplier.name)),
    ]


def _connection(source: Any) -> list[Answer]:
    connection = connections.find(source)
    kept = sources.integration(source, "get_inventory_primary").settings
    server = connection_parts.host_of(source)
    given = "The supplier sends to us" if connections.is_webhook(source) else "You upload each file"
    where = server or (given if connections.is_given(source) else "Saved")
    return [
        Answer("Connection", where, "connection", _trust(connection), bool(server)),
        Answer("File", file_words(source, kept), "file", format_words(kept)),
    ]


def _trust(connection: Any) -> list[str]:
    lines = [f"User {connection.settings['user']}"] if connection.settings.get("user") else []
    if connection.trusted_key:
        how = "compared" if connection.trusted_key["how"] == "compared" else "trusted on first use"
        lines.append(f"{connection.trusted_key['fingerprint']}, {how} by {connection.trusted_key['by']}")
    if connection_checks.read_back(connection):
        lines.append("Tested" if connection.state == "ok" else "Not tested since the last change")
    return lines


def file_words(source: Any, kept: Mapping[str, Any]) -> str:
    """Which file is read: "The newest stock_*.csv"."""
    if connections.is_webhook(source):
        return "The newest delivery" if webhooks.holds(source) == "full" else "Each delivery, as it comes"
    if connections.is_upload(source):
        return "The newest upload"
    if kept.get("link"):
        return connection_values.bare(str(kept["link"]))
    if kept.get("match") == "exact":
        return f"Always {kept.get('pattern')}"
    return "The file behind the link" if kept.get("pattern") == "*" else f"The newest {kept.get('pattern')}"


def format_words(kept: Mapping[str, Any]) -> list[str]:
    """Where it lies and how it is read, a line each."""
    form = kept.get("format") or {}
    delimiter = str(form.get("delimiter", ""))
    names = [file_choice.DELIMITERS.get(delimiter, delimiter).capitalize(), str(form.get("encoding", "")).upper()]
    row = form.get("header_row")
    names.append("no column names" if row == 0 else f"column names in row {row}" if row else "")
    folder = [f"Folder {kept['folder']}"] if kept.get("folder") else []
    return [*folder, ", ".join(name for name in names if name)]


def _operations(source: Any) -> list[Answer]:
    supplier = connections.supplier_of(source)
    answers = [_inventory(source), *_second(source)]
    for operation, kind in KINDS.items():
        label = sources.INTEGRATION_KINDS[kind]
        if not supplier.supports[operation]:
            answers.append(Answer(label, "Not with this method", "", (supplier.cannot[operation],)))
            continue
        integration = sources.integration(source, kind)
        answers.append(Answer(label, "On" if integration.enabled else "Off", operation, _operation_lines(integration)))
    return answers


def _second(source: Any) -> list[Answer]:
    """The second feed, where there is one; it is changed under Integrations."""
    there = secondary.of(source)
    if there is None:
        return []
    version = mappings.current(there)
    words = ("Paused" if there.paused else "On") if there.enabled else "Being added"
    return [Answer(sources.INTEGRATION_KINDS[there.kind], words, "", mapping_lines(version.rules) if version else ())]


def _inventory(source: Any) -> Answer:
    version = mappings.current(sources.integration(source, "get_inventory_primary"))
    rules = version.rules if version else {}
    return Answer("Map the inventory", filled(rules), "inventory", mapping_lines(rules))


def filled(rules: Mapping[str, Any]) -> str:
    """ "5 fields filled"."""
    count = len(rules.get("fields", {})) + len(rules.get("custom", []))
    return f"{count} {'field' if count == 1 else 'fields'} filled"


def mapping_lines(rules: Mapping[str, Any]) -> list[str]:
    """What a mapping fills and from where, a line each."""
    fields = rules.get("fields", {})
    lines = [
        f"{INVENTORY_BY_KEY[key].label}: {_rule_words(rule)}" for key, rule in sorted(fields.items(), key=lambda one: ORDER.index(one[0]))
    ]
    lines += [f"Warehouse {one['name']}: {one['column']}" for one in rules.get("warehouses", [])]
    if rules.get("warehouse_rows"):
        lines.append(f"One row for each warehouse, named by {_rule_words(rules['warehouse_rows'])}")
    lines += [f"{one['name']}: {_rule_words(one)} (custom)" for one in rules.get("custom", [])]
    lines.append(f"A SKU that comes more than once: {DUPLICATES[rules.get('duplicates', 'last')].lower()}")
    return lines


def _rule_words(rule: Mapping[str, Any]) -> str:
    if "fixed" in rule:
        return f"always “{rule['fixed']}”"
    changes = len(rule.get("steps") or ())
    return " + ".join(rule.get("columns") or ()) + (f", {changes} {'change' if changes == 1 else 'changes'}" if changes else "")


def _operation_lines(integration: Any) -> list[str]:
    version = mappings.current(integration)
    if not integration.enabled:
        return []
    auto = "Automatically Send Orders: " + ("on" if integration.settings.get("auto_send") else "off")
    if integration.kind == "send_orders" and order_setup.leaves_by_api(integration):
        return [auto, "Each order is a call of their API"]
    if version is None:
        return []
    if integration.kind == "send_orders":
        return [auto, f"{len(version.rules['columns'])} columns, {version.rules['file_name']}"]
    return [f"{len(version.rules.get('fields', {}))} fields, from {integration.settings.get('pattern', '')}"]


def _skus(source: Any) -> list[Answer]:
    prefix = source.sku_prefix
    try:
        known = sku_mapping.known_skus(source).skus
    except SupplierError:
        known = ()
    chain = sku_mapping.chain(prefix, known, 1)
    more = (
        [f"{chain[0].inventory_sku} becomes {chain[0].master_sku}" if prefix else f"{chain[0].inventory_sku} stays as it is"]
        if chain
        else []
    )
    return [Answer("Master SKU prefix", prefix or "None", "skus", more, bool(prefix))]
