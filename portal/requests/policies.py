"""How a merchant wants orders routed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

BY = {"order": "The first source of your order that has it", "cost": "The source where it costs least"}
SPLITS = {"needed": "Split an order when no source has all of it", "never": "Never split an order"}
SILENT = {"never": "Never", "last": "Only where no other source can ship it; a person tells the supplier"}


@dataclass(frozen=True)
class Policy:
    """`by`: a key of BY; `split`: of SPLITS; `silent`: of SILENT, whether sources without Send Orders may be chosen."""

    by: str = "order"
    split: str = "needed"
    silent: str = "never"
