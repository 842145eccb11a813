"""Rows of a supplier's tracking file as shipments, and of an acknowledgement file as answers, with every problem of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.errors import Invalid
from portal.fields import ANSWER_FIELDS, SHIPMENT_FIELDS, Field
from portal.mapping.amounts import SHORTENED, Unfit, is_shortened, quantity_reader
from portal.mapping.compiling import LONGEST_SHOWN, columns_missing
from portal.mapping.kinds import identifier_reader, text_reader
from portal.mapping.rules import MOST_COLUMNS, MOST_STEPS
from portal.mapping.transforms import compose, fits, problem_of
from portal.order_mapping.dates import DATE_FORMS, NotADate, read
from portal.records import CellProblem, Row

Rules = Mapping[str, Any]
Shipment = dict[str, Any]
ShipmentMapper = Callable[[Row], tuple[Shipment | None, list[CellProblem]]]
_Read = Callable[[list[str], list[CellProblem]], Any]
MEANINGS = {"accept": "Accepted", "partial": "Accepted as far as the quantity says, the rest rejected", "reject": "Rejected"}
"""What a supplier's code for a line can mean."""
MOST_CODES = 100
COUNTED = ("sku", "accepted", "rejected")
"""Fields that mean something else when they are empty: a row with an unreadable one is set aside."""


def needed_shipment_columns(rules: Rules) -> list[str]:
    """Every column the rules read, once, in order."""
    return list(dict.fromkeys(column for rule in (rules.get("fields") or {}).values() for column in rule.get("columns") or ()))


def check_shipment_rules(rules: Rules, headers: Sequence[str], known: Sequence[Field] = SHIPMENT_FIELDS) -> None:
    """Raise Invalid, keyed by field or "date_form", for rules that cannot be used on a file with these headers.

    {"fields": {"tracking_number": {"columns": [...], "steps": [...]}, "carrier": {"fixed": "UPS"}, …}, "date_form": ""}
    """
    errors: dict[str, str] = {}
    fields = rules.get("fields") or {}
    for field in known:
        if field.needed and not (fields.get(field.key) or {}).get("columns"):
            errors[field.key] = f"Choose the column that holds the {field.label.lower()}"
    for key, rule in fields.items():
        if problem := _problem({field.key: field for field in known}, key, rule, headers):
            errors.setdefault(key, problem)
    if rules.get("date_form") and rules["date_form"] not in DATE_FORMS:
        errors["date_form"] = "Choose a date form"
    if errors:
        raise Invalid(errors)


def _problem(known: Mapping[str, Field], key: str, rule: Any, headers: Sequence[str]) -> str | None:
    if key not in known or not isinstance(rule, Mapping):
        return "There is no such field"
    columns, steps = rule.get("columns") or [], rule.get("steps") or []
    if not isinstance(columns, list) or len(columns) > MOST_COLUMNS:
        return f"Choose at most {MOST_COLUMNS} columns"
    if absent := [column for column in columns if column not in headers]:
        return f"The file has no column “{absent[0]}”"
    if not columns and not rule.get("fixed"):
        return f"Choose the column that holds the {known[key].label.lower()}"
    if not all(fits(rule.get(part) or "") for part in ("fixed", "fallback", "join")):
        return "Use a shorter text without line breaks"
    if not isinstance(steps, list) or len(steps) > MOST_STEPS:
        return f"Use at most {MOST_STEPS} changes"
    return next((problem for step in steps if (problem := problem_of(step))), None)


def check_answer_rules(rules: Rules, headers: Sequence[str]) -> None:
    """The same for acknowledgement files; with neither a status nor a quantity nothing is answered, which is keyed "code"."""
    check_shipment_rules(rules, headers, ANSWER_FIELDS)
    fields = rules.get("fields") or {}
    if not any((fields.get(key) or {}).get("columns") for key in ("code", "accepted", "rejected")):
        raise Invalid({"code": "Choose the column that holds the status, or one that holds a quantity"})
    codes = rules.get("codes") or {}
    if not isinstance(codes, Mapping) or len(codes) > MOST_CODES:
        raise Invalid({"codes": f"Enter at most {MOST_CODES} codes"})
    if wrong := next((code for code, means in codes.items() if means not in MEANINGS or not code or not fits(code)), None):
        raise Invalid({"codes": f"Say whether “{wrong}” means accepted, partial or rejected"})


def compile_answers(rules: Rules, headers: Sequence[str], decimal_mark: str = ".") -> ShipmentMapper:
    """As `compile_shipments`, with the keys of ANSWER_FIELDS."""
    return compile_shipments(rules, headers, decimal_mark, ANSWER_FIELDS)


def compile_shipments(
    rules: Rules, headers: Sequence[str], decimal_mark: str = ".", known: Sequence[Field] = SHIPMENT_FIELDS
) -> ShipmentMapper:
    """Row -> (shipment or None, problems). A shipment maps every key of SHIPMENT_FIELDS to its value or None:

    `shipped_at` a date, `quantity` whole units (None with no SKU: the whole request shipped), all else text.
    None: the row has a fatal problem. Raises SupplierError(columns_missing).
    """
    absent = [column for column in needed_shipment_columns(rules) if column not in headers]
    if absent:
        raise columns_missing(absent, headers, needed_shipment_columns(rules))
    index = {header: n for n, header in reversed(list(enumerate(headers)))}
    fields = rules.get("fields") or {}
    form = str(rules.get("date_form") or "")
    reads = [(field.key, _reading(field, fields.get(field.key) or {}, index, decimal_mark, form)) for field in known]

    def mapper(row: Row) -> tuple[Shipment | None, list[CellProblem]]:
        problems = list(row.problems)
        if any(problem.fatal for problem in problems):
            return None, problems
        shipment = {key: read_cells(row.cells, problems) for key, read_cells in reads}
        return (None if any(problem.fatal for problem in problems) else shipment), problems

    return mapper


def _reading(field: Field, rule: Mapping[str, Any], index: Mapping[str, int], mark: str, form: str) -> _Read:
    columns = [index[column] for column in rule.get("columns") or ()]
    name = " + ".join(rule.get("columns") or ())
    join, instead = str(rule.get("join", " ")), str(rule.get("fixed") or rule.get("fallback") or "")
    change = compose(rule.get("steps") or [], mark)
    parse = _parser(field, mark, form)

    def read_cells(cells: list[str], problems: list[CellProblem]) -> Any:
        raw = join.join([cell for n in columns if (cell := cells[n].strip())])
        try:
            if field.kind == "identifier" and is_shortened(raw):
                raise Unfit(SHORTENED)  # before any step could hide the damage
            text = (change(raw).strip() if raw and change else raw) or instead
            value = parse(text) if text else None
            if value is None and field.needed:
                raise Unfit(f"No {field.label.lower()}")
            return value
        except Unfit as unfit:
            fatal = unfit.fatal or field.needed or field.key in COUNTED  # no SKU would say that it is the whole request
            problems.append(CellProblem(field.key, name, raw[:LONGEST_SHOWN], unfit.reason, fatal))
            return unfit.value

    return read_cells


def _parser(field: Field, mark: str, form: str) -> Callable[[str], Any]:
    if field.kind == "quantity":
        return quantity_reader(mark)
    if field.kind == "identifier":
        return identifier_reader(field.longest)
    if field.kind == "text":
        return text_reader(field.longest)

    def parse_date(text: str) -> Any:
        try:
            return read(text, form)
        except NotADate as error:
            raise Unfit(str(error), fatal=False) from None

    return parse_date
