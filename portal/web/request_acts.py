"""What a person does to one request: the supplier's answer by hand, cancel, void, another number. Each on a page of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, StringField

from portal.errors import Invalid, Refused
from portal.requests import answers, listing, process
from portal.requests.answers import Answer, Origin
from portal.requests.counts import BUCKETS
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved
from portal.web.typed import whole_number

blueprint = Blueprint("request_acts", __name__, url_prefix="/requests/<request_id>")

FREED = {"fill": "They can be routed again, to another source", "kill": "They are cancelled at the order too"}
NOT_A_NUMBER = "Enter whole numbers, 0 or more."


class QuantitiesForm(LedgerForm):
    """What is answered, canceled or voided; the quantities of lines are read beside it."""

    their_id = StringField("Their number for it")
    fill = RadioField("What becomes of units that they will not ship", choices=FREED, default="fill")
    reason = StringField("Reason")
    confirmed = BooleanField("The supplier confirmed that it will not ship")


class NumberForm(LedgerForm):
    """Another number."""

    number = StringField("Number")


@blueprint.route("/acknowledgement", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def acknowledge(request_id: str) -> Response:
    """What the supplier answered, line by line."""
    one, form = listing.find(g.merchant, request_id), QuantitiesForm.read()
    lines = listing.lines(one)
    typed = {line.public_id: (_typed(f"accept-{line.public_id}", line.open), _typed(f"reject-{line.public_id}", 0)) for line in lines}
    if request.method != "POST":
        return _page("acknowledge", one, lines, form, typed)
    try:
        told = [_answer(line, *typed[line.public_id], form.reason.data or "") for line in lines if any(typed[line.public_id])]
        _need(told)
        done = answers.acknowledge(one, told, origin=_me(), fill=form.fill.data != "kill", their_id=(form.their_id.data or "").strip())
    except (Invalid, Refused) as refused:
        return _page("acknowledge", one, lines, form.refuse(refused), typed, 422)
    canceled = f", {done.cancelled:,} canceled" if done.cancelled else ""
    return saved(url_for("requests.show", request_id=request_id), f"{done.accepted:,} accepted{canceled}.")


@blueprint.route("/cancellation", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def cancel(request_id: str) -> Response:
    """The supplier will not ship."""
    return _take("cancel", request_id)


@blueprint.route("/void", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def void(request_id: str) -> Response:
    """We withdraw it."""
    return _take("void", request_id)


@blueprint.route("/number", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def number(request_id: str) -> Response:
    """Give it another number."""
    one = listing.find(g.merchant, request_id)
    form = NumberForm.read(number=one.number)
    if request.method == "POST":
        try:
            fresh = process.renumber(one, form.number.data or "", g.user.email)
            return saved(url_for("requests.show", request_id=request_id), f"It is {fresh.number} now, and waits for Process.")
        except (Invalid, Refused) as refused:
            form.refuse(refused)
    return render("requests/number.html", "requests/_number.html", 422 if request.method == "POST" else 200, one=one, form=form)


def _take(act: str, request_id: str) -> Response:
    one, form = listing.find(g.merchant, request_id), QuantitiesForm.read()
    lines = listing.lines(one)
    typed = {line.public_id: (_typed(f"take-{line.public_id}", line.open + line.acknowledged), 0) for line in lines}
    if request.method != "POST":
        return _page(act, one, lines, form, typed)
    try:
        units = {name: pair[0] for name, pair in typed.items() if pair[0]}
        _need(units)
        fill, reason = form.fill.data != "kill", (form.reason.data or "").strip()
        if act == "void":
            done = answers.void(one, units, who=g.user.email, confirmed=bool(form.confirmed.data), fill=fill, reason=reason)
        else:
            done = answers.cancel(one, units, origin=_me(), fill=fill, reason=reason)
    except (Invalid, Refused) as refused:
        return _page(act, one, lines, form.refuse(refused), typed, 422)
    word = "voided" if act == "void" else "canceled"
    left = "They can be routed again." if fill else "They are cancelled at the order too."
    return saved(url_for("requests.show", request_id=request_id), f"{done.cancelled:,} {word}. {left}")


def _typed(name: str, otherwise: int) -> int:
    """A quantity as typed; `otherwise` on a GET. Below 0: not a number."""
    return whole_number(request.form.get(name, "0").strip().replace(",", "") or "0") if request.method == "POST" else otherwise


def _need(told: Any) -> None:
    """Raises Invalid where nothing was typed, or something that is no number."""
    if not told:
        raise Invalid({"quantities": "Enter the quantity of at least one line. Nothing was changed."})
    quantities = told.values() if isinstance(told, Mapping) else [units for one in told for units in (one.accepted or 0, one.rejected or 0)]
    if min(quantities) < 0:
        raise Invalid({"quantities": NOT_A_NUMBER})


def _answer(line: Any, accepted: int, rejected: int, reason: str) -> Answer:
    """What was typed for a line, which is beside what was answered before, as totals."""
    if min(accepted, rejected) < 0:
        raise Invalid({"quantities": NOT_A_NUMBER})
    before = line.acknowledged + line.shipped
    return Answer(
        line=line.public_id, accepted=before + accepted, rejected=line.cancelled + rejected if rejected else None, reason=reason.strip()
    )  # fmt: skip


def _me() -> Origin:
    return Origin("person", g.user.email)


def _page(act: str, one: Any, lines: list[Any], form: LedgerForm, typed: Mapping[str, tuple[int, int]], status: int = 200) -> Response:
    return render(
        f"requests/{act}.html", "requests/_quantities.html", status, one=one, source=one.source, lines=lines, form=form, act=act,
        typed=typed, buckets=BUCKETS, may_be_there=answers.may_be_there(one),
    )  # fmt: skip
