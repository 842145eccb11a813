"""The order of setting up a source: which step comes next, which may be opened, which are done.

supplier ─▶ connection ─▶ file ─▶ inventory ─▶ orders ─▶ shipments ─▶ skus ─▶ review ─▶ live
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from peewee import Value

from portal.errors import NotFound, Refused
from portal.models import Source, database

STEPS = ("supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review")

TITLES = {
    "supplier": "Choose the supplier",
    "connection": "Connection",
    "file": "Pick the file",
    "inventory": "Map the inventory",
    "orders": "Send Orders",
    "shipments": "Get Shipments",
    "skus": "SKU mapping",
    "review": "Review",
}

PHASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Source", ("supplier",)),
    ("Connection", ("connection", "file")),
    ("Orders and shipments", ("inventory", "orders", "shipments")),
    ("Review and activate", ("skus", "review")),
)


class SkippedStep(Refused):
    """An earlier step is still open. `step` is the first one, of `source`; `str(error)` names it."""

    def __init__(self, source: Source, step: str) -> None:
        super().__init__(f"{TITLES[step]} comes first. The steps after it open once it is saved.")
        self.source = source
        self.step = step


@dataclass(frozen=True)
class BarStep:
    """One step on the bar. `may_open`: the server would answer with the step's page."""

    key: str
    title: str
    done: bool
    current: bool
    may_open: bool


@dataclass(frozen=True)
class BarPhase:
    """One of the four phases, with its steps. `done` when every step of it is."""

    number: int
    title: str
    steps: Sequence[BarStep]

    @property
    def done(self) -> bool:
        return all(step.done for step in self.steps)

    @property
    def current(self) -> bool:
        return any(step.current for step in self.steps)

    @property
    def first(self) -> BarStep:
        """Where a link to the phase leads."""
        return self.steps[0]


def next_step(source: Source) -> str | None:
    """The first step not saved yet; None once the source is live (or was)."""
    if source.state != "draft":
        return None
    return next((step for step in STEPS if step not in source.setup_done), "review")


def may_open(source: Source, step: str) -> bool:
    """Whether every step before `step` is saved. A live source may re-open each step."""
    first_open = next_step(source)
    return first_open is None or STEPS.index(step) <= STEPS.index(first_open)


def require(source: Source, step: str) -> None:
    """Raises SkippedStep, naming the first open step, when `step` comes after it."""
    first_open = next_step(source)
    if first_open is not None and STEPS.index(step) > STEPS.index(first_open):
        raise SkippedStep(source, first_open)


def mark(source: Source, step: str) -> None:
    """Remember that `step` is saved, also on the `source` given. Raises NotFound when the source is gone."""
    _change(source, lambda done: [*done, step] if step not in done else done)


def reopen(source: Source, step: str) -> None:
    """Forget that `step` and all after it were saved, since what they rest on changed. A live source keeps its steps."""
    if source.state == "draft":
        kept = STEPS[: STEPS.index(step)]
        _change(source, lambda done: [one for one in done if one in kept])


def left(source: Source) -> list[str]:
    """The steps still to be saved, in order, without the review itself."""
    return [step for step in STEPS[:-1] if step not in source.setup_done]


def bar(source: Source, current: str) -> list[BarPhase]:
    """The four phases as the step bar shows them, `current` being the step on screen."""
    phases = []
    for number, (title, keys) in enumerate(PHASES, 1):
        steps = [BarStep(key, TITLES[key], key in source.setup_done, key == current, may_open(source, key)) for key in keys]
        phases.append(BarPhase(number, title, steps))
    return phases


def _change(source: Source, edit: Callable[[list[str]], list[str]]) -> None:
    """Write the edited list unless another browser wrote one in between; then edit that one."""
    while True:
        with database.atomic():
            before = Source.select(Source.setup_done).where(Source.id == source.id, Source.state != "deleted").tuples().first()
            if before is None:
                raise NotFound("source")
            after = sorted(edit(list(before[0])), key=STEPS.index)
            unchanged = Source.setup_done == Value(before[0], converter=Source.setup_done.db_value, unpack=False)
            if Source.update(setup_done=after).where(Source.id == source.id, unchanged).execute():
                source.setup_done = after
                return
