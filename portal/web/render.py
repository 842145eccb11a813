"""One view, two shapes: a whole page, or the fragment that htmx asked for. And the answers to a POST."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, current_app, g, redirect, render_template, url_for
from htmx_flask import request

from portal import clock, receipts
from portal.sources import CHANNEL_LINE
from portal.web import filters, headers

NOTICE_LASTS = 120  # seconds in which the next page may still show it


class Macros:
    """`m` in every template: the macros of _macros.html, without an import line in each fragment."""

    def __init__(self, app: Flask) -> None:
        self._environment = app.jinja_env

    def __getattr__(self, name: str) -> Any:
        return getattr(self._environment.get_template("_macros.html").module, name)


def install(app: Flask) -> None:
    """Give templates `m`, `notice_now` and `has_page`."""
    app.jinja_env.globals["m"] = Macros(app)
    app.jinja_env.globals["notice_now"] = notice_now
    app.jinja_env.globals["home_of"] = home_of
    app.jinja_env.globals["nav_of"] = lambda source: "channels" if _is_line(source) else "sources"
    app.jinja_env.globals["has_page"] = lambda endpoint: endpoint in current_app.view_functions


def home_of(source: Any) -> tuple[str, str]:
    """The list that a source is in, as a crumb: that of the sources, or of the channels for the line of one."""
    return ("Channels", url_for("channels.index")) if _is_line(source) else ("Fulfillment Sources", url_for("sources.index"))


def _is_line(source: Any) -> bool:
    return source is not None and source.kind == CHANNEL_LINE


def wants_fragment() -> bool:
    """Whether htmx asked for a part of a page (not a boosted link, not the Back button)."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def render(page: str, fragment: str | None = None, status: int = 200, **context: Any) -> Response:
    """Answer with `page`, or with `fragment` when htmx asked for it. `partial` tells the template which."""
    partial = fragment is not None and wants_fragment()
    text = render_template(fragment if partial else page, partial=partial, **context)  # type: ignore[arg-type]
    return Response(text, status=status, mimetype="text/html")


def saved(location: str, notice: str | None = None) -> Response:
    """The answer to a POST that worked: go to `location`, where `notice` is shown once ("" for none)."""
    words = filters.saved_now() if notice is None else notice
    session = g.session or g.staff_session
    if words and session:
        receipts.leave_notice(session, words, clock.now())
    return go(location)


def go(location: str) -> Response:
    """303 to `location`, or HX-Redirect when htmx asked."""
    if wants_fragment():
        return Response("", headers={"HX-Redirect": location})
    return redirect(location, 303)  # type: ignore[return-value]


def notice_now() -> str:
    """The words left by the last save, once."""
    session = g.get("session") or g.get("staff_session")
    return receipts.take_notice(session, clock.now(), NOTICE_LASTS) if session else ""


def download(content: bytes | Iterable[bytes], name: str, kind: str = "text/csv; charset=utf-8") -> Response:
    """A file to keep: always an attachment, never shown inside our origin."""
    response = Response(content, content_type=kind)
    plain = name.encode("ascii", "replace").decode().replace('"', "_").replace("\\", "_").replace("?", "_")
    response.headers["Content-Disposition"] = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
    response.headers["Content-Security-Policy"] = headers.FILE_POLICY
    return response
