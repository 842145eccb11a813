"""Fulfillment requests: what one source is asked to ship of one order, from its creation to the last parcel.

routing ─▶ create ─▶ process ─▶ outbox ─▶ acknowledge │ cancel │ void ─▶ shipments
"""

from __future__ import annotations

from portal.requests.counts import Counts, TooMany
from portal.requests.events import counts, record

__all__ = ["Counts", "TooMany", "counts", "record"]
