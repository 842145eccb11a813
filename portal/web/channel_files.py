"""A channel's listings as a file: its columns, the download, and the link from which a shop fetches it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import IO, Any

from flask import Blueprint, Response, g, stream_with_context, url_for
from htmx_flask import request
from werkzeug.http import parse_date
from wtforms import BooleanField

from portal import channels, clock
from portal.api.limits import Buckets
from portal.errors import Invalid, NotFound, Stale
from portal.hook_limits import Refusals
from portal.listings import export, links
from portal.web import guards
from portal.web.addresses import is_only_here
from portal.web.forms import VersionedForm
from portal.web.permissions import may
from portal.web.render import download, render, saved

blueprint = Blueprint("channel_files", __name__)

polls, refusals = Buckets(), Refusals()
SPARE_ROWS = 3
LOOKED_AT = 5
MOVES = {"up": -1, "down": 1}


class LayoutForm(VersionedForm):
    """The columns of a file, which come as lists: column, name and text."""

    safe = BooleanField("Keep cells from acting as formulas", description="A cell that begins with = + - or @ gets an apostrophe in front. "
                        "Turn it off only where no person opens the file in a spreadsheet, as it changes what a program reads")  # fmt: skip


@blueprint.route("/channels/<channel_id>/file", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def show(channel_id: str) -> Response:
    """The columns, how the file begins, the download and the link; keeping the columns."""
    channel = channels.find(g.merchant, channel_id)
    layout = export.layout_of(channel)
    form = LayoutForm.read(safe=layout.safe, version=str(channel.version))
    if request.method != "POST":
        return _page(channel, form, layout)
    typed = list(
        zip(*(request.form.getlist(name)[: export.MOST_COLUMNS + SPARE_ROWS] for name in ("column", "name", "text")), strict=False)
    )
    act, _, place = request.form.get("act", "").partition("-")
    try:
        found = export.judged(typed, bool(form.safe.data))
        if act in MOVES and place.isascii() and place.isdigit():
            found = export.moved(found, int(place[:3]), MOVES[act])
        export.save(channel, found, form.version_read(), g.user.email)
    except Invalid as refused:
        return _page(channel, form.refuse(refused), layout, 422, typed)
    except Stale as stale:
        fresh = channels.find(g.merchant, channel_id)
        return _page(fresh, form.keep(stale, fresh.version, {}), layout, 409, typed)
    return saved(url_for("channel_files.show", channel_id=channel_id))


@blueprint.get("/channels/<channel_id>/listings.csv")
@guards.signed_in
def csv(channel_id: str) -> Response:
    """All of it, streamed."""
    channel = channels.find(g.merchant, channel_id)
    if g.viewing is None:  # what support looks at is no file that a shop has
        links.shown(channel, clock.now())
    name = re.sub(r"[^\w.-]+", "-", channel.name).strip("-.") or "channel"
    return download(stream_with_context(_with_mark(export.csv_lines(channel))), f"{name}-listings.csv")


def _with_mark(lines: Iterator[str]) -> Iterator[bytes]:
    yield b"\xef\xbb\xbf"
    for part in lines:
        yield part.encode()


@blueprint.route("/channels/<channel_id>/feed-link", methods=["GET", "POST"])
@guards.signed_in
@guards.once
def link(channel_id: str) -> Response:
    """Make the link; with `act` end: end it. A page says first what a shop that polls it will meet."""
    channel = _polled(channel_id)
    ends = request.values.get("act", "") == "end"
    if request.method != "POST":
        return render("listings/link.html", channel=channel, link=links.of(channel), ends=ends)
    if ends:
        links.revoke(channel, g.user.email)
    else:
        links.make(channel, g.user.email)
    words = "The link opens nothing any more." if ends else "The link is made. Copy it to the shop."
    return saved(url_for("channel_files.show", channel_id=channel_id, _anchor="link"), words)


def _polled(channel_id: str) -> Any:
    channel = channels.find(g.merchant, channel_id)
    if channel.kind != "feed":
        raise NotFound("link")
    return channel


def _page(channel: Any, form: Any, layout: Any, status: int = 200, typed: Any = None) -> Response:
    rows = typed if typed is not None else [(one.field, one.name, one.text) for one in layout.columns]
    room = max(0, export.MOST_COLUMNS - len(rows))
    found = links.of(channel) if channel.kind == "feed" else None
    return render(
        "listings/file.html", "listings/_file.html", status, channel=channel, form=form,
        rows=[*rows, *[("", "", "")] * min(SPARE_ROWS, room)],
        fields={key: words for key, (words, _) in export.FIELDS.items()}, tab="file", kinds=channels.NAMES, link=found, near=is_only_here(),
        token=links.token_of(found) if found is not None and may("credentials") else "", forms=links.FORMS,
        answered=links.answer_in_words(found) if found is not None else "",
        head=list(_head(channel, layout)),
    )  # fmt: skip


def _head(channel: Any, layout: Any) -> Iterator[str]:
    for part in export.csv_lines(channel, layout, LOOKED_AT):
        yield from part.splitlines()


# for shops


@blueprint.get("/listing-feeds/<token>.<form>")
@guards.for_machines
def feed(token: str, form: str) -> Response:
    """The file, for who knows its address. Every wrong address is the same 404."""
    sender = request.remote_addr or ""
    found = links.behind(token)
    if found is None or form not in links.FORMS:
        return _wait(60) if refusals.note(sender) else _nothing()
    room = polls.take(found.token_hash)
    if room.wait:
        links.polled(found, sender, 429)
        return _wait(room.wait)
    file = links.current(found.channel, form)
    same = links.is_theirs(file, request.headers.get("If-None-Match", ""), parse_date(request.headers.get("If-Modified-Since")))
    response = Response(b"" if same else _chunks(file.opened()), 304 if same else 200, content_type=links.FORMS[form][1])
    if not same:
        response.content_length = file.size
    response.set_etag(file.tag)
    response.last_modified = file.changed_at
    response.headers["Cache-Control"] = "private, no-cache"
    links.polled(found, sender, response.status_code)
    if request.method == "GET":
        links.shown(found.channel, file.made_at)
    return response


def _chunks(opened: IO[bytes]) -> Iterator[bytes]:
    with opened:
        while part := opened.read(1 << 16):
            yield part


def _nothing() -> Response:
    return Response("Not found\n", 404, mimetype="text/plain")


def _wait(seconds: int) -> Response:
    return Response("Too many requests\n", 429, mimetype="text/plain", headers={"Retry-After": str(seconds)})
