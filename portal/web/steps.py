"""Where each set-up step is on screen, and what a skipped one leads to. Views only call `setup_steps.require`."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, request, url_for

from portal import setup_steps
from portal.web.render import saved

PAGES = {
    "supplier": "directory.index",
    "connection": "connections.edit",
    "file": "connections.file",
    "inventory": "mappings.inventory",
    "orders": "mappings.orders",
    "shipments": "mappings.shipments",
    "skus": "setup.skus",
    "review": "setup.review",
}


def install(app: Flask) -> None:
    """Give templates `setup_bar` and `step_page`, and answer a skipped step with the first open one."""
    app.jinja_env.globals.update(setup_bar=setup_steps.bar, step_page=page)
    app.register_error_handler(setup_steps.SkippedStep, lambda error: saved(page(error.source, error.step), str(error)))


def page(source: Any, step: str) -> str:
    """The address of a step of the source."""
    return url_for(PAGES[step], source_id=source.public_id) if PAGES[step] in current_app.view_functions else "/"


def onward(source: Any) -> str:
    """Where a saved step leads: the next open one. A live source goes back to its review or its integrations."""
    following = setup_steps.next_step(source)
    if following is not None:
        return page(source, following)
    if request.values.get("back") == "review":
        return page(source, "review")
    return url_for("sources.integrations", source_id=source.public_id)
