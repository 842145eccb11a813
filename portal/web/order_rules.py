"""What holds for the requests of one source: their numbers, when they leave, their cancel-after date; and its committed stock."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, SelectField, SelectMultipleField, StringField

from portal import sources
from portal.errors import Invalid, Stale
from portal.requests import ledger, numbering, rules, shipping_codes, windows
from portal.requests.rules import OfSource
from portal.requests.windows import Window
from portal.spoken import DAYS
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved
from portal.web.typed import TypedErrors, whole_number

blueprint = Blueprint("order_rules", __name__, url_prefix="/sources/<source_id>")
COLUMNS = {"code": "Their code", "carrier": "Carrier", "method": "Method"}
SAMPLE = ("#10442/A", "SHOP-77-10442")


class RulesForm(VersionedForm):
    """Numbers, window and dates."""

    begins = RadioField("The number comes from", choices=numbering.FROM)
    before = StringField("Prefix")
    after = StringField("Suffix")
    forbidden = StringField("Characters that they do not take", description="Such as #/ and a space, one after the other")
    instead = StringField("Put in their place", description="One character, or nothing")
    longest = StringField("Longest number that they take", description="Longer ones are flagged, never cut. Empty: any length")
    windowed = BooleanField("Send only at these times")
    days = SelectMultipleField("Days", choices={str(day): name for day, name in enumerate(DAYS)}, validate_choice=False)
    opens = StringField("From", description="Such as 08:00")
    closes = StringField("Until", description="Empty: midnight")
    cut_off = StringField("Cut-off", description="What is processed after it leaves on the next day. Empty: none")
    zone = SelectField("Their time zone", validate_choice=False)
    cancel_after_days = StringField("Cancel after, days", description="Told to them as the last day to ship. Empty: none")


@blueprint.get("/order-rules")
@guards.signed_in
def edit(source_id: str) -> Response:
    """The rules as they are."""
    source = sources.find(g.merchant, source_id)
    return _page(source, _form(source))


@blueprint.post("/order-rules")
@guards.signed_in
@guards.once
def save(source_id: str) -> Response:
    """Keep them for requests that are made from now on."""
    source = sources.find(g.merchant, source_id)
    form = _form(source)
    try:
        rules.save_source(source, _typed(form), form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(source, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.find(g.merchant, source_id)
        form.keep(stale, fresh.version, _values(fresh))
        return _page(fresh, form, 409)
    return saved(url_for("order_rules.edit", source_id=source_id))


@blueprint.get("/committed-stock")
@guards.signed_in
def committed(source_id: str) -> Response:
    """What open requests hold of this source, and what was released and why."""
    source = sources.find(g.merchant, source_id)
    given = {name: request.args.get(name, "").strip() for name in ("which", "q", "after")}
    page = ledger.page(source, "all" if given["which"] == "all" else "held", given["q"], whole_number(given["after"], 0))
    kept = {name: value for name, value in given.items() if value and name != "after"}
    return render(
        "order_rules/committed.html", "order_rules/_committed.html", source=source, found=page, given=given,
        release_after_days=rules.of_workspace(g.merchant).release_after_days,
        next_url=url_for("order_rules.committed", source_id=source_id, after=page.next, **kept) if page.next else "",
    )  # fmt: skip


@blueprint.get("/shipping-methods")
@guards.signed_in
def methods(source_id: str) -> Response:
    """What the channel's ways of shipping are called at this source; what was seen and is not mapped comes first."""
    return _methods(sources.find(g.merchant, source_id), TypedErrors())


@blueprint.post("/shipping-methods")
@guards.signed_in
@guards.once
def save_methods(source_id: str) -> Response:
    """Keep the map; requests that waited for a code go on by themselves where Auto Process is on."""
    source = sources.find(g.merchant, source_id)
    typed = {one.text_key: {name: request.form.get(f"{name}-{one.id}", "") for name in COLUMNS} for one in shipping_codes.listing(source)}
    added = {name: request.form.get(f"{name}-new", "") for name in ("text", *COLUMNS)}
    try:
        shipping_codes.save(source, typed, added, g.user.email)
    except Invalid as refused:
        ids = {one.text_key: str(one.id) for one in shipping_codes.listing(source)} | {"new": "new"}
        parts = [(*at.partition("-"), words) for at, words in refused.errors.items()]
        placed = [(f"{name}-{ids[key]}", words) for name, _, key, words in parts]
        return _methods(source, TypedErrors(placed), 422)
    return saved(url_for("order_rules.methods", source_id=source_id))


def _methods(source: Any, form: TypedErrors, status: int = 200) -> Response:
    rows = shipping_codes.listing(source)
    typed = {
        f"{name}-{one.id}": request.form.get(f"{name}-{one.id}", getattr(one, name)) for one in rows for name in COLUMNS
    } | {f"{name}-new": request.form.get(f"{name}-new", "") for name in ("text", *COLUMNS)}  # fmt: skip
    return render(
        "order_rules/methods.html", "order_rules/_methods.html", status, source=source, form=form, rows=rows, typed=typed, columns=COLUMNS,
        lengths=shipping_codes.LENGTHS, wrong=dict(form.problems()), unmapped=sum(not one.code for one in rows),
    )  # fmt: skip


def methods_in_words(source: Any) -> str:
    """The map in a few words, for the table of settings."""
    rows = shipping_codes.listing(source)
    mapped = sum(bool(one.code) for one in rows)
    left = f"; {len(rows) - mapped:,} seen and not mapped" if len(rows) > mapped else ""
    return f"{mapped:,} mapped{left}" if rows else "None seen yet"


def in_words(source: Any) -> str:
    """The rules in a few words, for the table of settings."""
    now = rules.of_source(source)
    said = [windows.in_words(now.window)]
    if source.order_rules.get("number"):
        said.append("numbers by its own rules")
    if now.cancel_after_days:
        said.append(f"cancel after {now.cancel_after_days:,} days")
    return "; ".join(said)


def _form(source: Any) -> Any:
    form = RulesForm.read(**_values(source), version=str(source.version))
    form.zone.choices = sorted(name for name in available_timezones() if "/" in name or name == "UTC")
    return form


def _values(source: Any) -> dict[str, Any]:
    now = rules.of_source(source)
    window = now.window or Window((0, 1, 2, 3, 4), "08:00", "17:00", "", source.merchant.time_zone)
    number = now.number
    return {
        "begins": number.begins, "before": number.before, "after": number.after, "forbidden": number.forbidden,
        "instead": number.instead, "longest": "" if number.longest is None else str(number.longest), "windowed": now.window is not None,
        "days": [str(day) for day in window.days], "opens": window.opens, "closes": window.closes, "cut_off": window.cut_off,
        "zone": window.zone, "cancel_after_days": "" if now.cancel_after_days is None else str(now.cancel_after_days),
    }  # fmt: skip


def _typed(form: Any) -> OfSource:
    """The rules that the form asks for, unchecked. The prefix and the signs keep their spaces."""
    number = numbering.Rules(
        form.begins.data or "", (form.before.data or "").strip(), (form.after.data or "").strip(), form.forbidden.data or "",
        form.instead.data or "", _number(form.longest),
    )  # fmt: skip
    window = Window(
        tuple(sorted({whole_number(day) for day in form.days.data or []})), (form.opens.data or "").strip() or "00:00",
        (form.closes.data or "").strip(), (form.cut_off.data or "").strip(), form.zone.data or "",
    )  # fmt: skip
    return OfSource(number, window if form.windowed.data else None, _number(form.cancel_after_days))


def _number(field: Any) -> int | None:
    text = (field.data or "").strip().replace(",", "")
    return whole_number(text) if text else None


def _page(source: Any, form: VersionedForm, status: int = 200) -> Response:
    now = rules.of_source(source)
    made = [numbering.make(now.number, *SAMPLE, nth) for nth in (0, 1, 2)]
    return render(
        "order_rules/edit.html", "order_rules/_form.html", status, source=source, form=form, sample=SAMPLE, made=made,
        flagged=any(numbering.too_long(now.number, one) for one in made), words=windows.in_words(now.window),
    )  # fmt: skip
