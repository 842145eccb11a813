"""First loads of other formats, beside the format's fastest reader alone plus the same rows as CSV.

python -m tests.bench.formats xlsx|xml|jsonl FILE reads it and does nothing else.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from lxml import etree
from python_calamine import CalamineWorkbook

from tests.bench import feed_file
from tests.bench.goals import verdict
from tests.bench.sampling import measured

if TYPE_CHECKING:
    from tests.bench.bench import Bench

MOST = 1.5


def compared(bench: Bench, kind: str, rows: int) -> str:
    """One line a format: our first load of it over (its reader alone + our first load of the same rows as CSV)."""
    lines = [f"\n{kind}: first loads of other formats"]
    for name, share in (("xlsx", 0.5), ("xml", 1), ("jsonl", 1)):
        count = int(rows * share)
        plain, other = bench.folder / "plain.csv", bench.folder / f"other.{name}"
        feed_file.write(plain, count)
        feed_file.write_as(name, plain, other)
        alone = measured([sys.executable, "-m", "tests.bench.formats", name, str(other)], dict(os.environ)).seconds
        as_csv, ours = (first_load(bench, kind, file_kind, path) for file_kind, path in (("csv", plain), (name, other)))
        words = f"{name} {count:,} rows: at most {MOST} x (reader alone {alone:.1f} s + as CSV {as_csv:.1f} s), ours {ours:.1f} s"
        lines.append(verdict(words, ours / (alone + as_csv), MOST, None, "x"))
    return "\n".join(lines)


def first_load(bench: Bench, kind: str, file_kind: str, path: Path) -> float:
    """Seconds of one first load from a fresh database. Exits when not every row came in."""
    from tests.bench.bench import imported, totals_of
    from tests.bench.peers import totals
    from tests.databases import close_database

    url, settings = bench.ready(kind, file_kind)
    sample, _ = imported(path, settings)
    seen, expected = totals(url), totals_of(bench.folder / "plain.csv")
    close_database()
    shutil.rmtree(bench.folder / "data")
    if seen != expected:
        sys.exit(f"{file_kind} ended with {seen}, not with {expected} (items, units, money)")
    return sample.seconds


def read_workbook(path: Path) -> int:
    """Rows that calamine reads."""
    return sum(1 for _ in CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).iter_rows())


def read_xml(path: Path) -> int:
    """Products that lxml reads, each emptied when seen."""
    count = 0
    for _, element in etree.iterparse(str(path), tag="product", resolve_entities=False, no_network=True):
        [child.text for child in element]
        element.clear()
        while element.getprevious() is not None:
            del element.getparent()[0]
        count += 1
    return count


def read_lines(path: Path) -> int:
    """Objects that orjson reads."""
    with path.open("rb") as file:
        return sum(1 for line in file if orjson.loads(line))


if __name__ == "__main__":
    print({"xlsx": read_workbook, "xml": read_xml, "jsonl": read_lines}[sys.argv[1]](Path(sys.argv[2])))
