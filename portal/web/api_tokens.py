"""Tokens of the JSON API: the list, making one, its secret once, revoking it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, g, url_for
from wtforms import SelectField, SelectMultipleField, StringField

from portal import api_tokens, sources
from portal.errors import Invalid
from portal.web import guards
from portal.web.addresses import external
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("api_tokens", __name__)


class TokenForm(LedgerForm):
    """A new token."""

    name = StringField("Name", description="Who or what uses it, such as Till or Northwind's warehouse system")
    source = SelectField("For", validate_choice=False, description="A token of one source sees and answers only that source's requests")
    scopes = SelectMultipleField("What it may do", choices=api_tokens.SCOPES, validate_choice=False)
    days = SelectField("Lasts", choices=api_tokens.DAYS, default="90", validate_choice=False)


@blueprint.get("/api-tokens")
@guards.signed_in
def index() -> Response:
    """Every token, newest first; never a secret."""
    found = [(one, api_tokens.is_live(one)) for one in api_tokens.listing(g.merchant)]
    held = sum(one.suspended_at is not None and one.revoked_at is None for one, _ in found)
    return render("api_tokens/index.html", suspended=held, tokens=found, scopes=api_tokens.SCOPES, document=external("api.openapi"))


@blueprint.get("/api-tokens/new")
def add() -> Response:
    """The form for a new token."""
    return _form_page(TokenForm(), 200)


@blueprint.post("/api-tokens/new")
def create() -> Response:
    """Make it and show its secret, once: it is kept nowhere, so the answer to this form is the only place where it stands.

    Not `guards.once`, which would keep where to go and lose the secret: sent twice it makes a second token, which the list shows.
    """
    form = TokenForm.read()
    try:
        source = sources.find(g.merchant, form.source.data) if form.source.data else None
        token, secret = api_tokens.make(
            g.merchant, form.name.data or "", form.scopes.data or [], source, form.days.data or "", g.user.email
        )
    except Invalid as error:
        return _form_page(form.refuse(error), 422)
    return render("api_tokens/made.html", token=token, secret=secret, root=external("api.openapi").removesuffix("/openapi.json"))


@blueprint.get("/api-tokens/<token_id>/revocation")
def revocation(token_id: str) -> Response:
    """What revoking it means."""
    return render("api_tokens/revoke.html", token=api_tokens.find(g.merchant, token_id))


@blueprint.post("/api-tokens/<token_id>/revocation")
@guards.once
def revoke(token_id: str) -> Response:
    """End it now."""
    token = api_tokens.find(g.merchant, token_id)
    api_tokens.revoke(token, g.user.email)
    return saved(url_for("api_tokens.index"), f"{token.name} is revoked. It opens nothing any more.")


@blueprint.post("/api-tokens/<token_id>/resumption")
@guards.once
def resume(token_id: str) -> Response:
    """Let a token work again that a restore suspended."""
    token = api_tokens.find(g.merchant, token_id)
    api_tokens.resume(token, g.user.email)
    return saved(url_for("api_tokens.index"), f"{token.name} works again.")


def _form_page(form: Any, status: int) -> Response:
    form.source.choices = {"": "The whole workspace"} | {one.public_id: one.name for one in sources.listing(g.merchant)}
    return render("api_tokens/new.html", status=status, form=form)
