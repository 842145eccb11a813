"""The goals of `make bench`, each a ratio of one run, and the printing of what came out."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.bench.sampling import Sample

OURS = "import-feed"
STEPS = ("first", "identical", "reordered", "changed")
WORDS = {"first": "first load", "identical": "byte-identical file", "reordered": "same rows, other order", "changed": "1 % changed"}
LARGE = 1_000_000  # rows from which on the goals of memory are judged


@dataclass(frozen=True)
class Goal:
    """`above` in `step` over `below`'s own step is at most `most`, or at least `least`. `database`: where it holds, "" for both."""

    words: str
    above: tuple[str, str]
    below: tuple[str, str]
    most: float | None = None
    least: float | None = None
    database: str = ""


def _faster(who: str, times: float) -> Goal:
    return Goal(f"1 % changed: {who} takes at least {times:g} x ours", (who, "changed"), (OURS, "changed"), least=times)


GOALS = (
    Goal("byte-identical file: at most 2 x reading and digesting it", (OURS, "identical"), ("digest", "identical"), most=2),
    Goal("same rows, other order: at most 4 x hashing each record", (OURS, "reordered"), ("records", "reordered"), most=4),
    _faster("dlt", 10), _faster("polars", 4), _faster("peewee", 25),
    Goal("1 % changed: at most 1.5 x the bare sketch", (OURS, "changed"), ("sketch", "changed"), most=1.5),
    Goal("first load: at most 1.5 x csv.reader + executemany", (OURS, "first"), ("executemany", "first"), most=1.5, database="sqlite"),
    Goal("first load: at most 2 x COPY of the same rows", (OURS, "first"), ("loader", "first"), most=2, database="postgres"),
)  # fmt: skip


@dataclass
class Measured:
    """The samples of each round, by contestant and step."""

    samples: dict[tuple[str, str], dict[int, Sample]] = field(default_factory=dict)
    stages: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    def add(self, who: str, step: str, number: int, sample: Sample) -> None:
        self.samples.setdefault((who, step), {})[number] = sample

    def ratio(self, above: tuple[str, str], below: tuple[str, str]) -> float | None:
        """The median over the rounds in which both ran; None when there is none."""
        one, other = self.samples.get(above, {}), self.samples.get(below, {})
        both = [one[number].seconds / other[number].seconds for number in one if number in other]
        return statistics.median(both) if both else None

    def peak(self, who: str) -> float:
        """The most memory of any step, in MB."""
        return max((sample.peak for (name, _), rounds in self.samples.items() if name == who for sample in rounds.values()), default=0.0)


def table(kind: str, found: Measured) -> str:
    """Medians of every contestant: wall seconds, processor seconds of the process tree, peak MB."""
    names = list(dict.fromkeys(who for who, _ in found.samples))
    lines = ["", kind, f"  {'':14}" + "".join(f"{WORDS[step]:>30}" for step in STEPS)]
    for who in names:
        cells = [_cell(found.samples.get((who, step), {}).values()) for step in STEPS]
        lines.append(f"  {who:14}" + "".join(f"{cell:>30}" for cell in cells))
    for step, told in found.stages.items():
        medians = {name: statistics.median(one.get(name, 0.0) for one in told) for name in told[0]}
        lines.append(f"  {OURS}, {WORDS[step]}: " + ", ".join(f"{name} {seconds:.2f} s" for name, seconds in medians.items()))
    return "\n".join(lines)


def _cell(samples: Iterable[Sample]) -> str:
    listed = list(samples)
    if not listed:
        return "-"
    seconds, cpu = (statistics.median(getattr(one, name) for one in listed) for name in ("seconds", "cpu"))
    return f"{seconds:.2f} s, cpu {cpu:.2f}, {max(one.peak for one in listed):.0f} MB"


def judged(kind: str, found: Measured, rows: int) -> str:
    """Every goal that holds on this database: what was measured, and whether it is met."""
    lines = [f"\n{kind}: goals"]
    for goal in GOALS:
        if goal.database in ("", kind):
            lines.append(verdict(goal.words, found.ratio(goal.above, goal.below), goal.most, goal.least, "x"))
    least = 300 if rows <= LARGE else 450
    words = f"peak memory of the process tree: at most {least} MB at {rows:,} rows"
    lines.append(verdict(words, found.peak(OURS) or None if rows >= LARGE else None, least, None, " MB", f"judged from {LARGE:,} rows on"))
    return "\n".join(lines)


def verdict(words: str, value: float | None, most: float | None, least: float | None, unit: str, why: str = "not measured") -> str:
    """One line of goals."""
    if value is None:
        return f"  {'-':8} {words}: {why}"
    met = value <= most if most is not None else value >= (least or 0)
    return f"  {'met' if met else 'NOT MET':8} {words}: {value:.2f}{unit}"
