"""When runs of Send Orders begin by themselves: for what is due, never twice beside each other, and not again and again in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from portal import clock
from portal.models import Run, Source, Submission
from portal.outbox import running, stops
from tests.outbox.mail_server import Mail
from tests.outbox.test_other_ways import mail, source  # noqa: F401
from tests.outgoing import send, states, submissions, turn_on, wants

pytestmark = pytest.mark.one_database  # the files' and the pages' tests go over both


@pytest.fixture
def later(monkeypatch: Any) -> Iterator[Callable[[timedelta], None]]:
    """later(timedelta): the clock goes on by so much."""
    real, passed = clock.now, [timedelta(0)]
    monkeypatch.setattr(clock, "now", lambda: real() + passed[0])

    def wait(how_long: timedelta) -> None:
        passed[0] += how_long

    return wait  # type: ignore[return-value]


def queued() -> int:
    return Run.select().where(Run.kind == "send_orders", Run.state == "queued").count()


def test_due_requests_start_one_run_where_orders_are_sent_by_themselves(source: Source, mail: Mail, run_work: Any) -> None:  # noqa: F811
    (one,) = wants(source, "PO-1")
    turn_on(source, leave_by="email", email_to="desk@harbor.example", auto_send=False)
    assert running.start_due() == 0
    turn_on(source, leave_by="email", email_to="desk@harbor.example", auto_send=True)
    assert (running.start_due(), running.start_due(), queued()) == (1, 0, 1)
    run_work()
    assert (states(one), len(mail.accepted), running.start_due()) == ([("processed", "sent")], 1, 0)


@pytest.mark.parametrize("state", ["paused", "draft", "deleted"])
def test_a_source_that_rests_starts_nothing(source: Source, mail: Mail, state: str) -> None:  # noqa: F811
    wants(source, "PO-1")
    Source.update(state=state).where(Source.id == source.id).execute()
    assert running.start_due() == 0


def test_a_run_that_fails_as_a_whole_is_not_started_again_and_again(
    source: Source, mail: Mail, later: Any, run_work: Any  # noqa: F811
) -> None:  # fmt: skip
    (one,) = wants(source, "PO-1")
    mail.answers["helo"] = "421 closed"
    assert send(source).state == "failed"
    later(timedelta(seconds=30))
    assert running.start_due() == 0
    later(timedelta(minutes=2))
    assert running.start_due() == 1
    run_work()
    later(timedelta(minutes=2))
    assert running.start_due() == 0  # the pauses grow
    mail.answers.clear()
    assert send(source).state == "finished"  # a person need not wait for it
    assert (states(one), len(mail.accepted)) == ([("processed", "sent")], 1)


def test_while_everything_rests_only_looks_start_a_run(source: Source, mail: Mail) -> None:  # noqa: F811
    wants(source, "PO-1")
    stops.stop_everything("We move.", "operator")
    assert running.start_due() == 0
    Submission.create(
        merchant=source.merchant_id, source=source, transport="email", witness="listed", reference="1", state="uploading", tries=1,
        left_at=clock.now(), unknown_at=clock.now(), next_at=clock.now() - timedelta(seconds=1),
    )  # fmt: skip
    assert running.start_due() == 1
    assert len(submissions(source)) == 1
