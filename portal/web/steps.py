"""Where each set-up step is on screen, and what a skipped one leads to. Views only call `setup_steps.require`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flask import Flask, current_app, request, url_for

from portal import file_choice, secondary, setup_steps, sources
from portal.web.render import saved

PAGES = {
    "supplier": "directory.index",
    "connection": "connections.edit",
    "file": "connections.file",
    "inventory": "mappings.inventory",
    "orders": "mappings.orders",
    "shipments": "mappings.shipments",
    "acknowledgements": "acknowledgements.edit",
    "skus": "setup.skus",
    "review": "setup.review",
}


OF_SECONDARY: dict[str, tuple[str, dict[str, Any]]] = {
    "file": ("connections.file", {"which": sources.SECONDARY}),
    "mapping": ("mappings.inventory", {"which": sources.SECONDARY}),
    "schedule": ("schedule.edit", {"kind": sources.SECONDARY}),
    "review": ("secondary.review", {}),
}


def install(app: Flask) -> None:
    """Give templates `setup_bar`, `step_page` and their like for a second feed, and answer a skipped step with the first open one."""
    app.jinja_env.globals.update(setup_bar=setup_bar, step_page=page, feed_page=feed_page, secondary_bar=secondary_bar)
    app.register_error_handler(secondary.SkippedStep, lambda error: saved(feed_page(error.integration, error.step), str(error)))
    app.register_error_handler(setup_steps.SkippedStep, lambda error: saved(page(error.source, error.step), str(error)))


def setup_bar(source: Any, current: str) -> list[setup_steps.BarPhase]:
    """The phases of setting up `source`, in words that fit what it is connected to: a list behind an API is no file to pick."""
    picks = not source.supplier or file_choice.chooses_files(source)
    titles = {} if picks else {"file": "Check how it is read"}
    phases = setup_steps.bar(source, current)
    return [replace(one, steps=[replace(step, title=titles.get(step.key, step.title)) for step in one.steps]) for one in phases]


def page(source: Any, step: str) -> str:
    """The address of a step of the source."""
    return url_for(PAGES[step], source_id=source.public_id) if PAGES[step] in current_app.view_functions else "/"


def feed_page(integration: Any, step: str) -> str:
    """The address of a step of either inventory integration: file, mapping, schedule or review."""
    source = integration.source
    if integration.kind == sources.PRIMARY:
        own = {"mapping": "inventory"}.get(step, step)
        return page(source, own) if own in PAGES else url_for("schedule.edit", source_id=source.public_id, kind=integration.kind)
    endpoint, values = OF_SECONDARY[step]
    return url_for(endpoint, source_id=source.public_id, **values)


def secondary_bar(integration: Any, current: str) -> list[dict[str, Any]]:
    """The steps of adding a second feed: {key, title, done, current, at}; `at` is "" while the step may not be opened."""
    order, saved_steps, first_open = secondary.steps(integration), secondary.done(integration), secondary.next_step(integration)
    last = len(order) if first_open is None else order.index(first_open)
    return [
        {"key": step, "title": secondary.TITLES[step], "done": step in saved_steps, "current": step == current,
         "at": feed_page(integration, step) if place <= last and step != current else ""}
        for place, step in enumerate(order)
    ]  # fmt: skip


def onward(source: Any, which: str = sources.PRIMARY) -> str:
    """Where a saved step leads: the next open one. A live source goes back to its review or its integrations."""
    if which != sources.PRIMARY:
        feed = sources.integration(source, which)
        open_step = secondary.next_step(feed)
        return feed_page(feed, open_step) if open_step else url_for("sources.integrations", source_id=source.public_id)
    following = setup_steps.next_step(source)
    if following is not None:
        return page(source, following)
    if request.values.get("back") == "review":
        return page(source, "review")
    return url_for("sources.integrations", source_id=source.public_id)
