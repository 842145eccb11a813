"""Why an item is kept out, since when, and by which run: from the journal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from portal.exclusions import preview
from portal.inventory.counted import EXCLUDED, IN, WAITING
from portal.models import Exclusion, InventoryItem, KeptOutChange, Run

WORDS = {IN: "came in", EXCLUDED: "excluded", WAITING: "waits for room in the plan"}


@dataclass(frozen=True)
class Standing:
    """Where an item stands. `sentence`: "Excluded by rule “Tools under 5 dollars” since run 812", "" for one that is in.

    `rule`: what excludes it; `others`: rules that mean it too, which would keep it out if that one went.
    """

    sentence: str
    rule: Exclusion | None
    run: Run | None
    since: datetime | None
    others: tuple[Exclusion, ...] = ()


@dataclass(frozen=True)
class Line:
    """A line of the item's journal, in words."""

    at: datetime
    words: str
    run: Run


def of(item: InventoryItem) -> Standing:
    """Where the item stands now."""
    last = _lines(item).first()
    run = last.run if last is not None and last.became == item.kept_out else None
    since = f" since run {run.number:,}" if run is not None else ""
    if item.kept_out == WAITING:
        return Standing(f"Waits for room in the plan{since}", None, run, last.at if last is not None else item.kept_out_since)
    if item.kept_out != EXCLUDED:
        return Standing("", None, None, None)
    rule = Exclusion.get_or_none(Exclusion.id == item.exclusion_id, Exclusion.merchant == item.merchant_id)
    others = tuple(one for one in preview.fitting(item) if rule is None or one.id != rule.id)
    return Standing(f"Excluded by rule “{rule.name if rule else 'deleted'}”{since}", rule, run, item.kept_out_since, others)


def history(item: InventoryItem, most: int = 20) -> list[Line]:
    """The newest lines of the item's journal, newest first."""
    lines = list(_lines(item).limit(most))
    names = {one.id: one.name for one in Exclusion.select().where(Exclusion.id << {line.exclusion_id for line in lines})}
    return [Line(line.at, _said(line, names.get(line.exclusion_id, "")), line.run) for line in lines]


def _said(line: KeptOutChange, rule: str) -> str:
    if line.became == EXCLUDED:
        return f"Excluded by rule “{rule}”"
    if line.became == WAITING:
        return "No rule excludes it any more; it waits for room in the plan" if line.was == EXCLUDED else "Waits for room in the plan"
    return "No rule excludes it any more" if line.was == EXCLUDED else "Came in: there was room in the plan"


def _lines(item: InventoryItem) -> Any:
    mine = (KeptOutChange.item_id == item.id) & (KeptOutChange.sku == item.sku) & (KeptOutChange.at >= item.added_at)
    return KeptOutChange.select(KeptOutChange, Run).join(Run).where(mine).order_by(KeptOutChange.id.desc())
