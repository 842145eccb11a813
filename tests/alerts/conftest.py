"""An installation that can send e-mail, and time that passes when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from portal import config as installation
from portal.config import Config
from tests.alerts.noted import Time
from tests.outbox.mail_server import Mail, mail_server
from tests.servers import LOOPBACK


@pytest.fixture
def mailing(config: Config) -> Iterator[Mail]:
    """A real SMTP server on loopback; its ledger is what it accepted."""
    with mail_server() as running:
        installation.use(
            replace(
                config, egress_allow=LOOPBACK, smtp_host=LOOPBACK, smtp_port=running.port, smtp_security="plain",
                smtp_from="alerts@portal.example", public_url="https://portal.example",
            )
        )  # fmt: skip
        yield running


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch, db: str) -> Time:
    return Time(monkeypatch)
