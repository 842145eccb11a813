"""Asking Shopify's GraphQL Admin API: one version, the cost bucket minded, refusals inside a 200 told apart.

document ─▶ pace ─▶ sign ─▶ ask ─▶ THROTTLED: wait for the bucket │ fault over there: again │ data and errors ─▶ Reply
"""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from portal.connectors import problems, shopify_words, waits
from portal.connectors.api_auth import ApiAuth
from portal.connectors.caller import LONGEST_WAIT, MOST_TRIES, WORTH_SAYING, Answer, Asked, Caller
from portal.connectors.shopify_documents import VERSION
from portal.connectors.shopify_oauth import judge_store
from portal.connectors.spool import Progress, wait
from portal.errors import SupplierError

SLACK = 0.2
"""Seconds that are waited beyond what the bucket needs."""


@dataclass(frozen=True)
class Reply:
    """What one document was answered with. Shopify may give a part of the data beside errors."""

    data: Mapping[str, Any]
    errors: Sequence[Mapping[str, Any]] = ()

    @property
    def codes(self) -> set[str]:
        """The codes of its errors."""
        return {shopify_words.code_of(one) for one in self.errors}


@dataclass
class Bucket:
    """Shopify's points: what is there, how many come a second, and when it was told (monotonic). Cost of the last question."""

    there: float = 0.0
    per_second: float = 0.0
    at: float = field(default_factory=time.monotonic)
    cost: float = 0.0

    def learn(self, extensions: Any) -> None:
        """Take what an answer says: extensions.cost."""
        cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
        status = cost.get("throttleStatus") if isinstance(cost, Mapping) else None
        if isinstance(cost, Mapping) and isinstance(status, Mapping):
            self.there, self.per_second = _number(status.get("currentlyAvailable")), _number(status.get("restoreRate"))
            self.cost, self.at = _number(cost.get("requestedQueryCost")), time.monotonic()

    def seconds(self) -> float:
        """How long until a question like the last one can be paid; 0 when that is not known."""
        if self.per_second <= 0 or self.cost <= 0:
            return 0.0
        lacking = self.cost - self.there - (time.monotonic() - self.at) * self.per_second
        return lacking / self.per_second + SLACK if lacking > 0 else 0.0


class ShopifyAuth(ApiAuth):
    """ApiAuth, with Shopify's reasons for refusing client credentials."""

    def renew(self, caller: Caller) -> None:
        """Fetch a new token. Raises SupplierError."""
        if self.kind != "client_credentials":
            super().renew(caller)
            return
        answer = caller.ask(self._client_credentials())
        if not answer.good:
            raise self._refused(answer, caller)
        self.token = self._token_of(answer)
        self.hide(self.token)

    def _refused(self, answer: Answer, caller: Caller) -> SupplierError:
        said = shopify_words.said_by(answer.body, caller, f"{answer.status}")
        if b"shop_not_permitted" in answer.body:
            body = "Client id and secret alone open only stores of the app's own organisation. Choose “Signing in at Shopify”."
            return problems.sign_in_other("The app belongs to another organisation", body)
        if answer.status in (400, 401, 403):
            body = "Check client id and secret in the app's settings at Shopify, and that the app is installed in this store."
            return problems.sign_in_other("Shopify does not accept the app's credentials", body, said)
        return shopify_words.refused(answer, caller, self.settings)


class Graph:
    """One store's Admin API. Settings: those of ApiAuth, `base`, `shop`. `others`: versions that answered instead of ours."""

    def __init__(self, caller: Caller, auth: ApiAuth, settings: Mapping[str, Any]) -> None:
        self.caller, self.auth, self.settings = caller, auth, settings
        self.bucket, self.others = Bucket(), set[str]()

    def read(self, document: str, variables: Mapping[str, Any], progress: Progress, tries: int = MOST_TRIES) -> Reply:
        """Ask for something that changes nothing, again where that may help. Raises SupplierError but for errors of the document."""
        for tried in range(1, tries + 1):
            reply = self._paid(document, variables, progress, tries)
            if "INTERNAL_SERVER_ERROR" not in reply.codes or tried == tries:
                return reply
            wait(waits.back_off(tried, random.random()), progress, None)  # noqa: S311
        raise AssertionError("the loop returns")

    def once(self, document: str, variables: Mapping[str, Any], progress: Progress) -> Reply:
        """Ask for a change: again only where Shopify says that it did nothing (THROTTLED, 401). Raises SupplierError.

        The request itself is not broken off, so that what it began is known.
        """
        return self._paid(document, variables, progress, None)

    def whole(self, reply: Reply) -> Mapping[str, Any]:
        """The data of a reply without errors. Raises SupplierError for any."""
        if reply.errors:
            raise shopify_words.of_errors(reply.errors, self.caller, VERSION, self.settings.get("auth") == "code")
        return reply.data

    def request(self, document: str, variables: Mapping[str, Any]) -> Asked:
        """The request, not signed yet. Raises SupplierError where the store's address is not Shopify's own."""
        judge_store(self.settings)
        address = f"{str(self.settings.get('base') or '').rstrip('/')}/admin/api/{VERSION}/graphql.json"
        body = orjson.dumps({"query": document.strip(), "variables": dict(variables)})
        return Asked("POST", address, headers={"Content-Type": "application/json"}, body=body)

    def reply_of(self, answer: Answer) -> Reply:
        """An answer of success as a reply; minds the bucket and the version. Raises protocol_error."""
        self._mind_version(answer)
        try:
            body = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            body = None
        if not isinstance(body, Mapping):
            raise shopify_words.unreadable("What came is not JSON.")
        self.bucket.learn(body.get("extensions"))
        errors, data = _errors(body.get("errors")), body.get("data")
        if not isinstance(data, Mapping) and not errors:
            raise shopify_words.unreadable("It holds neither data nor errors.")
        return Reply(data if isinstance(data, Mapping) else {}, errors)

    def _paid(self, document: str, variables: Mapping[str, Any], progress: Progress, tries: int | None) -> Reply:
        """The reply once the bucket held enough. `tries` None: a change, which is sent once."""
        waited = 0.0
        self._wait(self.bucket.seconds(), 0.0, progress)
        while True:
            answer = self._signed(self.request(document, variables), progress, tries)
            if not answer.good:
                raise shopify_words.refused(answer, self.caller, self.settings)
            reply = self.reply_of(answer)
            if "THROTTLED" not in reply.codes:
                return reply
            seconds = max(self.bucket.seconds(), 1.0)
            waited = self._wait(seconds, waited, progress)

    def _wait(self, seconds: float, waited: float, progress: Progress) -> float:
        if waited + seconds > LONGEST_WAIT:
            body = "Its limit for this app and store is used up, maybe by another program of yours. We go on later by ourselves."
            raise problems.http_status(429, "Shopify asked us to slow down", body, f"THROTTLED, {seconds:,.0f} seconds")
        if seconds >= WORTH_SAYING:
            self.caller.say(f"Shopify's limit is used up for now. We go on in {seconds:,.0f} seconds.")
        wait(seconds, progress, None)
        return waited + seconds

    def _signed(self, asked: Asked, progress: Progress, tries: int | None) -> Answer:
        """The answer; a token that has ended is renewed once. A 401 did nothing, so that a change may be sent again."""
        for again in (False, True):
            signed = self.auth.sign(asked, self.caller)
            answer = self.caller.ask(signed) if tries is None else self.caller.read(signed, progress, most=tries)
            if again or answer.status != 401 or not self.auth.fetches_token:
                return answer
            self.auth.renew(self.caller)
        raise AssertionError("the loop returns")

    def _mind_version(self, answer: Answer) -> None:
        told = next((value for name, value in answer.headers.items() if name.lower() == "x-shopify-api-version"), VERSION)
        if told != VERSION:
            self.others.add(problems.quoted(told)[:20])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


def _errors(told: Any) -> Sequence[Mapping[str, Any]]:
    """The errors beside the data, a sentence as one without a code. Raises protocol_error where they are in no form that we know."""
    if isinstance(told, str) and told:
        return [{"message": told}]
    if told is None or (isinstance(told, list) and all(isinstance(one, Mapping) for one in told)):
        return told or ()
    raise shopify_words.unreadable("It tells errors in a form that we do not know.")
