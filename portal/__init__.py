"""Quayside: where merchants connect their fulfillment sources. `create_app` builds the web side."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

    from portal.config import Config


def open_installation(settings: Config | None = None) -> Config:
    """Make the settings, database and key those of this process: the first step of every program. Reads the environment by default.

    Raises ValueError for a setting that cannot be used and VaultError for a key file that cannot.
    """
    # Imported here so that a test of a pure module loads nothing else.
    from portal import config, vault
    from portal.models.database import connect

    chosen = config.use(settings or config.read())
    connect(chosen.database_url)
    vault.use(vault.load(chosen.secret_key_file))
    return chosen


def create_commands() -> Flask:
    """An application of commands alone, which start sooner without the web side. Raises what `open_installation` raises."""
    from flask import Flask

    from portal import commands

    open_installation()
    app = Flask("portal", static_folder=None)
    commands.install(app)
    return app


def create_app(settings: Config | None = None) -> Flask:
    """The web application and its commands. Raises what `open_installation` raises, and Refused for what is unsafe in production."""
    # Imported here so that a worker never loads the web side.
    from flask.helpers import get_debug_flag

    from portal import commands
    from portal.models import kept
    from portal.operation import secure
    from portal.web import build

    chosen = open_installation(settings)
    secure.require(chosen, get_debug_flag())
    app = build(chosen, open_database=kept.take, close_database=kept.give_back)
    commands.install(app)
    return app
