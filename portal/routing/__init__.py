"""From an order's lines to fulfillment requests: which source ships what, why, and why not another.

stock ─▶ offers ─▶ decide ─▶ requests, lines and committed stock in one transaction
"""

from __future__ import annotations

from portal.routing.making import Preview, Routed, preview, route, route_many

__all__ = ["Preview", "Routed", "preview", "route", "route_many"]
