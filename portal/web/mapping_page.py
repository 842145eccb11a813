"""What the mapping editor shows: a line a field, the preview, the counts. Built anew from the draft for every answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal import mappings
from portal.errors import Problem, SupplierError
from portal.fields import INVENTORY_BY_KEY, INVENTORY_COLUMNS
from portal.inventory.export import shown
from portal.mapping import SET_ASIDE, Failure, Tally, needed_columns
from portal.mapping.kinds import CUT, PUT_BACK
from portal.mappings import MappedRow, Sample, Seen
from portal.records import Match
from portal.web import mapping_damage
from portal.web.mapping_damage import Hurt
from portal.web.mapping_form import COLUMN, FIXED, Draft, RuleDraft, rules_of

EXACT = ("same_as_last", "header")
CUT_STARTS = CUT.partition("{")[0]


@dataclass
class Line:
    """One row of the editor. `doubt`: the match wants a look; `confirm`: and a tick, since the field is needed."""

    rule: RuleDraft
    label: str
    hint: str = ""
    needed: bool = False
    kind: str = "text"
    words: str = ""
    doubt: bool = False
    confirm: bool = False
    samples: Sequence[str] = ()
    becomes: Sequence[tuple[str, str]] = ()
    failures: Sequence[str] = ()
    error: str = ""
    opened: bool = False
    seen: Mapping[int, Mapping[str, int]] = field(default_factory=dict)
    distinct: Mapping[int, int] = field(default_factory=dict)
    hurts: Sequence[Hurt] = ()

    @property
    def id(self) -> str:
        """The row's place as an element id."""
        return self.rule.place.replace(".", "-")

    @property
    def needs_you(self) -> bool:
        """Whether the "Needs you" filter keeps it."""
        offered = any(hurt.button for hurt in self.hurts)
        return bool(self.error or self.doubt or self.failures or offered or (self.needed and not self.rule.used))


@dataclass
class Editor:
    """The whole page. `lines`: used, needed or opened; `unused`: our other fields. `problem`: why nothing could be mapped."""

    draft: Draft
    sample: Sample
    lines: list[Line]
    unused: list[Line]
    warehouses: list[Line]
    custom: list[Line]
    by_row: list[Line]
    preview: Sequence[MappedRow]
    columns: Sequence[str]
    tally: Tally | None
    ignored: Sequence[tuple[str, Sequence[str]]]
    errors: Mapping[str, str]
    problem: Problem | None = None
    repairs: Sequence[str] = ()

    @property
    def all_lines(self) -> list[Line]:
        """Every line, in page order."""
        return [*self.lines, *self.unused, *self.warehouses, *self.by_row, *self.custom]

    @property
    def matched(self) -> int:
        """How many of our fields have a value."""
        return sum(line.rule.used for line in self.all_lines)

    @property
    def needing(self) -> int:
        """How many lines the "Needs you" filter keeps."""
        return sum(line.needs_you for line in self.all_lines)

    @property
    def is_exact(self) -> bool:
        """Whether every used field was matched by its name and nothing waits for a person."""
        clean = all(line.words and not line.doubt and not line.hurts for line in self.lines if line.rule.used)
        return clean and not self.needing

    def line(self, place: str) -> Line | None:
        """The line of that place."""
        return next((line for line in self.all_lines if line.rule.place == place), None)


def build(sample: Sample, matches: Sequence[Match], draft: Draft, errors: Mapping[str, str] | None = None) -> Editor:
    """The editor for a draft. `errors`: of a refused save, by key of mapping.check_rules."""
    rules, unfit = mappings.usable(rules_of(draft), sample.headers)
    shown_errors = dict(errors or {})
    tally, preview, problem = _mapped(sample, rules)
    by_field = _by_field(matches)
    lines, hurt = [_line(sample, rule, by_field, shown_errors) for rule in draft.rows], mapping_damage.of_sample(sample, rules)
    for line in lines:
        line.opened, line.hurts = line.rule.place in draft.opened, mapping_damage.of_line(line.rule, hurt)
        _add_results(line, sample, preview, tally, unfit)
    of = {kind: [line for line in lines if line.rule.place.startswith(kind + ".")] for kind in ("f", "w", "x", "r")}
    used = [line for line in of["f"] if line.rule.used or line.needed or line.opened or line.error]
    return Editor(
        draft=draft, sample=sample, lines=used, unused=[line for line in of["f"] if line not in used], warehouses=of["w"],
        custom=of["x"], by_row=of["r"], preview=preview, columns=_columns(rules), tally=tally, ignored=_ignored(sample, rules),
        errors=shown_errors, problem=problem, repairs=mapping_damage.sentences([(line.label, line.hurts) for line in lines]),
    )  # fmt: skip


def usable_rules(sample: Sample, draft: Draft) -> dict[str, Any]:
    """The rules that the draft says, without what cannot be used."""
    return mappings.usable(rules_of(draft), sample.headers)[0]


def own_errors(draft: Draft, matches: Sequence[Match]) -> dict[str, str]:
    """What only the form knows: a fixed value left empty, a guess for a needed field not confirmed."""
    errors = {}
    by_field = _by_field(matches)
    for key, rule in draft.fields.items():
        ours = INVENTORY_BY_KEY[key]
        if rule.choice == FIXED and not rule.fixed.strip():
            errors[key] = f"Type the {ours.label} that every item gets, or choose a column"
        elif _asks(ours.needed, rule, by_field.get(key, ())) and not rule.confirmed:
            errors[key] = f"Look at the first values, then confirm that “{rule.columns[0]}” holds your {ours.label}"
    return errors


def _by_field(matches: Sequence[Match]) -> dict[str, list[Match]]:
    found: dict[str, list[Match]] = {}
    for match in matches:
        found.setdefault(match.field, []).append(match)
    return found


def _matched(rule: RuleDraft, matches: Sequence[Match]) -> Match | None:
    """The proposal, when its column is the one chosen."""
    return next((match for match in matches if match.column and rule.columns[:1] == [match.column]), None)


def _asks(needed: bool, rule: RuleDraft, matches: Sequence[Match]) -> bool:
    match = _matched(rule, matches)
    return needed and match is not None and not match.sure


def _line(sample: Sample, rule: RuleDraft, by_field: Mapping[str, Sequence[Match]], errors: Mapping[str, str]) -> Line:
    kind, _, key = rule.place.partition(".")
    if kind != "f":
        return _own_line(sample, rule, kind, by_field)
    ours, matches = INVENTORY_BY_KEY[key], by_field.get(key, ())
    match = _matched(rule, matches)
    line = Line(rule, ours.label, ours.hint, ours.needed, ours.kind, samples=_samples(sample, rule), error=errors.get(key, ""))
    if match is not None:
        line.words, line.doubt = match.words, not match.sure and not rule.confirmed
        line.confirm = _asks(ours.needed, rule, matches)
    elif rule.columns:
        absent = [column for column in rule.columns if column not in sample.headers]
        line.words, line.doubt = ("Not in this file", True) if absent else ("Chosen by you", False)
    return line


def _own_line(sample: Sample, rule: RuleDraft, kind: str, by_field: Mapping[str, Sequence[Match]]) -> Line:
    """A warehouse or a custom field, whose name is the merchant's; or the column that names the warehouse of a row."""
    if kind == "r":
        words = "Chosen: each row is of the warehouse that it names" if rule.columns else ""
        return Line(
            rule, "Warehouse of a row", "For files with a row for each SKU and warehouse", words=words, samples=_samples(sample, rule)
        )
    if kind == "x":
        return Line(rule, rule.name.strip() or "New field", samples=_samples(sample, rule))
    found = next((one for one in by_field.get("warehouses", ()) if rule.columns == [one.column]), None)
    words = found.words if found else ""
    return Line(rule, rule.name.strip() or "New warehouse", kind="quantity", words=words, samples=_samples(sample, rule))


def _samples(sample: Sample, rule: RuleDraft) -> list[str]:
    return sample.first_values(rule.columns[0]) if rule.columns else []


def _mapped(sample: Sample, rules: Mapping[str, Any]) -> tuple[Tally | None, Sequence[MappedRow], Problem | None]:
    try:
        return mappings.counts(sample, rules), mappings.preview(sample, rules), None
    except SupplierError as error:
        return None, [], error.problem


def _add_results(line: Line, sample: Sample, preview: Sequence[MappedRow], tally: Tally | None, unfit: Mapping[str, str]) -> None:
    """What the draft's rules make of this line's values."""
    kind, _, key = line.rule.place.partition(".")
    name = {"f": key, "w": "quantity", "r": "warehouses", "x": f"custom:{line.rule.name.strip()}"}[kind]
    if tally is not None and line.rule.used:
        columns = {" + ".join(line.rule.columns), *line.rule.columns}
        found = [failure for failure in tally.of(name) if failure.column in columns]
        line.failures = [sentence(failure, tally.rows, line.label) for failure in found]
    if not line.error and line.rule.used and kind == "f" and key in unfit:
        line.error = unfit[key]
    if kind == "f":
        line.becomes = _becomes(line.rule, sample, preview, key)
    if line.opened:
        for n, step in enumerate(line.rule.steps):
            if step.get("do") == "table":
                seen = table_values(sample, line.rule, n)
                line.seen = {**line.seen, n: dict(seen.most)}
                line.distinct = {**line.distinct, n: seen.distinct}


def table_values(sample: Sample, rule: RuleDraft, step: int) -> Seen:
    """The values that a value table meets, with their counts; none when the steps before it cannot be used."""
    json = rules_of(Draft(fields={"title": rule}))["fields"].get("title") or {}
    before = {"fields": {"title": {**json, "steps": list(json.get("steps", ()))[:step]}}}
    if not json.get("columns") or "title" in mappings.usable(before, sample.headers)[1]:
        return Seen((), 0)
    return mappings.values_seen(sample, json, step)


def sentence(failure: Failure, rows: int, label: str) -> str:
    """ "212 of 48,210 rows: Its check digit is wrong, such as 0123. They import without UPC / EAN." """
    example = next((value for _, value in failure.examples if value.strip()), "")
    such = f", such as “{example[:40]}”" if example else ""
    if failure.outcome == SET_ASIDE:
        happens = "These rows are set aside."
    elif failure.reason.startswith(CUT_STARTS) or failure.reason == PUT_BACK:
        return f"{failure.count:,} of {rows:,} rows: {failure.reason}."
    else:
        happens = f"They import without {label}."
    return f"{failure.count:,} of {rows:,} rows: {failure.reason}{such}. {happens}"


def _becomes(rule: RuleDraft, sample: Sample, preview: Sequence[MappedRow], key: str) -> list[tuple[str, str]]:
    """(their value, ours) of the first rows, where they differ."""
    if len(rule.columns) != 1 or rule.columns[0] not in sample.headers or key == "images":
        return []
    at = list(sample.headers).index(rule.columns[0])
    pairs = {row.cells[at].strip(): cell(row, key) for row in preview if row.values is not None and at < len(row.cells)}
    return [(their, ours) for their, ours in pairs.items() if their and their != ours][:3]


def cell(row: MappedRow, column: str) -> str:
    """A preview cell as text; "" for nothing."""
    value = row.values.get(column) if row.values else None
    return "" if value is None else str(shown(column, value))


def _columns(rules: Mapping[str, Any]) -> list[str]:
    """The columns that the preview shows: those the rules write."""
    written = set(rules.get("fields", {}))
    written |= {"quantity", "warehouses"} if rules.get("warehouses") or rules.get("warehouse_rows") else set()
    written |= {"custom"} if rules.get("custom") else set()
    written |= {unit for unit in ("weight_unit", "dimension_unit") if rules.get(unit) and written & _measured(unit)}
    return [column for column in INVENTORY_COLUMNS if column in written]


def _measured(unit: str) -> set[str]:
    return {"weight"} if unit == "weight_unit" else {"length", "width", "height"}


def _ignored(sample: Sample, rules: Mapping[str, Any]) -> list[tuple[str, Sequence[str]]]:
    used = set(needed_columns(rules))
    return [(header, sample.first_values(header)) for header in sample.headers if header not in used]


def label_of(column: str) -> str:
    """A preview column's heading."""
    return {"warehouses": "Warehouses", "custom": "Custom fields"}.get(column) or INVENTORY_BY_KEY[column].label


def choices(sample: Sample, rule: RuleDraft) -> list[tuple[str, str]]:
    """The options of a column select: (value, words). A column that the file lacks stays choosable while it is chosen."""
    gone = [column for column in rule.columns if column not in sample.headers]
    return [(COLUMN + header, header) for header in sample.headers] + [(COLUMN + one, f"{one} (not in this file)") for one in gone]


def row_failures(editor: Editor) -> list[str]:
    """What is wrong with whole rows of the sample, not with one field of them."""
    if editor.tally is None:
        return []
    return [sentence(failure, editor.tally.rows, "it") for failure in editor.tally.of("")]
