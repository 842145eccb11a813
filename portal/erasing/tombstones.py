"""What was erased, written outside the database too, so that a database of before it is cleaned once more: keyed hashes and our own ids.

erased ─▶ a line here, flushed to disk; a copy beside each backup ─▶ database restored ─▶ every line that is newer than the backup, again
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from portal import config
from portal.models import Erasure, Merchant

NAME = "erasures.jsonl"


def path() -> Path:
    """The file: one JSON object a line, only ever added to."""
    return config.current().data_dir / "erasures" / NAME


def keep(**line: Any) -> None:
    """Note that something was erased, durably. Nothing in it tells of the person."""
    _append(path(), [orjson.dumps(line)])


def copy_to(place: Path) -> None:
    """Bring beside the backups in `place` what is not there yet: on another machine that file is all that is known.

    What other machines erased stands in the database, but for whole workspaces, which stand in it no more.
    """
    there = _lines(place / NAME)
    told = {orjson.loads(line).get("erasure") for line in [*there, *_lines(path())]}
    rows = Erasure.select(Erasure, Merchant).join(Merchant).where(Erasure.state == "done").order_by(Erasure.id)
    others = [_line(row) for row in rows if row.public_id not in told]
    if new := [line for line in [*_lines(path()), *others] if line not in set(there)]:
        _append(place / NAME, new)


def _line(row: Erasure) -> bytes:
    at = row.done_at or row.made_at
    return orjson.dumps({"at": at.isoformat(), "kind": row.kind, "merchant": row.merchant.public_id, "erasure": row.public_id, **row.marks})


def known(*places: Path) -> list[dict[str, Any]]:
    """Every line, of this machine and of these folders, each once, the oldest first."""
    lines = {line for file in (path(), *(place / NAME for place in places)) for line in _lines(file)}
    return sorted((orjson.loads(line) for line in lines), key=lambda one: str(one["at"]))


def _lines(file: Path) -> list[bytes]:
    """Whole lines: the last one of a machine that died may be cut."""
    return [line for line in file.read_bytes().split(b"\n")[:-1] if line] if file.is_file() else []


def _append(file: Path, lines: list[bytes]) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(handle).st_size
        broken = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        os.write(handle, (b"\n" if broken else b"") + b"\n".join(lines) + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
