"""What the pages of connecting a source share: their blueprint, their addresses, and starting a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, request, url_for

import tasks
from portal import connection_checks, connections, setup_steps, sources
from portal.web.render import saved

blueprint = Blueprint("connections", __name__, url_prefix="/sources/<source_id>")


def source_at(source_id: str, step: str) -> Any:
    """The merchant's source, when its set-up has come to `step`. Raises NotFound, SkippedStep."""
    source = sources.find(g.merchant, source_id)
    setup_steps.require(source, step)
    return source


def address(endpoint: str, source: Any, **query: Any) -> str:
    """A page of this source; remembers that the person came from the review."""
    return url_for(endpoint, source_id=source.public_id, back=request.args.get("back"), **query)


def tested(source: Any, words: str, choice: Mapping[str, str] | None = None, page: str = "connections.checks") -> Response:
    """Start a test and go to the page that shows it."""
    connection_checks.start(source, g.user.email, choice)
    tasks.ring()
    return saved(address(page, source), words)


def act_of(source: Any, act: str, act_at: str) -> str:
    """The words of a problem's act. Where a person uploads the files there is no address to check, only another file to send."""
    if act_at == "connection" and source is not None and connections.is_upload(source):
        return "Upload another file"
    return act
