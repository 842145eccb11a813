"""`flask --app app plan`: see what a merchant's plan holds and how much is used, and set its limits."""

from __future__ import annotations

import click

from portal import plans
from portal.commands import as_json, tell, told_plainly
from portal.errors import Invalid, NotFound
from portal.inventory import counted
from portal.models import Merchant

BY = "the command line"


@click.command("plan")
@click.option("--merchant", "named", required=True, help="The public id of the workspace, or its whole name.")
@click.option("--skus", help="How many SKUs the plan holds, or none.")
@click.option("--orders", help="How many orders a month, or none. Shown; orders are never stopped.")
@click.option("--sources", help="How many fulfillment sources, or none. Shown.")
@click.option("--channels", help="How many channels, or none. Shown.")
@click.option("--users", help="How many people, or none. Shown.")
@as_json
def plan(named: str, json_only: bool, **typed: str | None) -> None:
    """Say what a merchant's plan holds and how much of it is used; with a limit, set it first. Nothing is ever taken away."""
    with told_plainly(json_only):
        merchant = _merchant(named)
        changes = {name: _number(name, text) for name, text in typed.items() if text is not None}
        if changes:
            plans.set_limits(merchant, changes, BY)
        limits, used, tally = plans.limits(merchant.id), plans.usage(merchant), counted.of_merchant(merchant.id)
        told = {
            "merchant": merchant.public_id, "limits": dict(limits), "usage": dict(used), "changed": sorted(changes),
            "skus": {"counted": tally.counted, "excluded": tally.excluded, "archived": tally.archived, "waiting": tally.waiting},
        }  # fmt: skip
    lines = [f"{words}: {used[name]:,} of {_said(limits[name])}" for name, words in plans.DIMENSIONS.items()]
    if tally.waiting:
        lines.append(f"{tally.waiting:,} items wait for room.")
    tell(told, "\n".join([f"{merchant.name}", *lines, plans.FORMULA]), json_only)


def _merchant(named: str) -> Merchant:
    found = list(Merchant.select().where((Merchant.public_id == named) | (Merchant.name == named)).limit(2))
    if not found:
        raise NotFound("workspace")
    if len(found) > 1:
        raise Invalid({"merchant": "Several workspaces have that name. Give the public id."})
    return found[0]


def _number(name: str, text: str) -> int | None:
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 11):
        raise Invalid({name: "Enter a whole number, or none."})
    return int(text)


def _said(limit: int | None) -> str:
    return "no limit" if limit is None else f"{limit:,}"


COMMANDS = [plan]
