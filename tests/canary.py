"""Looks for planted secrets in whatever is left lying about: plain, as base64 at each offset, in hex, as addresses and JSON write it.

`python -m tests.canary FOLDER` looks for every canary ("canary-…") in the databases, logs and spool files below a folder; the suite
does so over all that it left when it is started with --canaries.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

from portal.models import TABLES, database

ANY = "canary-"
"""How every canary begins."""
MEANT = ("test_what_a_whole_suite_left", "test_audit_lines_hold_no_secre")
"""Folders of tests that plant one in the open: for the scan itself, and in a link, which a connection keeps as it was typed."""
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
    found, paths = [], {path for pattern_ in LEFT for path in folder.rglob(pattern_)}
    paths |= {path for path in folder.rglob("files/**/*") if path.is_file()}
    for path in sorted(one for one in paths if not any(part.startswith(MEANT) for part in one.relative_to(folder).parts)):
        content = path.read_bytes()
        if hit := pattern.search(content):
            found.append(f"{path}: …{content[max(0, hit.start() - 60) : hit.end() + 40]!r}")
    return found, len(paths)


if __name__ == "__main__":
    lines, count = left_behind(Path(sys.argv[1]))
    print(*lines, f"{count:,} files read, {len(lines):,} with a canary", sep="\n")
    sys.exit(bool(lines))
