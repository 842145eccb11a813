"""The demo supplier's people: they read order files, answer them and ship, with made-up tracking numbers whose check digits fit.

orders/NAME ─ at rest ─▶ orders/archive/NAME ─ 5 s ─▶ acknowledgements/ack_*.csv ─ 10 s ─▶ shipments/tracking_*.csv ─ 20 s ─▶ the rest
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from portal.fields import ORDER_FIELDS

ANSWERED_AFTER, SHIPPED_AFTER, REST_AFTER = 5.0, 10.0, 20.0  # seconds, one after the other
LARGEST = 2_000_000
KEPT_FILES = 50
UNFINISHED = (".part", ".partial", ".filepart", ".tmp")
ANSWER_HEADER = ("po_number", "item_no", "status", "qty_accepted", "reason")
TRACKING_HEADER = ("po_number", "item_no", "qty_shipped", "carrier", "tracking_no", "ship_date")

Write = Callable[[Path, bytes], None]


class NotAnOrder(Exception):
    """A file that nobody at the supplier can read; `str(error)` says why."""


class Warehouse:
    """What was ordered and is not shipped yet; kept in `memory`, so that a restart loses and doubles nothing.

    `available`: SKU -> units, asked anew for each order. `write`: puts a file there whole.
    """

    def __init__(self, root: Path, memory: Path, available: Callable[[], Mapping[str, int]], write: Write) -> None:
        self.orders, self.answers, self.parcels = root / "orders", root / "acknowledgements", root / "shipments"
        self.memory, self.available, self.write = memory, available, write
        kept = json.loads(memory.read_text("utf-8")) if memory.exists() else {}
        self.waiting: list[dict[str, Any]] = kept.get("waiting", [])
        self.taken: dict[str, str] = kept.get("taken", {})
        self.seen: dict[str, tuple[int, int]] = {}

    def look(self, now: float) -> None:
        """Take new order files and do what is due. `now`: seconds since 1970."""
        for path in self._at_rest():
            self._take(path, now)
        due = [task for task in self.waiting if task["due"] <= now]
        for act, folder, begin in (("answer", self.answers, "ack"), ("ship", self.parcels, "tracking")):
            some = [task for task in due if task["act"] == act]
            if not some:
                continue
            header = ANSWER_HEADER if act == "answer" else TRACKING_HEADER
            later = [one for task in some for one in _after(task, now)]
            number = int(hashlib.sha256(json.dumps(some, sort_keys=True).encode()).hexdigest()[:6], 16)
            name = f"{begin}_{datetime.fromtimestamp(some[0]['due'], UTC):%Y%m%d_%H%M%S}_{number:08d}.csv"
            self.write(folder / name, _csv(header, [row for task in some for row in task["rows"]]))
            self.waiting = [task for task in self.waiting if task not in some] + later
            self._remember()
            for old in sorted(folder.glob(f"{begin}_*.csv"))[:-KEPT_FILES]:
                old.unlink()

    def _at_rest(self) -> list[Path]:
        """Order files that did not change since the last look, the oldest name first."""
        now = {}
        for path in sorted(self.orders.iterdir()):
            looks = path.lstat()
            if not path.is_symlink() and path.is_file() and not path.name.startswith(".") and not path.name.endswith(UNFINISHED):
                now[path.name] = (looks.st_size, looks.st_mtime_ns)
        ready = [self.orders / name for name, looks in now.items() if self.seen.get(name) == looks]
        self.seen = now
        return ready

    def _take(self, path: Path, now: float) -> None:
        if path.stat().st_size > LARGEST:
            return self._refuse(path, "", f"The file has more than {LARGEST:,} bytes.")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        if self.taken.get(path.name) == digest:
            return self._put_away(path)  # we were ended between noting it and putting it away, or it was sent twice
        try:
            orders = _read(content)
        except NotAnOrder as why:
            return self._refuse(path, digest, str(why))
        stock = dict(self.available())
        for number, (po, lines) in enumerate(orders.items()):
            self.waiting.append(_answer(po, lines, stock, now + ANSWERED_AFTER, in_parts=(number + len(self.taken)) % 3 == 1))
        self.taken = dict([*self.taken.items(), (path.name, digest)][-500:])
        self._remember()
        return self._put_away(path)

    def _put_away(self, path: Path) -> None:
        archive = self.orders / "archive"
        archive.mkdir(mode=0o700, exist_ok=True)
        path.replace(archive / path.name)

    def _refuse(self, path: Path, digest: str, why: str) -> None:
        """It stays where it is, with a note beside the answers, written once."""
        note = self.answers / f"unread_{path.name}.txt"
        text = f"We could not read {path.name}. {why} Nothing of it was ordered. {digest[:12]}\r\n".encode()
        if not note.exists() or note.read_bytes() != text:
            self.write(note, text)

    def _remember(self) -> None:
        self.write(self.memory, json.dumps({"waiting": self.waiting, "taken": self.taken}).encode())


def _read(content: bytes) -> dict[str, list[tuple[str, int]]]:
    """PO number -> (SKU, quantity) of each line. Raises NotAnOrder."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise NotAnOrder("It is no UTF-8 text: we take CSV files with a header row.") from error
    first = text.split("\n", 1)[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t|", key=first.count))
    header = next(rows, [])
    columns = {key: _column(header, key) for key in ("po_number", "sku", "quantity")}
    if absent := [key for key, column in columns.items() if column is None]:
        raise NotAnOrder(f"It has no column for {' and '.join(name.replace('_', ' ') for name in absent)}: we take CSV with a header row.")
    orders: dict[str, list[tuple[str, int]]] = {}
    for number, row in enumerate(rows, 2):
        if not any(row):
            continue
        try:
            po, sku, quantity = (row[column].strip() for column in columns.values() if column is not None)
            orders.setdefault(po, []).append((sku, int(quantity)))
        except (IndexError, ValueError) as error:
            raise NotAnOrder(f"Row {number} has too few values, or no whole number as its quantity.") from error
        if not (po and sku and int(quantity) > 0):
            raise NotAnOrder(f"Row {number} lacks its PO number, its item or a quantity above 0.")
    return orders


def _column(header: Sequence[str], key: str) -> int | None:
    field = next(one for one in ORDER_FIELDS if one.key == key)
    names = {*field.aliases, _folded(field.label), *(("ordernumber", "reference") if key == "po_number" else ())}
    return next((n for n, name in enumerate(header) if _folded(name) in names), None)


def _folded(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def _answer(po: str, lines: Iterable[tuple[str, int]], stock: dict[str, int], due: float, *, in_parts: bool) -> dict[str, Any]:
    """What they will answer, and what of it they will ship. Units that an order takes are gone for the lines after it."""
    rows, shipping = [], []
    for sku, asked in lines:
        there = max(0, stock.get(sku, 0))
        taken = min(asked, there)
        if sku not in stock:
            rows.append((po, sku, "IR", 0, "We do not carry this item"))
        elif not taken:
            rows.append((po, sku, "R2", 0, "Out of stock"))
        else:
            rows.append((po, sku, "IA" if taken == asked else "IQ", taken, "" if taken == asked else f"Only {taken} in stock"))
            shipping.append((sku, taken))
            stock[sku] = there - taken
    return {"act": "answer", "due": due, "po": po, "rows": rows, "lines": shipping, "in_parts": in_parts}


def _after(task: Mapping[str, Any], now: float) -> list[dict[str, Any]]:
    """What follows a task that was done: the first parcel after an answer, the second after a first that is not all."""
    lines, box = task["lines"], task.get("box", 0) + 1
    if not lines:
        return []
    some, rest = _split(lines) if task["in_parts"] and box == 1 else (lines, [])
    carrier, number = tracking_number(task["po"], box)
    due = now + (SHIPPED_AFTER if box == 1 else REST_AFTER)
    rows = [(task["po"], sku, units, carrier, number, f"{datetime.fromtimestamp(due, UTC):%Y-%m-%d}") for sku, units in some]
    return [{"act": "ship", "due": due, "po": task["po"], "rows": rows, "lines": rest, "in_parts": task["in_parts"], "box": box}]


def _split(lines: Sequence[Sequence[Any]]) -> tuple[list[Any], list[Any]]:
    """Roughly half of the units, and the rest; one unit alone is not split."""
    units = [sku for sku, count in lines for _ in range(count)]
    half = -(-len(units) // 2)
    return [(sku, units[:half].count(sku)) for sku in dict.fromkeys(units[:half])], [
        (sku, units[half:].count(sku)) for sku in dict.fromkeys(units[half:])
    ]


def tracking_number(po: str, box: int) -> tuple[str, str]:
    """(carrier, number), the same each time: UPS 1Z (the check digit of UPS' own document), or USPS IMpb (mod 10, Publication 199)."""
    serial = int(hashlib.sha256(f"{po}/{box}".encode()).hexdigest()[:12], 16)
    if serial % 3:
        body = f"999AA103{serial % 10_000_000:07d}"
        values = [int(one) if one.isdigit() else (ord(one) - 63) % 10 for one in body]
        return "UPS", f"1Z{body}{-sum(value * (2 if n % 2 else 1) for n, value in enumerate(values)) % 10}"
    body = f"94001999{serial % 10**13:013d}"
    return "USPS", f"{body}{-sum(int(one) * (1 if n % 2 else 3) for n, one in enumerate(reversed(body))) % 10}"


def _csv(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
