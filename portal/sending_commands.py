"""`flask --app app sending`: switch sending off for the whole installation and on again, and see how it stands."""

from __future__ import annotations

import click

from portal.commands import as_json, tell, told_plainly
from portal.models import SendingStop, Source, Submission
from portal.outbox import journal, stops

BY = "the command line"


@click.command("sending")
@click.argument("act", type=click.Choice(["on", "off", "status"]))
@click.option("--why", default="An operator switched it off.", show_default=True, help="Shown to merchants while it is off.")
@as_json
def sending(act: str, why: str, json_only: bool) -> None:
    """Switch the sending of orders on or off for everything, or say how it stands. What was read meanwhile is kept."""
    with told_plainly(json_only):
        changed = False
        if act == "on":
            stops.mind_the_journal()  # so that turning it on accepts what the journal knows now
            changed = stops.start_everything(BY)
        elif act == "off":
            changed = stops.everywhere() is None
            stops.stop_everything(why, BY)
        stop = stops.mind_the_journal()
        rests = [f"{one.source.name}: {one.why}" for one in SendingStop.select(SendingStop, Source).join(Source) if one.source]
        doubts = Submission.select().where(Submission.state == "check_needed").count()
        ahead = len(journal.unknown_here())
    told = {
        "on": stop is None,
        "changed": changed,
        "why": stop.why if stop else "",
        "sources": rests,
        "check_needed": doubts,
        "ahead": ahead,
    }
    lines = [f"Sending is off: {stop.why}" if stop else "Sending is on.", *(f"It rests for {line}" for line in rests)]
    lines.append(f"{doubts:,} {'thing is' if doubts == 1 else 'things are'} in doubt (Check needed).")
    tell(told, "\n".join(lines), json_only)


COMMANDS = [sending]
