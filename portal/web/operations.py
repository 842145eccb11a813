"""What the pages of phase 3 share: their blueprint, the yes or no that each begins with, and where Save leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

from portal import notice_calls, notice_lists, order_setup, service_descriptions, setup_steps, sources
from portal.web.render import saved
from portal.web.steps import onward

blueprint = Blueprint("mappings", __name__, url_prefix="/sources/<source_id>/mapping")

LONGEST = 1_000


def opened(source_id: str, kind: str) -> tuple[Any, Any]:
    """The merchant's source, when its set-up has come to that integration, and the integration."""
    source = sources.find(g.merchant, source_id)
    setup_steps.require(source, order_setup.OPERATION_OF[kind])
    return source, sources.integration(source, kind)


def answered(source: Any, integration: Any) -> bool | None:
    """Yes, no, or None for a question that nobody answered yet: as typed on a POST, else as saved."""
    if request.method == "POST":
        return {"yes": True, "no": False}.get(request.form.get("use", ""))
    step = order_setup.OPERATION_OF[integration.kind]
    return bool(integration.enabled) if step in source.setup_done else None


def typed(name: str) -> str:
    """One text of this form, without space around it and no longer than any setting."""
    text: str = request.form.get(name, "")
    return text.strip()[:LONGEST]


def list_fields(kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields of an API's list show: as typed on a POST, else as kept."""
    saved_list = kept.get("list") or {"paging": "same", "since_form": "iso"}
    told = {key: typed(key) if request.method == "POST" else str(saved_list.get(key, "")) for key in notice_lists.KEYS}
    return {"asked": told, "pagings": notice_lists.PAGINGS, "since_forms": notice_lists.SINCE_FORMS}


CALL = ("operation", "arguments", "items", "items_list", "errors_at", "errors_good", "errors_nothing", "since_form")
OTHER = "other"
MOST_LISTS = 30


def typed_call() -> dict[str, str]:
    """The call of a SOAP service as it stands in the form, where its items are by the choice that was clicked."""
    told = {key: request.form.get(key, "").replace("\r", "").strip() for key in CALL}
    clicked = told.pop("items_list")
    return told | ({"items": clicked} if "items_list" in request.form and clicked != OTHER else {})


def call_fields(source: Any, kept: Mapping[str, Any]) -> dict[str, Any]:
    """What the fields of a call of a SOAP service show: as typed on a POST, else as kept; arguments are proposed where there are none."""
    saved_call = kept.get("list") or {"since_form": "iso"}
    told = typed_call() if request.method == "POST" else {key: str(saved_call.get(key, "")) for key in CALL}
    row = service_descriptions.find(source)
    known = [one for one in service_descriptions.operations(row) if not one["unusable"]]
    chosen = service_descriptions.operation_of(row, told["operation"]) if told["operation"] else None
    lists = {one["path"]: one["columns"][:8] for one in (chosen or {}).get("lists", [])[:MOST_LISTS]}
    if chosen and not told["arguments"]:
        told["arguments"] = notice_calls.proposed(source, told["operation"])
    if lists and not told["items"] and told["operation"] != saved_call.get("operation"):
        told["items"] = max(lists, key=lambda path: ("track" in " ".join(lists[path]).casefold(), path.count(".")))
    return {
        "call": told, "lists": lists, "other": OTHER, "known": known, "chosen": chosen, "since_forms": notice_lists.SINCE_FORMS,
        "wsdl_at": url_for("soap.wsdl", source_id=source.public_id),
    }  # fmt: skip


def done(source: Any) -> Response:
    """Where a saved answer leads."""
    if request.form.get("do") == "leave":
        return saved(url_for("sources.show", source_id=source.public_id))
    return saved(onward(sources.find(g.merchant, source.public_id)))


def placed(errors: Mapping[str, str], ids: Mapping[str, str]) -> list[tuple[str, str]]:
    """(id of the control, sentence) of each error."""
    return [(ids.get(key, key), words) for key, words in errors.items()]
