"""Plain, frozen records that cross layers. No behaviour beyond their own shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from portal.errors import Problem


class Secret:
    """A text that never shows itself: str, repr and format give `***`, and JSON refuses it.

    `.reveal()` is called at the one place that hands it to a library.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"


@dataclass(frozen=True)
class FileEntry:
    """One file or folder at the supplier. `size` in bytes, `modified` naive UTC; None = not told."""

    name: str
    size: int | None
    modified: datetime | None
    is_folder: bool = False


@dataclass(frozen=True)
class Fetched:
    """One file brought to local disk. `sha256` is the hex digest of its bytes."""

    path: str
    name: str
    size: int
    sha256: str
    modified: datetime | None = None
    remote_path: str = ""
    etag: str = ""


CHECK_NAMES = (
    ("address", "Find the address"),
    ("port", "Reach the port"),
    ("identity", "Verify who it is"),
    ("sign_in", "Sign in"),
    ("folder", "Open the folder or endpoint"),
    ("sample", "Read a sample"),
    ("understand", "Understand the sample"),
)


@dataclass(frozen=True)
class Check:
    """One named check. `state`: waiting, running, passed, failed, not_tried or question.

    "question" stops the list until the merchant answers (an unknown host key).
    `facts` are JSON-safe and secret-free, e.g. {"fingerprint": "SHA256:…", "key_type": "ssh-ed25519"}.
    """

    name: str
    state: str
    seconds: float = 0.0
    detail: str = ""
    problem: Problem | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class FeedFormat:
    """How to read a delimited file. `header_row` is the 1-based line of the header; 0 = the file has no header row.

    `quote` may be "" for "no quoting". `decimal_mark` is "." or ",".
    """

    kind: str = "delimited"
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header_row: int = 1
    decimal_mark: str = "."


@dataclass(frozen=True)
class Detection:
    """What was seen in the first bytes and how sure we are; `said` maps option -> a sentence."""

    format: FeedFormat
    said: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class CellProblem:
    """Why a value was left out (`fatal` False) or its whole row set aside (`fatal` True)."""

    field: str
    column: str
    value: str
    reason: str
    fatal: bool = True


class Row(NamedTuple):
    """One data row. `number` is the 1-based line of the file on which it starts, so that an editor finds it.

    `problems` are what the reader itself saw (too many cells, broken characters); a mapper passes them on.
    """

    number: int
    cells: list[str]
    problems: tuple[CellProblem, ...] = ()


@dataclass(frozen=True)
class Match:
    """A proposed column for one of our fields. `how`: same_as_last, header, looks, guess or none.

    `words` says it to the merchant; `sure` False means that a needed field wants confirming.
    """

    field: str
    column: str | None
    how: str
    words: str
    sure: bool
