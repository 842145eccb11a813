"""The outbox: never sent twice by us, never lost, and where we cannot know, we say so.

due requests ─▶ collect (members, bytes, parts: one transaction) ─▶ claim (lease, fresh token) ─▶ journal ─▶ deliver ─▶ settle
settle: sent · refused · not sent, again later · unknown ─▶ by the witness: look, the same again, or Check needed
"""

from __future__ import annotations
