"""Whole addresses of ours, as others use them: where a sign-in comes back to, and where a supplier's program sends to.

PUBLIC_URL says where the portal is reached. Where it is empty, an address begins as the request did: by its Host header and by
the scheme that the web server vouches for. X-Forwarded-Host and Forwarded are read nowhere, as anybody can send them.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, has_request_context, request, url_for
from werkzeug.routing import UnicodeConverter

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,200}", re.ASCII)
_PLACE = "quayside-place-{}-"


def install(app: Flask) -> None:
    """Give templates `external` and a quicker `url_for`."""
    app.jinja_env.globals["external"] = external
    app.jinja_env.globals["url_for"] = Paths(app).of


class Paths:
    """The paths of pages, each built once by Flask and then filled in: a list names a hundred of them, a tenth of its time."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._built: dict[tuple[str, ...], str] = {}

    def of(self, endpoint: str, **values: Any) -> str:
        """As Flask's `url_for`. Only plain texts are filled in, under no prefix; all else Flask does each time."""
        texts = tuple(values.values())
        plain = all(type(text) is str and _PLAIN.fullmatch(text) for text in texts)
        own = plain and not endpoint.startswith(".") and not any(name.startswith("_") for name in values)
        if not own or not has_request_context() or request.script_root:
            return self._app.url_for(endpoint, **values)
        shape = (endpoint, *values)
        pattern = self._built.get(shape)
        if pattern is None:
            pattern = self._built[shape] = self._pattern(endpoint, list(values))
        return pattern % texts if pattern else self._app.url_for(endpoint, **values)

    def _pattern(self, endpoint: str, names: list[str]) -> str:
        """The path with %s for each value in turn; "" where a value decides which path it is, or stands there otherwise than it is."""
        rules = list(self._app.url_map.iter_rules(endpoint)) if endpoint in self._app.view_functions else []
        if len(rules) != 1 or rules[0].defaults or any(type(one) is not UnicodeConverter for one in rules[0]._converters.values()):
            return ""
        places = [_PLACE.format(number) for number in range(len(names))]
        given: dict[str, Any] = dict(zip(names, places, strict=True))
        path = self._app.url_for(endpoint, **given)
        found = [path.find(place) for place in places]
        if found != sorted(found) or -1 in found:
            return ""
        pattern = path.replace("%", "%%")
        for place in places:
            pattern = pattern.replace(place, "%s")
        return pattern


def external(endpoint: str, **values: Any) -> str:
    """The whole address of one of our pages, such as "https://portal.example.com/oauth/return"."""
    public = _public()
    return public + url_for(endpoint, **values) if public else url_for(endpoint, _external=True, **values)


def is_ours(host: str) -> bool:
    """Whether `host`, with its port where it has one, is this portal: the one that was asked, or that of PUBLIC_URL."""
    return host == request.host or bool(_public() and host == urlsplit(_public()).netloc)


def is_only_here() -> bool:
    """Whether our addresses begin with a name that only this machine knows, so that nobody else can reach them."""
    return urlsplit(_public() or request.host_url).hostname in ("localhost", "127.0.0.1", "::1")


def _public() -> str:
    return str(current_app.config["PORTAL"].public_url)
