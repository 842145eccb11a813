"""An order posted to an address of the supplier's, signed as Standard Webhooks 1.0.0 says, once.

body ─▶ id.timestamp.body ─▶ HMAC-SHA256 ─▶ POST ─▶ (from here on it may have left) ─▶ 2xx: taken
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from urllib.parse import urlsplit

from portal.connectors import problems, sending
from portal.connectors.caller import Answer, Asked, Caller
from portal.connectors.network import Guard
from portal.connectors.sending import Found, Sent
from portal.errors import SupplierError
from portal.records import Exchange, Secret

BRAND = "whsec_"
USER_AGENT = "Quayside-Webhooks"


class Poster:
    """Posts to one address. `secret`: "whsec_" and base64; `whose`: what makes ids of several sources differ."""

    def __init__(
        self, guard: Guard, url: str, secret: Secret, whose: str, record: Callable[[Exchange], None], *, test: bool = False,
        plain_ok: bool = False,
    ) -> None:  # fmt: skip
        self.url, self.secret, self.whose, self.test = url, secret, whose, test
        self.caller = Caller(guard, secrets={"secret": secret}, record=record, plain_ok=plain_ok)

    def send(self, operation: str, document: bytes, reference: str) -> Sent:  # noqa: ARG002
        """Post the document, once; the same reference has the same webhook-id. See connectors.sending.Sends."""
        asked = Asked("POST", self.url, headers=self.headers(document, reference, int(time.time())), body=document)
        host = urlsplit(self.url).hostname or "the server"
        return sending.once(lambda steps: self.caller.ask(asked, steps=steps), lambda came: _ended(came, reference, host), reference, host)

    def find(self, reference: str, since: str = "") -> Found | None:  # noqa: ARG002
        """A webhook has no list."""
        raise sending.cannot("find", "webhook")

    def headers(self, document: bytes, reference: str, at: int) -> dict[str, str]:
        """What goes with the document. `at`: seconds since 1970."""
        name = message_id(self.whose, reference)
        key = base64.b64decode(self.secret.reveal().removeprefix(BRAND))
        signed = hmac.new(key, f"{name}.{at}.".encode() + document, hashlib.sha256).digest()
        told = {"webhook-id": name, "webhook-timestamp": str(at), "webhook-signature": f"v1,{base64.b64encode(signed).decode()}"}
        return {**told, "Content-Type": "application/json", "User-Agent": USER_AGENT, **({"webhook-test": "1"} if self.test else {})}


def message_id(whose: str, reference: str) -> str:
    """The webhook-id of a reference: the same each time it is posted."""
    return f"msg_{hashlib.sha256(f'{whose}:{reference}'.encode()).hexdigest()[:32]}"


def _ended(answer: Answer, reference: str, host: str) -> Sent:
    outcome = sending.outcome_of(answer.status)
    if outcome == "sent":
        return Sent("sent", reference)
    if outcome == "unknown":
        return Sent("unknown", reference, problem=sending.not_known(host))
    said = problems.quoted(f"{answer.status} {answer.body[:200].decode('utf-8', 'replace')}")
    error: SupplierError = problems.http_status(answer.status, "Their address did not take it", "See what it said.", said, permanent=True)
    return Sent(outcome, reference, problem=error.problem)
