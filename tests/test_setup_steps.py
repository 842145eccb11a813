"""The set-up steps: their order, leaving and resuming, re-opening."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from portal import setup_steps, sources
from portal.errors import NotFound
from portal.models import Source, database


def test_a_new_source_begins_with_the_supplier(make_source: Callable[..., Source]) -> None:
    assert setup_steps.next_step(make_source()) == "supplier"


def test_each_saved_step_opens_the_next_one_only(make_source: Callable[..., Source]) -> None:
    source = make_source()
    for position, step in enumerate(setup_steps.STEPS):
        assert setup_steps.next_step(source) == step
        setup_steps.require(source, step)
        for later in setup_steps.STEPS[position + 1 :]:
            with pytest.raises(setup_steps.SkippedStep) as refused:
                setup_steps.require(source, later)
            assert refused.value.step == step
        setup_steps.mark(source, step)


def test_a_later_step_saved_early_does_not_hide_the_gap(make_source: Callable[..., Source]) -> None:
    source = make_source(setup_done=["supplier", "file", "inventory"])
    assert setup_steps.next_step(source) == "connection"
    with pytest.raises(setup_steps.SkippedStep):
        setup_steps.require(source, "file")


def test_marking_twice_changes_nothing_and_keeps_the_order(make_source: Callable[..., Source], merchant: Any) -> None:
    source = make_source()
    for step in ("connection", "supplier", "connection"):
        setup_steps.mark(source, step)
    assert source.setup_done == ["supplier", "connection"]
    assert sources.find(merchant, source.public_id).setup_done == ["supplier", "connection"]


def test_two_browsers_marking_different_steps_lose_neither(make_source: Callable[..., Source], merchant: Any) -> None:
    source = make_source()
    failures: list[BaseException] = []

    def mark(step: str) -> None:
        try:
            with database.connection_context():
                setup_steps.mark(Source.get_by_id(source.id), step)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=mark, args=(step,)) for step in setup_steps.STEPS[:6]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sources.find(merchant, source.public_id).setup_done == list(setup_steps.STEPS[:6])


def test_marking_a_deleted_source_is_refused(make_source: Callable[..., Source]) -> None:
    source = make_source(state="deleted")
    with pytest.raises(NotFound):
        setup_steps.mark(source, "supplier")


def test_a_live_source_may_open_every_step(make_source: Callable[..., Source]) -> None:
    source = make_source(state="live", setup_done=["supplier"])
    assert setup_steps.next_step(source) is None
    for step in setup_steps.STEPS:
        setup_steps.require(source, step)


def test_reopening_a_step_forgets_it_and_all_after_it(make_source: Callable[..., Source]) -> None:
    source = make_source(setup_done=list(setup_steps.STEPS[:7]))
    setup_steps.reopen(source, "file")
    assert source.setup_done == ["supplier", "connection"]
    assert setup_steps.next_step(source) == "file"


def test_reopening_leaves_a_live_source_as_it_is(make_source: Callable[..., Source]) -> None:
    source = make_source(state="live", setup_done=list(setup_steps.STEPS))
    setup_steps.reopen(source, "file")
    assert source.setup_done == list(setup_steps.STEPS)


def test_the_bar_shows_four_phases_with_every_step_once(make_source: Callable[..., Source]) -> None:
    source = make_source(setup_done=["supplier", "connection"])
    bar = setup_steps.bar(source, "file")
    assert [phase.title for phase in bar] == ["Source", "Connection", "Orders and shipments", "Review and activate"]
    assert [step.key for phase in bar for step in phase.steps] == list(setup_steps.STEPS)
    assert [phase.done for phase in bar] == [True, False, False, False]
    assert [phase.current for phase in bar] == [False, True, False, False]
    assert [step.key for phase in bar for step in phase.steps if step.may_open] == ["supplier", "connection", "file"]
