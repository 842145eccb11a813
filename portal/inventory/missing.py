"""What becomes of items that a full file no longer names: leave them, take them to 0, or archive them later. One policy a feed.

leave    nothing is written.
zero     the item is missing: quantity 0 and `missing_since`, at once.
archive  as zero; and archived once it was missing in N more accepted full files, or for N hours, whichever is first reached. The next
         full run that still lacks it does that, in its last step and held with the removals if a guard holds those.

scope    "own": only items whose quantity this feed wrote last. "all": whoever wrote it.
filter   only items with one of the values in the column; all others are left.

Two feeds of one source never fight over it. Each notes for itself which items its file lacks (`missing_in`), and an item is offered
again when no feed that takes such items away lacks it any more. A feed that was removed, or whose policy no longer takes this item
away, has no say: so whoever archived an item, another feed that names it brings it back once the archiving one would not archive it
today. A person un-archives at any time, and what a person archived no feed brings back. A delta never makes an item missing.

By default the primary takes everything that it lacks to 0, and the secondary leaves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from portal import clock, policies
from portal.errors import Invalid
from portal.fields import INVENTORY_BY_KEY
from portal.models import Integration, Run

ACTS = {"leave": "Leave them as they are", "zero": "Set their quantity to 0", "archive": "Set to 0, and archive them later"}
SCOPES = {"own": "Only items whose quantity this feed wrote", "all": "All items of the source"}
FILTERS = {key: INVENTORY_BY_KEY[key].label for key in ("brand", "category_1", "category_2", "category_3", "condition", "status")}
MOST_RUNS = 1_000
MOST_HOURS = 24 * 365
MOST_VALUES = 100
MOST_LOOKED_AT = 3 * MOST_RUNS
LONGEST_VALUE = 255
SECONDARY = "get_inventory_secondary"


@dataclass(frozen=True)
class Missing:
    """The policy of one feed. `after_runs`, `after_hours`: when "archive" archives, 0 for not by that. `column` "" is no filter."""

    act: str = "zero"
    after_runs: int = 0
    after_hours: int = 0
    scope: str = "all"
    column: str = ""
    values: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Missing:
        """From its JSON."""
        chosen = told.get("filter") or {}
        return cls(
            told["act"], int(told.get("after_runs") or 0), int(told.get("after_hours") or 0), told.get("scope") or "all",
            chosen.get("column") or "", tuple(chosen.get("values") or ()),
        )  # fmt: skip

    def told(self) -> dict[str, Any]:
        """As JSON: {"act", "after_runs", "after_hours", "scope", "filter": {"column", "values"}}."""
        chosen = {"column": self.column, "values": list(self.values)}
        return {"act": self.act, "after_runs": self.after_runs, "after_hours": self.after_hours, "scope": self.scope, "filter": chosen}

    @property
    def takes(self) -> bool:
        """Whether it takes any item away at all."""
        return self.act != "leave"

    @property
    def words(self) -> str:
        """What happens, in a sentence."""
        if not self.takes:
            return "Items that a file no longer holds are left as they are."
        which = "whose quantity this feed wrote " if self.scope == "own" else ""
        if self.column:
            which += f"with {FILTERS[self.column].lower()} {' or '.join(self.values)} "
        told = f"Items {which}that a file no longer holds go to 0"
        if self.act == "zero":
            return f"{told}."
        whens = [f"{self.after_runs:,} more files without them"] if self.after_runs else []
        whens += [f"{self.after_hours:,} h"] if self.after_hours else []
        return f"{told}, and are archived after {' or '.join(whens)}."


ZERO_ALL = Missing()
LEAVE = Missing("leave", scope="own")


def archive_before(run: Run, chosen: Missing) -> datetime | None:
    """Items that have been missing since then are archived by the run; None for none.

    Of N files: since the accepted full run with N - 1 others after it and before this one, a byte-identical file counting too.
    """
    if chosen.act != "archive":
        return None
    befores = [clock.now() - timedelta(hours=chosen.after_hours)] if chosen.after_hours else []
    if chosen.after_runs:
        mine = (Run.integration == run.integration_id) & (Run.kind == "inventory") & (Run.accepted == True)  # noqa: E712
        earlier = (
            Run.select(Run.finished_at, Run.settings)
            .where(mine, Run.id < run.id, Run.document_id.is_null(False))
            .order_by(Run.id.desc())
            .limit(MOST_LOOKED_AT)
        )
        full = [one.finished_at for one in earlier if not (one.settings.get("role") or {}).get("delta")]
        befores += full[chosen.after_runs - 1 : chosen.after_runs]
    return max(befores, default=None)


def default(kind: str) -> Missing:
    """The policy of an integration kind that has none of its own."""
    return LEAVE if kind == SECONDARY else ZERO_ALL


def policy(integration: Integration) -> Missing:
    """The integration's policy: its own, or the default of its kind."""
    told = (integration.policies or {}).get("missing")
    return Missing.of(told) if told else default(integration.kind)


def check(chosen: Missing) -> None:
    """Raises Invalid (keys act, after_runs, after_hours, scope, column, values) for a policy that cannot be kept."""
    errors: dict[str, str] = {}
    if chosen.act not in ACTS:
        errors["act"] = "Choose what becomes of missing items."
    if chosen.scope not in SCOPES:
        errors["scope"] = "Choose which items this is for."
    if not 0 <= chosen.after_runs <= MOST_RUNS:
        errors["after_runs"] = f"Enter a number of files from 1 to {MOST_RUNS:,}, or leave it empty."
    if not 0 <= chosen.after_hours <= MOST_HOURS:
        errors["after_hours"] = f"Enter a number of hours from 1 to {MOST_HOURS:,}, or leave it empty."
    if chosen.act == "archive" and not chosen.after_runs and not chosen.after_hours and not errors:
        errors["after_runs"] = "Enter after how many files, or after how many hours, they are archived."
    errors |= _filter_errors(chosen)
    if errors:
        raise Invalid(errors)


def save(integration: Integration, chosen: Missing, version: int, who: str) -> Integration:
    """Keep a policy; it holds from the next run on. One as by default is not kept. Raises Invalid, Stale."""
    check(chosen)
    tidy = Missing(
        chosen.act, *((chosen.after_runs, chosen.after_hours) if chosen.act == "archive" else (0, 0)), chosen.scope, chosen.column,
        tuple(dict.fromkeys(value.strip() for value in chosen.values)) if chosen.column else (),
    )  # fmt: skip
    return policies.save(integration, "missing", {} if tidy == default(integration.kind) else tidy.told(), version, who)


def _filter_errors(chosen: Missing) -> dict[str, str]:
    if not chosen.column:
        return {}
    if chosen.column not in FILTERS:
        return {"column": "Choose the field that decides."}
    values = [value.strip() for value in chosen.values]
    if not any(values) or not all(values):
        return {"values": "Enter at least one value, each on a line of its own."}
    if len(values) > MOST_VALUES or any(len(value) > LONGEST_VALUE for value in values):
        return {"values": f"Enter at most {MOST_VALUES} values of at most {LONGEST_VALUE} characters."}
    return {}
