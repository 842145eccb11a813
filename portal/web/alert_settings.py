"""What is watched and who is told: the rules of the workspace, its webhook, and each person's own choice."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, HiddenField, RadioField, SelectField, SelectMultipleField, StringField

from portal import clock, sources
from portal.alerts import settings, wishes
from portal.alerts.rules import LEVELS, QUIET_CHOICES, RULES, label
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.web import filters, guards
from portal.web.forms import VersionedForm
from portal.web.render import go, render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("alert_settings", __name__)
HOURS = {str(hour): f"{hour:02d}:00" for hour in range(24)}


class RuleForm(VersionedForm):
    """One rule: on or off, its limit, its cool-down, and the sources that are left out."""

    rule = HiddenField()
    on = BooleanField("Watch for this")
    over = SelectField("Tell when it is past", validate_choice=False)
    quiet = SelectField("Cool-down", validate_choice=False)
    left_out = SelectMultipleField("Leave out these sources", validate_choice=False)


class HookForm(VersionedForm):
    """Where alerts are posted to."""

    hook_url = StringField("Address", description="Begins with https://. Empty: nothing is posted")
    hook_level = RadioField(
        "Post", choices={"action": "Action needed only", "warning": "And warnings", "news": "Everything"}, validate_choice=False
    )


class WishForm(VersionedForm):
    """How one person is told, by level."""

    action = SelectField("Action needed", choices=wishes.WAYS, validate_choice=False)
    warning = SelectField("Warnings", choices=wishes.WAYS, validate_choice=False)
    news = SelectField("News", choices=wishes.WAYS, validate_choice=False)
    hour = SelectField("Hour of the daily e-mail", choices=HOURS, validate_choice=False)


@blueprint.get("/alerts/rules")
@guards.signed_in
def index() -> Response:
    """Every rule with what it watches for, and whether it is on."""
    now = settings.of(g.merchant)
    known = [(key, rule, settings.of_rule(now, key)) for key, rule in RULES.items() if _shown(key)]
    return render("alerts/rules.html", known=known, label=label, levels=LEVELS)


@blueprint.get("/alerts/rules/edit")
@guards.signed_in
def edit() -> Response:
    """One rule, named in the query."""
    if "rule" not in request.args:
        return go(url_for("alert_settings.index"))
    return _rule_page(_rule_form(request.args["rule"]))


@blueprint.post("/alerts/rules/edit")
@guards.signed_in
@guards.once
def save() -> Response:
    """Keep one rule."""
    key = request.form.get("rule", "")
    form = _rule_form(key)
    chosen = {
        "on": bool(form.on.data), "over": whole_number(form.over.data or "") if RULES[key].choices else 0,
        "quiet": whole_number(form.quiet.data or ""), "not": list(form.left_out.data or ()),
    }  # fmt: skip
    try:
        settings.save_rule(g.merchant, key, chosen, form.version_read(), g.user.email)
    except Invalid as refused:
        named = {"not": "left_out"}
        return _rule_page(form.refuse(Invalid({named.get(name, name): words for name, words in refused.errors.items()})), 422)
    except Stale as stale:
        return _rule_page(form.keep(stale, settings.of(g.merchant).version, {}), 409)
    return saved(url_for("alert_settings.index"))


@blueprint.get("/alerts/webhook")
@guards.signed_in
def hook() -> Response:
    """The address that alerts are posted to, and the secret that they are signed with."""
    return _hook_page(_hook_form())


@blueprint.post("/alerts/webhook")
@guards.signed_in
@guards.once
def save_hook() -> Response:
    """Keep the address and the least level."""
    form = _hook_form()
    try:
        settings.save_hook(g.merchant, form.hook_url.data or "", form.hook_level.data or "", form.version_read(), g.user.email)
    except Invalid as refused:
        return _hook_page(form.refuse(refused), 422)
    except Stale as stale:
        now = settings.of(g.merchant)
        return _hook_page(form.keep(stale, now.version, {"hook_url": now.hook_url, "hook_level": now.hook_level}), 409)
    return saved(url_for("alert_settings.hook"))


@blueprint.post("/alerts/webhook/secret")
@guards.signed_in
@guards.once
def make_secret() -> Response:
    """A new secret for signing, shown once on this very answer."""
    text = settings.make_secret(g.merchant, g.user.email)
    response = _hook_page(_kept_hook(), secret=text)
    response.headers["Cache-Control"] = "no-store"
    return response


@blueprint.post("/alerts/webhook/tests")
@guards.signed_in
@guards.once
def test() -> Response:
    """Post a test."""
    try:
        problem = settings.test_hook(g.merchant)
    except Refused as refused:
        return _hook_page(_kept_hook().refuse(refused), 422)
    notice = f"It was not taken. {problem}" if problem else f"Taken at {filters.saved_now().removeprefix('Saved ')}."
    return saved(url_for("alert_settings.hook"), notice)


@blueprint.get("/profile/alerts")
@guards.signed_in
def mine() -> Response:
    """How this person is told; every e-mail links here."""
    return _wish_page(_wish_form())


@blueprint.post("/profile/alerts")
@guards.signed_in
@guards.once
def save_mine() -> Response:
    """Keep it."""
    form = _wish_form()
    ways = {level: str(form[level].data or "") for level in LEVELS}
    try:
        wishes.save(g.user, ways, whole_number(form.hour.data or ""), form.version_read())
    except Invalid as refused:
        return _wish_page(form.refuse(refused), 422)
    except Stale as stale:
        now = wishes.of(g.user)
        return _wish_page(form.keep(stale, now.version, {level: wishes.WAYS[getattr(now, level)] for level in LEVELS}), 409)
    return saved(url_for("alert_settings.mine"))


def _shown(rule: str) -> bool:
    return RULES[rule].per != "installation" or bool(g.user.is_staff)


def _rule_form(key: str) -> Any:
    """The form of a rule. Raises NotFound for what is none."""
    if key not in RULES or not _shown(key):
        raise NotFound("rule")
    rule, now = RULES[key], settings.of(g.merchant)
    kept = settings.of_rule(now, key)
    form = RuleForm.read(
        rule=key, on=kept["on"], over=str(kept["over"]), quiet=str(kept["quiet"]), left_out=kept["not"], version=str(now.version)
    )
    form.over.choices = {str(one): label(one, rule).capitalize() for one in rule.choices}
    form.quiet.choices = {str(one): f"{one} hour{'' if one == 1 else 's'}" for one in QUIET_CHOICES}
    form.left_out.choices = {one.public_id: one.name for one in sources.listing(g.merchant)}
    return form


def _rule_page(form: Any, status: int = 200) -> Response:
    key = str(form.rule.data)
    return render("alerts/rule.html", "alerts/_rule.html", status, form=form, key=key, rule=RULES[key], levels=LEVELS)


def _hook_form() -> Any:
    now = settings.of(g.merchant)
    return HookForm.read(hook_url=now.hook_url, hook_level=now.hook_level, version=str(now.version))


def _kept_hook() -> Any:
    """The form as it is kept, whatever was posted."""
    now = settings.of(g.merchant)
    return HookForm(hook_url=now.hook_url, hook_level=now.hook_level, version=str(now.version))


def _hook_page(form: Any, status: int = 200, secret: str = "") -> Response:
    return render("alerts/webhook.html", "alerts/_webhook.html", status, form=form, kept=settings.of(g.merchant), secret=secret)


def _wish_form() -> Any:
    now = wishes.of(g.user)
    return WishForm.read(**{level: getattr(now, level) for level in LEVELS}, hour=str(now.hour), version=str(now.version))


def _wish_page(form: Any, status: int = 200) -> Response:
    now = wishes.of(g.user)
    return render(
        "alerts/mine.html", "alerts/_mine.html", status, form=form, can_mail=wishes.can_mail(), zone=filters.zone().key,
        next_digest=wishes.next_digest(now, g.user, clock.now()),
    )  # fmt: skip
