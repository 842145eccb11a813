"""What a spreadsheet program did to values before they were saved: found in the first rows, counted, with a repair where there is one."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from portal.feeds.sniff import names_our_field
from portal.records import Damage

_SCIENTIFIC = re.compile(r"\d[.,]?\d*E[+-]?\d{1,3}", re.I)
_DATES = re.compile(
    r"\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mrz|Mai|Okt|Dez)|"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mrz|Mai|Okt|Dez)-\d{2}|"
    r"\d{1,2}/\d{1,2}/\d{4}|\d{4}-\d{2}-\d{2}(?: 00:00:00)?",
    re.I,
)
_ERRORS = frozenset({"#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#####", "########"})
_LOST = {11: 12, 10: 12, 7: 8}  # digits left of a UPC, and of an EAN-8
_FEWEST = 3


def find(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[Damage]:
    """Each kind of damage in each column of these rows."""
    found: list[Damage] = []
    for n, header in enumerate(headers):
        values = [row[n].strip() for row in rows if n < len(row) and row[n].strip()]
        if values:
            found += _of_column(header, values)
    return found


def _of_column(header: str, values: Sequence[str]) -> Iterator[Damage]:
    is_code = names_our_field(header, ("upc",))
    is_id = is_code or names_our_field(header, ("sku", "mpn", "parent_sku"))
    if is_id or _mostly_digits(values):
        yield from _counted("scientific", header, values, [one for one in values if _SCIENTIFIC.fullmatch(one)], _SCIENTIFIC_WORDS)
    if is_code or _mostly_gtins(values):
        yield from _lost_zeros(header, values)
    if is_id and not is_code:
        dates = [one for one in values if _DATES.fullmatch(one)]
        if len(dates) < 0.5 * len(values):
            yield from _counted("dates", header, values, dates, _DATE_WORDS)
    yield from _counted("errors", header, values, [one for one in values if one in _ERRORS], _ERROR_WORDS)


_SCIENTIFIC_WORDS = "look like {example}: a spreadsheet program cut their digits. They cannot be restored; ask for the column as text."
_DATE_WORDS = "look like {example}: a spreadsheet program took codes for dates. They cannot be restored; ask for the column as text."
_ERROR_WORDS = "hold {example}, an error of a spreadsheet program; the value table can leave them empty."


def _counted(kind: str, header: str, values: Sequence[str], hit: Sequence[str], words: str) -> Iterator[Damage]:
    if not hit:
        return
    sentence = f"“{header}”: {len(hit):,} of {len(values):,} values {words.format(example=hit[0])}"
    repair = {"do": "table", "pairs": [[one, ""] for one in sorted(set(hit))], "otherwise": "keep"} if kind == "errors" else None
    yield Damage(kind, header, len(hit), len(values), hit[0], sentence, repair)


def _lost_zeros(header: str, values: Sequence[str]) -> Iterator[Damage]:
    """Codes shorter than a GTIN whose check digit fits once zeros are put before them."""
    digits = [one for one in values if one.isascii() and one.isdigit()]
    usual = Counter(map(len, digits)).most_common(1)
    if not usual:
        return
    length = usual[0][0] if usual[0][0] in (8, 12, 13, 14) else _LOST.get(usual[0][0], 0)
    lost = [one for one in digits if length - 4 <= len(one) < length and len(one) not in (8, 12, 13) and _fits(one.rjust(length, "0"))]
    if len(lost) < min(_FEWEST, len(digits)) or not length:
        return
    words = f"“{header}”: {len(lost):,} of {len(values):,} codes look like {lost[0]}: their leading zeros are lost. "
    words += f"“Fill up with zeros” to {length} puts them back."
    yield Damage("lost_zeros", header, len(lost), len(values), lost[0], words, {"do": "pad", "length": str(length)})


def _fits(code: str) -> bool:
    """Whether the last digit is the check digit of the others."""
    total = sum(int(digit) * (3 if n % 2 else 1) for n, digit in enumerate(reversed(code)))
    return total % 10 == 0


def _mostly_digits(values: Sequence[str]) -> bool:
    long = sum(len(one) > 7 and one.isdigit() or bool(_SCIENTIFIC.fullmatch(one)) for one in values)
    return long > 0.8 * len(values)


def _mostly_gtins(values: Sequence[str]) -> bool:
    return sum(len(one) in (12, 13) and one.isdigit() and _fits(one) for one in values) > 0.5 * len(values)
