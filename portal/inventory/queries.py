"""What a person looks for: the words of a search box, and whether an item is meant by them. The same on both databases.

Letters match whatever their case and accents: "grosse cafe" finds "Größe L Café", "STRASSE" finds "Straße". No word is bent: "lamps"
does not find "lamp", and "ae" does not find "ä".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import product

LONGEST = 2_000
"""Characters of a search that are read: enough for a hundred pasted SKUs."""

SHORTEST_WORD = 3
"""Letters of a word that is found anywhere; a search of shorter ones looks only at how SKUs and MPNs begin."""

_GTIN_LENGTHS = (8, 12, 13, 14)
_MARKS = re.compile("[\u0300-\u036f]")
_CASED_LETTERS = 4  # of a short search; more would be too many ways to write it


@dataclass(frozen=True)
class Query:
    """A search as it was understood. Empty: everything is meant.

    `words`: each must stand somewhere in SKU, MPN, title or brand, as `fold` writes them. `starts`: ways to write how a SKU or MPN
    begins, when all words are short. `codes`: whole SKUs and MPNs that are meant. `gtins`: whole UPCs. `tokens`: what was typed, in parts.
    """

    words: tuple[str, ...] = ()
    starts: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    gtins: tuple[str, ...] = ()
    tokens: tuple[str, ...] = ()
    _codes: frozenset[str] = field(default=frozenset(), repr=False)

    @property
    def lead(self) -> tuple[str, ...]:
        """Ways to write how the SKUs begin that come first in their own order: the one text that was asked for."""
        return _ways_to_write(self.tokens[0]) if len(self.tokens) == 1 and self.tokens[0] == self.codes[0] else ()

    def __bool__(self) -> bool:
        return bool(self.codes)

    def means(self, sku: str, mpn: str | None, upc: str | None, title: str | None, brand: str | None) -> bool:
        """Whether an item of these values is meant."""
        if self.words:
            text = fold(f"{sku}\n{mpn or ''}\n{title or ''}\n{brand or ''}")
            for word in self.words:
                if word not in text:
                    break
            else:
                return True
        elif sku.startswith(self.starts) or (mpn is not None and mpn.startswith(self.starts)):
            return True
        return sku in self._codes or (mpn is not None and mpn in self._codes) or (upc is not None and upc in self.gtins)


def fold(text: str) -> str:
    """Text as searches compare it: small letters without accents."""
    if text.isascii():
        return text.lower()
    return _MARKS.sub("", unicodedata.normalize("NFKD", text.casefold())).casefold()


def read(text: str) -> Query:
    """The query that a person's text stands for. Several SKUs, MPNs or UPCs may be pasted, with spaces, commas or semicolons between."""
    text = " ".join(text.replace("\0", " ")[:LONGEST].split())
    tokens = [token for token in re.split(r"[\s,;]+", text) if token]
    if not tokens:
        return Query()
    words = tuple(dict.fromkeys(word for token in text.split() if (word := fold(token.strip(",;")).strip())))
    codes = tuple(dict.fromkeys(form for code in (text, *tokens) for form in (code, code.upper(), code.lower())))
    joined = re.sub(r"[\s-]", "", text)
    gtins = tuple(dict.fromkeys(form for code in (joined, *tokens) for form in _gtin_forms(code)))
    if any(len(word) >= SHORTEST_WORD for word in words):
        return Query(words, (), codes, gtins, tuple(tokens), frozenset(codes))
    return Query((), _ways_to_write(text), codes, gtins, tuple(tokens), frozenset(codes))


def unknown(query: Query, found: Iterable[tuple[str, str | None, str | None]]) -> tuple[str, ...]:
    """Of several codes, those that are no SKU, MPN or UPC of `found`. Empty unless two or more are: else it was no list."""
    carried = {code for codes in found for code in codes if code}
    left = tuple(one for one in query.tokens if carried.isdisjoint({one, one.upper(), one.lower(), *_gtin_forms(one)}))
    return left if len(query.tokens) - len(left) >= 2 else ()


def _gtin_forms(code: str) -> list[str]:
    """The lengths in which one number is written: 00036000291452, 0036000291452 and 036000291452 are the same."""
    if not (code.isascii() and code.isdigit() and len(code) <= max(_GTIN_LENGTHS)):
        return []
    number = code.lstrip("0")
    return [number.zfill(length) for length in _GTIN_LENGTHS if len(number) <= length] if len(code) >= min(_GTIN_LENGTHS) else []


def _ways_to_write(text: str) -> tuple[str, ...]:
    if len(text) > _CASED_LETTERS:
        return tuple(dict.fromkeys((text, text.upper(), text.lower())))
    choices = [{letter, letter.upper(), letter.lower()} for letter in text]
    return tuple(sorted({"".join(letters) for letters in product(*choices)}))
