"""What the pages of connecting a source share: their blueprint, their addresses, and starting a test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g, request, url_for

import tasks
from portal import connection_checks, connections, file_choice, secondary, setup_steps, sources
from portal.web.render import saved

# Of two rules of one view the lower one is the first: addresses that do not say which feed are the primary's.
blueprint = Blueprint("connections", __name__, url_prefix="/sources/<source_id>")


def source_at(source_id: str, step: str) -> Any:
    """The merchant's source, when its set-up has come to `step`. Raises NotFound, SkippedStep."""
    source = sources.find_line(g.merchant, source_id)
    setup_steps.require(source, step)
    return source


def source_of_file(source_id: str, which: str) -> Any:
    """The merchant's source, when the page of the file of that integration may be opened. Raises NotFound, SkippedStep."""
    source = source_at(source_id, "file")
    if which != sources.PRIMARY:
        secondary.require(sources.integration(source, which), "file")
    return source


def tested_for(source: Any, connection: Any) -> str:
    """The integration whose file the last test read; the primary one once that was removed."""
    which = file_choice.tested_kind(connection)
    return which if which == sources.PRIMARY or secondary.of(source) is not None else sources.PRIMARY


def address(endpoint: str, source: Any, **query: Any) -> str:
    """A page of this source; remembers that the person came from the review."""
    return url_for(endpoint, source_id=source.public_id, back=request.args.get("back"), **query)


def tested(
    source: Any, words: str, choice: Mapping[str, str] | None = None, page: str = "connections.checks", which: str = sources.PRIMARY
) -> Response:
    """Start a test that reads the file of the integration `which`, and go to the page that shows it."""
    connection_checks.start(source, g.user.email, choice, which)
    tasks.ring()
    return saved(address(page, source, **({"which": which} if page == "connections.file" else {})), words)


def act_of(source: Any, act: str, act_at: str) -> str:
    """The words of a problem's act. Where a person uploads the files there is no address to check, only another file to send."""
    if act_at == "connection" and source is not None and connections.is_upload(source):
        return "Upload another file"
    return act
