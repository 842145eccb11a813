"""Whole addresses of ours, as others use them: where a sign-in comes back to, and where a supplier's program sends to.

PUBLIC_URL says where the portal is reached. Where it is empty, an address begins as the request did: by its Host header and by
the scheme that the web server vouches for. X-Forwarded-Host and Forwarded are read nowhere, as anybody can send them.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import Flask, current_app, request, url_for


def install(app: Flask) -> None:
    """Give templates `external`."""
    app.jinja_env.globals["external"] = external


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
