"""A document handed to an API once, and looked for again by the witness.

document ─▶ sign ─▶ line ─▶ (from here on it may have left) ─▶ answer ─▶ Sent        reference ─▶ list ─▶ compared to the letter ─▶ Found
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from portal.connectors import answers, problems, sending
from portal.connectors.api_auth import ApiAuth, address, refused
from portal.connectors.caller import Answer, Asked, Caller
from portal.connectors.rest_list import Wanted, put_path
from portal.connectors.sending import Found, Sent, Witness
from portal.connectors.taken import Stock, Taken
from portal.errors import Problem

METHODS = frozenset({"POST", "PUT", "PATCH"})


def send(settings: Mapping[str, Any], caller: Caller, auth: ApiAuth, operation: str, document: bytes, reference: str) -> Sent:
    """Send the document to the operation's `path` (`query`, `method` POST, `content_type`), once. Never raises once it may have left.

    `sent_id` is the path to the supplier's own number: an answer of success without it is not known. `error_at`: where an answer of
    success says that it is none. `not_taken`: statuses ("429|503") of which this supplier says that nothing was done. `denied_at`: where
    a 401 says that the key may not write.
    """
    if settings.get("operation") != operation or not settings.get("path"):
        raise sending.cannot("send", "REST")
    request = _request(settings, document, reference)
    host = urlsplit(str(settings.get("base") or "")).hostname or "the server"
    return sending.once(
        lambda steps: caller.ask(auth.sign(request, caller), steps=steps),
        lambda answer: _ended(settings, caller, auth, answer, reference),
        reference, host,
    )  # fmt: skip


def _request(settings: Mapping[str, Any], document: bytes, reference: str) -> Asked:
    method = str(settings.get("method") or "POST")
    if method not in METHODS:
        raise sending.cannot("send", f"REST by {method}")
    path, query = (put_path(str(settings.get(name) or ""), {"reference": reference}) for name in ("path", "query"))
    kind = str(settings.get("content_type") or "application/json")
    key = Witness.of(settings).key or str(settings.get("reference_header") or "")
    headers = {"Content-Type": kind, **({key: reference} if key else {})}
    return Asked(method, address(settings, path) + (f"?{query}" if query else ""), headers=headers, body=document)


def _ended(settings: Mapping[str, Any], caller: Caller, auth: ApiAuth, answer: Answer, reference: str) -> Sent:
    told = [int(one) for one in str(settings.get("not_taken") or "").split("|") if one]
    outcome = sending.outcome_of(answer.status, told)
    if answer.status == 401:
        auth.token = None  # the next request signs in anew; this one is not repeated
    if outcome == "unknown":
        told, problem = _plain(answer, settings), sending.not_known(_host(answer))
        return Sent("unknown", reference, problem=problem, answer=told, status=answer.status)
    if outcome != "sent":
        return Sent(outcome, reference, problem=_in_words(settings, caller, answer), answer=_plain(answer, settings))
    return _taken(settings, caller, answer, reference)


def _in_words(settings: Mapping[str, Any], caller: Caller, answer: Answer) -> Problem:
    """Why it was not taken. A 401 that says that the key is known and may not write (`denied_at`) is no refused sign-in."""
    problem, denied = refused(answer, caller, str(settings.get("user") or "")).problem, str(settings.get("denied_at") or "")
    if answer.status == 401 and denied and _at(_plain(answer, settings), denied):
        body = "The key is known, and may only read. Ask the supplier for one that may write, and enter it under Connection."
        return Problem("permission_denied", "The key may not place orders", body, "Edit connection", "connection", problem.server_said)
    words = str(settings.get(f"words_{answer.status}") or "")
    return replace(problem, body=words) if words else problem


def _taken(settings: Mapping[str, Any], caller: Caller, answer: Answer, reference: str) -> Sent:
    body, at, id_at = _plain(answer, settings), str(settings.get("error_at") or ""), str(settings.get("sent_id") or "")
    if at and (error := _at(body, at)):
        said = problems.quoted(str(error), caller.secrets.values())
        words = problems.protocol_error("The supplier did not take it", "See what it said. Nothing was ordered.", said, permanent=True)
        return Sent("refused", reference, problem=words.problem, answer=body)
    their_id = _at(body, id_at) if id_at else ""
    if id_at and (their_id is None or isinstance(their_id, bool | list | dict) or their_id == ""):
        return Sent("unknown", reference, problem=sending.not_known(_host(answer)), answer=body)
    return Sent("sent", reference, str(their_id), answer=body)


def _plain(answer: Answer, settings: Mapping[str, Any]) -> Any:
    try:
        return answers.read(answer.body, str(settings.get("form") or "json"))
    except answers.Unreadable:
        return None


def _at(body: Any, path: str) -> Any:
    try:
        return answers.at(body, path)
    except answers.Unreadable as error:
        raise AssertionError(f"{path} of a supplier's file is no path") from error


def _host(answer: Answer) -> str:
    return urlsplit(answer.address).hostname or ""


MOST_KEYS = 50
"""Items whose stock is asked for at once."""


Read = Callable[[Wanted], Iterable[Mapping[str, Any]]]


def short(settings: Mapping[str, Any], document: bytes, reference: str, read: Read) -> Sent | None:
    """A refusal of ours where their stock, read now, does not hold the document's lines; None where it does, or is not asked.

    Raises SupplierError where it cannot be read; nothing left then.
    """
    if not settings.get("stock"):
        return None
    stock = Stock(**settings["stock"])
    try:
        keys, items = stock.asked(document), list[Mapping[str, Any]]()
    except answers.Unreadable as error:
        raise problems.protocol_error("The order cannot be sent", f"{error}. Nothing was sent.", permanent=True) from None
    for start in range(0, len(keys), MOST_KEYS):
        path = put_path(stock.path, {"keys": ",".join(keys[start : start + MOST_KEYS])})
        items += read(Wanted(address(settings, path), stock.items, form=str(settings.get("form") or "json")))
    if not (told := stock.short(document, items)):
        return None
    body = f"Their stock was read just now. {'; '.join(told)}. Nothing was sent."
    problem = problems.protocol_error("The store does not have what was ordered", body, permanent=True).problem
    return Sent("refused", reference, problem=problem)


def lines(settings: Mapping[str, Any], their_id: str) -> Wanted:
    """The list of the lines of their order. Raises SupplierError not_set_up where there is none."""
    how = Taken(**(settings.get("taken") or {}))
    if not how.path or not their_id:
        raise sending.cannot("find", "REST")
    return Wanted(address(settings, put_path(how.path, {"id": their_id})), form=str(settings.get("form") or "json"))


def cancel(settings: Mapping[str, Any], caller: Caller, auth: ApiAuth, their_id: str) -> None:
    """Cancel their order of that id, and see in their answer that it is. Raises SupplierError."""
    how = Taken(**(settings.get("taken") or {}))
    if not how.cancels or not their_id:
        raise sending.cannot("cancel", "REST")
    place = address(settings, put_path(how.cancel_path, {"id": their_id}))
    headers = {"Content-Type": "application/json"} if how.cancel_body else {}
    answer = caller.ask(auth.sign(Asked(how.cancel_method, place, headers=headers, body=how.cancel_body.encode()), caller))
    if not answer.good:
        raise refused(answer, caller, str(settings.get("user") or ""))
    if not _at(_plain(answer, settings), how.canceled):
        raise problems.protocol_error("The order was not canceled", "Their answer does not say that it is.")


def search(settings: Mapping[str, Any], witness: Witness, reference: str, since: str = "") -> Wanted:
    """The list in which the witness looks for the reference. Raises SupplierError not_set_up where it has none."""
    if not witness.path or witness.proves not in ("unique", "listed"):
        raise sending.cannot("find", "REST")
    known = {"reference": reference, "since": since or "1970-01-01T00:00:00Z"}
    path, query = put_path(witness.path, known), put_path(witness.query, known)
    place = address(settings, path) + (f"?{query}" if query else "")
    return Wanted(place, witness.items, form=str(settings.get("form") or "json"), error_at=str(settings.get("error_at") or ""))


def found(witness: Witness, items: Iterable[Mapping[str, Any]], reference: str) -> Found | None:
    """The first item whose `field` is the reference to the letter, or a list that holds it, and how many there are that are not gone."""
    first, count = None, 0
    for one in items:
        if witness.gone and _at(one, witness.gone):
            continue
        told = _at(one, witness.field)
        if any(isinstance(text, str | int) and str(text) == reference for text in (told if isinstance(told, list) else [told])):
            first, count = first or one, count + 1
    return None if first is None else Found(reference, str(_at(first, witness.id) or ""), first, count)
