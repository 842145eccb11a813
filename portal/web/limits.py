"""Guard limits of an integration, and what happens after hours without an accepted feed."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from wtforms import RadioField, StringField

from portal import sources
from portal.errors import Invalid, Stale
from portal.inventory import guard_limits, silence
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("limits", __name__, url_prefix="/sources/<source_id>/integrations/<kind>")
LABELS = guard_limits.labels()
LimitsForm: Any = type("LimitsForm", (VersionedForm,), {name: StringField(label) for name, label in LABELS.items()})


class SilenceForm(VersionedForm):
    """After how many hours, and what then."""

    hours = StringField("Hours without an accepted feed")
    act = RadioField("What happens then", choices=silence.ACTS, validate_choice=False)
    percent = StringField("Reduce every quantity by, %")


@blueprint.get("/guards")
@guards.signed_in
def edit(source_id: str, kind: str) -> Response:
    """Every limit, with its default, what it does and what it is judged against."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    return _page(integration, LimitsForm.read(**guard_limits.in_force(integration), version=str(integration.version)))


@blueprint.post("/guards")
@guards.signed_in
@guards.once
def save(source_id: str, kind: str) -> Response:
    """Keep the limits."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    form = LimitsForm.read(**guard_limits.in_force(integration), version=str(integration.version))
    typed = {name: form[name].data or "" for name in LABELS}
    try:
        guard_limits.save(integration, typed, form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(integration, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.inventory_feed(g.merchant, source_id, kind)
        form.keep(stale, fresh.version, guard_limits.in_force(fresh))
        return _page(fresh, form, 409)
    return saved(url_for("limits.edit", source_id=source_id, kind=kind))


@blueprint.get("/silence", endpoint="silence")
@guards.signed_in
def silence_rule(source_id: str, kind: str) -> Response:
    """The rule for a silent supplier, and when it would act."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    return _silence_page(integration, _silence_form(integration))


@blueprint.post("/silence")
@guards.signed_in
@guards.once
def save_silence(source_id: str, kind: str) -> Response:
    """Keep the rule."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    form = _silence_form(integration)
    hours, percent = whole_number((form.hours.data or "").strip()), whole_number((form.percent.data or "").strip().removesuffix("%"))
    try:
        silence.save(integration, hours, form.act.data or "", percent, form.version_read(), g.user.email)
    except Invalid as refused:
        return _silence_page(integration, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.inventory_feed(g.merchant, source_id, kind)
        form.keep(stale, fresh.version, _silence_values(fresh))
        return _silence_page(fresh, form, 409)
    return saved(url_for("limits.silence", source_id=source_id, kind=kind))


def _page(integration: Any, form: Any, status: int = 200) -> Response:
    return render(
        "limits/edit.html", "limits/_form.html", status, source=integration.source, integration=integration, form=form,
        title=sources.INTEGRATION_KINDS[integration.kind], table=guard_limits.GUARDS, fixed=guard_limits.FIXED,
        history=guard_limits.history(integration), defaults=guard_limits.defaults(),
    )  # fmt: skip


def _silence_form(integration: Any) -> Any:
    return SilenceForm.read(**_silence_values(integration), version=str(integration.version))


def _silence_values(integration: Any) -> dict[str, str]:
    now = silence.rule(integration)
    return {"hours": str(now.hours), "act": now.act, "percent": str(now.percent)}


def _silence_page(integration: Any, form: Any, status: int = 200) -> Response:
    return render(
        "limits/silence.html", "limits/_silence.html", status, source=integration.source, integration=integration, form=form,
        title=sources.INTEGRATION_KINDS[integration.kind], at=silence.acts_at(integration), acted=silence.acted(integration),
    )  # fmt: skip
