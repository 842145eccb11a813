"""The Supplier Directory of a source: search it, read what to gather, select a supplier."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import BooleanField

from portal import directory, setup_steps, sources, suppliers
from portal.errors import Invalid, Stale
from portal.web import guards
from portal.web.forms import VersionedForm
from portal.web.render import render, saved

blueprint = Blueprint("directory", __name__, url_prefix="/sources/<source_id>/suppliers")


class SelectForm(VersionedForm):
    """The merchant's word that there is an account to connect to."""

    confirmed = BooleanField("I have an account with this source")


@blueprint.get("")
@guards.signed_in
def index(source_id: str) -> Response:
    """All suppliers that match, and below them the ways to connect anybody else."""
    source = sources.find(g.merchant, source_id)
    text, everything = request.args.get("q", "").strip()[: directory.LONGEST_SEARCH], directory.search()
    offered = {"kind": {kind.key: kind.heading for kind, _ in directory.in_kinds(everything)}}
    offered |= {"method": {name: name for name in directory.methods()}, "supports": directory.SUPPORTS}
    chosen = {name: request.args.get(name, "") for name in offered}
    chosen = {name: value if value in offered[name] else "" for name, value in chosen.items()}
    found = directory.search(text, **chosen)
    others = [] if any(directory.is_generic(one) for one in found) else [one for one in everything if directory.is_generic(one)]
    return render(
        "directory/index.html", "directory/_results.html", source=source, q=text, chosen=chosen, offered=offered, found=found,
        parts=directory.in_kinds(found), others=others, in_all=len(everything),
    )  # fmt: skip


@blueprint.get("/<slug>")
@guards.signed_in
def show(source_id: str, slug: str) -> Response:
    """What to gather before connecting to this supplier."""
    source = sources.find(g.merchant, source_id)
    return _page(source, slug, SelectForm(version=str(source.version)))


@blueprint.post("/<slug>")
@guards.signed_in
@guards.once
def select(source_id: str, slug: str) -> Response:
    """Make it the supplier of the source."""
    source = sources.find(g.merchant, source_id)
    setup_steps.require(source, "supplier")
    form = SelectForm.read()
    try:
        directory.select(source, slug, bool(form.confirmed.data), form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(source, slug, form.refuse(refused), 422)
    except Stale as stale:
        fresh = sources.find(g.merchant, source_id)
        return _page(fresh, slug, form.keep(stale, fresh.version, {}), 409)
    return saved(url_for("connections.edit", source_id=source_id, back=request.args.get("back")))


def _page(source: Any, slug: str, form: Any, status: int = 200) -> Response:
    supplier = directory.find(slug)
    account = suppliers.read_account(directory.demo_account()) if supplier.needs_demo else {}
    return render(
        "directory/show.html", "directory/_select.html", status, source=source, supplier=supplier, form=form, account=account,
        generic=directory.is_generic(supplier), runs_here=directory.runs_here(supplier), erases=directory.replaced(source, supplier),
        fixed=source.state != "draft" and source.supplier != slug,
    )  # fmt: skip
