"""The `flask` verb that proves a supplier's file before anybody connects by it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from portal import supplier_check, suppliers
from portal.commands import REFUSED, as_json, tell
from portal.errors import NotFound
from portal.suppliers import Supplier

SAMPLES = Path("tests/suppliers")


@click.command("check-supplier")
@click.argument("file_or_slug")
@click.option("--samples", type=click.Path(file_okay=False, path_type=Path), help="Its sample documents. Else tests/suppliers/SLUG.")
@as_json
def check_supplier(file_or_slug: str, samples: Path | None, json_only: bool) -> None:
    """Check a supplier's TOML and play its sample documents. Exit code 0 proved, 1 something is wrong, 4 it is no supplier's file."""
    try:
        supplier = _found(file_or_slug)
    except (ValueError, NotFound, OSError) as refusal:
        words = f"There is no supplier {refusal}." if isinstance(refusal, NotFound) else str(refusal)
        tell({"wrong": [words]}, words, json_only)
        sys.exit(REFUSED)
    report = supplier_check.check(supplier, samples or SAMPLES / supplier.slug)
    proved = [f"{name}: {words} proved" for name, words in report.said.items()]
    lines = [f"WRONG {words}" for words in report.wrong] or [*proved, f"{supplier.name} is as its file says."]
    tell({"supplier": supplier.slug, "wrong": report.wrong, "proved": report.said}, "\n".join(lines), json_only)
    sys.exit(1 if report.wrong else 0)


def _found(file_or_slug: str) -> Supplier:
    """A TOML file by its path, or an entry of the directory by its slug. Raises ValueError, NotFound, OSError."""
    return suppliers.load(Path(file_or_slug)) if file_or_slug.endswith(".toml") else suppliers.find(file_or_slug)


COMMANDS = [check_supplier]
