"""`python app.py`: one command starts the whole tree, and nothing of it outlives the launcher."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

ROOT = Path(__file__).resolve().parents[1]
PASSWORD = re.compile(r"with the password (\S+) ")


class Started:
    """A launcher in a folder of its own, with its output in a file."""

    def __init__(self, folder: Path, port: int, **settings: str) -> None:
        self.port, self.output_file = port, folder / f"output-{time.monotonic_ns()}"
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        environment = {**kept, "DATA_DIR": str(folder / "var"), "PORT": str(port), "DEMO": "0", **settings}
        with self.output_file.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
            )

    @property
    def output(self) -> str:
        return self.output_file.read_text()

    def wait_until(self, true: Callable[[], Any], seconds: float = 45) -> None:
        deadline = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def ready(self) -> Started:
        self.wait_until(lambda: "is ready at" in self.output or self.process.poll() is not None)
        assert "is ready at" in self.output, self.output
        return self

    def tree(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def part(self, name: str) -> psutil.Process | None:
        for child in self.tree():
            with suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
                if name in child.cmdline():
                    return child
        return None


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    started: list[Started] = []

    def begin(port: int = 0, **settings: str) -> Started:
        started.append(Started(tmp_path, port or free_port(), **settings))
        return started[-1]

    yield begin
    for one in started:
        if one.process.poll() is None:
            children = one.tree()
            one.process.kill()
            one.process.wait()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def gone(processes: list[psutil.Process], within: float) -> bool:
    return not psutil.wait_procs(processes, timeout=within)[1]


def page(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/sign-in", timeout=10) as answer:
        return answer.read().decode()


def test_one_command_serves_and_one_signal_ends_all_of_it(start):
    first = start().ready()
    assert "Sign in" in page(first.port)
    assert PASSWORD.search(first.output)
    tree = first.tree()
    assert len(tree) == 2
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 0
    assert gone(tree, within=30)
    assert "Traceback" not in first.output


def test_the_demo_supplier_runs_along_unless_it_is_switched_off_or_in_production(start, tmp_path):
    ports = {"DEMO_SFTP_PORT": str(free_port()), "DEMO_HTTP_PORT": str(free_port())}
    account = tmp_path / "var" / "demo" / "account.json"
    first = start(DEMO="1", **ports).ready()
    first.wait_until(account.exists)
    assert first.part("demo") is not None and "Demo Distributor" in first.output
    tree = first.tree()
    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 0 and gone(tree, within=30)
    assert not account.exists()
    production = start(DEMO="1", PRODUCTION="1", PUBLIC_URL="https://portal.example.com", PROXIES="1", **ports).ready()
    assert production.part("demo") is None and "Demo Distributor" not in production.output


def test_a_busy_demo_port_does_not_stop_the_portal(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        first = start(DEMO="1", DEMO_SFTP_PORT=str(other.getsockname()[1]), DEMO_HTTP_PORT=str(free_port())).ready()
        first.wait_until(lambda: "Set DEMO_SFTP_PORT to a free port" in first.output)
        assert "Sign in" in page(first.port)


def test_a_second_start_keeps_everything_and_says_no_password(start, tmp_path):
    first = start().ready()
    first.process.send_signal(signal.SIGTERM)
    assert first.process.wait(60) == 0
    key, database = (tmp_path / "var" / "secret.key").read_bytes(), tmp_path / "var" / "portal.db"
    assert database.exists()
    again = start().ready()
    assert PASSWORD.search(again.output) is None and "set-password" in again.output
    assert (tmp_path / "var" / "secret.key").read_bytes() == key


def test_a_killed_launcher_leaves_nothing_behind(start):
    first = start().ready()
    tree = first.tree()
    first.process.kill()
    first.process.wait()
    assert gone(tree, within=10)


@pytest.mark.parametrize("name", ["web", "worker"])
def test_a_part_that_dies_is_brought_back(start, name):
    first = start().ready()
    part = first.part(name)
    part.kill()
    first.wait_until(lambda: first.part(name) not in (None, part), 20)
    if name == "web":
        first.wait_until(lambda: _answers(first.port), 20)


def test_ctrl_c_in_a_terminal_reaches_every_process_and_still_ends_cleanly(start):
    first = start().ready()
    tree = first.tree()
    for process in [*tree, psutil.Process(first.process.pid)]:
        process.send_signal(signal.SIGINT)
    assert first.process.wait(60) == 0 and gone(tree, within=30)
    assert "started again" not in first.output and "Traceback" not in first.output


def test_a_busy_port_is_said_in_a_sentence(start):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = start(port=other.getsockname()[1])
        assert refused.process.wait(30) == 3
    assert refused.output.startswith(f"Port {refused.port} on 127.0.0.1 is in use.")
    assert "Traceback" not in refused.output


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"PORT": "eighty"}, "PORT must be a whole number"),
        ({"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL must begin with"),
        ({"DATABASE_URL": "postgresql://u:hunter2secret@127.0.0.1:1/x"}, "The database did not answer"),
        ({"OWNER_PASSWORD": "short"}, "at least 12 characters"),
        ({"HOST": "192.0.2.1"}, "not an address of this machine"),
    ],
)
def test_a_setting_that_cannot_work_is_said_in_a_sentence(start, settings, words):
    refused = start(**settings)
    assert refused.process.wait(60) in (2, 3)
    assert words in refused.output
    assert "Traceback" not in refused.output and "hunter2secret" not in refused.output


def test_the_wrong_key_file_stops_the_start(start, tmp_path):
    first = start().ready()
    first.process.send_signal(signal.SIGINT)
    first.process.wait(60)
    (tmp_path / "var" / "secret.key").unlink()
    refused = start()
    assert refused.process.wait(30) == 2
    assert "put the right key file back" in refused.output


def test_what_it_keeps_is_for_its_own_user_only(start, tmp_path):
    start().ready()
    for path in [tmp_path / "var", *(tmp_path / "var").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0, path


def _answers(port: int) -> bool:
    with suppress(OSError):
        return bool(page(port))
    return False
