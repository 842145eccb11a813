"""A peer's program while a test uses it."""

from __future__ import annotations

import contextlib
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence

SECONDS_TO_START = 150


@contextlib.contextmanager
def started(command: Sequence[str], ready: str) -> Iterator[None]:
    """The program once a line of its output holds `ready`, until the block ends. What it says later is read and forgotten."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        said: list[str] = []
        seen = threading.Event()

        def read() -> None:
            assert process.stdout
            for line in process.stdout:
                said.append(line)
                if ready in line:
                    seen.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            ends = time.monotonic() + SECONDS_TO_START
            while not seen.wait(0.2):
                assert process.poll() is None and time.monotonic() < ends, f"{command[:2]} did not start: {''.join(said[-20:])}"
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
            reader.join(10)
