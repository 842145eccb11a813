"""A document sent to a SOAP service once: what goes into the call, how that ended by the answer, and what is asked to find it again.

document ─▶ call ─▶ line ─▶ (from here on it may have left) ─▶ fault? business error? their number? ─▶ Sent
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import parse_qsl

import orjson

from portal.connectors import answers, problems, sending, soap_answers, soap_arguments
from portal.connectors.caller import Answer
from portal.connectors.sending import Sent, Witness
from portal.errors import SupplierError
from portal.records import Secret

GENERAL = "999"
"""PromoStandards: a general error. What was done before it nobody knows."""
NO_SIGN_IN = frozenset({"sign_in_refused", "permission_denied", "user_locked"})


def parts_of(document: bytes) -> dict[str, Any]:
    """The document as parts of the message: a JSON object in the schema's shape, lists where an element repeats.

    Raises SupplierError where it is none; nothing left then.
    """
    try:
        found = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise problems.protocol_error("The document is no JSON", "Nothing was sent.", permanent=True) from error
    if not isinstance(found, dict):
        raise problems.protocol_error("The document is no JSON object", "Nothing was sent.", permanent=True)
    return found


def ended(
    answer: Answer, read: Callable[[], Any], settings: Mapping[str, Any], hidden: Iterable[Secret], reference: str, host: str
) -> Sent:  # fmt: skip
    """How the send ended. `read` opens the answer's message; `sent_id` is the path to the service's own number in it.

    Only what is certain counts as refused or not sent: a fault on their side, an answer that cannot be read, and one of success
    without their number are not known.
    """
    if not answer.good and not soap_answers.is_fault(answer):
        outcome = sending.outcome_of(answer.status)
        problem = problems.http_status(answer.status, "The service did not take it", "See what it said.", permanent=True).problem
        return Sent(outcome, reference, problem=sending.not_known(host) if outcome == "unknown" else problem)
    try:
        message = read()
        good = [one.strip() for one in str(settings.get("errors_good") or "").split(",")]
        said = soap_answers.business_error(message, str(settings.get("errors_at") or ""), good, hidden)
    except answers.Unreadable:
        return Sent("unknown", reference, problem=sending.not_known(host))
    except SupplierError as error:
        if error.problem.code in NO_SIGN_IN:
            return Sent("not_sent", reference, problem=error.problem)
        refused = error.permanent and soap_answers.is_fault(answer)
        return Sent("refused" if refused else "unknown", reference, problem=error.problem if refused else sending.not_known(host))
    return _read(message, said, settings, reference, host)


def _read(message: Any, said: SupplierError | str | None, settings: Mapping[str, Any], reference: str, host: str) -> Sent:
    if isinstance(said, str):
        words = problems.protocol_error("The supplier did not take it", "See what it said. Nothing was ordered.", said, permanent=True)
        return Sent("refused", reference, problem=words.problem, answer=message)
    if said is not None:
        if said.problem.code in NO_SIGN_IN:
            return Sent("not_sent", reference, problem=said.problem, answer=message)
        if said.problem.server_said.startswith(GENERAL):
            return Sent("unknown", reference, problem=sending.not_known(host), answer=message)
        return Sent("refused", reference, problem=said.problem, answer=message)
    place = str(settings.get("sent_id") or "")
    their_id = answers.at(message, place) if place else ""
    if place and (not isinstance(their_id, str) or not their_id):
        return Sent("unknown", reference, problem=sending.not_known(host), answer=message)
    return Sent("sent", reference, str(their_id), answer=message)


def search(witness: Witness, known: Mapping[str, str], reference: str, since: str) -> dict[str, list[str]]:
    """The arguments by which the witness's operation (its `path`) is asked for the reference: its `query`, such as
    "queryType=1&referenceNumber={reference}&password=<password>".

    Raises SupplierError not_set_up where it has no such operation.
    """
    if not witness.path or witness.proves == "nothing":
        raise sending.cannot("find", "SOAP")
    told = soap_arguments.written("\n".join(f"{name} = {text}" for name, text in parse_qsl(witness.query)))
    values = {"reference": reference, "since": since or "1970-01-01T00:00:00Z"}
    return soap_arguments.resolved(soap_arguments.put(told, values), known)


def merged(into: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of the connection with the parts of the document; what both name is the document's, part by part."""
    found = dict(into)
    for name, value in document.items():
        both = isinstance(value, Mapping) and isinstance(found.get(name), Mapping)
        found[name] = merged(found[name], value) if both else value
    return found
