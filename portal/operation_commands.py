"""`flask --app app` verbs that back up, restore, look and start: what an operator does besides people and keys."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from dataclasses import asdict
from pathlib import Path

import click
import psycopg

from portal import config, parts, vault
from portal.commands import as_json, refuse, tell, told_plainly
from portal.errors import Refused
from portal.operation import backup as backups
from portal.operation import checks, restoring, secure

EXIT = {checks.OK: 0, checks.WARN: 1, checks.BAD: 2}
SIGNS = {checks.OK: "ok  ", checks.WARN: "warn", checks.BAD: "BAD "}
DAMAGED = 1


@click.command("doctor")
@as_json
def doctor(json_only: bool) -> None:
    """How the installation stands, and what to do. Exit code 0 nothing to do, 1 something to look at, 2 something is broken."""
    from portal.models.database import database

    with contextlib.suppress(*checks.AWAY):  # its own line says so
        database.connect(reuse_if_open=True)
    lines = checks.everything()
    if not database.is_closed():
        database.close()
    state = checks.worst(lines)
    told = {"state": state, "lines": [asdict(line) for line in lines]}
    width = max(len(line.label) for line in lines)
    shown = [f"{SIGNS[one.state]}  {one.label:{width}}  {one.said}.{_fix(one, width + 8)}" for one in lines]
    tell(told, "\n".join(shown), json_only)
    sys.exit(EXIT[state])


@click.command("backup")
@click.argument("place", type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="Leave so many backups there, the newest; else all.")
@click.option("--without-files", is_flag=True, help="Leave the raw files out, such as where a bucket keeps them.")
@click.option("--with-key", is_flag=True, help="Put the key file in as well: whoever has that backup can open every credential.")
@as_json
def backup(place: Path, keep: int | None, without_files: bool, with_key: bool, json_only: bool) -> None:
    """Back up database and raw files below PLACE while the portal runs. The key file stays out of it: keep that elsewhere.

    Exit code 1: it was made, but a raw file is damaged.
    """
    with told_plainly(json_only):
        made = backups.make(place, with_key, keep, not without_files)
    words = f"{made.folder}: {made.rows:,} rows and {made.raw_files:,} raw files, {made.bytes / 1e6:,.1f} MB."
    words += "" if with_key else f" The key is not in it: keep {config.current().secret_key_file} elsewhere."
    words += "".join(f"\nDamaged: the raw file {name} is not what was read; it was backed up as it is." for name in made.damaged)
    tell(asdict(made), words, json_only)
    sys.exit(DAMAGED if made.damaged else 0)


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--check", "only_check", is_flag=True, help="Restore to a scratch place, prove it, take it away, and record the date.")
@click.option("--scratch-url", default="", help="With --check: an empty Postgres database; else one is made and dropped.")
@click.option("--key", type=click.Path(path_type=Path, exists=True), help="The key file that you kept, where none is in place yet.")
@as_json
def restore(folder: Path, only_check: bool, scratch_url: str, key: Path | None, json_only: bool) -> None:
    """Restore a backup (or the newest below FOLDER) into an empty place. Sending is off afterwards. Exit code 1: it is not whole."""
    chosen = folder if (folder / backups.MANIFEST).is_file() else backups.newest(folder) or folder
    try:
        proof = restoring.check(chosen, scratch_url) if only_check else restoring.restore(chosen, key)
    except (Refused, vault.VaultError) as problem:
        refuse(str(problem), json_only)
        return
    except psycopg.Error as problem:
        why = str(problem).strip().splitlines()[0]
        then = "look at its address and its role's rights, then try again" + ("" if only_check else ", into an empty place")
        refuse(f"The database did not take the backup: {why}. What to do: {then}.", json_only)
        return
    told = {**asdict(proof), "good": proof.good}
    what = "can be restored" if only_check else "was restored"
    words = f"The backup of {proof.made_at[:16]} UTC {what if proof.good else 'is NOT whole'}: {proof.rows:,} rows, "
    words += f"{proof.secrets} secrets of {proof.merchants} workspaces opened, {proof.raw_files:,} raw files, {proof.seconds} s."
    after = "" if only_check else "\nSending is off. See what left since at the suppliers, then: flask --app app sending on"
    tell(told, "\n".join([words, *proof.problems]) + after, json_only)
    sys.exit(0 if proof.good else DAMAGED)


def _fix(line: checks.Line, indent: int) -> str:
    told = [f"{line.fix}."] if line.fix else []
    return "".join(f"\n{'':{indent}}{words}" for words in [*told, *([line.command] if line.command else [])])


@click.command("web")
@click.option("--processes", type=click.IntRange(1), default=2, show_default=True)
@click.option("--threads", type=click.IntRange(1), default=8, show_default=True, help="Of each process.")
def web(processes: int, threads: int) -> None:
    """Serve the pages by gunicorn at HOST and PORT until a signal comes. Several machines may each do so."""
    settings = config.current()
    with told_plainly(json_only=False):  # an old database is refused here, not at the first request
        secure.require(settings)
    counted = settings.data_dir / "metrics" / f"{socket.gethostname()}-{settings.port}"
    shutil.rmtree(counted, ignore_errors=True)
    counted.mkdir(mode=0o700, parents=True)
    program = [
        sys.executable, "-m", "gunicorn", "--config", "python:portal.gunicorn_conf", "--worker-class", "gthread",
        "--workers", str(processes), "--threads", str(threads), "--bind", f"{settings.host}:{settings.port}", "app:app",
    ]  # fmt: skip
    os.chdir(parts.PROGRAM.parent)
    os.execve(program[0], program, config.environment_with(PROMETHEUS_MULTIPROC_DIR=str(counted)))  # noqa: S606 - gunicorn takes our place


@click.command("worker")
def worker() -> None:
    """Do the runs until a signal comes; those in hand are given back. Any number, on any machine."""
    sys.exit(parts.main(["worker"]))


@click.command("scheduler")
def scheduler() -> None:
    """Keep the clock until a signal comes. One at a time does, workers too; the others take over within a minute."""
    sys.exit(parts.main(["scheduler"]))


COMMANDS = [doctor, backup, restore, web, worker, scheduler]
