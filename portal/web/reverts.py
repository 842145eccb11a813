"""Taking a run back: what would go back and what stays, then a background run."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import SelectField, TextAreaField

import tasks
from portal import runs
from portal.errors import Invalid, Refused
from portal.inventory import lineage, revert
from portal.inventory.export import shown
from portal.web import guards
from portal.web.filters import moment
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("reverts", __name__)


class ChoiceForm(LedgerForm):
    """What of the run goes back."""

    field = SelectField("Field", validate_choice=False)
    skus = TextAreaField("SKUs", description="One a line. Leave empty for every item of the run")


@blueprint.get("/runs/<run_id>/revert")
@guards.signed_in
def preview(run_id: str) -> Response:
    """What a revert would do now, before anything is done."""
    run = runs.find(g.merchant, run_id)
    return _page(run, _form(run, request.args))


@blueprint.post("/runs/<run_id>/revert")
@guards.signed_in
@guards.once
def start(run_id: str) -> Response:
    """Take it back, in a run of its own."""
    run = runs.find(g.merchant, run_id)
    form = _form(run, request.form)
    try:
        started = revert.start(run, _choice(run, form), g.user.email)
    except Invalid as invalid:
        return _page(run, form.refuse(invalid), 422)
    except Refused as refused:
        return _page(run, form.refuse(refused), 409)
    tasks.ring()
    return saved(url_for("runs.show", run_id=started.public_id), f"Run {run.number:,} is being taken back.")


def _form(run: Any, given: Any) -> ChoiceForm:
    form = ChoiceForm(formdata=given)
    form.field.choices = list(({"": "Every field"} | revert.fields_of(run)).items())
    return form


def _choice(run: Any, form: ChoiceForm) -> revert.Choice:
    return revert.chosen(run, form.field.data or "", form.skus.data or "")


def _page(run: Any, form: Any, status: int = 200) -> Response:
    seen, reason = None, revert.may_revert(run)
    if not reason:
        try:
            seen = revert.preview(run, _choice(run, form))
        except Invalid as invalid:
            status = 422
            if not form.problems():
                form.refuse(invalid)
    return render(
        "reverts/preview.html",
        status=status,
        run=run,
        source=run.source,
        form=form,
        seen=seen,
        reason=reason,
        rows=[(step, _lines(step)) for step in seen.steps] if seen else [],
        kept=[(step, _kept(step)) for step in seen.conflicts] if seen else [],
    )


def _kept(step: Any) -> list[tuple[str, Any, str]]:
    """(field, present value, why it stays). What only notes which feed an item belongs to is shown where nothing else stays."""
    told = [one for one in step.kept if one.column not in lineage.NOTES] or step.kept[:1]
    values = [None if one.column in lineage.NOTES else _value(one.column, one.value) for one in told]
    return [(lineage.label(one.column), value, one.reason) for one, value in zip(told, values, strict=True)]


def _lines(step: Any) -> list[tuple[str, Any, Any]]:
    """(field, now, afterwards) of an item whose values go back."""
    if step.act != "values":
        return []
    both = [(name, step.was.get(name), step.will[name]) for name in lineage.SHOWN if name in step.will]
    return [(lineage.label(name), _value(name, now), _value(name, then)) for name, now, then in both]


def _value(column: str, value: Any) -> Any:
    if value is not None and column in lineage.TIMES:
        return moment(datetime.fromisoformat(value))
    return shown(column, value)
