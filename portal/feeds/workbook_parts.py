"""The parts of an XLSX workbook, judged before it is loaded: a small file may hold a sheet that fills the memory."""

from __future__ import annotations

import re
import zipfile
from array import array
from dataclasses import dataclass, field
from pathlib import Path

from portal.feeds import archives, refusals

MOST_CELLS = 12_000_000  # of a sheet's whole rectangle; a cell costs 32 bytes
LARGEST_PARTS = 400_000_000  # unpacked bytes of a workbook's parts
LARGEST_TEXT = 400_000_000  # bytes of all cells' texts; a text kept once may stand in every cell
# As every program writes them, found fast; a block with any other way to write them is searched for every way.
_CELLS, _FAR_CELLS = re.compile(rb'<c r="([A-Z]{1,3})\d'), re.compile(rb'<c r="([A-Z]{2,3})\d')
_ROWS = re.compile(rb'<row r="(\d{1,9})"')
_ANY_CELL = re.compile(rb"""\br\s*=\s*["']([A-Za-z]{1,3})\d""")
_ANY_ROW = re.compile(rb"""\br\s*=\s*["'](\d{1,9})["']""")
_MANY_ROWS = MOST_CELLS // 26
_SHARED = re.compile(rb"""\bt\s*=\s*["']s["'][^>]{0,200}>\s*<(?:\w{1,20}:)?v>(\d{1,9})<""")
_OVERLAP = 400
_SHEETS, _TEXTS = "xl/worksheets/", "xl/sharedstrings"


@dataclass
class Seen:
    """What the parts show: formulas without a value, cells with an Excel error, and the lengths of texts kept once."""

    formulas: int = 0
    errors: int = 0
    texts: array[int] = field(default_factory=lambda: array("L"))


def inspect(path: Path) -> Seen:
    """Unpack every part once, counting; an old XLS has none. Raises SupplierError."""
    with path.open("rb") as file:
        if archives.packing_of(file.read(4)) != "zip":
            return Seen()
    seen, total = Seen(), 0
    with archives.opened(path) as archive:
        if not archives.is_workbook(archive):
            raise refusals.other_format("a zip archive", "an Excel workbook")
        for entry in sorted(archive.infolist(), key=lambda one: not one.filename.lower().startswith(_TEXTS)):
            total += _inspect_part(archive, entry, seen, LARGEST_PARTS - total)
    return seen


def _inspect_part(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, seen: Seen, most: int) -> int:
    """Bytes of one part, once it is judged."""
    name = entry.filename.lower()
    sheet = _Sheet(seen, entry.file_size) if name.startswith(_SHEETS) else None
    size, rest = 0, b""
    for block in archives.blocks(archive, entry):
        size += len(block)
        if size > most:
            raise refusals.workbook_too_large()
        if sheet:
            sheet.look(block)
        elif name.startswith(_TEXTS):
            *whole, rest = (rest + block).split(b"</si>")
            seen.texts.extend(map(len, whole))
    return size


class _Sheet:
    """One sheet's XML, block by block: its rectangle and the text it would fill the memory with."""

    def __init__(self, seen: Seen, size: int) -> None:
        self._seen = seen
        self._rows, self._columns, self._text, self._rest = 0, 0, 0, b""
        self._weigh = max(seen.texts, default=0) * (size // 25) > LARGEST_TEXT  # a reference takes 25 bytes and more

    def look(self, block: bytes) -> None:
        """Judge the sheet as far as it has come."""
        text = self._rest + block
        usual = _is_usual(text)
        self._rows = max(self._rows, max(map(int, set((_ROWS if usual else _ANY_ROW).findall(text))), default=0))
        cells = _ANY_CELL if not usual else _CELLS if self._rows > _MANY_ROWS else _FAR_CELLS
        self._columns = max(self._columns, max(map(_column, set(cells.findall(text))), default=0), 26 if cells is _FAR_CELLS else 0)
        if not usual:  # cells may leave their place out
            self._columns = max(self._columns, *(part.count(b"<c") + part.count(b":c") for part in re.split(rb"[<:]row", text)))
        if min(self._rows, 1_048_576) * min(self._columns, 16_384) > MOST_CELLS:
            raise refusals.workbook_too_large()
        if self._weigh:
            self._text += sum(self._seen.texts[n] for n in map(int, _SHARED.findall(text)) if n < len(self._seen.texts))
            if self._text > LARGEST_TEXT:
                raise refusals.workbook_too_large()
        if b"</f>" in block:
            self._seen.formulas += block.count(b"</f></c>") + block.count(b"</f><v></v>") + block.count(b"</f><v/>")
        self._seen.errors += block.count(b't="e"')
        self._rest = text[-_OVERLAP:]


def _is_usual(text: bytes) -> bool:
    """Whether every cell and row names its place first, as programs do."""
    same = text.count(b'<c r="') == text.count(b"<c") and text.count(b'<row r="') == text.count(b"<row")
    return same and b":c" not in text and b":row" not in text


def _column(letters: bytes) -> int:
    """ "AB" -> 28."""
    number = 0
    for letter in letters.upper():
        number = number * 26 + letter - 64
    return number
