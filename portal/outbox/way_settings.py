"""How orders leave, as a merchant sets it: by which way, where to, what their server can do, and the place for tests.

typed ─▶ judged ─▶ settings of Send Orders (portal.outbox.ways reads them)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portal import audit, clock, connection_parts, connections, order_setup, sources
from portal.errors import Invalid, Stale
from portal.models import Integration, Source, database
from portal.outbox import messages, ways, witnesses

KEYS = ("leave_by", "email_to", "email_attach", "webhook_url", "takes_id_once", "witness", "answer_hours", "test_place")
WITNESSES = {
    "rename": "It can rename, and leaves our temporary files alone",
    "cleaned": "It can rename, but clears unknown files away",
    "list": "It cannot rename: files are written under their final name",
}
ATTACHED = {"file": "The order file", "sheet": "A PDF to read and print", "both": "The order file and the PDF"}
LONGEST, MOST_HOURS = 1_000, 2_000
IN_IT = "Customers' addresses are in it"


def of(source: Source) -> tuple[Integration, dict[str, Any]]:
    """(Send Orders of the source, its settings of this page). Raises NotFound."""
    row = sources.integration(source, "send_orders")
    return row, {key: row.settings.get(key) for key in KEYS}


def has_folders(source: Source) -> bool:
    """Whether the source's connection leads to a server with folders."""
    return bool(source.supplier) and connections.supplier_of(source).protocol in ways.FILES


def save(source: Source, typed: Mapping[str, Any], version: int, who: str) -> None:
    """Keep what was typed. Raises Invalid, keyed by KEYS, and Stale."""
    integration, before = of(source)
    values = {key: typed.get(key, before[key]) for key in KEYS}
    if errors := errors_of(source, integration, values):
        raise Invalid(errors)
    values["answer_hours"] = int(str(values["answer_hours"] or "").strip() or 0) or None
    with database.atomic():
        columns = {"settings": {**integration.settings, **values}, "version": Integration.version + 1}
        mine = (Integration.id == integration.id) & (Integration.version == version)
        if not Integration.update({**columns, "changed_at": clock.now(), "changed_by": who}).where(mine).execute():
            fresh = sources.integration(source, "send_orders")
            raise Stale(fresh.changed_by, fresh.changed_at)
        audit.write(source.merchant, who, "sending.way", "integration", integration.public_id, before=before, after=values)


def errors_of(source: Source, integration: Integration, values: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong, by key."""
    errors, leave_by = {}, str(values["leave_by"] or "")
    if leave_by not in ways.LEAVE_BY:
        errors["leave_by"] = "Choose how orders leave."
    if leave_by == "email" and not _are_addresses(str(values["email_to"] or "")):
        errors["email_to"] = "Enter one or more e-mail addresses, separated by commas, such as orders@supplier.example."
    if str(values["email_attach"] or "file") not in ATTACHED:
        errors["email_attach"] = "Choose what is attached."
    if leave_by == "webhook" and (words := connection_parts.link_problem(str(values["webhook_url"] or ""), IN_IT)):
        errors["webhook_url"] = words
    if str(values["witness"] or "rename") not in witnesses.FILES:
        errors["witness"] = "Choose what their server can do."
    hours = str(values["answer_hours"] or "").strip()
    if hours and not (hours.isascii() and hours.isdigit() and 1 <= int(hours) <= MOST_HOURS):
        errors["answer_hours"] = f"Enter hours from 1 to {MOST_HOURS:,}, or leave it empty for 24."
    if words := _test_problem(source, integration, values, leave_by):
        errors["test_place"] = words
    return errors


def _test_problem(source: Source, integration: Integration, values: Mapping[str, Any], leave_by: str) -> str:
    place = str(values["test_place"] or "").strip()
    if not place:
        return ""
    if len(place) > LONGEST or not place.isprintable():
        return f"Use at most {LONGEST:,} characters, without line breaks."
    real = {"email": values["email_to"], "webhook": values["webhook_url"]}.get(leave_by, order_setup.place(source, integration))
    if place.strip("/ ").lower() == str(real or "").strip("/ ").lower():
        return "This is where real orders go. A test must go somewhere else."
    if leave_by == "email" and not _are_addresses(place):
        return "Enter an e-mail address of your own."
    return connection_parts.link_problem(place, IN_IT) if leave_by == "webhook" else ""


def _are_addresses(text: str) -> bool:
    found = messages.addresses(text)
    good = all("@" in one[1:-1] and " " not in one and one.isascii() and one.isprintable() for one in found)
    return bool(found) and good and len(text) <= LONGEST and len(found) == text.count(",") + 1
