"""Rules and headers ─▶ one function: Row ─▶ (values in the order of INVENTORY_COLUMNS | None, problems)."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from json.encoder import encode_basestring
from typing import Any, NamedTuple

from xxhash import xxh3_64_intdigest

from portal.errors import Problem, SupplierError
from portal.fields import INVENTORY_BY_KEY, INVENTORY_COLUMNS, LARGEST_QUANTITY, Field
from portal.mapping import amounts, kinds, mending
from portal.mapping.amounts import Unfit
from portal.mapping.kinds import Parse
from portal.mapping.rules import LONGEST_NAME, Rules, constant, needed_columns
from portal.mapping.transforms import Change, compose
from portal.records import CellProblem, Row

Values = tuple[Any, ...]
Mapper = Callable[[Row], tuple[Values | None, list[CellProblem]]]
_Cells = list[str]
_Problems = list[CellProblem]
Read = Callable[[_Cells, _Problems], Any]

LONGEST_SHOWN = 200
NO_WAREHOUSE = "Names no warehouse"
BETWEEN = "\x1f"
"""What stands between the values that a content hash is taken of."""

_LONGEST_IMAGES = INVENTORY_BY_KEY["images"].longest
_canonical = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode
_AT = {key: position for position, key in enumerate(INVENTORY_COLUMNS)}
_UNIT_OF = {"weight": "weight_unit", "length": "dimension_unit", "width": "dimension_unit", "height": "dimension_unit"}


class Readings(NamedTuple):
    """What rules make of a row's cells: the values that never change, by position in INVENTORY_COLUMNS, and how the others are read.

    `stock` gives (sum, JSON) of the warehouses; `sums`: the sum is the quantity. With a row a warehouse it is the row's own quantity.
    """

    blank: list[Any]
    fields: list[tuple[int, Read]]
    stock: Callable[[_Cells, _Problems], tuple[int | None, str | None]] | None
    sums: bool


def compile_rules(rules: Rules, headers: Sequence[str], decimal_mark: str = ".") -> Mapper:
    """One function for a whole feed, about 20 µs a row (see `compile_batches` for long feeds). Expects rules that `check_rules` accepted.

    Raises SupplierError(columns_missing) when the file lacks a column that the rules read.
    """
    return _mapper(readings_of(rules, headers, decimal_mark))


def readings_of(rules: Rules, headers: Sequence[str], decimal_mark: str) -> Readings:
    """How each field of the rules is read from a file with these headers. Raises SupplierError(columns_missing)."""
    absent = [column for column in needed_columns(rules) if column not in headers]
    if absent:
        raise columns_missing(absent, headers, needed_columns(rules))
    index = {header: n for n, header in reversed(list(enumerate(headers)))}
    blank: list[Any] = [None] * len(INVENTORY_COLUMNS)
    readings: list[tuple[int, Read]] = []
    fields: Mapping[str, Any] = rules.get("fields") or {}
    for key, rule in fields.items():
        field, unit = INVENTORY_BY_KEY[key], unit_of_field(rules, key)
        if key == "quantity" and rules.get("warehouse_rows"):
            continue  # read with the name of its warehouse
        if not rule.get("columns"):
            blank[_AT[key]] = _fixed(field, str(rule["fixed"]), unit)
        else:
            readings.append((_AT[key], _reading(field, rule, index, decimal_mark, unit)))
    for key in ("weight_unit", "dimension_unit"):
        blank[_AT[key]] = blank[_AT[key]] or rules.get(key)
    if rules.get("custom"):
        readings.append((_AT["custom"], _custom(rules["custom"], index, decimal_mark)))
    if rules.get("warehouse_rows"):
        return Readings(blank, readings, _own_warehouse(rules, index, decimal_mark), True)
    stock = _warehouses(rules["warehouses"], index, decimal_mark) if rules.get("warehouses") else None
    return Readings(blank, readings, stock, "quantity" not in fields)


def _mapper(how: Readings) -> Mapper:
    blank, readings, stock, sums = how
    quantity, warehouses = _AT["quantity"], _AT["warehouses"]
    weight, weight_unit = _AT["weight"], _AT["weight_unit"]
    length, width, height, dimension_unit = _AT["length"], _AT["width"], _AT["height"], _AT["dimension_unit"]

    def mapper(row: Row) -> tuple[Values | None, list[CellProblem]]:
        cells = row.cells
        problems = list(row.problems)
        if problems and any(problem.fatal for problem in problems):
            return None, problems  # its cells may stand in the wrong columns: no further reading of them
        values = blank[:]
        for position, read in readings:
            values[position] = read(cells, problems)
        if stock:
            total, values[warehouses] = stock(cells, problems)
            if sums:
                values[quantity] = total
        if values[weight] is None:
            values[weight_unit] = None
        if values[length] is None and values[width] is None and values[height] is None:
            values[dimension_unit] = None
        if problems and any(problem.fatal for problem in problems):
            return None, problems
        return tuple(values), problems

    return mapper


def unit_of_field(rules: Rules, key: str) -> str | None:
    """The unit a measure is stored in, when the rules fix one for all rows."""
    name = _UNIT_OF.get(key)
    rule = (rules.get("fields") or {}).get(name) or {}
    if not name or rule.get("columns"):
        return None
    return kinds.unit_of(str(rule["fixed"])) if rule.get("fixed") else rules.get(name) or None


def _fixed(field: Field, text: str, unit: str | None) -> Any:
    if field.kind == "images":
        return _image_list([text], [])
    return constant(field, text, unit)


def _reading(field: Field, rule: Mapping[str, Any], index: Mapping[str, int], mark: str, unit: str | None) -> Read:
    """The reading of one field from its column or columns."""
    columns = [index[column] for column in rule["columns"]]
    name = " + ".join(rule["columns"])
    change = compose(rule.get("steps") or [], mark)
    if field.kind == "images":
        return _images(columns, rule["columns"], str(rule.get("separator") or ""), change, str(rule.get("fallback") or ""))
    fallback = constant(field, str(rule.get("fallback") or ""), unit)
    parse = kinds.parser(field, mark, unit)
    if field.key == "sku":
        mends = mark if any(step["do"] == "digits" for step in rule.get("steps") or []) else ""
        return _sku(_source(columns, str(rule.get("join", " "))), name, change, parse, mends)
    if len(columns) != 1:
        return _joined(field.key, name, _source(columns, str(rule.get("join", " "))), change, parse, fallback)
    if change is None and field.kind == "text":
        return _plain_text(field.key, name, columns[0], field.longest, fallback)
    return _single(field.key, name, columns[0], change, parse, fallback)


def _source(columns: list[int], join: str) -> Callable[[_Cells], str]:
    if len(columns) == 1:
        column = columns[0]
        return lambda cells: cells[column].strip()
    return lambda cells: join.join([text for n in columns if (text := cells[n].strip())])


def _plain_text(key: str, name: str, column: int, longest: int, fallback: Any) -> Read:
    def read(cells: _Cells, problems: _Problems) -> Any:
        text = cells[column].strip()
        if len(text) > longest:
            problems.append(CellProblem(key, name, text[:LONGEST_SHOWN], kinds.CUT.format(longest), False))
            return text[:longest]
        return text or fallback

    return read


def _single(key: str, name: str, column: int, change: Change | None, parse: Parse, fallback: Any) -> Read:
    if change is None:

        def read(cells: _Cells, problems: _Problems) -> Any:
            text = cells[column].strip()
            if not text:
                return fallback
            try:
                return parse(text)
            except Unfit as unfit:
                problems.append(_problem(key, name, text, unfit))
                return unfit.value

        return read
    return _joined(key, name, lambda cells: cells[column].strip(), change, parse, fallback)


def _joined(key: str, name: str, source: Callable[[_Cells], str], change: Change | None, parse: Parse, fallback: Any) -> Read:
    def read(cells: _Cells, problems: _Problems) -> Any:
        text = raw = source(cells)
        if text and change:
            text = change(text).strip()
        if not text:
            return fallback
        try:
            return parse(text)
        except Unfit as unfit:
            problems.append(_problem(key, name, raw, unfit))
            return unfit.value

    return read


def _sku(source: Callable[[_Cells], str], name: str, change: Change | None, parse: Parse, mends: str) -> Read:
    """`mends`: the decimal mark when a step restores numbers that hold all their digits, else ""."""

    def read(cells: _Cells, problems: _Problems) -> Any:
        text = raw = source(cells)
        try:
            if amounts.is_shortened(raw) and not (mends and mending.whole_digits(raw, mends)):
                raise Unfit(amounts.SHORTENED)  # before any step could hide the damage
            if text and change:
                text = change(text).strip()
            if not text:
                raise Unfit(kinds.NO_SKU)
            return parse(text)
        except Unfit as unfit:
            problems.append(_problem("sku", name, raw, unfit))
            return None

    return read


def _problem(key: str, column: str, value: str, unfit: Unfit) -> CellProblem:
    return CellProblem(key, column, value[:LONGEST_SHOWN], unfit.reason, unfit.fatal)


def _images(columns: list[int], names: Sequence[str], separator: str, change: Change | None, fallback: str) -> Read:
    def read(cells: _Cells, problems: _Problems) -> Any:
        found: list[str] = []
        for column, name in zip(columns, names, strict=True):
            for piece in cells[column].split(separator) if separator else (cells[column],):
                text = piece.strip()
                if text and change:
                    text = change(text).strip()
                if _is_address(text):
                    found.append(text)
                elif text:
                    problems.append(CellProblem("images", name, piece.strip()[:LONGEST_SHOWN], "Not a web address", False))
        return _image_list(found or [fallback], problems)

    return read


def _is_address(text: str) -> bool:
    return text[:8].lower().startswith(("https://", "http://")) and len(text) <= 2_000 and " " not in text


def _image_list(addresses: list[str], problems: _Problems) -> str | None:
    unique = list(dict.fromkeys(filter(None, addresses)))
    quoted = list(map(encode_basestring, unique))
    while sum(map(len, quoted)) + len(quoted) > _LONGEST_IMAGES:
        problems.append(CellProblem("images", "", quoted.pop()[1:LONGEST_SHOWN], "Too many addresses for one item", False))
    return f"[{','.join(quoted)}]" if quoted else None


def _warehouses(
    rules: Sequence[Mapping[str, Any]], index: Mapping[str, int], mark: str
) -> Callable[[_Cells, _Problems], tuple[int | None, str | None]]:
    """Quantities by warehouse: their sum and {"East": 4} as canonical JSON; empty cells are not in it."""
    parse = amounts.quantity_reader(mark)
    named = sorted((one["name"].strip(), one) for one in rules)
    reads = [
        (
            f"{encode_basestring(name)}:",
            _single("quantity", one["column"], index[one["column"]], compose(one.get("steps") or [], mark), parse, None),
        )
        for name, one in named
    ]

    def stock(cells: _Cells, problems: _Problems) -> tuple[int | None, str | None]:
        held = [(name, units) for name, read in reads if (units := read(cells, problems)) is not None]
        if not held:
            return None, None
        total = sum(units for _, units in held)
        if total > LARGEST_QUANTITY:
            problems.append(CellProblem("quantity", "", str(total), amounts.TOO_LARGE_QUANTITY))
        return total, "{" + ",".join([f"{name}{units}" for name, units in held]) + "}"

    return stock


def _own_warehouse(rules: Rules, index: Mapping[str, int], mark: str) -> Callable[[_Cells, _Problems], tuple[int | None, str | None]]:
    """A row's quantity and the one warehouse that the row names: 4 and {"East": 4} as canonical JSON."""
    read_quantity = _reading(INVENTORY_BY_KEY["quantity"], rules["fields"]["quantity"], index, mark, None)
    rule = rules["warehouse_rows"]
    column, field = " + ".join(rule["columns"]), Field("warehouses", "Warehouse", "identifier", longest=LONGEST_NAME)
    read_name = _reading(field, rule, index, mark, None)

    def stock(cells: _Cells, problems: _Problems) -> tuple[int | None, str | None]:
        units, before = read_quantity(cells, problems), len(problems)
        name = read_name(cells, problems)
        if name is None:
            del problems[before:]
            problems.append(CellProblem("warehouses", column, cells[index[rule["columns"][0]]][:LONGEST_SHOWN], NO_WAREHOUSE))
            return None, None
        return units, None if units is None else f"{{{encode_basestring(name)}:{units}}}"

    return stock


def _custom(rules: Sequence[Mapping[str, Any]], index: Mapping[str, int], mark: str) -> Read:
    """Fields of the merchant's own as canonical JSON {"Colour": "red"}; empty ones are not in it."""
    reads = []
    for rule in sorted(rules, key=lambda rule: rule["name"].strip()):
        name = rule["name"].strip()
        field = Field(f"custom:{name}", name, "text", longest=kinds.LONGEST_CUSTOM)
        # a fixed value reads no column and falls back to itself
        rule = rule if rule.get("columns") else {"columns": [], "fallback": rule["fixed"]}
        reads.append((f"{encode_basestring(name)}:", _reading(field, rule, index, mark, None)))

    def custom(cells: _Cells, problems: _Problems) -> str | None:
        parts = [name + encode_basestring(value) for name, read in reads if (value := read(cells, problems))]
        return "{" + ",".join(parts) + "}" if parts else None

    return custom


def columns_missing(absent: Sequence[str], headers: Sequence[str], needed: Sequence[str]) -> SupplierError:
    """The refusal of a file that lacks mapped columns; names the unmapped ones that may have replaced them."""
    new = [header for header in headers if header not in needed][:4]
    names = ", ".join(f"“{name[:40]}”" for name in absent[:3]) + (f" and {len(absent) - 3} more" if len(absent) > 3 else "")
    others = f" Unused columns: {', '.join(f'“{name[:30]}”' for name in new)}." if new else ""
    what = "A column is missing" if len(absent) == 1 else f"{len(absent)} columns are missing"
    body = f"The file has no {names}.{others} We kept your stock as it was."
    return SupplierError(Problem("columns_missing", what, body, "Edit mapping", "mapping"), permanent=True)


def content_hash(values: Sequence[Any]) -> int:
    """Signed 64 bits of XXH3 over the values; the same in every process and on every machine."""
    text = BETWEEN.join(["" if value is None else value if value.__class__ is str else str(value) for value in values])
    if text.count(BETWEEN) != len(values) - 1:  # a value holds the sign itself: write it escaped
        text = _canonical(values)
    digest: int = xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))
    return digest - (1 << 64) if digest >= 1 << 63 else digest
