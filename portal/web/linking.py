"""Link to products, in bulk: which rules, what they find, applying it, and undoing that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import RadioField, SelectField, SelectMultipleField

import tasks
from portal import run_report, sources
from portal.catalogue import by_itself, codes, counting, judging, keys, linking, matching, samples
from portal.errors import Invalid, Refused
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("linking", __name__)


class NewItemsForm(LedgerForm):
    """What becomes of items that a feed brings."""

    mode = RadioField("New items", choices=by_itself.MODES, validate_choice=False)
    rules = SelectMultipleField("By these rules, in this order", choices=matching.RULES, validate_choice=False)
    master_from = SelectField("Master SKUs are made of", choices=keys.MASTERS, validate_choice=False)


TABS = {**judging.VERDICTS, "unmatched": "Not matched", "damaged": "Damaged codes"}
DONE = (
    "applied", "moved", "created", "left", "passed_over", "joined", "taken_back", "moved_back", "without", "unmade", "kept", "gone",
    "listed",
)  # fmt: skip
ASK_AGAIN = "2s"


@blueprint.get("/products/linking")
@guards.signed_in
def start() -> Response:
    """How many items are not linked, and what each rule would find; the rules in their order."""
    return _start_page()


@blueprint.post("/products/linking")
@guards.signed_in
@guards.once
def begin() -> Response:
    """Look at what the rules find. Nothing is linked by that."""
    named = request.form.get("source", "")[:40]
    source = sources.find(g.merchant, named) if named else None
    try:
        made = linking.begin(g.merchant, source, _rules(request.form.get("order", "")), g.user.email)
    except (Invalid, Refused) as refused:
        return _start_page(str(refused.errors["rules"]) if isinstance(refused, Invalid) else str(refused), 422)
    tasks.ring()
    return saved(url_for("linking.show", linking_id=made.public_id), "")


@blueprint.get("/products/linking/<linking_id>")
@guards.signed_in
def show(linking_id: str) -> Response:
    """What it found, by how sure that is; once applied, what it did."""
    return _page(linking.find(g.merchant, linking_id))


@blueprint.post("/products/linking/<linking_id>/apply")
@guards.signed_in
@guards.once
def apply(linking_id: str) -> Response:
    """Link what is confident, and what was ticked beside it."""
    found = linking.find(g.merchant, linking_id)
    taken = [one for one in judging.MAY_TAKE if request.form.get(f"take-{one}")]
    made_from = request.form.get("master_from", "")
    linking.apply(found, taken, bool(request.form.get("create")), g.user.email, made_from if made_from in keys.MASTERS else "")
    tasks.ring()
    return saved(url_for("linking.show", linking_id=linking_id), "")


@blueprint.get("/products/linking/<linking_id>/undo")
@guards.signed_in
def confirm_undo(linking_id: str) -> Response:
    """What undoing takes back, with counts, before anything is done."""
    found = linking.find(g.merchant, linking_id)
    if not linking.may_undo(found):
        raise Refused("There is nothing to undo: this linking was not applied, was undone already, or is too old.")
    return render("products/undo.html", linking=found, standing=linking.standing(found))


@blueprint.post("/products/linking/<linking_id>/undo")
@guards.signed_in
@guards.once
def undo(linking_id: str) -> Response:
    """Take back its links and its products."""
    linking.undo(linking.find(g.merchant, linking_id), g.user.email)
    tasks.ring()
    return saved(url_for("linking.show", linking_id=linking_id), "")


@blueprint.post("/products/linking/<linking_id>/go-on")
@guards.signed_in
@guards.once
def go_on(linking_id: str) -> Response:
    """Go on with what stopped half-way, or give it up."""
    found = linking.find(g.merchant, linking_id)
    if request.form.get("act") == "give_up":
        linking.give_up(found, g.user.email)
    else:
        linking.go_on(found, g.user.email)
        tasks.ring()
    return saved(url_for("linking.show", linking_id=linking_id), "")


@blueprint.route("/sources/<source_id>/linking", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def of_source(source_id: str) -> Response:
    """Whether new items of a source are linked by themselves."""
    source = sources.find(g.merchant, source_id)
    mode, rules = by_itself.mode_of(source)
    form = NewItemsForm.read(mode=mode, rules=list(rules), master_from=source.master_from)
    if request.method != "POST":
        return render("products/new_items.html", source=source, form=form)
    try:
        by_itself.save(source, form.mode.data or "", form.rules.data or [], g.user.email, form.master_from.data or "sku")
    except Invalid as refused:
        return render("products/new_items.html", "products/_new_items.html", 422, source=source, form=form.refuse(refused))
    return saved(url_for("settings.show", source_id=source_id, _anchor="linking"))


def _rules(text: str) -> list[str]:
    return [one for one in text.split(",") if one][:10]


def _start_page(problem: str = "", status: int = 200) -> Response:
    args = request.form if request.method == "POST" else request.args
    named = args.get("source", "")[:40]
    source = sources.find(g.merchant, named) if named else None
    chosen = [one for one in _rules(args.get("order", ",".join(matching.RULES))) if one in matching.RULES]
    chosen = list(dict.fromkeys(chosen))
    now = counting.Told(matching.possible(g.merchant.id, source.id if source else None)) if args.get("count") else None
    told = now or counting.possible(g.merchant, source)
    order, named = ",".join(chosen), source.public_id if source else None
    return render(
        "products/linking.html", "products/_rules.html" if request.method == "GET" else None, status, problem=problem, source=source,
        known=sources.listing(g.merchant), rules=matching.RULES, chosen=chosen, told=told, order=order,
        possible=told.counts if told else None,
        count_url=url_for("linking.start", order=order, source=named, count=1), last=linking.listing(g.merchant),
        left_out=[one for one in matching.RULES if one not in chosen],
        moves={rule: _moves(chosen, rule, source) for rule in matching.RULES},
    )  # fmt: skip


def _moves(chosen: Sequence[str], rule: str, source: Any) -> dict[str, str]:
    """{up, down, out or in: address of this page with the rules so}."""
    at = chosen.index(rule) if rule in chosen else -1
    orders: dict[str, list[str]] = {}
    if at < 0:
        orders["in"] = [*chosen, rule]
    else:
        orders["out"] = [one for one in chosen if one != rule]
        if at > 0:
            orders["up"] = [*chosen[: at - 1], rule, chosen[at - 1], *chosen[at + 1 :]]
        if at < len(chosen) - 1:
            orders["down"] = [*chosen[:at], chosen[at + 1], rule, *chosen[at + 2 :]]
    named = {"source": source.public_id} if source else {}
    return {name: url_for("linking.start", order=",".join(order), **named) for name, order in orders.items()}


def _page(found: Any) -> Response:
    run = linking.run_of(found)
    moving = run is not None and run.state in run_report.UNFINISHED
    stuck = linking.is_stuck(found)
    tab = request.args.get("tab", "")
    if tab not in TABS:
        tab = next((one for one in TABS if found.counts.get(one)), "confident")
    query = request.args.get("q", "").strip()[:140]
    after = request.args.get("after", "")[:200]
    shown: Any
    shown, following = [], ""
    if not moving and not stuck:
        listed = samples.items if tab in samples.LISTS else samples.samples
        shown, following = listed(found, tab, query, after)
    asked: dict[str, Any] = {"linking_id": found.public_id, "tab": tab, "q": query or None}
    counts = dict.fromkeys((*TABS, *DONE), 0) | found.counts
    return render(
        "products/linking_one.html", "products/_linking.html", linking=found, counts=counts, run=run, moving=moving, stuck=stuck,
        tabs=TABS, tab=tab, q=query, shown=shown, rules=matching.RULES, short=matching.SHORT, need=judging.NEED_YOU,
        may_take=judging.MAY_TAKE, masters=keys.MASTERS, is_cut=codes.is_cut, verdicts=judging.VERDICTS,
        report=run_report.report(run) if run else None,
        may_undo=linking.may_undo(found), days=linking.DAYS_TO_UNDO, ask_again=ASK_AGAIN,
        next_url=url_for("linking.show", **asked, after=following) if following else "",
        first_url=url_for("linking.show", **asked) if after else "",
    )  # fmt: skip
