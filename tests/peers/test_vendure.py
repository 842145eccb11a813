"""The Vendure entry on a Vendure of its own: the log-in, the list, what its answers become, and a password that is wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import supplier_check, suppliers
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.errors import SupplierError
from portal.records import Exchange, Secret
from tests.peers.started import started
from tests.servers import LOOPBACK, free_port

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = Path(os.environ.get("VENDURE") or ROOT / ".peers")
ENTRY = suppliers.find("vendure")


@pytest.fixture(scope="module")
def vendure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base of a shop with four variants, one of them not tracked."""
    if not (PACKAGES / "node_modules" / "@vendure" / "testing").is_dir() or not shutil.which("node"):
        pytest.skip(f"`make peers` fetches Vendure into {PACKAGES} (VENDURE says where else), and Node 20 runs it")
    port, scratch = free_port(), tmp_path_factory.mktemp("vendure")
    with started(["node", str(Path(__file__).with_name("vendure_store.cjs")), str(PACKAGES), str(port), str(scratch)], "READY"):
        yield f"http://{LOOPBACK}:{port}"


def connector(base: str, told: list[Exchange], password: str = "superadmin", **more: Any) -> RestConnector:
    settings = ENTRY.whole({"base": base, "user": "superadmin", "tracks": "yes", "plain_ok": "1"}) | more
    secrets = {"password": Secret(password)}
    return RestConnector(settings, secrets, guard=Guard.from_config(LOOPBACK), trusted_key=None, record=told.append)


def test_a_shop_is_read_page_by_page_and_becomes_its_items(vendure: str, tmp_path: Path) -> None:
    told: list[Exchange] = []
    with connector(vendure, told, size="3") as shop:
        shop.check(lambda _: None, "")
        shop.fetch("", "newest", "*", tmp_path / "items.jsonl", 10**7, lambda *_: None)
    items = supplier_check.items_of(tmp_path / "items.jsonl", "items.jsonl", ENTRY.operations["get_inventory"])
    assert {one["sku"]: one.get("quantity") for one in items} == {"L2201308": 100, "L2201508": 7, "MOUSE": 0, "LICENCE": None}
    assert items[0]["title"] == "Laptop 13 inch 8GB" and items[0]["warehouses"] == '{"Default Stock Location":100}'
    assert [one.status for one in told] == [200] * 4, "one log-in, the first page of the test, two pages of the list"
    assert "superadmin" not in repr([one.request for one in told])


def test_a_wrong_password_is_refused_as_one(vendure: str) -> None:
    with connector(vendure, [], "another") as shop, pytest.raises(SupplierError) as refused:
        shop.check(lambda _: None, "")
    assert refused.value.problem.code == "sign_in_refused" and "invalid" in refused.value.problem.server_said
