"""Committed stock is released by age where a merchant wants that, with a line in the timeline; the request stays as it is."""

from __future__ import annotations

from datetime import timedelta

from portal import clock, requests
from portal.models import CommittedStock, FulfillmentRequest, Merchant, RequestEvent
from portal.requests import stock
from tests.ordered import ask, lines_of, place
from tests.stocked import stock_up


def test_stock_of_requests_that_nobody_answers_is_released_after_the_days(merchant, make_source):
    source = stock_up(make_source(), {"HX-1": 12})
    request = ask(place(merchant), source)
    assert stock.available(source.id, ["HX-1"]) == {"HX-1": 9} and stock.release_old() == 0
    CommittedStock.update(committed_at=clock.now() - timedelta(days=31)).execute()
    Merchant.update(order_settings={"stock": {"release_after_days": 0}}).execute()
    assert stock.release_old() == 0
    Merchant.update(order_settings={}).execute()
    assert stock.release_old() == 1 and stock.release_old() == 0
    assert stock.available(source.id, ["HX-1"]) == {"HX-1": 12}
    row = CommittedStock.get()
    assert (row.quantity, row.committed, row.released_because) == (0, 3, "age") and row.released_at is not None
    assert RequestEvent.get().words.startswith("3 units are no longer committed: nothing came of them for 30 days.")
    (line,) = lines_of(request)
    assert line.open == 3 and FulfillmentRequest.get().state == "processed"
    requests.record(request, "ship", [("ship", line.id, 3)], cause="file")
    assert CommittedStock.get().released_because == "age"


def test_more_committed_than_the_feed_has_is_none_to_sell(merchant, make_source):
    source = stock_up(make_source(), {"HX-1": 2})
    ask(place(merchant), source)
    assert stock.available(source.id, ["HX-1", "HX-404"]) == {"HX-1": 0} and stock.committed(source.id, ["HX-1"]) == {"HX-1": 3}
