"""Workers that die or fall asleep while they set units in a store: the store ends with what is offered, never with an older number."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from portal.models import ListingPush
from portal.pushing import settings
from tests.channels.conftest import shops  # noqa: F401
from tests.connected import loopback  # noqa: F401
from tests.connecting import WHO
from tests.faults import senders
from tests.faults.test_sending_kills import KILLED, Workers, wait_until_stopped, workers  # noqa: F401
from tests.pushing.conftest import Shopkeeper, keeper  # noqa: F401

pytestmark = pytest.mark.one_database


def outcomes() -> list[str]:
    return [row.outcome for row in ListingPush.select().order_by(ListingPush.id)]


@pytest.mark.parametrize("point", ["push-leaving", "push-connected", "push-answered"])
def test_killed_anywhere_the_next_worker_ends_with_what_is_offered(keeper: Any, workers: Workers, point: str) -> None:  # noqa: F811
    one: Shopkeeper = keeper("woocommerce", 2)
    one.on()
    one.stock(1, 4)
    settings.send_now(one.channel, WHO)
    assert workers.ends(does=senders.push_listings, failpoint=f"{point}:1") == KILLED
    assert one.has(1)[0] == (4 if point == "push-answered" else 10) and outcomes() == [""]
    one.stock(1, 3)
    senders.expire()
    assert one.done().state in ("finished", "warnings") and one.has(1)[0] == 3
    assert outcomes() == ["unknown", "sent"] and one.push.due_at is not None, "what died is looked at once more"


def asleep(keeper: Any, workers: Workers, point: str, sabotage: str = "") -> int:  # noqa: F811
    """The units in the store after a worker slept at `point` with 4 in its hands, while another one set 3."""
    one: Shopkeeper = keeper("woocommerce", 2)
    one.on()
    one.stock(1, 4)
    settings.send_now(one.channel, WHO)
    sleeper = workers.begin(senders.push_listings, stops_at=point, sabotage=sabotage)
    wait_until_stopped(sleeper.pid)
    one.stock(1, 3)
    senders.expire()
    one.done()
    assert one.has(1)[0] == 3
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(senders.LONGEST)
    assert not sleeper.is_alive(), "it hangs"
    return one.has(1)[0]


@pytest.mark.parametrize("point", ["push-leaving", "push-connected"])
def test_a_sleeper_writes_nothing_over_a_newer_number(keeper: Any, workers: Workers, point: str) -> None:  # noqa: F811
    assert asleep(keeper, workers, point) == 3


def test_sabotage_a_sleeper_that_does_not_look_is_noticed(keeper: Any, workers: Workers) -> None:  # noqa: F811
    assert asleep(keeper, workers, "push-connected", "sleeper") == 4
