"""One message to one SMTP server, once: what fails before its first byte was not sent, what fails after the last is not known.

connect ─ TLS ─ sign in ─ MAIL ─ RCPT ─ DATA 354 ─▶ (from here on it may have left) ─▶ message ─▶ 250 · 4xx · 5xx · nothing
"""

from __future__ import annotations

import email
import email.policy
import re
import smtplib
import socket
import ssl
from contextlib import closing
from dataclasses import dataclass, field
from email.utils import getaddresses
from typing import Any

from portal.connectors import problems, sending
from portal.connectors.network import IO_SECONDS, Guard
from portal.connectors.sending import Found, Sent
from portal.errors import SupplierError
from portal.records import Secret

PORTS = {"starttls": 587, "tls": 465, "plain": 25}
FAULTS = (OSError, smtplib.SMTPException, EOFError)


@dataclass(frozen=True)
class PostOffice:
    """The installation's mail server. `trust`: PEM file of further authorities, "" for the system's."""

    guard: Guard
    host: str
    port: int = 0
    security: str = "starttls"
    user: str = ""
    password: Secret = field(default_factory=lambda: Secret(""))
    trust: str = ""

    def send(self, operation: str, document: bytes, reference: str) -> Sent:  # noqa: ARG002
        """Hand over a whole message as RFC 5322 bytes, once; to whom, its own headers say. See connectors.sending.Sends."""
        told = email.message_from_bytes(document, policy=email.policy.SMTP)
        sender = getaddresses([str(told["From"])])[0][1]
        wanted = [address for _, address in getaddresses([str(told["To"])]) if address]
        left: list[bool] = []
        try:
            with closing(self._opened()) as line:  # a goodbye that goes wrong must not change what was said before
                return self._hand_over(line, sender, wanted, document, reference, left)
        except SupplierError as error:
            return Sent("unknown" if left else "not_sent", reference, problem=sending.not_known(self.host) if left else error.problem)
        except FAULTS as error:
            if left:
                return Sent("unknown", reference, problem=sending.not_known(self.host))
            return Sent("not_sent", reference, problem=self._before(error).problem)

    def find(self, reference: str, since: str = "") -> Found | None:  # noqa: ARG002
        """Nobody can look into their mailbox."""
        raise sending.cannot("find", "e-mail")

    def _hand_over(self, line: Any, sender: str, wanted: list[str], document: bytes, reference: str, left: list[bool]) -> Sent:
        for command, good in [(f"MAIL FROM:<{sender}>", (250,)), *((f"RCPT TO:<{one}>", (250, 251)) for one in wanted), ("DATA", (354,))]:
            code, said = line.docmd(command)
            if code not in good:
                return self._refused(command.partition(":")[0], code, said, reference)
        left.append(True)
        line.send(re.sub(rb"(?m)^\.", b"..", document) + (b"" if document.endswith(b"\r\n") else b"\r\n") + b".\r\n")
        code, said = line.getreply()
        if code == 250:
            return Sent("sent", reference, answer=said.decode("utf-8", "replace"))
        if 400 <= code < 600:
            return self._refused("the message", code, said, reference)
        return Sent("unknown", reference, problem=sending.not_known(self.host))

    def _refused(self, what: str, code: int, said: bytes, reference: str) -> Sent:
        """The server's own word that it did not take it: for good (5xx), or for now."""
        words = problems.quoted(f"{code} {said.decode('utf-8', 'replace')}", [self.password])
        error = problems.protocol_error("The mail server did not take it", f"It refused {what}. Nothing was sent.", words, code >= 500)
        return Sent("refused" if code >= 500 else "not_sent", reference, problem=error.problem)

    def _opened(self) -> smtplib.SMTP:
        """A greeted, encrypted and signed-in line."""
        made = _Line(self.guard, self._context() if self.security == "tls" else None)
        try:
            code, said = made.connect(self.host, self.port or PORTS[self.security])
            if code != 220:
                raise smtplib.SMTPConnectError(code, said)
            made.ehlo_or_helo_if_needed()
            if self.security == "starttls":
                made.starttls(context=self._context())
                made.ehlo()
            if self.user:
                made.login(self.user, self.password.reveal())
        except BaseException:
            made.close()
            raise
        return made

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.trust or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def _before(self, error: Exception) -> SupplierError:
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return problems.sign_in_refused(self.host, self.user, problems.quoted(f"{error.smtp_code}"))
        if isinstance(error, TimeoutError):
            return problems.timed_out(self.host, IO_SECONDS, "talking with the mail server")
        if isinstance(error, ssl.SSLError):
            return problems.tls_refused("The mail server's certificate or encryption cannot be accepted.")
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return problems.tls_refused("The mail server offers no encryption.")
        return problems.connection_lost(self.host, "talking with the mail server")


class _Line(smtplib.SMTP):
    """smtplib on sockets of the guard."""

    def __init__(self, guard: Guard, context: ssl.SSLContext | None) -> None:
        super().__init__(timeout=IO_SECONDS)
        self._guard, self._context = guard, context

    def connect(self, host: str = "localhost", port: int = 0, source_address: Any = None) -> tuple[int, bytes]:
        """As smtplib's; the name is kept for TLS."""
        self._host = host
        return super().connect(host, port, source_address)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        opened = self._guard.connect(host, port)
        opened.settimeout(timeout)
        return opened if self._context is None else self._context.wrap_socket(opened, server_hostname=host)
