"""How a delimited text is laid out: delimiter, quote, header line and decimal mark, each with its reason."""

from __future__ import annotations

import csv
import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from portal.fields import INVENTORY_FIELDS, ORDER_FIELDS, SHIPMENT_FIELDS

DELIMITERS: dict[str, str] = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe", "~": "tilde", "^": "caret", ":": "colon"}
_MOST_RECORDS = 2_000
_HEADER_WITHIN = 25

_NUMBER = re.compile(r"[-+]?[^\w\s]?\s?\d[\d.,' ]*\s?%?[^\w\s]?$")
_COMMA_DECIMAL = re.compile(r"[-+]?\W?\s?(?:\d{1,3}(?:\.\d{3})+,\d+|\d+,(?:\d{1,2}|\d{4,}))\s?\D{0,4}$")
_DOT_DECIMAL = re.compile(r"[-+]?\W?\s?(?:\d{1,3}(?:,\d{3})+\.\d+|\d+\.(?:\d{1,2}|\d{4,}))\s?\D{0,4}$")
_EITHER = re.compile(r"[-+]?\W?\s?\d{1,3}[.,]\d{3}\s?\D{0,4}$")


@dataclass(frozen=True)
class Layout:
    """What a sample shows. `header_row` is a 1-based line, 0 without a header; `width` the usual number of cells."""

    delimiter: str
    quote: str
    header_row: int
    decimal_mark: str
    width: int
    said: dict[str, str]
    warnings: tuple[str, ...]
    agreement: float = 1.0  # share of records with that width


@dataclass(frozen=True)
class Record:
    """One record of a sample and the 1-based line on which it starts."""

    line: int
    cells: list[str]


def may_delimit(sign: str) -> bool:
    """Whether one sign can stand between columns."""
    return len(sign) == 1 and not sign.isalnum() and sign not in "\"'\r\n\0. "


def name_of(delimiter: str) -> str:
    """The delimiter's name for a person."""
    return DELIMITERS.get(delimiter, f"“{delimiter}”")


def layout_of(text: str) -> Layout:
    """Judge a sample of decoded text that ends at a line end."""
    lines = text.splitlines() if "\n" not in text and "\r" not in text else re.split(r"\r\n|\r|\n", text)
    announced = re.fullmatch(r'"?sep=(.)"?', lines[0].strip(" \r\n")) if lines else None
    if announced and not may_delimit(announced[1]):
        announced = None
    first = 1 if announced else 0
    body = "\n".join(lines[first:])
    delimiter, quote, records = _delimiter(body, announced[1] if announced else None)
    records = [Record(record.line + first, record.cells) for record in records]
    width = _usual_width(records)
    header_row, header_words = _header(records, width)
    data = [record.cells for record in records if record.line > header_row]
    mark, mark_words, warnings = _decimal_mark(data, delimiter)
    said = {
        "delimiter": _delimiter_words(delimiter, width, records, bool(announced)),
        "quote": _quote_words(quote, body),
        "header_row": header_words,
        "decimal_mark": mark_words,
    }
    filled = [record for record in records if any(record.cells)]
    agreement = sum(len(record.cells) == width for record in filled) / max(len(filled), 1)
    return Layout(delimiter, quote, header_row, mark, width, said, warnings, agreement)


def names_our_field(name: str, keys: Sequence[str] = ()) -> bool:
    """Whether a column's name is one of ours or of those seen in feeds; `keys`: only of these inventory fields."""
    plain = _plain(name.rpartition(":")[2])
    if not keys:
        return plain in _known_names()
    return any(plain in field.aliases or plain == field.key for field in INVENTORY_FIELDS if field.key in keys)


def header_of(records: Sequence[Record]) -> tuple[int, str]:
    """(1-based line of the header or 0, a sentence about why) for records of any format."""
    filled = [record for record in records if any(record.cells)]
    return _header(filled, _usual_width(filled))


def decimal_mark_of(rows: Sequence[list[str]], delimiter: str) -> tuple[str, str, tuple[str, ...]]:
    """(decimal mark, a sentence about it, warnings); `delimiter` ";" makes a comma likelier where a number can be read both ways."""
    return _decimal_mark(rows, delimiter)


def _delimiter(body: str, announced: str | None) -> tuple[str, str, list[Record]]:
    """The candidate whose records agree best on their number of cells; more cells win over fewer."""
    best: tuple[float, str, str, list[Record]] | None = None
    for candidate in [announced] if announced else DELIMITERS:
        if candidate not in body and not announced:
            continue
        quote = _quote(body, candidate)
        records = _records(body, candidate, quote)
        score = _agreement(records)
        if best is None or score > best[0]:
            best = score, candidate, quote, records
    if best is None or (best[0] <= 0 and not announced):
        quote = _quote(body, ",")
        return ",", quote, _records(body, ",", quote)
    return best[1:]


def _agreement(records: Sequence[Record]) -> float:
    width = _usual_width(records)
    full = [record for record in records if any(record.cells)]
    if width < 2 or not full:
        return 0.0
    share = sum(len(record.cells) == width for record in full) / len(full)
    first_is_whole = len(full[0].cells) == width
    return share * share * math.sqrt(min(width, 12)) * (1.5 if first_is_whole else 1.0)


def _usual_width(records: Sequence[Record]) -> int:
    counts = Counter(len(record.cells) for record in records if any(record.cells))
    if not counts:
        return 0
    return max(counts.items(), key=lambda pair: (pair[1], pair[0]))[0]


def _records(body: str, delimiter: str, quote: str) -> list[Record]:
    lines = body.split("\n")
    reader = csv.reader((line + "\n" for line in lines), dialect(delimiter, quote))
    records: list[Record] = []
    previous = 0
    try:
        for cells in reader:
            records.append(Record(previous + 1, [cell.strip() for cell in cells]))
            previous = reader.line_num
            if len(records) >= _MOST_RECORDS:
                break
    except csv.Error:  # a cell over the limit: judge by what came before it
        return records
    return records


@cache
def dialect(delimiter: str, quote: str) -> type[csv.Dialect]:
    """For `csv.reader`, without csv's own registry of names; `quote` "" reads quotes as plain characters."""
    names = {
        "delimiter": delimiter,
        "quotechar": quote or None,
        "quoting": csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        "skipinitialspace": delimiter != " ",
        "doublequote": True,
        "lineterminator": "\r\n",
    }
    return type("FeedDialect", (csv.Dialect,), names)


def _quote(body: str, delimiter: str) -> str:
    """The sign that opens and closes whole cells; "" when it only stands inside them, such as for inches."""
    edge = re.escape(delimiter)
    pairs = {}
    for quote in ('"', "'"):
        # A doubled quote stands for one inside a cell, so only an odd run opens or closes; a pair alone is an empty cell.
        odd, empty = rf"(?<!{quote}){quote}(?:{quote}{quote})*(?!{quote})", rf"(?<!{quote}){quote}{quote}"
        opened = len(re.findall(rf"(?:^|{edge}) ?(?:{odd}|{empty}(?={edge}|$))", body, re.M))
        closed = len(re.findall(rf"(?:{odd}|(?:^|(?<={edge})){empty}) ?(?:{edge}|$)", body, re.M))
        if quote == '"' and opened and closed < 0.5 * opened:
            return ""
        pairs[quote] = min(opened, closed) if closed > 0.8 * opened else 0
    return "'" if pairs["'"] > pairs['"'] else '"'


def _header(records: Sequence[Record], width: int) -> tuple[int, str]:
    if not records:
        return 1, "The first line is taken as the header."
    wanted = max(1, min(2, width), round(0.6 * width))
    head = [record for record in records[:_HEADER_WITHIN] if sum(map(bool, record.cells)) >= wanted]
    if not head:
        return records[0].line, "A guess: the first line with text is taken as the header."
    first = next((record for record in head if _names(record) > 1 and not any(map(_is_number, record.cells))), head[0])
    named = _names(first)
    if named and not any(map(_is_number, first.cells)):
        return first.line, f"Line {first.line}: it names {named} of our fields."
    return _header_by_contrast(first, [record.cells for record in records if record.line > first.line])


def _names(record: Record) -> int:
    """How many cells name one of our fields."""
    return sum(_plain(cell) in _known_names() for cell in record.cells)


def _header_by_contrast(first: Record, below: Sequence[list[str]]) -> tuple[int, str]:
    """A header has words where the rows below have numbers, and no name twice."""
    cells = [cell for cell in first.cells if cell]
    if any(map(_is_number, cells)) or len(set(cells)) < 0.7 * len(cells) or any(len(cell) > 80 for cell in cells):
        return 0, "No header: the first full line already holds values."
    for n in range(len(first.cells)):
        values = [row[n] for row in below if n < len(row) and row[n]]
        if values and sum(map(_is_number, values)) > 0.5 * len(values):
            return first.line, f"Line {first.line}: it has words where the lines below have numbers."
    return first.line, f"A guess: line {first.line} is the first full line."


def _is_number(text: str) -> bool:
    return len(text) < 40 and bool(_NUMBER.match(text))


@cache
def _known_names() -> frozenset[str]:
    fields = INVENTORY_FIELDS + ORDER_FIELDS + SHIPMENT_FIELDS
    return frozenset(alias for field in fields for alias in (*field.aliases, _plain(field.label)))


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))


def _decimal_mark(rows: Sequence[list[str]], delimiter: str) -> tuple[str, str, tuple[str, ...]]:
    comma = dot = either = 0
    example = {"comma": "", "dot": "", "either": ""}
    for row in rows:
        for cell in row:
            if not cell or len(cell) > 24 or not ("," in cell or "." in cell):
                continue
            if _COMMA_DECIMAL.match(cell):
                comma, example["comma"] = comma + 1, cell
            elif _DOT_DECIMAL.match(cell):
                dot, example["dot"] = dot + 1, cell
            elif _EITHER.match(cell):
                either, example["either"] = either + 1, cell
    if comma > dot:
        return ",", f"A comma: {comma:,} numbers look like {example['comma']}.", _doubt(dot, comma, example["dot"])
    if dot:
        return ".", f"A dot: {dot:,} numbers look like {example['dot']}.", _doubt(comma, dot, example["comma"])
    if either:
        mark = "," if delimiter == ";" else "."
        doubt = f"“{example['either']}” could be thousands or decimals; check the decimal mark."
        return mark, f"A guess: {example['either']} can be read both ways.", (doubt,)
    return ".", "A dot is assumed: no number with decimals was seen.", ()


def _doubt(against: int, of: int, example: str) -> tuple[str, ...]:
    if against * 20 < of or not against:
        return ()
    return (f"{against:,} numbers look like {example}, the other way round; check the decimal mark.",)


def _delimiter_words(delimiter: str, width: int, records: Sequence[Record], announced: bool) -> str:
    name = name_of(delimiter).capitalize()
    if announced:
        return f"{name}, announced by the first line of the file."
    if width < 2:
        return f"{name} is assumed: the lines hold one value each."
    records = [record for record in records if any(record.cells)]
    same = sum(len(record.cells) == width for record in records)
    return f"{name}: {same:,} of {len(records):,} lines read have {width} columns."


def _quote_words(quote: str, body: str) -> str:
    if not quote:
        return "None: quotes stand inside values, such as for inches."
    name = "Double quote" if quote == '"' else "Single quote"
    return f"{name} around values." if quote in body else f"{name} is assumed: no quoted value was seen."
