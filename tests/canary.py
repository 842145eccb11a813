"""Looks for planted secrets in whatever is left lying about: plain, as base64 at each offset, in hex, as addresses and JSON write it.

`python -m tests.canary FOLDER` looks for every canary ("canary-…") in the databases, logs and spool files below a folder. The suite
started with --canaries does so over all that it left, and after each test on a database looks for whatever that test sealed.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from portal.models import TABLES, database

ANY = "canary-"
"""How every canary begins."""
MEANT = (
    "test_what_a_whole_suite_left",
    "test_audit_lines_hold_no_secre",
    "test_a_planted_leak_is_found",
    "test_a_secret_that_a_test_leave",
)
"""Folders of tests that plant one in the open: for the scan itself, and in a link, which a connection keeps as it was typed."""
PLANTED = (b"canary-leak", b"canary-7f1e-Zq9-password", b"canary-of-a-link")
"""How those begin that a server may hold in its files: planted for the scan itself, or in a link, kept as it was typed."""
SHORTEST = 10
"""Letters of a sealed secret that is looked for: shorter ones stand in other words."""
LEFT = ("*.db", "*.db-wal", "*.db-shm", "*.db-journal", "*.log", "*.part", "*.record", "*.jsonl")


@dataclass(frozen=True)
class Hit:
    """Where a secret was found, and in which form."""

    where: str
    form: str
    secret: str


def forms(secret: str) -> dict[str, bytes]:
    """Every way in which the secret may stand in a text or a file."""
    raw = secret.encode()
    found = {
        "plain": raw, "hex": raw.hex().encode(), "HEX": raw.hex().upper().encode(), "address": quote(secret, safe="").encode(),
        "form": quote_plus(secret).encode(), "json": json.dumps(secret)[1:-1].encode(), "utf-16": secret.encode("utf-16-le"),
        "html": secret.replace("&", "&amp;").replace('"', "&#34;").replace("'", "&#39;").replace("<", "&lt;").encode(),
    }  # fmt: skip
    for offset in range(3):
        coded = b64encode(b"\x00" * offset + raw).rstrip(b"=")
        inner = coded[(0, 2, 3)[offset] : len(coded) - (1 if (offset + len(raw)) % 3 else 0)]  # what neighbours cannot change
        found[f"base64 at {offset}"] = inner
    return found


def seek(where: str, content: bytes, secrets: Iterable[str]) -> list[Hit]:
    """The hits in some bytes, and in what they unpack to."""
    hits = []
    for secret in secrets:
        hits += [Hit(where, form, secret) for form, text in forms(secret).items() if len(text) > 5 and text in content]
    for unpacked in _unpacked(content):
        hits += seek(f"{where} (unpacked)", unpacked, secrets)
    return hits


def _unpacked(content: bytes) -> Iterator[bytes]:
    if content[:2] == b"\x1f\x8b":
        yield gzip.decompress(content)
    elif content[:2] in (b"\x78\x9c", b"\x78\xda"):
        yield zlib.decompress(content)


def seek_files(folder: Path, secrets: Iterable[str], but: Iterable[str] = ("secret.key",)) -> tuple[list[Hit], int]:
    """The hits in every file below the folder, and how many files were read."""
    known, hits, read = list(secrets), [], 0
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in but:
            hits += seek(str(path), path.read_bytes(), known)
            read += 1
    return hits, read


def seek_database(secrets: Iterable[str]) -> list[Hit]:
    """The hits in a dump of every table of the connected database, the doorbell's among them."""
    known, names = list(secrets), {table._meta.table_name for table in TABLES}
    names |= set(database.get_tables())
    hits = []
    for name in sorted(names):
        rows = database.execute_sql(f'SELECT * FROM "{name}"').fetchall()
        text = "\n".join(repr([bytes(one) if isinstance(one, memoryview) else one for one in row]) for row in rows)
        hits += seek(f"table {name}", text.encode(), known)
    return hits


def left_behind(folder: Path) -> tuple[list[str], int]:
    """Every canary in the databases, logs and spool files that tests left below a folder, and how many files were read."""
    pattern = re.compile(b"|".join(re.escape(text) for text in forms(ANY).values() if len(text) > 5))
    found, paths = [], _left(folder)
    for path in sorted(one for one in paths if not any(part.startswith(MEANT) for part in one.relative_to(folder).parts)):
        content = path.read_bytes()
        if hit := pattern.search(content):
            found.append(f"{path}: …{content[max(0, hit.start() - 60) : hit.end() + 40]!r}")
    return found, len(paths)


def _left(folder: Path) -> set[Path]:
    """The files below it that the portal writes: databases, logs, the spool and what it keeps."""
    paths = {path for pattern in LEFT for path in folder.rglob(pattern)} | {*folder.rglob("files/**/*")}
    return {path for path in paths if path.is_file()}


class Sealed:
    """What was sealed in this process since `begin`: each of it is a canary, whatever it is called."""

    def __init__(self) -> None:
        self._texts = set[str]()

    def watching(self, seal: Callable[..., str]) -> Callable[..., str]:
        """The vault's `seal`, watched."""

        def watched(vault: Any, merchant: Any, source: str, field: str, text: str) -> str:
            self._texts.add(text)
            return seal(vault, merchant, source, field, text)

        return watched

    def begin(self) -> None:
        self._texts.clear()

    def secrets(self) -> list[str]:
        """The texts, of a key the line in its middle, of a JSON object its values; those that are too short to be looked for left out."""
        found = set[str]()
        for text in self._texts:
            lines = text.splitlines()
            if text.startswith("-----"):
                found.add(lines[len(lines) // 2])
            elif text.startswith("{"):
                found |= {value for value in json.loads(text).values() if isinstance(value, str)}
            else:
                found.add(text)
        return sorted(text for text in found if len(text) >= SHORTEST)


def left_by_a_test(folder: Path, log: str, secrets: list[str]) -> list[Hit]:
    """The hits in the connected database, the log and the files that one test left."""
    if not secrets:
        return []
    hits = seek_database(secrets) + seek("the log", log.encode(), secrets)
    for path in sorted(_left(folder)):
        hits += seek(str(path), path.read_bytes(), secrets)
    return hits


def left_in_server(folder: Path) -> list[str]:
    """Every canary in a database server's own files, its log of writes among them."""
    found = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        content = path.read_bytes()
        hits = [hit.start() for hit in re.finditer(re.escape(ANY.encode()), content)]
        found += [f"{path}: …{content[max(0, at - 60) : at + 40]!r}" for at in hits if not content.startswith(PLANTED, at)]
    return found


if __name__ == "__main__":
    lines, count = left_behind(Path(sys.argv[1]))
    print(*lines, f"{count:,} files read, {len(lines):,} with a canary", sep="\n")
    sys.exit(bool(lines))
