"""Floors of the bench, which load nothing that they do not need: python tests/bench/floors.py digest|records FILE."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from xxhash import xxh3_64_intdigest


def digest(path: Path) -> str:
    """Read the file and digest it."""
    found = sha256()
    with path.open("rb", buffering=0) as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.hexdigest()


def records(path: Path) -> int:
    """Cut the file into records, a line or the lines that an open quote joins, and hash each; how many."""
    hashes, held = [], b""
    with path.open("rb") as file:
        for line in file:
            held = held + line if held else line
            if not held.count(b'"') & 1:
                hashes.append(xxh3_64_intdigest(held))
                held = b""
    return len(hashes)


if __name__ == "__main__":
    print({"digest": digest, "records": records}[sys.argv[1]](Path(sys.argv[2])))
