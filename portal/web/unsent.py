"""A form whose session ended before it was saved: carried through the sign-in page, never kept on the server, never a secret.

POST without a session ─▶ sign-in page with the form inside ─▶ signed in ─▶ "Your form is still here" ─▶ the same POST, new tokens
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from flask import current_app
from htmx_flask import request
from werkzeug.exceptions import HTTPException

from portal import suppliers
from portal.web import guards

FIELD = "unsent"  # its name in the sign-in form
LARGEST = 100_000  # letters of names and values; a part of a form could undo the rest of it, so it is all or nothing
LARGEST_BODY = 500_000  # bytes that are read for somebody who is not signed in
SECRET_WORDS = ("password", "passphrase", "secret", "token", "private_key")
NOT_TYPED = frozenset({"version"})

# Decisions, not texts: they are made while looking at the page, so they are not offered again under one button.
DECISIONS = frozenset(
    {
        "account.end_others",
        "account.end_session",
        "connections.replace_key",
        "connections.trust",
        "directory.select",
        "items.archive",
        "items.unpin",
        "reverts.start",
        "runs.accept",
        "runs.stop",
        "schedule.pause",
        "sending.allow",
        "sending.look_again",
        "sending.send_again",
        "sending_ways.make_secret",
        "sending_ways.test",
        "schedule.pause_source",
        "setup.activate",
        "sources.run_sync",
    }
)
DECIDING = ("auth.", "closing.", "danger.", "erasing.", "keeping.", "passkeys.", "joining.", "team.", "two_step.")
NAMES = {
    "account.save_profile": "Profile",
    "account.save_workspace": "Settings",
    "connections.save": "Connection",
    "connections.save_file": "File",
    "items.save_pin": "Pin a value",
    "limits.save": "Guard limits",
    "limits.save_silence": "After hours without a feed",
    "mappings.draft_inventory": "Map the inventory",
    "mappings.draft_orders": "Send Orders",
    "mappings.draft_shipments": "Get Shipments",
    "mappings.save_inventory": "Map the inventory",
    "mappings.save_orders": "Send Orders",
    "mappings.save_shipments": "Get Shipments",
    "schedule.save": "Schedule",
    "sending.they_have_it": "Check needed",
    "sending_ways.save": "How orders leave",
    "settings.save": "Source settings",
    "setup.save_skus": "SKU mapping",
    "sources.create": "Add Source",
}


@dataclass(frozen=True)
class Unsent:
    """One form: the path it posts to, its fields in their order, and whether secrets or files had to be left out."""

    path: str
    fields: list[tuple[str, str]]
    secrets: bool = False
    files: bool = False

    @property
    def page(self) -> str:
        """What the page is called, in words that are the same for every workspace."""
        return NAMES.get(_endpoint(self.path), "the page you were on")

    @property
    def saves(self) -> bool:
        """Whether the form saves; else it only shows its editor again, as it was."""
        return not _endpoint(self.path).startswith("mappings.draft_")

    def packed(self) -> str:
        """As the sign-in form carries it."""
        return json.dumps(asdict(self), ensure_ascii=False, separators=(",", ":"))


def of_request() -> Unsent | None:
    """The form of this request; None where nothing was typed, it is a decision, or it is too large."""
    if request.content_length is None or request.content_length > LARGEST_BODY:
        return None
    files = any(file.filename for file in request.files.values())
    return _kept(request.full_path.rstrip("?"), list(request.form.items(multi=True)), files=files)


def unpacked(text: str) -> Unsent | None:
    """What a sign-in form carried, checked as strictly as if a stranger had written it."""
    try:
        told: Any = json.loads(text) if text else None
        path, fields = told["path"], [(name, value) for name, value in told["fields"]]
        "".join((path, *(part for pair in fields for part in pair))).encode()  # all of it text that a page can hold
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return _kept(path, fields, secrets=told.get("secrets") is True, files=told.get("files") is True)


def _kept(path: str, sent: list[tuple[str, str]], secrets: bool = False, files: bool = False) -> Unsent | None:
    fields = [(name, value) for name, value in sent if not _is_secret(name)]
    typed = any(value.strip() for name, value in fields if name not in NOT_TYPED)
    if not typed or not _may_return(path) or sum(len(name) + len(value) for name, value in fields) > LARGEST:
        return None
    left_out = any(value for name, value in sent if _is_secret(name) and name not in ("csrf_token", "form_token"))
    return Unsent(path, fields, secrets or left_out, files)


def _is_secret(name: str) -> bool:
    return name in _secret_settings() or any(word in name.lower() for word in SECRET_WORDS)


@cache
def _secret_settings() -> frozenset[str]:
    return frozenset(key for supplier in suppliers.listing() for key in supplier.secret_keys)


def _may_return(path: str) -> bool:
    endpoint = _endpoint(path) if guards.local_path(path) == path else ""
    return bool(endpoint) and endpoint not in DECISIONS and not endpoint.startswith(DECIDING)


def _endpoint(path: str) -> str:
    """The endpoint that a POST to `path` reaches, "" for none."""
    adapter = current_app.create_url_adapter(request)
    if adapter is None:
        return ""
    try:
        return str(adapter.match(path.partition("?")[0], method="POST")[0])
    except HTTPException:  # no such path, no POST there, or a redirect
        return ""
