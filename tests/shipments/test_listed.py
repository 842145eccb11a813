"""Shipments and acknowledgements from a list of a REST API: read page by page, with their lines, and since the last read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from portal import runs
from portal.models import Exchange, Integration, Run, RunMessage, Shipment, Source
from tasks.work import HANDLERS
from tests.connected import chosen, loopback  # noqa: F401
from tests.connecting import fresh, save
from tests.connectors.json_server import JsonAnswers, serving
from tests.ordered import ask, lines_of, place

UPS, AMAZON = "1Z999AA10123456784", "TBA000000000001"
KEY = "key-of-the-notices"
LIST = {"path": "/shipments", "items": "data.shipments", "paging": "page", "page_name": "page", "size_name": "limit", "size": "2",
        "since_name": "updated_since"}  # fmt: skip
COLUMNS = {"order_reference": "po", "tracking_number": "tracking", "sku": "lines.sku", "quantity": "lines.qty"}


def told(tracking: str, *lines: tuple[str, int], po: str = "1001") -> dict[str, Any]:
    return {"po": po, "tracking": tracking, "lines": [{"sku": sku, "qty": qty} for sku, qty in lines]}


class Answers(JsonAnswers):
    """An API with a list of shipments in pages of two, and one of acknowledgements in one answer."""

    shipments: list[Any] = []
    acknowledgements: list[Any] = []
    asked: list[dict[str, str]] = []

    def do_GET(self) -> None:  # noqa: N802
        place, query = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if self.headers["X-Api-Key"] != KEY:
            self.say(401, {"error": "no such key"})
        elif place == "/shipments":
            self.asked.append(query)
            page, size = int(query["page"]), int(query["limit"])
            self.say(200, {"data": {"shipments": self.shipments[(page - 1) * size : page * size]}})
        elif place == "/acks":
            self.say(200, self.acknowledgements)
        else:
            self.say(404, {"error": "nothing here"})


@pytest.fixture
def api() -> Iterator[tuple[type[Answers], int]]:
    class Own(Answers):
        shipments: list[Any] = []
        acknowledgements: list[Any] = []
        asked: list[dict[str, str]] = []

    with serving(Own) as port:
        yield Own, port


@pytest.fixture
def source(chosen: Any, api: tuple[type[Answers], int]) -> Source:  # noqa: F811
    made: Source = chosen("rest-api")
    values = {"base": f"http://127.0.0.1:{api[1]}", "auth": "header", "header_name": "X-Api-Key", "path": "/stock", "form": "json",
              "paging": "none", "plain_ok": "1"}  # fmt: skip
    save(made, values, key=KEY)
    done = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    Source.update(state="live", setup_done=done).where(Source.id == made.id).execute()
    return fresh(made)


def read(source: Source, kind: str = "get_shipments") -> Run:
    run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == kind))
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def set_up(client: Any, source: Source, **changed: str) -> Any:
    """By the forms, without JavaScript: the list is read, then its columns are saved."""
    at = f"/sources/{source.public_id}/mapping/shipments"
    first = {**client.form_values(client.get(at).text, at), **LIST, **changed}
    page = client.post(f"{at}/draft", data={**first, "do": "list"})
    if page.status_code != 200:
        return page
    values = {**client.form_values(page.text, at), "use": "yes", "do": "save"}
    for field, column in COLUMNS.items():
        values |= {f"s.{field}.column": f"c:{column}", f"confirmed.{field}": column}
    return client.post(at, data=values)


def test_a_list_is_set_up_read_in_pages_and_then_since_the_last_read(client: Any, source: Source, api: Any) -> None:
    answers, request = api[0], ask(place(source.merchant, [("HX-1", 3), ("HX-2", 1)]), source)
    answers.shipments = [told(UPS, ("HX-1", 1), ("HX-2", 1)), told(AMAZON, ("HX-1", 1)), told("TBA000000000002", ("HX-1", 1), po="4711")]
    for page in ("mapping/shipments", "acknowledgements"):
        shown = client.get(f"/sources/{source.public_id}/{page}").text
        assert 'id="items"' in shown and "has-error" not in shown and "built-in" not in shown
    saved = set_up(client, source)
    assert saved.status_code == 303, saved.text
    answers.asked.clear()
    run = read(source)
    assert (run.state, run.counts["new"], run.counts["unmatched"]) == ("warnings", 2, 1), run.problem
    assert [line.shipped for line in lines_of(request)] == [2, 1]
    assert [one["page"] for one in answers.asked] == ["1", "2"] and not any("updated_since" in one for one in answers.asked)
    answers.shipments = []
    assert read(source).state == "no_change"
    assert answers.asked[-1]["updated_since"].startswith(f"{run.started_at:%Y-}")
    answers.shipments = [told(AMAZON, ("HX-1", 1)), told("TBA000000000003", ("HX-1", 1))]
    assert read(source).counts | {"rows": 0} == {"rows": 0, "set_aside": 0, "noted": 0, "known": 1, "new": 1}
    assert [line.shipped for line in lines_of(request)] == [3, 1] and Shipment.select().count() == 4
    assert KEY not in repr([one.__data__ for one in [*Exchange.select(), *RunMessage.select()]])


@pytest.mark.one_database
def test_what_is_wrong_with_the_list_is_said_where_it_is(client: Any, source: Source, api: Any) -> None:
    for changed, words in (
        ({"path": "shipments"}, "begins with /"), ({"path": "/nowhere"}, "404"), ({"page_name": ""}, "parameter of the page"),
        ({"items": "rows"}, "no items where we look"), ({}, "it is empty"),
    ):  # fmt: skip
        refused = set_up(client, source, **changed)
        assert refused.status_code == 422 and words in refused.text, (changed, words)
    assert not Integration.get(Integration.source == source, Integration.kind == "get_shipments").enabled


@pytest.mark.one_database
def test_acknowledgements_of_a_list_are_set_up_and_read(client: Any, source: Source, api: Any) -> None:
    request = ask(place(source.merchant, [("HX-1", 3), ("HX-2", 1)]), source)
    lines = [{"sku": "HX-1", "status": "accepted"}, {"sku": "HX-2", "status": "rejected"}]
    api[0].acknowledgements = [{"po": "1001", "lines": lines}]
    at = f"/sources/{source.public_id}/acknowledgements"
    form = {**client.form_values(client.get(at).text, at), "use": "yes", "path": "/acks", "paging": "none", "do": "list"}
    assert client.post(at, data={**form, "path": "/nowhere"}).status_code == 422
    page = client.post(at, data=form)
    assert page.status_code == 200 and '<option value="lines.sku" selected>' in page.text
    saved = client.post(at, data={**client.form_values(page.text, at), "do": "save"})
    assert saved.status_code == 303, saved.text
    assert read(source, "get_acknowledgements").state == "finished"
    assert [(line.acknowledged, line.cancelled) for line in lines_of(request)] == [(3, 0), (0, 1)]
    assert read(source, "get_acknowledgements").state == "no_change", "the very same list"
