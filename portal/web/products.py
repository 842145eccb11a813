"""Products by Master SKU: the list, one with the items behind it, making one, and linking an item by hand."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField, StringField

from portal.catalogue import keys, linking, matching, products
from portal.errors import Invalid, Refused
from portal.inventory import browse
from portal.web import guards
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("products", __name__)

WHY = {**matching.SHORT, "created": "Made of this item", "hand": "By hand"}


BARRED = {"paused": "Paused, takes no orders now", "draft": "Not set up yet, takes no orders"}


class ProductForm(LedgerForm):
    """A new product."""

    sku = StringField("Master SKU", description="Your own number, under which you sell it")
    title = StringField("Title")


class LinkForm(LedgerForm):
    """The product of an item."""

    sku = StringField("Master SKU", description="Of a product that you have")
    beside = BooleanField("Link it although the source has another item there")


@blueprint.get("/products")
@guards.signed_in
def index() -> Response:
    """Products by Master SKU."""
    query, after = request.args.get("q", "").strip()[:140], request.args.get("after", "")[:140]
    found = products.page(g.merchant, query, after)
    more: dict[str, Any] = {"q": query or None}
    return render(
        "products/index.html", "products/_list.html", found=found, q=query, code=keys.shown,
        stuck=linking.stuck(g.merchant), count=products.count(g.merchant),
        unlinked=matching.possible(g.merchant.id, None, ())["unlinked"] if matching.is_quick(g.merchant.id) else None,
        any_items=matching.any_items(g.merchant.id),
        next_url=url_for("products.index", **more, after=found.following) if found.following else "",
        first_url=url_for("products.index", **more) if after else "",
    )  # fmt: skip


@blueprint.route("/products/new", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def add() -> Response:
    """Make a product; of `?item=` it takes brand, identifiers and images, and the item is linked to it."""
    named = request.values.get("item", "")[:40]
    item = browse.find(g.merchant, named) if named else None
    proposed = {"sku": item.source.sku_prefix + item.sku, "title": item.title or ""} if item else {}
    form = ProductForm.read(**proposed)
    if request.method != "POST":
        return render("products/new.html", form=form, item=item)
    try:
        made = products.create(g.merchant, form.sku.data or "", form.title.data or "", g.user.email, like=item)
        if item is not None:
            products.link(item, made, g.user.email)
    except Invalid as refused:
        return render("products/new.html", "products/_new.html", 422, form=form.refuse(refused), item=item)
    return saved(url_for("products.show", product_id=made.public_id), f"{made.sku} is made.")


@blueprint.get("/products/<product_id>")
@guards.signed_in
def show(product_id: str) -> Response:
    """One product and the items behind it: what each source has, asks and says."""
    product = products.find(g.merchant, product_id)
    rows = products.behind(product)
    left = products.left_of(rows)
    least: dict[str, int] = {}
    for one in rows:
        if one.is_sold and one.item.cost is not None:
            least[one.source.currency] = min(one.item.cost, least.get(one.source.currency, one.item.cost))
    return render(
        "products/show.html", product=product, rows=rows, left=left, available=sum(left.values()), least=sorted(least.items()), why=WHY,
        code=keys.shown, images=(product.images or "").split(", ") if product.images else [], states=BARRED,
    )  # fmt: skip


@blueprint.route("/inventory/<item_id>/product", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def link(item_id: str) -> Response:
    """Put an item to a product by hand."""
    item = browse.find(g.merchant, item_id)
    before = products.of_item(item)
    form = LinkForm.read(sku=before.product.sku if before else "")
    page = {"item": item, "source": item.source, "form": form, "before": before, "offered": products.candidates_of(item)}
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
