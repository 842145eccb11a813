"""How the installation stands, line by line: what was seen, and how to mend what is not right. Read by doctor, the page and /readyz."""

from __future__ import annotations

import ipaddress
import os
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from peewee import InterfaceError, OperationalError

from portal import clock, config, migrations, passwords, spoken, vault
from portal.models import ApiToken, Merchant, RecoveryCode, Run, SendingStop, User, database
from portal.models.database import is_postgres
from portal.operation import VERSION, lead, notes, presence

OK, WARN, BAD = "ok", "warn", "bad"
AWAY = (OperationalError, InterfaceError)
BACKUP_HOURS, RESTORE_CHECK_DAYS = 26, 35
LONGEST_WAIT = 300  # seconds that a due run may wait before the line says so
LITTLE_DISK, NO_DISK = 2_000_000_000, 500_000_000
DRIFT_WARN, DRIFT_BAD = 2.0, 15.0
KNOWN_PASSWORDS = ("postgres", "password", "quayside", "changeme", "change-me", "secret", "admin", "demo", "example", "test")
VERB, START_CLOCK = "flask --app app", "Start a scheduler, or a worker"
DEMO_EMAIL = "owner@example.com"


@dataclass(frozen=True)
class Line:
    """One thing that was looked at. `state`: ok, warn or bad; `fix`: what to do, "" where nothing is; `facts`: the numbers.

    `command`: what does it, to be typed.
    """

    name: str
    label: str
    state: str
    said: str
    fix: str
    facts: dict[str, Any]
    command: str = ""


def everything() -> list[Line]:
    """Each line of the operator page. A database that does not answer leaves only what can be seen without it."""
    first = [version(), _guarded("database", "Database", answering)]
    if first[-1].state == BAD:
        return [*first, disk(), key_file(open_newest=False)]
    rest = (schema, workers, scheduler, queue, sending, disk, key_file, backup, restore_check, suspended, drift, egress, secrets_of_a_demo)
    return [*first, *(_guarded(one.__name__, one.__name__.replace("_", " ").capitalize(), one) for one in rest)]


def ready() -> dict[str, str]:
    """For a load balancer: {"database", "migrations", "key", "disk": "ok" or what is wrong in one word}; no detail, anybody may ask."""
    told = {"database": "away", "migrations": "unknown", "key": "unreadable", "disk": "full"}
    try:
        with database.connection_context():
            database.execute_sql("SELECT 1")
            told["database"] = "ok"
            told["migrations"] = "pending" if migrations.pending() else "ok"
    except AWAY:
        pass  # "away" says it
    told["key"] = "ok" if key_file(open_newest=False).state != BAD else "unreadable"
    told["disk"] = "ok" if disk().state != BAD else "full"
    return told


def worst(lines: Sequence[Line]) -> str:
    """The worst state among the lines."""
    states = {line.state for line in lines}
    return BAD if BAD in states else WARN if WARN in states else OK


def version() -> Line:
    """Which version runs, as which process."""
    return Line("version", "Version", OK, f"Quayside {VERSION}", "", {"version": VERSION})


def answering() -> Line:
    """Whether the database answers, and how fast."""
    began = time.perf_counter()
    database.execute_sql("SELECT 1")
    ms = round((time.perf_counter() - began) * 1000, 1)
    kind = "Postgres" if is_postgres() else "SQLite"
    return Line("database", "Database", OK, f"{kind} answered in {ms} ms", "", {"kind": kind, "ms": ms})


def schema() -> Line:
    """Whether the database has the tables of this version."""
    pending = migrations.pending()
    if not pending:
        return Line("migrations", "Migrations", OK, "The database is up to date", "", {"pending": []})
    said = f"{len(pending)} of them are still to be applied, {pending[0]} first"
    return Line("migrations", "Migrations", BAD, said, "Bring the database up to date", {"pending": pending}, f"{VERB} migrate")


def workers() -> Line:
    """Whether a worker was seen within the last minute."""
    alive = presence.living("worker")
    if alive:
        threads = sum(one.threads for one in alive)
        said = f"{len(alive)} seen, the last {_ago(alive[0].seen_at)}; {threads} runs side by side"
        others = {one.version for one in alive} - {VERSION}
        fix = f"Workers of version {', '.join(sorted(others))} are running: restart them" if others else ""
        return Line("worker", "Worker", WARN if others else OK, said, fix, {"workers": len(alive), "threads": threads})
    seen = presence.last_seen("worker")
    said = f"None was seen for {span((clock.now() - seen).total_seconds())}" if seen else "None was ever seen"
    return Line("worker", "Worker", BAD, f"{said}. No run goes on", "Start one", {"workers": 0}, f"{VERB} worker")


def scheduler() -> Line:
    """Whether one process keeps the clock."""
    held, silent = lead.holder(), lead.silence()
    if held is None or silent is None:
        return Line(
            "scheduler", "Scheduler", BAD, "Nobody keeps the clock. Nothing starts by schedule", START_CLOCK, {}, f"{VERB} scheduler"
        )
    facts = {"holder": held.holder, "silent_seconds": silent, "fence": held.fence}
    who = ":".join(held.holder.split(":")[:3])
    if silent > lead.LEASE_SECONDS:
        said = f"{who} was silent for {span(silent)}, and nobody took over"
        return Line("scheduler", "Scheduler", BAD, said, START_CLOCK, facts, f"{VERB} scheduler")
    return Line("scheduler", "Scheduler", OK, f"{who} keeps the clock since {_ago(held.taken_at)}", "", facts)


def queue() -> Line:
    """How long the oldest due run has waited, whoever it belongs to."""
    due = Run.select(Run.due_at).where(Run.state == "queued", Run.due_at <= clock.now())
    oldest, count = due.order_by(Run.due_at).first(), due.count()
    if oldest is None:
        return Line("queue", "Oldest waiting run", OK, "No run waits", "", {"waiting": 0, "oldest_seconds": 0})
    waited = (clock.now() - oldest.due_at).total_seconds()
    late = waited > LONGEST_WAIT
    said = f"{count:,} wait, the oldest for {span(waited)}"
    fix = "More workers, or WORKERS above what it is, let runs begin sooner" if late else ""
    return Line("queue", "Oldest waiting run", WARN if late else OK, said, fix, {"waiting": count, "oldest_seconds": round(waited)})


def sending() -> Line:
    """Whether orders leave this installation."""
    stop = SendingStop.get_or_none(SendingStop.source.is_null())
    if stop is None:
        return Line("sending", "Sending", OK, "Orders leave as sources allow it", "", {"on": True})
    return Line(
        "sending", "Sending", WARN, f"Off: {stop.why.rstrip('.')}", "Turn it on when it is right", {"on": False}, f"{VERB} sending on"
    )


def disk() -> Line:
    """Room in DATA_DIR."""
    folder = config.current().data_dir
    if not folder.is_dir():
        return Line("disk", "Disk", BAD, f"{folder} is not there", "Make the folder, or set DATA_DIR", {"free": 0})
    total, _, free = shutil.disk_usage(folder)
    facts = {"free": free, "total": total, "writable": os.access(folder, os.W_OK)}
    said = f"{free / 1e9:,.1f} GB of {total / 1e9:,.1f} GB are free in {folder}"
    if not facts["writable"]:
        return Line("disk", "Disk", BAD, f"{folder} cannot be written", "Give the folder to the user that runs the portal", facts)
    if free < NO_DISK:
        return Line("disk", "Disk", BAD, said, "Free some now: no file can be fetched, and a database may stop", facts)
    if free < max(LITTLE_DISK, total * 0.05):
        return Line("disk", "Disk", WARN, said, "Free some, or keep fetched files for fewer days (KEEP_FILES_DAYS)", facts)
    return Line("disk", "Disk", OK, said, "", facts)


def key_file(open_newest: bool = True) -> Line:
    """Whether the key is there, is nobody else's to read, and opens what the database holds."""
    path = config.current().secret_key_file
    told = {"path": str(path)}
    try:
        keys = vault.Vault(path)
        if open_newest and (newest := Merchant.select().order_by(Merchant.id.desc()).first()):
            keys.rewrap(newest.data_key)
    except (OSError, vault.VaultError) as problem:
        said = f"{path} is not there" if isinstance(problem, FileNotFoundError) else str(problem)
        return Line("key", "Key file", BAD, said, "Put the key file back from where you keep it apart from backups", told)
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return Line(
            "key", "Key file", WARN, f"{path} can be read by others of this machine", "Let nobody else read it", told, f"chmod 600 {path}"
        )
    count = len(keys.key_ids)
    return Line("key", "Key file", OK, f"{path} holds {count} {'key' if count == 1 else 'keys'}, and opens the credentials", "", told)


def backup() -> Line:
    """When the last backup was made."""
    note, command = notes.last(notes.BACKUP), f"{VERB} backup FOLDER"
    if note is None:
        return Line("backup", "Last backup", WARN, "None was ever made", "Make one each hour or day, by a timer", {}, command)
    old = clock.now() - note.at > timedelta(hours=BACKUP_HOURS)
    said = f"{_ago(note.at)}, {note.facts.get('bytes', 0) / 1e6:,.1f} MB in {note.facts.get('folder', '')}"
    fix = "It is older than a day: see what became of its timer, and make one now" if old else ""
    if damaged := note.facts.get("damaged"):
        fix = f"A raw file is not what was read: {damaged[0]}. Look at the disk, and bring it from an older backup"
        return Line("backup", "Last backup", BAD, said, fix, {"at": note.at.isoformat(), **note.facts})
    return Line("backup", "Last backup", WARN if old else OK, said, fix, {"at": note.at.isoformat(), **note.facts}, command if old else "")


def restore_check() -> Line:
    """When a backup was last proved by restoring it."""
    note = notes.last(notes.RESTORE_CHECK)
    fix, command = "Prove a backup each month: one that was never restored is a hope", f"{VERB} restore --check FOLDER"
    if note is None:
        return Line("restore_check", "Last restore test", WARN, "None was ever made", fix, {}, command)
    facts = {"at": note.at.isoformat(), **note.facts}
    if not note.facts.get("good"):
        wrong = f"{_ago(note.at)}: that backup did not prove whole"
        return Line("restore_check", "Last restore test", BAD, wrong, "Make a new backup and test that one", facts)
    old = clock.now() - note.at > timedelta(days=RESTORE_CHECK_DAYS)
    said = f"{_ago(note.at)}, of the backup of {note.facts.get('made_at', '')}"
    return Line("restore_check", "Last restore test", WARN if old else OK, said, fix if old else "", facts, command if old else "")


def suspended() -> Line:
    """Whether people and programs still wait for what a restore suspended."""
    tokens = ApiToken.select().where(ApiToken.suspended_at.is_null(False), ApiToken.revoked_at.is_null()).count()
    held = (RecoveryCode.suspended_at.is_null(False)) & RecoveryCode.used_at.is_null()
    people = RecoveryCode.select(RecoveryCode.user).where(held).distinct().count()
    facts = {"tokens": tokens, "people": people}
    if not tokens and not people:
        return Line("suspended", "Suspended", OK, "No API token and no recovery code waits since a restore", "", facts)
    said = f"Since the restore {tokens} API tokens and the recovery codes of {people} people open nothing"
    return Line("suspended", "Suspended", WARN, said, "Owners let tokens work again, and people make new recovery codes", facts)


def drift() -> Line:
    """How far the clocks of the machines are from the database's: leases are written by clocks."""
    found = {one.host: float(one.places.get("drift", 0.0)) for one in presence.living()} | {"this machine": presence.drift()}
    most = max(found.values(), key=abs)
    where = next(host for host, value in found.items() if value == most)
    state = BAD if abs(most) > DRIFT_BAD else WARN if abs(most) > DRIFT_WARN else OK
    said = f"{abs(most):.1f} s {'after' if most < 0 else 'ahead of'} the database's, at most ({where})"
    fix, command = ("Let the machine keep time by NTP", "timedatectl set-ntp true") if state != OK else ("", "")
    return Line(
        "clock", "Clock", state, said if most else "This machine's clock is the database's", fix, {"seconds": most, "where": where}, command
    )


def egress() -> Line:
    """Which private networks connections may reach."""
    allowed = [one.strip() for one in config.current().egress_allow.split(",") if one.strip()]
    wide = [one for one in allowed if _is_wide(one)]
    if not allowed:
        return Line("egress", "Private networks", OK, "Closed: only public addresses are reached", "", {"allowed": []})
    fix = f"Narrow {', '.join(wide)} to the warehouses that you mean" if wide else ""
    return Line("egress", "Private networks", WARN if wide else OK, f"Open: {', '.join(allowed)}", fix, {"allowed": allowed})


def secrets_of_a_demo() -> Line:
    """Whether anything is left as it was for practising."""
    found = [*demo_settings(), *demo_people()]
    if not found:
        return Line("demo", "Demo secrets", OK, "None is in use", "", {"found": []})
    strict = config.current().production
    return Line(
        "demo", "Demo secrets", BAD if strict else WARN, "; ".join(found), "Change them before others may reach it", {"found": found}
    )


def demo_settings() -> list[str]:
    """What of the settings is known to everybody, in words; none of it is said."""
    settings, found = config.current(), []
    if settings.demo:
        found.append("the demo supplier runs (DEMO=0 leaves it out)")
    if database_password(settings) in KNOWN_PASSWORDS:
        found.append("the database's password is one that everybody tries (DATABASE_URL)")
    if settings.owner_password and is_weak(settings.owner_password):
        found.append("OWNER_PASSWORD is too easily guessed")
    return found


def database_password(settings: config.Config) -> str:
    """The password in DATABASE_URL; "" where none is."""
    return urlsplit(settings.database_url).password or ""


def is_weak(password: str) -> bool:
    """Whether a person may not choose that password here."""
    return passwords.problem_with(password, ()) is not None


def demo_people() -> list[str]:
    """Whether the owner of a first start that nobody renamed can sign in."""
    if User.select().where(User.email == DEMO_EMAIL, User.disabled_at.is_null()).exists():
        return [f"{DEMO_EMAIL} can sign in"]
    return []


def _guarded(name: str, label: str, look: Callable[[], Line]) -> Line:
    try:
        return look()
    except AWAY as problem:
        said = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
        return Line(name, label, BAD, f"The database did not answer: {said}", "See that it runs and that DATABASE_URL is right", {})


def span(seconds: float) -> str:
    """ "12 s", "3 min", "2 h 5 min", "4 days"."""
    return f"{max(0, round(seconds))} s" if seconds < 120 else spoken.span(timedelta(seconds=seconds))


def _ago(moment: Any) -> str:
    return f"{span((clock.now() - moment).total_seconds())} ago"


def _is_wide(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text.rsplit(":", 1)[0] if text.count(":") == 1 else text, strict=False)
    except ValueError:
        return False
    return network.num_addresses > 65_536 and network.version == 4
