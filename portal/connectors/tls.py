"""TLS as a client: verified by default, one certificate trusted by its fingerprint on request, never a fall back."""

from __future__ import annotations

import hashlib
import socket
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import certifi
from cryptography import x509

from portal.connectors import problems
from portal.connectors.network import IO_SECONDS
from portal.connectors.steps import Finding
from portal.errors import SupplierError

KEY_TYPE = "certificate"

# X509_V_ERR_HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH of OpenSSL's x509_vfy.h.
_OTHER_NAME = frozenset({62, 64})


@dataclass(frozen=True)
class Certificate:
    """What a server's certificate says. Times are naive UTC; `fingerprint` is written like an SSH key's, `pairs` as browsers show it."""

    fingerprint: str
    pairs: str
    names: tuple[str, ...]
    issuer: str
    begins: datetime
    ends: datetime


_noticed: ContextVar[list[Certificate] | None] = ContextVar("noticed", default=None)


@contextmanager
def noticing() -> Iterator[list[Certificate]]:
    """The certificates of servers that are talked with inside, each time one was judged and taken."""
    before = _noticed.get()
    seen: list[Certificate] = []
    _noticed.set(seen)
    try:
        yield seen
    finally:
        _noticed.set(before)


def read_certificate(der: bytes) -> Certificate:
    """Read the DER bytes of a certificate. Raises ValueError."""
    known = x509.load_der_x509_certificate(der)
    return Certificate(
        fingerprint=fingerprint(der),
        pairs=hashlib.sha256(der).digest().hex(":").upper(),
        names=_names(known),
        issuer=known.issuer.rfc4514_string()[:120],
        begins=known.not_valid_before_utc.replace(tzinfo=None),
        ends=known.not_valid_after_utc.replace(tzinfo=None),
    )


def fingerprint(der: bytes) -> str:
    """SHA256: and the digest in base64 without padding, written like an SSH key's."""
    return "SHA256:" + b64encode(hashlib.sha256(der).digest()).decode().rstrip("=")


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        subject = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        return tuple(str(name.value) for name in subject)
    return tuple(names.get_values_for_type(x509.DNSName)) + tuple(str(ip) for ip in names.get_values_for_type(x509.IPAddress))


class Identity:
    """Judges one server's certificates: by the system's authorities and its name, or by `trusted_key` alone."""

    def __init__(self, host: str, trusted_key: Mapping[str, Any] | None) -> None:
        self.host = host
        pinned = trusted_key if trusted_key and trusted_key.get("key_type") == KEY_TYPE else None
        self._pin = str(pinned["fingerprint"]) if pinned else ""
        self.context = _pinned_context() if self._pin else _verifying_context()

    def wrap(self, raw: socket.socket, look_again: Callable[[], socket.socket], found: Finding, strict_end: bool = False) -> ssl.SSLSocket:
        """Encrypt `raw` once its certificate is trusted, else close it and raise certificate_*, host_key_changed or tls_refused.

        `look_again` gives a second socket at the same point, used only to read a certificate that was
        refused. `found` gets the facts of the certificate either way.
        `strict_end`: reading raises ssl.SSLEOFError where the line ends without TLS's goodbye, as a cut line does.
        """
        try:
            wrapped = self.context.wrap_socket(raw, server_hostname=self.host, suppress_ragged_eofs=not strict_end)
        except ssl.SSLCertVerificationError as error:
            raw.close()
            raise self._refusal(error, look_again, found) from error
        except OSError as error:
            raw.close()
            raise handshake_failure(error, self.host) from error
        try:
            self._judge(wrapped, found)
        except BaseException:
            wrapped.close()
            raise
        return wrapped

    def wrap_beside(self, raw: socket.socket, control: socket.socket) -> ssl.SSLSocket:
        """Encrypt a data socket with the session of `control`, whose certificate was judged. Raises OSError or SupplierError."""
        session = control.session if isinstance(control, ssl.SSLSocket) else None
        wrapped = self.context.wrap_socket(raw, server_hostname=self.host, session=session, suppress_ragged_eofs=False)
        if self._pin and fingerprint(wrapped.getpeercert(binary_form=True) or b"") != self._pin:
            wrapped.close()
            raise problems.host_key_changed(self.host, "certificate")
        return wrapped

    def _judge(self, wrapped: ssl.SSLSocket, found: Finding) -> None:
        seen = read_certificate(wrapped.getpeercert(binary_form=True) or b"")
        _tell(found, seen)
        found.detail = f"{wrapped.version()}, certificate until {seen.ends.day} {seen.ends:%b %Y}"
        if (noticed := _noticed.get()) is not None:
            noticed.append(seen)
        if not self._pin:
            return
        if seen.fingerprint != self._pin:
            found.facts.update(trusted_key_type=KEY_TYPE, trusted_fingerprint=self._pin)
            raise problems.host_key_changed(self.host, "certificate")
        _check_dates(seen)

    def _refusal(self, error: ssl.SSLCertVerificationError, look_again: Callable[[], socket.socket], found: Finding) -> SupplierError:
        seen = _look(look_again(), self.host)
        _tell(found, seen)
        if error.verify_code in _OTHER_NAME:
            return problems.certificate_name(self.host, seen.names)
        return _dates_problem(seen) or problems.certificate_untrusted(seen.fingerprint, seen.issuer)


def _tell(found: Finding, seen: Certificate) -> None:
    found.facts.update(key_type=KEY_TYPE, fingerprint=seen.fingerprint, fingerprint_pairs=seen.pairs)
    found.facts.update(names=list(seen.names), issuer=seen.issuer, ends=f"{seen.ends:%Y-%m-%d}")


def _dates_problem(seen: Certificate) -> SupplierError | None:
    now = datetime.now(UTC).replace(tzinfo=None)
    if now > seen.ends:
        return problems.certificate_ended(seen.ends)
    return problems.certificate_early(seen.begins) if now < seen.begins else None


def _check_dates(seen: Certificate) -> None:
    problem = _dates_problem(seen)
    if problem:
        raise problem


def _look(raw: socket.socket, host: str) -> Certificate:
    """Read a certificate without trusting it; nothing is sent beyond the handshake."""
    try:
        with closing(_pinned_context().wrap_socket(raw, server_hostname=host)) as wrapped:
            return read_certificate(wrapped.getpeercert(binary_form=True) or b"")
    except OSError as error:
        raw.close()
        raise handshake_failure(error, host) from error


def handshake_failure(error: OSError, host: str) -> SupplierError:
    """The SupplierError for a TLS handshake that did not come about."""
    if isinstance(error, TimeoutError):
        return problems.timed_out(host, IO_SECONDS, "agreeing on encryption")
    reason = getattr(error, "reason", None) or ""
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"):
        return problems.tls_refused("It does not speak TLS on this port.", reason)
    if "VERSION" in reason or "PROTOCOL" in reason:
        return problems.tls_refused("It only offers TLS versions older than 1.2, which can be broken.", reason)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return problems.tls_refused("We could not agree on an encryption.", reason)
    return problems.connection_lost(host, "agreeing on encryption")


def _verifying_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _pinned_context() -> ssl.SSLContext:
    """Proves nothing by itself: whoever uses it compares the fingerprint before sending anything."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
