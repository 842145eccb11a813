"""What a person is known by, compared as people write it: addresses in any case, telephone numbers by their digits, names whole."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

ERASED = "(erased)"
"""What stands in the place of an erased value, so that a blank one is told from it."""

KEPT_OF_ADDRESS = ("country", "country_code")
"""Of an address these stay: nobody is found by them, and taxes are counted by them."""

SHORTEST_PHONE, COMPARED_DIGITS = 7, 9
SHORTEST_LINE = 8  # letters of a street line that is looked for in texts
_EMAIL = re.compile(r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"\+?\d[\d ()./\-]{6,24}\d")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")


def plain(text: str) -> str:
    """Text as it is compared: one form of each letter, no case, single blanks."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def digits(text: str) -> str:
    """The digits of a telephone number by which it is compared, "" for what is none: its end, as the beginning is written many ways."""
    found = "".join(letter for letter in text if letter.isdigit())
    return found[-COMPARED_DIGITS:] if len(found) >= SHORTEST_PHONE else ""


@dataclass
class Terms:
    """What somebody is known by. `emails`, `names`, `lines` (street) as `plain` gives them; `phones` as `digits`.

    `hashes`: keyed hashes of addresses and telephone numbers that are known only so, compared by `mark`.
    """

    emails: set[str] = field(default_factory=set)
    phones: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    lines: set[str] = field(default_factory=set)
    hashes: frozenset[str] = frozenset()
    mark: Callable[[str], str] | None = None

    def add(self, address: Mapping[str, Any]) -> None:
        """What an address of theirs tells of them."""
        for key, kept, form in (("email", self.emails, plain), ("phone", self.phones, digits), ("name", self.names, plain)):
            if (value := form(_told(address, key))) and (key != "name" or " " in value):
                kept.add(value)
        if len(line := plain(_told(address, "address_1"))) >= SHORTEST_LINE:
            self.lines.add(line)

    def of(self, address: Mapping[str, Any]) -> bool:
        """Whether an address is theirs by e-mail or telephone: many people share a name, and a street."""
        email, phone = plain(_told(address, "email")), digits(_told(address, "phone"))
        return bool(email and self._is(email, self.emails)) or bool(phone and self._is(phone, self.phones))

    def in_text(self, text: str) -> bool:
        """Whether a text holds any of it, as it stands or as JSON, HTML or an address would write it."""
        if not text or text == ERASED:
            return False
        for form in _forms(text):
            low = plain(form)
            if any(term in low for term in (*self.emails, *self.names, *self.lines)):
                return True
            if self.phones or self.hashes:
                for found in _PHONE.findall(form):
                    if (number := digits(found)) and self._is(number, self.phones):
                        return True
            if self.hashes and any(self._is(plain(found), self.emails) for found in _EMAIL.findall(form)):
                return True
        return False

    def blanked(self, value: Any) -> Any:
        """A JSON value in which each text that holds any of it is ERASED; the rest as it was."""
        if isinstance(value, str):
            return ERASED if self.in_text(value) else value
        if isinstance(value, Mapping):
            return {key: self.blanked(one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.blanked(one) for one in value]
        return value

    def known_by(self) -> Iterable[str]:
        """What is hashed of it: what finds somebody again without a doubt."""
        return sorted(self.emails | self.phones)

    def __bool__(self) -> bool:
        return bool(self.emails or self.phones or self.names or self.lines or self.hashes)

    def _is(self, value: str, known: set[str]) -> bool:
        return value in known or (self.mark is not None and bool(self.hashes) and self.mark(value) in self.hashes)


def blank_address(address: Mapping[str, Any]) -> dict[str, Any]:
    """An address of which only the country is left."""
    return {key: value if key in KEPT_OF_ADDRESS or not value else ERASED for key, value in address.items()}


def _told(address: Mapping[str, Any], key: str) -> str:
    value = str(address.get(key) or "")
    return "" if value == ERASED else value


def _forms(text: str) -> list[str]:
    found = [text]
    if "\\u" in text:
        found.append(_ESCAPED.sub(lambda one: chr(int(one[1], 16)), text))
    if "&" in text:
        found.append(html.unescape(text))
    if "%" in text or "+" in text:
        found.append(unquote_plus(text))
    return found
