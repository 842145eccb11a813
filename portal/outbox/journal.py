"""What may have left, written outside the database before it does: so that a database of yesterday does not send it again.

lease, state "uploading" ─▶ committed ─▶ a line here, flushed to disk ─▶ the first byte        database restored ─▶ it knows less than this
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from portal import clock, config
from portal.models import Source, Submission

ENDED = ("sent", "confirmed", "rejected")
_CHUNK = 500


def path() -> Path:
    """The file: one JSON object a line, only ever added to."""
    return config.current().data_dir / "outbox" / "journal.jsonl"


def leaving(submission: Submission, source: str, requests: Iterable[str], digest: str) -> None:
    """Note that a submission may leave from now on, durably. `requests`: "number#generation" of each; `source`: its public id."""
    _append(_leaves(submission, source, requests, digest))


def leaving_all(told: Iterable[tuple[Submission, str, Iterable[str]]]) -> None:
    """As `leaving` for many (submission, source, requests) whose bytes are not known, with one flush to disk."""
    lines = [_leaves(*one, "") for one in told]
    if lines:
        _append(*lines)


def _leaves(submission: Submission, source: str, requests: Iterable[str], digest: str) -> dict[str, Any]:
    return {
        "at": clock.now().isoformat(), "leaves": submission.public_id, "source": source, "reference": submission.reference,
        "sha256": digest, "requests": list(requests),
    }  # fmt: skip


def ended(submission: Submission) -> None:
    """Note that it is known how it ended."""
    _append({"at": clock.now().isoformat(), "ended": submission.public_id}, durable=False)  # the line before it says enough


def accept(who: str) -> None:
    """A person has seen that the database is older than this: what stands here until now stops nothing any more, but is still known."""
    _append({"at": clock.now().isoformat(), "accepted": who})


def key(number: str, generation: int) -> str:
    """How one sending of a request is written here."""
    return f"{number}#{generation}"


@dataclass
class Known:
    """What was read so far. `left`: how often each submission may have left; `by_request`: (source, key) -> its submission.

    `fresh`: read, and not yet compared with the database; `missing`: of which it knows less; `accepted`: a person saw that.
    """

    file: Path
    offset: int = 0
    left: Counter[str] = field(default_factory=Counter)
    ended: set[str] = field(default_factory=set)
    source_of: dict[str, str] = field(default_factory=dict)
    by_request: dict[tuple[str, str], str] = field(default_factory=dict)
    references: dict[str, set[str]] = field(default_factory=dict)
    fresh: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)
    last: str = ""


_lock = threading.Lock()
_known: list[Known] = []


def forget() -> None:
    """Read everything anew at the next question."""
    _known.clear()


def unknown_here() -> set[str]:
    """Public ids of submissions that left, as stands here, of which this database knows less; those a person accepted not among them.

    The first question in a process compares everything, later ones what is new, and everything again once the newest is not known.
    """
    with _lock:
        known = _read()
        if known.last and known.last not in known.missing | known.fresh and _lacking(known, [known.last]):
            known.fresh |= set(known.left)
        known.missing |= _lacking(known, sorted(known.fresh))
        known.fresh.clear()
        return known.missing - known.accepted


def left_before(source: str, numbers: Sequence[str]) -> set[str]:
    """Of these "number#generation" of a source those that left by a submission that this database does not know as such."""
    unknown_here()
    with _lock:
        known = _read()
        told = {one: known.by_request.get((source, one), "") for one in numbers}
        return {one for one, name in told.items() if name in known.missing}


def is_behind(submission: Submission) -> bool:
    """Whether a submission that was just claimed left, or ended, without this database knowing: each line here follows a claim."""
    with _lock:
        known = _read()
        return known.left[submission.public_id] >= submission.tries > 0 or submission.public_id in known.ended


def references_of(source: str) -> set[str]:
    """Every reference that ever left for a source."""
    with _lock:
        return set(_read().references.get(source, ()))


def held() -> tuple[set[str], set[str]]:
    """Public ids of all submissions that left, and of the sources they left for."""
    with _lock:
        known = _read()
        return set(known.left), set(known.source_of.values())


def _append(*lines: dict[str, Any], durable: bool = True) -> None:
    place = path()
    place.parent.mkdir(parents=True, exist_ok=True)
    new = not place.exists()
    handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, b"".join(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE) for line in lines))
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)
    if new:
        _sync(place.parent)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _read() -> Known:
    """What stands in the file by now. A last line that a killed process left unfinished is waited for, and skipped once another follows."""
    file = path()
    if not _known or _known[0].file != file or (file.exists() and file.stat().st_size < _known[0].offset):
        _known[:] = [Known(file)]
    known = _known[0]
    if not file.exists():
        return known
    with file.open("rb") as stream:
        stream.seek(known.offset)
        for raw in stream:
            if not raw.endswith(b"\n"):
                break
            known.offset += len(raw)
            _take(known, raw)
    return known


def _take(known: Known, raw: bytes) -> None:
    try:
        line = orjson.loads(raw[raw.rfind(b'{"at"') :] if not raw.startswith(b'{"at"') or raw.count(b'{"at"') > 1 else raw)
    except orjson.JSONDecodeError:  # torn by a kill, before its fsync: nothing had left by then
        return
    if "accepted" in line:
        known.accepted |= set(known.left)
    elif "ended" in line:
        known.ended.add(line["ended"])
        known.fresh.add(line["ended"])
    elif "leaves" in line:
        name, source = line["leaves"], line["source"]
        known.left[name] += 1
        known.fresh.add(name)
        known.source_of[name] = source
        known.references.setdefault(source, set()).add(line["reference"])
        known.by_request.update({(source, one): name for one in line["requests"]})
        known.last = name


def _lacking(known: Known, names: Sequence[str]) -> set[str]:
    """Of these submissions those of which the database knows less than stands here. What belonged to a source that it lacks is left out."""
    found: set[str] = set()
    for start in range(0, len(names), _CHUNK):
        some = names[start : start + _CHUNK]
        rows = {one.public_id: one for one in Submission.select().where(Submission.public_id << some)}
        sources = {known.source_of[name] for name in some if name in known.source_of}
        here = {one.public_id for one in Source.select(Source.public_id).where(Source.public_id << sources)}
        for name in some:
            row = rows.get(name)
            if row is None:
                found |= {name} if known.source_of.get(name) in here else set()
            elif row.tries < known.left[name] or (name in known.ended and row.state not in (*ENDED, "cancelled")):
                found.add(name)
    return found
