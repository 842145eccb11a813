"""The `flask` verbs that move inventory: import a file, or run an integration now. Exit 0 applied, 3 held, 4 refused."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from portal import accounts, feed_import, sources
from portal.commands import REFUSED, as_json, tell, told_plainly
from portal.errors import Refused, SupplierError
from portal.models import Run

HELD = 3


def only_plan(function: Callable[..., Any]) -> Callable[..., Any]:
    """The `--dry-run` option, as the argument `dry`."""
    return click.option("--dry-run", "dry", is_flag=True, help="Say what it would do; write nothing of the inventory.")(function)


@click.command("import-feed")
@click.option("--merchant", "workspace", required=True, help="Name or id of the workspace.")
@click.option("--source", "name", required=True, help="Name or id of the source.")
@click.option("--create", is_flag=True, help="Make a File upload source of that name, mapped by the file's headers.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@only_plan
@as_json
def import_feed(workspace: str, name: str, create: bool, file: Path, dry: bool, json_only: bool) -> None:
    """Import a file into a source, judged and applied as any run. Exit code 0 applied or no change, 3 held, 4 refused.

    With --dry-run the exit code is what a run of the file would end with.
    """
    with told_plainly(json_only):
        if dry and create:
            raise Refused("A dry run makes no source. Leave out --create.")
        try:
            run = feed_import.import_file(accounts.find_merchant(workspace), name, file, create, dry)
        except SupplierError as error:
            problem = error.problem
            told = feed_import.report_without_run(problem) | {"peak_rss_mb": _peak()}
            tell(told, f"{problem.headline}. {problem.body}", json_only)
            sys.exit(REFUSED)
        _finish(run, json_only)


@click.command("sync")
@click.argument("source")
@click.argument("integration", default=feed_import.KIND)
@click.option("--merchant", "workspace", help="Name or id of the workspace, when several use that name.")
@only_plan
@as_json
def sync(source: str, integration: str, workspace: str | None, dry: bool, json_only: bool) -> None:
    """Run an integration of SOURCE (name or id) here and now. Exit code 0 applied or no change, 3 held, 4 refused.

    With --dry-run the exit code is what the run would end with.
    """
    with told_plainly(json_only):
        merchant = accounts.find_merchant(workspace) if workspace else feed_import.only_merchant_with(source)
        found = feed_import.find_source(merchant, source)
        if dry:
            _finish(feed_import.perform_dry(sources.integration(found, feed_import.SHORT.get(integration, integration))), json_only)
        else:
            _finish(feed_import.perform(feed_import.runnable(found, integration)), json_only)


COMMANDS = [import_feed, sync]


def _finish(run: Run, json_only: bool) -> None:
    """Print the outcome and leave with its exit code."""
    told = feed_import.report(run)
    tell(told | {"peak_rss_mb": _peak()}, feed_import.sentence(run), json_only)
    sys.stdout.flush()
    ended = told.get("would", run.state)
    if ended == "held":
        sys.exit(HELD)
    if ended not in feed_import.GOOD:
        sys.exit(REFUSED)


def _peak() -> float:
    """The most memory this process ever held, in MB."""
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)
