"""Choosing the supplier of a source."""

from __future__ import annotations

from typing import Any

import pytest

from portal import connections, directory, setup_steps
from portal.errors import Invalid, Refused, Stale
from portal.models import Connection, Integration, SealedSecret, Source
from tests.connecting import CANARY, WHO, fresh, save

pytest_plugins = ("tests.connected",)


def test_selecting_creates_the_connection_and_three_integrations_with_only_inventory_on(chosen: Any) -> None:
    source = chosen("sftp-file")
    assert source.supplier == "sftp-file" and source.account_confirmed_at is not None
    assert connections.find(source).settings == {"port": "22", "auth": "password"}
    enabled = {row.kind: row.enabled for row in Integration.select().where(Integration.source == source)}
    assert enabled == {"get_inventory_primary": True, "send_orders": False, "get_shipments": False}
    assert setup_steps.next_step(source) == "connection"


def test_the_account_must_be_confirmed(loopback: Any, make_source: Any) -> None:
    source = make_source()
    with pytest.raises(Invalid) as refused:
        directory.select(source, "sftp-file", False, source.version, WHO)
    assert refused.value.errors == {"confirmed": "Confirm you have an account with this source to go on."}
    assert fresh(source).supplier == "" and not Connection.select().exists()


def test_another_supplier_erases_the_connection_and_asks_for_it_again(chosen: Any) -> None:
    source = chosen("sftp-file")
    save(source, {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}, password=CANARY)
    setup_steps.mark(source, "connection")
    assert directory.replaced(source, directory.find("http-file")) == "SFTP file"
    directory.select(source, "http-file", True, fresh(source).version, WHO)
    assert connections.find(source).settings == {"auth": "none"}
    assert not SealedSecret.select().exists()
    assert setup_steps.next_step(fresh(source)) == "connection"


def test_the_same_supplier_again_keeps_the_connection(chosen: Any) -> None:
    source = chosen("sftp-file")
    save(source, {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}, password=CANARY)
    directory.select(source, "sftp-file", True, fresh(source).version, WHO)
    assert connections.find(source).settings["host"] == "sftp.northwind.example"
    assert Connection.select().count() == 1 and Integration.select().count() == 3


def test_a_live_source_keeps_its_supplier(chosen: Any) -> None:
    source = chosen("sftp-file")
    Source.update(state="live").where(Source.id == source.id).execute()
    with pytest.raises(Refused, match="keeps its supplier"):
        directory.select(fresh(source), "http-file", True, source.version, WHO)


def test_selecting_on_an_old_page_is_told(chosen: Any) -> None:
    source = chosen("sftp-file")
    with pytest.raises(Stale):
        directory.select(source, "http-file", True, source.version - 1, WHO)
    assert fresh(source).supplier == "sftp-file"
    assert connections.find(source).settings, "nothing was erased"


def test_the_demo_supplier_cannot_be_chosen_while_it_does_not_run(loopback: Any, make_source: Any) -> None:
    source = make_source()
    with pytest.raises(Refused, match="not running"):
        directory.select(source, "demo-distributor", True, source.version, WHO)


@pytest.mark.parametrize(
    ("text", "found"),
    [("GOOGLE sheet", ["HTTP(S) file link", "Google Sheets"]), ("sftp ssh", ["SFTP file"]), ("nothwind", [])],
)
def test_searching_looks_at_every_word(loopback: Any, text: str, found: list[str]) -> None:
    assert [one.name for one in directory.search(text)] == found


@pytest.mark.parametrize(
    ("kind", "supports", "some", "never"),
    [
        ("stores", "", {"shopify", "medusa", "prestashop"}, {"bigbuy", "shipbob", "rest-api"}),
        ("suppliers", "", {"bigbuy", "promostandards", "ss-activewear"}, {"shopify", "sftp-file"}),
        ("warehouses", "", {"shipbob", "veeqo"}, {"shopify", "bigbuy"}),
        ("files", "", {"sftp-file", "google-sheets", "edi-846-sftp", "file-upload"}, {"rest-api", "webhook"}),
        ("apis", "", {"rest-api", "soap-service", "webhook"}, {"http-file"}),
        ("", "orders", {"sftp-file", "ftp-file", "shopify", "woocommerce"}, {"google-sheets", "medusa"}),
        ("files", "shipments", {"http-file", "google-sheets"}, {"edi-846-sftp", "file-upload"}),
    ],
)
def test_searching_by_kind_and_by_what_is_supported(loopback: Any, kind: str, supports: str, some: set[str], never: set[str]) -> None:
    found = {one.slug for one in directory.search(kind=kind, supports=supports)}
    assert some <= found and not never & found


def test_every_entry_stands_under_one_heading(loopback: Any) -> None:
    everything = directory.search()
    placed = [one.slug for _, entries in directory.in_kinds(everything) for one in entries]
    assert sorted(placed) == sorted(one.slug for one in everything)
    known = set().union(*(kind.categories for kind in directory.KINDS), {directory.GENERIC})
    assert {category for one in everything for category in one.categories} <= known, "a new category: say under which heading it stands"


def test_searching_by_method(loopback: Any) -> None:
    assert [one.slug for one in directory.search("", "FTPS")] == ["ftp-file"]
