"""A list that is cut short is refused, whole ones of every habit are read to their end: over the wire, with what is left on the disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portal.connectors.network import Guard
from portal.connectors.rest import RestConnector
from portal.errors import SupplierError
from tests.connectors.told_server import Request, told

PAGED = {"paging": "page", "page_name": "page", "size_name": "limit", "size": "100", "path": "/items", "items": "data"}
ITEMS = [{"sku": f"A-{n:04}"} for n in range(300)]


def read(guard: Guard, into: Path, answer: Callable[[Request], Any], **settings: str) -> tuple[list[Any], int]:
    """(the rows, how many requests)."""
    with told(answer) as server, RestConnector({"base": server.base, **PAGED, **settings}, {}, guard=guard, trusted_key=None) as connector:
        connector.fetch("", "newest", "*", into / "items.jsonl", 10**7, lambda *_: None)
    return [json.loads(line) for line in (into / "items.jsonl").read_bytes().splitlines()], len(server.asked)


def part(items: list[Any], request: Request, most: int) -> list[Any]:
    start = (int(request.query.get("page", 1)) - 1) * most
    return items[start : start + most]


def refusal(guard: Guard, into: Path, answer: Callable[[Request], Any], **settings: str) -> SupplierError:
    with pytest.raises(SupplierError) as refused:
        read(guard, into, answer, **settings)
    assert list(into.iterdir()) == [], "nothing is used"
    return refused.value


@pytest.mark.parametrize("body", [None, {"data": []}])
@pytest.mark.parametrize("total", ["count", ""])
def test_a_second_page_that_is_lost_is_no_end(guard: Guard, tmp_path: Path, body: Any, total: str) -> None:
    def answer(request: Request) -> Any:
        return 200, {"count": 30, "data": ITEMS[:10]} if request.query["page"] == "1" else body

    if body is not None and not total:
        assert len(read(guard, tmp_path, answer, size="10")[0]) == 10, "nobody told that there is more"
        return
    error = refusal(guard, tmp_path, answer, size="10", total=total)
    said = "The server sent an empty answer" if body is None else "The list stopped at 10 of 30 items"
    assert (error.problem.code, error.problem.headline, error.permanent) == ("cut_download", said, False)
    assert "Your stock stays as it was" in error.problem.body


@pytest.mark.parametrize(("status", "form", "good"), [(204, "json", True), (200, "json", False), (200, "xml", False), (200, "jsonl", True)])
def test_an_empty_body_is_a_list_only_where_it_can_be_one(guard: Guard, tmp_path: Path, status: int, form: str, good: bool) -> None:
    if good:
        assert read(guard, tmp_path, lambda _: (status, None), form=form, items="") == ([], 1)
    else:
        assert refusal(guard, tmp_path, lambda _: (status, None), form=form, items="").problem.code == "cut_download"


@pytest.mark.parametrize("past", [(200, {"data": []}), (200, []), (204, None), (404, {"detail": "Invalid page."}), (400, {"code": "page"})])
def test_a_server_that_gives_fewer_a_page_than_were_asked_is_read_to_its_end(guard: Guard, tmp_path: Path, past: Any) -> None:
    def answer(request: Request) -> Any:
        found = part(ITEMS, request, 100)
        return (200, {"data": found}) if found else past

    assert read(guard, tmp_path, answer, size="250") == (ITEMS, 4)


@pytest.mark.parametrize("total", ["count", ""])
def test_a_page_that_must_be_there_and_is_not_refuses_the_list(guard: Guard, tmp_path: Path, total: str) -> None:
    def answer(request: Request) -> Any:
        return (200, {"count": 300, "data": ITEMS[:100]}) if request.query["page"] == "1" else (404, {})

    assert refusal(guard, tmp_path, answer, total=total, size="250" if total else "100").status == 404


def test_products_without_parts_end_nothing(guard: Guard, tmp_path: Path) -> None:
    products = [{"id": n, "parts": [] if n < 100 or n == 150 else [{"sku": f"A-{n:04}"}]} for n in range(220)]
    rows, asked = read(guard, tmp_path, lambda request: (200, part(products, request, 100)), items="[].parts[].{sku: sku}")
    assert (len(rows), asked) == (119, 3), "a page of products, none of which has a part, is a page"


@pytest.mark.parametrize("moves", [False, True])
def test_a_server_that_knows_no_pages_gives_its_list_once(guard: Guard, tmp_path: Path, moves: bool) -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Any:
        asked.append(request)
        return 200, {"data": [{"sku": "A", "units": len(asked) if moves else 0}, *ITEMS[:20]]}

    rows, requests = read(guard, tmp_path, answer)
    assert (len(rows), requests) == (21, 2)


def test_a_full_page_that_comes_again_has_no_end(guard: Guard, tmp_path: Path) -> None:
    assert refusal(guard, tmp_path, lambda _: (200, {"data": ITEMS[:100]})).problem.headline == "The list has no end"


def test_a_second_list_that_is_cut_uses_nothing(guard: Guard, tmp_path: Path) -> None:
    def answer(request: Request) -> Any:
        whole = request.path == "/items"
        return 200, {"count": 2, "data": [{"sku": "A"}, {"sku": "B"}] if whole else [{"id": "A"}][: request.query["page"] == "1"]}

    join = {"join_path": "/prices", "join_items": "data", "join_key": "id", "join_on": "sku", "join_as": "price"}
    assert refusal(guard, tmp_path, answer, total="count", **join).problem.headline == "The list stopped at 1 of 2 items"


def test_parameters_that_repeat_are_sent_with_every_page(guard: Guard, tmp_path: Path) -> None:
    addresses: list[str] = []
    with told(lambda request: (200, {"data": part(ITEMS, request, 100)})) as server:
        settings = {"base": server.base, **PAGED, "query": "status=a&status=b"}
        with RestConnector(settings, {}, guard=guard, trusted_key=None, record=lambda _: None) as connector:
            ask = connector.caller.ask
            connector.caller.ask = lambda asked, **more: addresses.append(asked.whole) or ask(asked, **more)  # type: ignore[func-returns-value,method-assign]
            connector.fetch("", "newest", "*", tmp_path / "items.jsonl", 10**7, lambda *_: None)
    assert [one.partition("?")[2] for one in addresses] == [f"status=a&status=b&limit=100&page={n}" for n in (1, 2, 3, 4)]
