"""Webhooks in: the address that suppliers' programs send to, and the pages of it: address, secret, test event, deliveries."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge
from wtforms import PasswordField, RadioField

import tasks
from portal import clock, connections, deliveries, hook_signatures, receiving, setup_steps, sources, webhooks
from portal.errors import Invalid, NotFound
from portal.receiving import Answer
from portal.web import guards
from portal.web.addresses import external, is_only_here
from portal.web.forms import LedgerForm
from portal.web.render import render, saved

blueprint = Blueprint("hooks", __name__)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
STATES = {
    "refused": ("failed", "Refused"), "ping": ("passed", "Greeting"), "waiting": ("waiting", "Waits for a run"),
    "taken": ("running", "Being read"), "read": ("finished", "Read"), "replaced": ("stopped", "Replaced"), "failed": ("failed", "Not read"),
    "left_out": ("not_tried", "Left out"), "kept": ("queued", "Kept"),
}  # fmt: skip
KINDS = {"acknowledgements": "acknowledgement", "shipments": "shipment"}


@blueprint.route("/hooks/<token>", methods=METHODS)
@guards.for_machines
def receive(token: str) -> Response:
    """Take one delivery of stock. Every answer has the same small shape; 202 means that it is kept."""
    return _received(token, "inventory")


@blueprint.route("/hooks/<token>/<what>", methods=METHODS)
@guards.for_machines
def receive_more(token: str, what: str) -> Response:
    """Take an acknowledgement or a shipment, at an address below that of the stock."""
    return _received(token, KINDS.get(what, ""))


def _received(token: str, kind: str) -> Response:
    if request.method != "POST":
        return _told(Answer(405, "use_post"))
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        answer = receiving.receive(token, kind, receiving.Request(headers, request.remote_addr or "", _read))
    except ClientDisconnected:
        return _told(Answer(400, "cut"))
    if answer.fresh:
        tasks.ring_if_it_works()
    return _told(answer)


def _read(limit: int) -> bytes | None:
    request.max_content_length = limit
    try:
        return bytes(request.stream.read())
    except RequestEntityTooLarge:
        return None


def _told(answer: Answer) -> Response:
    word = "taken" if answer.status < 300 else "refused"
    text = json.dumps({"status": word, "code": answer.code}, separators=(",", ":")) + "\n"
    response = Response(text, answer.status, mimetype="application/json")
    if answer.retry_after:
        response.headers["Retry-After"] = str(answer.retry_after)
    if answer.status == 405:
        response.headers["Allow"] = "POST"
    return response


# pages


class SecretForm(LedgerForm):
    """Whose secret is next, and how long the present one stays good."""

    whose = RadioField("The new secret", choices={"ours": "Make one here", "theirs": "Enter the one that the sender made"})
    secret = PasswordField("Signing secret")
    hours = RadioField("The secret before stays good for", choices=webhooks.KEPT_AFTER)


@blueprint.get("/sources/<source_id>/webhook")
@guards.signed_in
def show(source_id: str) -> Response:
    """Our address, the secret while it may be shown, and what came last."""
    source = _source(source_id)
    hook, scheme = webhooks.find(source), webhooks.scheme_of(source)
    addresses = [(words, _address(hook, kind)) for kind, words in webhooks.KINDS.items() if kind in webhooks.opened(source)]
    return render(
        "hooks/show.html", "hooks/_event.html", source=source, supplier=connections.supplier_of(source), hook=hook, scheme=scheme,
        name=hook_signatures.NAMES[scheme.kind], addresses=addresses, theirs=scheme.kind in hook_signatures.THEIRS,
        secret=webhooks.revealed(hook, g.user.email), near=is_only_here(), clock_now=clock.now(), **_event(source),
    )  # fmt: skip


@blueprint.get("/sources/<source_id>/webhook/event")
@guards.signed_in
def event(source_id: str) -> Response:
    """What came last, or that nothing did yet; asks again by itself until something was taken."""
    source = _source(source_id)
    return render("hooks/event.html", "hooks/_event.html", source=source, **_event(source))


def _event(source: Any) -> dict[str, Any]:
    """The newest delivery, unless it is the one that the page was left with (`after`)."""
    after = request.args.get("after", "")
    lines = deliveries.latest(source, 1)
    line = lines[0] if lines and lines[0].delivery.public_id != after else None
    taken = line is not None and line.delivery.status == 202
    sampled = deliveries.sample(source) is not None and source.state == "draft"
    return {
        "line": line,
        "waits": not taken,
        "after": after,
        "sampled": sampled,
        "words": STATES,
        "may_read_again": deliveries.may_read_again,
    }


@blueprint.get("/sources/<source_id>/webhook/secret")
@guards.signed_in
def secret(source_id: str) -> Response:
    """Replace the signing secret, or enter the first one."""
    source = _source(source_id)
    theirs = webhooks.scheme_of(source).kind in hook_signatures.THEIRS
    return _secret_page(source, SecretForm.read(whose="theirs" if theirs else "ours", hours="24"))


@blueprint.post("/sources/<source_id>/webhook/secret")
@guards.signed_in
@guards.once
def replace_secret(source_id: str) -> Response:
    """Make a secret, or take the sender's."""
    source, form = _source(source_id), SecretForm.read()
    hours = int(form.hours.data) if form.hours.data in webhooks.KEPT_AFTER else 0 if "hours" not in request.form else -1
    try:
        if form.whose.data == "theirs":
            webhooks.take_secret(source, form.secret.data or "", hours, g.user.email)
        else:
            webhooks.make_secret(source, hours, g.user.email)
    except Invalid as refused:
        return _secret_page(source, form.refuse(refused), 422)
    words = "Secret made. Copy it now." if form.whose.data != "theirs" else "Secret saved. It is not shown again."
    return saved(url_for("hooks.show", source_id=source_id), words)


@blueprint.post("/sources/<source_id>/webhook/secret/copied")
@guards.signed_in
@guards.once
def copied(source_id: str) -> Response:
    """The secret is shown no more."""
    source = _source(source_id)
    webhooks.conceal(source)
    return saved(url_for("hooks.show", source_id=source_id), "The secret is not shown again.")


@blueprint.post("/sources/<source_id>/webhook/secret/ending")
@guards.signed_in
@guards.once
def end_old(source_id: str) -> Response:
    """The old secret ends now."""
    source = _source(source_id)
    webhooks.end_old(source, g.user.email)
    return saved(url_for("hooks.show", source_id=source_id), "The old secret is over. What is signed with it is refused.")


def _secret_page(source: Any, form: Any, status: int = 200) -> Response:
    hook, kind = webhooks.find(source), webhooks.scheme_of(source).kind
    return render(
        "hooks/secret.html", "hooks/_secret.html", status, source=source, form=form, hook=hook, theirs=kind in hook_signatures.THEIRS,
        name=hook_signatures.NAMES[kind],
    )  # fmt: skip


@blueprint.get("/sources/<source_id>/deliveries")
@guards.signed_in
def list_deliveries(source_id: str) -> Response:
    """The newest deliveries, taken and refused."""
    source = _source(source_id)
    return render(
        "hooks/deliveries.html", "hooks/_list.html", source=source, lines=deliveries.latest(source), shown=deliveries.SHOWN,
        counts=deliveries.counts(source), words=STATES, may_read_again=deliveries.may_read_again,
    )  # fmt: skip


@blueprint.post("/sources/<source_id>/deliveries")
@guards.signed_in
@guards.once
def change_delivery(source_id: str) -> Response:
    """Leave out one that waits, or read one again with all that came after it."""
    source = _source(source_id)
    here = url_for("hooks.list_deliveries", source_id=source_id)
    if "leave_out" in request.form:
        deliveries.leave_out(source, request.form["leave_out"], g.user.email)
        return saved(here, "Left out. No run reads that delivery.")
    count = deliveries.read_again(source, request.form.get("again", ""), g.user.email)
    tasks.ring()
    return saved(here, f"{count:,} deliveries wait to be read again." if count > 1 else "That delivery waits to be read again.")


def _source(source_id: str) -> Any:
    """The merchant's source that has an address of ours. Raises NotFound, SkippedStep."""
    source = sources.find(g.merchant, source_id)
    setup_steps.require(source, "connection")
    if not connections.is_webhook(source) or not webhooks.exists(source):
        raise NotFound("webhook")
    return source


def _address(hook: Any, kind: str) -> str:
    token = webhooks.token_of(hook)
    if kind == "inventory":
        return external("hooks.receive", token=token)
    return external("hooks.receive_more", token=token, what=webhooks.TICKS[kind])
