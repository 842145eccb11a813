"""What a SOAP service answered: faults and business errors in words, and the items of its list as rows. Pure.

bytes ─▶ envelope ─▶ fault? ─▶ the message, in its schema's shape ─▶ business error? ─▶ rows
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from copy import deepcopy
from email.message import Message
from typing import Any

from lxml import etree
from requests_toolbelt.multipart.decoder import ImproperBodyPartContentException, MultipartDecoder, NonMultipartContentTypeException

from portal.connectors import answers, problems
from portal.connectors.caller import Answer
from portal.errors import SupplierError
from portal.records import Secret

ENVELOPES = {"http://schemas.xmlsoap.org/soap/envelope/": "1.1", "http://www.w3.org/2003/05/soap-envelope": "1.2"}
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_DROPPED = {_XSI, "http://schemas.xmlsoap.org/soap/encoding/", *ENVELOPES}
_NAMES = re.compile(r"[^.\[\]|`'\"*&(){}!<>=?\s]+(\.[^.\[\]|`'\"*&(){}!<>=?\s]+)*")
MOST_IDS = 20_000
MOST_COPIED = 200_000
"""Parts that references may unfold to."""
_SIGN_IN_CODES = {"FailedAuthentication", "InvalidSecurity", "InvalidSecurityToken", "FailedCheck", "SecurityTokenUnavailable"}
"""Of OASIS, Web Services Security: SOAP Message Security 1.1, chapter 12."""
_SIGN_IN_WORDS = re.compile(
    r"(?i)\b(unauthori[sz]ed|not authori[sz]ed|authentication|authenticate|invalid (user|username|login|log-in|password|credentials?)"
    r"|(login|log-in|logon|sign-in) (failed|failure|incorrect)|wrong password|access denied)\b"
)

NOTHING = frozenset({"130", "160"})
"""PromoStandards Inventory 2.0.0: this product is not known, or there is no result. An answer without items, no fault."""
REFUSED_SIGN_IN = frozenset({"100", "105", "110"})
NO_PERMISSION = frozenset({"104"})
WRONG_REQUEST = frozenset({"115", "120", "125"})
"""The version is not known, something is missing, not supported."""


def opened(answer: Answer, secrets: Iterable[Secret]) -> Any:
    """The message in the envelope, as plain values (see answers.read). Raises SupplierError, also for a fault, whatever its status."""
    root = _root(answer)
    body = next((one for one in root if etree.QName(one).localname == "Body"), None)
    if etree.QName(root).localname != "Envelope" or body is None:
        raise problems.protocol_error(
            "The answer is no SOAP message", f"It begins with {etree.QName(root).localname[:40]}. Nothing was used."
        )
    _follow_references(body)
    message = next((one for one in body if isinstance(one.tag, str)), None)
    if message is None:
        return {}
    if etree.QName(message).localname == "Fault" and etree.QName(message).namespace in ENVELOPES:
        raise _fault(message, secrets)
    _tidy(message)
    return next(iter(answers.of_xml(message).values()))


def is_fault(answer: Answer) -> bool:
    """Whether a status of failure carries a fault in words, so that asking again at once would only hear the same."""
    return b"Fault" in answer.body[:20_000] and b"Envelope" in answer.body[:2_000]


def _root(answer: Answer) -> Any:
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=True, remove_pis=True
    )
    try:
        root = etree.fromstring(_xml_of(answer), parser)
    except (etree.XMLSyntaxError, ValueError, RecursionError):
        web = b"<html" in answer.body[:2_000].lower()
        words = "A web page came instead of a SOAP message." if web else "What came is no XML, or it was cut."
        raise problems.protocol_error("The answer cannot be read", f"{words} Nothing was used.") from None
    if root.getroottree().docinfo.doctype:
        raise problems.protocol_error("The answer cannot be read", "It has a document type (DTD), which we never read. Nothing was used.")
    return root


def _xml_of(answer: Answer) -> bytes:
    """The message itself: of an answer in several parts (MTOM) the first."""
    kind = next((value for name, value in answer.headers.items() if name.lower() == "content-type"), "")
    said = Message()
    said["content-type"] = kind
    if said.get_content_type() != "multipart/related":
        return answer.body.strip()
    try:
        parts = MultipartDecoder(answer.body, kind).parts
    except (ImproperBodyPartContentException, NonMultipartContentTypeException, AttributeError) as error:
        raise problems.protocol_error("The answer cannot be read", "Its parts cannot be told apart. Nothing was used.") from error
    return bytes(parts[0].content).strip() if parts else b""


def _follow_references(body: Any) -> None:
    """Old services (RPC, encoded) say a part once, in its first place or beside the message, and point at it by href="#id"."""
    pointed = {one.get("href")[1:] for one in body.iter() if str(one.get("href", "")).startswith("#")}
    known = {one.get("id"): one for one in body.iter() if one.get("id") in pointed} if pointed else {}
    for one in known.values():
        del one.attrib["id"]
    message = next((one for one in body if isinstance(one.tag, str)), None)
    waiting: list[tuple[Any, frozenset[str]]] = [(message, frozenset())] if known and message is not None else []
    left = MOST_COPIED
    while waiting:
        one, above = waiting.pop()
        name = str(one.get("href", "")).removeprefix("#")
        if name in known and name not in above:
            meant, above = deepcopy(known[name]), above | {name}
            left -= sum(1 for _ in meant.iter())
            if left < 0:
                raise problems.protocol_error("The answer cannot be read", "Its parts point at one another without an end.")
            del one.attrib["href"]
            one.text = meant.text
            one.extend(list(meant))
        waiting.extend((inner, above) for inner in one)


def _tidy(message: Any) -> None:
    """Take away what only tells types, and what is said to be nothing (nil)."""
    for one in message.iter():
        if one.get(f"{{{_XSI}}}nil") in ("true", "1"):
            one[:] = []
            one.text = None
        for name in [name for name in one.attrib if etree.QName(name).namespace in _DROPPED]:
            del one.attrib[name]


def _fault(message: Any, secrets: Iterable[Secret]) -> SupplierError:
    """A fault of SOAP 1.1 (faultcode, faultstring) or 1.2 (Code, Reason), in words."""
    codes = [
        str(one.text or "").rpartition(":")[2].strip() for one in message.iter() if etree.QName(one).localname in ("faultcode", "Value")
    ]
    texts = [" ".join(one.itertext()) for one in message.iter() if etree.QName(one).localname in ("faultstring", "Text")]
    said = problems.quoted(f"{' '.join(texts)} ({', '.join(code for code in codes if code)})", secrets)
    if _SIGN_IN_CODES & set(codes) or _SIGN_IN_WORDS.search(" ".join(texts)):
        return refused_sign_in(said)
    if {"Client", "Sender", "VersionMismatch", "MustUnderstand"} & {code.partition(".")[0] for code in codes}:
        body = "It says that the request is wrong. Look at the arguments, and at what it said. Nothing was used."
        return problems.protocol_error("The service refused the request", body, said, permanent=True)
    return problems.http_status(500, "The service answered with a fault", "It says that the fault is on its side. Nothing was used.", said)


def refused_sign_in(said: str) -> SupplierError:
    """The service answers, and does not take who we are."""
    body = "The service answers, but it does not accept the user and the password."
    return problems.sign_in_other("The service did not accept the sign-in", body, said)


def business_error(
    message: Any, at: str, good: Collection[str], secrets: Iterable[Secret], nothing: Collection[str] = ()
) -> SupplierError | str | None:  # fmt: skip
    """What a message says of its own failure, though it came as a success: an error to raise, a sentence for "there is nothing", or None.

    PromoStandards' ServiceMessageArray is always known. `at`: the path of another error, `good`: texts there that mean that all is well,
    `nothing`: texts there, or codes, that mean that there is nothing to tell.
    """
    found = _service_messages(message)
    errors = [one for one in found if str(one.get("severity", "Error")).strip().casefold() == "error"]
    if errors:
        return _of_service_message(errors, secrets, NOTHING | set(nothing))
    fine, empty = ({one.strip().casefold() for one in some} for some in (good, nothing))
    return _at_its_place(message, at, fine, empty, secrets) if at else None


def _at_its_place(
    message: Any, at: str, good: Collection[str], nothing: Collection[str], secrets: Iterable[Secret]
) -> SupplierError | str | None:  # fmt: skip
    """The error where this service puts its errors; what stands beside it is quoted too, as a code says little without its words."""
    texts = [text for text in _texts(answers.at(message, at)) if text and text.casefold() not in good]
    if not texts:
        return None
    beside = answers.at(message, at.rpartition(".")[0]) if "." in at else None
    near = [text for text in beside.values() if isinstance(text, str)] if isinstance(beside, Mapping) else []
    said = ", ".join(dict.fromkeys([*texts, *(text for text in near if text.strip())]))
    if {text.casefold() for text in texts} <= set(nothing):
        return problems.quoted(said, secrets)
    if _SIGN_IN_WORDS.search(said):
        return refused_sign_in(problems.quoted(said, secrets))
    body = f"There is a text at {at[:80]}, where it puts its errors. Nothing was used."
    return problems.protocol_error("The service answered with an error", body, problems.quoted(said, secrets))


def _service_messages(message: Any) -> list[Mapping[str, Any]]:
    if not isinstance(message, Mapping) or not isinstance(message.get("ServiceMessageArray"), Mapping):
        return []
    found = message["ServiceMessageArray"].get("ServiceMessage", [])
    return [one for one in (found if isinstance(found, list) else [found]) if isinstance(one, Mapping)]


def _of_service_message(
    errors: list[Mapping[str, Any]], secrets: Iterable[Secret], nothing: Collection[str]
) -> SupplierError | str:  # fmt: skip
    codes = {str(one.get("code", "")).strip() for one in errors}
    said = problems.quoted(", ".join(f"{one.get('code')}: {one.get('description')}" for one in errors), secrets)
    if codes & REFUSED_SIGN_IN:
        return refused_sign_in(said)
    if codes & NO_PERMISSION:
        body = "The account is known, but it may not use this service. Ask the supplier to switch it on."
        return problems.sign_in_other("The account may not use this service", body, said, code="permission_denied")
    if codes <= set(nothing):
        return said
    if codes & WRONG_REQUEST:
        body = "It says that something in the request is missing or not supported. Nothing was used."
        return problems.protocol_error("The service refused the request", body, said, permanent=True)
    return problems.protocol_error("The service answered with an error", "The fault may be on its side. Nothing was used.", said)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value).strip()


def rows(message: Any, path: str) -> list[dict[str, Any]] | None:
    """The items that the path leads to, each with the plain values of what it stands in as "parent"; None where it leads to no list.

    An item that is only a text becomes {"value": text}.
    """
    if not path:
        return [dict(message)] if isinstance(message, Mapping) else None
    if not _NAMES.fullmatch(path):
        found = answers.items(message, path)
        return None if found is None else [dict(one) for one in found]
    return list(_walk(message, path.split("."), {}))


def ids(message: Any, path: str) -> list[str]:
    """The plain texts that the path leads to, each once; raises SupplierError for more than MOST_IDS."""
    found = dict.fromkeys(str(one["value"]).strip() for one in rows(message, path) or [] if isinstance(one.get("value"), str))
    if len(found) > MOST_IDS:
        body = f"It told {len(found):,}; up to {MOST_IDS:,} are asked for in one run. Nothing was used."
        raise problems.protocol_error("The service tells too many products", body, permanent=True)
    return [one for one in found if one]


def leads_nowhere(message: Any, path: str) -> str:
    """What is there instead, when the first name of the path is not in the message; "" when it is."""
    if not path or not isinstance(message, Mapping) or not _NAMES.fullmatch(path):
        return ""
    return "" if not message or path.split(".")[0] in message else problems.some(map(str, message))


def _walk(value: Any, names: list[str], above: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for one in value if isinstance(value, list) else [value]:
        if names and isinstance(one, Mapping):
            plain = {key: text for key, text in one.items() if isinstance(text, str)}
            if names[0] in one:
                yield from _walk(one[names[0]], names[1:], above | plain)
        elif not names and one not in (None, ""):
            item = dict(one) if isinstance(one, Mapping) else {"value": one}
            yield item | ({"parent": above} if above and "parent" not in item else {})
