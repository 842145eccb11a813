"""An installation that can send e-mail, and time that passes when it is told to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from portal import config as installation
from portal.alerts import settings
from portal.config import Config
from portal.models import Merchant, Source
from tests.alerts.noted import Time
from tests.connectors.json_server import JsonAnswers, serving
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


@pytest.fixture
def hook(source: Source, merchant: Merchant, mailing: Mail) -> Iterator[dict[str, Any]]:
    """The merchant's address: what it got, and how it answers."""
    got: dict[str, Any] = {"got": [], "status": 204}

    class Door(JsonAnswers):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            got["got"].append((dict(self.headers), self.heard()))
            self.say(got["status"], None)

    with serving(Door) as port:
        settings.save_hook(merchant, f"http://{LOOPBACK}:{port}/alerts", "warning", 0, "owner")
        got["secret"] = settings.make_secret(merchant, "owner")
        yield got
