"""Which of their columns holds which of our fields: by last run's rules, by header, and by the look of the values.

headers, sample ─▶ propose ─▶ Match, Match, … ─▶ rules_from
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portal.fields import DIMENSION_UNITS, WEIGHT_UNITS, Field
from portal.mapping import kinds, warehouse_rows
from portal.mapping.amounts import Unfit, quantity_reader, scaled
from portal.mapping.header_names import MOST_WORDS, OTHER_COUNTS, normal, unit_in, warehouse_name, words_of
from portal.mapping.rules import MOST_WAREHOUSES
from portal.mapping.transforms import compose
from portal.records import Match

SAME, HEADER, LOOKS, GUESS, NONE = "same_as_last", "header", "looks", "guess", "none"
WAREHOUSES = "warehouses"  # the field of a Match for one warehouse's quantities
LOOK_SHARE = 0.9
_READ, _READ_OF_WIDE, _CELLS_READ = 1_000, 100, 200_000  # rows that are looked at, fewer of a file with very many columns
_LEAST_VALUES = 3
_SHORTEST_DATE = 6
_LEVELS = {"category_1": "department", "category_2": "category", "category_3": "subcategory"}

# Words around a name that say nothing about which field it is.
_FILLERS = frozenset(
    ["usd", "eur", "gbp", "cad", "us", "euro", "dollar", "each", "ea", "the", "your", "our", "current", "new", "total", "supplier"]
    + ["vendor", "product", "item", "lb", "lbs", "kg", "oz", "g", "gr", "in", "inch", "inches", "cm", "mm", "ft", "text", "full"]
)


_WORD = re.compile(r"[^\W\d_]{3}")


@dataclass(frozen=True)
class _Look:
    """What a column's values look like, as shares (0 to 1) of its `read` values that are not empty."""

    read: int
    rows: int
    gtin: float
    address: float
    weight_unit: float
    dimension_unit: float
    whole: float
    decimal: float
    distinct: float
    spaced: float
    worded: float
    typical_length: float


def propose(
    fields: Sequence[Field], headers: Sequence[str], sample_rows: Sequence[Sequence[str]],
    previous_rules: Mapping[str, Any] | None = None, why: str = "Same name as last run",
) -> list[Match]:  # fmt: skip
    """One Match a field, in the order of `fields`; each column is used once.

    Further image columns and per-warehouse columns (when no column holds the total) follow as extra matches of the
    fields "images" and "warehouses". Reads up to 1,000 rows. `why`: the words of what the previous rules already say.
    """
    read = sample_rows[: min(_READ, max(_READ_OF_WIDE, _CELLS_READ // max(len(headers), 1)))]
    looks = {header: _look(read, n) for n, header in enumerate(headers)}
    found: dict[str, Match] = {}
    free = dict.fromkeys(headers)
    extra = _last_time(found, free, fields, previous_rules or {}, why)
    _category_levels(found, free, fields)
    _by_header(found, free, fields, looks)
    extra += _more_images(found, free, fields) + _by_warehouse(found, free, fields, looks)
    has_warehouses = any(match.field == WAREHOUSES for match in extra)
    _by_look(found, free, [field for field in fields if not (has_warehouses and field.key == "quantity")], looks)
    matches = [found.get(field.key) or Match(field.key, None, NONE, "Not matched", not field.needed) for field in fields]
    return matches + extra


def _last_time(found: dict[str, Match], free: dict[str, None], fields: Sequence[Field], rules: Mapping[str, Any], why: str) -> list[Match]:
    """Columns that the previous rules used and that are still there."""
    extra: list[Match] = []
    for field in fields:
        columns = ((rules.get("fields") or {}).get(field.key) or {}).get("columns") or []
        for column in columns:
            if column not in free:
                continue
            match = Match(field.key, column, SAME, why, True)
            if field.key not in found:
                found[field.key] = match
            elif field.kind == "images":
                extra.append(match)
            else:
                continue
            del free[column]
    for one in rules.get(WAREHOUSES) or []:
        if one.get("column") in free:
            del free[one["column"]]
            extra.append(Match(WAREHOUSES, one["column"], SAME, why, True))
    return extra


def _category_levels(found: dict[str, Match], free: dict[str, None], fields: Sequence[Field]) -> None:
    """Department, category and subcategory, when a file has all three, are our three levels."""
    columns = {normal(column): column for column in free}
    keys = {field.key for field in fields} - set(found)
    if not (set(_LEVELS.values()) <= set(columns) and set(_LEVELS) <= keys):
        return
    for key, name in _LEVELS.items():
        found[key] = Match(key, columns[name], HEADER, "Header match", True)
        del free[columns[name]]


def _by_header(found: dict[str, Match], free: dict[str, None], fields: Sequence[Field], looks: Mapping[str, _Look]) -> None:
    """The best-ranked header of each field; the field whose name is nearest gets a contested column first."""
    ranked = []
    for order, field in enumerate(fields):
        if field.key not in found:
            for column in free:
                rank = _rank(field, column)
                if rank is not None:
                    ranked.append((rank, order, column, field))
    for (near, _), _, column, field in sorted(ranked, key=lambda one: one[:3]):
        if field.key in found or column not in free:
            continue
        if near == 2 and not _may_hold(field, looks[column]):
            continue
        if field.kind == "date" and normal(column) == "shipped" and looks[column].typical_length < _SHORTEST_DATE:
            continue  # a count of units, or yes and no
        found[field.key] = _header_match(field, column, near, looks[column])
        del free[column]


def _rank(field: Field, column: str) -> tuple[int, int] | None:
    """(0 the name itself, 1 with filler words, 2 a part of it; then the alias's own place), None for no likeness."""
    names = (normal(field.label), *field.aliases)
    words = words_of(column)
    if (whole := "".join(words)) in names:
        return 0, names.index(whole)
    core = [word for word in words if word not in _FILLERS]
    if core and (bare := "".join(core)) in names:
        return 1, names.index(bare)
    if OTHER_COUNTS & set(words):
        return None
    for size in range(min(len(words) - 1, MOST_WORDS), 0, -1):
        for start in range(len(words) - size + 1):
            part = "".join(words[start : start + size])
            if len(part) > 2 and part in names[:6]:
                return 2, names.index(part)
    return None


def _may_hold(field: Field, look: _Look) -> bool:
    """Whether the values speak against a header that is only half a name."""
    if not look.read:
        return False
    if field.kind in {"quantity", "money", "measure"}:
        return look.whole + look.decimal >= LOOK_SHARE
    if field.kind == "images":
        return look.address >= LOOK_SHARE
    return field.kind != "gtin" or look.gtin >= LOOK_SHARE


def _header_match(field: Field, column: str, near: int, look: _Look) -> Match:
    if near == 2:
        return Match(field.key, column, GUESS, "A guess: check it", False)
    if field.kind != "gtin" or not look.read:
        return Match(field.key, column, HEADER, "Header match", True)
    share = _percent(look.gtin)
    if look.gtin >= 0.5:
        return Match(field.key, column, HEADER, f"Header match, {share} look like a UPC", True)
    return Match(field.key, column, HEADER, f"Header match, but only {share} look like a UPC", False)


def _percent(share: float) -> str:
    return f"{int(share * 100)}%" if share < 1 else "100%"


def _more_images(found: Mapping[str, Match], free: dict[str, None], fields: Sequence[Field]) -> list[Match]:
    """The other numbered columns beside the first image: image_2, image_3 …"""
    first = found.get("images")
    images = next((field for field in fields if field.kind == "images"), None)
    if not first or not first.column or not images or first.how == SAME:
        return []
    stem = re.sub(r"\d+$", "", normal(first.column))
    names = {re.sub(r"\d+$", "", alias) for alias in images.aliases} | {stem}
    more = [column for column in free if re.sub(r"\d+$", "", normal(column)) in names]
    for column in more:
        del free[column]
    return [Match("images", column, HEADER, "Header match", True) for column in more]


def _by_warehouse(found: dict[str, Match], free: dict[str, None], fields: Sequence[Field], looks: Mapping[str, _Look]) -> list[Match]:
    """Quantities by warehouse, when no column holds their total and two such columns are there."""
    total = found.get("quantity")
    if not {"quantity", "bin_location"} <= {field.key for field in fields}:
        return []
    if total and total.how != GUESS:
        return []
    candidates = [column for column in looks if column in free or (total and column == total.column)]
    columns = [column for column in candidates if warehouse_name(column) and looks[column].whole >= LOOK_SHARE]
    if len(columns) < 2:
        return []
    if total and total.column:
        free[total.column] = None
        del found["quantity"]
    for column in columns:
        free.pop(column, None)  # more of them than a mapping may have are no total either
    used = columns if len(columns) <= MOST_WAREHOUSES else []
    return [Match(WAREHOUSES, column, HEADER, f"One warehouse: {warehouse_name(column)}", True) for column in used]


def _by_look(found: dict[str, Match], free: dict[str, None], fields: Sequence[Field], looks: Mapping[str, _Look]) -> None:
    """What values give away, first the sure signs, then guesses for what a merchant needs most."""
    wanted = {field.key: field for field in fields if field.key not in found}
    for key, column in _sure_looks(wanted, free, looks):
        if key in found or column not in free:
            continue
        look = looks[column]
        if key == "upc":
            words = f"Looks like a UPC ({_percent(look.gtin)} of {look.read:,} read)"
        else:
            words = f"Looks like {'a web address' if key == 'images' else 'a unit'} ({look.read:,} read)"
        found[key] = Match(key, column, LOOKS, words, True)
        del free[column]
    for key in ("tracking_number", "sku", "quantity", "cost", "title"):
        if key in wanted and key not in found and (best := _best_guess(key, free, looks)):
            found[key] = Match(key, best, GUESS, "A guess: check it", False)
            del free[best]


def _sure_looks(wanted: Mapping[str, Field], free: Mapping[str, None], looks: Mapping[str, _Look]) -> list[tuple[str, str]]:
    signs = {"upc": "gtin", "images": "address", "weight_unit": "weight_unit", "dimension_unit": "dimension_unit"}
    return [
        (key, column)
        for key, sign in signs.items()
        if key in wanted
        for column in sorted(free, key=lambda column: -getattr(looks[column], sign))
        if getattr(looks[column], sign) >= LOOK_SHARE and looks[column].read >= _LEAST_VALUES
    ]


def _best_guess(key: str, free: Mapping[str, None], looks: Mapping[str, _Look]) -> str | None:
    fitting = [column for column in free if looks[column].read >= _LEAST_VALUES and _could_be(key, looks[column])]
    return fitting[0] if fitting else None


def _could_be(key: str, look: _Look) -> bool:
    full = look.read >= 0.98 * look.rows
    if key in {"sku", "tracking_number"}:
        return (
            full and look.distinct > 0.98 and look.spaced < 0.1 and look.decimal < 0.1 and look.address < 0.1 and look.typical_length < 40
        )
    if key == "quantity":
        return look.whole > 0.98 and look.typical_length < 6
    if key == "cost":
        return look.decimal > 0.2 and look.whole + look.decimal > 0.98
    return look.spaced > 0.5 and look.typical_length > 12 and look.address < 0.1 and look.worded > 0.5


def _look(rows: Sequence[Sequence[str]], n: int) -> _Look:
    values = [text for row in rows if n < len(row) and (text := row[n].strip())]
    count = max(len(values), 1)
    lengths = sorted(map(len, values)) or [0]
    return _Look(
        read=len(values),
        rows=len(rows),
        gtin=sum(map(_is_gtin, values)) / count,
        address=sum(text[:8].lower().startswith(("http://", "https://")) for text in values) / count,
        weight_unit=sum(kinds.unit_of(text) in WEIGHT_UNITS for text in values) / count,
        dimension_unit=sum(kinds.unit_of(text) in DIMENSION_UNITS for text in values) / count,
        whole=sum(text.isdecimal() for text in values) / count,
        decimal=sum(not text.isdecimal() and _is_number(text) for text in values) / count,
        distinct=len(set(values)) / count,
        spaced=sum(" " in text for text in values) / count,
        worded=sum(bool(_WORD.search(text)) for text in values) / count,
        typical_length=lengths[len(lengths) // 2],
    )


def _is_gtin(text: str) -> bool:
    try:
        return kinds.gtin(text) is not None
    except Unfit as unfit:
        return unfit.value is not None


def _is_number(text: str) -> bool:
    for mark in ".,":
        try:
            scaled(text, mark)
        except Unfit:
            continue
        return True
    return False


def rules_from(
    matches: Sequence[Match], headers: Sequence[str] = (), sample_rows: Sequence[Sequence[str]] = (), decimal_mark: str = "."
) -> dict[str, Any]:
    """The rules that the matches say. With a sample: a number clean-up where quantities need one, a separator of images."""
    fields: dict[str, dict[str, Any]] = {}
    warehouses: list[dict[str, Any]] = []
    values = {header: [row[n] for row in sample_rows[:_READ] if n < len(row)] for n, header in enumerate(headers)}
    for match in matches:
        if match.column is None:
            continue
        if match.field == WAREHOUSES:
            warehouses.append({"name": warehouse_name(match.column) or match.column, "column": match.column})
            if steps := _clean_up(values.get(match.column, []), decimal_mark):
                warehouses[-1]["steps"] = steps
        else:
            fields.setdefault(match.field, {"columns": [], "steps": []})["columns"].append(match.column)
    if "quantity" in fields:
        fields["quantity"]["steps"] = _clean_up(values.get(fields["quantity"]["columns"][0], []), decimal_mark)
    if "images" in fields and (separator := _image_separator(values.get(fields["images"]["columns"][0], []))):
        fields["images"]["separator"] = separator
    rules: dict[str, Any] = {"fields": fields, WAREHOUSES: warehouses, "custom": [], "duplicates": "last"}
    if place := _warehouse_rows(fields, headers, sample_rows):
        rules["warehouse_rows"], rules[WAREHOUSES] = {"columns": [place], "steps": []}, []
    for key, measured in (("weight", ("weight",)), ("dimension", ("length", "width", "height"))):
        unit = next((unit for one in measured if one in fields and (unit := unit_in(fields[one]["columns"][0], key))), None)
        if unit and f"{key}_unit" not in fields:
            rules[f"{key}_unit"] = unit
    return rules


def _warehouse_rows(fields: dict[str, dict[str, Any]], headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str | None:
    """The column that names each row's warehouse, if there is one; it is then no bin location."""
    if not {"sku", "quantity"} <= fields.keys():
        return None
    place = warehouse_rows.column_of(headers, rows, fields["sku"]["columns"][0])
    if place and fields.get("bin_location", {}).get("columns") == [place]:
        del fields["bin_location"]
    return None if any(place in rule["columns"] for rule in fields.values()) else place


def _clean_up(values: Sequence[str], mark: str) -> list[dict[str, Any]]:
    """The number step, if it reads values that do not read as they are."""
    parse = quantity_reader(mark)
    change = compose([{"do": "number"}], mark)
    for value in values:
        text = value.strip()
        if text and not _reads(parse, text) and change and _reads(parse, change(text)):
            return [{"do": "number"}]
    return []


def _reads(parse: Any, text: str) -> bool:
    try:
        parse(text)
    except Unfit:
        return False
    return True


def _image_separator(values: Sequence[str]) -> str:
    several = [value for value in values if value.lower().count("http") > 1]
    for separator in ("|", ";", ",", " "):
        if several and all(re.search(re.escape(separator) + r"\s*https?://", value, re.I) for value in several):
            return separator
    return ""
