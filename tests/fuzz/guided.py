"""Fuzzing of the detectors and parsers led by what it reaches: `python -m tests.fuzz.guided [--minutes 10] [--seed 1]`.

corpus ─▶ a file changed ─▶ detected, looked at, read ─▶ new blocks? ─▶ kept and changed further
A child does the reading, with limits; a file that ends it is a finding like any other. The files that reach what no seed reaches
are kept in tests/fuzz/corpus, the fewest that do.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

if __name__ == "__main__" and "--child" in sys.argv:
    from tests.fuzz import covering

    BLOCKS = covering.watch()

KEPT = Path(__file__).parent / "corpus"
LARGEST, LARGEST_KEPT, MOST_KEPT = 100_000, 6_000, 150
MEMORY = 1 << 30
SECONDS = 10  # of a processor, that one file may take
TOKENS = (
    b"sku", b"upc", b"qty", b",", b";", b"\t", b"|", b'"', b"'", b"\n", b"\r", b"\r\n", b"\0", b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf",
    b"<?xml ", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"</", b"/>", b"<item>", b"</item>", b"&amp;", b"&#x0;", b'xmlns:g="x"', b"{", b"}",
    b"[", b"]", b":", b"null", b"true", b"1e5", b"-0", b"\\u0000", b"\\ud800", b"ISA*00*", b"~ST*846*", b"~LIN*1*VP*", b"~QTY*33*5",
    b"~SE*4*0001", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x1f\x8b\x08", b"\xd0\xcf\x11\xe0", b"sep=;", b"Total", b"Summe",
    b"#N/A", b"1.2E+11", b"36000291452", b"036000291452", b"1.234,56", b"1,234.56", b'="007"', b"2026-11-25", b"2-Jan", b" " * 20,
    b"0" * 20, b"\xc3\xa9", b"\xe9", b"\xe2\x82\xac",
)  # fmt: skip
Target = Callable[[bytes], None]


class TooSlow(BaseException):
    """A file took longer than SECONDS."""


class Exploring:
    """Runs a target over changed files, and keeps those that reach new blocks."""

    def __init__(self, target: Target, take: Callable[[], frozenset[int]], seed: int) -> None:
        self.target, self.take, self.random = target, take, random.Random(seed)
        self.reached: set[int] = set()
        self.files: list[bytes] = []
        self.runs = 0

    def try_file(self, content: bytes) -> bool:
        """Run one file; whether it reached something new. What the target raises flies."""
        self.runs += 1
        self.take()
        self.target(content)
        new = self.take() - self.reached
        self.reached |= new
        if new:
            self.files.append(content)
        return bool(new)

    def next_file(self) -> bytes:
        """A kept file, changed a few times; the newest are taken more often."""
        at = int(len(self.files) * max(self.random.random(), self.random.random()))
        content = self.files[at]
        for _ in range(self.random.choice((1, 1, 2, 4))):
            content = self._changed(content)[:LARGEST]
        return content

    def _changed(self, content: bytes) -> bytes:
        rnd, choice = self.random, self.random.randrange(8)
        at = rnd.randrange(len(content) + 1)
        end = min(len(content), at + rnd.choice((1, 1, 2, 8, 60)))
        if choice == 0:
            return content[:at] + rnd.choice(TOKENS) + content[at:]
        if choice == 1:
            return content[:at] + rnd.choice(TOKENS) + content[end:]
        if choice == 2:
            return content[:at] + content[end:]
        if choice == 3:
            return content[:at] + bytes([rnd.randrange(256)]) + content[at + 1 :]
        if choice == 4:
            return content[:end] + content[at:end] * rnd.choice((1, 3, 40)) + content[end:]
        if choice == 5:
            other = rnd.choice(self.files)
            return content[:at] + other[rnd.randrange(len(other) + 1) :]
        if choice == 6 and content:
            one = content[rnd.randrange(len(content)) :][:1]
            return content.replace(one, rnd.choice(TOKENS), rnd.choice((1, -1)))
        from tests.fuzz.mutations import CHANGES

        return rnd.choice(CHANGES)(rnd, content[:20_000])


def target_of(path: Path) -> Target:
    """What a file goes through: the looks of a page, the mapping's proposals, the reading, and a run. Raises what is a finding."""
    from portal import feeds
    from portal.errors import FAILURE_CODES, SupplierError
    from portal.mapping import columns
    from tests.fuzz import as_a_run
    from tests.fuzz.reading import outcome

    def target(content: bytes) -> None:
        path.write_bytes(content)
        try:
            found = feeds.detect(path, "feed.bin")
            feeds.check_format(found.format)
            headers, rows = feeds.preview(path, found.format, 50)
            feeds.tree(path, found.format)
            feeds.members(path)
            feeds.sheets(path)
            feeds.with_columns(path, found.format)
            columns.moved(columns.sketched(headers, rows), columns.sketched(headers, rows[1:]), headers[:3])
            as_a_run.tried(path, found.format)
        except SupplierError as error:
            assert error.problem.code in FAILURE_CODES - {"internal"}
        outcome(path, None)

    return target


def child(folder: Path, until: float, seed: int) -> None:
    """Explore until that moment; findings go to the standard output, a line of JSON each, and the last line sums up."""
    from tests.fuzz.mutations import SEEDS

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _too_slow)
    exploring = Exploring(target_of(folder / "feed.bin"), BLOCKS.take, seed)
    seeds = [content for _, content in SEEDS if len(content) <= LARGEST]
    for content in seeds:
        _tried(exploring, content, folder)
    first, of_seeds = len(exploring.files), len(exploring.reached)
    for content in [path.read_bytes() for path in sorted(KEPT.glob("*.bin"))]:
        _tried(exploring, content, folder)
    while time.time() < until:
        _tried(exploring, exploring.next_file(), folder)
    print(json.dumps({"kept": [content.hex() for content in exploring.files[first:] if len(content) <= LARGEST_KEPT]}))
    blocks = {"of": len(BLOCKS.names), "seeds": of_seeds, "reached": len(exploring.reached)}
    print(json.dumps({"runs": exploring.runs, "blocks": blocks, "unreached": sorted(set(range(len(BLOCKS.names))) - exploring.reached)}))


def _tried(exploring: Exploring, content: bytes, folder: Path) -> None:
    (folder / "now.bin").write_bytes(content)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        exploring.try_file(content)
    except (Exception, TooSlow) as error:  # noqa: BLE001 - whatever it is, it is the finding
        signal.setitimer(signal.ITIMER_PROF, 0)
        told = "".join(traceback.format_exception(error)[-4:])
        print(json.dumps({"finding": told, "file": _saved(folder, content)}), flush=True)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _too_slow(*_: Any) -> None:
    raise TooSlow(f"longer than {SECONDS} s")


def _saved(folder: Path, content: bytes) -> str:
    path = folder / f"finding-{hashlib.sha256(content).hexdigest()[:12]}.bin"
    path.write_bytes(content)
    return str(path)


def run(minutes: float, seed: int) -> int:
    """Children one after the other until the time is over; how many different findings there were."""
    folder, until = Path(tempfile.mkdtemp(prefix="guided")), time.time() + 60 * minutes
    findings: dict[str, str] = {}
    runs, told = 0, {}
    kept: list[bytes] = []
    while (left := until - time.time()) > 1:
        command = [sys.executable, "-m", "tests.fuzz.guided", "--child", str(folder), "--minutes", str(left / 60), "--seed", str(seed)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        for line in map(json.loads, ended.stdout.splitlines()):
            if "finding" in line:
                findings.setdefault(line["finding"], line["file"])
            kept += [bytes.fromhex(one) for one in line.get("kept", ())]
            told = line if "runs" in line else told
        if ended.returncode:
            findings.setdefault(
                f"the child ended with {ended.returncode}: {ended.stderr[-500:]}", _saved(folder, (folder / "now.bin").read_bytes())
            )
        runs, seed = runs + told.get("runs", 0), seed + 1
    _keep(kept)
    print(f"{runs:,} files, blocks {told.get('blocks')}, {len(kept)} kept, {len(findings)} findings")
    for words, path in findings.items():
        print(f"{path}\n{words}")
    return len(findings)


def _keep(found: Sequence[bytes]) -> None:
    """Keep the smallest files; those found first reach most."""
    KEPT.mkdir(exist_ok=True)
    there = {path.name for path in KEPT.glob("*.bin")}
    for content in found:
        name = hashlib.sha256(content).hexdigest()[:12] + ".bin"
        if name not in there and len(there) < MOST_KEPT:
            (KEPT / name).write_bytes(content)
            there.add(name)


def main() -> int:
    """0 when nothing was found."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child, time.time() + 60 * asked.minutes, asked.seed)
        return 0
    return bool(run(asked.minutes, asked.seed))


if __name__ == "__main__":
    sys.exit(main())
