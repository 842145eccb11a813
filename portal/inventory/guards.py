"""What judges a file before it may touch the inventory: apply, hold a part, or refuse whole. Pure: numbers in, verdicts out.

rows are judged against the median of the last ten accepted runs; lost SKUs also against the highest count of seven days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from statistics import median
from typing import Any

from portal.errors import Problem

MONTH_DAYS = 30  # a source's first days, when a low match rate is no sign of anything
FEW_OF_DELTA = 10  # bad quantities that never refuse a delta: it may have very few rows, and they do not come again
ORDER = ("refuse", "hold", "warn", "apply")


@dataclass(frozen=True)
class Limits:
    """How far each guard goes. Percents, but `*_floor`: a number that must be passed too. `policies["guards"]` keeps what differs."""

    fewest_rows: float = 50  # of the median; fewer is refused
    lost: float = 10  # of the known SKUs; more holds the removals
    lost_floor: float = 25
    lost_in_week: float = 25  # below the 7-day high; more holds the removals
    zeroed: float = 20  # of the items in stock; more holds the zeros
    zeroed_floor: float = 50
    price_step: float = 50  # a cost or price that moves by more counts as moved
    prices_moved: float = 30  # of the items with a price; more holds the prices
    bad_quantities: float = 5  # of the rows; more is refused
    broken_rows: float = 0.1  # of the rows; more is refused
    duplicates: float = 0.5  # of the rows; more is a warning
    match_rate: float = 50  # of the file's SKUs must be known after the first month, else everything is held


def limits(integration: Any) -> Limits:
    """The limits of an integration: the defaults, and what its policies say instead."""
    told = (integration.policies or {}).get("guards") or {}
    known = {one.name for one in fields(Limits)}
    return Limits(**{name: value for name, value in told.items() if name in known})


@dataclass(frozen=True)
class Facts:
    """The numbers of one file, and of the runs it is judged against. `before`: rows of the last accepted run, None on a first.

    `history`: rows of up to ten accepted runs, newest first. `known`, `lost`, `in_stock`, `zeroed`: items before the run, and
    of them those that the file lacks or takes to 0. `priced`: known items of the file with a cost or price; `price_moved`: those
    that move past `Limits.price_step`. `matched`: SKUs of the file that were known, None when nobody counted. `high`: most items
    after an accepted run of the last seven days, `high_at` when, fit to show. `days` since the first accepted run. `delta`: the file
    names only what changed. `secondary`: it is of Get Inventory Secondary; then the items are those that this feed speaks for.
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
    priced: int = 0
    price_moved: int = 0
    matched: int | None = None
    high: int = 0
    high_at: str = ""
    days: int = 0
    broken: int = 0
    duplicates: int = 0
    delta: bool = False
    secondary: bool = False

    @property
    def usual(self) -> int | None:
        """The median of the history in whole rows; of the last run alone where there is no other."""
        if self.before is None:
            return None
        return int(median(self.history)) if self.history else self.before


@dataclass(frozen=True)
class Verdict:
    """What one guard says. `limit` and `seen` are counts; `verdict`: apply, warn, hold or refuse; `problem` when it is one."""

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


DEFAULTS = Limits()


def judge(facts: Facts, limits: Limits = DEFAULTS) -> list[Verdict]:
    """Every guard's verdict on a file that was read to its end, those that refuse first.

    A delta is of any size and removes nothing, so neither its rows nor lost SKUs nor known SKUs are judged, and it may be empty; prices
    are judged as a share of all items. The first file of a secondary changes what is there, so its prices and zeros are judged, too.
    """
    sized = (_shrunk, _lost, _lost_slowly, _matched)
    every = (_rows, _shrunk, _quantities, _broken, _lost, _lost_slowly, _zeroed, _prices, _matched, _duplicates)
    guards = [guard for guard in every if not (facts.delta and guard in sized)]
    verdicts = [verdict for guard in guards if (verdict := guard(facts, limits))]
    return sorted(verdicts, key=lambda verdict: ORDER.index(verdict.verdict))


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
    sentence = f"The file is older than the last accepted one by {seconds:,} s."
    return Verdict("older_than_last", 0, seconds, "refuse", sentence, against, problem)


def over(seen: int, whole: int, percent: float) -> bool:
    """Whether `seen` is more than `percent` of `whole`, exactly at whole and tenth percents."""
    return round(seen * 1000) > round(percent * 10) * whole


def share(part: int, whole: int) -> str:
    """How much of the whole that is, such as 12% or 0.4%."""
    percent = 100 * part / whole if whole else 0.0
    return f"{percent:.0f}%" if percent >= 10 or percent == round(percent) else f"{max(percent, 0.1):.1f}%"


def _rows(facts: Facts, _: Limits) -> Verdict:
    against = {"rows": list(facts.history)}
    if facts.usable:
        return Verdict("rows_present", 1, facts.usable, "apply", f"{facts.usable:,} usable rows.", against)
    if facts.rows == 0 and facts.delta:
        return Verdict("rows_present", 0, 0, "apply", "The file names no change.")
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


def _shrunk(facts: Facts, limits: Limits) -> Verdict | None:
    usual = facts.usual
    if usual is None or facts.rows == 0:
        return None
    limit = -int(-usual * limits.fewest_rows // 100)  # rounded up
    against = {"last": facts.before, "median": usual, "rows": list(facts.history)}
    files = f"the last {len(facts.history)} accepted files had {usual:,} (median)" if len(facts.history) > 1 else f"the last had {usual:,}"
    if facts.rows >= limit:
        return Verdict("too_few_rows", limit, facts.rows, "apply", f"{facts.rows:,} rows; {files}.", against)
    body = f"It has {facts.rows:,} rows; {files}. We used none of it. Your stock is as it was."
    headline = "The file has less than half of the usual rows" if limits.fewest_rows == 50 else "The file has far fewer rows than usual"
    problem = Problem("too_few_rows", headline, body, "See the limits", "guards")
    sentence = f"{facts.rows:,} rows; fewer than {limit:,} ({limits.fewest_rows:g}% of the usual {usual:,}) are refused."
    return Verdict("too_few_rows", limit, facts.rows, "refuse", sentence, against, problem)


def _quantities(facts: Facts, limits: Limits) -> Verdict | None:
    if not facts.rows:
        return None
    limit = int(facts.rows * limits.bad_quantities / 100)
    told = f"{facts.bad_quantity:,} of {facts.rows:,} rows have a quantity that cannot be used"
    few = facts.delta and facts.bad_quantity <= FEW_OF_DELTA
    if few or not over(facts.bad_quantity, facts.rows, limits.bad_quantities):
        return Verdict("too_many_bad_rows", limit, facts.bad_quantity, "apply", f"{told}.")
    wrong = f"More than {limits.bad_quantities:g}% means the wrong column."
    body = f"{told}: negative, fractional, too large or no number. {wrong} Your stock is as it was."
    problem = Problem("too_many_bad_rows", "Too many quantities cannot be used", body, "Edit the mapping", "mapping")
    sentence = f"{told}; the limit is {limits.bad_quantities:g}%."
    return Verdict("too_many_bad_rows", limit, facts.bad_quantity, "refuse", sentence, problem=problem)


def _broken(facts: Facts, limits: Limits) -> Verdict | None:
    if not facts.rows:
        return None
    limit = int(facts.rows * limits.broken_rows / 100)
    told = f"{facts.broken:,} of {facts.rows:,} rows hold letters that cannot be read"
    if not over(facts.broken, facts.rows, limits.broken_rows):
        return Verdict("broken_rows", limit, facts.broken, "apply", f"{told}.")
    body = f"{told}. The encoding is another one than you chose, or the file was damaged. Your stock is as it was."
    problem = Problem("wrong_encoding", "Some letters cannot be read", body, "Choose the encoding", "file")
    sentence = f"{told}; the limit is {limits.broken_rows:g}%."
    return Verdict("broken_rows", limit, facts.broken, "refuse", sentence, problem=problem)


def _lost(facts: Facts, limits: Limits) -> Verdict | None:
    if facts.before is None:
        return None
    limit = max(int(facts.known * limits.lost / 100), int(limits.lost_floor))
    against = {"known": facts.known}
    sentence = f"{facts.lost:,} of {facts.known:,} SKUs are missing."
    if not over(facts.lost, facts.known, limits.lost) or facts.lost <= limits.lost_floor:
        return Verdict("skus_lost", limit, facts.lost, "apply", sentence, against)
    body = "New and changed items were applied. Nothing was removed or set to zero."
    problem = Problem("skus_lost", f"{facts.lost:,} of {facts.known:,} SKUs are missing", body, "Decide", "acceptance")
    return Verdict("skus_lost", limit, facts.lost, "hold", sentence, against, problem)


def _lost_slowly(facts: Facts, limits: Limits) -> Verdict | None:
    if facts.before is None or not facts.high:
        return None
    gone = max(0, facts.high - (facts.known - facts.lost))
    limit = max(int(facts.high * limits.lost_in_week / 100), int(limits.lost_floor))
    against = {"high": facts.high, "at": facts.high_at, "days": 7}
    sentence = f"{gone:,} fewer SKUs than the 7-day high of {facts.high:,}."
    if not facts.lost or not over(gone, facts.high, limits.lost_in_week) or gone <= limits.lost_floor:
        return Verdict("lost_slowly", limit, gone, "apply", sentence, against)
    since = f" of {facts.high_at}" if facts.high_at else ""
    body = f"The 7-day high{since} is {facts.high:,}; {share(gone, facts.high)} of it are gone or going. Nothing was removed by this file."
    problem = Problem("lost_slowly", f"{gone:,} SKUs were lost within 7 days", body, "Decide", "acceptance")
    return Verdict("lost_slowly", limit, gone, "hold", sentence, against, problem)


def _zeroed(facts: Facts, limits: Limits) -> Verdict | None:
    if not facts.in_stock:
        return None
    limit = max(int(facts.in_stock * limits.zeroed / 100), int(limits.zeroed_floor))
    against = {"in_stock": facts.in_stock}
    sentence = f"{facts.zeroed:,} of {facts.in_stock:,} items in stock go to 0."
    if not over(facts.zeroed, facts.in_stock, limits.zeroed) or facts.zeroed <= limits.zeroed_floor:
        return Verdict("zeroed", limit, facts.zeroed, "apply", sentence, against)
    percent = 100 * facts.zeroed // facts.in_stock
    body = f"That is {percent}% of your stock with {facts.source}. We held the zeros and applied the rest."
    problem = Problem("zeroed", f"{facts.zeroed:,} items went to 0 at once", body, "Decide", "acceptance")
    return Verdict("zeroed", limit, facts.zeroed, "hold", sentence, against, problem)


def _prices(facts: Facts, limits: Limits) -> Verdict | None:
    if facts.before is None and not facts.secondary:
        return None
    limit = int(facts.priced * limits.prices_moved / 100)
    against = {"priced": facts.priced, "step": limits.price_step}
    sentence = f"{facts.price_moved:,} of {facts.priced:,} costs or prices move by more than {limits.price_step:g}%."
    if not over(facts.price_moved, facts.priced, limits.prices_moved):
        return Verdict("prices_moved", limit, facts.price_moved, "apply", sentence, against)
    moved = f"{share(facts.price_moved, facts.priced)} of the items move by more than {limits.price_step:g}%"
    body = f"{moved}; it may be the wrong column or currency. We held the costs and prices and applied the rest."
    problem = Problem("prices_moved", f"{facts.price_moved:,} costs or prices moved far at once", body, "Decide", "acceptance")
    return Verdict("prices_moved", limit, facts.price_moved, "hold", sentence, against, problem)


def _matched(facts: Facts, limits: Limits) -> Verdict | None:
    if facts.before is None or facts.matched is None or not facts.usable or not facts.known:
        return None
    limit = -int(-facts.usable * limits.match_rate // 100)
    against = {"known": facts.known, "days": facts.days}
    sentence = f"{facts.matched:,} of {facts.usable:,} SKUs in the file are known."
    if facts.matched >= limit or facts.days < MONTH_DAYS or facts.secondary:  # what a secondary does not know it leaves out
        return Verdict("match_rate", limit, facts.matched, "apply", sentence, against)
    body = f"Only {facts.matched:,} of {facts.usable:,} are yours; it may be another catalogue or SKU column. Nothing of it was applied."
    problem = Problem("match_rate", "Most SKUs of the file are not known", body, "Decide", "acceptance")
    return Verdict("match_rate", limit, facts.matched, "hold", sentence, against, problem)


def _duplicates(facts: Facts, limits: Limits) -> Verdict | None:
    if not facts.rows:
        return None
    limit = int(facts.rows * limits.duplicates / 100)
    sentence = f"{facts.duplicates:,} of {facts.rows:,} rows repeat a SKU."
    verdict = "warn" if over(facts.duplicates, facts.rows, limits.duplicates) else "apply"
    return Verdict("duplicates", limit, facts.duplicates, verdict, sentence)
