"""How a supplier's columns become our fields: the sample, the proposal, saved versions, and what a mapping would do.

sample ─▶ propose ─▶ preview, counts ─▶ save (a new version; older ones stay)
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from portal import audit, clock, directory, documents, file_looks, mapping, matching, notice_shapes, secondary, setup_steps
from portal.errors import Invalid, NotFound, Stale
from portal.fields import INVENTORY_COLUMNS, INVENTORY_FIELDS, SECONDARY_FIELDS, SECONDARY_KEYS, SHIPMENT_FIELDS, Field
from portal.models import Document, Integration, MappingVersion, User, database
from portal.records import CellProblem, Damage, FeedFormat, Match, Row
from portal.sources import INVENTORY_KINDS, PRIMARY, SECONDARY

Rules = Mapping[str, Any]

LOOKED_AT = 1_000  # rows that a proposal and the first values are read from
COUNTED = 100_000  # rows that counts are made over; a larger sample says so
PREVIEW_ROWS = 20
MOST_VALUES = 200  # of one column, offered for a value table
STEP_OF = {"get_inventory_primary": "inventory", "send_orders": "orders", "get_shipments": "shipments", "get_acknowledgements": "shipments"}


@dataclass(frozen=True)
class Sample:
    """The file that set-up works on. `rows`: its first LOOKED_AT rows."""

    document: Document
    path: Path
    format: FeedFormat
    headers: Sequence[str]
    rows: Sequence[Row]

    def first_values(self, column: str, count: int = 3) -> list[str]:
        """The first different values of a column that are not empty; none for a column the file lacks."""
        if column not in self.headers:
            return []
        at = list(self.headers).index(column)
        texts = (row.cells[at].strip() for row in self.rows if at < len(row.cells))
        return list(islice(dict.fromkeys(text for text in texts if text), count))


@dataclass(frozen=True)
class MappedRow:
    """One row of the preview. `values`: by column of INVENTORY_COLUMNS, None for a row that is set aside."""

    number: int
    values: Mapping[str, Any] | None
    problems: Sequence[CellProblem]
    cells: Sequence[str]


@dataclass(frozen=True)
class Seen:
    """The values of a column over the whole sample: the `most` frequent, of `distinct` different ones."""

    most: Sequence[tuple[str, int]]
    distinct: int


def sample_of(integration: Integration) -> Sample | None:
    """The file read last, opened in its saved format. None before one was read, or once it was erased. Raises SupplierError."""
    number = integration.sample_document_id
    document = None if number is None else Document.get_or_none(Document.id == number, Document.source == integration.source)
    if document is None or document.stored_name is None:
        return None
    path = documents.path_of(document)
    if not path.exists():
        return None
    if integration.kind in INVENTORY_KINDS:
        kept = integration.settings.get("format")
        form = FeedFormat(**kept) if kept else file_looks.detect(path, document.name).format
    else:
        form = notice_shapes.shape(path, document.name, SHIPMENT_FIELDS)
    headers, rows = file_looks.preview(path, form, LOOKED_AT)
    return Sample(document, path, form, headers, rows)


def current(integration: Integration) -> MappingVersion | None:
    """The mapping version in use; None before the first save."""
    mine = (MappingVersion.integration == integration) & (MappingVersion.number == integration.mapping_version)
    return MappingVersion.get_or_none(mine)


def versions(integration: Integration) -> list[MappingVersion]:
    """Every saved version, newest first."""
    return list(MappingVersion.select().where(MappingVersion.integration == integration).order_by(MappingVersion.number.desc()))


def propose(integration: Integration, sample: Sample) -> list[Match]:
    """A column, or none, for each of our fields; the saved mapping comes first."""
    saved, cells = current(integration), [list(row.cells) for row in sample.rows]
    if saved is None and (usual := default_rules(integration, sample)):
        found = matching.propose(fields_of(integration), sample.headers, cells, usual, "As this supplier's entry says")
        return [
            one if _is_sure(one, mapping.needed_columns(usual)) else replace(one, column=None, how=matching.NONE, words="Not matched")
            for one in found
        ]
    return matching.propose(fields_of(integration), sample.headers, cells, saved.rules if saved else None)


def _is_sure(match: Match, used: Sequence[str]) -> bool:
    """Beside an entry's own mapping there is no guess, and none of its columns is anything else as well."""
    return match.how == matching.SAME or (match.how != matching.GUESS and match.column not in used)


def default_rules(integration: Integration, sample: Sample) -> dict[str, Any]:
    """The mapping that the supplier's entry in the directory has for its rows, as far as the sample has its columns; empty without one."""
    known = directory.find(integration.source.supplier).operations.get("get_inventory") if integration.kind == PRIMARY else None
    return known.rules(sample.headers) if known else {}


def first_rules(integration: Integration, sample: Sample, matches: Sequence[Match]) -> dict[str, Any]:
    """What the editor starts with before anything was saved: the supplier's own mapping with what else we found, or the proposal."""
    proposed, usual = proposed_rules(sample, matches), default_rules(integration, sample)
    if not usual:
        return proposed
    units: dict[str, Any] = {key: proposed[key] for key in ("weight_unit", "dimension_unit") if key in proposed}
    return {**units, **usual, "fields": {**proposed["fields"], **usual["fields"]}}


def fields_of(integration: Integration) -> Sequence[Field]:
    """Our fields that the integration's mapping may fill."""
    return SECONDARY_FIELDS if integration.kind == SECONDARY else INVENTORY_FIELDS


def save(
    integration: Integration, rules: Rules, headers: Sequence[str], who: str, user: User | None = None, based_on: int | None = None
) -> MappingVersion:
    """Keep `rules` as a new version, make it the one in use, and mark its set-up step.

    `based_on`: the version that the form showed. Raises Invalid (see mapping.check_rules), or Stale when another
    version was saved since.
    """
    check(integration, rules, headers)
    seen = integration.mapping_version if based_on is None else based_on
    before = current(integration)
    with database.atomic():
        _take_number(integration, seen, who)
        columns = {"rules": dict(rules), "headers": list(headers), "made_by": user, "made_at": clock.now()}
        version = MappingVersion.create(integration=integration, number=seen + 1, **columns)
        source = integration.source
        kept = {"version": seen, "rules": before.rules if before else None}
        after = {"version": seen + 1, "rules": dict(rules)}
        audit.write(source.merchant, who, "mapping.save", "integration", integration.public_id, before=kept, after=after)
        if integration.kind == SECONDARY:
            secondary.mark(integration, "mapping")
        else:
            setup_steps.mark(source, STEP_OF[integration.kind])
    return version


def check(integration: Integration, rules: Rules, headers: Sequence[str]) -> None:
    """Raise Invalid unless the rules can be used by the integration on a file with these headers."""
    if integration.kind in INVENTORY_KINDS:
        mapping.check_rules(rules, headers)
    if integration.kind == SECONDARY:
        _check_secondary(rules)


def _check_secondary(rules: Rules) -> None:
    """Raise Invalid unless the rules set something, and only what a second feed may set."""
    fields = set(rules.get("fields") or {})
    errors = dict.fromkeys(fields - set(SECONDARY_KEYS), "Get Inventory Secondary sets only quantity, prices and status")
    if rules.get("custom"):
        errors["custom"] = "Get Inventory Secondary sets no custom fields"
    if fields <= {"sku"} and not rules.get("warehouses"):
        errors["quantity"] = "Choose at least one column beside the SKU: a quantity, a price or a status"
    if errors:
        raise Invalid(errors)


def preview(sample: Sample, rules: Rules, count: int = PREVIEW_ROWS) -> list[MappedRow]:
    """What the first rows become. Raises SupplierError columns_missing."""
    mapper = mapping.compile_rules(rules, sample.headers, sample.format.decimal_mark)
    found = []
    for row in sample.rows[:count]:
        values, problems = mapper(row)
        named = None if values is None else dict(zip(INVENTORY_COLUMNS, values, strict=True))
        found.append(MappedRow(row.number, named, problems, row.cells))
    return found


def counts(sample: Sample, rules: Rules) -> mapping.Tally:
    """What the rules do to the whole sample, at most COUNTED rows of it. Raises SupplierError."""
    return _counts(sample.path, sample.format, json.dumps(rules, sort_keys=True))


def damage(sample: Sample, rules: Rules) -> Sequence[Damage]:
    """What a spreadsheet program did to the sample's values, with what the rules say of codes and SKUs. Raises SupplierError."""
    fields = rules.get("fields") or {}
    codes, ids = (
        tuple(column for key in keys for column in (fields.get(key) or {}).get("columns") or ())
        for keys in (("upc",), ("sku", "mpn", "parent_sku"))
    )
    return _damage(sample.path, sample.format, codes, ids)


def values_seen(sample: Sample, rule: Rules, steps: int) -> Seen:
    """How often each value comes in the sample once the first `steps` steps of the rule are done. Raises SupplierError."""
    columns = [column for column in rule.get("columns") or () if column in sample.headers]
    alone = {"columns": columns, "join": rule.get("join", " "), "steps": list(rule.get("steps") or ())[:steps]}
    return _seen(sample.path, sample.format, json.dumps(alone, sort_keys=True))


def proposed_rules(sample: Sample, matches: Sequence[Match]) -> dict[str, Any]:
    """The rules that a proposal says, with the clean-ups that the values ask for."""
    return matching.rules_from(matches, sample.headers, [row.cells for row in sample.rows], sample.format.decimal_mark)


def sample_skus(sample: Sample, rules: Rules) -> list[str]:
    """The Inventory SKU of each item that the sample's rows become, in the order of the file. Raises SupplierError."""
    return list(_skus(sample.path, sample.format, json.dumps(rules, sort_keys=True)))


def missing_columns(version: MappingVersion, headers: Sequence[str]) -> list[str]:
    """Columns that a saved mapping reads and the present file lacks."""
    return [column for column in mapping.needed_columns(version.rules) if column not in headers]


def usable(rules: Rules, headers: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """(the rules without what cannot be used, what is wrong by key): an editor shows what works while the rest is mended."""
    try:
        mapping.check_rules(rules, headers)
    except Invalid as refused:
        fields = {key: rule for key, rule in rules.get("fields", {}).items() if key not in refused.errors}
        kept = {key: value for key, value in rules.items() if key != "fields" and key not in refused.errors}
        return {**kept, "fields": fields}, dict(refused.errors)
    return dict(rules), {}


def _take_number(integration: Integration, seen: int, who: str) -> None:
    """Point the integration at the version after `seen`. Raises Stale when it is not at `seen` any more."""
    columns = {"mapping_version": seen + 1, "changed_at": clock.now(), "changed_by": who}
    mine = (Integration.id == integration.id) & (Integration.mapping_version == seen)
    if Integration.update(columns).where(mine).execute():
        integration.mapping_version = seen + 1
        return
    fresh = Integration.get_or_none(Integration.id == integration.id)
    if fresh is None:
        raise NotFound("integration")
    theirs = current(fresh)
    maker = theirs.made_by.email if theirs and theirs.made_by else fresh.changed_by
    raise Stale(maker, theirs.made_at if theirs else fresh.changed_at)


@lru_cache(maxsize=256)
def _counts(path: Path, form: FeedFormat, rules: str) -> mapping.Tally:
    """Files in the spool never change, so neither do their counts."""
    wanted = json.loads(rules)
    duplicates = wanted.get("duplicates", "last" if "sku" in wanted["fields"] else "sum")
    return file_looks.tally(path, form, wanted, COUNTED, duplicates)


@lru_cache(maxsize=64)
def _damage(path: Path, form: FeedFormat, codes: tuple[str, ...], ids: tuple[str, ...]) -> Sequence[Damage]:
    return file_looks.damage(path, form, COUNTED, codes, ids)


@lru_cache(maxsize=64)
def _seen(path: Path, form: FeedFormat, rule: str) -> Seen:
    return Seen(*file_looks.values(path, form, json.loads(rule), COUNTED, MOST_VALUES))


@lru_cache(maxsize=8)
def _skus(path: Path, form: FeedFormat, rules: str) -> tuple[str, ...]:
    return tuple(file_looks.skus(path, form, json.loads(rules), COUNTED))
