"""When an integration runs by itself, with the next three runs; and pausing it, or its whole source."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import RadioField, SelectMultipleField, StringField

from portal import connections, pausing, runs, schedules, secondary, sources
from portal.errors import Invalid, Refused, Stale
from portal.web import guards, steps
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("schedule", __name__, url_prefix="/sources/<source_id>")
NO_FETCH = "Files come when somebody uploads them, so there is nothing to fetch by schedule."
NO_ASKING = "The supplier sends by itself, and what comes is read within seconds. There is nothing to fetch by schedule."
DAY_CHOICES = {str(day): name for day, name in enumerate(schedules.DAYS)}
WAYS = {"every": "Every so many minutes", "days": "On days at times", "hand": "By hand only"}


class ScheduleForm(VersionedForm):
    """How often: minutes, or days and times of the workspace's clock, or never by itself."""

    how = RadioField("When it runs", choices=WAYS, validate_choice=False)
    every_minutes = StringField("Minutes between two runs")
    days = SelectMultipleField("Days", choices=DAY_CHOICES, validate_choice=False)
    times = StringField("Times")


@blueprint.get("/integrations/<kind>/schedule")
@guards.signed_in
def edit(source_id: str, kind: str) -> Response:
    """The schedule of one integration and when it runs next."""
    integration = _find(source_id, kind)
    return _page(integration, _form(integration), _proposed(integration))


@blueprint.post("/integrations/<kind>/schedule")
@guards.signed_in
@guards.once
def save(source_id: str, kind: str) -> Response:
    """Keep the schedule, or only show the runs it would give (`act` "look")."""
    integration = _find(source_id, kind)
    form = _form(integration)
    if _is_given(integration):
        raise Refused(_no_fetch(integration.source))
    try:
        schedule = _typed(form)
        schedules.check(schedule)
        if request.form.get("act") == "look":
            return _page(integration, form, schedule)
        _keep(integration, schedule, form.version_read())
    except Invalid as refused:
        return _page(integration, form.refuse(refused), {}, 422)
    except Stale as stale:
        fresh = _find(source_id, kind)
        form.keep(stale, fresh.version, {"how": _said(fresh.schedule)})
        return _page(fresh, form, schedule, 409)
    return saved(
        steps.onward(integration.source, kind) if _adding(integration) else url_for("schedule.edit", source_id=source_id, kind=kind)
    )


def _keep(integration: Any, schedule: Mapping[str, Any], version: int) -> None:
    kept = schedules.save(integration, schedule, version, g.user.email)
    if _adding(integration):
        secondary.mark(kept, "schedule")


def _adding(integration: Any) -> bool:
    """Whether this is a step of adding Get Inventory Secondary."""
    return bool(integration.kind == sources.SECONDARY and not integration.enabled)


@blueprint.post("/integrations/<kind>/pause")
@guards.signed_in
@guards.once
def pause(source_id: str, kind: str) -> Response:
    """Pause the integration; with `paused` 0, resume it."""
    integration, title = _find(source_id, kind), sources.INTEGRATION_KINDS.get(kind, "")
    if request.form.get("paused") == "0":
        pausing.resume(integration, g.user.email)
        return saved(url_for("sources.integrations", source_id=source_id), f"{title} runs again.")
    pausing.pause(integration, g.user.email)
    return saved(url_for("sources.integrations", source_id=source_id), f"{title} is paused. Its stock stays as it last came.")


@blueprint.post("/pause")
@guards.signed_in
@guards.once
def pause_source(source_id: str) -> Response:
    """Pause the whole source; with `paused` 0, resume it."""
    source = sources.find(g.merchant, source_id)
    if request.form.get("paused") == "0":
        pausing.resume_source(source, g.user.email)
        return saved(url_for("sources.show", source_id=source_id), f"{source.name} runs again.")
    pausing.pause_source(source, g.user.email)
    return saved(url_for("sources.show", source_id=source_id), f"{source.name} is paused. Its stock stays as it last came.")


def _is_given(integration: Any) -> bool:
    """Whether there is nothing to fetch by a clock; what is sent leaves by one all the same."""
    return integration.kind != "send_orders" and connections.is_given(integration.source)


def _no_fetch(source: Any) -> str:
    return NO_ASKING if connections.is_webhook(source) else NO_FETCH


def _find(source_id: str, kind: str) -> Any:
    integration = sources.integration(sources.find(g.merchant, source_id), kind)
    if kind == sources.SECONDARY:
        secondary.require(integration, "schedule")
    return integration


def _page(integration: Any, form: VersionedForm, schedule: Mapping[str, Any], status: int = 200) -> Response:
    source, zone = integration.source, g.merchant.time_zone
    coming = [(moment, moment_in_words(moment, zone)) for moment in _coming(integration, schedule)]
    return render(
        "schedule/edit.html", "schedule/_form.html", status, source=source, integration=integration, form=form, zone=zone, coming=coming,
        title=sources.INTEGRATION_KINDS[integration.kind], rests=_why_it_rests(integration), kept=schedule == integration.schedule,
        upload=_is_given(integration), no_fetch=_no_fetch(source),
        shortest=schedules.SHORTEST_MINUTES, longest=schedules.LONGEST_MINUTES,
        has_freshness=integration.kind in sources.INVENTORY_KINDS and not _adding(integration), adding=_adding(integration),
        can_pause=integration.enabled and source.state != "draft" and integration.kind in runs.SYNC_KINDS,
    )  # fmt: skip


def _coming(integration: Any, schedule: Mapping[str, Any]) -> list[datetime]:
    """The next three runs: of the saved schedule as they are planned, of one that is new or rests counted from now."""
    planned = integration.next_run_at
    if schedule != integration.schedule or planned is None or _why_it_rests(integration):
        return schedules.next_times(schedule, g.merchant.time_zone)
    return [planned, *schedules.next_times(schedule, g.merchant.time_zone, 2, planned)]


def _why_it_rests(integration: Any) -> str:
    """What keeps the schedule from running; "" when nothing does."""
    if integration.source.state == "draft":
        return "The source is a draft. Its schedule begins when you save the review."
    if integration.source.state == "paused":
        return "The source is paused, so nothing runs by itself. Resume it in its settings."
    if integration.paused:
        return "Paused, so nothing runs by itself."
    if _adding(integration):
        return "Not turned on yet. The schedule begins once you turn it on, in the last step."
    return "" if integration.enabled else "This integration is switched off, so nothing runs by itself."


def _form(integration: Any) -> Any:
    return ScheduleForm.read(**_told(_proposed(integration)), version=str(integration.version))


def _proposed(integration: Any) -> Mapping[str, Any]:
    """The schedule as saved; to begin with every hour, where this is a step that nobody answered yet."""
    unanswered = _adding(integration) and "schedule" not in secondary.done(integration)
    return {"every_minutes": 60} if unanswered else integration.schedule


def _told(schedule: Mapping[str, Any]) -> dict[str, Any]:
    """A schedule as the form shows it; what it does not say starts from something usual."""
    how = "every" if "every_minutes" in schedule else "days" if schedule else "hand"
    days = [str(day) for day in schedule.get("days", range(7))]
    return {"how": how, "every_minutes": str(schedule.get("every_minutes", 60)), "days": days,
            "times": ", ".join(schedule.get("times", ["08:00"]))}  # fmt: skip


def _said(schedule: Mapping[str, Any]) -> str:
    """A schedule in words."""
    if "every_minutes" in schedule:
        return f"Every {schedule['every_minutes']:,} minutes"
    if not schedule:
        return WAYS["hand"]
    return f"{', '.join(schedules.DAYS[day] for day in schedule['days'])} at {', '.join(schedule['times'])}"


def _typed(form: Any) -> dict[str, Any]:
    """The schedule that the form asks for, unchecked. Raises Invalid when it does not say how."""
    how = form.how.data
    if how not in WAYS:
        raise Invalid({"how": "Choose when it runs."})
    if how == "hand":
        return {}
    if how == "every":
        return {"every_minutes": whole_number((form.every_minutes.data or "").strip().replace(",", ""))}
    return calendar_of(form)


def calendar_of(form: Any) -> dict[str, list[Any]]:
    """The days and times that a form's fields `days` and `times` ask for, unchecked."""
    times = [text.zfill(5) for text in re.split(r"[\s,;]+", form.times.data or "") if text]
    return {"days": sorted({whole_number(day) for day in form.days.data or []}), "times": sorted(set(times))}


def moment_in_words(moment: datetime, zone: str) -> str:
    """ "Wednesday 25 Nov, 14:05" on the clock of `zone`."""
    local = moment.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return f"{local:%A} {local.day} {local:%b}, {local:%H:%M}"


def in_words(one: Any) -> str:
    """The saved schedule of an integration: "Every hour", "Mon, Fri at 08:00", "By hand only"."""
    every, days = one.schedule.get("every_minutes"), one.schedule.get("days")
    if every:
        return f"Every {every // 60} h" if every % 60 == 0 and every > 60 else ("Every hour" if every == 60 else f"Every {every} min")
    if days:
        which = "Every day" if len(days) == 7 else ", ".join(schedules.DAYS[day][:3] for day in sorted(days))
        return f"{which} at {', '.join(one.schedule.get('times', []))}"
    return "By hand only"
