"""The end of set-up: how SKUs are named, and the review whose Save makes the source live."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

import tasks
from portal import activation, setup_steps, sku_mapping, sources
from portal.errors import Invalid, Problem, Stale, SupplierError
from portal.web import guards, review_page
from portal.web.forms import VersionedForm
from portal.web.render import go, render, saved, wants_fragment
from portal.web.steps import onward

blueprint = Blueprint("setup", __name__, url_prefix="/sources/<source_id>")

LONGEST_TYPED = 100


class SkuForm(VersionedForm):
    """The Master SKU prefix."""

    prefix = StringField("Master SKU prefix")


@blueprint.get("/skus")
@guards.signed_in
def skus(source_id: str) -> Response:
    """The chain of three SKUs on real items, and where a Master SKU is taken. `?prefix=` shows another prefix unsaved."""
    source = _source_at(source_id, "skus")
    typed = request.args.get("prefix", source.sku_prefix)[:LONGEST_TYPED]
    return _skus_page(source, SkuForm(data={"prefix": typed, "version": str(source.version)}))


@blueprint.get("/skus/chain")
@guards.signed_in
def chain(source_id: str) -> Response:
    """What a prefix would make of the SKUs, while it is typed."""
    source = _source_at(source_id, "skus")
    typed = request.args.get("prefix", "")[:LONGEST_TYPED]
    if not wants_fragment():
        return go(url_for("setup.skus", source_id=source_id, prefix=typed))
    return render("setup/_chain.html", "setup/_chain.html", source=source, **_named(source, typed))


@blueprint.post("/skus")
@guards.signed_in
@guards.once
def save_skus(source_id: str) -> Response:
    """Keep the prefix and go on; or only show what it does."""
    source = _source_at(source_id, "skus")
    form = SkuForm.read()
    typed = str(form.prefix.data or "")
    if request.form.get("do") == "preview":
        return saved(url_for("setup.skus", source_id=source_id, prefix=typed[:LONGEST_TYPED], back=request.form.get("back") or None), "")
    try:
        fresh = sku_mapping.save(source, typed, form.version_read(), g.user.email)
    except Invalid as refused:
        return _skus_page(source, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.find(g.merchant, source_id)
        return _skus_page(fresh, form.keep(stale, fresh.version, {"prefix": fresh.sku_prefix}), 409)
    if request.form.get("do") == "leave":
        return saved(url_for("sources.show", source_id=source_id))
    return saved(onward(fresh))


@blueprint.get("/skus/collisions")
@guards.signed_in
def collisions(source_id: str) -> Response:
    """The Master SKUs that this source and `?other=` would share."""
    source = _source_at(source_id, "skus")
    if "other" not in request.args:
        return go(url_for("setup.skus", source_id=source_id))
    other = sources.find(g.merchant, request.args["other"])
    prefix = _usable(request.args.get("prefix", source.sku_prefix)[:LONGEST_TYPED], source)
    known, problem = _known(source)
    met = sku_mapping.meetings(other, prefix, known) if other.id != source.id else []
    return render("setup/collisions.html", source=source, other=other, prefix=prefix, met=met, problem=problem)


@blueprint.get("/review")
@guards.signed_in
def review(source_id: str) -> Response:
    """Every answer with a way to change it, and what Save will do."""
    return _review_page(_source_at(source_id, "review"))


@blueprint.post("/review")
@guards.signed_in
@guards.once
def activate(source_id: str) -> Response:
    """Make the source live and start the first sync."""
    source = _source_at(source_id, "review")
    version = request.form.get("version", "")
    seen = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    try:
        run = activation.activate(g.merchant, source, g.user.email, seen)
    except Stale as stale:
        return _review_page(sources.find(g.merchant, source_id), stale, 409)
    tasks.ring()
    return saved(url_for("runs.show", run_id=run.public_id), f"{source.name} is active. The first sync has started.")


def _source_at(source_id: str, step: str) -> Any:
    source = sources.find(g.merchant, source_id)
    setup_steps.require(source, step)
    return source


def _skus_page(source: Any, form: Any, status: int = 200) -> Response:
    named = _named(source, str(form.prefix.data or ""))
    back = request.values.get("back", "")
    return render("setup/skus.html", "setup/_skus.html", status, source=source, form=form, back=back, **named)


def _named(source: Any, typed: str) -> dict[str, Any]:
    """What a typed prefix makes of the SKUs; a prefix that cannot be saved shows the saved one's."""
    prefix = _usable(typed, source)
    known, problem = _known(source)
    return {
        "prefix": prefix, "unusable": prefix != typed.strip(), "known": len(known), "problem": problem,
        "chain": sku_mapping.chain(prefix, known), "met": sku_mapping.collisions(source, prefix, known),
    }  # fmt: skip


def _usable(typed: str, source: Any) -> str:
    try:
        return sku_mapping.check_prefix(typed)
    except Invalid:
        return str(source.sku_prefix)


def _known(source: Any) -> tuple[Sequence[str], Problem | None]:
    try:
        return sku_mapping.known_skus(source).skus, None
    except SupplierError as error:
        return (), error.problem


def _review_page(source: Any, stale: Stale | None = None, status: int = 200) -> Response:
    known, _ = _known(source)
    return render(
        "setup/review.html", "setup/_review.html", status, source=source, stale=stale, phases=review_page.phases(source),
        coming=review_page.coming(source), flow=review_page.flow(source), met=sku_mapping.collisions(source, source.sku_prefix, known),
    )  # fmt: skip
