"""Columns changed: the old and the new columns side by side, what was likely renamed, and reading the same file again."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request

import tasks
from portal import runs
from portal.errors import Invalid
from portal.inventory import contract
from portal.web import guards
from portal.web.render import render, saved
from portal.web.typed import TypedErrors

blueprint = Blueprint("columns", __name__)


@blueprint.get("/runs/<run_id>/columns")
@guards.signed_in
def show(run_id: str) -> Response:
    """What the stopped file has instead of the columns that the mapping reads."""
    return _page(contract.change_of(runs.find(g.merchant, run_id)), {}, TypedErrors())


@blueprint.post("/runs/<run_id>/columns")
@guards.signed_in
@guards.once
def choose(run_id: str) -> Response:
    """Use the chosen columns: a new mapping version, and the same file read again."""
    run = runs.find(g.merchant, run_id)
    change = contract.change_of(run)
    chosen = {name: request.form.get(f"column-{n}", "") for n, name in enumerate(change.wanted)}
    try:
        started = contract.accept(run, chosen, g.user.email, g.user)
    except Invalid as refused:
        places = {name: f"column-{n}" for n, name in enumerate(change.wanted)}
        placed = [(places.get(name, ""), f"{name}: {words}" if name in places else words) for name, words in refused.errors.items()]
        return _page(change, chosen, TypedErrors(placed), 422)
    tasks.ring()
    return saved(url_for("runs.show", run_id=started.public_id), "Saved as a new mapping version. The same file is being read again.")


def _page(change: Any, chosen: dict[str, str], errors: TypedErrors, status: int = 200) -> Response:
    likely = {name: _likely(change, name) for name in change.wanted}
    picked = {name: chosen.get(name) or (likely[name].column if likely[name] else "") for name in change.wanted}
    return render(
        "columns/show.html", status=status, run=change.run, source=change.run.source, change=change, likely=likely, picked=picked,
        pairs={new: old for old, new in picked.items()}, form=errors, percent=_percent,
    )  # fmt: skip


def _likely(change: Any, name: str) -> Any:
    """The best proposal when something speaks for it: enough of the old values, or, without values known, the same place."""
    best = next(iter(change.proposals.get(name, ())), None)
    if best is None or (best.overlap is not None and best.overlap < 0.1):
        return None
    return best


def _percent(share: float) -> str:
    return "100%" if share >= 1 else f"{int(share * 1000) / 10:g}%"
