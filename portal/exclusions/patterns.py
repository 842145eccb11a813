"""The wildcards of exclusion rules, the same on both databases. Pure.

`*` stands for any letters or none, `?` for one. All else stands for itself, also %, _ and brackets. Capitals do not matter, accents do:
"É" is "é", and neither is "e". A pattern is about the whole text.
"""

from __future__ import annotations

MANY, ONE = "*", "?"
LONGEST = 200
MOST_STARS = 8


def alike(letter: str) -> str:
    """The letters that differ from this one by being a capital or not; itself first."""
    ways = (letter, letter.lower(), letter.upper())
    return "".join(dict.fromkeys(one for one in ways if len(one) == 1))


def literal(text: str) -> str:
    """A pattern part that stands for this very text, as `glob` and `regex` take it: each letter by itself."""
    return "".join(f"\\{letter}" if letter in (MANY, ONE, "\\") else letter for letter in text)


def typed(text: str) -> str:
    """What a person typed, as `glob` and `regex` take it: a backslash is a letter like any other."""
    return text.replace("\\", "\\\\")


def glob(pattern: str) -> str:
    """For SQLite's GLOB, which knows capitals apart."""
    return "".join(_star(letter, "*", "?") or _in_brackets(letter) for letter in _letters(pattern))


def regex(pattern: str) -> str:
    """For Postgres's ~, which knows capitals apart; `.` is any letter there, a line break too."""
    return f"^{''.join(_star(letter, '.*', '.') or _escaped(letter) for letter in _letters(pattern))}$"


def _letters(pattern: str) -> list[str]:
    """Letters and wildcards; what a backslash makes plain comes as two letters."""
    found, at = list[str](), 0
    while at < len(pattern):
        size = 2 if pattern[at] == "\\" else 1
        found.append(pattern[at : at + size])
        at += size
    return found


def _star(letter: str, many: str, one: str) -> str:
    return {MANY: many, ONE: one}.get(letter, "")


def _in_brackets(letter: str) -> str:
    ways = alike(letter[-1])
    return f"[{ways}]" if len(ways) > 1 or ways in "*?[" else ways


def _escaped(letter: str) -> str:
    ways = alike(letter[-1])
    if len(ways) > 1:
        return f"[{ways}]"
    return f"\\{ways}" if ways.isascii() and not ways.isalnum() else ways
