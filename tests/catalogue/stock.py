"""Items and products for the tests of the catalogue, written straight into the tables."""

from __future__ import annotations

from typing import Any

import pytest

from portal import runs
from portal.catalogue import keys, linking
from portal.models import InventoryItem, Linking, Merchant, Product, ProductLink, Source
from tasks.work import HANDLERS

UPC = ("036000291452", "4006381333931", "5901234123457", "012345678905")


def item(source: Source, sku: str, **columns: Any) -> InventoryItem:
    return InventoryItem.create(
        merchant=source.merchant_id, source=source, sku=sku, content_hash=1, last_run_id=1, last_row=2, **columns
    )  # fmt: skip


def product(merchant: Merchant, sku: str, upc: str = "", **columns: Any) -> Product:
    key = keys.mpn(columns.get("mpn"), columns.get("brand"))
    return Product.create(merchant=merchant, sku=sku, gtin=keys.gtin(upc or None), mpn_key=key, **columns)


def done() -> None:
    """Every queued run, here and now."""
    runs.work_available(HANDLERS)


def looked(merchant: Merchant, source: Source | None = None, rules: tuple[str, ...] = ("sku", "gtin", "mpn")) -> Linking:
    made = linking.begin(merchant, source, rules, "ana@harbor.example")
    done()
    return Linking.get_by_id(made.id)


def applied(made: Linking, *include: str, create: bool = False) -> Linking:
    linking.apply(made, include, create, "ana@harbor.example")
    done()
    return Linking.get_by_id(made.id)


def links() -> dict[str, str]:
    """{item's SKU: Master SKU}."""
    rows = ProductLink.select(ProductLink, InventoryItem, Product).join(InventoryItem).switch(ProductLink).join(Product)
    return {one.item.sku: one.product.sku for one in rows}


def stopped_once(patch: pytest.MonkeyPatch, act: str) -> list[int]:
    """Somebody stops the linking while it is at its second piece of an act; [how many looks at it that was still away]."""
    real, left = linking.Work.progress, [2]

    def stopping(work: Any, *told: Any, **more: Any) -> None:
        if work.run.settings["act"] == act:
            left[0] -= 1
            if left[0] == 0:
                raise runs.Stopped(work.run.public_id)
        real(work, *told, **more)

    patch.setattr(linking.Work, "progress", stopping)
    return left
