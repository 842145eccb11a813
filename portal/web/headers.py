"""The security headers of every answer, errors and assets included."""

from __future__ import annotations

from flask import Flask, Response, current_app, request

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'; base-uri 'none'"

ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def install(app: Flask) -> None:
    """Add the headers to each answer of `app`; a view may set a stricter content policy of its own."""
    app.after_request(complete)


def complete(response: Response) -> Response:
    """Fill in what the view left open. Nothing but assets may be kept by a browser or a proxy."""
    for name, value in ALWAYS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", CONTENT_POLICY)
    if current_app.config["PORTAL"].production:
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
    if request.endpoint != "assets.show":
        response.headers.setdefault("Cache-Control", "no-store")
        response.vary.add("HX-Request")
    return response
