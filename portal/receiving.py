"""One request to a webhook's address, from its arrival to its answer.

address ─▶ size ─▶ signature ─▶ quota ─▶ seen before? ─▶ body on the disk ─▶ row ─▶ 202
The body is parsed by nobody here: a run reads it, as it reads any file.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from peewee import IntegrityError, InterfaceError, OperationalError

from portal import clock, config, documents, exchanges, failpoints, hook_signatures, records, webhooks
from portal.hook_limits import RETRY_AFTER, over_quota, refusals
from portal.hook_signatures import Unverified, Verified
from portal.models import Document, Source, Webhook, WebhookDelivery, WebhookSeen, database

log = logging.getLogger(__name__)

REMEMBERED = timedelta(days=3)
LONGEST_HEAD = 2_000
MOST_HEADERS, LONGEST_HEADER = 40, 200
KEPT_REFUSALS = 100
UNREAD = ("waiting", "taken", "kept")
"""States of a delivery whose bytes are still to be read, so that the same once more add nothing."""

MOST_FIELDS = 1_000
ORIGIN = "webhook"
INBOUND = "POST in"
"""How an exchange says that the supplier asked us."""

_TOKEN = re.compile(r"[\w-]{43}", re.ASCII)
_HIDDEN = re.compile(r"auth|cookie|token|secret|signature|hmac|api-?key|password", re.I)
_ENDINGS = {
    "json": "json",
    "ndjson": "jsonl",
    "jsonl": "jsonl",
    "xml": "xml",
    "csv": "csv",
    "tab-separated": "tsv",
    "form-urlencoded": "json",
}


@dataclass(frozen=True)
class Request:
    """What came. `read(limit)` gives the whole body, or None when it is larger than `limit` bytes; `headers` by lower-case name."""

    headers: Mapping[str, str]
    sender: str
    read: Callable[[int], bytes | None]

    @property
    def content_type(self) -> str:
        """As the sender declared it."""
        return self.headers.get("content-type", "")


@dataclass(frozen=True)
class Answer:
    """What the sender is told. `fresh`: a delivery waits for a run now that did not before, so a worker should look."""

    status: int
    code: str
    fresh: bool = False
    retry_after: int = 0


UNKNOWN, ACCEPTED, TOO_MANY = Answer(404, "unknown"), Answer(202, "accepted"), Answer(429, "too_many", retry_after=RETRY_AFTER)
LATER = Answer(503, "try_later", retry_after=30)


def receive(token: str, kind: str, request: Request) -> Answer:
    """Judge and keep one request to the address with that token, for deliveries of that kind.

    202 is answered only once the delivery lies on the disk and its row is committed; 503 where the disk or the database fails.
    """
    try:
        return _judged(token, kind, request)
    except (OSError, OperationalError, InterfaceError) as problem:  # the sender keeps it and comes again
        log.error("a webhook delivery could not be kept: %s", type(problem).__name__)
        return LATER


def _judged(token: str, kind: str, request: Request) -> Answer:
    hook = webhooks.behind(token) if _TOKEN.fullmatch(token) else None
    if hook is None or kind not in webhooks.opened(hook.source):
        return TOO_MANY if refusals.note(request.sender) else UNKNOWN
    body = request.read(config.current().max_hook_bytes)
    if body is None:
        limit = f"{config.current().max_hook_bytes:,} bytes"
        return _refused(hook, kind, request, b"", Unverified(413, "too_large", f"The body is larger than {limit}"))
    scheme = webhooks.scheme_of(hook.source)
    if hook_signatures.is_ping(scheme, request.content_type, body):
        return _greeted(hook, kind, request, body)
    try:
        secrets = webhooks.good_secrets(hook, clock.now())
        if not secrets:
            raise Unverified(401, "signature", "There is no signing secret yet. Enter it first")
        verified = hook_signatures.verify(scheme, secrets, request.headers, body, clock.now().replace(tzinfo=UTC).timestamp())
        if not body.strip():
            raise Unverified(400, "empty", "The body is empty")
    except Unverified as refusal:
        return _refused(hook, kind, request, body, refusal)
    return _taken(hook, kind, request, body, verified)


def _taken(hook: Webhook, kind: str, request: Request, body: bytes, verified: Verified) -> Answer:
    source, digest = hook.source, hashlib.sha256(body).hexdigest()
    event = hashlib.sha256(f"{kind} {verified.event_id}".encode()).hexdigest() if verified.event_id else ""
    if verified.which == "old":
        webhooks.note_old_used(hook)
    if _again(source, kind, event, digest):
        return ACCEPTED
    if reason := over_quota(source, len(body)):
        return _refused(hook, kind, request, b"", Unverified(429, "too_many", reason))
    fetched = documents.spool(source, io.BytesIO(_readable(request.content_type, body)), _name(request.content_type))
    failpoints.reach("delivery-kept")
    try:
        with database.atomic():
            read = webhooks.is_read(source, kind)
            fresh = read and not _waits(source, kind)
            document = documents.adopt(source, fetched, None, ORIGIN)
            Document.update(erase_at=None).where(Document.id == document.id).execute()  # not by age before it was read
            told = {"event_id": verified.event_id, "signed_with": verified.which, "document": document, "sha256": digest, "status": 202}
            told |= {"holds": webhooks.holds(source) if kind == "inventory" else ""}
            delivery = _kept(hook, kind, request, body, state="waiting" if read else "kept", **told)
            if event:
                WebhookSeen.delete().where(_seen(source, event), WebhookSeen.at < clock.now() - REMEMBERED).execute()
                WebhookSeen.create(source=source, event_hash=event, delivery=delivery, at=clock.now())
            _tell(source, request, body, 202)
    except IntegrityError:  # the same event came a second time while this one was written
        Path(fetched.path).unlink(missing_ok=True)
        if not _again(source, kind, event, digest):
            raise
        return ACCEPTED
    failpoints.reach("delivery-stored")
    return Answer(202, "accepted", fresh=fresh)


def _again(source: Source, kind: str, event: str, digest: str) -> bool:
    """Whether it came before, and is only counted: the same id within three days; without ids the newest's very bytes, not read yet.

    Once the newest was read, the same bytes say that nothing changed, which a run must hear: its source is not silent.
    """
    if event:
        seen = WebhookSeen.get_or_none(_seen(source, event), WebhookSeen.at >= clock.now() - REMEMBERED)
        found = None if seen is None else seen.delivery_id
    else:
        mine = WebhookDelivery.select().where(WebhookDelivery.source == source, WebhookDelivery.kind == kind)
        newest = mine.where(WebhookDelivery.document.is_null(False)).order_by(WebhookDelivery.id.desc()).first()
        same = newest is not None and newest.sha256 == digest and newest.at > clock.now() - REMEMBERED
        declared = webhooks.holds(source) if kind == "inventory" else ""
        found = newest.id if same and newest.state in UNREAD and newest.holds == declared else None
    if found is None:
        return False
    WebhookDelivery.update(repeats=WebhookDelivery.repeats + 1).where(WebhookDelivery.id == found).execute()
    return True


def _seen(source: Source, event: str) -> Any:
    return (WebhookSeen.source == source) & (WebhookSeen.event_hash == event)


def _waits(source: Source, kind: str) -> bool:
    mine = (WebhookDelivery.source == source) & (WebhookDelivery.state == "waiting") & (WebhookDelivery.kind == kind)
    return bool(WebhookDelivery.select().where(mine).exists())


def _refused(hook: Webhook, kind: str, request: Request, body: bytes, refusal: Unverified) -> Answer:
    """Answer a refusal and keep a line of it, unless its sender was refused too often: then neither the disk nor the sender hears of it."""
    if refusal.status != 429 and refusals.note(request.sender):
        return TOO_MANY
    with database.atomic():
        _kept(hook, kind, request, body, state="refused", reason=refusal.words[:300], status=refusal.status)
        mine = (WebhookDelivery.source == hook.source) & (WebhookDelivery.state << ("refused", "ping"))
        last = (
            WebhookDelivery.select(WebhookDelivery.id)
            .where(mine)
            .order_by(WebhookDelivery.id.desc())
            .offset(KEPT_REFUSALS)
            .limit(1)
            .first()
        )
        if last is not None:
            WebhookDelivery.delete().where(mine, WebhookDelivery.id <= last.id).execute()
    return Answer(refusal.status, refusal.code, retry_after=RETRY_AFTER if refusal.status == 429 else 0)


def _greeted(hook: Webhook, kind: str, request: Request, body: bytes) -> Answer:
    if refusals.note(request.sender):
        return TOO_MANY
    _kept(hook, kind, request, body, state="ping", status=200, reason="The sender's greeting when its webhook was made")
    return Answer(200, "accepted")


def _kept(hook: Webhook, kind: str, request: Request, body: bytes, **columns: Any) -> WebhookDelivery:
    head = body[:LONGEST_HEAD].decode("utf-8", "replace").replace("\x00", "\ufffd")
    made: WebhookDelivery = WebhookDelivery.create(
        merchant=hook.source.merchant_id, source=hook.source, kind=kind, at=clock.now(), sender=request.sender[:45],
        content_type=_plain(request.content_type)[:100], size=len(body), headers=shown_headers(request.headers), head=head, **columns,
    )  # fmt: skip
    return made


def shown_headers(headers: Mapping[str, str]) -> list[list[str]]:
    """[name, value] of each header, those that may carry a credential or a signature blotted out."""
    told = [[_plain(name)[:60], "***" if _HIDDEN.search(name) else _plain(value)[:LONGEST_HEADER]] for name, value in headers.items()]
    return sorted(told)[:MOST_HEADERS]


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _readable(content_type: str, body: bytes) -> bytes:
    """The bytes that a run reads: the body itself; the fields of a form as one JSON object, as no feed is written like that."""
    if "form-urlencoded" not in content_type.lower():
        return body
    fields: dict[str, Any] = {}
    try:
        pairs = parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    except ValueError:  # too many fields: kept as it came, and a run says that it cannot read it
        return body
    for name, value in pairs:
        fields[name] = [*(fields[name] if isinstance(fields[name], list) else [fields[name]]), value] if name in fields else value
    return json.dumps(fields).encode()


def _name(content_type: str) -> str:
    ending = next((ending for word, ending in _ENDINGS.items() if word in content_type.lower()), "txt")
    return f"delivery_{clock.now():%Y-%m-%d_%H%M%S}.{ending}"


def _tell(source: Source, request: Request, body: bytes, status: int) -> None:
    """The line of the delivery among the source's exchanges."""
    told = records.Exchange(clock.now(), INBOUND, f"from {_plain(request.sender)}", status, 0, 0, len(body), body)
    exchanges.recorder(source)(told)
