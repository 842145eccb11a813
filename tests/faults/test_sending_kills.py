"""SIGKILL while orders leave, by real servers whose ledgers lie outside the killed process: none twice, none lost, none half-read.

The naive sender, and a sender without its token, are tried in the same harness, which must then count duplicates.
"""

from __future__ import annotations

import multiprocessing
import os
import pwd
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portal import config as installation
from portal import service_descriptions
from portal.models import FulfillmentRequest, Source, Submission, SubmissionMember, SubmissionPart, database
from portal.models.database import is_postgres
from portal.outbox import stops
from tests import outgoing
from tests.connected import chosen, loopback  # noqa: F401
from tests.faults import senders
from tests.faults.senders import Api, PickUp, Sender, SoapApi
from tests.outbox.purchase_orders import ready, takes_purchase_orders, wsdl
from tests.outgoing import connected, due_now, send, turn_on, wants
from tests.servers import Server, SystemUser, sshd, system_user, vsftpd

KILLS = int(os.environ.get("KILLS", "25"))  # over both databases: `make faults` asks for 500 on each
SHORT = "KILLS" not in os.environ
POINTS = ("sending-claimed", "sending-leaving", "sending-written", "sending-uploaded", "sending-renamed", "sending-sent")
CALLED = ("sending-claimed", "sending-leaving", "sending-answered")
KILLED = -signal.SIGKILL
pytestmark = pytest.mark.timeout(300 if SHORT else 3_600)

processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.worker", "tests.faults.senders"])


class Workers:
    """Sending worker processes of one test."""

    def __init__(self, order: Sender) -> None:
        self.order, self.started = order, []  # type: ignore[var-annotated]

    def begin(self, does: Callable[..., None] = senders.send_orders, **columns: Any) -> Any:
        hears, says = processes.Pipe(duplex=False)
        process = processes.Process(target=does, args=(replace(self.order, **columns), says), daemon=True)
        process.start()
        self.started.append(process)
        says.close()
        hears.recv()
        return process

    def ends(self, **columns: Any) -> int:
        process = self.begin(**columns)
        process.join(senders.LONGEST)
        assert process.exitcode is not None, "a worker hangs"
        return int(process.exitcode)

    def get_rid(self) -> None:
        for process in self.started:
            if process.is_alive():
                process.kill()
            process.join(10)


@pytest.fixture
def workers(loopback: Any, db: str) -> Iterator[Workers]:  # noqa: F811
    made = Workers(Sender(db, str(installation.current().data_dir)))
    yield made
    made.get_rid()


@pytest.fixture(autouse=True)
def quick_here(db: str) -> None:
    """This process, which nobody kills, does not wait for the disk; the workers do."""
    if not is_postgres():
        database.execute_sql("PRAGMA synchronous = OFF")


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, Server]]:
    with system_user() as user, sshd(user) as one, vsftpd(user) as two:
        yield {"sftp": one, "ftp": two}


def fresh_folder(user: SystemUser) -> Path:
    user.put("orders/.keep", b"")
    folder = user.home / "orders"
    for one in folder.iterdir():
        one.unlink()
    account = pwd.getpwnam(user.name)
    os.chown(folder, account.pw_uid, account.pw_gid)
    return folder


def seeded() -> random.Random:
    seed = int(os.environ.get("KILLS_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"KILLS_SEED={seed}")
    return random.Random(seed)


def kill_rounds(workers: Workers, source: Source, kills: int, points: tuple[str, ...], rng: random.Random, **order: Any) -> int:
    """Feed requests and kill whoever sends them, half at a named point and half at a random moment; how many hit."""
    hit = rounds = 0
    while hit < kills:
        rounds += 1
        assert rounds < kills * 4 + 20, f"only {hit} kills hit"
        wants(source, *(f"PO-{rounds:04}-{n}" for n in range(3)))
        if rounds % 2:
            hit += workers.ends(failpoint=f"{rng.choice(points)}:{rng.randint(1, 3)}", **order) == KILLED
        else:
            process = workers.begin(**order)
            time.sleep(rng.uniform(0.02, 0.35))
            process.kill()
            process.join(10)
            hit += process.exitcode == KILLED
        senders.expire()
    assert workers.ends(**order) == 0
    return hit


def approved(source: Source) -> dict[str, str]:
    """{name of the file, or reference: digest of its bytes} of all that the merchant was told is sent, or not known."""
    assert not FulfillmentRequest.select().where(FulfillmentRequest.source == source, FulfillmentRequest.sending == "").exists()
    rows = SubmissionPart.select(SubmissionPart, Submission).join(Submission).where(Submission.source == source)
    return {one.name if one.submission.transport in ("sftp", "ftp") else one.submission.reference: one.sha256 for one in rows}


def unsure(source: Source) -> set[str]:
    rows = SubmissionPart.select(SubmissionPart, Submission).join(Submission).where(Submission.source == source)
    doubtful = [one for one in rows if one.submission.state == "check_needed"]
    return {one.name if one.submission.transport in ("sftp", "ftp") else one.submission.reference for one in doubtful}


@pytest.fixture
def drop(chosen: Any, servers: dict[str, Server]) -> Callable[..., tuple[Source, Path]]:  # noqa: F811
    """drop("sftp"): a live source that sends a file for each request into a folder, and the folder."""

    def make(protocol: str, **settings: Any) -> tuple[Source, Path]:
        more = {"security": "plain", "plain_ok": True} if protocol == "ftp" else {}
        made = connected(chosen(f"{protocol}-file"), servers[protocol], **more)
        turn_on(made, {"file_name": "po_{po}.csv"}, **settings)
        return made, fresh_folder(servers[protocol].user)

    return make


def dropped(workers: Workers, source: Source, folder: Path, tmp_path: Path, kills: int, **order: Any) -> tuple[Counter[str], int]:
    """Kill so often while the ledger process empties the folder; what the ledger says, and how many kills hit."""
    taker = PickUp(folder, tmp_path / "ledger")
    try:
        hit = kill_rounds(workers, source, kills, ("sending-written",) if order else POINTS, seeded(), **order)
    finally:
        took = [(one["name"], one["sha256"]) for one in taker.end()]
    return senders.judged(approved(source), took, unsure(source)), hit


def test_killed_while_files_leave_by_sftp_none_is_sent_twice_lost_or_half_read(
    workers: Workers, drop: Any, tmp_path: Path, capsys: Any
) -> None:  # fmt: skip
    source, folder = drop("sftp")
    began = time.monotonic()
    found, hit = dropped(workers, source, folder, tmp_path, (KILLS + 1) // 2 if SHORT else KILLS)
    with capsys.disabled():
        print(f"\n  SFTP: {hit} kills, {len(approved(source))} requests, {dict(found)}, {time.monotonic() - began:.1f} s")
    assert found == Counter(dup=0, lost=0, half=0, odd=0, unknown=0)
    assert [one.name for one in folder.iterdir()] == []


@pytest.mark.one_database
def test_killed_while_files_leave_by_ftp(workers: Workers, drop: Any, tmp_path: Path, capsys: Any) -> None:
    source, folder = drop("ftp")
    found, hit = dropped(workers, source, folder, tmp_path, 3 if SHORT else KILLS)
    with capsys.disabled():
        print(f"\n  FTP: {hit} kills, {len(approved(source))} requests, {dict(found)}")
    assert found == Counter(dup=0, lost=0, half=0, odd=0, unknown=0)


@pytest.mark.one_database
def test_sabotage_the_naive_sender_is_noticed(workers: Workers, drop: Any, tmp_path: Path, capsys: Any) -> None:
    source, folder = drop("sftp")
    found, hit = dropped(workers, source, folder, tmp_path, 3 if SHORT else 40, sabotage="naive")
    with capsys.disabled():
        print(f"\n  The naive sender: {hit} kills, {len(approved(source))} requests, {dict(found)}")
    assert found["dup"] + found["half"] > 0


@pytest.fixture
def shop(chosen: Any, workers: Workers, tmp_path: Path, monkeypatch: Any) -> Iterator[Callable[..., tuple[Source, Api]]]:  # noqa: F811
    """shop("unique"): a live source behind an API whose ledger is in this process."""
    opened: list[Api] = []

    def make(proves: str, settle: int = 0, **behaves: Any) -> tuple[Source, Api]:
        api = Api(proves, **behaves).__enter__()
        opened.append(api)
        toml = api.toml(tmp_path, settle)
        from portal import suppliers
        from portal.models import Connection

        known = {**suppliers._all(), toml.stem: suppliers.load(toml)}
        monkeypatch.setattr(suppliers, "_all", lambda: known)
        workers.order = replace(workers.order, toml=str(toml))
        made = chosen(toml.stem)
        Connection.update(settings={"base": api.base}, state="ok").where(Connection.source == made).execute()
        made.state = "live"
        made.save(only=[Source.state])
        turn_on(made, {"format": "json"})
        return made, api

    yield make
    for one in opened:
        one.__exit__()


@pytest.mark.parametrize("proves", ["unique", "key", "listed", "nothing"])
@pytest.mark.one_database
def test_killed_while_orders_leave_by_an_api(workers: Workers, shop: Any, capsys: Any, proves: str) -> None:
    source, api = shop(proves)
    hit = kill_rounds(workers, source, 2 if SHORT else KILLS, CALLED, seeded())
    took = [(one, approved(source).get(one, "")) for one in api.taken]
    found = senders.judged(approved(source), took, unsure(source))
    with capsys.disabled():
        print(f"\n  API, {proves}: {hit} kills, {len(approved(source))} requests, {api.posts} posts, {dict(found)}")
    assert (found["dup"], found["lost"], found["odd"]) == (0, 0, 0)
    assert found["unknown"] == 0 or proves in ("listed", "nothing")
    if proves == "nothing":
        assert 0 <= found["unknown"] <= hit


@pytest.mark.one_database
def test_killed_while_purchase_orders_leave_by_soap(workers: Workers, chosen: Any, monkeypatch: Any, capsys: Any) -> None:  # noqa: F811
    def complete(source: Source, *numbers: str) -> list[FulfillmentRequest]:
        made = outgoing.wants(source, *numbers, state="unprocessed")
        ready(*made)
        FulfillmentRequest.update(state="processing").where(FulfillmentRequest.id << made).execute()
        return made

    with SoapApi("nothing") as api, monkeypatch.context() as patched:
        source = takes_purchase_orders(chosen("promostandards"), f"{api.base}/po")
        service_descriptions.upload(source, [wsdl("get_inventory"), wsdl("send_orders")], "ana@harbor.example")
        patched.setattr("tests.faults.test_sending_kills.wants", complete)
        hit = kill_rounds(workers, source, 2 if SHORT else KILLS, CALLED, seeded())
    found = senders.judged(approved(source), [(one, approved(source).get(one, "")) for one in api.taken], unsure(source))
    with capsys.disabled():
        print(f"\n  SOAP: {hit} kills, {len(approved(source))} requests, {api.posts} posts, {dict(found)}")
    assert (found["dup"], found["lost"], found["odd"]) == (0, 0, 0) and 0 <= found["unknown"] <= hit


def claimed_by(workers: Workers, tmp_path: Path, many: int, **order: Any) -> list[int]:
    ledger = tmp_path / "claims"
    started = [workers.begin(senders.claim_and_sign, ledger=str(ledger), **order) for _ in range(many)]
    for one in started:
        one.join(senders.LONGEST)
        assert one.exitcode == 0
    return [int(line.split()[0]) for line in ledger.read_text().splitlines()]


def test_eight_processes_claim_each_request_once(workers: Workers, make_source: Any, tmp_path: Path) -> None:
    source, count = make_source(), 80 if SHORT else 5_000
    rows = [
        {"merchant": source.merchant_id, "source": source.id, "transport": "sftp", "witness": "rename", "reference": f"{n:06}"}
        for n in range(count)
    ]
    with database.atomic():
        for row in rows:
            Submission.create(**row)
    ids = claimed_by(workers, tmp_path, 8)
    assert (len(ids), len(set(ids))) == (count, count)
    assert SubmissionMember.select().count() == 0


def stopped_past_its_lease(
    workers: Workers, drop: Any, tmp_path: Path, point: str, second: str = "", **order: Any
) -> Counter[str]:  # fmt: skip
    """A worker stops itself at `point`; its lease ends, another one sends everything, or dies at `second`; the first one goes on."""
    source, folder = drop("sftp")
    taker = PickUp(folder, tmp_path / "ledger")
    try:
        for number in range(1 if SHORT else 50):
            wants(source, f"PO-Z{number}")
            zombie = workers.begin(stops_at=point, **order)
            wait_until_stopped(zombie.pid)
            senders.expire()
            assert workers.ends(failpoint=second) == (KILLED if second else 0)
            os.kill(zombie.pid, signal.SIGCONT)
            ends = time.monotonic() + senders.LONGEST
            while zombie.is_alive() and time.monotonic() < ends:
                zombie.join(0.5)  # for what it does by its old claim
                if second:
                    senders.expire()  # what the second one held when it died
            assert not zombie.is_alive(), "it hangs"
        senders.expire()
        assert workers.ends() == 0
    finally:
        took = [(one["name"], one["sha256"]) for one in taker.end()]
    assert [one.name for one in folder.iterdir()] == [] or order
    return senders.judged(approved(source), took, unsure(source))


def wait_until_stopped(pid: int) -> None:
    ends = time.monotonic() + 20
    stat = Path(f"/proc/{pid}/stat")
    while not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] != "T":
        assert stat.exists() and time.monotonic() < ends, "it never came to that point"
        time.sleep(0.005)


@pytest.mark.parametrize("point", ["sending-leaving", "sending-written", "sending-uploaded"])
@pytest.mark.one_database
def test_a_worker_that_was_stopped_past_its_lease_sends_nothing_more(workers: Workers, drop: Any, tmp_path: Path, point: str) -> None:
    found = stopped_past_its_lease(workers, drop, tmp_path, point)
    assert found == Counter(dup=0, lost=0, half=0, odd=0, unknown=0)


@pytest.mark.one_database
def test_the_second_worker_may_be_killed_too(workers: Workers, drop: Any, tmp_path: Path) -> None:
    found = stopped_past_its_lease(workers, drop, tmp_path, "sending-leaving", second="sending-leaving:1")
    assert found == Counter(dup=0, lost=0, half=0, odd=0, unknown=0)


@pytest.mark.one_database
def test_sabotage_a_worker_that_does_not_look_at_its_token_is_noticed(workers: Workers, drop: Any, tmp_path: Path) -> None:
    """It takes the second worker's file, which was never written, for delivered."""
    found = stopped_past_its_lease(workers, drop, tmp_path, "sending-leaving", second="sending-leaving:1", sabotage="token")
    assert found["lost"] > 0


@pytest.mark.parametrize("proves", ["unique", "key", "listed", "nothing"])
@pytest.mark.one_database
def test_an_answer_that_is_swallowed_after_acceptance_is_never_followed_by_a_blind_send(
    shop: Any, monkeypatch: Any, capsys: Any, proves: str
) -> None:  # fmt: skip
    source, api = shop(proves)
    monkeypatch.setattr(stops, "UNKNOWNS", 1_000_000)
    count = 3 if SHORT else 200
    api.swallow = count
    for number in range(count):
        wants(source, f"PO-S{number}")
    send(source)
    while proves == "key" and Submission.select().where(Submission.state == "waiting").exists():
        due_now(source)
        send(source)
    due_now(source)
    send(source)
    found = senders.judged(approved(source), [(one, approved(source)[one]) for one in api.taken], unsure(source))
    with capsys.disabled():
        print(f"\n  API, {proves}: {count} answers swallowed, {api.posts} posts, {dict(found)}")
    assert (found["dup"], found["lost"], len(api.taken)) == (0, 0, count)
    assert api.posts == count * (2 if proves == "key" else 1)
    assert found["unknown"] == (count if proves == "nothing" else 0)
