"""How each kind of field reads a text: kept, repaired and noted, left out, or its row set aside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import Any

from stdnum import ean
from stdnum.exceptions import InvalidChecksum, InvalidLength

from portal.fields import DIMENSION_UNITS, MEASURE_SCALE, WEIGHT_UNITS, Field
from portal.mapping import amounts, mending
from portal.mapping.amounts import Unfit

Parse = Callable[[str], Any]

_UNIT_NAMES: dict[str, tuple[str, ...]] = {
    "pound": ("lb", "lbs", "pounds", "#", "livre", "pfund"),
    "ounce": ("oz", "ozs", "ounces", "unze"),
    "gram": ("g", "gr", "gm", "grams", "gramm", "gramme"),
    "kilogram": ("kg", "kgs", "kilo", "kilos", "kilograms", "kilogramm"),
    "inch": ("in", "ins", "inches", '"', "″", "zoll"),
    "foot": ("ft", "feet", "'", "′"),
    "millimetre": ("mm", "millimetres", "millimeter", "millimeters"),
    "centimetre": ("cm", "centimetres", "centimeter", "centimeters"),
    "metre": ("m", "metres", "meter", "meters"),
}
UNITS: dict[str, str] = {name: unit for unit, names in _UNIT_NAMES.items() for name in (unit, *names)}

_EXCEL_TEXT = re.compile(r'="([^"]*)"$')
_WITH_UNIT = re.compile(r"([-+]?[\d.,' ]*\d[.,]?)\s*([^\d\s.,]{1,12})\.?$")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"))
GTIN_LENGTHS = frozenset({8, 12, 13, 14})
_LONGEST_GTIN = 60  # with all its signs; longer ones are none
_LARGEST_MEASURE = 10_000_000 * MEASURE_SCALE
LONGEST_CUSTOM = 5_000

NO_SKU = "No SKU"
PUT_BACK = "Its leading zero was missing and was put back"
CUT = "Longer than {:,} characters; the rest was left out"


def unit_of(text: str) -> str | None:
    """Our name of a unit of weight or length, or None."""
    return UNITS.get(text.strip().rstrip(".").lower())


def parser(field: Field, mark: str, unit: str | None = None) -> Parse:
    """The reading of a non-empty text for this field; it raises Unfit. `unit`: a measure's own unit, if known."""
    if field.key == "sku":
        return sku_reader(field.longest)
    if field.kind == "identifier":
        return identifier_reader(field.longest)
    if field.kind == "gtin":
        return gtin
    if field.kind == "quantity":
        return amounts.quantity_reader(mark)
    if field.kind == "money":
        return amounts.money_reader(mark)
    if field.kind == "measure":
        return measure_reader(mark, WEIGHT_UNITS if field.key == "weight" else DIMENSION_UNITS, unit)
    if field.kind == "unit":
        return unit_reader(WEIGHT_UNITS if field.key.startswith("weight") else DIMENSION_UNITS)
    return text_reader(field.longest)


def text_reader(longest: int) -> Parse:
    """Text as it is, cut and noted when too long."""

    def text(value: str) -> str:
        if len(value) > longest:
            raise Unfit(CUT.format(longest), False, value[:longest])
        return value

    return text


def identifier_reader(longest: int) -> Parse:
    """An identifier to the letter; one that is damaged or too long is left out and noted."""

    def identifier(value: str) -> str | None:
        if _is_plain(value, longest):
            return value
        try:
            return _identifier(value, longest)
        except Unfit as unfit:
            raise Unfit(unfit.reason, False) from None

    return identifier


def sku_reader(longest: int) -> Parse:
    """A SKU to the letter; one that is damaged or too long sets the row aside."""

    def sku(value: str) -> str:
        if _is_plain(value, longest):
            return value
        return _identifier(value, longest) or _missing()

    return sku


def _is_plain(value: str, longest: int) -> bool:
    """Whether nothing in it needs a closer look; nearly all values end here."""
    return len(value) <= longest and value.isascii() and value.isprintable() and value[0] not in "=#" and "+" not in value


def _missing() -> str:
    raise Unfit(NO_SKU)


def _identifier(value: str, longest: int) -> str | None:
    value = _unwrapped(value)
    if not value.isascii():
        value = unicodedata.normalize("NFC", value.translate(_INVISIBLE)).strip()
    if amounts.is_shortened(value):
        raise Unfit(amounts.SHORTENED)
    if mending.is_error(value):
        raise Unfit("A spreadsheet's error message, not a value")
    if "\ufffd" in value:
        raise Unfit("Holds letters that this encoding cannot read")
    if not value.isprintable():
        raise Unfit("Holds a line break or a control character")
    if len(value) > longest:
        raise Unfit(f"Longer than {longest:,} characters")
    return value or None


def _unwrapped(value: str) -> str:
    """Without the ="…" that protects leading zeros from spreadsheets."""
    found = _EXCEL_TEXT.match(value)
    return found[1].strip() if found else value


def gtin_weight(digits: str) -> int:
    """ASCII digits at the end of a GTIN, or before an even number of others, weighed as GS1 does it; the sum of all of them ends in 0."""
    codes = digits.encode()
    half = len(codes) // 2
    return sum(codes[-1::-2]) + 3 * sum(codes[-2::-2]) - 48 * (len(codes) - half + 3 * half)


def has_right_check_digit(digits: str) -> bool:
    """For 8, 12, 13 or 14 ASCII digits: whether the last one is the GS1 check digit of the others."""
    return gtin_weight(digits) % 10 == 0


def gtin(value: str) -> str | None:
    """A UPC, EAN or GTIN with a right check digit, as its digits; all others are left out and noted."""
    if not (value.isascii() and value.isdecimal()):
        value = _digits_of(value[:_LONGEST_GTIN])
    if len(value) in GTIN_LENGTHS and has_right_check_digit(value):
        if value.strip("0"):
            return value
        raise Unfit("Only zeros", False)
    if len(value) == 11 and has_right_check_digit("0" + value):
        raise Unfit(PUT_BACK, False, "0" + value)
    raise Unfit(_why_no_gtin(value[:_LONGEST_GTIN]), False)


def _digits_of(value: str) -> str:
    value = _unwrapped(value)
    if value.lower() in amounts.NO_NUMBER:
        raise Unfit("No number", False)
    if amounts.is_shortened(value):
        raise Unfit(amounts.SHORTENED, False)
    return ean.compact(value.removesuffix(".0").lstrip("'"))


def _why_no_gtin(value: str) -> str:
    try:
        ean.validate(value)
    except InvalidChecksum:
        return "Its check digit is wrong"
    except InvalidLength:
        return "Not 8, 12, 13 or 14 digits"
    except ean.ValidationError:
        return "Not a number of 8, 12, 13 or 14 digits"
    raise AssertionError(f"two readings of the check digit of {value}")


def measure_reader(mark: str, units: dict[str, float], unit: str | None) -> Parse:
    """text -> ten-thousandths of `unit`; a unit in the text itself is converted; what is no size is left out and noted."""
    amount_of = amounts.money_reader(mark)

    def measure(value: str) -> int | None:
        try:
            amount = amount_of(value)
        except Unfit as unfit:
            if not unfit.fatal:
                raise
            amount = _with_unit(value, unfit.reason)
        if amount is not None and amount > _LARGEST_MEASURE:
            raise Unfit(f"More than {_LARGEST_MEASURE // MEASURE_SCALE:,}", False)
        return amount

    def _with_unit(value: str, reason: str) -> int:
        found = _WITH_UNIT.match(value) if len(value) < 40 else None
        named = unit_of(found[2]) if found else None
        if not found or named not in units:
            raise Unfit(reason, False)
        amount = amounts.scaled(found[1].strip(), mark)
        if amount < 0:
            raise Unfit(amounts.BELOW_ZERO, False)
        if unit is None:
            raise Unfit("Names its unit, but no unit is set to convert it to", False)
        return round(amount * units[named] / units[unit])

    return measure


def unit_reader(units: dict[str, float]) -> Parse:
    """text -> our name of the unit; an unknown one is left out and noted."""

    def unit(value: str) -> str:
        named = unit_of(value)
        if named not in units:
            raise Unfit("Not a unit we know", False)
        return named

    return unit
