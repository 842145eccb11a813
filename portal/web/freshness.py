"""When a file counts as late: the rule of one Get Inventory, the next three expected-by times, and the times it was late."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, SelectMultipleField, StringField

from portal import clock, connections, freshness, lateness, ribbon, source_status, sources, spoken
from portal.errors import Invalid, Stale
from portal.freshness import Rule
from portal.web import filters, guards, schedule
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("freshness", __name__, url_prefix="/sources/<source_id>/integrations/<kind>/freshness")
SHOWN = 10


class FreshnessForm(VersionedForm):
    """By the schedule, by age, or by days and times of the workspace's clock; and what comes on top."""

    expected = RadioField("A file counts as late", choices=freshness.EXPECTED, validate_choice=False)
    hours = StringField("Hours after the last accepted file")
    days = SelectMultipleField("Days", choices=schedule.DAY_CHOICES, validate_choice=False)
    times = StringField("Times")
    grace_minutes = StringField("Minutes of grace on top")
    same_file = BooleanField("The same file again does not count as fresh")


@blueprint.get("")
@guards.signed_in
def edit(source_id: str, kind: str) -> Response:
    """The rule, and what it gives now."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    return _page(integration, _form(integration), freshness.rule(integration))


@blueprint.post("")
@guards.signed_in
@guards.once
def save(source_id: str, kind: str) -> Response:
    """Keep the rule, or only show the times it would give (`act` "look")."""
    integration = sources.inventory_feed(g.merchant, source_id, kind)
    form = _form(integration)
    chosen = _typed(form)
    try:
        freshness.check(chosen)
        if request.form.get("act") == "look":
            return _page(integration, form, chosen)
        freshness.save(integration, chosen, form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(integration, form.refuse(refused), None, 422)
    except Stale as stale:
        fresh = sources.inventory_feed(g.merchant, source_id, kind)
        form.keep(stale, fresh.version, {"expected": in_words(freshness.rule(fresh))})
        return _page(fresh, form, chosen, 409)
    return saved(url_for("freshness.edit", source_id=source_id, kind=kind))


def in_words(rule: Rule) -> str:
    """The rule as a setting's value: "By the schedule", "At most 2 h old", "By 08:00 every day"."""
    grace = f", and {rule.grace_minutes} min" if rule.grace_minutes else ""
    if rule.expected == "hours":
        return f"At most {rule.hours:,} h old{grace}"
    if rule.expected == "times":
        return f"By {spoken.series(rule.times)}, {spoken.days(rule.days)}{grace}"
    return f"By the schedule{grace}"


def _page(integration: Any, form: Any, chosen: Rule | None, status: int = 200) -> Response:
    source, zone, now = integration.source, filters.zone().key, clock.now()
    coming = freshness.coming(integration, chosen, now) if chosen else []
    standing = source_status.of(source, zone).feeds[integration.id]
    return render(
        "freshness/edit.html", "freshness/_form.html", status, source=source, integration=integration, form=form, standing=standing,
        title=sources.INTEGRATION_KINDS[integration.kind], kept=chosen == freshness.rule(integration),
        upload=bool(source.supplier) and connections.is_upload(source),
        coming=[(moment, schedule.moment_in_words(moment, g.merchant.time_zone)) for moment in coming], zone=g.merchant.time_zone,
        schedule=schedule.in_words(integration), rests=not freshness.is_expected(integration, chosen), longest=freshness.LONGEST_HOURS,
        late=[ribbon.in_words(period, zone) for period in lateness.periods([integration.id], most=SHOWN)],
    )  # fmt: skip


def _form(integration: Any) -> Any:
    rule = freshness.rule(integration)
    return FreshnessForm.read(
        expected=rule.expected, hours=str(rule.hours), days=[str(day) for day in rule.days], times=", ".join(rule.times),
        grace_minutes=str(rule.grace_minutes), same_file=not rule.same_file_counts, version=str(integration.version),
    )  # fmt: skip


def _typed(form: Any) -> Rule:
    """The rule that the form asks for, unchecked."""
    calendar = schedule.calendar_of(form)
    return Rule(
        expected=form.expected.data or "",
        hours=whole_number((form.hours.data or "").strip().replace(",", "")),
        days=tuple(calendar["days"]),
        times=tuple(calendar["times"]),
        grace_minutes=whole_number((form.grace_minutes.data or "").strip().replace(",", "") or "0"),
        same_file_counts=not form.same_file.data,
    )
