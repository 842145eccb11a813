"""The API's addresses: who asks, whether it may, what it says, whether it came before; then the act, then JSON.

token ─▶ rate ─▶ scope ─▶ query and body by their shapes ─▶ Idempotency-Key ─▶ act and kept answer in one transaction
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, g, request
from werkzeug.exceptions import HTTPException

import tasks
from portal import api_answers, api_reading, api_tokens
from portal.api import acts, document, shapes
from portal.api.document import OPERATIONS, ROOT, Operation
from portal.api.limits import Room, buckets
from portal.api.problem import problem
from portal.errors import Invalid, NotFound, Refused
from portal.hook_limits import RETRY_AFTER, Refusals
from portal.web import guards
from portal.web.addresses import external

blueprint = Blueprint("api", __name__, url_prefix=ROOT)
log = logging.getLogger("portal.api")

MOST_BYTES = 1_000_000
refusals = Refusals()


class Unreadable(Exception):
    """A request that is refused before it is understood. `status`, and a sentence."""

    def __init__(self, status: int, words: str) -> None:
        super().__init__(words)
        self.status = status


@blueprint.get("/openapi.json", endpoint="openapi")
@guards.for_machines
def openapi() -> Response:
    """The OpenAPI document; it names nobody's data, so it needs no token."""
    return _json(200, document.openapi(external("api.openapi").removesuffix("/openapi.json")))


def _answer(operation: Operation, **ids: str) -> Response:
    token = _token()
    if token is None:
        return _nobody()
    room = buckets.take(token.public_id)
    g.rate = room
    if room.wait:
        return problem(429, f"This token may ask 10 times a second on average. Wait {room.wait} s.")
    api_tokens.used(token, request.remote_addr or "")
    if operation.scope not in token.scopes:
        return problem(403, _scope_words(token, operation))
    query = _query(operation)
    if "id" in ids and shapes.problems(ids["id"], _id_shape(operation)):
        raise NotFound("id")
    return _done(operation, token, acts.Asked(token, ids.get("id", ""), query))


def _done(operation: Operation, token: Any, asked: acts.Asked) -> Response:
    act = acts.ACTS[operation.name]
    if operation.body is None:
        status, told = act(asked, {})
        return _json(status, told)
    raw = _raw()
    body = _body(operation, raw)
    key = request.headers.get("Idempotency-Key", "")
    if "Idempotency-Key" in request.headers and shapes.problems(key, document.KEY):
        raise Unreadable(400, "An Idempotency-Key has 1 to 200 letters, digits and signs of ASCII, no blanks. Nothing was done.")
    place = f"{request.method} {request.path}"
    answer = api_answers.once(token, place, key, raw, lambda: _written(act(asked, body)), whole=operation.name != "confirm_lease")
    tasks.ring_if_it_works()
    response = Response(answer.text, answer.status, content_type="application/json")
    if answer.again:
        response.headers["Idempotent-Replayed"] = "true"
    return response


def _written(told: tuple[int, Any]) -> tuple[int, str]:
    return told[0], json.dumps(told[1]) + "\n"


def _token() -> Any:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return api_tokens.of_secret(secret.strip()) if scheme.lower() == "bearer" else None


def _nobody() -> Response:
    if refusals.note(request.remote_addr or ""):
        return problem(429, "Too many requests without a good token. Wait a minute.", headers={"Retry-After": str(RETRY_AFTER)})
    words = "Send a token as “Authorization: Bearer qs_…”. This one is missing, unknown, revoked or ended. Tokens are made under Settings."
    return problem(401, words, headers={"WWW-Authenticate": 'Bearer realm="Quayside"'})


def _scope_words(token: Any, operation: Operation) -> str:
    if token.source_id is not None and operation.scope not in api_tokens.OF_SOURCE:
        return f"A token of one source cannot do this. Use a token of the whole workspace with the scope {operation.scope}."
    return f"This token lacks the scope {operation.scope}. Make one that has it, under Settings."


def _id_shape(operation: Operation) -> shapes.Shape:
    return document.LEASE_ID if operation.name == "confirm_lease" else document.ID


def _query(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, shape, _ in operation.query:
        typed = request.args.getlist(name)
        if len(typed) > 1:
            raise Invalid({name: "It may be given once."})
        for text in typed:
            digits = shape["type"] == "integer" and text.isascii() and text.isdigit() and len(text) < 10
            found[name] = int(text) if digits else text
    known = [name for name, _, _ in operation.query]
    words = f"There is no such filter here. Known: {', '.join(known) or 'none'}."
    wrong = {name[:60]: words for name in list(request.args)[: shapes.MOST_TOLD] if name not in known}
    for name, shape, _ in operation.query:
        if name in found:
            wrong |= shapes.problems(found[name], shape, name)
    if wrong:
        raise Invalid(wrong)
    return found


def _raw() -> bytes:
    if request.mimetype != "application/json":
        raise Unreadable(415, "Send JSON, with Content-Type: application/json. Nothing was done.")
    request.max_content_length = MOST_BYTES
    return bytes(request.get_data(cache=False))


def _body(operation: Operation, raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw.decode(), object_pairs_hook=_once_each, parse_constant=_no_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        raise Unreadable(400, f"The body is no JSON that can be read: {str(error)[:120]}. Nothing was done.") from None
    assert operation.body is not None
    if wrong := shapes.problems(body, operation.body):
        raise Invalid(wrong)
    return dict(body)


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def _number(text: str) -> int | float:
    """3.0 is a whole number to JSON Schema, so it is one here."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) < 10**15 else value


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _json(status: int, told: Mapping[str, Any]) -> Response:
    return Response(json.dumps(told) + "\n", status, content_type="application/json")


@blueprint.after_request
def _with_rate(response: Response) -> Response:
    room: Room | None = g.pop("rate", None)
    response.headers.update(room.headers() if room else {})
    return response


@blueprint.errorhandler(NotFound)
def _not_found(_: NotFound) -> Response:
    return problem(404)


@blueprint.errorhandler(Invalid)
def _invalid(error: Invalid) -> Response:
    return problem(422, "Nothing was done. See errors for each place.", {at[:200]: words for at, words in error.errors.items()})


@blueprint.errorhandler(Refused)
def _refused(error: Refused) -> Response:
    return problem(409, str(error))


@blueprint.errorhandler(api_reading.OtherSource)
def _other_source(error: api_reading.OtherSource) -> Response:
    name = error.source.name if error.source else "one source"
    words = f"This token is only for the source {name}, and this is at another source."
    return problem(403, f"{words} Use a token of that source, or one of the whole workspace.")


@blueprint.errorhandler(Unreadable)
def _unreadable(error: Unreadable) -> Response:
    return problem(error.status, str(error))


@blueprint.errorhandler(HTTPException)
def _http(error: HTTPException) -> Response:
    return problem(error.code or 400)


@blueprint.errorhandler(Exception)
def _our_fault(error: Exception) -> Response:
    reference = f"{secrets.token_hex(2)}-{secrets.token_hex(1)}".upper()
    log.error("%s %s %s failed", reference, request.method, request.url_rule, exc_info=error)
    if current_app.testing:
        raise error
    return problem(500, f"Nothing of this request was kept. Send it again, with the same Idempotency-Key. Code {reference}.")


def _view(operation: Operation) -> Any:
    def view(**ids: str) -> Response:
        return _answer(operation, **ids)

    return guards.for_machines(view)


for _one in OPERATIONS:
    blueprint.add_url_rule(_one.path.replace("{id}", "<id>"), _one.name, _view(_one), methods=[_one.method])
