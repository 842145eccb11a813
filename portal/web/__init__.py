"""The web side: one blueprint per noun, each view thin. `build` puts them together."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from flask import Flask, g
from htmx_flask import Htmx
from jinja2 import StrictUndefined
from werkzeug.middleware.proxy_fix import ProxyFix

from portal.audit import acting
from portal.config import Config
from portal.web import addresses, assets, errors, filters, guards, headers, measuring, permissions, probes, render, steps

ROOT = Path(__file__).resolve().parents[2]
SMALL_BODY = 2_000_000  # bytes; views marked `guards.takes_files` allow the feed limit instead

BLUEPRINTS: tuple[str, ...] = (
    "auth",
    "account",
    "team",
    "joining",
    "two_step",
    "passkeys",
    "keeping",
    "erasing",
    "retention",
    "closing",
    "help",
    "source_files",
    "sources",
    "source_settings",
    "danger",
    "schedule",
    "freshness",
    "runs",
    "held",
    "dry_runs",
    "limits",
    "feed_policies",
    "columns",
    "reverts",
    "fixes",
    "inventory",
    "item_acts",
    "bulk_acts",
    "billing",
    "order_list",
    "order_page",
    "order_new",
    "order_files",
    "alerts",
    "alert_settings",
    "api_tokens",
    "exchanges",
    "audit",
    "exclusions",
    "hooks",
    "signing_in",
    "soap",
    "approvals",
    "store_apps",
    "history",
    "directory",
    "acknowledgements",
    "connections",
    "mappings",
    "channels",
    "parcels",
    "products",
    "linking",
    "listings",
    "listing_rules",
    "listing_batches",
    "pushing",
    "channel_files",
    "requests",
    "request_acts",
    "routing",
    "order_rules",
    "auto_process",
    "secondary",
    "setup",
    "sending",
    "sending_ways",
    "usage",
    "probes",
    "operate",
    "staff",
    "staff_acts",
    "support",
)


def build(config: Config, open_database: Callable[[], bool], close_database: Callable[[bool], object]) -> Flask:
    """The Flask application. `open_database` tells whether `close_database` must be told of the end, and whether the request failed."""
    app = Flask("portal", template_folder=str(ROOT / "templates"), static_folder=None)
    app.config.update(PORTAL=config, MAX_CONTENT_LENGTH=SMALL_BODY, MAX_FORM_MEMORY_SIZE=SMALL_BODY, MAX_FORM_PARTS=5_000)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.undefined = StrictUndefined  # a misspelt name in a template fails loudly
    Htmx(app)
    measuring.install(app)

    @app.before_request
    def open_for_request() -> None:
        guards.nobody()
        g.opened_database = not probes.needs_no_database() and open_database()

    @app.teardown_request
    def close_after_request(error: BaseException | None) -> None:
        acting()
        if g.pop("opened_database", False):
            close_database(error is not None)

    headers.install(app)
    addresses.install(app)
    assets.install(app, ROOT / "static")
    guards.install(app)
    permissions.install(app)
    errors.install(app)
    steps.install(app)
    filters.install(app)
    render.install(app)
    if config.proxies:  # the Host is what browsers sent, or PUBLIC_URL; see addresses.py
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=config.proxies, x_proto=config.proxies, x_host=0)  # type: ignore[method-assign]
    for name in BLUEPRINTS:
        app.register_blueprint(import_module(f"portal.web.{name}").blueprint)
    app.register_blueprint(import_module("portal.api.routes").blueprint)
    return app
