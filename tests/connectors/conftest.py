"""What every connector test needs: a guard that lets loopback through, a place for files, and no slow waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.connectors import Connector, open_connector
from portal.connectors.network import Guard
from portal.errors import SupplierError
from portal.records import Check, Fetched, Secret
from tests.servers import LOOPBACK, Authority, SystemUser, system_user

LIMIT = 100_000_000


@pytest.fixture
def guard() -> Guard:
    return Guard.from_config(LOOPBACK)


@pytest.fixture
def connect(guard: Guard) -> Iterator[Callable[..., Connector]]:
    """connect(protocol, settings, secrets={"password": "…"}, trusted_key=None): closed after the test."""
    opened: list[Connector] = []

    def connect(
        protocol: str, settings: dict[str, Any], secrets: dict[str, str] | None = None, trusted_key: dict[str, str] | None = None
    ) -> Connector:
        sealed = {key: Secret(text) for key, text in (secrets or {}).items()}
        opened.append(open_connector(protocol, {"host": LOOPBACK, **settings}, sealed, guard=guard, trusted_key=trusted_key))
        return opened[-1]

    yield connect
    for one in opened:
        one.close()


@pytest.fixture(scope="module")
def user() -> Iterator[SystemUser]:
    with system_user() as made:
        yield made


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def trusted(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> Authority:
    """The test's authority among those that this machine trusts, the way an operator adds one."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    return authority


def fetch(
    connector: Connector,
    into: Path,
    folder: str = "",
    match: str = "newest",
    pattern: str = "*.csv",
    settle: float = 0.0,
    limit: int = LIMIT,
) -> Fetched:
    return connector.fetch(folder, match, pattern, into, limit, lambda _done, _total: None, settle)


def checks(connector: Connector, folder: str = "") -> dict[str, Check]:
    """The last state of each check; a failure is in its check as well as raised."""
    seen: dict[str, Check] = {}

    def report(check: Check) -> None:
        seen[check.name] = check

    try:
        connector.check(report, folder)
    except SupplierError as error:
        assert list(seen.values())[-1].problem is error.problem
    return seen


def refused(connector: Connector, folder: str = "") -> str:
    """The code that the check list ends with."""
    problem = list(checks(connector, folder).values())[-1].problem
    assert problem is not None, "nothing was refused"
    return problem.code


def left_nothing(into: Path) -> bool:
    return not into.exists() and not into.with_name(into.name + ".part").exists()
