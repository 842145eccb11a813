"""What each failure looks like: a whole page, or a notice at the top of the page that htmx is on."""

from __future__ import annotations

import logging
import secrets
from dataclasses import dataclass, replace

from flask import Flask, Response, current_app, g, render_template
from htmx_flask import request
from werkzeug.exceptions import HTTPException

from portal.api.problem import problem
from portal.errors import Forbidden, Invalid, NotFound, Refused, Stale
from portal.web import filters
from portal.web.guards import Forged
from portal.web.render import wants_fragment

log = logging.getLogger("portal.web")
SECRET_WORDS = ("password", "passphrase", "secret", "token", "private_key", "header_value", "key")


@dataclass(frozen=True)
class Words:
    """What a failed request says: a headline, why, and one act with its address."""

    title: str
    body: str
    act: str = "Go to your sources"
    act_at: str = "/"


PAGES = {
    400: Words("We could not read what was sent", "Nothing was saved. Open the page again and send the form once more."),
    403: Words("Your role does not include this", "", "See what each role may do", "/team/roles"),
    404: Words("This page is not here", "It may have been deleted, or the link is wrong."),
    405: Words("This address does something else", "It does not work that way round. Nothing was changed."),
    409: Words("This cannot be done now", "Nothing was changed."),
    413: Words("That is too large", "We take forms up to 2 MB, and files up to {limit}. Nothing was saved."),
    415: Words("We could not read what was sent", "Nothing was saved. Open the page again and send the form once more."),
    422: Words("Some answers need another look", "Nothing was saved. Go back and check what you typed."),
    429: Words("Too many tries", "Wait 15 minutes, then try again. Nothing was changed."),
    500: Words("That did not work, and it is our fault", "What you saved before is kept. The last step may not be."),
}
FORGED = Words(
    "We could not tell that this came from you",
    "Nothing was saved. Open the page again and send the form once more. It helps to allow cookies for this site.",
)


def install(app: Flask) -> None:
    """Answer every error of `app` in our words."""
    app.register_error_handler(NotFound, lambda _error: answer(404))
    app.register_error_handler(Forbidden, lambda error: answer(403, body=f"{error} Nothing was changed."))
    app.register_error_handler(Refused, lambda error: answer(409, body=str(error)))
    app.register_error_handler(Invalid, lambda error: answer(422, body=_listed(error)))
    app.register_error_handler(Stale, stale)
    app.register_error_handler(Forged, lambda _error: answer(403, words=FORGED))
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(Exception, our_fault)


def answer(status: int, words: Words | None = None, body: str = "", reference: str = "") -> Response:
    """The page for `status`; for htmx a fragment aimed at the notice place of the page it is on."""
    chosen = words or PAGES.get(status) or PAGES[400]
    if g.get("staff") is not None and g.get("viewing") is None:
        chosen = replace(chosen, act="Go to the console", act_at="/staff")
    limit = filters.size(current_app.config["PORTAL"].max_feed_bytes)
    text = body or chosen.body.format(limit=limit)
    return _shaped("errors/page.html", "errors/_notice.html", status, words=chosen, body=text, status=status, reference=reference)


def http_error(error: HTTPException) -> Response:
    """An HTTP error raised by Flask or a view; redirects pass through."""
    code = error.code or 500
    if code < 400:
        return error.get_response()  # type: ignore[return-value]
    response = problem(code) if request.path.startswith("/api/") else answer(code)
    for name, value in error.get_headers():
        if name == "Allow":
            response.headers[name] = value
    return response


def stale(error: Stale) -> Response:
    """Someone saved first: who, when, and everything that was typed, so that nothing is lost."""
    typed = {name: values for name, values in request.form.lists() if not _hidden(name)}
    return _shaped("errors/stale.html", "errors/_stale.html", 409, who=error.who, at=error.when, typed=typed)


def our_fault(error: Exception) -> Response:
    """A bug: logged in full under a reference code, told without details."""
    reference = f"{secrets.token_hex(2)}-{secrets.token_hex(1)}".upper()
    rule = request.url_rule
    path = rule.rule if rule is not None and "token" in rule.arguments else request.path  # such an address is a secret
    log.error("%s %s %s failed", reference, request.method, path, exc_info=error)
    if current_app.testing:
        raise error
    return answer(500, reference=reference)


def _shaped(page: str, fragment: str, code: int, **context: object) -> Response:
    if not wants_fragment():
        return Response(render_template(page, partial=False, **context), code, mimetype="text/html")
    response = Response(render_template(fragment, partial=True, **context), code, mimetype="text/html")
    response.headers["HX-Retarget"] = "#page-notice"
    response.headers["HX-Reswap"] = "innerHTML"
    return response


def _listed(error: Invalid) -> str:
    return " ".join(dict.fromkeys(error.errors.values())) + " Nothing was saved."


def _hidden(name: str) -> bool:
    return name in ("version",) or any(word in name.lower() for word in SECRET_WORDS)
