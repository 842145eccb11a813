"""Whether a delivery was signed by who holds the secret: headers and raw body ─▶ Verified, or Unverified with the reason.

No body is parsed, nothing here raises anything else, and every secret and signature is compared in constant time.
Sources: Standard Webhooks 1.0.0 (spec/standard-webhooks.md); Shopify and BigCommerce developer documentation, 2026; WooCommerce 9.9.5.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from portal.records import Secret

STANDARD, HMAC, WOOCOMMERCE, SHOPIFY, BIGCOMMERCE = "standard", "hmac", "woocommerce", "shopify", "bigcommerce"
NAMES = {
    STANDARD: "Standard Webhooks", HMAC: "HMAC-SHA256 of the body", WOOCOMMERCE: "WooCommerce", SHOPIFY: "Shopify",
    BIGCOMMERCE: "BigCommerce",
}  # fmt: skip
THEIRS = frozenset({SHOPIFY, BIGCOMMERCE})
"""Kinds whose key is the app's client secret, which the sender made."""

TOLERANCE = 300  # seconds that the sender's clock may be off, either way
MOST_SIGNATURES = 20
LONGEST_ID = 255
BRAND = "whsec_"
LEAST_KEY, MOST_KEY = 16, 128  # bytes of a Standard Webhooks key that somebody else made; the specification asks for 24 to 64
_SPELLED = re.compile(r"[!-~]{1,255}")  # printable ASCII without spaces
_SECONDS, _MILLISECONDS = re.compile(r"\d{1,11}", re.ASCII), re.compile(r"\d{13}", re.ASCII)
_PING = re.compile(rb"webhook_id=\d{1,20}")


class Unverified(Exception):
    """A delivery that is not taken. `status` is what it is answered, `code` says why to the sender, `words` to the merchant."""

    def __init__(self, status: int, code: str, words: str) -> None:
        super().__init__(words)
        self.status, self.code, self.words = status, code, words


@dataclass(frozen=True)
class Scheme:
    """How deliveries are signed. All but `kind` is of HMAC only; `signs`: "body", or "time" for the timestamp, a dot and the body."""

    kind: str
    header: str = "X-Signature"
    encoding: str = "hex"
    prefix: str = ""
    signs: str = "body"
    timestamp_header: str = ""
    id_header: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Scheme:
        """From the settings of a connection."""
        kind = str(settings.get("signature") or STANDARD)
        if kind != HMAC:
            return cls(kind)
        told = {name: str(settings.get(name) or "") for name in ("encoding", "prefix", "signs", "timestamp_header", "id_header")}
        told = {name: value for name, value in told.items() if value}
        return cls(kind, header=str(settings.get("header_name") or cls.header), **told)

    @property
    def signature_header(self) -> str:
        """The header that carries the signature."""
        fixed = {WOOCOMMERCE: "X-WC-Webhook-Signature", SHOPIFY: "X-Shopify-Hmac-SHA256"}
        return self.header if self.kind == HMAC else fixed.get(self.kind, "webhook-signature")

    @property
    def has_id(self) -> bool:
        """Whether an event keeps its id when it is sent again, so that it can be told from a new one."""
        return self.kind in (STANDARD, BIGCOMMERCE, SHOPIFY) or bool(self.kind == HMAC and self.id_header)

    @property
    def has_time(self) -> bool:
        """Whether a delivery says when it was sent, and nobody can change that."""
        return self.kind in (STANDARD, BIGCOMMERCE) or (self.kind == HMAC and self.signs == "time")


@dataclass(frozen=True)
class Verified:
    """A delivery that is genuine. `event_id`: "" where its sender gives none; `which`: the name of the secret that fitted."""

    event_id: str
    which: str


def new_secret(kind: str, random: bytes) -> str:
    """A secret made of at least 24 random bytes, spelled as senders of that kind take it."""
    return BRAND + base64.b64encode(random).decode() if kind == STANDARD else random.hex()


def secret_problem(kind: str, text: str) -> str:
    """What is wrong with a secret that the sender made, "" when nothing is. Never repeats any of it."""
    if not text:
        return "Enter the signing secret."
    if len(text) > 2_000 or not text.isprintable() or text != text.strip():
        return "The secret has spaces or line breaks around it, or another control sign. Copy it again."
    if kind != STANDARD:
        return "" if len(text) >= 8 else "This is too short to be a signing secret. Copy the whole of it."
    try:
        size = len(key_of(kind, text))
    except ValueError:
        return "A Standard Webhooks secret is whsec_ and then base64. Copy it again, whole."
    return "" if LEAST_KEY <= size <= MOST_KEY else "This is too short or too long for a signing secret. Copy the whole of it."


def key_of(kind: str, text: str) -> bytes:
    """The key that a secret stands for. Raises ValueError for a Standard Webhooks secret that is no base64."""
    if kind != STANDARD:
        return text.encode()
    plain = text.removeprefix(BRAND)
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def is_ping(scheme: Scheme, content_type: str, body: bytes) -> bool:
    """Whether this is WooCommerce's greeting when a webhook is made: unsigned, a form with the webhook's number and no event."""
    return scheme.kind == WOOCOMMERCE and "form-urlencoded" in content_type.lower() and _PING.fullmatch(body.strip()) is not None


def verify(scheme: Scheme, secrets: Sequence[tuple[str, Secret]], headers: Mapping[str, str], body: bytes, now: float) -> Verified:
    """Who signed it: one of the `secrets`, (name, secret) each; all are tried. `headers` by lower-case name, `now` in Unix seconds.

    Raises Unverified: 400 headers or timestamp, 401 signature.
    """
    if scheme.kind in (STANDARD, BIGCOMMERCE):
        return _standard(scheme, secrets, headers, body, now)
    event_id, signed, sent = "", body, None
    if scheme.kind == SHOPIFY:
        event_id = _id(headers.get("x-shopify-webhook-id", ""), "X-Shopify-Webhook-Id")
    elif scheme.kind == HMAC:
        if scheme.id_header:
            event_id = _id(headers.get(scheme.id_header.lower(), ""), scheme.id_header)
        if scheme.timestamp_header:
            stamp = headers.get(scheme.timestamp_header.lower(), "")
            sent = _moment(stamp, scheme.timestamp_header)
            signed = stamp.encode("utf-8", "replace") + b"." + body if scheme.signs == "time" else body
    given = _given(scheme, headers.get(scheme.signature_header.lower(), ""))
    which = _fitting(scheme, secrets, signed, given)
    if sent is not None:
        _check_time(sent, now)
    return Verified(event_id, which)


def _standard(scheme: Scheme, secrets: Sequence[tuple[str, Secret]], headers: Mapping[str, str], body: bytes, now: float) -> Verified:
    event_id, stamp, given = (headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature"))
    _id(event_id, "webhook-id")
    if not _SECONDS.fullmatch(stamp):
        raise _headers("webhook-timestamp is missing, or no whole number of seconds")
    if not given:
        raise _headers("webhook-signature is missing")
    pairs = [part.partition(",") for part in given.split(" ")[:MOST_SIGNATURES]]
    decoded = [_decoded(text, "base64") for version, comma, text in pairs if version == "v1" and comma]
    signed = f"{event_id}.{stamp}.".encode("ascii") + body
    which = _fitting(scheme, secrets, signed, [one for one in decoded if one is not None])
    _check_time(float(stamp), now)
    if "." in event_id:  # the text that was signed could then be cut into id and time in another way too
        raise _headers("webhook-id holds a full stop, which the specification forbids")
    return Verified(event_id, which)


def _given(scheme: Scheme, text: str) -> list[bytes]:
    """The signature of a header that holds one."""
    encoding, prefix = (scheme.encoding, scheme.prefix) if scheme.kind == HMAC else ("base64", "")
    if not text:
        raise _headers(f"{scheme.signature_header} is missing")
    if prefix and not text.startswith(prefix):
        raise Unverified(401, "signature", f"{scheme.signature_header} does not begin with {prefix}")
    found = _decoded(text[len(prefix) :].strip(), encoding)
    return [] if found is None else [found]


def _decoded(text: str, encoding: str) -> bytes | None:
    try:
        raw = text.encode("ascii")
        return binascii.unhexlify(raw) if encoding == "hex" else base64.b64decode(raw, validate=True)
    except ValueError:  # binascii.Error and UnicodeEncodeError are such
        return None


def _fitting(scheme: Scheme, secrets: Sequence[tuple[str, Secret]], signed: bytes, given: Sequence[bytes]) -> str:
    """The name of the secret that signed it. Every pair is compared, whatever an earlier one gave."""
    fitting = ""
    for name, secret in secrets:
        right = hmac.new(key_of(scheme.kind, secret.reveal()), signed, hashlib.sha256).digest()
        for one in given:
            if hmac.compare_digest(right, one) and not fitting:
                fitting = name
    if not fitting:
        raise Unverified(401, "signature", "The signature does not fit: another secret, or the body was changed on the way")
    return fitting


def _id(text: str, name: str) -> str:
    if not _SPELLED.fullmatch(text):
        raise _headers(f"{name} is missing, or not 1 to {LONGEST_ID} plain characters")
    return text


def _moment(text: str, name: str) -> float:
    """Unix seconds of a timestamp in seconds, milliseconds or ISO 8601."""
    if _MILLISECONDS.fullmatch(text):
        return int(text) / 1000
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _headers(f"{name} is missing, or no time") from None


def _check_time(sent: float, now: float) -> None:
    if abs(now - sent) <= TOLERANCE:
        return
    off = f"{abs(now - sent) / 60:,.0f} min {'old' if sent < now else 'in the future'}"
    raise Unverified(400, "timestamp", f"Its timestamp is {off}; at most {TOLERANCE // 60} min either way are taken")


def _headers(words: str) -> Unverified:
    return Unverified(400, "headers", words)
