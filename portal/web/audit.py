"""The audit log of the workspace: who did what, from where, before → after; filters, a file of exactly those lines, and the proof."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from flask import Blueprint, Response, g, stream_with_context, url_for
from htmx_flask import request
from wtforms import DateField, SelectField, StringField
from wtforms.validators import Optional

from portal import audit_log, audit_words
from portal.audit_log import Asked
from portal.web import guards
from portal.web.filters import zone
from portal.web.forms import LedgerForm
from portal.web.render import download, render

blueprint = Blueprint("audit", __name__)
MARK = b"\xef\xbb\xbf"  # so that spreadsheets read UTF-8
NAMES = ("who", "what", "since", "until", "thing")

PLACES: dict[str, Callable[[str], str]] = {
    "source": lambda public_id: url_for("sources.show", source_id=public_id),
    "channel": lambda public_id: url_for("channels.show", channel_id=public_id),
    "order": lambda public_id: url_for("order.show", order_id=public_id),
    "product": lambda public_id: url_for("products.show", product_id=public_id),
    "item": lambda public_id: url_for("inventory.show", item_id=public_id),
    "inventory_item": lambda public_id: url_for("inventory.show", item_id=public_id),
    "run": lambda public_id: url_for("runs.show", run_id=public_id),
}
"""Kind of object -> its page, from its id."""


class FilterForm(LedgerForm):
    """Which lines are wanted."""

    who = StringField("Who", render_kw={"maxlength": "254", "autocomplete": "off"})
    what = SelectField(
        "What",
        choices={"": "Everything"} | {key: words for key, (words, _) in audit_words.AREAS.items()},
        validate_choice=False,
        default="",
    )
    since = DateField("From", validators=[Optional()])
    until = DateField("To", validators=[Optional()])
    thing = StringField("Object", render_kw={"maxlength": "120", "autocomplete": "off"})


@blueprint.get("/audit")
@guards.signed_in
def index() -> Response:
    """The lines that the filters leave, newest first."""
    form, asked = _asked()
    before = request.args.get("before", type=int)
    status = 422 if form.problems() else 200
    found, following = audit_log.page(g.merchant, asked, before) if status == 200 else ([], None)
    first = before is None and status == 200
    return render(
        "audit/index.html", "audit/_list.html", status, form=form, found=found, cut=audit_words.cut, most=audit_words.MOST_PAIRS,
        chain=audit_log.chain(g.merchant, whole=request.args.get("check") == "1") if first else None,
        places=PLACES, given=_given(), next_url=url_for("audit.index", **_given(), before=following) if following else "",
        first_url=url_for("audit.index", **_given()) if before is not None else "",
    )  # fmt: skip


@blueprint.get("/audit.csv")
@guards.signed_in
def csv() -> Response:
    """The same lines, all of them, as a file."""
    form, asked = _asked()
    if form.problems():
        return render("audit/index.html", None, 422, form=form, found=[], chain=None, places=PLACES, given=_given(), next_url="",
                      first_url="", cut=audit_words.cut, most=audit_words.MOST_PAIRS)  # fmt: skip
    name = f"audit-log-{datetime.now(UTC):%Y-%m-%d}.csv"
    return download(stream_with_context(_bytes(audit_log.as_csv(g.merchant, asked))), name)


def _asked() -> tuple[FilterForm, Asked]:
    form = FilterForm(formdata=request.args if any(request.args.get(name) for name in NAMES) else None)
    form.validate()
    since, until = form.since.data, form.until.data
    if since and until and until < since:
        form.until.errors = ["To lies before From. Choose a later day."]
    clean = [(field.data or "").replace("\x00", "").strip() for field in (form.who, form.what, form.thing)]
    return form, Asked(clean[0][:254], clean[1], clean[2][:120], _midnight(since), _midnight(until, 1))


def _midnight(day: date | None, later: int = 0) -> datetime | None:
    """When that day begins in the person's zone, as naive UTC; or `later` days after it."""
    if day is None or not date(1970, 1, 2) < day < date(9000, 1, 1):
        return None
    return datetime.combine(day + timedelta(days=later), time(), zone()).astimezone(UTC).replace(tzinfo=None)


def _given() -> dict[str, Any]:
    return {name: request.args[name] for name in NAMES if request.args.get(name)}


def _bytes(lines: Iterator[str]) -> Iterator[bytes]:
    yield MARK
    for one in lines:
        yield one.encode()
