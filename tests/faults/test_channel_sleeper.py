"""A worker that falls asleep between its look at a store and the first byte: it must not tell a tracking number a second time."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from portal.channels import telling
from portal.connectors.caller import ANSWER_SECONDS
from portal.connectors.web_line import HEADERS_SECONDS
from portal.models import ChannelAttempt
from tests.channels.conftest import shops  # noqa: F401
from tests.channels.test_telling import UPS, of, ship, sold, tell  # noqa: F401
from tests.connected import loopback  # noqa: F401
from tests.faults import senders
from tests.faults.test_sending_kills import Workers, wait_until_stopped, workers  # noqa: F401

pytestmark = pytest.mark.one_database


def asleep(sold: Any, workers: Workers, run_work: Any, point: str, sabotage: str = "") -> tuple[list[str], tuple[str, str]]:  # noqa: F811
    """What the store was told after a worker slept at `point` while another one told it; how that stands with us."""
    shop, channel, request = sold("woocommerce")
    parcel = ship(request, UPS, ("LAMP-1", 2))
    sleeper = workers.begin(senders.tell_stores, stops_at=point, sabotage=sabotage)
    wait_until_stopped(sleeper.pid)
    assert of(parcel)[0] == "sending" and shop.numbers == []
    senders.expire()
    for _ in range(3):  # the run that it held, and what is due then
        tell(channel, run_work)
    assert shop.numbers == [UPS] and of(parcel) == ("told", "told")
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(senders.LONGEST)
    assert not sleeper.is_alive(), "it hangs"
    return shop.numbers, of(parcel)


@pytest.mark.parametrize("point", ["channel-leaving", "channel-connected"])
def test_a_sleeper_tells_nothing_a_second_time(sold: Any, workers: Workers, run_work: Any, point: str) -> None:  # noqa: F811
    assert asleep(sold, workers, run_work, point) == ([UPS], ("told", "told"))


def test_sabotage_a_sleeper_that_does_not_look_is_noticed(sold: Any, workers: Workers, run_work: Any) -> None:  # noqa: F811
    assert asleep(sold, workers, run_work, "channel-connected", "sleeper")[0] == [UPS, UPS]


def test_a_worker_that_slept_and_was_not_replaced_looks_anew(sold: Any, run_work: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    shop, channel, request = sold("woocommerce")
    parcel = ship(request, UPS, ("LAMP-1", 2))
    with monkeypatch.context() as patch:
        patch.setattr(telling, "FRESH", -1.0)
        tell(channel, run_work)
    assert shop.numbers == [] and of(parcel)[0] == "waiting"
    assert [(one.act, one.outcome) for one in ChannelAttempt.select()] == [("send", "not_sent")]
    tell(channel, run_work)
    assert shop.numbers == [UPS] and of(parcel) == ("told", "told")


def test_what_nobody_saw_the_end_of_waits_longer_than_a_request_lasts() -> None:
    assert telling.SETTLE.total_seconds() > telling.FRESH + HEADERS_SECONDS + ANSWER_SECONDS
