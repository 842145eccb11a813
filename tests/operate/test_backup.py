"""A backup is whole while others write, comes back into an empty place, is proved there, and lets nothing leave by itself afterwards."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from portal import accounts, audit, documents, operation_commands, people, person_links, vault
from portal import config as settings
from portal.config import Config
from portal.errors import NotFound, Refused
from portal.models import (
    AlertMessage,
    AuditLine,
    Document,
    FulfillmentRequest,
    InventoryItem,
    Merchant,
    OperatorNote,
    PersonLink,
    SealedSecret,
    SendingStop,
    Session,
    Submission,
    SubmissionPart,
    connect,
    database,
)
from portal.models.database import is_postgres
from portal.operation import backup, checks, restoring
from portal.outbox import journal, restored, stops
from tests.conftest import PASSWORD
from tests.databases import Databases, close_database
from tests.outgoing import send, turn_on, wants
from tests.stocked import stock_up

ITEM = {"content_hash": 1, "last_run_id": 0, "last_row": 2}
SECRET = "a-supplier-password-canary"


@pytest.fixture
def filled(make_source: Callable[..., Any], owner: Any, config: Config) -> Any:
    """A source with a sealed credential, a raw file, items and a signed-in owner."""
    from portal import connections

    source = make_source(state="live")
    connections._seal(source, "password", SECRET, "", "test")
    documents.store_upload(source, io.BytesIO(b"sku,qty\nA-1,5\n"), "stock.csv")
    rows = [
        {"merchant": source.merchant_id, "source": source.id, "sku": f"A-{n}", "title": "Título – ñ\t\\N", "quantity": n, **ITEM}
        for n in range(300)
    ]
    InventoryItem.insert_many(rows).execute()
    accounts.open_session(owner)
    return source


@pytest.fixture
def elsewhere(config: Config, databases: Databases, tmp_path: Path) -> Callable[[], Config]:
    """elsewhere(): the settings of another machine, empty, without a key; they are in use from then on."""

    def move() -> Config:
        url = databases.empty_postgres("elsewhere") if is_postgres() else f"sqlite:///{tmp_path}/elsewhere/portal.db"
        place = tmp_path / "elsewhere"
        place.mkdir()
        close_database()
        journal.forget()
        return settings.use(replace(config, data_dir=place, database_url=url, secret_key_file=place / "secret.key"))

    return move


def test_what_was_backed_up_comes_back_as_it_was_and_nobody_is_signed_in(filled, owner, config, elsewhere, tmp_path):
    invitation = people.invite(owner, "new@harbor.example", "reader")
    AlertMessage.create(merchant=owner.merchant, key="fired-1", user=owner, kind="fired")
    AlertMessage.create(merchant=owner.merchant, key="fired-2", user=owner, kind="fired", state="sent", said="250 taken")
    made = backup.make(tmp_path / "backups")
    assert made.raw_files == 1 and made.missing == 0
    text = "".join(path.read_text("latin-1") for path in made.folder.rglob("*") if path.is_file())
    assert SECRET not in text and vault.HEADING not in text and not (made.folder / backup.KEY).exists()
    before = {row.sku: (row.title, row.quantity) for row in InventoryItem.select()}
    kept_key = shutil.copy(config.secret_key_file, tmp_path / "kept.key")
    there = elsewhere()
    vault.load(there.secret_key_file)  # what the first command on a new machine makes
    proof = restoring.restore(made.folder, Path(kept_key))
    assert proof.good and (proof.secrets, proof.merchants, proof.raw_files) == (1, 1, 1)
    connect(there.database_url)
    with database.connection_context():
        assert {row.sku: (row.title, row.quantity) for row in InventoryItem.select()} == before
        (sealed,) = SealedSecret.select()
        (document,) = Document.select()
        merchant = Merchant.get()
        assert vault.unseal(merchant, sealed.source.public_id, sealed.field, sealed.sealed).reveal() == SECRET
        assert documents.path_of(document).read_bytes() == b"sku,qty\nA-1,5\n"
        assert Session.select().count() == 0
        with pytest.raises(NotFound):
            person_links.open_link("invite", invitation)
        assert [(one.key, one.state) for one in AlertMessage.select().order_by(AlertMessage.key)] == [
            ("fired-1", "dropped"), ("fired-2", "sent")
        ]  # fmt: skip
        assert not PersonLink.select().exists()
        assert "restored from the backup" in SendingStop.get().why
        assert audit.verify(merchant) == [] and AuditLine.select().where(AuditLine.action == "installation.restore").exists()
        assert InventoryItem.create(merchant=merchant, source=sealed.source_id, sku="new", **ITEM).id > max(len(before), 300)
        assert accounts.sign_in(owner.email, PASSWORD, "", "")


def test_a_restore_is_refused_where_anything_is_there_or_nothing_fits(filled, config, elsewhere, tmp_path):
    made = backup.make(tmp_path / "backups")
    rows = InventoryItem.select().count()
    with pytest.raises(Exception, match="holds files already"):
        restoring.restore(made.folder)
    shutil.rmtree(config.spool_dir)
    with pytest.raises(Exception, match="there already|tables already"):
        restoring.restore(made.folder)
    assert InventoryItem.select().count() == rows
    there = elsewhere()
    with pytest.raises(Exception, match="There is no key"):
        restoring.restore(made.folder)
    vault.load(there.secret_key_file)  # another key
    with pytest.raises(Exception, match="holds none of the keys"):
        restoring.restore(made.folder)
    assert not (there.data_dir / "portal.db").exists()


def test_the_check_proves_a_backup_records_the_date_and_leaves_nothing(filled, config, tmp_path):
    assert checks.restore_check().state == "warn" and "None was ever made" in checks.backup().said
    made = backup.make(tmp_path / "backups")
    rows = InventoryItem.select().count()
    proof = restoring.check(made.folder)
    assert proof.good, proof.problems
    assert (proof.secrets, proof.merchants) == (1, 1) and proof.rows > 300
    assert InventoryItem.select().count() == rows  # it is the installation's own again
    assert checks.restore_check().state == "ok" and checks.backup().state == "ok"
    assert not list(config.data_dir.glob("restore-check-*"))
    if is_postgres():
        left = database.execute_sql("SELECT count(*) FROM pg_database WHERE datname LIKE 'quayside_check_%%'").fetchone()
        assert left == (0,)


@pytest.mark.one_database
@pytest.mark.parametrize("what", ["file", "raw", "row", "secret"])
def test_the_check_finds_damage(filled, config, tmp_path, what):
    """Each of what it looks at: a changed file, a lost raw file, a row that is gone, a secret that does not open."""
    if what == "secret":
        SealedSecret.update(sealed=SealedSecret.select(SealedSecret.sealed).scalar()[:-8] + "AAAAAAA=").execute()
    made = backup.make(tmp_path / "backups")
    manifest = json.loads((made.folder / backup.MANIFEST).read_text())
    if what == "file":
        path = next(path for path in made.folder.rglob("*") if path.name in ("database.sqlite", "inventory_item.copy.gz"))
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    if what == "raw":
        next(path for path in (made.folder / "files").rglob("*") if path.is_file()).unlink()
    if what == "row":
        manifest["tables"]["inventory_item"] += 1
        (made.folder / backup.MANIFEST).write_text(json.dumps(manifest))
    proof = restoring.check(made.folder)
    expected = {"file": "is not as it was written", "raw": "is missing", "row": "rows, the backup counted", "secret": "Workspace"}
    assert not proof.good and expected[what] in proof.problems[0]
    assert checks.restore_check().state == "bad"
    assert json.loads(json.dumps(OperatorNote.get_by_id("restore_check").facts))["good"] is False


def test_backups_made_while_others_write_are_each_of_one_moment(filled, config, tmp_path):
    """Each writer's transaction adds two rows: no backup may hold one of a pair (C17, short form)."""
    ended, written = threading.Event(), [0]

    def write() -> None:
        with database.connection_context():
            while not ended.is_set():
                with database.atomic():
                    for half in "ab":
                        InventoryItem.create(merchant=filled.merchant_id, source=filled.id, sku=f"P-{written[0]}-{half}", **ITEM)
                written[0] += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        made = [backup.make(tmp_path / f"backups-{number}", with_files=False) for number in range(4)]
    finally:
        ended.set()
        thread.join()
    counts = [backup.manifest_of(one.folder)["tables"]["inventory_item"] for one in made]
    assert all((count - 300) % 2 == 0 for count in counts) and counts == sorted(counts) and written[0] > 4
    for one in made[-2:]:
        assert restoring.check(one.folder).good
    if not is_postgres():
        with closing(sqlite3.connect(made[-1].folder / "database.sqlite")) as copy:
            assert copy.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.one_database
def test_unchanged_raw_files_are_linked_and_old_backups_go(filled, tmp_path, monkeypatch):
    first = backup.make(tmp_path / "backups")
    real = backup.clock.now
    for days in (1, 2):
        from datetime import timedelta

        monkeypatch.setattr(backup.clock, "now", lambda days=days: real() + timedelta(days=days))
        newest = backup.make(tmp_path / "backups", keep=2)
    assert len(backup.all_in(tmp_path / "backups")) == 2 and not first.folder.exists()
    (raw,) = [path for path in (newest.folder / "files").rglob("*") if path.is_file()]
    assert raw.stat().st_nlink == 2
    assert restoring.check(newest.folder).good


@pytest.mark.one_database
def test_a_backup_that_fails_leaves_none_that_looks_whole(filled, tmp_path, monkeypatch):
    monkeypatch.setattr(backup, "_to_disk", lambda _folder: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space"):
        backup.make(tmp_path / "backups")
    assert [one.name for one in (tmp_path / "backups").iterdir()] == [backup.LOCK]


def test_what_left_after_the_backup_is_not_sent_again_though_the_journal_is_lost(make_source, config, elsewhere, tmp_path, monkeypatch):
    """C16: backup, 100 orders leave, the machine is lost with its journal, restore: 0 sends by itself, 100 in Check needed."""
    from portal.outbox import others

    left: list[str] = []
    source = stock_up(make_source(), {})
    turn_on(source, leave_by="email", email_to="desk@harbor.example")
    gone = wants(source, *(f"PO-{n}" for n in range(100)))
    made = backup.make(tmp_path / "backups")
    kept_key = Path(shutil.copy(config.secret_key_file, tmp_path / "kept.key"))
    there = elsewhere()
    settings.use(replace(there, smtp_from="orders@shop.example", smtp_host="127.0.0.1"))
    monkeypatch.setattr(others, "deliver", lambda hold, *_, **__: left.append(hold.submission.reference), raising=False)
    proof = restoring.restore(made.folder, kept_key)
    connect(there.database_url)
    with database.connection_context():
        assert proof.good and journal.path().exists()
        here = source.__class__.get_by_id(source.id)
        assert send(here).state in ("warnings", "no_change", "finished", "failed") and Submission.select().count() == 0
        assert stops.start_everything("test")
        send(here)
        states = {row.sending for row in FulfillmentRequest.select().where(FulfillmentRequest.id << [one.id for one in gone])}
        assert states == {"check_needed"} and Submission.select().count() == 100
        assert left == [] and not Submission.select().where(Submission.state != "check_needed").exists()


def test_a_restore_that_dies_sends_nothing_and_cannot_be_switched_on(filled, config, elsewhere, tmp_path, monkeypatch):
    """Whenever it ends halfway, no database is there yet, or sending is off in it until it is restored anew."""
    made = backup.make(tmp_path / "backups")
    kept_key = Path(shutil.copy(config.secret_key_file, tmp_path / "kept.key"))
    there = elsewhere()

    def dies(*_args: Any, **_named: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(restoring.shutil, "copytree", dies)
        restoring.restore(made.folder, kept_key)
    assert not list(there.data_dir.glob("portal.db*"))
    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(restoring, "_look", dies)  # the first step after the rows are there for everybody
        restoring.restore(made.folder)
    connect(there.database_url)
    with database.connection_context():
        assert "did not come to its end" in SendingStop.get().why and Session.select().count() == 0
        with pytest.raises(Exception, match="restore again"):
            stops.start_everything("test")
        assert SendingStop.select().count() == 1


@pytest.mark.one_database
def test_a_journal_is_believed_only_where_it_holds_what_left_before_the_backup(make_source):
    """An empty one, one of elsewhere and one that lacks a submission change nothing: what may have left is in doubt."""
    source = stock_up(make_source(), {})
    turn_on(source, leave_by="email", email_to="desk@harbor.example")
    wants(source, "PO-1", "PO-2")
    mine = {"merchant": source.merchant_id, "source": source.id, "transport": "email", "witness": "none", "state": "sent", "tries": 1}
    first, second = (Submission.create(**mine, reference=name, left_at=restoring.clock.now()) for name in "ab")
    for one in (first, second):
        SubmissionPart.create(submission=one, place=0, content=b"a", size=1, sha256="")
    place = journal.path()
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"")
    assert restored.note_doubts() == 2
    place.unlink()
    journal.leaving(first, "another-source", ["X-1#0"], "")
    assert restored.note_doubts() == 2
    place.unlink()
    journal.leaving(first, source.public_id, ["X-1#0"], "")
    assert restored.note_doubts() == 2
    journal.leaving(second, source.public_id, ["X-2#0"], "")
    assert restored.note_doubts() == 0


@pytest.mark.parametrize("url", ["postgresql:///quayside?host=/var/run/postgresql&user=quayside", "postgresql://a:b@db:5432/quayside"])
def test_the_scratch_database_is_beside_the_own_by_socket_or_host(url):
    from psycopg.conninfo import conninfo_to_dict

    own, scratch = conninfo_to_dict(url), conninfo_to_dict(restoring._beside(url, "scratch"))
    assert scratch == {**own, "dbname": "scratch"}


@pytest.mark.one_database
def test_a_database_that_refuses_the_backup_is_told_in_a_sentence(filled, tmp_path, monkeypatch):
    def refused(*_args: Any) -> None:
        raise psycopg.OperationalError("permission denied")

    made = backup.make(tmp_path / "backups")
    monkeypatch.setattr(restoring, "check", refused)
    done = CliRunner().invoke(operation_commands.restore, [str(made.folder), "--check"])
    assert done.exit_code == 4 and "did not take the backup: permission denied" in done.output


@pytest.mark.one_database
def test_a_raw_file_that_rotted_is_named_and_does_not_keep_the_rest_from_coming_back(filled, config, elsewhere, tmp_path):
    (raw,) = [path for path in config.spool_dir.rglob("*") if path.is_file()]
    raw.write_bytes(raw.read_bytes()[:-3])
    done = CliRunner().invoke(operation_commands.backup, [str(tmp_path / "backups")])
    assert done.exit_code == 1 and "Damaged: the raw file" in done.output
    database.connect(reuse_if_open=True)
    assert checks.backup().state == "bad" and raw.name in checks.backup().fix
    folder = backup.newest(tmp_path / "backups")
    assert backup.damage(folder, backup.manifest_of(folder)) == []
    kept_key = Path(shutil.copy(config.secret_key_file, tmp_path / "kept.key"))
    proof = restoring.check(folder)
    assert not proof.good and proof.rows > 300
    (folder / "files").joinpath(raw.relative_to(config.spool_dir)).unlink()
    elsewhere()
    proof = restoring.restore(folder, kept_key)
    assert proof.rows > 300 and [problem.partition(" ")[2] for problem in proof.problems] == [
        "was damaged already when it was backed up",
        "is missing",
    ]


@pytest.mark.one_database
def test_what_a_killed_backup_left_goes_with_the_next_one_and_two_are_never_made_at_once(filled, config, db, tmp_path):
    place = tmp_path / "backups"
    told = {"PATH": os.environ["PATH"], "DATA_DIR": str(config.data_dir), "DATABASE_URL": db, "DEMO": "0", "FAILPOINT": "backup-part:1"}
    command = [sys.executable, "-m", "flask", "--app", "app", "backup", str(place)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], env=told, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = place.glob("*.part")
    assert backup.all_in(place) == [] and any(left.iterdir())
    with (place / backup.LOCK).open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Refused, match="Another backup is being made"):
            backup.make(place)
        assert left.exists(), "it may be the one that is being made"
    made = backup.make(place, keep=1)
    assert [one.name for one in sorted(place.iterdir())] == [backup.LOCK, made.folder.name]
