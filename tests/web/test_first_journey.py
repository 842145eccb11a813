"""The main job without JavaScript: add a source, upload its file, map, answer, review, Save, and see the inventory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from portal import mappings
from portal.models import InventoryItem, Run, SetAsideRow, Source
from tests.web.setting_up import STOCK, fresh, integration, path, select, upload


def test_from_nothing_to_inventory(client: Any, run_work: Callable[[], None]) -> None:
    answer = client.send_form("/sources/new", {"name": "Northwind", "kind": "dropship_supplier"})
    source = Source.get()
    assert answer.headers["Location"] == path(source)
    upload(client, source, run_work)

    fields = {"do": "save", "f.brand.column": "fixed", "f.brand.fixed": "Northwind", "f.status.column": "c:colour"}
    follow(client, source, "/mapping/inventory", fields, "/mapping/orders")
    follow(client, source, "/mapping/orders", {"do": "save"}, "/mapping/shipments")
    follow(client, source, "/mapping/shipments", {"do": "save"}, "/skus")
    follow(client, source, "/skus", {"do": "save", "prefix": "NW/"}, "/review")
    answer = client.send_form(path(source, "/review"))
    assert answer.status_code == 303 and answer.headers["Location"].startswith("/runs/")
    assert client.get(answer.headers["Location"]).status_code == 200
    run_work()

    run = Run.get(Run.kind == "inventory")
    assert run.state in ("finished", "warnings") and run.accepted, run.problem
    items = {item.sku: item for item in InventoryItem.select()}
    assert sorted(items) == ["NW-10442", "NW-10443", "NW-10444"]
    first, last = items["NW-10442"], items["NW-10444"]
    assert (first.title, first.upc, first.quantity, first.cost) == ("Tarp, 3 x 4 m", "036000291452", 14, 99_500)
    assert (first.brand, first.status, last.quantity, last.upc) == ("Northwind", "green", 10, None)
    aside = {row.row_number: (row.fatal, row.problems[0]["reason"]) for row in SetAsideRow.select()}
    assert aside[5] == (1, "No SKU") and aside[4][0] == 0 and "check digit" in aside[4][1].lower()
    source = fresh(source)
    assert (source.state, source.sku_prefix, source.item_count) == ("live", "NW/", 3)
    assert "NW-10443" in client.get(path(source, "/inventory")).text
    assert client.get(path(source)).status_code == 200


def test_each_step_can_be_left_and_resumed(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> None:
    source = make_source()
    upload(client, source, run_work)
    for step, following in (
        ("/mapping/inventory", "/mapping/orders"),
        ("/mapping/orders", "/mapping/shipments"),
        ("/mapping/shipments", "/skus"),
    ):
        assert client.send_form(path(source, step), {"do": "leave"}).headers["Location"] == path(source)
        assert f'href="{path(source, following)}"' in client.get(path(source)).text
        assert client.get(path(source, "/review")).headers["Location"] == path(source, following)


def test_another_supplier_takes_the_answers_back(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> None:
    source = make_source()
    upload(client, source, run_work)
    client.send_form(path(source, "/mapping/inventory"), {"do": "save"})
    select(client, source, "sftp-file")
    assert client.get(path(source, "/mapping/inventory")).headers["Location"] == path(source, "/connection")


def test_a_mapping_changed_later_reads_the_same_file_anew(
    client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]
) -> None:
    source = make_source()
    upload(client, source, run_work, STOCK)
    for step, fields in (("/mapping/inventory", {}), ("/mapping/orders", {}), ("/mapping/shipments", {}), ("/skus", {})):
        client.send_form(path(source, step), {"do": "save", **fields})
    client.send_form(path(source, "/review"))
    run_work()
    assert InventoryItem.get(InventoryItem.sku == "NW-10442").title == "Tarp, 3 x 4 m"
    assert client.send_form(path(source, "/mapping/inventory"), {"do": "save", "f.title.column": "c:colour"}).status_code == 303
    assert client.send_form(path(source, "/integrations/get_inventory_primary/runs"), page=path(source, "/integrations")).status_code == 303
    run_work()
    version = mappings.current(integration(source))
    assert version is not None and version.number == 2
    assert InventoryItem.get(InventoryItem.sku == "NW-10442").title == "green"


def follow(client: Any, source: Source, step: str, fields: dict[str, Any], following: str) -> None:
    """Send the form of a step and come to the next one, which opens."""
    answer = client.send_form(path(source, step), fields)
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source, following)), answer.text
    assert client.get(answer.headers["Location"]).status_code == 200
