"""Sources that have items, for tests of routing, written straight into the tables."""

from __future__ import annotations

from typing import Any

from portal.models import Integration, InventoryItem, Source


def stock_up(source: Source, quantities: dict[str, int | None], sends: bool = True, **columns: Any) -> Source:
    """The source, live, with an item for each Inventory SKU; with `sends`, Send Orders is on."""
    Source.update(state="live", supplier="sftp-file").where(Source.id == source.id).execute()
    for sku, quantity in quantities.items():
        InventoryItem.create(
            merchant=source.merchant_id, source=source, sku=sku, title=f"Title of {sku}", quantity=quantity, content_hash=1, last_run_id=0,
            last_row=2, **columns,
        )  # fmt: skip
    Integration.get_or_create(source=source, kind="send_orders", defaults={"enabled": sends})
    return Source.get_by_id(source.id)
