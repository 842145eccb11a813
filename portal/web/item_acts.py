"""What a person does to items: explain a value, pin it, unpin it, archive and un-archive; and the pins of a source."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import DateTimeLocalField, SelectField, StringField

from portal import sources
from portal.errors import Invalid, Refused
from portal.exclusions import told
from portal.fields import INVENTORY_BY_KEY
from portal.inventory import archiving, browse, explain, pins
from portal.inventory.export import shown
from portal.requests import listing
from portal.web import guards
from portal.web.filters import plural, zone
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("items", __name__)


class PinForm(LedgerForm):
    """A value to keep, until when, and why."""

    column = SelectField("Field", choices=pins.PINNABLE, default="quantity", validate_choice=False)
    value = StringField("Value to keep", description="As you would read it, such as 0 or 12.50")
    until = DateTimeLocalField(
        "Until", format=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"], description="Your time zone. Empty: until you take it off"
    )
    note = StringField("Note", description="Why, for whoever reads it later")


@blueprint.get("/inventory/<item_id>/explanation/<column>")
@guards.signed_in
def explanation(item_id: str, column: str) -> Response:
    """Why one value is what it is."""
    item = browse.find(g.merchant, item_id)
    return render(
        "items/explanation.html", item=item, source=item.source, why=explain.of(item, column), pinnable=pins.PINNABLE,
        feed_names=sources.INTEGRATION_KINDS, stock=listing.available_of(item), kept=told.of(item),
    )  # fmt: skip


@blueprint.get("/inventory/<item_id>/pin")
@guards.signed_in
def pin(item_id: str) -> Response:
    """The form for a pin."""
    item = browse.find(g.merchant, item_id)
    column = request.args.get("column", "")
    column = column if column in pins.PINNABLE else "quantity"
    return _pin_page(item, PinForm(column=column, value=shown(column, getattr(item, column))))


@blueprint.post("/inventory/<item_id>/pin")
@guards.signed_in
@guards.once
def save_pin(item_id: str) -> Response:
    """Keep a value from now on."""
    item, form = browse.find(g.merchant, item_id), PinForm.read()
    try:
        pins.pin(item, form.column.data or "", form.value.data or "", form.note.data or "", _until(form), g.user.email)
    except Invalid as invalid:
        return _pin_page(item, form.refuse(invalid), 422)
    except Refused as refused:
        return _pin_page(item, form.refuse(refused), 409)
    return saved(url_for("inventory.show", item_id=item_id), f"{pins.PINNABLE[form.column.data]} is pinned. Feeds do not change it.")


@blueprint.post("/inventory/<item_id>/pin/<column>/end")
@guards.signed_in
@guards.once
def unpin(item_id: str, column: str) -> Response:
    """Take a pin off."""
    item = browse.find(g.merchant, item_id)
    restored = pins.unpin(item, column, g.user.email)
    label = pins.PINNABLE[column]
    words = f"{label} is as before the pin." if restored else f"{label} stays as it is until the next feed is read."
    return saved(url_for("inventory.show", item_id=item_id), words)


@blueprint.get("/sources/<source_id>/pins")
@guards.signed_in
def of_source(source_id: str) -> Response:
    """Every pinned value of a source."""
    source = sources.find(g.merchant, source_id)
    found, following = pins.of_source(source, max(0, request.args.get("after", 0, type=int)))
    next_url = url_for("items.of_source", source_id=source_id, after=following) if following else ""
    rows = [(one, INVENTORY_BY_KEY[one.column].label, shown(one.column, one.value)) for one in found]
    return render("items/pins.html", source=source, tab="inventory", rows=rows, next_url=next_url, total=pins.count(source))


@blueprint.post("/inventory/archived")
@guards.signed_in
@guards.once
def archive() -> Response:
    """Archive the chosen items, or offer them again."""
    chosen, act = request.form.getlist("item"), request.form.get("act", "")
    back = guards.local_path(request.form.get("back"))
    try:
        if act == "unarchive":
            done = archiving.unarchive(g.merchant, chosen, g.user.email)
            words = f"{plural(done, 'item')} un-archived. A quantity that is not known stays 0 until the next feed."
        else:
            done = archiving.archive(g.merchant, chosen, g.user.email)
            words = f"{plural(done, 'item')} archived. Their quantity is 0."
    except Invalid as invalid:
        raise Refused(f"{invalid.errors['item']} Nothing was changed.") from invalid
    return saved(back, words)


def _until(form: PinForm) -> datetime | None:
    """The typed moment as naive UTC. Raises Invalid for a text that is none."""
    if form.until.data is None:
        if any(text.strip() for text in form.until.raw_data or []):
            raise Invalid({"until": "Enter a date and a time, such as 2026-12-01 08:00."})
        return None
    return form.until.data.replace(tzinfo=zone()).astimezone(UTC).replace(tzinfo=None)


def _pin_page(item: Any, form: Any, status: int = 200) -> Response:
    return render("items/pin.html", "items/_pin.html", status, item=item, source=item.source, form=form)
