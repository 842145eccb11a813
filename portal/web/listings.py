"""Listings of a channel: the list, one with how its numbers come about, listing a product, and taking it off."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

from portal import channels
from portal.catalogue import products
from portal.errors import Invalid, Refused, Stale
from portal.listings import browse, detail, editing, leaving, reckoning
from portal.listings import rules as listing_rules
from portal.pushing import story
from portal.web import guards
from portal.web.forms import LedgerForm, VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("listings", __name__)

LOOKS = {"live": "ok", "paused": "paused", "ended": "stopped"}
ACTS = {"live": "Make live", "paused": "Pause", "ended": "End"}
TOLD = {
    "live": "It is live.", "paused": "It is paused: the channel is told 0 units.",
    "ended": "It is ended: the channel is told 0 units for 7 days, then it leaves the file.",
}  # fmt: skip


class NewForm(LedgerForm):
    """A product on a channel."""

    product = StringField("Master SKU", description="Of the product that you want to sell there")
    sku = StringField("Listing SKU", description="Empty: by the channel's rule")


class OwnForm(VersionedForm):
    """What a listing says itself. Empty: the channel's rule counts."""

    sku = StringField("Listing SKU", description="Empty: by the channel's rule. A shop knows the listing by it")
    title = StringField("Title")
    price = StringField("Price", description="Fixed, as it is: no MAP, no rounding. Empty: by the rule")
    buffer = StringField("Buffer", description="Units kept back")
    cap = StringField("At most", description="Units shown at most")


@blueprint.get("/channels/<channel_id>/listings")
@guards.signed_in
def index(channel_id: str) -> Response:
    """What the channel offers, found and narrowed."""
    channel = channels.find(g.merchant, channel_id)
    asked = {name: request.args.get(name, "").strip()[:160] for name in ("q", "by", "show", "after")}
    found = browse.page(channel, asked["q"], asked["by"], asked["show"], asked["after"])
    more: dict[str, Any] = {"q": asked["q"] or None, "by": found.by if asked["q"] else None, "show": asked["show"] or None}
    rules = listing_rules.of(channel)
    return render(
        "listings/index.html", "listings/_list.html", channel=channel, found=found, asked=asked, kinds=channels.NAMES, tab="listings",
        rules=rules, in_words=listing_rules.in_words(rules), counts=editing.counts(channel), told=editing.in_words, choices=browse.CHOICES,
        ways=browse.BY, looks=LOOKS, states=editing.STATES, stands=story.of_page(channel, [one.id for one in found.rows]),
        any_products=any(asked.values()) or bool(found.rows) or editing.any_products(g.merchant),
        next_url=url_for("listings.index", channel_id=channel_id, **more, after=found.following) if found.following else "",
        first_url=url_for("listings.index", channel_id=channel_id, **more) if asked["after"] else "",
    )  # fmt: skip


@blueprint.route("/channels/<channel_id>/listings/new", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def add(channel_id: str) -> Response:
    """List a product; `?product=` names its Master SKU."""
    channel = channels.find(g.merchant, channel_id)
    form = NewForm.read(product=request.args.get("product", "")[:140])
    page: dict[str, Any] = {"channel": channel, "form": form, "rule": listing_rules.of(channel).sku}
    if request.method != "POST":
        return render("listings/new.html", **page)
    try:
        product = products.of_sku(g.merchant, form.product.data or "")
        made = editing.create(channel, product, form.sku.data or "", g.user.email)
    except Invalid as refused:
        named = {"product": refused.errors["sku"]} if "product with the Master SKU" in refused.errors.get("sku", "") else refused.errors
        form.refuse(Invalid(named))
        return render("listings/new.html", "listings/_new.html", 422, **page)
    return saved(url_for("listings.show", channel_id=channel_id, listing_id=made.public_id), f"{made.sku} is listed.")


@blueprint.route("/channels/<channel_id>/listings/<listing_id>", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def show(channel_id: str, listing_id: str) -> Response:
    """One listing: its numbers as equations, and what it says itself."""
    channel = channels.find(g.merchant, channel_id)
    listing = editing.find(channel, listing_id)
    form = OwnForm.read(**_typed(listing), version=str(listing.version))
    if request.method != "POST":
        return _page(channel, listing, form)
    values = {name: str(form[name].data or "") for name in _typed(listing)}
    try:
        editing.change(listing, values, form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(channel, listing, form.refuse(refused), 422)
    except Stale as stale:
        fresh = editing.find(channel, listing_id)
        return _page(channel, fresh, form.keep(stale, fresh.version, _typed(fresh)), 409)
    return saved(url_for("listings.show", channel_id=channel_id, listing_id=listing_id))


@blueprint.post("/channels/<channel_id>/listings/<listing_id>/state")
@guards.signed_in
@guards.once
def put(channel_id: str, listing_id: str) -> Response:
    """Live, paused or ended."""
    channel = channels.find(g.merchant, channel_id)
    state = request.form.get("state", "")
    editing.put(editing.find(channel, listing_id), state, g.user.email)
    return saved(url_for("listings.show", channel_id=channel_id, listing_id=listing_id), TOLD[state])


@blueprint.route("/channels/<channel_id>/listings/<listing_id>/withdrawal", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def removal(channel_id: str, listing_id: str) -> Response:
    """What taking it off would do, then doing it."""
    channel = channels.find(g.merchant, channel_id)
    listing = editing.find(channel, listing_id)
    status, words = 200, leaving.why_not_yet(listing)
    if request.method == "POST":
        try:
            editing.remove(listing, g.user.email, insist=request.form.get("insist") == "y")
        except Refused as refused:
            status, words = 422, str(refused)
        else:
            return saved(url_for("listings.index", channel_id=channel_id), f"{listing.sku} is taken off {channel.name}.")
    ending = listing.state not in leaving.ZERO
    return render("listings/removal.html", None, status, channel=channel, listing=listing, words=words, ending=ending)


def _pushed(channel: Any, listing: Any, told: Any) -> dict[str, Any]:
    """What its store was sent, and has; nothing of a channel without one."""
    if channel.line_id is None:
        return {"sent": [], "why": "", "has": ""}
    has = story.has(listing, channel.currency) if listing.asked_at is not None and listing.their_id else ""
    return {"sent": story.of_listing(listing), "why": story.in_words(listing, told.quantity.value or 0, told.price.value), "has": has}


def _typed(listing: Any) -> dict[str, str]:
    units = {name: "" if getattr(listing, name) is None else str(getattr(listing, name)) for name in ("buffer", "cap")}
    price = "" if listing.price is None else reckoning.amount(listing.price)
    return {"sku": listing.sku, "title": listing.title or "", "price": price, **units}


def _page(channel: Any, listing: Any, form: Any, status: int = 200) -> Response:
    told = detail.explain(listing)
    return render(
        "listings/show.html", "listings/_own.html", status, channel=channel, listing=listing, form=form, told=told,
        rules=listing_rules.of(channel), looks=LOOKS, states=editing.STATES, acts=ACTS, **_pushed(channel, listing, told),
    )  # fmt: skip
