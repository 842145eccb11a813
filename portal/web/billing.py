"""Billing: the plan and what of it is used, changing it, whom invoices are for, and the invoices."""

from __future__ import annotations

import codecs
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField, TextAreaField

from portal import plans as limits_of
from portal.billing import invoices, money, offers, provider, sheet
from portal.errors import Invalid
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import download, render, saved

blueprint = Blueprint("billing", __name__)


class DetailsForm(LedgerForm):
    """Whom invoices are for."""

    name = StringField("Company", description="As it stands on an invoice. Empty: the name of the workspace")
    address = TextAreaField("Address")
    email = StringField("Email for invoices")
    tax_id = StringField("Tax number")


@blueprint.get("/billing")
@guards.signed_in
def show() -> Response:
    """The plan, what is used of it, the other plans, and the invoices."""
    held = offers.held(g.merchant)
    used = limits_of.usage(g.merchant)
    plans = [(one, offers.over(one, used), offers.choosable(g.merchant, one)) for one in offers.listing()]
    return render(
        "billing/show.html", held=held, limits=limits_of.limits(g.merchant.id), used=used, words=limits_of.DIMENSIONS, plans=plans,
        request_=offers.request_of(g.merchant), periods=offers.periods(g.merchant), months=offers.usage_by_month(g.merchant),
        found=invoices.listing(g.merchant),
        told=money.told, states=invoices.WORDS, details=invoices.details(g.merchant), pays=provider.current().words,
    )  # fmt: skip


@blueprint.get("/billing/change")
@guards.signed_in
def plan() -> Response:
    """What changing to a plan means, before anything is changed."""
    found = offers.find(request.args.get("plan") or next((one.slug for one in offers.listing()), ""))
    return render(
        "billing/plan.html", plan=found, held=offers.held(g.merchant), words=limits_of.DIMENSIONS,
        over=offers.over(found, limits_of.usage(g.merchant)),
        reason=offers.choosable(g.merchant, found), told=money.told, changes=offers.CHANGES,
    )  # fmt: skip


@blueprint.post("/billing/change")
@guards.signed_in
@guards.once
def choose() -> Response:
    """Change to a plan, or ask for it, as the operator allows."""
    found = offers.find(request.form.get("plan", ""))
    now = offers.choose(g.merchant, found, g.user.email)
    words = f"You are on {found.name} from today." if now else f"You asked for {found.name}. Nothing changes until the operator agrees."
    return saved(url_for("billing.show"), words)


@blueprint.post("/billing/request/end")
@guards.signed_in
@guards.once
def take_back() -> Response:
    """Take back what was asked for."""
    done = offers.settle(g.merchant, "withdrawn", g.user.email)
    return saved(url_for("billing.show"), "You took back what you asked for." if done else "Nothing was asked for any more.")


@blueprint.route("/billing/details", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def details() -> Response:
    """Whom invoices are for."""
    form = DetailsForm.read(obj=invoices.details(g.merchant))
    if form.name.raw_data is None:
        return render("billing/details.html", form=form)
    try:
        typed = (form.name.data or "", form.address.data or "", form.email.data or "", form.tax_id.data or "")
        invoices.save_details(g.merchant, *typed, g.user.email)
    except Invalid as refused:
        return render("billing/details.html", "billing/_details.html", 422, form=form.refuse(refused))
    return saved(url_for("billing.show"))


@blueprint.get("/billing/invoices/<invoice_id>")
@guards.signed_in
def invoice(invoice_id: str) -> Response:
    """One invoice as it was issued, and how it stands."""
    found = invoices.standing(invoices.find(g.merchant, invoice_id))
    return render(
        "billing/invoice.html", one=found, invoice=found.invoice, told=money.told, states=invoices.WORDS, title_of=sheet.title_of,
        rate=sheet.rate_of(found.invoice),
    )  # fmt: skip


@blueprint.get("/billing/invoices/<invoice_id>/file.pdf")
@guards.signed_in
def pdf(invoice_id: str) -> Response:
    """The invoice as a PDF."""
    found = invoices.find(g.merchant, invoice_id)
    return download(sheet.pdf(found), f"{found.name}.pdf", sheet.PDF)


@blueprint.get("/billing/invoices/<invoice_id>/lines.csv")
@guards.signed_in
def lines(invoice_id: str) -> Response:
    """The lines of one invoice as CSV."""
    found = invoices.find(g.merchant, invoice_id)
    return _csv([invoices.standing(found)], f"{found.name}.csv")


@blueprint.get("/billing/invoices.csv")
@guards.signed_in
def every() -> Response:
    """The lines of all invoices as CSV."""
    return _csv(invoices.listing(g.merchant, 10_000), "invoices.csv")


def _csv(found: Any, name: str) -> Response:
    return download(codecs.BOM_UTF8 + "".join(invoices.csv(found)).encode(), name)
