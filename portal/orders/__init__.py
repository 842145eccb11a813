"""Customer orders: how they come in, and what a person may change at them. Where they go is `portal.routing`'s."""

from __future__ import annotations

from portal.orders.changing import find
from portal.orders.intake import NewLine, NewOrder, OtherContent, create

__all__ = ["NewLine", "NewOrder", "OtherContent", "create", "find"]
