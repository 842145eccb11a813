"""What judges a file before it may touch the inventory: apply, hold a part, or refuse whole. Pure: numbers in, verdicts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from portal.errors import Problem

FEWEST_ROWS = 0.5  # of the last accepted file
MOST_BAD_QUANTITIES = 0.05  # of the rows
MOST_LOST, LOST_FLOOR = 0.10, 25  # of the known SKUs; and more than this many
MOST_ZEROED, ZEROED_FLOOR = 0.20, 50  # of the items in stock; and more than this many


@dataclass(frozen=True)
class Facts:
    """The numbers of one file, and of the runs it is judged against. `before`: rows of the last accepted run, None on a first.

    `history`: rows of up to ten accepted runs, newest first. Times as texts fit to show.
    """

    rows: int
    usable: int
    bad_quantity: int = 0
    before: int | None = None
    history: Sequence[int] = ()
    known: int = 0
    lost: int = 0
    in_stock: int = 0
    zeroed: int = 0
    source: str = "the source"


@dataclass(frozen=True)
class Verdict:
    """What one guard says. `limit` and `seen` are counts; `verdict`: apply, hold or refuse; `problem` when not apply."""

    name: str
    limit: int
    seen: int
    verdict: str
    sentence: str
    against: dict[str, Any] = field(default_factory=dict)
    problem: Problem | None = None

    def told(self) -> dict[str, Any]:
        """As the run row keeps it."""
        return {key: value for key, value in asdict(self).items() if key != "problem"}


def judge(facts: Facts) -> list[Verdict]:
    """Every guard's verdict on a file that was read to its end, those that refuse first."""
    verdicts = [_rows(facts), _shrunk(facts), _quantities(facts), _lost(facts), _zeroed(facts)]
    order = ("refuse", "hold", "apply")
    return sorted((verdict for verdict in verdicts if verdict), key=lambda verdict: order.index(verdict.verdict))


def freshness(modified: datetime | None, last: datetime | None, words: tuple[str, str]) -> Verdict | None:
    """Whether the file is older than the last accepted one; None when either age is not known. `words`: both times to show."""
    if modified is None or last is None:
        return None
    against = {"modified": last.isoformat()}
    if modified >= last:
        return Verdict("older_than_last", 0, 0, "apply", f"The file is from {words[0]}, the last accepted one from {words[1]}.", against)
    body = f"It is from {words[0]}; the last accepted file is from {words[1]}. We used none of it. Your stock is as it was."
    problem = Problem("older_than_last", "This file is older than the last one", body, "See the folder", "file")
    seconds = int((last - modified).total_seconds())
    return Verdict(
        "older_than_last", 0, seconds, "refuse", f"The file is older than the last accepted one by {seconds:,} s.", against, problem
    )


def _rows(facts: Facts) -> Verdict:
    against = {"rows": list(facts.history)}
    if facts.usable:
        return Verdict("rows_present", 1, facts.usable, "apply", f"{facts.usable:,} usable rows.", against)
    if facts.rows == 0:
        body = f"{_usual(facts)}We kept your stock as it was."
        problem = Problem("header_only", "The feed has headers but no rows", body, "Review the feed", "file")
        return Verdict("rows_present", 1, 0, "refuse", "The file holds no rows.", against, problem)
    body = f"All {facts.rows:,} rows were set aside; the list says why. We kept your stock as it was."
    problem = Problem("no_usable_rows", "No row of the file can be used", body, "Edit the mapping", "mapping")
    return Verdict("rows_present", 1, 0, "refuse", f"None of {facts.rows:,} rows can be used.", against, problem)


def _usual(facts: Facts) -> str:
    if not facts.history:
        return ""
    low, high = min(facts.history), max(facts.history)
    span = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f"The last {len(facts.history)} had {span}. " if len(facts.history) > 1 else f"The last one had {span}. "


def _shrunk(facts: Facts) -> Verdict | None:
    if facts.before is None or facts.rows == 0:
        return None
    limit = -int(-facts.before * FEWEST_ROWS // 1)  # rounded up
    against = {"last": facts.before, "rows": list(facts.history)}
    if facts.rows >= facts.before * FEWEST_ROWS:
        sentence = f"{facts.rows:,} rows; the last accepted file had {facts.before:,}."
        return Verdict("too_few_rows", limit, facts.rows, "apply", sentence, against)
    body = f"It has {facts.rows:,} rows; the last accepted one had {facts.before:,}. We used none of it. Your stock is as it was."
    problem = Problem("too_few_rows", "The file is less than half of the last one", body, "Review the feed", "file")
    return Verdict(
        "too_few_rows", limit, facts.rows, "refuse", f"{facts.rows:,} rows are fewer than half of {facts.before:,}.", against, problem
    )


def _quantities(facts: Facts) -> Verdict | None:
    if not facts.rows:
        return None
    limit = int(facts.rows * MOST_BAD_QUANTITIES)
    share = f"{facts.bad_quantity:,} of {facts.rows:,} rows have a quantity that cannot be used"
    if facts.bad_quantity <= facts.rows * MOST_BAD_QUANTITIES:
        return Verdict("too_many_bad_rows", limit, facts.bad_quantity, "apply", f"{share}.")
    body = f"{share}: negative, fractional, too large or no number. More than 5% means the wrong column. Your stock is as it was."
    problem = Problem("too_many_bad_rows", "Too many quantities cannot be used", body, "Edit the mapping", "mapping")
    return Verdict("too_many_bad_rows", limit, facts.bad_quantity, "refuse", f"{share}; the limit is 5%.", problem=problem)


def _lost(facts: Facts) -> Verdict | None:
    if facts.before is None:
        return None
    limit = max(int(facts.known * MOST_LOST), LOST_FLOOR)
    against = {"known": facts.known}
    sentence = f"{facts.lost:,} of {facts.known:,} SKUs are missing."
    if facts.lost <= facts.known * MOST_LOST or facts.lost <= LOST_FLOOR:
        return Verdict("skus_lost", limit, facts.lost, "apply", sentence, against)
    body = "New and changed items were applied. Nothing was removed or set to zero."
    problem = Problem("skus_lost", f"{facts.lost:,} of {facts.known:,} SKUs are missing", body, "Decide", "acceptance")
    return Verdict("skus_lost", limit, facts.lost, "hold", sentence, against, problem)


def _zeroed(facts: Facts) -> Verdict | None:
    if not facts.in_stock:
        return None
    limit = max(int(facts.in_stock * MOST_ZEROED), ZEROED_FLOOR)
    against = {"in_stock": facts.in_stock}
    sentence = f"{facts.zeroed:,} of {facts.in_stock:,} items in stock go to 0."
    if facts.zeroed <= facts.in_stock * MOST_ZEROED or facts.zeroed <= ZEROED_FLOOR:
        return Verdict("zeroed", limit, facts.zeroed, "apply", sentence, against)
    share = 100 * facts.zeroed // facts.in_stock
    body = f"That is {share}% of your stock with {facts.source}. We held the zeros and applied the rest."
    problem = Problem("zeroed", f"{facts.zeroed:,} items went to 0 at once", body, "Decide", "acceptance")
    return Verdict("zeroed", limit, facts.zeroed, "hold", sentence, against, problem)
