"""One process tree: the launcher starts its children, brings them back when they die, and ends with all of them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from types import FrameType

log = logging.getLogger(__name__)

LOOK_EVERY = 0.2  # seconds
LONGEST_PAUSE = 30.0  # seconds before a child that keeps dying is started again
HEALTHY_AFTER = 60.0  # seconds after which a child's earlier deaths are forgotten
LONGEST_GOODBYE = 8.0  # seconds that children get to end by themselves


class Child:
    """One program of the tree. Its standard input is a pipe from the launcher: when that closes, the launcher is gone."""

    def __init__(self, name: str, command: Sequence[str], most_deaths: int | None = None) -> None:
        """`most_deaths`: after so many in a row it is left alone; None: never."""
        self.name = name
        self._most_deaths = most_deaths
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None
        self._deaths = 0
        self._started = self._start_at = 0.0

    def start(self) -> None:
        """Start the program now."""
        self._started = time.monotonic()
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE)

    def code(self) -> int | None:
        """Its exit code, or None while it runs."""
        return self._process.poll() if self._process else None

    def bring_back(self) -> None:
        """Start it again if it died, after a pause that grows with each death."""
        code = self.code()
        if code is None or (self._most_deaths and self._deaths >= self._most_deaths):
            return
        now = time.monotonic()
        if self._start_at < self._started:  # seen dead for the first time
            self._deaths = 1 if now - self._started > HEALTHY_AFTER else self._deaths + 1
            pause = min(LONGEST_PAUSE, 0.5 * 2 ** (self._deaths - 1))
            self._start_at = now + pause
            log.error("%s ended with code %s; it is started again in %.1f s", self.name, code, pause)
        elif now >= self._start_at:
            self.start()

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        if self._process and self.code() is None:
            self._process.terminate()

    def end_by(self, moment: float) -> None:
        """Wait until `moment` (monotonic seconds), then kill it. Its runs are safe: their leases end and others go on."""
        if self._process is None:
            return
        try:
            self._process.wait(max(0.0, moment - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.warning("%s did not end in time and was killed", self.name)
            self._process.kill()
            self._process.wait()


class Tree:
    """All children. SIGINT and SIGTERM end the whole tree; a second signal ends it at once."""

    def __init__(self, children: Sequence[Child]) -> None:
        self.children = list(children)
        self.ending = threading.Event()
        self._patience = LONGEST_GOODBYE
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def start(self) -> None:
        """Start every child."""
        for child in self.children:
            child.start()

    def keep(self) -> None:
        """Bring children back until a signal comes."""
        while not self.ending.wait(LOOK_EVERY):
            for child in self.children:
                child.bring_back()

    def end(self) -> None:
        """End every child, by force when one takes too long."""
        for child in self.children:
            child.ask_to_end()
        moment = time.monotonic() + self._patience
        for child in self.children:
            child.end_by(moment)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        if self.ending.is_set():
            self._patience = 0.0
        self.ending.set()


def end_with_the_launcher() -> None:
    """In a child: watch the pipe from the launcher and end when it closes, however the launcher died."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 1):
            continue
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(LONGEST_GOODBYE)
        os._exit(1)

    threading.Thread(target=watch, name="launcher-watch", daemon=True).start()
