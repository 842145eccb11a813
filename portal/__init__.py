"""Quayside: where merchants connect their fulfillment sources. `create_app` builds the web side."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.config import Config


def create_app(settings: Config | None = None) -> Flask:
    """The web application on its database and key. Reads the environment unless `settings` are given.

    Raises ValueError for a setting that cannot be used.
    """
    # Imported here so that a worker, or a test of a pure module, never loads the web side.
    from portal import config, vault
    from portal.models.database import connect, database
    from portal.web import build

    chosen = settings or config.read()
    connect(chosen.database_url)
    vault.use(vault.load(chosen.secret_key_file))
    return build(chosen, open_database=lambda: bool(database.connect(reuse_if_open=True)), close_database=database.close)
