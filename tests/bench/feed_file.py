"""Generated feeds for the bench: 20 columns, about 350 bytes a row, quotes, line breaks and accents as real ones have."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable
from pathlib import Path
from xml.sax.saxutils import escape

import orjson
import xlsxwriter

HEADERS = [
    "item_no", "parent_sku", "product_name", "long_description", "brand", "upc", "mpn", "qty_avail", "dealer_price", "msrp",
    "map_price", "weight", "length", "width", "height", "category", "subcategory", "image_1", "condition", "warehouse_note",
]  # fmt: skip
NUMBERS = frozenset(range(7, 15))  # places of numbers in HEADERS
ADJECTIVES = ("Bright", "Fold-out", "Quiet", "Größe L", "Weatherproof", "Café", "Compact", "Heavy duty")
NOUNS = ("lamp", "shelf", "garden hose", "drill", "kettle", "backpack", "desk", "bike rack")
BRANDS = ("Kestrel", "Northwind", "Harbor & Pine", "Lumen", "Ostrava", "Bluefin")


def write(path: Path, rows: int, changed: float = 0.0, seed: int = 7) -> None:
    """Write `rows` rows; with `changed` that share has another quantity and price, a tenth of it is new and a tenth gone."""
    rng = random.Random(seed)
    shift = int(rows * changed / 10)
    moved = set(random.Random(seed + 1).sample(range(rows), int(rows * changed)))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        for n in range(rows + shift):
            row = _row(n, rng)
            if n in moved:
                row[7], row[8] = (int(row[7]) + 3) % 500 + 1, f"{float(row[8]) + 1:.2f}"
            if n >= shift and (changed or n < rows):
                writer.writerow(row)


def reorder(feed: Path, target: Path, seed: int = 3) -> None:
    """Write the same rows in another order."""
    with feed.open(newline="", encoding="utf-8") as file:
        headers, *rows = list(csv.reader(file))
    random.Random(seed).shuffle(rows)
    with target.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([headers, *rows])


def write_as(kind: str, feed: Path, target: Path) -> None:
    """Write a feed's rows as another format: xlsx, xml or jsonl."""
    with feed.open(newline="", encoding="utf-8") as file:
        lines = csv.reader(file)
        {"xlsx": _as_workbook, "xml": _as_xml, "jsonl": _as_json_lines}[kind](next(lines), lines, target)


def _as_workbook(headers: list[str], rows: Iterable[list[str]], target: Path) -> None:
    with xlsxwriter.Workbook(str(target), {"constant_memory": True, "strings_to_urls": False}) as book:
        sheet = book.add_worksheet("Stock")
        for number, cells in enumerate((headers, *rows)):
            for place, cell in enumerate(cells):
                if number and place in NUMBERS:
                    sheet.write_number(number, place, float(cell))
                else:
                    sheet.write_string(number, place, cell)


def _as_xml(headers: list[str], rows: Iterable[list[str]], target: Path) -> None:
    with target.open("w", encoding="utf-8") as file:
        file.write("<?xml version='1.0' encoding='UTF-8'?>\n<feed>\n")
        for cells in rows:
            values = "".join(f"<{name}>{escape(cell)}</{name}>" for name, cell in zip(headers, cells, strict=True))
            file.write(f"<product>{values}</product>\n")
        file.write("</feed>\n")


def _as_json_lines(headers: list[str], rows: Iterable[list[str]], target: Path) -> None:
    with target.open("wb") as file:
        for cells in rows:
            values = [float(cell) if place in NUMBERS else cell for place, cell in enumerate(cells)]
            file.write(orjson.dumps(dict(zip(headers, values, strict=True))) + b"\n")


def _row(n: int, rng: random.Random) -> list[object]:
    noun, brand = NOUNS[n % len(NOUNS)], BRANDS[n % len(BRANDS)]
    name = f"{ADJECTIVES[rng.randrange(len(ADJECTIVES))]} {noun} {n % 977}"
    line = "\n" if n % 10 == 0 else " "
    text = f"{name} by {brand}, model {rng.randrange(10**6)}.{line}"
    text += 'Ships in 24 h, 2 year warranty, "as good as new" packaging; spare parts kept.'
    price = rng.randrange(300, 90_000) / 100
    return [
        f"SKU-{n:08}", f"P-{n // 6:07}", name, text, brand, _ean(n), f"{brand[:3].upper()}-{rng.randrange(10**7):07}",
        rng.randrange(0, 500), f"{price:.2f}", f"{price * 1.6:.2f}", f"{price * 1.4:.2f}", f"{rng.randrange(1, 4000) / 100:.2f}",
        rng.randrange(2, 90), rng.randrange(2, 60), rng.randrange(1, 40), noun.title(), f"{noun} parts",
        f"https://img.example/{n % 100}/{n}.jpg", "New", f"Aisle {n % 50}",
    ]  # fmt: skip


def _ean(n: int) -> str:
    body = f"40{n:010}"
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"
