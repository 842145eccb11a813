"""What a rule found, and the merchants' limits as predicates: one query for each limit that somebody chose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from portal import spoken
from portal.alerts.rules import QUIET_HOURS, RULES
from portal.models import AlertSettings, Source

LIVE = Source.state == "live"


@dataclass(frozen=True)
class Finding:
    """A condition that is met. `object_key`: of what, unique within merchant and rule. `mark`: changes when it is about something else.

    `level`: "" for the rule's own. `facts`: what the page needs for its link, such as {"run": public id}.
    """

    merchant: int
    rule: str
    object_key: str
    headline: str
    body: str
    source: int | None = None
    channel: int | None = None
    level: str = ""
    mark: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[int, str, str]:
        """Unique over all merchants."""
        return self.merchant, self.rule, self.object_key


class Policies:
    """The rules of all merchants, where they differ from the defaults. `muted`: {public id of a source that is left out: its id}."""

    def __init__(self, rules: Mapping[int, Mapping[str, Any]], muted: Mapping[str, int]) -> None:
        self._rules, self._muted = rules, muted

    @classmethod
    def read(cls) -> Policies:
        """Those of every merchant that changed something: two queries."""
        rows = {one.merchant_id: one.rules for one in AlertSettings.select(AlertSettings.merchant, AlertSettings.rules) if one.rules}
        names = [name for rules in rows.values() for told in rules.values() for name in told.get("not", ())]
        query: Any = Source.select(Source.public_id, Source.id).where(Source.public_id << names)
        return cls(rows, dict(query.tuples()) if names else {})

    def groups(self, rule: str, merchant: Any) -> Iterator[tuple[int, Any]]:
        """(limit, predicate of the merchants that have it), for each limit in use. `merchant`: the column that holds the merchant."""
        usual = RULES[rule].over
        others: dict[int, list[int]] = {}
        for one, rules in self._rules.items():
            over = rules.get(rule, {}).get("over", usual)
            if over != usual:
                others.setdefault(over, []).append(one)
        changed = [one for ids in others.values() for one in ids]
        yield usual, merchant.not_in(changed) if changed else merchant.is_null(False)
        for over, ids in others.items():
            yield over, merchant << ids

    def over(self, rule: str, merchant: int) -> int:
        """The limit of one merchant."""
        return int(self._of(merchant, rule).get("over", RULES[rule].over))

    def quiet_hours(self, rule: str, merchant: int) -> int:
        """Hours in which what was told is not told again."""
        return int(self._of(merchant, rule).get("quiet", QUIET_HOURS))

    def wants(self, rule: str, merchant: int, source: int | None) -> bool:
        """Whether the merchant has the rule on, for that source."""
        told = self._of(merchant, rule)
        return not told.get("off") and source not in {self._muted.get(name) for name in told.get("not", ())} - {None}

    def _of(self, merchant: int, rule: str) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self._rules.get(merchant, {}).get(rule, {})
        return told


@dataclass(frozen=True)
class Look:
    """One look: its moment, and what the merchants decided."""

    now: datetime
    policies: Policies

    def at(self, moment: datetime | str | None, zone: str) -> str:
        """A moment in words of that clock. SQLite gives text for the least of several."""
        return spoken.moment(datetime.fromisoformat(moment) if isinstance(moment, str) else moment, zone, self.now)


@dataclass(frozen=True)
class Group:
    """What there is of one source or channel (`id`): how many, the id of the first, and when the oldest was."""

    count: int
    first: int
    oldest: Any
    id: int
    name: str
    merchant: int
    zone: str

    def finding(self, rule: str, place: str, headline: str, body: str, of: str = "source") -> Finding:
        """The condition that it is. `place`: a key of rules.ACTS."""
        source, channel = (self.id, None) if of == "source" else (None, self.id)
        mark, facts = f"{self.count} from {self.first}", {"place": place, "count": self.count}
        return Finding(self.merchant, rule, f"{of} {self.id}", headline, body, source, channel, mark=mark, facts=facts)

    def one_or(self, one: str, several: str) -> str:
        """The words for one, or for several."""
        return one if self.count == 1 else several


def counted(number: int, noun: str, several: str = "") -> str:
    """ "1 order", "1,204 orders"."""
    return f"{number:,} {noun if number == 1 else several or noun + 's'}"
