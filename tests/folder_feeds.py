"""A pytest plugin: feeds in folders of a real SFTP server.

pytest_plugins = ("tests.folder_feeds",)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from portal import config as installation
from portal.models import Source
from tests.folder_feed import FolderFeed, no_waiting
from tests.servers import LOOPBACK, Server, sshd, system_user

_numbers = count()


@pytest.fixture(scope="module")
def folder_server() -> Iterator[Server]:
    """A real SFTP server with a user of its own."""
    with system_user() as user, sshd(user) as running:
        yield running


@pytest.fixture
def folder_feed(
    config: installation.Config, make_source: Callable[..., Source], folder_server: Server, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., FolderFeed]:
    """folder_feed(**choice): a feed on that server, in a folder that no other test has; nothing is waited for."""
    installation.use(replace(config, egress_allow=LOOPBACK))
    no_waiting(monkeypatch)
    return lambda **choice: FolderFeed(make_source(), folder_server, f"out{next(_numbers)}", **choice)
