"""`python -m tests.bench.merchant`: a merchant and a source with a saved mapping of 14 columns and 6 transforms, ready for `import-feed`.

The settings come from the environment, as for the portal itself. `python -m tests.bench.merchant KIND` takes a format's kind.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from app import app
from portal import accounts, clock, directory, feed_import, mappings, setup_steps, sources
from portal.commands import told_plainly
from portal.models import Integration, database
from portal.records import FeedFormat
from tests.bench.feed_file import HEADERS

NAME = "Bench"
WHO = "bench"
FORMATS: dict[str, FeedFormat] = {
    "csv": FeedFormat(),
    "xlsx": FeedFormat("spreadsheet", encoding="utf-8"),
    "xml": FeedFormat("xml", row_path="/feed/product", columns=tuple(HEADERS)),
    "jsonl": FeedFormat("jsonl", columns=tuple(HEADERS)),
}
RULES: dict[str, Any] = {
    "fields": {
        "sku": {"columns": ["item_no"]},
        "title": {"columns": ["product_name"], "steps": [{"do": "trim"}]},
        "description": {"columns": ["long_description"]},
        "brand": {
            "columns": ["brand"],
            "steps": [{"do": "table", "pairs": [["Kestrel", "Kestrel Tools"], ["Lumen", "Lumen Light"]], "otherwise": "keep"}],
        },
        "upc": {"columns": ["upc"]},
        "mpn": {"columns": ["mpn"], "steps": [{"do": "case", "to": "upper"}]},
        "quantity": {"columns": ["qty_avail"], "steps": [{"do": "number"}]},
        "cost": {"columns": ["dealer_price"]},
        "msrp": {"columns": ["msrp"]},
        "map_price": {"columns": ["map_price"]},
        "weight": {"columns": ["weight"], "steps": [{"do": "convert", "from": "pound", "to": "gram"}]},
        "category_1": {"columns": ["category"], "steps": [{"do": "replace", "find": "hose", "with": "pipe"}]},
        "category_2": {"columns": ["subcategory"]},
        "images": {"columns": ["image_1"]},
    },
    "duplicates": "last",
    "weight_unit": "gram",
}


def make(kind: str) -> None:
    """A live File upload source named Bench of a merchant named Bench. `kind`: a key of FORMATS."""
    merchant = accounts.create_merchant(NAME)
    with database.atomic():
        source = sources.create(merchant, NAME, "dropship_supplier", WHO)
        directory.select(source, "file-upload", True, source.version, WHO)
        integration = sources.integration(source, feed_import.KIND)
        settings = {**integration.settings, "format": asdict(FORMATS[kind])}
        Integration.update(settings=settings).where(Integration.id == integration.id).execute()
        mappings.save(sources.integration(source, feed_import.KIND), RULES, HEADERS, WHO)
        for step in setup_steps.STEPS:
            setup_steps.mark(source, step)
        fresh = sources.find(merchant, source.public_id)
        sources.change(fresh, fresh.version, WHO, "source.activate", state="live", activated_at=clock.now())
        Integration.update(enabled=True).where(Integration.id == integration.id).execute()


if __name__ == "__main__":
    with app.app_context(), told_plainly(False):
        make(sys.argv[1] if len(sys.argv) > 1 else "csv")
