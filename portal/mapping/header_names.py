"""What the names of columns say by their words: plain letters, the warehouse or the unit that a name holds."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from portal.fields import DIMENSION_UNITS, WEIGHT_UNITS
from portal.mapping import kinds
from portal.mapping.warehouse_rows import PLACE_WORDS

_STOCK_WORDS = frozenset(["qty", "quantity", "stock", "available", "avail", "onhand", "inventory", "bestand", "units", "inv"])
OTHER_COUNTS = frozenset(
    ["min", "max", "minimum", "order", "ordered", "pack", "case", "box", "date", "reorder", "status", "eta", "code", "incoming", "transit"]
    + ["reserved", "allocated", "committed", "sold", "sales", "backorder", "backordered", "expected", "future", "damaged", "returned"]
)
LONGEST_NAME, MOST_WORDS = 100, 4  # characters of a header, and words of it beside each other, that are compared with our names
_NO_PLACES = OTHER_COUNTS | {"in", "now", "price", "cost", "net", "value", "id", "number", "free", "previous", "old", "last"}
_GERMAN = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def normal(text: str) -> str:
    """A header as letters and digits: "Preis €" -> "preis", "Höhe" -> "hoehe"."""
    return "".join(words_of(text))


@lru_cache(maxsize=20_000)
def words_of(text: str) -> list[str]:
    """Its words in plain lower case letters: "qtyAvail" -> ["qty", "avail"]. Only its beginning counts."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text[:LONGEST_NAME].replace("#", " number "))
    folded = unicodedata.normalize("NFKD", split.lower().translate(_GERMAN))
    return re.findall(r"[^\W_]+", "".join(c for c in folded if not unicodedata.combining(c)))


def warehouse_name(header: str) -> str:
    """The warehouse that a header such as "qty_east" or "Stock WH1" names, or ""."""
    words = words_of(header)
    rest = [word for word in words if word not in _STOCK_WORDS]
    has_stock = len(rest) < len(words)
    has_place = any(re.sub(r"\d+$", "", word) in PLACE_WORDS for word in words)
    if not rest or len(rest) > 3 or not (has_stock or has_place) or set(rest) & _NO_PLACES:
        return ""
    named = [word for word in rest if word not in PLACE_WORDS]
    if not any(map(str.isalpha, "".join(named))):
        named = rest  # "Warehouse 1", not "1"
    return " ".join(word.upper() if len(word) < 4 or any(map(str.isdigit, word)) else word.capitalize() for word in named)


def unit_in(header: str, what: str) -> str | None:
    """The unit that a header names, such as "Weight (lbs)" or "length_in"; `what`: "weight" or "dimension"."""
    units = WEIGHT_UNITS if what == "weight" else DIMENSION_UNITS
    words = words_of(header)
    if not words:
        return None
    for word in (*words[1:], *(words[0].removeprefix(start) for start in ("weight", "length", "width", "height", "gewicht"))):
        unit = kinds.unit_of(word)
        if unit in units:
            return unit
    return None
