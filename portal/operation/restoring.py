"""Back from a backup: into an empty place, or into a scratch place to prove that it could be done.

hashes ─▶ raw files ─▶ database, with sending off and nobody signed in ─▶ integrity, counts, a secret of each merchant ─▶ doubts noted
"""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from portal import audit, clock, config, raw_files, recovery, vault
from portal.erasing import replaying
from portal.errors import Refused
from portal.models import Merchant, OperatorNote, Session, StaffSession, database
from portal.operation import backup, notes, snapshot
from portal.outbox import restored, stops

WHY = (
    "The database was restored from the backup of {at} UTC. What left after it is not known here. Nothing is sent until an operator "
    "turns sending on (flask --app app sending on)."
)

CHANGED_AT_ONCE = ("session", "sending_stop")


@dataclass
class Proof:
    """What restoring a backup showed. `problems`: a sentence for each thing that is not right; empty: it is whole."""

    folder: Path
    made_at: str = ""
    rows: int = 0
    merchants: int = 0
    secrets: int = 0
    raw_files: int = 0
    seconds: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def check(folder: Path, scratch_url: str = "") -> Proof:
    """Restore into a scratch place, look at everything, take it away again, and record the date. The installation goes on meanwhile.

    `scratch_url`: an empty Postgres database for it; without one it is made beside the installation's own, and dropped.
    Raises Refused where there is nothing to check or no place for it.
    """
    began, told, here = time.monotonic(), backup.manifest_of(folder), database.obj
    lost, raw = backup.damage(folder, told), backup.raw_damage(folder, told)
    proof = Proof(folder, told["made_at"], raw_files=told["raw_files"]["kept"], problems=lost + raw)
    try:
        if not lost:
            with _scratch(told, scratch_url) as url:
                snapshot.load(url, folder, told)
                with _connected():
                    _look(proof, told, vault.current())
                _close()
    finally:
        database.initialize(here)
    proof.seconds = round(time.monotonic() - began, 1)
    with _connected():
        facts = {"folder": str(folder), "made_at": proof.made_at[:16].replace("T", " "), "good": proof.good, "rows": proof.rows}
        notes.write(notes.RESTORE_CHECK, **facts, secrets=proof.secrets, seconds=proof.seconds, problems=proof.problems[:20])
    return proof


def restore(folder: Path, key: Path | None = None) -> Proof:
    """Restore into this installation's empty place: database, raw files, and the key where it is given or in the backup.

    Raises Refused where anything is there already, its database is damaged, or the key does not open it. Damaged raw files are named: the
    rest of a backup is worth more than none.
    """
    began, settings, told = time.monotonic(), config.current(), backup.manifest_of(folder)
    if problems := backup.damage(folder, told):
        raise Refused(f"The backup is damaged: {problems[0]}. Nothing was restored.")
    if settings.spool_dir.is_dir() and any(settings.spool_dir.iterdir()):
        raise Refused(f"{settings.spool_dir} holds files already. Nothing was restored. Move them away first.")
    snapshot.refuse_unfit(settings.database_url, told)
    keys = _key_in_place(folder, key)
    proof = Proof(folder, told["made_at"], raw_files=told["raw_files"]["kept"], problems=backup.raw_damage(folder, told))
    _bring_raw_files(folder, told)
    snapshot.load(settings.database_url, folder, told, _at_once(told))
    with _connected():
        _look(proof, told, keys, but=CHANGED_AT_ONCE)
    with _connected(), database.atomic():
        doubts = restored.note_doubts()
        stops.restored(WHY.format(at=proof.made_at[:16].replace("T", " ")))
        StaffSession.delete().execute()
        Session.delete().execute()  # one that was ended since would be open again
        recovery.after_restore()
        erased = replaying.replay(folder, folder.parent)
        OperatorNote.delete().execute()
        notes.write(notes.RESTORE, folder=str(folder), made_at=proof.made_at, doubts=doubts, erased=erased)
        for merchant in Merchant.select():
            audit.write(merchant, "restore", "installation.restore", after={"made_at": proof.made_at, "doubts": doubts})
    proof.seconds = round(time.monotonic() - began, 1)
    return proof


def _bring_raw_files(folder: Path, told: dict[str, Any]) -> None:
    """Before the database, so that none ever names one that is not there yet."""
    if not (folder / backup.FILES).is_dir():
        return
    shutil.copytree(folder / backup.FILES, config.current().spool_dir, dirs_exist_ok=True)
    for name in told["files"]:
        if backup.is_raw(name) and (folder / name).is_file():
            raw_files.keep(name.removeprefix(f"{backup.FILES}/"))


def _at_once(told: dict[str, Any]) -> list[str]:
    """What is done in the same moment as the rows come: sending off, nobody signed in. A database of before sending has no place for it."""
    done = ["DELETE FROM session"]  # one that was ended since would be open again
    return done + (stops.while_restoring() if "sending_stop" in told["tables"] else [])


def _look(proof: Proof, told: dict[str, Any], keys: vault.Vault, but: tuple[str, ...] = ()) -> None:
    proof.problems += snapshot.integrity()
    now = snapshot.counted([name for name in told["tables"] if name not in snapshot.NOT_LOADED])
    proof.rows = sum(now.values())
    proof.problems += [
        f"{name} has {now[name]:,} rows, the backup counted {told['tables'][name]:,}"
        for name in now
        if now[name] != told["tables"][name] and name not in but
    ]
    for merchant in Merchant.select():
        proof.merchants += 1
        try:
            proof.secrets += vault.prove(keys, merchant)
        except vault.VaultError as problem:
            proof.problems.append(f"Workspace {merchant.public_id}: {problem}")


def _key_in_place(folder: Path, key: Path | None) -> vault.Vault:
    """The key file of this installation: the one that is there, else a copy of the given one or of the backup's own.

    One that is there and opens nothing of the backup, as a first start makes it, is put aside for the given one.
    """
    place, wanted = config.current().secret_key_file, set(backup.manifest_of(folder)["keys"])
    source = key or (folder / backup.KEY if (folder / backup.KEY).is_file() else None)
    if source is not None and not wanted & set(vault.Vault(source).key_ids):
        raise Refused(f"{source} holds none of the keys that sealed this backup. Nothing was restored. Give the right key file.")
    if source is not None and not (place.exists() and wanted & set(vault.Vault(place).key_ids)):
        if place.exists():
            place.rename(place.with_name(f"{place.name}.before-{clock.now():%Y%m%dT%H%M%S}"))
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copyfile(source, place)
        place.chmod(0o600)
    if not place.exists():
        raise Refused(f"There is no key at {place}, and the backup holds none. Give it: --key FILE. Nothing was restored.")
    keys = vault.Vault(place)
    if not wanted & set(keys.key_ids):
        raise Refused(f"{place} holds none of the keys that sealed this backup. Nothing was restored. Give the right one: --key FILE.")
    return vault.use(keys)


@contextmanager
def _scratch(told: dict[str, Any], given: str) -> Iterator[str]:
    """The address of an empty database, gone afterwards."""
    if told["database"] == snapshot.SQLITE:
        with tempfile.TemporaryDirectory(prefix="restore-check-", dir=config.current().data_dir) as room:
            yield f"sqlite:///{room}/portal.db"
        return
    if given:
        yield given
        return
    own = config.current().database_url
    name = f"quayside_check_{secrets.token_hex(4)}"
    try:
        with psycopg.connect(own, autocommit=True) as line:
            line.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.Error as problem:
        words = str(problem).strip().splitlines()[0]
        role = "Let its role make one (ALTER ROLE quayside CREATEDB), or give the address of an empty one: --scratch-url."
        raise Refused(f"A scratch database could not be made ({words}). {role}") from problem
    try:
        yield _beside(own, name)
    finally:
        with psycopg.connect(own, autocommit=True) as line:
            line.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _beside(url: str, name: str) -> str:
    """The address of another database of the same server, which may be named by a host or by the folder of a socket."""
    found = urlsplit(url)
    return f"{found.scheme}://{found.netloc}/{name}" + (f"?{found.query}" if found.query else "")


@contextmanager
def _connected() -> Iterator[None]:
    """An open database; one that was open stays so."""
    opened = database.connect(reuse_if_open=True)
    try:
        yield
    finally:
        if opened:
            database.close()


def _close() -> None:
    """Let the scratch database go: a server drops none that is open."""
    if hasattr(database.obj, "close_all"):
        database.close_all()
