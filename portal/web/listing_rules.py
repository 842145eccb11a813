"""The rules of a channel's listings, with a live look at what they make of some products."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, RadioField, SelectField, StringField

from portal import channels
from portal.errors import Invalid, Stale
from portal.listings import preview
from portal.listings import rules as listing_rules
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("listing_rules", __name__)


class RulesForm(VersionedForm):
    """A channel's rules."""

    currency = StringField("Currency", description="Of every price here. Costs in another currency are not used, as nothing is converted")
    cost_of = SelectField("Which cost", choices=listing_rules.COSTS, validate_choice=False)
    mode = RadioField("Made by", choices=listing_rules.MODES, validate_choice=False)
    markup = StringField("How much", description="30 for 30 %, or 1.3 for times 1.3")
    amount = StringField("Plus an amount", description="Such as 2.50 for handling")
    map_floor = BooleanField("Never below MAP", description="The lowest price that a source allows to advertise")
    ending = SelectField("Rounding", choices=listing_rules.ENDINGS, validate_choice=False)
    of = RadioField("Counted from", choices=listing_rules.UNITS, validate_choice=False)
    buffer = StringField("Buffer", description="Units kept back, so that a late feed sells nothing twice")
    cap = StringField("At most", description="Units shown at most")
    backorder = StringField("Backorders", description="Units shown at least, where a source allows backorders")
    prefix = StringField("Before the Master SKU")
    suffix = StringField("After it")
    longest = StringField("Longest Listing SKU", description="Characters that the shop takes")


NAMES = tuple(listing_rules.typed(listing_rules.Rules()))


@blueprint.route("/channels/<channel_id>/listings/rules", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def edit(channel_id: str) -> Response:
    """The rules, and keeping them."""
    channel = channels.find(g.merchant, channel_id)
    form = RulesForm.read(**_kept(channel), version=str(channel.version))
    if request.method != "POST":
        return _page(channel, form)
    try:
        listing_rules.save(channel, listing_rules.judged(_values(form)), form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(channel, form.refuse(refused), 422)
    except Stale as stale:
        fresh = channels.find(g.merchant, channel_id)
        return _page(fresh, form.keep(stale, fresh.version, _kept(fresh)), 409)
    return saved(url_for("listings.index", channel_id=channel_id), "Saved. The rules count at once, for prices and units.")


@blueprint.get("/channels/<channel_id>/listings/rules/look")
@guards.signed_in
def look(channel_id: str) -> Response:
    """What rules as typed would make of some products; keeps nothing."""
    channel = channels.find(g.merchant, channel_id)
    form = RulesForm(request.args if "mode" in request.args else None, **_kept(channel))
    return render("listings/look.html", "listings/_look.html", channel=channel, **_looked(channel, form))


def _kept(channel: Any) -> dict[str, Any]:
    typed = listing_rules.typed(listing_rules.of(channel))
    return {**typed, "map_floor": bool(typed["map_floor"])}


def _values(form: Any) -> dict[str, str]:
    return {name: ("y" if form[name].data else "") if name == "map_floor" else str(form[name].data or "") for name in NAMES}


def _looked(channel: Any, form: Any) -> dict[str, Any]:
    query = request.values.get("sample", "").strip()[:140]
    try:
        rules = listing_rules.judged(_values(form))
    except Invalid as refused:
        return {"samples": [], "wrong": list(refused.errors.values()), "rules": None, "sample": query}
    return {"samples": preview.samples(channel, rules, query), "wrong": [], "rules": rules, "sample": query}


def _page(channel: Any, form: Any, status: int = 200) -> Response:
    return render(
        "listings/rules.html", "listings/_rules.html", status, channel=channel, form=form, tab="rules", kinds=channels.NAMES,
        own_prices=listing_rules.own_prices(channel) if form.currency.errors else 0, **_looked(channel, form),
    )  # fmt: skip
