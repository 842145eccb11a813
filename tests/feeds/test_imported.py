"""The ugly corpus through `import-feed`: each kind becomes the items, or ends in the refusal, that stand in golden.json.

`golden.json`: kind -> how the run ended, its counts, its refusal, and its first items. A run that differs writes what it found beside it
in the test's folder, to be looked at and taken over.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portal import feed_import
from portal.errors import SupplierError
from portal.inventory.export import shown
from portal.models import InventoryItem, MappingVersion
from tests.feeds import corpus

pytestmark = pytest.mark.one_database

GOLDEN = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
CASES = {case.name: case for case in corpus.cases() if not case.change}
COUNTS = ("rows", "new", "set_aside", "noted")
FIELDS = ("sku", "title", "quantity", "cost", "upc", "warehouses", "custom")
FIRST, LONGEST = 4, 60


def outcome(merchant: Any, case: corpus.Case, folder: Path) -> dict[str, Any]:
    """What becomes of the file in a source made for it."""
    path = folder / "feed.bin"
    path.write_bytes(case.content)
    try:
        run = feed_import.import_file(merchant, "Golden", path, create=True)
    except SupplierError as error:
        return {"refused": error.problem.code}
    told: dict[str, Any] = {"state": run.state, **{name: run.counts.get(name, 0) for name in COUNTS}}
    if run.problem:
        told["problem"] = run.problem["code"]
    rules = MappingVersion.get().rules
    told["mapped"] = {key: " + ".join(rule["columns"])[:LONGEST] for key, rule in sorted(rules["fields"].items())}
    items = InventoryItem.select().order_by(InventoryItem.id).limit(FIRST)
    told["items"] = [
        {name: str(shown(name, value))[:LONGEST] for name in FIELDS if (value := getattr(item, name)) is not None} for item in items
    ]
    return told


@pytest.mark.parametrize("name", CASES)
def test_a_kind_of_feed_is_imported_as_it_was(db, merchant, tmp_path, name):
    found = outcome(merchant, CASES[name], tmp_path)
    (tmp_path / "found.json").write_text(json.dumps({name: found}, ensure_ascii=False))
    assert found == GOLDEN.get(name), tmp_path / "found.json"


def test_every_kind_has_its_outcome():
    assert set(GOLDEN) == set(CASES) and len(CASES) >= 60
