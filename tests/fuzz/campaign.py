"""Thousands of mutated feeds over every format, in children with limits: `python -m tests.fuzz.campaign [COUNT] [FIRST SEED]`."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

BATCH = 100
BATCH_SECONDS = 600


@dataclass
class Found:
    """What a campaign saw."""

    files: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    peak_kb: int = 0


def batch(first: int, count: int) -> Found:
    """One child's files. A child that dies is a finding of the file it had begun."""
    found = Found()
    command = [sys.executable, "-m", "tests.fuzz.reading", str(first), str(count)]
    try:
        child = subprocess.run(command, capture_output=True, text=True, timeout=BATCH_SECONDS, check=False)
        out, err, code = child.stdout, child.stderr, child.returncode
    except subprocess.TimeoutExpired as hung:
        out, err, code = _text(hung.stdout), _text(hung.stderr), -1
    for line in out.splitlines():
        told = json.loads(line)
        if "files" in told:
            found.files, found.peak_kb, found.seen = told["files"], told["peak_kb"], Counter(told["seen"])
        else:
            found.findings.append(f"seed {told['seed']} ({told['done']}): {told['words']}")
    if not found.files:
        begun = [line for line in err.splitlines() if line.startswith('{"seed"')]
        found.findings.append(f"a child ended with {code} at {begun[-1] if begun else 'its start'}: {err[-500:]}")
    return found


def run(count: int, first: int = 0, children: int = 2) -> Found:
    """Read `count` files, in batches side by side."""
    total = Found()
    starts = range(first, first + count, BATCH)
    with ThreadPoolExecutor(children) as pool:
        for found in pool.map(lambda start: batch(start, min(BATCH, first + count - start)), starts):
            total.files += found.files
            total.seen += found.seen
            total.findings += found.findings
            total.peak_kb = max(total.peak_kb, found.peak_kb)
            if found.findings:
                print("\n".join(found.findings), flush=True)
    return total


def _text(output: str | bytes | None) -> str:
    return output.decode("utf-8", "replace") if isinstance(output, bytes) else output or ""


def main() -> int:
    """0 when every file was rows or a named refusal."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    began = time.monotonic()
    found = run(count, first)
    print(
        f"{found.files:,} files, seeds {first} to {first + count - 1}, {time.monotonic() - began:.0f} s, peak {found.peak_kb // 1024:,} MB"
    )
    print(", ".join(f"{name} {times:,}" for name, times in found.seen.most_common()))
    print(f"{len(found.findings)} unhandled")
    return bool(found.findings)


if __name__ == "__main__":
    sys.exit(main())
