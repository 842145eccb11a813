"""Reads mutated feeds in a child of its own with limits, a batch at a time: `python -m tests.fuzz.reading FIRST COUNT`.

A line of JSON for each file that was neither rows nor a named refusal, or took too long; the last line sums up.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

from portal import feeds
from portal.errors import FAILURE_CODES, SupplierError
from portal.records import FeedFormat
from tests.endless import ends
from tests.fuzz import as_a_run
from tests.fuzz.mutations import mutated

MEMORY = 1 << 30
KINDS = list(feeds.KINDS)


def outcome(path: Path, form: FeedFormat | None) -> str:
    """ "rows" or the refusal's code; anything else flies."""
    try:
        used = form or feeds.detect(path).format
        with feeds.open_rows(path, used) as reader:
            last = 0
            for row in reader:
                assert row.number > last and len(row.cells) >= len(reader.headers), "rows out of order or narrow"
                assert all(type(cell) is str for cell in row.cells), "a cell is no text"
                last = row.number
            assert len(set(reader.headers)) == len(reader.headers), "a header twice"
    except SupplierError as error:
        assert error.problem.code in FAILURE_CODES - {"internal"}
        return error.problem.code
    return "rows"


def run_of(path: Path) -> str:
    """What becomes of the file in a run of a source made for it; anything that is not expected flies."""
    try:
        form = feeds.detect(path).format
    except SupplierError as error:
        return error.problem.code
    return as_a_run.tried(path, form)


def tell(seed: int, done: str, words: str) -> None:
    """One finding."""
    print(json.dumps({"seed": seed, "done": done, "words": words}), flush=True)


def read(seed: int, path: Path, seen: Counter[str]) -> None:
    """One file, as detected and as a format that it was not meant for."""
    done, content = mutated(seed)
    path.write_bytes(content)
    print(json.dumps({"seed": seed, "begun": done}), file=sys.stderr, flush=True)
    try:
        with ends():
            seen[outcome(path, None)] += 1
            outcome(path, FeedFormat(kind=KINDS[seed % len(KINDS)]))
            seen[f"a run: {run_of(path)}"] += 1
    except MemoryError:
        tell(seed, done, "out of memory")
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the finding
        if isinstance(error, KeyboardInterrupt):
            raise
        tell(seed, done, "".join(traceback.format_exception(error)[-3:]))


def peak_kb() -> int:
    """The most memory of this process; rusage would count what its parent had before it began."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def main() -> None:
    """Read the batch."""
    first, count = int(sys.argv[1]), int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    seen: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            read(seed, Path(folder) / "feed.bin", seen)
        left = [one.name for one in Path(folder).iterdir() if one.name != "feed.bin"]
    if left:
        tell(first, "batch", f"left behind: {left}")
    print(json.dumps({"files": count, "peak_kb": peak_kb(), "seen": seen}), flush=True)


if __name__ == "__main__":
    main()
