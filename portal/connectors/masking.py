"""Secrets taken out of whatever is told, in each form in which a server may say back what it was sent. Pure.

plain · JSON · HTML · address · form · hex · base64, also inside a longer one such as HTTP Basic's
"""

from __future__ import annotations

import html
import json
from base64 import b64encode
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

from portal.records import Secret

HIDDEN = b"***"
LEAST_CODED = 5
"""Bytes of a secret from which on its hex and base64 are looked for: those of a shorter one stand in any text."""
_LONGEST_RUN = 4_000
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")


def masked(body: bytes, secrets: Iterable[Secret]) -> bytes:
    """The body with every secret, the longest first, replaced by ***."""
    for secret in sorted({one.reveal() for one in secrets if one}, key=len, reverse=True):
        for form in _written(secret):
            body = body.replace(form, HIDDEN)
        if len(secret.encode()) >= LEAST_CODED:
            for core in _cores(secret.encode()):
                body = _without_run(body, core)
    return body


def masked_text(text: str, secrets: Iterable[Secret]) -> str:
    """The same of a text."""
    return masked(text.encode("utf-8", "surrogateescape"), secrets).decode("utf-8", "replace")


def _written(secret: str) -> Iterator[bytes]:
    texts = {secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret), quote(secret, safe="")}
    texts |= {quote_plus(secret), html.escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}
    if len(secret.encode()) >= LEAST_CODED:
        texts |= {secret.encode().hex(), secret.encode().hex().upper()}
    yield from sorted((text.encode() for text in texts), key=len, reverse=True)


def _cores(secret: bytes) -> Iterator[bytes]:
    """What of the secret's base64 does not depend on what stands before and behind it, for each offset, plain and for addresses."""
    for offset in range(3):
        coded = b64encode(bytes(offset) + secret).rstrip(b"=")
        core = coded[(0, 2, 3)[offset] : len(coded) - (1 if (offset + len(secret)) % 3 else 0)]
        yield core
        yield core.translate(bytes.maketrans(b"+/", b"-_"))


def _without_run(body: bytes, core: bytes) -> bytes:
    """The body without each run of base64 that holds the core: what stands around it in the run belongs to the same credential."""
    at = body.find(core)
    while at >= 0:
        start, end = at, at + len(core)
        while start > 0 and at - start < _LONGEST_RUN and body[start - 1] in _BASE64:
            start -= 1
        while end < len(body) and end - at < _LONGEST_RUN and body[end] in _BASE64:
            end += 1
        body = body[:start] + HIDDEN + body[end:]
        at = body.find(core, start)
    return body
