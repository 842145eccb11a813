"""The process that reads feeds, seen from those who ask it: with little memory, limited time, no network and no secret of ours.

what is asked ─▶ `told_by` ─▶ frames, the last of which is "end" or a refusal
"""

from __future__ import annotations

import atexit
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from portal.errors import Problem, SupplierError
from portal.intake import frames

ROOT = Path(__file__).resolve().parents[1]


class _Readers:
    """The process that starts readers, ours as long as we live. Started when first needed, and again when it is gone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def ready(self) -> socket.socket:
        """The socket that it takes jobs on. It gets no setting and no secret of ours."""
        if self._control is None or self._process is None or self._process.poll() is not None:
            ours, theirs = socket.socketpair()
            environment = {"PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"}
            command = [sys.executable, "-m", "portal.intake.child", str(theirs.fileno())]
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=environment, pass_fds=[theirs.fileno()])
            theirs.close()
            self._control = ours
        return self._control

    def close(self) -> None:
        """Let the readers' process end, as this one does."""
        with self._lock:
            if self._control is not None and self._process is not None:
                self._control.close()
                self._process.terminate()  # a fork of ours may hold its socket open
                self._process.wait()
                self._control = self._process = None

    def start(self, asked: bytes) -> socket.socket:
        """Hand over what is asked; the socket its frames come from."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            socket.send_fds(self.ready(), [b"J"], [theirs.fileno()])
        ours.sendall(len(asked).to_bytes(4, "little") + asked)
        return ours


_readers = _Readers()
atexit.register(_readers.close)


def make_ready() -> None:
    """Start the readers' process while there is other work to do."""
    with _readers._lock:
        _readers.ready()


@contextmanager
def told_by(asked: bytes, seconds: float | None = None) -> Iterator[Iterator[tuple[str, Any]]]:
    """The frames of a reader that does what is `asked` (a dumped Job or Look); it ends with the block.

    `seconds`: the longest that any frame may be waited for. Raises SupplierError reading_stopped when it was stopped or broke.
    """
    with _readers.start(asked) as told, told.makefile("rb", 1 << 16) as out:
        told.settimeout(seconds)
        yield _until_the_end(out)


def _until_the_end(out: Any) -> Iterator[tuple[str, Any]]:
    last, status = "", -signal.SIGKILL
    try:
        for kind, value in frames.read(out):
            if kind == "status":
                status = value
                break
            last = kind
            yield kind, value
    except (EOFError, TimeoutError):
        last = ""
    if last not in ("end", "refused"):
        raise SupplierError(_broke(status), permanent=True)


def _broke(status: int) -> Problem:
    if status in (-signal.SIGXCPU, -signal.SIGKILL):
        body = "It took far longer than a file of its size may. We stopped reading and used none of it. Your stock is as it was."
        return Problem("reading_stopped", "Reading the file took too long", body, "Review the feed", "file")
    body = f"The reading process ended with status {status}. We used none of the file. Your stock is as it was."
    return Problem("reading_stopped", "The file could not be read to its end", body, "Review the feed", "file")
