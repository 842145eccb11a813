"""Moving, renaming and deleting what was read, against OpenSSH's sshd and vsftpd: only what is still the same, and never over another."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from portal.connectors.folders import Look
from portal.errors import SupplierError
from tests.connectors.conftest import LIMIT
from tests.servers import Server, SystemUser, sshd, vsftpd

WAYS = ("sftp", "explicit", "plain")
WHEN = 1_700_000_000
_numbers = count()


@pytest.fixture(scope="module")
def servers(user: SystemUser, authority: Any) -> Iterator[dict[str, Server]]:
    with sshd(user) as one, vsftpd(user, authority.issue("127.0.0.1")) as two, vsftpd(user) as three:
        yield {"sftp": one, "explicit": two, "plain": three}


class Folder:
    """A folder of one test at the supplier, and a session that is signed in."""

    def __init__(self, connector: Any, user: SystemUser) -> None:
        self.connector, self.user, self.name = connector, user, f"out{next(_numbers)}"
        user.put(f"{self.name}/stock.csv", b"sku,qty\nA,1\n", WHEN)
        user.put(f"{self.name}/done/other.csv", b"x", WHEN)
        self.here = user.home / self.name
        self.place = connector.place_of(self.name)

    def path(self, name: str = "stock.csv") -> str:
        return f"{self.place}/{name}"

    def seen(self, name: str = "stock.csv") -> Look:
        return self.connector.still(self.place, [name], lambda *_: None, 0.0)[name]

    def names(self, below: str = "") -> list[str]:
        return sorted(one.name for one in (self.here / below).iterdir() if one.is_file())


@pytest.fixture(params=WAYS)
def folder(request: Any, connect: Any, servers: Any, trusted: Any, user: SystemUser) -> Folder:
    server, secrets = servers[request.param], {"password": user.password}
    settings = {"port": server.port, "user": user.name}
    if request.param == "sftp":
        key = {"key_type": "ssh-ed25519", "fingerprint": server.fingerprints["ssh-ed25519"]}
        return Folder(connect("sftp", settings, secrets, key), user)
    return Folder(connect("ftp", {**settings, "security": request.param, "plain_ok": True}, secrets), user)


def test_a_file_is_moved_and_renamed_and_deleted(folder: Folder) -> None:
    put_away, seen = folder.connector.put_away, folder.seen()
    assert put_away(folder.path(), seen, folder.path("done/stock.csv")) == "done"
    assert (folder.names(), folder.names("done")) == ([], ["other.csv", "stock.csv"])
    assert folder.connector.look_at(folder.path("done/stock.csv")) == seen
    assert put_away(folder.path("done/stock.csv"), seen, folder.path("done/stock.csv.read")) == "done"
    assert put_away(folder.path("done/stock.csv.read"), seen, None) == "done"
    assert folder.names("done") == ["other.csv"]
    assert folder.connector.look_at(folder.path()) is None


def test_a_file_that_is_gone_is_said_to_be(folder: Folder) -> None:
    seen = folder.seen()
    (folder.here / "stock.csv").unlink()
    assert folder.connector.put_away(folder.path(), seen, None) == "gone"
    assert folder.connector.put_away(f"{folder.place}/nowhere/stock.csv", seen, None) == "gone"


@pytest.mark.parametrize(("content", "modified"), [(b"sku,qty\nA,1\n", WHEN + 1), (b"sku,qty\nA,12\n", WHEN)])
def test_a_file_that_changed_is_left_alone(folder: Folder, content: bytes, modified: int) -> None:
    seen = folder.seen()
    folder.user.put(f"{folder.name}/stock.csv", content, modified)
    for target in (None, folder.path("done/stock.csv")):
        assert folder.connector.put_away(folder.path(), seen, target) == "changed"
    assert (folder.here / "stock.csv").read_bytes() == content


def test_a_server_that_refuses_is_quoted_and_the_file_stays(folder: Folder) -> None:
    seen = folder.seen()
    folder.here.chmod(0o555)
    (folder.here / "done").chmod(0o555)
    for target in (None, folder.path("done/stock.csv"), folder.path("stock.csv.read")):
        with pytest.raises(SupplierError) as refused:
            folder.connector.put_away(folder.path(), seen, target)
        problem = refused.value.problem
        assert problem.code == "permission_denied"
        assert problem.body == "permission denied" or "failed" in problem.body, problem.body
    assert (folder.here / "stock.csv").exists() and folder.names("done") == ["other.csv"]


def test_a_folder_that_is_not_there_is_named(folder: Folder) -> None:
    with pytest.raises(SupplierError) as refused:
        folder.connector.put_away(folder.path(), folder.seen(), folder.path("nowhere/stock.csv"))
    assert "nowhere" in refused.value.problem.body or "failed" in refused.value.problem.body
    assert folder.names() == ["stock.csv"]


def test_a_name_that_is_not_utf8_is_put_away_too(folder: Folder) -> None:
    raw = str(folder.here).encode() + b"/caf\xe9.csv"
    with open(raw, "wb") as file:  # noqa: PTH123 - a name that pathlib has no text for
        file.write(b"x")
    name = next(one.name for one in folder.connector.listing(folder.name) if one.name.startswith("caf"))
    assert folder.connector.put_away(folder.path(name), folder.seen(name), None) == "done"
    assert folder.names() == ["stock.csv"]


def test_only_what_stood_still_is_brought_and_only_as_it_was_seen(folder: Folder, tmp_path: Any, monkeypatch: Any) -> None:
    folder.user.put(f"{folder.name}/grows.csv", b"a", WHEN)
    folder.user.put(f"{folder.name}/goes.csv", b"a", WHEN)

    def wait(*_: Any) -> None:
        folder.user.put(f"{folder.name}/grows.csv", b"ab", WHEN)
        (folder.here / "goes.csv").unlink()

    monkeypatch.setattr("portal.connectors.folders.wait", wait)
    names = ["stock.csv", "grows.csv", "goes.csv", "never.csv"]
    looks = folder.connector.still(folder.place, names, lambda *_: None)
    assert list(looks) == ["stock.csv"]
    got = folder.connector.bring(folder.place, "stock.csv", looks["stock.csv"], tmp_path / "feed", LIMIT, lambda *_: None)
    assert (got.size, got.remote_path) == (12, folder.path())
    folder.user.put(f"{folder.name}/stock.csv", b"sku,qty\nB,2\n", WHEN + 60)
    with pytest.raises(SupplierError) as refused:
        folder.connector.bring(folder.place, "stock.csv", looks["stock.csv"], tmp_path / "again", LIMIT, lambda *_: None)
    assert refused.value.problem.code == "file_growing" and not (tmp_path / "again").exists()
