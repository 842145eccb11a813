"""Deliveries whose events have no id: the same bytes again are a repeat only until they were read; then they say that nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, deliveries, hook_limits, runs
from portal.freshness import Rule, last_fresh
from portal.inventory import silence
from portal.models import Integration, Run, Source
from tests.connecting import WHO
from tests.hooked import answer_of
from tests.inventory.test_silence import ALL
from tests.test_deliveries import Hooked

LIST = [{"item_no": sku, "name": f"Lamp {sku}", "maker": "Kestrel", "qty": 5, "price": "1.00"} for sku in ("A", "B")]
BROKEN = b'{"item_no": "A", "qty"'


@pytest.fixture
def unnamed(anonymous: Any, make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> Hooked:
    hook_limits.refusals.forget()
    monkeypatch.setattr(deliveries, "PACE", timedelta(0))
    hooked = Hooked(anonymous, make_source(), holds="full")
    hooked.sender.save(signature="hmac", holds="full")
    return hooked


def came(hooked: Hooked, told: Any = LIST) -> None:
    assert answer_of(hooked.sender.send_unnamed(told)) == (202, "accepted")


def test_an_unchanged_list_each_hour_keeps_its_source_alive(unnamed: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    Integration.update(policies={"silence": {"hours": 24, "act": "zero"}, "feed": ""}).execute()
    begin = clock.now()
    for hour in (0, 9, 18, 27):
        monkeypatch.setattr(clock, "now", lambda moment=begin + timedelta(hours=hour): moment)
        came(unnamed)
        (run,) = unnamed.work()
        assert (run.state, run.accepted) == ("no_change" if hour else "finished", True)
        assert Integration.get_by_id(unnamed.integration.id).last_accepted_at == clock.now()
        assert silence.start_due() == 0
    runs.work_available(ALL)
    kept = Integration.get_by_id(unnamed.integration.id)
    assert unnamed.quantities() == {"A": 5, "B": 5} and unnamed.states() == ["read"] * 4
    assert last_fresh(kept, Rule()) == clock.now() and last_fresh(kept, Rule(same_file_counts=False)) == begin, "as the rule says"


def test_what_waits_is_waited_for_once(unnamed: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    came(unnamed)
    came(unnamed)
    deliveries.start_due()
    real = deliveries.taken

    def late(work: Any) -> Any:
        found = real(work)
        came(unnamed)
        return found

    monkeypatch.setattr(deliveries, "taken", late)
    unnamed.work()
    (kept,) = unnamed.sender.deliveries()
    assert (kept.state, kept.repeats, Run.select().count()) == ("read", 2, 1)


def test_one_that_failed_or_was_left_out_swallows_no_other(unnamed: Hooked) -> None:
    came(unnamed, BROKEN)
    unnamed.work()
    came(unnamed, BROKEN)
    came(unnamed)
    deliveries.leave_out(unnamed.source, unnamed.sender.deliveries()[-1].public_id, WHO)
    came(unnamed)
    assert unnamed.states() == ["failed", "waiting", "left_out", "waiting"]
    unnamed.work()
    assert unnamed.quantities() == {"A": 5, "B": 5} and [one.repeats for one in unnamed.sender.deliveries()] == [0] * 4


def test_an_acknowledgement_that_nobody_read_yet_is_kept_once(unnamed: Hooked) -> None:
    unnamed.sender.save(signature="hmac", holds="full", acknowledgements=True)
    for _ in range(2):
        assert answer_of(unnamed.sender.send_unnamed({"po": "1"}, "/acknowledgements")) == (202, "accepted")
    assert [(one.state, one.repeats) for one in unnamed.sender.deliveries()] == [("kept", 1)]
