"""Who may ask for what: sign-in by default, one workspace, forms that came from our own pages, each of them once.

request ─▶ session ─▶ signed in? ─▶ came from us? ─▶ may this role? (permissions) ─▶ view
"""

from __future__ import annotations

import hmac
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, url_for
from htmx_flask import request

from portal import accounts, audit, clock, devices, receipts, two_step
from portal.errors import Forbidden, NotFound, Refused
from portal.support import staff, views
from portal.web import addresses
from portal.web.render import go, wants_fragment

View = TypeVar("View", bound=Callable[..., Any])

SETTING_UP = frozenset(
    {
        "two_step.show",
        "two_step.begin",
        "two_step.turn_on",
        "passkeys.add",
        "passkeys.options",
        "passkeys.make",
        "auth.sign_out",
        "auth.prove",
        "help.show",
    }
)
"""Where somebody may go whose workspace requires a second step that they lack."""

CLOSING = frozenset({"closing.show", "closing.bring_back", "keeping.list_exports", "keeping.download", "auth.sign_out", "auth.prove"})
"""Where people of a workspace may go that is being deleted."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PROOF_LASTS = timedelta(minutes=10)
WAIT_FOR_TWIN = 8.0  # seconds that a second click waits for the first one's answer


class Forged(Exception):
    """An unsafe request that our own page did not send."""


class Unproved(Exception):
    """A delicate form of our own page arrived when the password was given too long ago."""


class Ended(Exception):
    """A form of our own page arrived after its session had ended."""


def install(app: Flask) -> None:
    """Guard every route of `app`. A view is closed unless it is marked `public`."""
    app.before_request(load_session)
    app.before_request(require_sign_in)
    app.before_request(allow_files)
    app.before_request(refuse_forged)
    app.jinja_env.globals.update(csrf_token=csrf_token, form_token=lambda: secrets.token_urlsafe(24))


def public(view: View) -> View:
    """Open `view` to people who are not signed in."""
    view.is_public = True  # type: ignore[attr-defined]
    return view


def for_machines(view: View) -> View:
    """Open `view` to programs: it has no session and takes no form of ours, and judges each request itself."""
    view.is_public = view.is_for_machines = True  # type: ignore[attr-defined]
    return view


def signed_in(view: View) -> View:
    """Say that `view` needs a signed-in person. This is the default; the mark is for the reader."""
    view.is_public = False  # type: ignore[attr-defined]
    return view


def takes_files(view: View) -> View:
    """Let the body of requests to `view` be as large as the largest feed file."""
    view.takes_files = True  # type: ignore[attr-defined]
    return view


def for_staff(view: View) -> View:
    """Only for signed-in support staff, who have no workspace. A merchant's people find nothing there, byte for byte."""
    view.is_for_staff = True  # type: ignore[attr-defined]
    return view


def is_for_staff(endpoint: str | None) -> bool:
    """Whether that view is of the support console."""
    return bool(getattr(current_app.view_functions.get(endpoint or ""), "is_for_staff", False))


def staff_only(view: View) -> View:
    """Only people who run the installation or support it; for everybody else nothing is there, byte for byte."""

    @wraps(view)
    def guarded(**values: Any) -> Any:
        if not g.user.is_staff:
            raise NotFound("page")
        return view(**values)

    return cast(View, guarded)


def proved_recently(view: View) -> View:
    """The password was given within the last 10 minutes, else it is asked for first."""

    @wraps(view)
    def guarded(**values: Any) -> Any:
        if g.viewing is not None:
            raise Forbidden("Support staff never do this for a workspace.")
        if clock.now() - g.session.proved_at > PROOF_LASTS:
            return go(url_for("auth.prove", next=way_back()))
        return view(**values)

    return cast(View, guarded)


def ask_proof() -> Response | None:
    """None where the password was given within the last 10 minutes. Raises Unproved, whose page carries the form; Forbidden for staff."""
    if g.viewing is not None:
        raise Forbidden("Support staff never do this for a workspace.")
    if not accounts.proved_recently(g.session):
        raise Unproved
    return None


def once(view: View) -> View:
    """The same form sent twice is done once; the second gets the first one's answer."""

    @wraps(view)
    def guarded(**values: Any) -> Any:
        token = request.form.get("form_token", "")
        if request.method in SAFE_METHODS or not token:
            return view(**values)
        return _first_or_same(view, values, token)

    return cast(View, guarded)


def _first_or_same(view: Callable[..., Any], values: dict[str, Any], token: str) -> Any:
    deadline = time.monotonic() + WAIT_FOR_TWIN
    person = g.staff or g.user
    while not receipts.claim(person, token):
        claimed, location = receipts.outcome(person, token)
        if claimed and location is not None:
            return go(location) if location else go(way_back())
        if time.monotonic() > deadline:
            raise Refused("This form is still being saved. Open the page again in a moment to see the result.")
        if claimed:
            time.sleep(0.1)
    accepted = False
    try:
        response = current_app.make_response(view(**values))
        accepted = response.status_code < 400
    finally:
        if not accepted:
            receipts.release(person, token)
    receipts.settle(person, token, response.headers.get("HX-Redirect") or response.headers.get("Location") or "")
    return response


def is_for_machines() -> bool:
    """Whether the request is for a view that programs call."""
    return bool(getattr(current_app.view_functions.get(request.endpoint or ""), "is_for_machines", False))


def nobody() -> None:
    """Begin a request with nobody signed in, so that even a failure before the session is read has a page."""
    g.session = g.user = g.merchant = g.staff = g.staff_session = g.viewing = None
    audit.acting(audit.Place(request.remote_addr or "", request.user_agent.string))


def load_session() -> None:
    """Set g.session, g.user and g.merchant from the cookie, when somebody is signed in."""
    if request.endpoint == "assets.show" or is_for_machines():
        return
    token = request.cookies.get(cookie_name("session"), "")
    session = accounts.session_for(token) if token else None
    if session is not None:
        g.session, g.user, g.merchant = session, session.user, session.user.merchant
    elif token := request.cookies.get(cookie_name("staff"), ""):
        _load_staff(token)


def _load_staff(token: str) -> None:
    """Support staff: on their console as themselves; elsewhere only inside a view, as a visitor of that workspace."""
    session = staff.session_for(token)
    if session is None:
        return
    place = audit.Place(request.remote_addr or "", request.user_agent.string, staff=True)
    if is_for_staff(request.endpoint):
        audit.acting(place)
        g.staff, g.staff_session = session.staff, session
        return
    view = views.of(session.staff)
    public = getattr(current_app.view_functions.get(request.endpoint or ""), "is_public", False)
    if public:
        return
    audit.acting(place)
    asked = (request.endpoint or "page", request.method, place.address)
    views.note_refused(session.staff, view, request.view_args or {}, asked)
    if view is not None:
        g.viewing, g.staff, g.session = view, session.staff, session
        g.user, g.merchant = views.visitor(view), view.merchant


def require_sign_in() -> Response | None:
    """Send everyone who is not signed in to the sign-in page, and back to where they were afterwards. Raises Ended."""
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "is_public", False):
        return None
    if is_for_staff(request.endpoint):
        if g.session is not None:
            raise NotFound("page")  # of a workspace: for its people nothing is there
        return None if g.staff is not None else to_sign_in()
    if g.session is not None:
        if view is not None and g.merchant.closing_at is not None and request.endpoint not in CLOSING:
            return go(url_for("closing.show"))
        if g.viewing is not None:
            return None
        lacks = view is not None and request.endpoint not in SETTING_UP and two_step.must_set_up(g.user)
        return go(url_for("two_step.show")) if lacks else None
    if request.url_rule is None and request.path.startswith("/api/"):
        return None  # nothing is there; a program is told so, not shown the way to the sign-in page
    if request.method == "POST" and (request.headers.get("Origin") or request.headers.get("Referer")) and _from_us():
        raise Ended
    return to_sign_in()


def to_sign_in() -> Response:
    """The way to the sign-in page, and from there back to this page."""
    ended = "1" if request.method not in SAFE_METHODS or wants_fragment() else None
    location = url_for("auth.sign_in", next=way_back(), ended=ended)
    if wants_fragment():
        return Response("", 401, headers={"HX-Redirect": location})
    return cast(Response, current_app.redirect(location, 302 if request.method in SAFE_METHODS else 303))


def allow_files() -> None:
    """Raise the body limit for views that take files."""
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "takes_files", False):
        request.max_content_length = current_app.config["PORTAL"].max_feed_bytes + 1_000_000


def refuse_forged() -> None:
    """Stop an unsafe request without this session's token, or from another origin. Raises Forged."""
    if request.method in SAFE_METHODS or request.endpoint is None or is_for_machines():
        return
    expected = csrf_token()
    given = request.headers.get("X-CSRF-Token") or request.form.get("csrf_token", "")
    if not _from_us() or not expected or not hmac.compare_digest(expected.encode(), given.encode()):
        raise Forged


def csrf_token() -> str:
    """What forms of this session carry. Before sign-in: the value of a cookie made with the sign-in page."""
    for session in (g.get("session"), g.get("staff_session")):
        if session is not None:
            return str(session.csrf)
    return str(g.get("new_form_cookie") or request.cookies.get(cookie_name("form"), ""))


def begin_form() -> None:
    """Before a page with a form for somebody who may have no session: the value of the cookie that its hidden field must equal."""
    if g.session is None and not request.cookies.get(cookie_name("form")):
        g.new_form_cookie = secrets.token_urlsafe(32)


def with_form_cookie(response: Response) -> Response:
    """`response` with the cookie that `begin_form` made, if it did."""
    if g.get("new_form_cookie"):
        response.set_cookie(cookie_name("form"), g.new_form_cookie, **cookie_settings())
    return response


def with_session(response: Response, token: str) -> Response:
    """`response` with the cookie of a session that was just opened."""
    longest = int(accounts.LONGEST_SESSION.total_seconds())
    response.set_cookie(cookie_name("session"), token, max_age=longest, **cookie_settings())
    response.delete_cookie(cookie_name("form"), **cookie_settings())
    return response


def with_device(response: Response, email: str) -> Response:
    """`response` with the cookie by which this browser is known: a stranger's wrong tries do not keep it out."""
    longest = int(timedelta(days=devices.LASTS_DAYS).total_seconds())
    response.set_cookie(cookie_name("device"), devices.make(email), max_age=longest, **cookie_settings())
    return response


def cookie_settings() -> dict[str, Any]:
    """How each cookie of ours is set."""
    return {"path": "/", "httponly": True, "samesite": "Lax", "secure": current_app.config["PORTAL"].production}


def cookie_name(use: str) -> str:
    """The cookie for `use` ("session" or "form"). The __Host- prefix needs HTTPS, so production only."""
    prefix = "__Host-" if current_app.config["PORTAL"].production else ""
    return f"{prefix}quayside_{use}"


def local_path(text: str | None) -> str:
    """`text` if it is a path on this site, else "/". Never leads elsewhere."""
    path = text or ""
    parts = urlsplit(path)
    odd = any(ord(letter) < 33 or letter == "\\" for letter in path)
    if not path.startswith("/") or path.startswith("//") or parts.scheme or parts.netloc or odd:
        return "/"
    return path


def way_back() -> str:
    """A page (GET) of ours to return to: this address, or the page that sent the form."""
    if request.method in SAFE_METHODS and not wants_fragment():
        if request.url_rule is None or is_for_staff(request.endpoint):  # nothing to see there, so do not come back to it
            return "/"
        return local_path(request.full_path.rstrip("?"))
    page = urlsplit(request.htmx.current_url or request.referrer or "")
    if page.path and (not page.netloc or addresses.is_ours(page.netloc)):
        return local_path(page.path + (f"?{page.query}" if page.query else ""))
    return local_path(request.path) if "GET" in _methods_here() else "/"


def _methods_here() -> set[str]:
    rule = request.url_rule
    if rule is None:
        return set()
    allowed: set[str] = set()
    for other in current_app.url_map.iter_rules():
        if other.rule == rule.rule:
            allowed |= set(other.methods or ())
    return allowed


def _from_us() -> bool:
    """Whether browser headers, where there are any, name this portal as the sender."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        return False
    for name in ("Origin", "Referer"):
        value = request.headers.get(name)
        if value:
            return addresses.is_ours(urlsplit(value).netloc)
    return True
