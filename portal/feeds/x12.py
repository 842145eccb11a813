"""EDI 846 (X12 inventory advice) as rows: one a LIN loop, its segments as named columns.

LIN**VP*A1~ QTY*33*5*EA~ ─▶ Vendor part A1 │ Quantity available 5 │ Quantity available unit EA
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from portal.errors import SupplierError
from portal.feeds import encodings, nested, refusals
from portal.feeds.nested import Flat, NestedRows, put
from portal.records import CellProblem, Detection, FeedFormat

LONGEST_SEGMENT = 1_000_000
MOST_SEGMENTS = 5_000  # of one line item
_BLOCK = 1 << 16
PRODUCT: Mapping[str, str] = {
    "VP": "Vendor part", "VN": "Vendor item", "VC": "Vendor catalog number", "SK": "SKU", "BP": "Buyer part", "IN": "Buyer item",
    "CB": "Buyer catalog number", "UP": "UPC", "UI": "UPC", "UK": "GTIN", "UA": "UPC case", "EN": "EAN", "EO": "EAN", "GT": "GTIN",
    "MG": "MPN", "MF": "Manufacturer", "MN": "Model number", "PI": "Purchaser item", "IB": "ISBN", "BL": "Brand", "CL": "Color",
    "IZ": "Size", "SM": "Style",
}  # fmt: skip
QUANTITY: Mapping[str, str] = {
    "33": "Quantity available", "17": "Quantity on hand", "29": "Projected quantity available", "18": "Quantity on order",
    "37": "Quantity in transit", "63": "On order quantity", "QA": "Quantity available to sell", "V3": "Transmitted quantity",
    "02": "Cumulative quantity", "1": "Discrete quantity", "01": "Discrete quantity", "QH": "Quantity on hold", "20": "Unusable quantity",
}  # fmt: skip
PRICE: Mapping[str, str] = {
    "UCP": "Unit cost", "WHL": "Wholesale price", "MSR": "MSRP", "RES": "Resale price", "RTL": "Retail price", "MAP": "MAP",
    "CON": "Contract price", "NET": "Net price", "LPR": "List price", "CAT": "Catalog price", "INV": "Invoice price",
}  # fmt: skip
DATES: Mapping[str, str] = {
    "018": "Available on",
    "169": "Product available",
    "036": "Expires on",
    "007": "Effective",
    "206": "Planned ship",
}
DESCRIPTION: Mapping[str, str] = {"08": "Description", "": "Description", "73": "Color", "91": "Size"}
SETS: Mapping[str, str] = {
    "810": "an invoice", "832": "a price catalog", "850": "a purchase order", "855": "an order acknowledgment", "856": "a ship notice",
    "997": "a receipt", "860": "an order change", "852": "product activity",
}  # fmt: skip


@dataclass(frozen=True)
class Signs:
    """What separates elements, their parts, and segments, as the ISA header shows it."""

    element: str
    component: str
    segment: str


def detect(path: Path, _head: bytes) -> Detection:
    """Whether the interchange holds an 846, and which columns. Raises SupplierError."""
    form = FeedFormat("x12", encoding="cp1252" if encodings.guess(path, _head)[0] != "utf-8" else "utf-8")
    with Reader(path, form) as reader:
        columns = nested.columns_of(reader, 100_000)
    return Detection(FeedFormat(**{**vars(form), "columns": columns}), {"row_path": "EDI 846: a row for each LIN."})


class Reader(NestedRows):
    """Rows of one interchange. `number` counts rows."""

    def flat_rows(self) -> Iterator[tuple[int, Flat, tuple[CellProblem, ...]]]:
        """Each line item, the envelope judged as it passes. Raises SupplierError."""
        for number, (flat, problems) in enumerate(_items(_segments(self._file, self.format.encoding)), 1):
            yield number, flat, problems


def _segments(file: BinaryIO, encoding: str) -> Iterator[list[str]]:
    """Each segment's elements, its name first."""
    decoder = codecs.getincrementaldecoder(encoding)("replace")
    text = decoder.decode(file.read(_BLOCK)).lstrip("\ufeff \r\n\t")
    signs = signs_of(text)
    while True:
        *whole, text = text.split(signs.segment)
        for segment in whole:
            if segment := segment.strip("\r\n\t \0"):
                yield segment.split(signs.element)
        if len(text) > LONGEST_SEGMENT:
            raise refusals.broken_document("EDI document", "A segment never ends")
        block = file.read(_BLOCK)
        if not block:
            break
        text += decoder.decode(block)
    if text.strip("\r\n\t \0\x1a"):
        yield text.strip("\r\n\t \0\x1a").split(signs.element)


def signs_of(text: str) -> Signs:
    """The separators by the ISA header, whether its elements have their fixed widths or not. Raises SupplierError."""
    element = text[3:4]
    at = 3
    for _ in range(15):
        at = text.find(element, at + 1, 600) if element else -1
        if at < 0:
            raise refusals.cut("the end of its ISA header")
    if not text.startswith("ISA") or len(text) < at + 3:
        raise refusals.cut("the end of its ISA header")
    segment = text[at + 2]
    if segment == "\r" and text[at + 3 : at + 4] == "\n":
        segment = "\n"
    if segment.isalnum() or segment == element:
        raise refusals.broken_document("EDI document", "The ISA header does not tell its separators")
    return Signs(element, text[at + 1], segment)


@dataclass
class _Envelope:
    """Counts and control numbers, so that what is missing is seen."""

    control: str = ""
    groups: int = 0
    group: str = ""
    sets: int = 0
    transaction: str = ""
    segments: int = 0
    kind: str = ""
    items: bool = False
    others: str = ""
    ended: bool = True

    def pass_by(self, segment: list[str]) -> None:
        """Judge one segment. Raises SupplierError."""
        self.segments += 1
        name = segment[0]
        if name == "ISA":
            self.control, self.groups, self.ended = _part(segment, 13), 0, False
        elif name == "GS":
            self.group, self.sets = _part(segment, 6), 0
        elif name == "ST":
            self.kind, self.transaction, self.segments = _part(segment, 1), _part(segment, 2), 1
            self.items = self.items or self.kind == "846"
            self.others = self.others or ("" if self.kind == "846" else self.kind)
        elif name in ("SE", "GE", "IEA"):
            self._close(name, segment)

    def _close(self, name: str, segment: list[str]) -> None:
        counted, number = {
            "SE": (self.segments, self.transaction), "GE": (self.sets, self.group), "IEA": (self.groups, self.control),
        }[name]  # fmt: skip
        if _part(segment, 1).strip().lstrip("0") != str(counted).lstrip("0"):
            raise refusals.edi_count(name, _part(segment, 1), counted)
        if _part(segment, 2).strip().lstrip("0") != number.strip().lstrip("0"):
            raise refusals.broken_document("EDI document", f"{name} closes {_part(segment, 2)[:20]}, but {number[:20]} is open")
        if name == "SE":
            self.sets, self.kind, self.transaction = self.sets + 1, "", ""
        elif name == "GE":
            self.groups += 1
        else:
            self.ended = True

    def end(self) -> None:
        """Judge the end of the file. Raises SupplierError."""
        if not self.ended or self.kind:
            raise refusals.cut("its last segment (IEA)")
        if not self.items:
            raise wrong_set(self.others)


def wrong_set(kind: str) -> SupplierError:
    """An interchange without an 846."""
    return refusals.wrong_document(f"EDI {kind}, {SETS[kind]}" if kind in SETS else f"EDI {kind}" if kind else "EDI without any document")


def _items(segments: Iterator[list[str]]) -> Iterator[tuple[Flat, tuple[CellProblem, ...]]]:
    envelope, item = _Envelope(), None
    for segment in segments:
        envelope.pass_by(segment)
        name = segment[0]
        ends = name in ("LIN", "CTT", "SE", "ST", "GE", "IEA")
        if item is not None and ends:
            yield item.flat, tuple(item.problems)
            item = None
        if name == "LIN" and envelope.kind == "846":
            item = _Item()
        if item is not None:
            item.add(segment)
    envelope.end()
    if item is not None:
        yield item.flat, tuple(item.problems)


class _Item:
    """One LIN loop as it fills. `place`: the N1 location that the quantities after it belong to."""

    def __init__(self) -> None:
        self.flat: Flat = {}
        self.problems: list[CellProblem] = []
        self._place = ""
        self._segments = 0

    def add(self, segment: list[str]) -> None:
        """Put the segment's values under their names."""
        self._segments += 1
        if self._segments > MOST_SEGMENTS:
            raise refusals.broken_document("EDI document", "A line item never ends")
        for name, value in self._named(segment):
            if value and (problem := put(self.flat, name, value)) and problem not in self.problems:
                self.problems.append(problem)

    def _named(self, segment: list[str]) -> Iterator[tuple[str, str]]:
        kind, at = segment[0], self._place
        if kind == "LIN":
            for n in range(2, len(segment) - 1, 2):
                yield PRODUCT.get(segment[n], f"Product {segment[n]}"), segment[n + 1].strip()
        elif kind == "QTY":
            name = QUANTITY.get(_part(segment, 1), f"Quantity {_part(segment, 1)}") + at
            yield name, _part(segment, 2).strip()
            yield f"{name} unit", _part(segment, 3)
        elif kind == "SDQ":
            for n in range(3, len(segment) - 1, 2):
                yield f"Quantity at {segment[n].strip()}", segment[n + 1].strip()
        elif kind == "PID":
            yield DESCRIPTION.get(_part(segment, 2), f"Description {_part(segment, 2)}"), _part(segment, 5)
        else:
            yield from self._other(segment)

    def _other(self, segment: list[str]) -> Iterator[tuple[str, str]]:
        kind = segment[0]
        if kind == "CTP":
            yield PRICE.get(_part(segment, 2), f"Price {_part(segment, 2)}".strip()), _part(segment, 3).strip()
        elif kind == "UIT":
            yield "Unit price", _part(segment, 2).strip()
        elif kind == "DTM":
            yield DATES.get(_part(segment, 1), f"Date {_part(segment, 1)}"), _part(segment, 2)
        elif kind == "REF":
            yield f"Reference {_part(segment, 1)}", _part(segment, 2)
        elif kind == "MEA":
            yield f"Measure {_part(segment, 2)}".strip(), _part(segment, 3)
            yield f"Measure {_part(segment, 2)} unit", _part(segment, 4)
        elif kind == "N1":
            place = (_part(segment, 4) or _part(segment, 2)).strip()
            self._place = f" at {place}" if place and _part(segment, 1) in ("WH", "SF", "LW", "SU") else ""
            yield f"Party {_part(segment, 1)}", place
        else:
            for n, value in enumerate(segment[1:], 1):
                yield f"{kind}{n:02}"[:20], value


def _part(segment: list[str], n: int) -> str:
    return segment[n] if n < len(segment) else ""
