"""An API that is asked only for what changed: from when, in which form, as a delta, and the whole list now and then."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from portal import clock, runs, sources
from portal.inventory import changes, roles
from portal.models import Connection, Integration, InventoryItem, MappingVersion, Run, RunMessage, Source
from tasks.work import HANDLERS
from tests.connecting import fresh, save
from tests.connectors.api_server import Api, api
from tests.test_api_sources import LIST, RULES

pytest_plugins = ("tests.connected",)

SINCE = {"delta": "since", "since_name": "updated_since", "since_form": "iso", "since_overlap": "10", "full_hours": "24"}
MOMENT = datetime(2026, 11, 27, 4, 0, 30)


class Shop:
    """An API whose items have a quantity each; `changed` are those of the last changes, None for the whole list."""

    def __init__(self, server: Api) -> None:
        self.server, self.stock, self.changed = server, {f"A-{n}": 5 for n in range(60)}, []
        server.page = self.page  # type: ignore[method-assign]

    def page(self, query: dict[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
        chosen = self.changed if "updated_since" in query else list(self.stock)
        start = (int(query["page"]) - 1) * 30
        items = [{"sku": sku, "stock": {"units": self.stock[sku]}, "price": "1.00"} for sku in chosen[start : start + 30]]
        return {"data": items, "meta": {"count": len(chosen)}}, {}

    def asked_since(self) -> list[str]:
        """The moment of each request, "" for none; forgets them."""
        told = [parse_qs(urlsplit(one).query).get("updated_since", [""])[0] for one in self.server.asked]
        self.server.asked.clear()
        return told


@pytest.fixture
def shop() -> Iterator[Shop]:
    with api(auth="header") as server:
        yield Shop(server)


@pytest.fixture
def live(chosen: Any, shop: Shop) -> Source:
    made: Source = chosen("rest-api")
    values = {**LIST, **SINCE, "size": "30", "base": shop.server.base, "auth": "header", "header_name": "X-Api-Key"}
    save(made, values, key=shop.server.key)
    integration = sources.integration(made, "get_inventory_primary")
    MappingVersion.create(integration=integration, number=1, rules=RULES, headers=["sku", "stock.units", "price"])
    MappingVersion.create(integration=integration, number=2, rules=RULES, headers=["sku", "stock.units", "price"])
    settings = {"format": {"kind": "jsonl"}}
    Integration.update(mapping_version=1, enabled=True, settings=settings).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == made.id).execute()
    return fresh(made)


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> Any:
    """at(minutes): our clock goes on."""
    now = [clock.now()]
    monkeypatch.setattr(clock, "now", lambda: now[0])

    def forward(**span: float) -> datetime:
        now[0] += timedelta(**span)
        return now[0]

    return forward


def sync(source: Source) -> Run:
    run = runs.start_sync(sources.integration(source, "get_inventory_primary"), cause="schedule")
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def quantities(source: Source) -> dict[str, int]:
    return {item.sku: item.quantity for item in InventoryItem.select().where(InventoryItem.source == source)}


def test_changes_are_read_as_a_delta_from_the_start_of_the_last_accepted_read(live: Source, shop: Shop, at: Any) -> None:
    at(minutes=1)
    first = sync(live)
    assert first.state == "finished" and shop.asked_since() == ["", ""] and not roles.was_delta(first), first.problem
    shop.stock["A-7"], shop.changed = 2, ["A-7"]
    at(hours=1)
    second = sync(live)
    since = first.started_at - timedelta(minutes=10)
    assert shop.asked_since() == [f"{since:%Y-%m-%dT%H:%M:%SZ}"]
    assert (second.state, second.counts["changed"], second.counts["missing"]) == ("finished", 1, 0) and roles.was_delta(second)
    assert quantities(live) == {**dict.fromkeys(shop.stock, 5), "A-7": 2}, "nothing is missing from a list of changes"

    shop.changed = []
    at(hours=1)
    third = sync(live)
    assert (third.state, third.accepted) == ("no_change", True) and "nothing did" in RunMessage.get(RunMessage.run == third.id,
        RunMessage.text.contains("changed since")).text  # fmt: skip
    at(hours=1)
    shop.asked_since()
    sync(live)
    assert shop.asked_since() == [f"{third.started_at - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"]


def test_the_whole_list_is_read_each_so_many_hours_and_takes_away_what_is_gone(live: Source, shop: Shop, at: Any) -> None:
    at(minutes=1)
    sync(live)
    del shop.stock["A-3"]
    at(hours=23)
    sync(live)
    assert quantities(live)["A-3"] == 5
    at(hours=1)
    shop.asked_since()
    run = sync(live)
    assert shop.asked_since() == ["", ""] and not roles.was_delta(run) and quantities(live)["A-3"] == 0, run.problem
    texts = [one.text for one in RunMessage.select().where(RunMessage.run == run.id)]
    assert "Asked for the whole list: the last whole list is 24 hours old." in texts


@pytest.mark.parametrize("what", ["mapping", "connection", "revert", "refused"])
def test_the_whole_list_is_read_after_what_only_it_can_mend(live: Source, shop: Shop, at: Any, what: str) -> None:
    at(minutes=1)
    first = sync(live)
    at(minutes=30)
    if what == "mapping":
        Integration.update(mapping_version=2).execute()
    elif what == "connection":
        Connection.update(changed_at=clock.now()).execute()
    elif what == "revert":
        Run.create(number=77, merchant=live.merchant_id, source=live, kind="revert", state="finished")
    else:
        Run.update(accepted=False, state="failed").where(Run.id == first.id).execute()
    shop.asked_since()
    sync(live)
    assert set(shop.asked_since()) == {""}


def test_a_read_that_failed_moves_nothing_forward(live: Source, shop: Shop, at: Any) -> None:
    at(minutes=1)
    first = sync(live)
    at(hours=1)
    shop.server.broken = {len(shop.server.asked) + 1: 403}
    assert sync(live).state == "failed"
    at(hours=1)
    shop.asked_since()
    sync(live)
    assert shop.asked_since() == [f"{first.started_at - timedelta(minutes=10):%Y-%m-%dT%H:%M:%SZ}"]


@pytest.mark.parametrize(
    ("form", "text"),
    [("iso", "2026-11-27T04:00:30Z"), ("date", "2026-11-27"), ("unix", "1795752030"), ("unix_ms", "1795752030000")],
)  # fmt: skip
def test_the_moment_in_each_form(form: str, text: str) -> None:
    assert changes.written(MOMENT, form) == text


@pytest.mark.parametrize(("key", "typed", "words"), [("since_overlap", "-1", "0 to 1,440"), ("full_hours", "0", "1 to 168"),
    ("since_name", "a b", "letters, digits")])  # fmt: skip
def test_what_is_typed_for_changes_is_judged(chosen: Any, key: str, typed: str, words: str) -> None:
    from portal.errors import Invalid

    values = {**LIST, **SINCE, "base": "https://api.example", "auth": "none", "plain_ok": "", key: typed}
    with pytest.raises(Invalid) as refused:
        save(chosen("rest-api"), values)
    assert words in refused.value.errors[key]
