"""When a certificate ends is noted from any connection that is encrypted, and told before it is too late."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portal import circuit, clock
from portal.connectors import tls
from portal.connectors.network import Guard
from portal.connectors.steps import Finding
from portal.models import Connection, Source
from tests.alerts.noted import live, look, only
from tests.connectors.web_server import answer, web
from tests.servers import LOOPBACK, Authority


def shakes_hands(certificate: Path) -> None:
    """One TLS connection as connectors make it, to a server with that certificate."""
    guard = Guard.from_config(LOOPBACK)
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text().partition("-----END RSA PRIVATE KEY-----\n")[2])
    pinned = {"key_type": tls.KEY_TYPE, "fingerprint": tls.fingerprint(der)}
    with web(answer(b""), certificate=certificate) as server:
        raw = guard.connect(LOOPBACK, server.port)
        wrapped = tls.Identity(LOOPBACK, pinned).wrap(raw, lambda: raw, Finding("identity"))
        wrapped.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        wrapped.recv(100)
        wrapped.close()


@pytest.fixture
def source(make_source: Any) -> Source:
    made: Source = make_source("Kestrel", state="live")
    live(made)
    Connection.get_or_create(source=made)
    return made


def test_each_encrypted_connection_notes_the_end_and_the_soonest_counts(source: Source, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    for days in ((30,), (20, 9), (30, 25)):
        with circuit.watched(source, by_hand=True):
            for one in days:
                shakes_hands(authority.issue(LOOPBACK, to_day=one))
        left = Connection.get().certificate_ends - clock.now()
        assert abs(left - timedelta(days=min(days))) < timedelta(minutes=5)
        look(clock.now())
        soon = min(days) <= 14
        assert not soon or only().headline == "Kestrel's certificate ends in 8 days"
    look(clock.now() + timedelta(seconds=1))
    look(clock.now() + timedelta(minutes=6))
    assert only().state == "resolved"  # it was renewed


def test_outside_of_a_source_nothing_is_noted(source: Source, tmp_path: Path) -> None:
    shakes_hands(Authority(tmp_path).issue(LOOPBACK))
    assert Connection.get().certificate_ends is None
