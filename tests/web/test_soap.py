"""The pages of a SOAP service, by forms without JavaScript: connect, upload the WSDL, choose the operation, fill in its arguments."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import service_descriptions
from portal.models import Connection, Source
from tests.connecting import fresh
from tests.connectors.soap_server import HERE, Stack, soap_stack
from tests.connectors.soaping import PASSWORD
from tests.web.setting_up import path, select

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database

CONNECT = {"wsdl_from": "address", "endpoint": "", "auth": "arguments", "user": "ana", "password": PASSWORD, "plain_ok": "y"}
FILES = ("stock.wsdl", "types/stock.xsd", "types/shared.xsd")


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with soap_stack() as made:
        yield made


@pytest.fixture
def stack(running: Stack, loopback: Any) -> Stack:
    running.set(auth="arguments")
    running.forget()
    return running


@pytest.fixture
def source(client: Any, stack: Stack, make_source: Any, run_work: Callable[[], None]) -> Source:
    """A source whose WSDL was read; what is asked is still to choose."""
    made: Source = make_source("Kestrel")
    select(client, made, "soap-service")
    there = path(made, "/connection")
    answer = client.send_form(there, {**CONNECT, "wsdl": f"{stack.base}/stock.wsdl", "act": "test"})
    assert answer.status_code == 303 and answer.headers["Location"] == path(made, "/connection/checks"), answer.text
    run_work()
    return fresh(made)


def test_the_way_from_the_address_to_the_file(source: Source, client: Any, stack: Stack, run_work: Callable[[], None]) -> None:
    checks = client.get(path(source, "/connection/checks")).text
    assert "Something is still to choose" in checks and path(source, "/connection/operation") in checks and "Choose the operation" in checks
    there = path(source, "/connection/operation")
    page = client.get(there).text
    assert "4 operations" in page and "ListStock (SOAP 1.2, Stock12)" in page and "from-0" not in page
    answer = client.send_form(there, {"operation": "Stock11:ListStock", "act": "fields"})
    assert answer.headers["Location"].startswith(f"{there}?operation=Stock11")
    page = client.get(answer.headers["Location"]).text
    assert "Who asks" in page and "only.range.@of" in page and ">active<" in page and "items.item.place" in page
    assert '<option selected value="user">' in page and '<option selected value="password">' in page, "proposed by their names"
    refused = client.send_form(there, {"act": "save"}, page=answer.headers["Location"])
    assert refused.status_code == 422 and "The service needs status" in refused.text
    typed = {"act": "save", "value-2": "all", "errors_at": "result.code", "errors_good": "0"}
    kept = client.send_form(there, typed, page=answer.headers["Location"])
    assert kept.status_code == 303 and kept.headers["Location"] == path(source, "/connection/checks"), kept.text
    run_work()
    assert "All 7 checks passed" in client.get(path(source, "/connection/checks")).text
    assert "sku" in client.get(path(source, "/file")).text
    again = client.get(there).text
    assert '<option selected value="all">' in again and 'value="result.code"' in again and PASSWORD not in again and "k3y" not in again
    told = client.get(path(source, "/exchanges")).text
    assert "stock.wsdl" in told and "k3y" not in told


def test_products_are_pasted_or_come_in_a_file(source: Source, client: Any, run_work: Callable[[], None]) -> None:
    there = f"{path(source, '/connection/operation')}?operation=Stock11:GetStock"
    page = client.get(there).text
    assert "asked for one at a time" in page and '<option selected value="product">' in page
    chosen = {"act": "save", "items_list": "item"}
    assert "one product at a time" in client.send_form(path(source, "/connection/operation"), chosen, page=there).text
    files = {"products_file": (io.BytesIO("\ufeffPC61\r\nPC54;PC61\n".encode()), "ids.csv")}
    answer = client.send_form(path(source, "/connection/operation"), chosen | files, page=there, content_type="multipart/form-data")
    assert answer.status_code == 303, answer.text
    run_work()
    assert "2 products, a call for each" in client.get(path(source, "/connection/checks")).text
    assert "2 products, a call for each" in client.get(path(source, "/connection/operation")).text


def test_products_are_told_by_another_operation(source: Source, client: Any, run_work: Callable[[], None]) -> None:
    there, page = path(source, "/connection/operation"), f"{path(source, '/connection/operation')}?operation=Stock11:GetStock"
    typed = {"act": "save", "items_list": "item", "products_operation": "Stock11:ListStock", "products_arguments": "colour = red"}
    refused = client.send_form(there, typed, page=page)
    assert "does not take colour" in refused.text and "Enter where the ids stand" in refused.text
    lines = "user = <user>\r\npassword = <password>\r\nstatus = all"
    answer = client.send_form(there, typed | {"products_arguments": lines, "products_path": "items.item.sku"}, page=page)
    assert answer.status_code == 303, answer.text
    run_work()
    assert "3 products, a call for each" in client.get(path(source, "/connection/checks")).text
    assert "user = &lt;user&gt;" in client.get(there).text


def test_a_wsdl_is_uploaded_with_its_schemas(client: Any, make_source: Any, stack: Stack, run_work: Callable[[], None]) -> None:
    source = make_source("Kestrel")
    select(client, source, "soap-service")
    client.send_form(path(source, "/connection"), {**CONNECT, "wsdl_from": "upload", "endpoint": f"{stack.base}/stock", "act": "test"})
    run_work()
    there = path(source, "/connection/wsdl")
    assert there in client.get(path(source, "/connection/checks")).text and "nothing is fetched from anywhere" in client.get(there).text
    assert "Choose the files first" in client.send_form(there, {}, content_type="multipart/form-data").text
    refused = client.send_form(there, {"files": (io.BytesIO(b"hello"), "x.wsdl")}, content_type="multipart/form-data")
    assert refused.status_code == 422 and "x.wsdl cannot be read" in refused.text
    parts = [(io.BytesIO((HERE / name).read_bytes()), Path(name).name) for name in FILES]
    answer = client.send_form(there, {"files": parts}, content_type="multipart/form-data")
    assert answer.status_code == 303, answer.text
    run_work()
    page = client.get(there).text
    assert "3 files" in page and "stock.xsd" in page and "Operation and arguments" in page and stack.asked() == []
    assert len(service_descriptions.operations(service_descriptions.find(fresh(source)))) == 4


def test_what_another_person_saved_first_is_said(source: Source, client: Any, run_work: Callable[[], None]) -> None:
    there = path(source, "/connection/operation")
    old = client.get(f"{there}?operation=Stock11:ListStock")
    version = old.text.split('name="version" type="hidden" value="')[1].split('"')[0]
    typed = {"act": "save", "value-2": "all"}
    assert client.send_form(there, typed, page=f"{there}?operation=Stock11:ListStock").status_code == 303
    answer = client.send_form(there, {**typed, "version": version}, page=f"{there}?operation=Stock11:ListStock")
    assert answer.status_code == 409 and "Someone changed this while you edited" in answer.text


def test_a_source_of_another_kind_has_none_of_these_pages(client: Any, make_source: Any, loopback: Any) -> None:
    source = make_source("Harbor")
    select(client, source, "sftp-file")
    for page in ("/connection/wsdl", "/connection/operation"):
        assert client.get(path(source, page)).status_code == 404
    assert Connection.select().count() == 1
