"""Products by Master SKU: the list, one with the items behind it, making, changing, merging and deleting one, linking an item by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, StringField, TextAreaField

from portal import channels
from portal.catalogue import counting, editing, keys, linking, matching, products
from portal.errors import Invalid, Refused, Stale
from portal.inventory import browse
from portal.listings import editing as listings
from portal.web import guards
from portal.web.filters import plural
from portal.web.forms import LedgerForm, VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("products", __name__)

WHY = {**matching.SHORT, "created": "Made of this item", "hand": "By hand"}


BARRED = {"paused": "Paused, takes no orders now", "draft": "Not set up yet, takes no orders"}


class ProductForm(VersionedForm):
    """A product."""

    sku = StringField("Master SKU", description="Your own number, under which you sell it")
    title = StringField("Title")
    brand = StringField("Brand")
    upc = StringField("UPC / EAN", description="8, 12, 13 or 14 digits")
    mpn = StringField("MPN", description="The maker’s part number")
    images = TextAreaField("Images", description="Web addresses, one a line")

    def typed(self) -> editing.Typed:
        """What was typed, with the repairs that were ticked."""
        typed = editing.Typed(**{name: self[name].data or "" for name in editing.NAMES})
        return editing.mended(typed, [name for name in ("upc", "mpn") if request.form.get(f"mend-{name}")])


class MergeForm(VersionedForm):
    """The product that stays."""

    sku = StringField("Master SKU that stays", description="Of the product that its items go to")
    beside = BooleanField("Merge them although a source has items in both")


class LinkForm(LedgerForm):
    """The product of an item."""

    sku = StringField("Master SKU", description="Of a product that you have")
    beside = BooleanField("Link it although the source has another item there")


@blueprint.get("/products")
@guards.signed_in
def index() -> Response:
    """Products by Master SKU."""
    query, after = request.args.get("q", "").strip()[:140], request.args.get("after", "")[:140]
    bare = request.args.get("items") == "none"
    found = products.page(g.merchant, query, after, bare)
    more: dict[str, Any] = {"q": query or None, "items": "none" if bare else None}
    told = counting.of_merchant(g.merchant)
    return render(
        "products/index.html", "products/_list.html", found=found, q=query, code=keys.shown, bare=bare, looked_at=products.LOOKED_AT,
        stuck=linking.stuck(g.merchant), count=told.products, unlinked=told.unlinked, counted_at=told.at,
        any_items=matching.any_items(g.merchant.id),
        next_url=url_for("products.index", **more, after=found.following) if found.following else "",
        first_url=url_for("products.index", **more) if after else "",
    )  # fmt: skip


@blueprint.route("/products/new", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def add() -> Response:
    """Make a product; of `?item=` it takes what the item has, and the item is linked to it."""
    named = request.values.get("item", "")[:40]
    item = browse.find(g.merchant, named) if named else None
    form = ProductForm.read(**(asdict(editing.like(item)) if item else {}))
    if request.method != "POST":
        return render("products/new.html", form=form, item=item, offers={})
    try:
        made = editing.create(g.merchant, form.typed(), g.user.email)
        if item is not None:
            products.link(item, made, g.user.email)
    except Invalid as refused:
        more = {"form": form.refuse(refused), "item": item, "offers": refused.proposals}
        return render("products/new.html", "products/_new.html", 422, **more)
    return saved(url_for("products.show", product_id=made.public_id), f"{made.sku} is made.")


@blueprint.get("/products/<product_id>")
@guards.signed_in
def show(product_id: str) -> Response:
    """One product and the items behind it: what each source has, asks and says."""
    product = products.find(g.merchant, product_id)
    rows = products.behind(product)
    units = products.units_of(rows)
    least: dict[str, int] = {}
    for one in rows:
        if one.is_sold and one.item.cost is not None:
            least[one.source.currency] = min(one.item.cost, least.get(one.source.currency, one.item.cost))
    return render(
        "products/show.html", product=product, rows=rows, units=units, total=sum(units.values(), products.Units(0, 0, 0)),
        least=sorted(least.items()), why=WHY, code=keys.shown, images=editing.images_of(product.images), states=BARRED,
        listed=listings.of_product(product), channels=channels.listing(g.merchant), states_of_listings=listings.STATES,
    )  # fmt: skip


@blueprint.route("/products/<product_id>/edit", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def edit(product_id: str) -> Response:
    """Change what a product says of itself."""
    product = products.find(g.merchant, product_id)
    form = ProductForm.read(**asdict(editing.as_typed(product)), version=str(product.version))
    page = {"product": product, "form": form, "offers": {}}
    if request.method != "POST":
        return render("products/edit.html", **page)
    try:
        fresh = editing.change(product, form.typed(), form.version_read(), g.user.email)
    except Invalid as refused:
        form.refuse(refused)
        return render("products/edit.html", "products/_edit.html", 422, **{**page, "offers": refused.proposals})
    except Stale as stale:
        theirs = products.find(g.merchant, product_id)
        form.keep(stale, theirs.version, asdict(editing.as_typed(theirs)))
        return render("products/edit.html", "products/_edit.html", 409, **page)
    return saved(url_for("products.show", product_id=product_id), f"{fresh.sku} is saved.")


@blueprint.route("/products/<product_id>/deletion", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def deletion(product_id: str) -> Response:
    """What goes with a product and what stays, before it is deleted."""
    product = products.find(g.merchant, product_id)
    form = VersionedForm.read(version=str(product.version))
    page = {"product": product, "form": form, "uses": editing.uses(product)}
    if request.method != "POST":
        return render("products/deletion.html", **page)
    try:
        editing.delete(product, form.version_read(), g.user.email)
    except (Refused, Stale) as refused:
        form.refuse(refused) if isinstance(refused, Refused) else form.keep(refused, product.version, {})
        return render("products/deletion.html", "products/_deletion.html", 409, **page)
    return saved(url_for("products.index"), f"{product.sku} is deleted.")


@blueprint.route("/products/<product_id>/merge", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def merge(product_id: str) -> Response:
    """Put the items of a product to another, and delete it."""
    product = products.find(g.merchant, product_id)
    form = MergeForm.read(version=str(product.version))
    page = {"product": product, "form": form, "uses": editing.uses(product)}
    if request.method != "POST":
        return render("products/merge.html", **page)
    try:
        other = products.of_sku(g.merchant, form.sku.data or "")
        moved = editing.merge(product, other, form.version_read(), bool(form.beside.data), g.user.email)
    except (Invalid, Refused, Stale) as refused:
        form.keep(refused, product.version, {}) if isinstance(refused, Stale) else form.refuse(refused)
        return render("products/merge.html", "products/_merge.html", 422, **page)
    words = f"{plural(moved, 'item')} of {product.sku} went to {other.sku}, and {product.sku} is deleted."
    return saved(url_for("products.show", product_id=other.public_id), words)


@blueprint.route("/inventory/<item_id>/product", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def link(item_id: str) -> Response:
    """Put an item to a product by hand."""
    item = browse.find(g.merchant, item_id)
    before = products.of_item(item)
    form = LinkForm.read(sku=before.product.sku if before else "")
    page = {"item": item, "source": item.source, "form": form, "before": before, "offered": products.candidates_of(item)}
    page |= {"listed": len(listings.of_product(before.product)) if before else 0}
    if request.method != "POST":
        return render("products/link.html", **page)
    try:
        product = products.of_sku(g.merchant, form.sku.data or "")
        products.link(item, product, g.user.email, beside=bool(form.beside.data))
    except (Invalid, Refused) as refused:
        form.refuse(refused)
        return render("products/link.html", "products/_link.html", 422, **page)
    return saved(url_for("inventory.show", item_id=item_id), f"{item.sku} is linked to {product.sku}.")


@blueprint.post("/inventory/<item_id>/product/unlink")
@guards.signed_in
@guards.once
def unlink(item_id: str) -> Response:
    """Take an item away from its product."""
    item = browse.find(g.merchant, item_id)
    products.unlink(item, g.user.email)
    return saved(url_for("inventory.show", item_id=item_id), f"{item.sku} is linked to no product.")
