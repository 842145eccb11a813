"""Fixtures for the tests of connecting: a user of real servers, and sources that come some way."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from portal import config as installation
from portal import directory
from portal.models import Source
from tests.connecting import STOCK, WHO, check, fresh, save, sftp_values, trust
from tests.servers import LOOPBACK, Authority, SystemUser, sshd, system_user


@pytest.fixture(scope="module")
def user() -> Iterator[SystemUser]:
    with system_user() as made:
        made.put("out/stock_2026-11-24.csv", STOCK, time.time() - 90_000)
        made.put("out/stock_2026-11-25.csv", STOCK, time.time() - 3_600)
        made.put("out/readme.md", b"hello", time.time() - 60)
        made.put("empty/.keep", b"")
        yield made


@pytest.fixture
def loopback(config: installation.Config) -> installation.Config:
    """An installation whose operator opened loopback."""
    return installation.use(replace(config, egress_allow=LOOPBACK))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def chosen(loopback: Any, make_source: Callable[..., Source]) -> Callable[..., Source]:
    """chosen("sftp-file", name="Northwind"): a draft source that selected that supplier."""

    def make(slug: str, name: str = "Northwind", **columns: Any) -> Source:
        source = make_source(name, **columns)
        directory.select(source, slug, True, source.version, WHO)
        return fresh(source)

    return make


@pytest.fixture
def sampled(chosen: Any, run_work: Any, user: SystemUser) -> Source:
    """A source whose sample was read from a real server."""
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=user.password)
        check(source, run_work)
        trust(source)
        check(source, run_work)
    return fresh(source)
