"""One order: its lines and where they went, its address, hold, note, cancel, and routing it now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, g, url_for
from wtforms import StringField, TextAreaField

import tasks
from portal import channels, orders, routing
from portal.channels import notices, telling
from portal.errors import Invalid, Refused, Stale
from portal.orders import addresses, changing, listing, reading
from portal.orders.intake import CAME_BY
from portal.requests.states import SENDING, SHIPPED
from portal.requests.states import STATES as REQUEST_STATES
from portal.web import filters, guards
from portal.web.channels import LOOKS as TELLING_LOOKS
from portal.web.forms import VersionedForm
from portal.web.order_list import LOOKS
from portal.web.render import render, saved

blueprint = Blueprint("order", __name__)

TYPED = ("name", "company", "address_1", "address_2", "city", "state", "postal", "country", "email", "phone")
"""The address fields that a person types; codes and the parts of a name follow from them."""
LABELS = {"state": "State or province", "country": "Country"}


class AddressForm(VersionedForm):
    """Where an order goes."""

    name = StringField("Name")
    company = StringField("Company")
    address_1 = StringField("Address line 1")
    address_2 = StringField("Address line 2")
    city = StringField("City")
    state = StringField("State or province", description="Name or code, such as Maine or ME")
    postal = StringField("Postal code")
    country = StringField("Country", description="English name or two letters, such as US")
    email = StringField("Email")
    phone = StringField("Phone")

    def typed(self) -> dict[str, str]:
        """What was typed."""
        return {name: self[name].data or "" for name in TYPED}

    def show(self, problems: addresses.Problems) -> AddressForm:
        """Put the problems of an address at their fields."""
        at = {one["field"].removesuffix("_code"): one["words"] for one in problems}
        self.refuse(Invalid({"name" if key in ("first_name", "last_name") else key: words for key, words in at.items()}))
        return self


class NoteForm(VersionedForm):
    """The note of an order."""

    note = TextAreaField("Note", description="It goes with each request that is sent from now on. At most 500 characters")


class ActForm(VersionedForm):
    """A button that changes an order."""


@blueprint.get("/orders/<order_id>")
@guards.signed_in
def show(order_id: str) -> Response:
    """The order and all that became of it."""
    return _page(orders.find(g.merchant, order_id))


@blueprint.get("/orders/<order_id>/address")
@guards.signed_in
def address(order_id: str) -> Response:
    """The form for the address, with what is wrong at its fields."""
    order = orders.find(g.merchant, order_id)
    form = AddressForm(version=str(order.version), data={name: order.ship_to.get(name, "") for name in TYPED})
    return _address_page(order, form.show(order.problems))


@blueprint.post("/orders/<order_id>/address")
@guards.signed_in
@guards.once
def save_address(order_id: str) -> Response:
    """Keep the address; an order that waited for it goes on."""
    order, form = orders.find(g.merchant, order_id), AddressForm.read()
    problems = addresses.normalise(form.typed())[1]
    if problems:
        return _address_page(order, form.show(problems), 422)
    try:
        changing.set_address(order, form.typed(), form.version_read(), g.user.email)
    except (Invalid, Refused) as error:
        return _address_page(order, form.refuse(error), 422)
    except Stale as error:
        order = orders.find(g.merchant, order_id)
        form.keep(error, order.version, {name: order.ship_to.get(name, "") for name in TYPED})
        return _address_page(order, form, 409)
    tasks.ring_if_it_works()
    return saved(url_for("order.show", order_id=order_id))


@blueprint.get("/orders/<order_id>/note")
@guards.signed_in
def note(order_id: str) -> Response:
    """The form for the note."""
    order = orders.find(g.merchant, order_id)
    return _note_page(order, NoteForm(data={"note": order.note, "version": str(order.version)}))


@blueprint.post("/orders/<order_id>/note")
@guards.signed_in
@guards.once
def save_note(order_id: str) -> Response:
    """Keep the note."""
    order, form = orders.find(g.merchant, order_id), NoteForm.read()
    try:
        changing.set_note(order, form.note.data or "", form.version_read(), g.user.email)
    except Invalid as error:
        return _note_page(order, form.refuse(error), 422)
    except Stale as error:
        order = orders.find(g.merchant, order_id)
        return _note_page(order, form.keep(error, order.version, {"note": order.note}), 409)
    return saved(url_for("order.show", order_id=order_id))


@blueprint.post("/orders/<order_id>/hold")
@guards.signed_in
@guards.once
def hold(order_id: str) -> Response:
    """Route nothing more of it until it is released."""
    return _done(order_id, changing.hold, "On hold. Nothing more of it is routed until you release it.")


@blueprint.post("/orders/<order_id>/release")
@guards.signed_in
@guards.once
def release(order_id: str) -> Response:
    """Let it be routed again."""
    answer = _done(order_id, changing.release, "Released. It is routed now.")
    tasks.ring_if_it_works()
    return answer


@blueprint.post("/orders/<order_id>/routing")
@guards.signed_in
@guards.once
def route(order_id: str) -> Response:
    """Route what is not at a source, now; sources from which it came back may be asked again."""
    routed = routing.route(orders.find(g.merchant, order_id), g.user.email, again=True)
    tasks.ring_if_it_works()
    return saved(url_for("order.show", order_id=order_id), routed.words)


@blueprint.get("/orders/<order_id>/cancellation")
@guards.signed_in
def cancellation(order_id: str) -> Response:
    """What canceling the order would do, before it is done."""
    order = orders.find(g.merchant, order_id)
    return render("orders/cancel.html", whole=reading.whole(order, filters.zone().key), order=order, form=_act_form(order))


@blueprint.post("/orders/<order_id>/cancellation")
@guards.signed_in
@guards.once
def cancel(order_id: str) -> Response:
    """Cancel the order and withdraw what was not sent."""
    return _done(order_id, changing.cancel, "Order canceled. Nothing of it will be sent.")


def _done(order_id: str, act: Callable[..., Any], words: str) -> Response:
    order = orders.find(g.merchant, order_id)
    act(order, ActForm.read().version_read(), g.user.email)
    return saved(url_for("order.show", order_id=order_id), words)


def _act_form(order: Any) -> ActForm:
    return ActForm(version=str(order.version))


def _page(order: Any) -> Response:
    row = listing.rows([order])[0]
    unrouted = sum(line.unrouted for line in row.lines)
    preview = routing.preview(order, again=True) if unrouted and order.state == "open" else None
    return render(
        "orders/show.html", order=order, row=row, whole=reading.whole(order, filters.zone().key), unrouted=unrouted, preview=preview,
        states=listing.STATES, looks=LOOKS, came_by=CAME_BY, request_states=REQUEST_STATES, sending_states=SENDING, shipped_states=SHIPPED,
        address=addresses.in_lines(order.ship_to), bill_to=addresses.in_lines(order.bill_to), live=order.state in changing.LIVE,
        labels={key: label for key, (label, _) in addresses.FIELDS.items()}, channel=channels.of_order(order),
        told=telling.of_order(order), telling_states=notices.NOTICE_STATES, telling_looks=TELLING_LOOKS,
    )  # fmt: skip


def _address_page(order: Any, form: Any, status: int = 200) -> Response:
    return render("orders/address.html", "orders/_address.html", status, order=order, form=form)


def _note_page(order: Any, form: Any, status: int = 200) -> Response:
    return render("orders/note.html", "orders/_note.html", status, order=order, form=form)
