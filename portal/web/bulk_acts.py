"""Many items at once: from the list to a page that says what will happen, to what happened, and back."""

from __future__ import annotations

import codecs
from itertools import chain
from typing import Any

from flask import Blueprint, Response, g, stream_with_context, url_for
from htmx_flask import request

import tasks
from portal import plans, run_report, runs
from portal.bulk_acts import acts, choosing, consequences, excluding
from portal.bulk_acts.choosing import Asked
from portal.catalogue import matching
from portal.errors import Forbidden, Invalid, Refused
from portal.web import guards, permissions
from portal.web.render import download, render, saved

blueprint = Blueprint("bulk_acts", __name__)

ASK_AGAIN = "2s"
COUNTED = ("chosen", "done", "already", "gone", "held", "ruled", "back", "kept", "lost", "let_in", "no_room", "over", "brought")
DID = {"archive": "archived", "unarchive": "un-archived", "delete": "deleted", "exclude": "excluded", "include": "included"}
BACK = {
    "archive": "un-archived again", "unarchive": "archived again", "delete": "restored", "exclude": "included again",
    "include": "excluded again",
}  # fmt: skip
UNDO = {
    "archive": "Un-archive them again", "unarchive": "Archive them again", "delete": "Restore them", "exclude": "Include them again",
    "include": "Exclude them again",
}  # fmt: skip


@blueprint.post("/inventory/acts")
@guards.signed_in
@guards.once
def choose() -> Response:
    """Write down which items an act is for. Nothing is done by that."""
    form = request.form
    act = form.get("act", "")
    if act not in acts.ACTS:
        raise Refused("Choose what to do with the items. Nothing was changed.")
    _allow(act)
    try:
        if form.get("all"):
            made = choosing.searched(g.merchant, act, Asked.of(form), g.user.email)
        else:
            made = choosing.ticked(g.merchant, act, form.getlist("item"), g.user.email)
    except Invalid as invalid:
        raise Refused(f"{invalid.errors['item']} Nothing was changed.") from invalid
    if made.state == "gathering":
        tasks.ring()
    return saved(url_for("bulk_acts.show", act_id=made.public_id), "")


@blueprint.get("/inventory/matching")
@guards.signed_in
def matching_count() -> Response:
    """How many items the list's search finds, where that can be told soon."""
    return render("bulk_acts/matching.html", "bulk_acts/_matching.html", count=choosing.count(g.merchant, Asked.of(request.args)))


@blueprint.get("/inventory/acts/<act_id>")
@guards.signed_in
def show(act_id: str) -> Response:
    """What it would do; while it is done; and what it did."""
    return _page(acts.find(g.merchant, act_id))


@blueprint.post("/inventory/acts/<act_id>")
@guards.signed_in
@guards.once
def confirm(act_id: str) -> Response:
    """Do it, in the background."""
    act = acts.find(g.merchant, act_id)
    _allow(act.act)
    if act.act in acts.LINKINGS:
        rules = [one for one in matching.RULES if request.form.get(f"rule-{one}")]
        try:
            made = acts.link(act, rules, g.user.email)
        except Invalid as invalid:
            return _page(act, invalid.errors["rules"], 422)
        tasks.ring()
        return saved(url_for("linking.show", linking_id=made.public_id), "")
    options = {"exclude": True} if act.act == "delete" and request.form.get("exclude") else {}
    acts.confirm(act, g.user.email, **options)
    tasks.ring()
    return saved(url_for("bulk_acts.show", act_id=act_id), "")


@blueprint.get("/inventory/acts/<act_id>/items.csv")
@guards.signed_in
def export(act_id: str) -> Response:
    """The items that were chosen, safe to open in a spreadsheet, as they are read."""
    act = acts.find(g.merchant, act_id)
    if act.chosen_at is None or not choosing.has_items(act):
        raise Refused("The items of this choice are not kept any more, or are still being chosen. Choose again.")
    body = chain([codecs.BOM_UTF8], (line.encode() for line in consequences.csv(act)))
    return download(stream_with_context(body), f"items-{act.chosen_at:%Y-%m-%d}.csv")


@blueprint.get("/inventory/acts/<act_id>/undo")
@guards.signed_in
def confirm_undo(act_id: str) -> Response:
    """What taking it back does, before anything is done."""
    act = acts.find(g.merchant, act_id)
    if not acts.may_undo(act):
        raise Refused("There is nothing to undo: it was not done, was undone already, or is too old.")
    return render(
        "bulk_acts/undo.html", act=act, undo=UNDO[act.act], did=DID[act.act], limited=plans.limits(g.merchant.id)["skus"] is not None
    )


@blueprint.post("/inventory/acts/<act_id>/undo")
@guards.signed_in
@guards.once
def undo(act_id: str) -> Response:
    """Take it back."""
    act = acts.find(g.merchant, act_id)
    _allow(act.act)
    acts.undo(act, g.user.email)
    tasks.ring()
    return saved(url_for("bulk_acts.show", act_id=act_id), "")


@blueprint.post("/inventory/acts/<act_id>/go-on")
@guards.signed_in
@guards.once
def go_on(act_id: str) -> Response:
    """Stop it; or go on with what stopped half-way, or leave it so."""
    act, words = acts.find(g.merchant, act_id), ""
    if request.form.get("act") == "stop":
        run = acts.run_of(act)
        if run is not None:
            runs.request_stop(run, g.user.email)
        words = "Stop requested. What is done stays; the rest is left as it is."
    elif request.form.get("act") == "give_up":
        _allow(act.act)
        acts.give_up(act, g.user.email)
    else:
        _allow(act.act)
        acts.go_on(act, g.user.email)
        tasks.ring()
    return saved(url_for("bulk_acts.show", act_id=act_id), words)


def _allow(act: str) -> None:
    """Raises Forbidden where the act needs a right of its own that the person lacks."""
    if not permissions.may(right := acts.ACTS[act].right):
        raise Forbidden(permissions.why_not(right))


def _page(act: Any, problem: str = "", status: int = 200) -> Response:
    run = acts.run_of(act)
    moving = act.state in acts.STATES.values() and run is not None and run.state in run_report.UNFINISHED
    ready = act.state == "ready"
    counts = dict.fromkeys(COUNTED, 0) | act.counts
    under_way = excluding.under_way(act) if act.state in ("done", "undone") else None
    made = acts.linking_of(act) if act.act in acts.LINKINGS else None
    return render(
        "bulk_acts/show.html", "bulk_acts/_show.html", status, act=act, label=acts.ACTS[act.act].label, counts=counts, run=run,
        moving=moving, stuck=acts.is_stuck(act), may_confirm=acts.may_confirm(act), may_undo=acts.may_undo(act),
        met=consequences.of(act) if ready else None, names=consequences.names(act) if ready else [], problem=problem,
        report=run_report.report(run) if run else None, did=DID.get(act.act, ""), back=BACK.get(act.act, ""), undo=UNDO.get(act.act, ""),
        rules=matching.RULES, linking=made, days=acts.DAYS_TO_UNDO, hours=acts.HOURS_TO_CONFIRM, ask_again=ASK_AGAIN,
        rule=excluding.rule_of(act), under_way=under_way, list_url=_list_url(act),
        allowed=permissions.may(acts.ACTS[act.act].right), right=acts.ACTS[act.act].right,
    )  # fmt: skip


def _list_url(act: Any) -> str:
    asked = {name: value for name, value in (act.asked or {}).items() if value}
    return url_for("inventory.index", **asked)
