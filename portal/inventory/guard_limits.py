"""The guard table as a merchant reads and changes it: what each guard does, its limits, and what it is judged against now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from statistics import median
from typing import Any

from portal import policies
from portal.errors import Invalid
from portal.inventory import baseline, guards, words
from portal.inventory.guards import Limits
from portal.models import Integration, InventoryItem

MOST_FLOOR = 1_000_000


@dataclass(frozen=True)
class Guard:
    """One row of the table: `limits` are names of Limits; `against` names the history it is judged by."""

    key: str
    label: str
    does: str
    verdict: str
    limits: Mapping[str, str]
    against: str = ""


GUARDS = (
    Guard("rows", "Rows of the file", "A file with too few rows is cut or not whole.", "Refused; nothing is used",
          {"fewest_rows": "At least this share of the usual rows, %"}, "rows"),
    Guard("lost", "SKUs lost", "Items that the file no longer names would go to 0.", "New and changed rows are applied, removals wait",
          {"lost": "More than this share of your SKUs, %", "lost_floor": "and more than this many"}, "known"),
    Guard("slowly", "SKUs lost within 7 days", "Losses too small for one day add up.", "Removals wait",
          {"lost_in_week": "More than this share of the 7-day high, %"}, "high"),
    Guard("zeroed", "Stock going to 0", "Many items at 0 at once are often a broken export.", "The zeros wait, the rest is applied",
          {"zeroed": "More than this share of items in stock, %", "zeroed_floor": "and more than this many"}, "stock"),
    Guard("prices", "Costs and prices", "Prices that jump together are often a wrong column or currency.",
          "Costs and prices wait, the rest is applied",
          {"prices_moved": "More than this share of items, %", "price_step": "moved by more than, %"}),
    Guard("quantities", "Quantities that cannot be used", "Negative, fractional or no number: each such row is set aside.",
          "Refused above the limit", {"bad_quantities": "More than this share of rows, %"}),
    Guard("duplicates", "SKUs on several rows", "One of them is used, as the mapping says.", "A warning",
          {"duplicates": "More than this share of rows, %"}),
    Guard("matched", "Known SKUs", "After the first month, a file that names mostly SKUs you do not have is another catalogue.",
          "All of it waits", {"match_rate": "At least this share of the file’s SKUs, %"}, "days"),
)  # fmt: skip
FIXED = (
    ("The file is cut or damaged", "Fewer bytes than announced, an end that is missing", "Refused, and tried again"),
    ("The file still grows", "Its size or time moves while we look", "We wait"),
    ("An archive that is unsafe", "Over 500 MB packed, 10 GB or 100 times unpacked, 1,000 files, or links and paths out of it", "Refused"),
    ("A needed column is gone or moved", "Any that the mapping reads", "Refused; see Columns changed"),
    ("Other columns came or went", "Any that the mapping does not read", "Applied, with a note"),
    ("Letters that cannot be read", "In more than 0.1% of the rows", "Refused"),
    ("No rows", "None, or none that can be used", "Refused"),
    ("Older than the last accepted file", "By the time the supplier wrote it", "Refused"),
    ("The same file again", "Byte for byte", "The run ends with No change"),
    ("The first file", "Nothing to compare with", "Applied; it never removes"),
)
_MOST = {"lost_floor": MOST_FLOOR, "zeroed_floor": MOST_FLOOR, "price_step": 1_000}
_LEAST = {"price_step": 1.0}


def told(number: float) -> str:
    """A limit as it is typed: 10 or 0.5."""
    return f"{number:g}"


def save(integration: Integration, typed: Mapping[str, str], version: int, who: str) -> Integration:
    """Keep the limits, as texts by name of Limits; those at their default are not kept. Raises Invalid by name, Stale."""
    errors: dict[str, str] = {}
    kept: dict[str, float] = {}
    for one in fields(Limits):
        if one.name not in typed:
            continue
        try:
            number = _number(one.name, typed[one.name])
        except Invalid as invalid:
            errors |= invalid.errors
            continue
        if number != one.default:
            kept[one.name] = number
    if errors:
        raise Invalid(errors)
    return policies.save(integration, "guards", kept, version, who)


def history(integration: Integration) -> dict[str, str]:
    """What each guard is judged against now, in words by Guard.against; "" where there is nothing yet."""
    before = [rows for _, rows in baseline.history(integration)]
    high, at = baseline.week_high(integration)
    items = InventoryItem.select().where(InventoryItem.source == integration.source_id, InventoryItem.missing_since.is_null())
    known, stock = items.count(), items.where(InventoryItem.quantity > 0).count()
    when = words.moment(at, integration.source.merchant) if at else ""
    runs = "the last accepted file" if len(before) == 1 else f"the last {len(before)} accepted files, median"
    return {
        "rows": f"{int(median(before)):,} rows ({runs})" if before else "",
        "known": f"{known:,} SKUs" if known else "",
        "high": f"{high:,} SKUs on {when}" if high else "",
        "stock": f"{stock:,} items in stock" if stock else "",
        "days": "",
    }


def in_force(integration: Integration) -> dict[str, str]:
    """Every limit as it is typed, by name."""
    now = guards.limits(integration)
    return {one.name: told(getattr(now, one.name)) for one in fields(Limits)}


def defaults() -> dict[str, str]:
    """Every default as it is typed, by name."""
    return {one.name: told(float(str(one.default))) for one in fields(Limits)}


def _number(name: str, text: str) -> float:
    text = text.strip().removesuffix("%").replace(",", "").strip()
    least, most = _LEAST.get(name, 0.0), _MOST.get(name, 100)
    plain = text.isascii() and len(text) <= 10 and text.count(".") <= 1 and text.replace(".", "").isdigit()
    number = float(text) if plain else -1.0
    whole = name.endswith("_floor")
    if not least <= number <= most or (whole and number != int(number)) or round(number * 10) != number * 10:
        kind = "a whole number" if whole else "a number with at most one decimal"
        raise Invalid({name: f"Enter {kind} from {least:g} to {most:,}."})
    return number


def labels() -> dict[str, Any]:
    """The label of each limit, by name."""
    return {name: label for guard in GUARDS for name, label in guard.limits.items()}
