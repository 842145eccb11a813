"""What a spreadsheet program did to values before they were saved: found, counted, and with a mapping step where it can be undone."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

from portal.feeds.sniff import names_our_field
from portal.mapping import mending
from portal.records import Damage

LOOKED_AT = 1_000  # rows that tell what a column holds
_SCIENTIFIC = re.compile(r"\d(?:[.,]\d+)?E\+\d{1,3}", re.I)
_DATES = re.compile(
    r"\d{1,2}-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mrz|Mai|Okt|Dez)|"
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mrz|Mai|Okt|Dez)-\d{2}|"
    r"\d{1,2}/\d{1,2}/\d{4}|\d{4}-\d{2}-\d{2}(?: 00:00:00)?",
    re.I,
)
_DECIMAL = re.compile(r"\d{3,}[.,]0")
_LOST = {11: 12, 10: 12, 7: 8}  # digits left of a UPC, and of an EAN-8
_FEWEST = 3
_HOW_TO_EXPORT = "Ask the supplier to export straight from their system, or to format the column as Text before its values go in."
_SCIENTIFIC_WORDS = f"a spreadsheet program cut their digits, which cannot be restored. {_HOW_TO_EXPORT}"
_DATE_WORDS = f"a spreadsheet program took codes for dates. They cannot be restored. {_HOW_TO_EXPORT}"


def find(
    headers: Sequence[str], rows: Iterable[Sequence[str]], codes: Collection[str] = (), ids: Collection[str] = (), mark: str = "."
) -> list[Damage]:
    """Each kind of damage in each column of these rows. `codes`, `ids`: columns known to hold UPCs, and SKUs or part numbers."""
    rest = iter(rows)
    first = list(islice(rest, LOOKED_AT))
    columns = [
        _Column(header, [row[n].strip() for row in first if n < len(row)], header in codes, header in ids, mark)
        for n, header in enumerate(headers)
    ]
    for row in chain(first, rest):
        for column, cell in zip(columns, row, strict=False):
            if column.watched or cell[:1] == "#":
                if value := cell.strip():
                    column.look(value)
            elif cell:
                column.total += 1
    return [found for column in columns for found in column.told()]


class _Column:
    """What was seen of one column."""

    def __init__(self, header: str, first: Sequence[str], is_code: bool, is_id: bool, mark: str) -> None:
        values = [value for value in first if value]
        self.header, self.mark = header, mark
        self.is_code = is_code or (not is_id and (names_our_field(header, ("upc",)) or _mostly_gtins(values)))
        self.is_id = not self.is_code and (is_id or names_our_field(header, ("sku", "mpn", "parent_sku")))
        self.watched = self.is_code or self.is_id or _mostly_digits(values)
        self.total = 0
        self.seen: dict[str, list[str]] = {"cut": [], "exact": [], "dates": [], "decimals": [], "errors": []}
        self.counts: Counter[str] = Counter()
        self.lengths: Counter[int] = Counter()
        self.proven: Counter[int] = Counter()
        self.short: dict[int, str] = {}

    def look(self, value: str) -> None:
        """Count one value."""
        self.total += 1
        if value.isdecimal() and value.isascii():
            self.lengths[len(value)] += 1
            if self.is_code and len(value) < 14 and mending.fits(value):
                self.proven[len(value)] += 1
                self.short.setdefault(len(value), value)
        elif mending.is_error(value):
            self._saw("errors", value)
        elif not self.watched:
            return
        elif _SCIENTIFIC.fullmatch(value):
            self._saw("exact" if mending.whole_digits(value, self.mark) else "cut", value)
        elif _DECIMAL.fullmatch(value) and value[-2] == self.mark:
            self._saw("decimals", value)
        elif self.is_id and _DATES.fullmatch(value):
            self._saw("dates", value)

    def _saw(self, kind: str, value: str) -> None:
        self.counts[kind] += 1
        if not self.seen[kind]:
            self.seen[kind].append(value)

    def told(self) -> Iterator[Damage]:
        """Each kind of damage that was seen."""
        yield from self._damage("scientific", "cut", _SCIENTIFIC_WORDS)
        yield from self._damage("exact", "exact", "a program wrote them as numbers, with every digit.", {"do": "digits"})
        if self.counts["decimals"] >= max(_FEWEST, 0.5 * self.total) and (self.is_code or self.is_id):
            yield from self._damage("decimals", "decimals", "a program took codes for numbers.", {"do": "digits"})
        if self.is_code:
            yield from self._lost_zeros()
        if self.counts["dates"] < 0.5 * self.total:
            yield from self._damage("dates", "dates", _DATE_WORDS)
        yield from self._damage("errors", "errors", "an error of a spreadsheet program instead of a value.", {"do": "errors"})

    def _damage(self, kind: str, seen: str, words: str, repair: dict[str, str] | None = None) -> Iterator[Damage]:
        count = self.counts[seen]
        if count:
            example = self.seen[seen][0]
            sentence = f"“{self.header}”: {count:,} of {self.total:,} values {'looks' if count == 1 else 'look'} like {example}: {words}"
            yield Damage(kind, self.header, count, self.total, example, sentence, repair, count if repair else 0)

    def _lost_zeros(self) -> Iterator[Damage]:
        """Codes shorter than a GTIN whose check digit fits, where it fits for most of the short ones: by chance it does for a tenth."""
        usual = self.lengths.most_common(1)
        length = (usual[0][0] if str(usual[0][0]) in mending.CODE_LENGTHS else _LOST.get(usual[0][0], 0)) if usual else 0
        lost = [n for n in range(length - mending.MOST_LOST, length) if n > 0 and str(n) not in mending.CODE_LENGTHS]
        proven, short = sum(self.proven[n] for n in lost), sum(self.lengths[n] for n in lost)
        if not length or proven < min(_FEWEST, self.lengths.total()) or 2 * proven < short:
            return
        example = next(self.short[n] for n in reversed(lost) if n in self.short)
        look = "looks" if short == 1 else "look"
        words = f"“{self.header}”: {short:,} of {self.total:,} codes {look} like {example}: leading zeros are lost. "
        words += "The check digits prove " + ("all of them." if proven == short else f"{proven:,} of them.")
        yield Damage("lost_zeros", self.header, short, self.total, example, words, {"do": "zeros", "length": str(length)}, proven)


def _mostly_digits(values: Sequence[str]) -> bool:
    long = sum(len(one) > 7 and one.isdigit() or bool(_SCIENTIFIC.fullmatch(one)) for one in values)
    return long > 0.8 * len(values)


def _mostly_gtins(values: Sequence[str]) -> bool:
    return sum(len(one) in (12, 13) and one.isascii() and one.isdigit() and mending.fits(one) for one in values) > 0.5 * len(values)
