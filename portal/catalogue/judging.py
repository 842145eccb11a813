"""Whether an item and a product that share an identifier are the same thing, by their titles. Pure."""

from __future__ import annotations

import re

from portal.inventory.queries import fold

VERDICTS = {
    "confident": "Confident",
    "pack": "Pack size differs",
    "far": "Titles too far apart",
    "crowded": "Several items of one source",
    "several": "Several products",
    "conflict": "Linked elsewhere",
    "unclear": "Linked elsewhere, not clear",
}
NEED_YOU = ("pack", "far", "crowded", "several", "unclear")
MAY_TAKE = ("pack", "far", "crowded", "conflict")
"""What a person may link in bulk beside the confident, or move: the linked elsewhere for which one product is found, as confident as those.

Of several products only one can be chosen, item by item.
"""

LEAST_SHARED = 0.2
"""Of the words of the shorter title, how many the other must have too."""

_UNITS = r"(?:packs?|pks?|pcs?|pieces?|ct|count|units?)"
_PACKS = (
    re.compile(r"\b(?:pack|box|case|set|bag|lot|carton)s? of (\d{1,5})\b"),
    re.compile(rf"\b(\d{{1,5}})[ -]?{_UNITS}\b"),
    re.compile(r"\bx ?(\d{1,5})$"),
)
_WORD = re.compile(r"\w{2,}")


def verdict(item: str | None, product: str | None) -> str:
    """confident, pack or far. A side without a title is not held against it."""
    ours, theirs = fold(item or ""), fold(product or "")
    if not ours or not theirs or ours == theirs:
        return "confident"
    if pack_size(ours) != pack_size(theirs):
        return "pack"
    return "far" if are_apart(ours, theirs) else "confident"


def pack_size(title: str) -> int:
    """How many are in it, as a folded title says: 12 of "12-pack", "case of 12", "12 ct", "x12"; 1 where it says nothing."""
    for pattern in _PACKS:
        if found := pattern.search(title):
            return int(found[1])
    return 1


def are_apart(ours: str, theirs: str) -> bool:
    """Whether two folded titles share less than LEAST_SHARED of the words of the shorter one. One word alone says nothing."""
    one, other = set(_WORD.findall(ours)), set(_WORD.findall(theirs))
    least = min(len(one), len(other))
    return least > 1 and len(one & other) / least < LEAST_SHARED
