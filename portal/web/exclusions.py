"""Inventory Exclusion: the rules, making one with a live count and a preview, what each keeps out, pausing and deleting it.

What is looked at before it is saved is read by GET, so that a preview has an address and it works without JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal import plans, run_report, sources
from portal.errors import Invalid, Refused, Stale
from portal.exclusions import preview, rules, saving
from portal.inventory import counted
from portal.web import guards
from portal.web.render import go, render, saved, wants_fragment
from portal.web.typed import TypedErrors, whole_number

blueprint = Blueprint("exclusions", __name__)
ASK_AGAIN = "2s"
TOKENS = ("csrf_token", "form_token")
PARTS = ("field", "op", "value", "name")


def _looking(view: Callable[..., Any]) -> Callable[..., Any]:
    """The form is one; sent with `act` it is looked at, by its own address, and nothing is saved."""

    @wraps(view)
    def looked(**values: Any) -> Any:
        if not request.form.get("act"):
            return view(**values)
        typed = {name: value for name, value in request.form.items() if name not in TOKENS}
        return go(f"{request.path}?{urlencode(typed)}")

    return looked


@blueprint.get("/exclusions")
@guards.signed_in
def index() -> Response:
    """The rules in their order, and what each keeps out."""
    known = saving.listing(g.merchant)
    return render(
        "exclusions/index.html", rules=[(one, _said(one), saving.run_state(one)) for one in known],
        unfinished=run_report.UNFINISHED, tally=counted.of_merchant(g.merchant.id),
    )  # fmt: skip


@blueprint.get("/exclusions/new")
@guards.signed_in
def new() -> Response:
    """A rule to fill in; with `act`, what was filled in so far, with one more line or with its preview."""
    return _form(None, request.args)


@blueprint.post("/exclusions/new")
@guards.signed_in
@_looking
@guards.once
def create() -> Response:
    """Save a rule; a run applies it."""
    form = request.form
    try:
        made = saving.create(g.merchant, _source(form), form.get("name", ""), _typed(form), g.user.email)
    except Invalid as refused:
        return _form(None, form, refused, 422)
    tasks.ring()
    return saved(url_for("exclusions.show", exclusion_id=made.public_id), f"Rule “{made.name}” is saved, and is being applied.")


@blueprint.get("/exclusions/count")
@guards.signed_in
def count() -> Response:
    """How many items the rule that is being filled in would keep out: a line for the form, and the form itself for who is no htmx."""
    if not wants_fragment():
        return go(f"{url_for('exclusions.new')}?{urlencode(request.args)}")
    return render("exclusions/_count.html", told=_count(request.args), asked=True)


@blueprint.get("/exclusions/<exclusion_id>")
@guards.signed_in
def show(exclusion_id: str) -> Response:
    """What the rule means, who made it, and what it keeps out now."""
    rule = saving.find(g.merchant, exclusion_id)
    run = saving.run_of(rule)
    moving = run is not None and run.state in run_report.UNFINISHED
    shown, following = preview.kept(rule, whole_number(request.args.get("after", ""), 0))
    return render(
        "exclusions/show.html", "exclusions/_standing.html", rule=rule, said=_said(rule), run=run, moving=moving, ask_again=ASK_AGAIN,
        stuck=run is not None and run.state in ("stopped", "failed"), report=run_report.report(run) if run else None, shown=shown,
        source=rule.source,
        next_url=url_for("exclusions.show", exclusion_id=exclusion_id, after=following) if following else "",
        first_url=url_for("exclusions.show", exclusion_id=exclusion_id) if request.args.get("after") else "",
    )  # fmt: skip


@blueprint.get("/exclusions/<exclusion_id>/edit")
@guards.signed_in
def edit(exclusion_id: str) -> Response:
    """The rule to change, with its own preview."""
    rule = saving.find(g.merchant, exclusion_id)
    return _form(rule, request.args if request.args else _told(rule))


@blueprint.post("/exclusions/<exclusion_id>/edit")
@guards.signed_in
@_looking
@guards.once
def change(exclusion_id: str) -> Response:
    """Save what was changed."""
    rule, form = saving.find(g.merchant, exclusion_id), request.form
    try:
        version = whole_number(form.get("version", ""))
        saving.change(rule, _source(form), form.get("name", ""), _typed(form), version, g.user.email)
    except Invalid as refused:
        return _form(rule, form, refused, 422)
    except Stale as stale:
        return _form(saving.find(g.merchant, exclusion_id), form, None, 422, stale)
    tasks.ring()
    return saved(url_for("exclusions.show", exclusion_id=exclusion_id))


@blueprint.get("/exclusions/<exclusion_id>/pause")
@guards.signed_in
def confirm_pause(exclusion_id: str) -> Response:
    """What comes back while the rule is paused, or goes out when it is on again."""
    return _confirm(saving.find(g.merchant, exclusion_id), "pause")


@blueprint.post("/exclusions/<exclusion_id>/pause")
@guards.signed_in
@guards.once
def pause(exclusion_id: str) -> Response:
    """Pause the rule, or turn it on again."""
    rule = saving.find(g.merchant, exclusion_id)
    try:
        saving.pause(rule, rule.state != "on", g.user.email)
    except Stale as stale:
        raise Refused(f"{stale.who} changed the rule meanwhile. Nothing was changed now. Look at it again.") from stale
    tasks.ring()
    return saved(url_for("exclusions.show", exclusion_id=exclusion_id), "")


@blueprint.get("/exclusions/<exclusion_id>/deletion")
@guards.signed_in
def deletion(exclusion_id: str) -> Response:
    """What comes back when the rule goes."""
    return _confirm(saving.find(g.merchant, exclusion_id), "deletion")


@blueprint.post("/exclusions/<exclusion_id>/deletion")
@guards.signed_in
@guards.once
def delete(exclusion_id: str) -> Response:
    """Delete the rule; a run brings back what no other rule keeps out."""
    rule = saving.find(g.merchant, exclusion_id)
    try:
        run = saving.delete(rule, g.user.email)
    except Stale as stale:
        raise Refused(f"{stale.who} changed the rule meanwhile. Nothing was deleted. Look at it again.") from stale
    tasks.ring()
    return saved(url_for("exclusions.index"), f"Rule “{rule.name}” is deleted. Run {run.number:,} brings back what it kept out.")


@blueprint.post("/exclusions/<exclusion_id>/runs")
@guards.signed_in
@guards.once
def apply_again(exclusion_id: str) -> Response:
    """Apply the rule once more, where its run was stopped or failed."""
    saving.apply_again(saving.find(g.merchant, exclusion_id), g.user.email)
    tasks.ring()
    return saved(url_for("exclusions.show", exclusion_id=exclusion_id), "")


def _confirm(rule: Any, act: str) -> Response:
    coming = act == "pause" and rule.state != "on"
    draft = rule if coming else None
    told = preview.of(g.merchant, draft, None if coming else rule)
    return render(
        "exclusions/confirm.html", rule=rule, said=_said(rule), act=act, coming=coming, told=told, limit=plans.limits(g.merchant.id)["skus"]
    )  # fmt: skip


def _said(rule: Any) -> str:
    return rules.said(rule.definition) if rule.kind == "rule" else f"A list of {saving.skus_of(rule):,} SKUs"


def _source(form: Mapping[str, Any]) -> Any:
    named = str(form.get("source", ""))[:40]
    return sources.find(g.merchant, named) if named else None


def _typed(form: Mapping[str, Any]) -> dict[str, Any]:
    """What was typed, as portal.exclusions.rules reads it; every line, also empty ones."""
    groups = []
    for at in range(rules.MOST_GROUPS):
        lines = [
            {part: form.get(f"g{at}c{n}.{part}", "") for part in PARTS} for n in range(rules.MOST_CONDITIONS) if f"g{at}c{n}.field" in form
        ]
        if lines:
            groups.append({"match": form.get(f"g{at}.match", "all"), "conditions": lines})
    return {"match": form.get("match", "any"), "groups": groups or rules.blank()["groups"]}


def _told(rule: Any) -> dict[str, str]:
    """A saved rule as the form sends it."""
    told = {"name": rule.name, "source": rule.source.public_id if rule.source_id else "", "version": str(rule.version)}
    if rule.kind != "rule":
        return told
    told["match"] = rule.definition["match"]
    for g_, group in enumerate(rule.definition["groups"]):
        told[f"g{g_}.match"] = group["match"]
        for c, one in enumerate(group["conditions"]):
            line = {"field": one["field"], "op": one["op"], "value": rules.shown(one), "name": one.get("name", "")}
            told |= {f"g{g_}c{c}.{part}": value for part, value in line.items()}
    return told


def _count(args: Mapping[str, Any], rule: Any = None) -> Any:
    """The preview of what is filled in, None while it cannot be read."""
    try:
        definition = rules.read(_typed(args)) if rule is None or rule.kind == "rule" else {}
    except Invalid:
        return None
    return preview.of(g.merchant, preview.draft_of(g.merchant, _source(args), definition, rule), rule)


def _form(rule: Any, form: Mapping[str, Any], refused: Invalid | None = None, status: int = 200, stale: Stale | None = None) -> Response:
    act, typed = str(form.get("act", "")), _typed(form)
    if act.startswith("line-"):
        at = whole_number(act[5:], 0)
        if at < len(typed["groups"]) and len(typed["groups"][at]["conditions"]) < rules.MOST_CONDITIONS:
            typed["groups"][at]["conditions"].append({})
    if act == "group" and len(typed["groups"]) < rules.MOST_GROUPS:
        typed["groups"].append({"match": "all", "conditions": [{}]})
    told, samples = None, list[Any]()
    if act == "preview" or status != 200:
        refused = refused or _problems(rule, form)
        if refused is None:
            told = _count(form, rule)
            definition = rules.read(_typed(form)) if rule is None or rule.kind == "rule" else {}
            samples = preview.samples(g.merchant, preview.draft_of(g.merchant, _source(form), definition, rule))
    errors = refused.errors if refused else {}
    return render(
        "exclusions/form.html", None, status, rule=rule, typed=typed, form=form, told=told, samples=samples, errors=errors,
        problems=TypedErrors([(_place(name), text) for name, text in errors.items()], stale), known=sources.listing(g.merchant),
        texts=rules.TEXTS, numbers={**rules.MONEY, **rules.UNITS}, ops=rules.OPS, matches=rules.MATCHES, most=rules.MOST_CONDITIONS,
        most_groups=rules.MOST_GROUPS, live=counted.of_merchant(g.merchant.id).items <= preview.COUNTED_AT_ONCE,
        limit=plans.limits(g.merchant.id)["skus"], version=rule.version if rule else 0, asked=False,
        here=url_for("exclusions.edit", exclusion_id=rule.public_id) if rule else url_for("exclusions.new"),
    )  # fmt: skip


def _place(name: str) -> str:
    return f"{name}.field" if name.startswith("g") and name != "groups" else "g0c0.field" if name == "groups" else name


def _problems(rule: Any, form: Mapping[str, Any]) -> Invalid | None:
    errors: dict[str, str] = {}
    readers: list[Any] = [lambda: rules.name_of(form.get("name", ""))]
    if rule is None or rule.kind == "rule":
        readers.append(lambda: rules.read(_typed(form)))
    for read in readers:
        try:
            read()
        except Invalid as refused:
            errors |= refused.errors
    return Invalid(errors) if errors else None
