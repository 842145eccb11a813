"""Requests with an Idempotency-Key: the first answer is kept and given again; another content under the same key is refused."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from peewee import IntegrityError

from portal import clock
from portal.errors import Refused
from portal.models import ApiAnswer, ApiToken, database

KEPT_FOR = timedelta(days=7)


class OtherBody(Refused):
    """The key came before, with another content."""


@dataclass(frozen=True)
class Answer:
    """What is answered; `again`: it was answered before, and nothing was done now."""

    status: int
    text: str
    again: bool = False


class _Twin(Exception):
    """The same key was answered by another request in between: what was done here is undone."""


def once(token: ApiToken, place: str, key: str, body: bytes, act: Callable[[], tuple[int, str]], *, whole: bool = True) -> Answer:
    """The first answer to `key` at `place` ("POST /api/v1/orders"), by doing `act` where it is new; without a key `act` is done.

    With `whole`, act and answer are kept together or not at all; an act that says itself what was done before needs none of it.
    Raises OtherBody, and what `act` raises: then nothing is kept.
    """
    if not key:
        return Answer(*_in_one(act, whole))
    digest, hashed = hashlib.sha256(body).hexdigest(), _key(token, place, key)
    if (before := _known(token, hashed, digest)) is not None:
        return before
    try:
        return Answer(*_in_one(lambda: _kept(token, hashed, digest, act), whole))
    except _Twin:
        twin = _known(token, hashed, digest)
        if twin is None:
            raise Refused("The same Idempotency-Key is being answered right now. Send it again in a moment.") from None
        return twin


def _in_one(act: Callable[[], tuple[int, str]], whole: bool) -> tuple[int, str]:
    if not whole:
        return act()
    with database.atomic():
        return act()


def _kept(token: ApiToken, hashed: str, digest: str, act: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    status, text = act()
    ApiAnswer.delete().where(ApiAnswer.at < clock.now() - KEPT_FOR).execute()
    try:
        with database.atomic():
            ApiAnswer.create(merchant=token.merchant_id, key_hash=hashed, content_hash=digest, status=status, body=text)
    except IntegrityError:
        raise _Twin from None
    return status, text


def _known(token: ApiToken, hashed: str, digest: str) -> Answer | None:
    found = ApiAnswer.get_or_none(ApiAnswer.merchant == token.merchant_id, ApiAnswer.key_hash == hashed)
    if found is None:
        return None
    if found.content_hash != digest:
        raise OtherBody("This Idempotency-Key came before with another content. Nothing was done. Use a new key for a new request.")
    return Answer(found.status or 200, found.body, True)


def _key(token: ApiToken, place: str, key: str) -> str:
    return hashlib.sha256(f"{token.public_id}|{place}|{key}".encode()).hexdigest()
