"""One process and all it starts: wall seconds, processor seconds, and the most memory they held together, shared pages counted once."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EVERY = 0.1  # seconds
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Sample:
    """What one process tree took. `peak` in MB (the sum of PSS, so that shared pages count once); `out`: what it printed."""

    seconds: float
    cpu: float
    peak: float
    out: str


def measured(words: Sequence[str], settings: Mapping[str, str], expected: Sequence[int] = (0,)) -> Sample:
    """Run a process to its end. Exits when it fails, for then nothing was measured."""
    with tempfile.TemporaryFile("w+") as out:
        began = time.monotonic()
        usual = {name: value for name, value in settings.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as an installation runs
        process = subprocess.Popen(words, cwd=ROOT, env=usual, stdin=subprocess.DEVNULL, stdout=out)
        tree = _Tree(process.pid)
        watching = threading.Thread(target=tree.watch)
        watching.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - began
        tree.ended.set()
        watching.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        told = out.read()
    if process.returncode not in expected:
        sys.exit(f"{' '.join(words)} ended with {process.returncode}: {told}")
    tree.cpu[process.pid] = usage.ru_utime + usage.ru_stime
    return Sample(seconds, sum(tree.cpu.values()), max(tree.peak, 0.0), told)


class _Tree:
    """Looks at a process and its descendants until `ended` is set."""

    def __init__(self, root: int) -> None:
        self.root, self.ended = root, threading.Event()
        self.cpu: dict[int, float] = {}
        self.peak = 0.0

    def watch(self) -> None:
        while not self.ended.wait(EVERY):
            parents, spent = _processes()
            together = 0
            for pid in _below(self.root, parents):
                self.cpu[pid] = max(spent[pid], self.cpu.get(pid, 0.0))
                together += _kilobytes(pid)
            self.peak = max(self.peak, together / 1024)


def _processes() -> tuple[dict[int, int], dict[int, float]]:
    """Parent and processor seconds of every process."""
    parents, spent = {}, {}
    for place in Path("/proc").iterdir():
        name = place.name
        if name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has ended
                continue
            parents[int(name)], spent[int(name)] = int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
    return parents, spent


def _below(root: int, parents: Mapping[int, int]) -> list[int]:
    found = [root] if root in parents else []
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


def _kilobytes(pid: int) -> int:
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    except OSError:  # it has ended, or is being born
        pass
    return 0


def processor_seconds(root: int) -> float:
    """What a process and its descendants have used so far."""
    parents, spent = _processes()
    return sum(spent[pid] for pid in _below(root, parents))
