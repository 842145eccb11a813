"""The demo supplier in a process of its own, reached the way a merchant reaches it. Its minutes last half a second here."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import paramiko
import psutil
import pytest

from portal import demo_goods
from portal.connectors import Connector, open_connector
from portal.connectors.network import Guard
from portal.demo_supplier import KEPT_FILES
from portal.errors import SupplierError
from portal.records import Fetched, Secret
from tests.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[1]

# The clock is a minute later each time it is asked, which is once for each file.
FAST = """
import itertools, sys
from datetime import datetime, timedelta
from portal import clock, config, demo_supplier
minutes = itertools.count()
clock.now = lambda: datetime(2026, 3, 1, 9, 0) + timedelta(minutes=next(minutes))
sys.exit(demo_supplier.main(config.read(), float(sys.argv[1])))
"""


class Demo:
    """A running demo supplier; `account` is what it wrote down about itself."""

    def __init__(self, folder: Path, ports: tuple[int, int], seconds: float, parent: tuple[str, ...] = ()) -> None:
        self.account_file = folder / "demo" / "account.json"
        environment = {
            "PATH": os.environ["PATH"],
            "DATA_DIR": str(folder),
            "DEMO_SFTP_PORT": str(ports[0]),
            "DEMO_HTTP_PORT": str(ports[1]),
        }
        command = [*parent, sys.executable, "-c", FAST, str(seconds)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def ready(self) -> Demo:
        ends = time.monotonic() + 30
        while not self.account_file.exists():
            assert self.process.poll() is None and time.monotonic() < ends, self.process.stderr and self.process.stderr.read()
            time.sleep(0.02)
        self.account: dict[str, Any] = json.loads(self.account_file.read_text())
        return self

    def by_sftp(self, password: str | None = None, user: str | None = None) -> Connector:
        given = self.account
        trusted = {"key_type": "ssh-ed25519", "fingerprint": given["fingerprint"]}
        settings = {"host": given["sftp_host"], "port": given["sftp_port"], "user": user or given["user"], "auth": "password"}
        return self._open("sftp", settings, password, trusted)

    def by_link(self, url: str, password: str | None = None, auth: str = "none") -> Connector:
        return self._open("http", {"url": url, "auth": auth, "user": self.account["user"], "plain_ok": True}, password, None)

    def _open(self, protocol: str, settings: dict[str, Any], password: str | None, trusted: dict[str, str] | None) -> Connector:
        secrets = {"password": Secret(self.account["password"] if password is None else password)}
        ports = [(LOOPBACK, self.account["sftp_port"]), (LOOPBACK, self.account["http_port"])]
        return open_connector(protocol, settings, secrets, guard=Guard.from_config("", ports), trusted_key=trusted)

    def paramiko(self) -> paramiko.Transport:
        line = paramiko.Transport((LOOPBACK, self.account["sftp_port"]))
        line.connect(username=self.account["user"], password=self.account["password"])
        return line

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Demo]]:
    started: list[Demo] = []

    def begin(seconds: float = 3_600, ports: tuple[int, int] | None = None, **more: Any) -> Demo:
        started.append(Demo(tmp_path, ports or (free_port(), free_port()), seconds, **more))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """One that stands still, for looking at it."""
    one = Demo(tmp_path_factory.mktemp("demo"), (free_port(), free_port()), 3_600).ready()
    yield one
    one.process.kill()
    one.process.communicate()


def fetch(connector: Connector, into: Path) -> Fetched:
    with connector:
        return connector.fetch("/outbound", "newest", "stock_*.csv", into, 10**8, lambda _done, _total: None, 0.0)


def rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))


# its life


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_while_it_runs_and_takes_that_back_at_the_end(start, number):
    one = start().ready()
    assert one.account_file.stat().st_mode & 0o777 == 0o600
    assert one.account["pid"] == one.process.pid and one.account["fingerprint"].startswith("SHA256:")
    assert one.end(number) == 0
    assert not one.account_file.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, one.account["sftp_port"]), 1)


def test_what_it_keeps_is_for_its_own_user_only(demo):
    kept = [demo.account_file.parent, *demo.account_file.parent.rglob("*")]
    assert {"password", "host_key", "account.json", "outbound", "orders", "shipments"} <= {path.name for path in kept}
    assert [path for path in kept if path.stat().st_mode & 0o077] == []


def test_it_ends_when_its_parent_is_killed(start):
    one = start(parent=("sh", "-c", '"$@"; exit', "sh")).ready()
    assert one.account["pid"] != one.process.pid, "the shell stayed in between"
    supplier = psutil.Process(one.account["pid"])
    one.process.kill()
    one.process.wait()
    supplier.wait(10)
    assert not one.account_file.exists()


def test_password_key_and_dropped_orders_outlive_a_restart(start):
    first = start().ready()
    with closing(first.paramiko()) as line:
        paramiko.SFTPClient.from_transport(line).putfo(io.BytesIO(b"PO,SKU\r\n1,A\r\n"), "/orders/orders_1.csv")
    first.end()
    again = start().ready()
    assert [again.account[key] for key in ("password", "fingerprint")] == [first.account[key] for key in ("password", "fingerprint")]
    with again.by_sftp() as connector:
        assert [(entry.name, entry.size) for entry in connector.listing("/orders")] == [("orders_1.csv", 13)]
    assert (again.account_file.parent / "root/orders/orders_1.csv").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(("busy", "setting"), [(0, "DEMO_SFTP_PORT"), (1, "DEMO_HTTP_PORT")])
def test_a_busy_port_is_said_in_a_sentence_and_leaves_the_other_one_alone(demo, start, tmp_path, busy, setting):
    ports = [free_port(), free_port()]
    ports[busy] = demo.account[("sftp_port", "http_port")[busy]]
    second = start(ports=tuple(ports))
    said = second.process.communicate(timeout=30)[1]
    assert second.process.returncode == 1
    assert f"Set {setting} to a free port, or DEMO=0." in said and "Traceback" not in said
    assert not second.account_file.exists() and demo.account_file.exists()


def test_a_second_one_on_the_same_folder_does_not_take_the_first_ones_account_away(start):
    first = start().ready()
    second = start(ports=(first.account["sftp_port"], first.account["http_port"]))
    assert second.process.wait(30) == 1
    assert json.loads(first.account_file.read_text()) == first.account


def test_it_is_not_started_by_hand_in_production_either(tmp_path):
    environment = {"PATH": os.environ["PATH"], "DATA_DIR": str(tmp_path), "PRODUCTION": "1", "DEMO": "1"}
    done = subprocess.run([sys.executable, "app.py", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "does not run with PRODUCTION=1" in done.stdout + done.stderr
    assert not (tmp_path / "demo").exists()


# its goods


def test_sftp_and_both_links_deliver_the_same_five_thousand_items(demo, tmp_path):
    checks: list[str] = []
    with demo.by_sftp() as connector:
        there = connector.check(lambda check: checks.append(check.state), "/outbound")
    assert checks == ["running", "passed"] * 5 and len(there) == 1
    got = fetch(demo.by_sftp(), tmp_path / "sftp")
    assert got.name == "stock_20260301_0900.csv" and got.size == there[0].size
    links = (demo.account["http_url"], "none"), (demo.account["http_signed_url"], "basic")
    for number, (url, auth) in enumerate(links):
        assert fetch(demo.by_link(url, auth=auth), tmp_path / f"link{number}").sha256 == got.sha256
    feed = rows(tmp_path / "sftp")
    skus = [row["item_no"] for row in feed if row["item_no"]]
    assert len(feed) == demo_goods.COUNT == 5_000
    assert len(skus) == len(set(skus)) == 4_997, "three rows lack a SKU, on purpose, and none comes twice"


def test_each_minute_brings_a_new_file_that_differs_a_little(start, tmp_path):
    one = start(seconds=0.5).ready()
    seen: dict[str, list[dict[str, str]]] = {}
    ends = time.monotonic() + 30
    while len(seen) < KEPT_FILES + 2 and time.monotonic() < ends:
        with suppress(SupplierError):  # a file may be taken away between listing and reading it
            got = fetch(one.by_sftp(), tmp_path / "feed")
            seen[got.name] = rows(tmp_path / "feed")
        time.sleep(0.1)
    with one.by_sftp() as connector:
        there = [entry.name for entry in connector.listing("/outbound")]
    assert len(there) <= KEPT_FILES and not [name for name in there if name.endswith(".part")]
    assert len(seen) >= KEPT_FILES + 2 and list(seen) == sorted(seen) and "stock_20260301_0900.csv" not in there
    size, ends = 0, time.monotonic() + 30
    while not size and time.monotonic() < ends:
        with suppress(SupplierError):  # made anew each half second, also while it is read
            size = fetch(one.by_link(one.account["http_url"]), tmp_path / "link").size
    assert size > 100_000
    for before, after in zip(seen.values(), list(seen.values())[1:], strict=False):
        was, now = ({row["item_no"]: row for row in one if row["item_no"]} for one in (before, after))
        changed = [sku for sku in was.keys() & now.keys() if was[sku] != now[sku]]
        assert 10 <= len(changed) <= 250, "about one in a hundred for each minute that went by"
        assert len(was.keys() ^ now.keys()) <= 8


def test_the_link_knows_an_unchanged_file_and_no_other_path(demo):
    with urllib.request.urlopen(demo.account["http_url"], timeout=5) as answer:
        etag, body = answer.headers["ETag"], answer.read()
        assert int(answer.headers["Content-Length"]) == len(body) and answer.headers["Last-Modified"]
    again = urllib.request.Request(demo.account["http_url"], headers={"If-None-Match": etag})
    for request, status in ((again, 304), (demo.account["http_url"].replace("stock.csv", "../password"), 404)):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request, timeout=5)
        assert caught.value.code == status
        caught.value.close()


# its gate


@pytest.mark.parametrize(("user", "password"), [(None, "wrong"), (None, "x" * 5_000), (None, "pässword"), ("root", None)])
def test_a_wrong_sign_in_is_refused_by_sftp(demo, user, password):
    with pytest.raises(SupplierError) as caught, demo.by_sftp(password, user) as connector:
        connector.listing("/outbound")
    assert (caught.value.problem.code, caught.value.permanent) == ("sign_in_refused", True)


@pytest.mark.parametrize(
    ("auth", "password", "code"), [("basic", "wrong", "sign_in_refused"), ("basic", "", "sign_in_refused"), ("none", "", "http_status")]
)
def test_a_wrong_sign_in_is_refused_by_the_link(demo, auth, password, code):
    with pytest.raises(SupplierError) as caught, demo.by_link(demo.account["http_signed_url"], password, auth) as connector:
        connector.listing("")
    assert caught.value.problem.code == code


def test_the_user_sees_the_four_folders_and_nothing_of_this_machine(demo):
    with closing(demo.paramiko()) as line:
        files = paramiko.SFTPClient.from_transport(line)
        assert sorted(files.listdir("/")) == sorted(files.listdir("/../..")) == ["acknowledgements", "orders", "outbound", "shipments"]
        for outside in ("/../password", "../host_key", "/etc/passwd", "/orders/../../account.json"):
            with pytest.raises(FileNotFoundError):
                files.stat(outside)
        files.symlink("/etc/passwd", "/orders/shortcut")
        with pytest.raises(OSError):
            files.open("/orders/shortcut").read()
        files.remove("/orders/shortcut")


def test_files_are_all_that_it_serves(demo):
    with closing(demo.paramiko()) as line:
        channel = line.open_session(timeout=5)
        with pytest.raises(paramiko.SSHException):
            channel.exec_command("id")
        with pytest.raises(paramiko.SSHException):
            line.open_channel("direct-tcpip", (LOOPBACK, demo.account["http_port"]), (LOOPBACK, 1), timeout=5)


def test_an_order_file_is_handed_over_under_a_temporary_name_and_never_over_another(demo):
    with demo.by_sftp() as connector:
        place = connector.place_of("/orders")
        assert connector.write(place, ".7.a.part", b"po,sku\r\n") == 8
        assert connector.rename(place, ".7.a.part", "orders_7.csv") == "done"
        assert connector.rename(place, ".7.a.part", "orders_7.csv") == "gone"
        connector.write(place, ".8.b.part", b"po,sku\r\nother\r\n")
        assert connector.rename(place, ".8.b.part", "orders_7.csv") == "taken"
        assert connector.sizes(place)["orders_7.csv"] == 8
        assert connector.clear(place, ".8.", ".part") == [".8.b.part"]
