"""Small named changes of a text, chosen in the mapping editor and done one after the other."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from portal.fields import DIMENSION_UNITS, MONEY_SCALE, WEIGHT_UNITS
from portal.mapping import amounts, mending
from portal.mapping.amounts import Unfit

Change = Callable[[str], str]
Step = Mapping[str, Any]

UNIT_CHOICES = {unit: unit.capitalize() for unit in (*WEIGHT_UNITS, *DIMENSION_UNITS)}
LONGEST_TEXT = 500
LONGEST_RESULT = 100_000
MOST_PAIRS = 5_000


@dataclass(frozen=True)
class Parameter:
    """One input of a transform. `kind`: text, number, choice or pairs (their value -> ours)."""

    key: str
    label: str
    kind: str = "text"
    default: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)
    needed: bool = False
    hint: str = ""
    least: int = 1
    most: int = 1000


@dataclass(frozen=True)
class Transform:
    """`build(step, decimal_mark)` gives the change itself; it only ever sees a text that is not empty."""

    label: str
    build: Callable[[Step, str], Change]
    parameters: tuple[Parameter, ...] = ()
    hint: str = ""


def _trim(_step: Step, _mark: str) -> Change:
    return lambda text: " ".join(text.split())


def _case(step: Step, _mark: str) -> Change:
    changes: dict[str, Change] = {"upper": str.upper, "lower": str.lower, "title": string.capwords}
    return changes[step["to"]]


def _prefix(step: Step, _mark: str) -> Change:
    before = str(step["text"])
    return lambda text: before + text


def _suffix(step: Step, _mark: str) -> Change:
    after = str(step["text"])
    return lambda text: text + after


def _replace(step: Step, _mark: str) -> Change:
    find, instead = str(step["find"]), str(step.get("with", ""))
    # cut on both sides: a replacement repeated many times may otherwise fill the memory
    return lambda text: text[:LONGEST_RESULT].replace(find, instead)[:LONGEST_RESULT].strip()


def _split(step: Step, _mark: str) -> Change:
    separator, nth = str(step["separator"]), int(step["nth"])
    position = nth - 1 if nth > 0 else nth

    def piece(text: str) -> str:
        pieces = text.split(separator)
        return pieces[position].strip() if -len(pieces) <= position < len(pieces) else ""

    return piece


def _left(step: Step, _mark: str) -> Change:
    count = int(step["count"])
    return lambda text: text[:count].strip()


def _right(step: Step, _mark: str) -> Change:
    count = int(step["count"])
    return lambda text: text[-count:].strip()


def _pad(step: Step, _mark: str) -> Change:
    length = int(step["length"])
    return lambda text: text.rjust(length, "0")


def _digits(_step: Step, mark: str) -> Change:
    return lambda text: mending.whole_digits(text, mark) or text


def _zeros(step: Step, _mark: str) -> Change:
    length = int(step["length"])
    return lambda text: mending.with_zeros(text, length) or text


def _errors(_step: Step, _mark: str) -> Change:
    return lambda text: "" if mending.is_error(text) else text


_IN_STOCK = frozenset({"instock", "available", "yes", "y", "true", "onhand", "auflager", "lieferbar", "verfügbar", "ja"})
_OUT_OF_STOCK = frozenset(
    {"outofstock", "unavailable", "notavailable", "no", "n", "false", "none", "soldout", "discontinued", "backorder", "backordered"}
    | {"nichtlieferbar", "ausverkauft", "nein", "na", "oos", ""}
)
_ABOUT = re.compile(
    r"(?P<less><=?|less than|under)?\s?(?:>=?|~|over|more than)?\s?"
    r"(?P<number>[\d.,'’ \u00a0]*\d)\s?\+?\s?[A-Za-z]{0,12}\.?$"
)


def _number(step: Step, mark: str) -> Change:
    """ "1,000" -> 1000, "10+" and ">100" -> that number, "<5" -> `below`, words -> their numbers."""
    in_stock, out_of_stock = str(step.get("in_stock", "")), str(step.get("out_of_stock", "0"))
    below = str(step.get("below", "0"))

    def number(text: str) -> str:
        if text.isdecimal() or mending.is_error(text):
            return text
        word = "".join(filter(str.isalpha, text.lower()))
        if word in _OUT_OF_STOCK and not any(map(str.isdecimal, text)):
            return out_of_stock
        if word in _IN_STOCK and not any(map(str.isdecimal, text)):
            return in_stock or text
        found = _ABOUT.match(text.lower()) if len(text) < 40 else None
        if not found:
            return text
        if found["less"]:
            return below
        try:
            return amounts.plain(amounts.scaled(found["number"].strip(), mark), mark)
        except Unfit:
            return text

    return number


def _units(_step: Step, mark: str) -> Change:
    def units(text: str) -> str:
        try:
            return str(max(0, amounts.scaled(text, mark) // MONEY_SCALE))
        except Unfit:
            return text  # the field itself says what is wrong with it

    return units


def _subtract(step: Step, mark: str) -> Change:
    separator = str(step["separator"])

    def rest(text: str) -> str:
        try:
            first, *others = (amounts.scaled(part.strip(), mark) for part in text.split(separator))
        except Unfit:
            return text
        return amounts.plain(first - sum(others), mark) if others else text

    return rest


def _convert(step: Step, mark: str) -> Change:
    units = WEIGHT_UNITS if step["from"] in WEIGHT_UNITS else DIMENSION_UNITS
    factor = units[step["from"]] / units[step["to"]]

    def convert(text: str) -> str:
        try:
            return amounts.plain(round(amounts.scaled(text, mark) * factor), mark)
        except Unfit:
            return text  # the field itself says what is wrong with it

    return convert


def _table(step: Step, _mark: str) -> Change:
    pairs = {_key(theirs): str(ours).strip() for theirs, ours in pairs_of(step["pairs"])}
    keep = step.get("otherwise", "keep") == "keep"
    return lambda text: pairs.get(_key(text), text if keep else "")


def pairs_of(value: Any) -> list[tuple[Any, Any]]:
    """The pairs of a value table, kept as an object or as a list of [theirs, ours]; empty lines of a form are dropped."""
    pairs = value.items() if isinstance(value, Mapping) else value
    return [(theirs, ours) for theirs, ours in pairs if str(theirs).strip()]


def _key(text: str) -> str:
    return " ".join(str(text).casefold().split())


_UNIT_PARAMETERS = (
    Parameter("from", "From", "choice", choices=UNIT_CHOICES, needed=True),
    Parameter("to", "To", "choice", choices=UNIT_CHOICES, needed=True),
)

TRANSFORMS: dict[str, Transform] = {
    "trim": Transform("Trim spaces", _trim, (), "Also turns several spaces inside into one"),
    "case": Transform(
        "Change case",
        _case,
        (Parameter("to", "To", "choice", "upper", {"upper": "UPPER CASE", "lower": "lower case", "title": "Title Case"}, True),),
    ),
    "prefix": Transform("Put text before", _prefix, (Parameter("text", "Text", needed=True),)),
    "suffix": Transform("Put text after", _suffix, (Parameter("text", "Text", needed=True),)),
    "replace": Transform("Replace text", _replace, (Parameter("find", "Find", needed=True), Parameter("with", "Replace with"))),
    "split": Transform(
        "Take one part",
        _split,
        (
            Parameter("separator", "Split at", needed=True),
            Parameter("nth", "Part number", "number", "1", needed=True, hint="-1 is the last part", least=-100, most=100),
        ),
    ),
    "left": Transform("First characters", _left, (Parameter("count", "How many", "number", needed=True),)),
    "right": Transform("Last characters", _right, (Parameter("count", "How many", "number", needed=True),)),
    "pad": Transform(
        "Fill up with zeros", _pad, (Parameter("length", "To this length", "number", needed=True, most=40),), "Puts lost leading zeros back"
    ),
    "zeros": Transform(
        "Put lost zeros back",
        _zeros,
        (Parameter("length", "To this length", "choice", "12", {length: f"{length} digits" for length in mending.CODE_LENGTHS}, True),),
        "Only where the check digit proves it; any other code stays as it is",
    ),
    "digits": Transform(
        "Restore whole numbers", _digits, (), "4.006381333931E+12 becomes 4006381333931; 10442.0 becomes 10442; a cut number stays"
    ),
    "errors": Transform("Leave out spreadsheet errors", _errors, (), "#N/A, #REF! and the like become empty"),
    "number": Transform(
        "Clean up a number",
        _number,
        (
            Parameter("in_stock", "“In stock” is", "number", least=0, most=1_000_000, hint="Empty: such rows are set aside"),
            Parameter("out_of_stock", "“Out of stock” is", "number", "0", least=0, most=1_000_000),
            Parameter("below", "“<5” is", "number", "0", least=0, most=1_000_000),
        ),
        "1,000 becomes 1000; 10+ becomes 10; >100 becomes 100",
    ),
    "units": Transform("Count whole units", _units, (), "−3, which is oversold, becomes 0; 2.5 becomes 2"),
    "subtract": Transform(
        "Subtract what follows",
        _subtract,
        (Parameter("separator", "Parts end at", default="|", needed=True),),
        "For on hand and reserved in two columns joined by a sign: 10|3 becomes 7",
    ),
    "convert": Transform("Convert units", _convert, _UNIT_PARAMETERS),
    "table": Transform(
        "Value table",
        _table,
        (
            Parameter("pairs", "Their value, ours", "pairs", needed=True),
            Parameter("otherwise", "Any other value", "choice", "keep", {"keep": "Keep it", "empty": "Leave it empty"}),
        ),
        "Upper and lower case count as the same",
    ),
}


def compose(steps: tuple[Step, ...] | list[Step], mark: str) -> Change | None:
    """One function for all steps, None for no step. A text that becomes empty skips the steps after it."""
    changes = [TRANSFORMS[step["do"]].build(step, mark) for step in steps]
    if len(changes) < 2:
        return changes[0] if changes else None

    def change(text: str) -> str:
        for one in changes:
            if not text:
                return ""
            text = one(text)
        return text

    return change


def problem_of(step: Any) -> str | None:
    """What is wrong with one step of the rules, as a sentence, or None."""
    if not isinstance(step, Mapping) or step.get("do") not in TRANSFORMS:
        return "Choose a change from the list"
    transform = TRANSFORMS[step["do"]]
    for parameter in transform.parameters:
        if problem := _parameter_problem(parameter, step.get(parameter.key, parameter.default)):
            return f"{transform.label}: {problem}"
    if step["do"] == "convert" and (step["from"] in WEIGHT_UNITS) != (step["to"] in WEIGHT_UNITS):
        return f"{transform.label}: choose two units of weight, or two of length"
    return None


def _parameter_problem(parameter: Parameter, value: Any) -> str | None:
    label = parameter.label.lower()
    if parameter.kind == "pairs":
        return _pairs_problem(value)
    if value in ("", None):
        return f"fill in “{label}”" if parameter.needed else None
    if parameter.kind == "choice":
        return None if value in parameter.choices else f"choose “{label}”"
    if parameter.kind == "number":
        return _number_problem(parameter, str(value))
    return None if fits(value) else f"shorten “{label}” to {LONGEST_TEXT} characters, without line breaks"


def _number_problem(parameter: Parameter, value: str) -> str | None:
    digits = value.removeprefix("-")
    if digits.isdecimal() and len(digits) < 10 and parameter.least <= int(value) <= parameter.most and (int(value) or parameter.least >= 0):
        return None
    return f"“{parameter.label.lower()}” is a whole number from {parameter.least:,} to {parameter.most:,}"


def _pairs_problem(value: Any) -> str | None:
    listed = isinstance(value, list) and all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in value)
    if not (listed or isinstance(value, Mapping)) or not (pairs := pairs_of(value)):
        return "add at least one pair of values"
    if len(pairs) > MOST_PAIRS:
        return f"at most {MOST_PAIRS:,} pairs"
    return None if all(fits(one) for pair in pairs for one in pair) else "values are plain text without line breaks"


def fits(value: Any) -> bool:
    """Whether a text typed in the editor is short and free of control characters."""
    return (
        isinstance(value, str | int | float)
        and len(str(value)) <= LONGEST_TEXT
        and not re.search(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]", str(value))
    )
