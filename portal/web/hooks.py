"""Webhooks in: the address that suppliers' programs send to."""

from __future__ import annotations

import json

from flask import Blueprint, Response
from flask import request as web_request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

import tasks
from portal import receiving
from portal.receiving import Answer
from portal.web import guards

blueprint = Blueprint("hooks", __name__)

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
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
    if web_request.method != "POST":
        return _told(Answer(405, "use_post"))
    headers = {name.lower(): value for name, value in web_request.headers.items()}
    try:
        answer = receiving.receive(token, kind, receiving.Request(headers, web_request.remote_addr or "", _read))
    except ClientDisconnected:
        return _told(Answer(400, "cut"))
    if answer.fresh:
        tasks.ring_if_it_works()
    return _told(answer)


def _read(limit: int) -> bytes | None:
    web_request.max_content_length = limit
    try:
        return web_request.stream.read()
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
