"""A SOAP stack that is not of our making, PHP's ext-soap, started on a loopback port with a small WSDL of ours and, where they lie
beside the repository, PromoStandards' own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers import LOOPBACK, free_port

HERE = Path(__file__).parent / "soap"
PASSWORD = "k3y <of> the & test"
PEERS = Path(os.environ.get("PEERS") or Path(__file__).resolve().parents[3] / "shared" / "peers") / "promostandards"


def needs_promostandards() -> Path:
    """The folder of PromoStandards' WSDLs; skips where there is none."""
    if not PEERS.is_dir():
        pytest.skip("PromoStandards' WSDLs are not here (see PEERS)")
    return PEERS


@dataclass
class Stack:
    """The running stack. `folder`: its WSDL and schemas, which a test may change."""

    port: int
    folder: Path

    @property
    def base(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def set(self, **settings: Any) -> None:
        """What the services do from now on: auth, password, fault, message, count, code."""
        (self.folder / "settings.json").write_text(json.dumps({"password": PASSWORD, **settings}))

    def asked(self) -> list[dict[str, str]]:
        """Every request so far."""
        ledger = self.folder / "ledger"
        return [json.loads(line) for line in ledger.read_text().splitlines()] if ledger.exists() else []

    def forget(self) -> None:
        (self.folder / "ledger").unlink(missing_ok=True)


@contextlib.contextmanager
def soap_stack() -> Iterator[Stack]:
    php = shutil.which("php")
    if php is None or "soap" not in subprocess.run([php, "-m"], capture_output=True, text=True).stdout.lower().split():
        if os.environ.get("CI"):
            pytest.fail("PHP with ext-soap is missing; tests/system_packages.sh installs it")
        pytest.skip("PHP with ext-soap is missing")
    folder = Path(tempfile.mkdtemp(prefix="quayside-soap-"))
    shutil.copytree(HERE, folder / "web")
    made = Stack(free_port(), folder / "web")
    made.set()
    names = {
        "SETTINGS": made.folder / "settings.json",
        "LEDGER": made.folder / "ledger",
        "FOLDER": made.folder,
        "PROMO": PEERS,
    }
    environment = {"PATH": os.environ.get("PATH", ""), **{name: str(value) for name, value in names.items()}}
    command = [php, "-S", f"{LOOPBACK}:{made.port}", "-t", str(made.folder), str(made.folder / "stack.php")]
    log = (folder / "log").open("wb")
    process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
    try:
        _wait(process, made.port, folder / "log")
        yield made
    finally:
        process.terminate()
        process.wait(10)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + 15
    while time.monotonic() < ends and process.poll() is None:
        if b"started" in log.read_bytes():
            return
        time.sleep(0.05)
    pytest.fail(f"PHP did not start: {log.read_text()}")
