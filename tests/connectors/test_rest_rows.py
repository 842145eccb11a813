"""Rows of an API's list: asked for by body, joined with a second list, or a row for each part of an item."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from portal import feeds
from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.errors import SupplierError
from tests.connectors.told_server import Request, Told, told

PAGED = {"paging": "page", "page_name": "page", "size_name": "limit", "size": "2"}


def fetch(server: Told, guard: Guard, into: Path, **settings: Any) -> list[Any]:
    with RestConnector({"base": server.base, "plain_ok": "1", **settings}, {}, guard=guard, trusted_key=None) as connector:
        connector.fetch("", "newest", "*", into / "items.jsonl", 10**7, lambda *_: None)
    assert [one.name for one in into.iterdir()] == ["items.jsonl"], "nothing else is left behind"
    return [json.loads(line) for line in (into / "items.jsonl").read_bytes().splitlines()]


def paged(items: list[Any], request: Request) -> list[Any]:
    size, page = int(request.query["limit"]), int(request.query["page"])
    return items[(page - 1) * size : page * size]


def test_a_graphql_list_carries_its_place_in_the_body(guard: Guard, tmp_path: Path) -> None:
    stock = [{"sku": f"A{n}"} for n in range(5)]

    def answer(request: Request) -> Any:
        options = json.loads(request.body)["variables"]
        found = stock[options["skip"] : options["skip"] + options["take"]]
        return 200, {"data": {"variants": {"items": found, "totalItems": 5}}}

    body = '{"query": "query($skip: Int, $take: Int) { … }", "variables": {"skip": {offset}, "take": {size}}}'
    with told(answer) as server:
        rows = fetch(
            server, guard, tmp_path, path="/graphql", body=body, paging="offset", size="2", items="data.variants.items",
            total="data.variants.totalItems", error_at="errors",
        )  # fmt: skip
    assert [one["sku"] for one in rows] == ["A0", "A1", "A2", "A3", "A4"]
    assert [one.method for one in server.asked] == ["POST"] * 3 and all(one.query == {} for one in server.asked)


def test_an_error_inside_an_answer_of_success_uses_nothing(guard: Guard, tmp_path: Path) -> None:
    def answer(_request: Request) -> Any:
        return 200, {"data": None, "errors": [{"message": "not for you"}]}

    with told(answer) as server, pytest.raises(SupplierError) as refused:
        fetch(server, guard, tmp_path, path="/graphql", body="{}", items="data.items", error_at="errors[0].message")
    assert refused.value.problem.server_said == "not for you" and list(tmp_path.iterdir()) == []


def test_a_cursor_is_written_into_the_body_as_json_writes_it(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        after = json.loads(request.body)["after"]
        return 200, {"items": [{"sku": after or "first"}], "end": None if after else 'a "quoted" \\ cursor'}

    with told(answer) as server:
        rows = fetch(server, guard, tmp_path, path="/q", body='{"after": "{cursor}"}', paging="cursor", cursor="end", items="items")
    assert [one["sku"] for one in rows] == ["first", 'a "quoted" \\ cursor']


def test_children_come_by_requests_of_their_own_and_their_parent_is_no_row(guard: Guard, tmp_path: Path) -> None:
    parents = [{"id": 1, "type": "simple", "sku": "S"}, {"id": 2, "type": "variable", "name": "Shirt"}, {"id": 3, "type": "variable"}]
    children = {"2": [{"sku": "M"}, {"sku": "L"}, {"sku": "XL"}], "3": []}

    def answer(request: Request) -> Any:
        parts = request.path.split("/")
        return 200, paged(children[parts[2]] if len(parts) > 3 else parents, request)

    more = {"children_path": "/products/{id}/variations", "children_when": "type=variable"}
    with told(answer) as server:
        rows = fetch(server, guard, tmp_path, path="/products", query="order=asc", **more, **PAGED)
    assert [(one["sku"], one.get("parent", {}).get("name")) for one in rows] == [
        ("S", None),
        ("M", "Shirt"),
        ("L", "Shirt"),
        ("XL", "Shirt"),
    ]
    own, theirs = server.asked[0], [one for one in server.asked if "variations" in one.path]
    assert own.query["order"] == "asc" and [one.path for one in theirs] == ["/products/2/variations"] * 2 + ["/products/3/variations"]


def test_a_sample_reads_the_children_of_some_items_only(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        if request.path != "/products":
            return 200, paged([{"sku": request.path}], request)
        return 200, paged([{"id": n} for n in range(1_000)], request)

    with told(answer) as server:
        paging = {**PAGED, "size": "50"}
        rows = fetch(server, guard, tmp_path, path="/products", children_path="/products/{id}/v", most_pages=2, **paging)
    assert len(rows) == 20 and len(server.asked) == 22


def test_a_list_inside_an_item_gives_a_row_each(guard: Guard, tmp_path: Path) -> None:
    items = [{"sku": "A", "places": [{"name": "East", "units": 0}, {"name": "West", "units": 4}]}, {"sku": "B", "places": []}]
    with told(lambda _: (200, {"data": items})) as server:
        rows = fetch(server, guard, tmp_path, path="/stock", items="data", children_items="places")
    assert rows == [
        {"name": "East", "units": 0, "parent": {"sku": "A"}}, {"name": "West", "units": 4, "parent": {"sku": "A"}},
        {"sku": "B", "places": []},
    ]  # fmt: skip


def test_second_lists_are_joined_by_key_and_a_row_without_a_partner_stays(guard: Guard, tmp_path: Path) -> None:
    lists = {
        "/stock": [{"sku": {"id": n}, "units": n} for n in range(5)],
        "/products": [{"id": f"{n}", "name": f"Product {n}"} for n in range(4)],
        "/prices": [{"of": 1, "price": "9.95"}, {"of": 1, "price": "8.95"}, {"of": None, "price": "0"}],
    }
    first = {"join_path": "/products", "join_query": "fields=name", "join_key": "id", "join_on": "sku.id", "join_as": "product"}
    second = {"join2_path": "/prices", "join2_key": "of", "join2_on": "sku.id", "join2_as": "price"}
    with told(lambda request: (200, paged(lists[request.path], request))) as server:
        rows = fetch(server, guard, tmp_path, path="/stock", **first, **second, **PAGED)
    assert [one.get("product", {}).get("name") for one in rows] == ["Product 0", "Product 1", "Product 2", "Product 3", None]
    assert [one.get("price", {}).get("price") for one in rows] == [None, "8.95", None, None, None]
    assert {one.query.get("fields") for one in server.asked if one.path == "/products"} == {"name"}


def test_a_second_list_may_be_joined_onto_the_parts_of_an_item(guard: Guard, tmp_path: Path) -> None:
    items = [{"id": 1, "stock": [{"id": 7}, {"id": 8}]}, {"id": 8, "stock": []}]
    lists = {"/products": items, "/stock": [{"id": 7, "units": 4}, {"id": 8, "units": 0}]}
    join = {"join_path": "/stock", "join_key": "id", "join_on": "id", "join_as": "held", "join_after": "children"}
    with told(lambda request: (200, lists[request.path])) as server:
        rows = fetch(server, guard, tmp_path, path="/products", children_items="stock", **join)
    assert [(one.get("held", {}).get("units"), "parent" in one) for one in rows] == [(4, True), (0, True), (0, False)]


def test_a_place_may_stand_in_the_middle_of_a_parameter(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        start, count = map(int, request.query["limit"].split(","))
        return 200, [{"sku": f"A{n}"} for n in range(5)][start : start + count]

    with told(answer) as server:
        rows = fetch(server, guard, tmp_path, path="/stock", query="limit={offset},{size}", paging="offset", size="2")
    assert [one["sku"] for one in rows] == ["A0", "A1", "A2", "A3", "A4"] and len(server.asked) == 3


def test_a_second_list_that_stays_away_leaves_no_file(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        return (
            (404, {})
            if request.path == "/products" and request.query["page"] == "2"
            else (200, paged([{"id": n} for n in range(4)], request))
        )

    with told(answer) as server, pytest.raises(SupplierError):
        fetch(server, guard, tmp_path, path="/stock", join_path="/products", join_key="id", join_on="id", join_as="product", **PAGED)
    assert list(tmp_path.iterdir()) == []


def test_the_mapped_columns_are_there_though_no_item_has_them(guard: Guard, tmp_path: Path) -> None:
    with told(lambda _: (200, [{"sku": "A", "parent": None, "tags": "x"}, {"sku": "B"}])) as server:
        rows = fetch(server, guard, tmp_path, path="/stock", columns=("sku", "parent.name", "units", "tags.deep"))
    assert rows == [{"sku": "A", "parent": {"name": None}, "tags": "x", "units": None}, {"sku": "B"}]


def test_a_mapped_entry_of_a_list_is_there_once_whatever_the_list_holds(guard: Guard, tmp_path: Path) -> None:
    columns = ("o.label", "o 2.label", "o 3.label")
    for options, found in (([], ""), ([{"label": "S"}], "S"), ([{"label": "S"}, {"label": "Red"}], "S")):
        with told(lambda _, options=options: (200, [{"sku": "A", "o": options}])) as server:
            fetch(server, guard, tmp_path, path="/stock", columns=columns)
        form = feeds.detect(tmp_path / "items.jsonl", "items.jsonl").format
        headers, rows = feeds.preview(tmp_path / "items.jsonl", form, 1)
        assert sorted(headers) == ["o 2.label", "o 3.label", "o.label", "sku"] and rows[0].cells[list(headers).index("o.label")] == found
        (tmp_path / "items.jsonl").unlink()


def test_an_item_that_cannot_name_its_children_stops_the_list(guard: Guard, tmp_path: Path) -> None:
    with told(lambda _: (200, [{"sku": "A"}])) as server, pytest.raises(SupplierError) as refused:
        fetch(server, guard, tmp_path, path="/products", children_path="/products/{id}/variations")
    assert "It has no id" in refused.value.problem.body


def test_a_key_from_the_server_stays_one_part_of_the_path(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        return (200, [{"id": "../../me?x=/"}]) if request.path == "/products" else (200, [])

    with told(answer) as server:
        assert fetch(server, guard, tmp_path, path="/products", children_path="/products/{id}/variations") == []
    assert server.asked[1].path == "/products/..%2F..%2Fme%3Fx%3D%2F/variations"
