"""Get Acknowledgements: whether, from where, which of their columns says what, and what their codes mean."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

from portal import answer_setup, connections, mappings, notice_lists, notice_shapes, order_setup, sources
from portal.errors import Invalid, Refused, Stale
from portal.fields import ANSWER_FIELDS
from portal.web import guards
from portal.web.operations import list_fields, placed, typed
from portal.web.render import render, saved
from portal.web.typed import TypedErrors, whole_number

blueprint = Blueprint("acknowledgements", __name__)
DEMO_HEADER = "po_number,item_no,status,qty_accepted,reason"


@blueprint.route("/sources/<source_id>/acknowledgements", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def edit(source_id: str) -> Response:
    """The questions as saved; what was typed is kept, or shown again with what is in the way."""
    source = sources.find(g.merchant, source_id)
    if request.method != "POST" or request.form.get("do") == "read":
        return _page(source)
    if request.form.get("do") == "list":
        return _from_list(source)
    use = {"yes": True, "no": False}.get(request.form.get("use", ""))
    settings = _place()
    try:
        rules = {"fields": _columns(), "date_form": "", "codes": answer_setup.codes_of(request.form.get("codes", "")[:10_000])}
        headers, form = answer_setup.looked_at(_sample())
        version = whole_number(request.form.get("version", ""))
        answer_setup.save(source, use, settings, rules, headers, version, g.user.email, g.user, form)
    except Invalid as refused:
        return _page(source, refused.errors, 422)
    except Refused as refused:
        return _page(source, {"use": str(refused)}, 422)
    except Stale as stale:
        return _page(source, status=409, stale=stale)
    return saved(url_for("sources.integrations", source_id=source_id), "Get Acknowledgements is " + ("on." if use else "off."))


def _from_list(source: Any) -> Response:
    """The first items of the list as typed, for their names."""
    try:
        return _page(source, text=answer_setup.from_list(source, _place()))
    except Invalid as refused:
        return _page(source, refused.errors, 422)


def _place() -> dict[str, str]:
    return {name: typed(name) for name in ("folder", "match", "pattern", *notice_lists.KEYS)}


def _sample() -> str:
    text: str = request.form.get("headers", "")
    return text.strip()[: answer_setup.LONGEST_SAMPLE]


def _columns() -> dict[str, Any]:
    names = {field.key: typed(f"column-{field.key}") for field in ANSWER_FIELDS}
    return {key: {"columns": [name], "steps": []} for key, name in names.items() if name}


def _page(source: Any, errors: Any = None, status: int = 200, stale: Stale | None = None, text: str = "") -> Response:
    sent, one = request.method == "POST", answer_setup.of(source)
    kept = one.settings if one else {}
    version = mappings.current(one) if one else None
    rules = version.rules if version else {}
    demo = connections.supplier_of(source).needs_demo
    line = text or _sample() if sent else ",".join(version.headers) if version else DEMO_HEADER if demo else answer_setup.newest(source)
    found = dict(errors or {})
    try:
        headers = answer_setup.looked_at(line)[0]
    except Invalid as refused:
        headers, found = [], {**refused.errors, **found}
        status = 422 if sent else status
    proposed = {match.field: match.column for match in notice_shapes.propose(ANSWER_FIELDS, headers, [])} if headers else {}
    fields = _columns() if sent and request.form.get("do") not in ("read", "list") else rules.get("fields") or {}
    chosen = {field.key: ((fields.get(field.key) or {}).get("columns") or [""])[0] for field in ANSWER_FIELDS}
    if not any(chosen.values()):
        chosen = {field.key: proposed.get(field.key) or "" for field in ANSWER_FIELDS}
    first = {"folder": "/acknowledgements", "match": "all", "pattern": "ack_*.csv"} if demo else {"match": "all"}
    values = {name: typed(name) if sent else kept.get(name, first.get(name, "")) for name in ("folder", "match", "pattern")}
    codes = request.form.get("codes", "") if sent else "\n".join(f"{code} = {means}" for code, means in (rules.get("codes") or {}).items())
    answered = {"yes": True, "no": False}.get(request.form.get("use", "")) if sent else one.enabled if one else None
    ids = {field.key: f"column-{field.key}" for field in ANSWER_FIELDS} | {"use": "use-yes", "match": "match-all"}
    return render(
        "acknowledgements/edit.html", "acknowledgements/_edit.html", status, source=source, errors=found, use=answered, headers=headers,
        line=line, chosen=chosen, fields=ANSWER_FIELDS, matches=order_setup.MATCHES, codes=codes, version=one.version if one else 1,
        problems=TypedErrors(placed(found, ids), stale), cannot=answer_setup.cannot(source), **values,
        way=order_setup.way(source), **list_fields(kept),
    )  # fmt: skip
