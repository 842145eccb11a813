"""Orders by an API, in one process: what each answer and each look makes of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from portal import suppliers
from portal.models import Connection, Exchange, FulfillmentRequest, Source, Submission
from portal.outbox import deciding
from tests.connected import chosen, loopback  # noqa: F401
from tests.faults.senders import Api
from tests.outgoing import due_now, send, states, submissions, tries, turn_on, wants

pytestmark = pytest.mark.one_database  # the files' and the pages' tests go over both

Shop = Callable[..., tuple[Source, Api]]


@pytest.fixture
def shop(chosen: Any, tmp_path: Path, monkeypatch: Any) -> Iterator[Shop]:  # noqa: F811
    opened: list[Api] = []

    def make(proves: str, settle: int = 0, **behaves: Any) -> tuple[Source, Api]:
        api = Api(proves, **behaves).__enter__()
        opened.append(api)
        toml = api.toml(tmp_path, settle)
        known = {**suppliers._all(), toml.stem: suppliers.load(toml)}
        monkeypatch.setattr(suppliers, "_all", lambda: known)
        made = chosen(toml.stem)
        Connection.update(settings={"base": api.base}, state="ok").where(Connection.source == made).execute()
        made.state = "live"
        made.save(only=[Source.state])
        turn_on(made, {"format": "json"})
        return made, api

    yield make
    for one in opened:
        one.__exit__()


def test_an_order_is_taken_with_their_number_and_the_exchange_is_kept(shop: Shop) -> None:
    source, api = shop("listed")
    (one,) = wants(source, "PO-1")
    run = send(source)
    assert run.counts == {"collected": 1, "sent": 1}
    assert (api.taken, FulfillmentRequest.get_by_id(one.id).their_id) == (["PO-1"], "1")
    assert Exchange.select().where(Exchange.run_id == run.id, Exchange.method == "POST").count() == 1


def test_an_order_that_is_listed_late_is_found_by_a_later_look(shop: Shop) -> None:
    source, api = shop("listed", settle=60, lag=3_600, swallow=1)
    (one,) = wants(source, "PO-1")
    send(source)
    for _ in range(2):
        due_now(source)
        send(source)
    (row,) = submissions(source)
    assert (row.state, row.looks, states(one)) == ("uploading", 2, [("processing", "uploading")])
    due_now(source)
    assert send(source).counts["check_needed"] == 1
    assert (states(one), api.posts) == ([("processing", "check_needed")], 1)
    assert tries(row) == [("try", "unknown"), ("look", "absent"), ("look", "absent"), ("look", "absent")]
    api.lag = 0
    deciding.look_again(one, "ana@harbor.example")
    send(source)
    assert (states(one), api.posts, tries(row)[-1]) == ([("processed", "sent")], 1, ("look", "found"))


def test_two_of_them_in_their_list_are_shown_to_a_person(shop: Shop) -> None:
    source, api = shop("listed", settle=60, swallow=1)
    (one,) = wants(source, "PO-1")
    send(source)
    api.taken.append("PO-1")  # somebody typed it in over there
    due_now(source)
    send(source)
    (row,) = submissions(source)
    assert (states(one), tries(row)[-1]) == ([("processing", "check_needed")], ("look", "several"))
    assert "more than one" in Submission.get_by_id(row.id).problem["why"]


def test_a_reference_that_exists_before_anything_of_ours_left_is_not_taken_for_ours(shop: Shop) -> None:
    source, api = shop("unique")
    api.taken.append("PO-1")
    api._at["PO-1"] = 0.0
    (one,) = wants(source, "PO-1")
    send(source)
    assert (states(one), api.taken, api.posts) == ([("processing", "check_needed")], ["PO-1"], 1)
    assert "somebody else's" in submissions(source)[0].problem["why"]


def test_a_server_that_is_away_gets_it_later_and_once(shop: Shop) -> None:
    source, api = shop("nothing")
    (one,) = wants(source, "PO-1")
    place = Connection.get(Connection.source == source)
    Connection.update(settings={"base": "http://127.0.0.1:9"}).where(Connection.source == source).execute()
    assert send(source).state == "failed"
    assert states(one) == [("processing", "waiting")]
    assert submissions(source)[0].left_at is None
    Connection.update(settings=place.settings).where(Connection.source == source).execute()
    due_now(source)
    send(source)
    assert (api.taken, states(one)) == (["PO-1"], [("processed", "sent")])


def test_after_a_doubt_another_server_proves_nothing(shop: Shop) -> None:
    source, api = shop("listed", settle=60, swallow=1)
    (one,) = wants(source, "PO-1")
    send(source)
    with Api("listed") as other:
        Connection.update(settings={"base": other.base}).where(Connection.source == source).execute()
        due_now(source)
        send(source)
        assert (other.posts, api.posts, states(one)) == (0, 1, [("processing", "check_needed")])
