"""Shipments: told by a file, an API, a webhook or a person; matched to the lines of requests, once."""

from __future__ import annotations

from portal.shipments.recording import Cause, Notice, Recorded, add, attach, ignore, record, void

__all__ = ["Cause", "Notice", "Recorded", "add", "attach", "ignore", "record", "void"]
