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
    """One file brought to local disk. `sha256` is the hex digest of its bytes, `asked` that of the whole link it came by."""

    path: str
    name: str
    size: int
    sha256: str
    modified: datetime | None = None
    remote_path: str = ""
    etag: str = ""
    asked: str = ""


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


FEED_KINDS: dict[str, str] = {
    "delimited": "Delimited text",
    "fixed_width": "Fixed-width text",
    "spreadsheet": "Excel workbook",
    "xml": "XML",
    "json": "JSON",
    "jsonl": "JSON, one item a line",
    "x12": "EDI 846 (X12)",
}


@dataclass(frozen=True)
class FeedFormat:
    """How to read a file. `header_row` is the 1-based line or sheet row of the header; 0 = there is no header row.

    Text: `quote` may be "" for "no quoting"; `decimal_mark` is "." or ",". Fixed width: `cuts` are the 1-based first
    characters of the columns, "1,11,41", or spans, "1-10,15-20". Spreadsheet: `sheet` "" is the first one with rows.
    XML and JSON: `row_path` leads to what repeats ("/feed/product", "$.items"; "" = found by itself), `variants` from there
    to a list inside it that gives a row each ("" = none), and `columns` are those seen before, so that one that only some
    items have is looked for in the whole file. Any archive: `member` is the pattern of the file in it ("" = the newest).
    Lists: `as_above` names the columns, one a line, whose blank cells mean what stands above them.
    """

    kind: str = "delimited"
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8"
    header_row: int = 1
    decimal_mark: str = "."
    cuts: str = ""
    sheet: str = ""
    row_path: str = ""
    variants: str = ""
    columns: tuple[str, ...] = ()
    member: str = ""
    as_above: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))  # a list after JSON

    @property
    def above(self) -> tuple[str, ...]:
        """The columns whose blank cells mean what stands above them; none in documents, whose items do not stand below each other."""
        if self.kind not in ("delimited", "fixed_width", "spreadsheet"):
            return ()
        return tuple(dict.fromkeys(name.strip() for name in self.as_above.splitlines() if name.strip()))


@dataclass(frozen=True)
class Damage:
    """What a spreadsheet program did to `count` of the `of` values of a column.

    `repair`: a mapping step that undoes it with certainty, for `restored` of them; None where nothing can.
    """

    kind: str
    column: str
    count: int
    of: int
    example: str
    words: str
    repair: Mapping[str, Any] | None = None
    restored: int = 0


@dataclass(frozen=True)
class Detection:
    """What was seen in the first bytes and how sure we are; `said` maps option -> a sentence."""

    format: FeedFormat
    said: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    damage: Sequence[Damage] = ()


@dataclass(frozen=True)
class CellProblem:
    """Why a value was left out (`fatal` False) or its whole row set aside (`fatal` True)."""

    field: str
    column: str
    value: str
    reason: str
    fatal: bool = True


class Row(NamedTuple):
    """One data row. `number` only grows: the 1-based line of a text on which it starts, the sheet's row, or else the row's own count.

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


@dataclass(frozen=True)
class Exchange:
    """One request to a supplier and its answer. No field holds a secret; `address` is without its query.

    `at` naive UTC; `status` None when no answer came, `problem` then says why in a headline; `sent`, `received` bytes of the bodies.
    """

    at: datetime
    method: str
    address: str
    status: int | None
    milliseconds: int
    sent: int = 0
    received: int = 0
    request: bytes = b""
    answer: bytes = b""
    problem: str = ""
