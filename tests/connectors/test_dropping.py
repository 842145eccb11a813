"""Handing files over, against OpenSSH's sshd and vsftpd: whole or not at all, never over another, and what is gone was delivered."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from portal.errors import SupplierError
from tests.servers import Server, SystemUser, sshd, vsftpd

_numbers = count()
ORDERS = b"po,sku,qty\r\n10442,HX-1,3\r\n" * 9_000


@pytest.fixture(scope="module")
def servers(user: SystemUser, authority: Any) -> Iterator[dict[str, Server]]:
    with sshd(user) as one, vsftpd(user, authority.issue("127.0.0.1")) as two, vsftpd(user) as three:
        yield {"sftp": one, "explicit": two, "plain": three}


class Drop:
    """A folder of one test at the supplier, and a session that is signed in."""

    def __init__(self, connector: Any, user: SystemUser) -> None:
        self.connector, name = connector, f"in{next(_numbers)}"
        user.put(f"{name}/.keep", b"")
        user.put(f"{name}/old.csv", b"theirs")
        self.here: Path = user.home / name
        (self.here / ".keep").unlink()
        self.place = connector.place_of(name)
        account = pwd.getpwnam(user.name)
        os.chown(self.here, account.pw_uid, account.pw_gid)

    def names(self) -> list[str]:
        return sorted(one.name for one in self.here.iterdir())


@pytest.fixture(params=("sftp", "explicit", "plain"))
def drop(request: Any, connect: Any, servers: Any, trusted: Any, user: SystemUser) -> Drop:
    server, secrets = servers[request.param], {"password": user.password}
    settings = {"port": server.port, "user": user.name}
    if request.param == "sftp":
        key = {"key_type": "ssh-ed25519", "fingerprint": server.fingerprints["ssh-ed25519"]}
        return Drop(connect("sftp", settings, secrets, key), user)
    return Drop(connect("ftp", {**settings, "security": request.param, "plain_ok": True}, secrets), user)


def test_a_file_is_written_whole_and_gets_its_name_once(drop: Drop) -> None:
    connector = drop.connector
    assert connector.write(drop.place, ".7.a.part", ORDERS) == len(ORDERS)
    assert drop.names() == [".7.a.part", "old.csv"]
    assert connector.rename(drop.place, ".7.a.part", "orders_7.csv") == "done"
    assert (drop.here / "orders_7.csv").read_bytes() == ORDERS
    assert connector.rename(drop.place, ".7.a.part", "orders_7.csv") == "gone"
    assert drop.names() == ["old.csv", "orders_7.csv"]
    assert connector.sizes(drop.place)["orders_7.csv"] == len(ORDERS)


def test_what_the_supplier_took_at_once_is_gone_and_not_written_again(drop: Drop) -> None:
    drop.connector.write(drop.place, ".7.a.part", ORDERS)
    assert drop.connector.rename(drop.place, ".7.a.part", "orders_7.csv") == "done"
    (drop.here / "orders_7.csv").unlink()
    drop.connector.close()
    assert drop.connector.rename(drop.place, ".7.a.part", "orders_7.csv") == "gone"
    assert drop.names() == ["old.csv"]


def test_a_file_of_theirs_is_never_replaced(drop: Drop) -> None:
    drop.connector.write(drop.place, ".7.a.part", ORDERS)
    assert drop.connector.rename(drop.place, ".7.a.part", "old.csv") == "taken"
    assert (drop.here / "old.csv").read_bytes() == b"theirs"
    assert drop.names() == [".7.a.part", "old.csv"]


def test_a_folder_that_went_away_does_not_prove_a_delivery(drop: Drop) -> None:
    drop.connector.write(drop.place, ".7.a.part", ORDERS)
    moved = drop.here.rename(drop.here.with_name(f"{drop.here.name}-moved"))
    drop.connector.close()
    with pytest.raises(SupplierError) as caught:
        drop.connector.rename(drop.place, ".7.a.part", "orders_7.csv")
    assert caught.value.problem.code == "folder_missing"
    assert (moved / ".7.a.part").exists()


def test_writing_into_a_folder_that_is_not_there_says_which_are(drop: Drop) -> None:
    with pytest.raises(SupplierError) as caught:
        drop.connector.write(f"{drop.place}/no", ".7.a.part", ORDERS)
    assert caught.value.problem.code == "folder_missing"


def test_writing_where_we_may_not_says_so(drop: Drop) -> None:
    os.chown(drop.here, 0, 0)
    with pytest.raises(SupplierError) as caught:
        drop.connector.write(drop.place, ".7.a.part", ORDERS)
    assert caught.value.problem.code == "permission_denied"
    assert drop.names() == ["old.csv"]


def test_old_parts_of_ours_are_cleared_and_nothing_else(drop: Drop) -> None:
    for name in (".7.a.part", ".7.b.part", ".8.a.part"):
        drop.connector.write(drop.place, name, ORDERS)
    cleared = drop.connector.clear(drop.place, ".7.", ".part", frozenset({".7.b.part"}))
    listed = set(drop.connector.sizes(drop.place))
    assert cleared == [".7.a.part"] or ".7.a.part" not in listed  # a listing may leave out names that begin with a dot
    assert {".7.b.part", ".8.a.part", "old.csv"} <= set(drop.names())
