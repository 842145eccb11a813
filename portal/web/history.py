"""The past of a source: its inventory as of a moment, and what differs between two runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import DateTimeLocalField, SelectField, StringField

from portal import clock, run_report, sources
from portal.errors import Invalid, NotFound
from portal.inventory import history, lineage
from portal.inventory.export import shown
from portal.web import guards
from portal.web.filters import moment, zone
from portal.web.forms import LedgerForm
from portal.web.render import download, render

blueprint = Blueprint("history", __name__)

FORMS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M"]


class MomentForm(LedgerForm):
    """A moment of the past and the start of a SKU."""

    at = DateTimeLocalField("As of", format=FORMS, render_kw={"step": "1"})
    q = StringField("SKU begins with")


class PairForm(LedgerForm):
    """Two runs."""

    one = SelectField("After run", validate_choice=False)
    other = SelectField("And after run", validate_choice=False)


@blueprint.get("/sources/<source_id>/inventory/past")
@guards.signed_in
def past(source_id: str) -> Response:
    """The inventory of a source as it was at a moment."""
    source = sources.find(g.merchant, source_id)
    form, at = _moment(request.args)
    items: list[Any] = []
    following = ""
    try:
        if not form.problems():
            items, following = history.as_of(source, at, after=request.args.get("after", ""), prefix=_prefix(form))
    except Invalid as invalid:
        form.refuse(invalid)
    status = 422 if form.problems() else 200
    asked: dict[str, Any] = {"source_id": source_id, "at": _local(at), "q": form.q.data or None}
    return render(
        "history/past.html", "history/_past.html", status, source=source, tab="inventory", form=form, at=at, asked=asked,
        rows=[(one, {column: _value(column, one.values.get(column)) for column in lineage.SHOWN}) for one in items],
        next_url=url_for("history.past", **asked, after=following) if following else "",
        first_url=url_for("history.past", **asked) if request.args.get("after") else "", earliest=history.earliest(source),
    )  # fmt: skip


@blueprint.get("/sources/<source_id>/inventory/past.csv")
@guards.signed_in
def past_csv(source_id: str) -> Response:
    """The same, whole, as a file."""
    source = sources.find(g.merchant, source_id)
    form, at = _moment(request.args)
    if form.problems():
        raise NotFound("moment")
    return download(_bytes(history.as_of_csv(source, at, _prefix(form))), f"{source.public_id}-as-of-{_local(at)}.csv".replace(":", "-"))


@blueprint.get("/sources/<source_id>/runs/comparison")
@guards.signed_in
def comparison(source_id: str) -> Response:
    """What differs between a source after one run and after another."""
    source = sources.find(g.merchant, source_id)
    known = history.comparable(source)
    form = _pair_form(known, request.args)
    one = other = counts = None
    items: list[Any] = []
    following = ""
    if len(known) > 1:
        try:
            one, other = history.pair(source, form.one.data or "", form.other.data or "")
            counts = history.count(source, one, other)
            items, following = history.differing(source, one, other, after=request.args.get("after", ""))
        except Invalid as invalid:
            form.refuse(invalid)
    asked: dict[str, Any] = {"source_id": source_id, "one": form.one.data, "other": form.other.data}
    return render(
        "history/comparison.html", "history/_comparison.html", 422 if form.problems() else 200, source=source, tab="runs", form=form,
        known=known, one=one, other=other, counts=counts, asked=asked,
        rows=[(item, [(lineage.label(name), _value(name, was), _value(name, now)) for name, was, now in item.values]) for item in items],
        next_url=url_for("history.comparison", **asked, after=following) if following else "",
        first_url=url_for("history.comparison", **asked) if request.args.get("after") else "",
    )  # fmt: skip


@blueprint.get("/sources/<source_id>/runs/comparison.csv")
@guards.signed_in
def comparison_csv(source_id: str) -> Response:
    """Every difference as a file."""
    source = sources.find(g.merchant, source_id)
    one, other = history.pair(source, request.args.get("one", ""), request.args.get("other", ""))
    return download(_bytes(history.differing_csv(source, one, other)), f"runs-{one.number}-and-{other.number}.csv")


def _moment(args: Any) -> tuple[MomentForm, datetime]:
    """The form and the moment it names as naive UTC; now where none is named."""
    form = MomentForm(formdata=args if args.get("at") else None, q=args.get("q", ""))
    if form.at.data is None:
        if args.get("at"):
            form.refuse(Invalid({"at": "Enter a date and a time, such as 2026-11-25 08:00."}))
        now = clock.now().replace(microsecond=999_999)
        form.at.data = None if args.get("at") else _in_zone(now)
        return form, now
    at = form.at.data.replace(tzinfo=zone()).astimezone(UTC).replace(tzinfo=None)
    # A clock reads whole seconds: the one that was typed is meant to its end.
    return form, at.replace(microsecond=999_999)


def _prefix(form: MomentForm) -> str:
    return (form.q.data or "").strip()[:120]


def _in_zone(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC).astimezone(zone()).replace(tzinfo=None)


def _local(at: datetime) -> str:
    return _in_zone(at).strftime(FORMS[0])


def _pair_form(known: list[Any], args: Any) -> PairForm:
    form = PairForm(formdata=args if args.get("one") else None)
    form.one.choices = form.other.choices = {run.public_id: _run_words(run) for run in known}
    if not args.get("one") and len(known) > 1:
        form.other.data, form.one.data = known[0].public_id, known[1].public_id
    return form


def _run_words(run: Any) -> str:
    return f"{run.number:,}, {run_report.title_of(run)}, {_in_zone(run.finished_at):%d %b %Y, %H:%M}"


def _value(column: str, value: Any) -> Any:
    if value is not None and column in lineage.TIMES:
        return moment(datetime.fromisoformat(value))
    return shown(column, value)


def _bytes(lines: Any) -> Any:
    yield b"\xef\xbb\xbf"
    for line in lines:
        yield line.encode()
