"""What tests of files that suppliers drop need: a real SFTP server, and an empty folder at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.servers import Server, sshd, system_user


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with system_user() as user, sshd(user) as running:
        yield running


@pytest.fixture
def emptied(server: Server) -> Callable[[str], None]:
    """Empty the folder of that name, or make it."""

    def empty(folder: str) -> None:
        server.user.put(f"{folder}/.keep", b"")
        for one in (server.user.home / folder).iterdir():
            one.unlink()

    return empty
