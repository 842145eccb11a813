"""SIGKILL while orders leave by e-mail and by webhook: none twice, none lost; not known only where nothing can prove it."""

from __future__ import annotations

import email
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from portal import config as installation
from portal.models import Integration, Source
from portal.outbox import others, stops
from tests.connected import loopback  # noqa: F401
from tests.faults import senders
from tests.faults.senders import Api
from tests.faults.test_sending_kills import (  # noqa: F401
    CALLED,
    KILLS,
    SHORT,
    Workers,
    approved,
    kill_rounds,
    quick_here,
    seeded,
    unsure,
    workers,
)
from tests.outbox.mail_server import Mail, mail_server
from tests.outgoing import due_now, send, turn_on, wants
from tests.servers import LOOPBACK

pytestmark = [pytest.mark.timeout(300 if SHORT else 3_600), pytest.mark.one_database]


@pytest.fixture
def source(loopback: Any, make_source: Callable[..., Source]) -> Source:  # noqa: F811, ARG001
    made = make_source("Harbor", supplier="file-upload", state="live")
    Integration.get_or_create(source=made, kind="send_orders")
    return made


@pytest.fixture
def mail(source: Source, workers: Workers) -> Iterator[Mail]:  # noqa: F811
    with mail_server() as running:
        now, port = installation.current(), running.port
        installation.use(replace(now, smtp_host=LOOPBACK, smtp_port=port, smtp_security="plain", smtp_from="orders@shop.example"))
        workers.order = replace(workers.order, smtp=port)
        turn_on(source, leave_by="email", email_to="desk@harbor.example")
        yield running


def taken(mail: Mail) -> list[tuple[str, str]]:
    """(reference, digest) of each message, in the order in which the server accepted them."""
    return [(email.message_from_bytes(one)["X-Order-Reference"], hashlib.sha256(one).hexdigest()) for one in mail.accepted]


def test_killed_while_orders_leave_by_email(workers: Workers, source: Source, mail: Mail, capsys: Any) -> None:  # noqa: F811
    hit = kill_rounds(workers, source, 3 if SHORT else KILLS, CALLED, seeded())
    found = senders.judged(approved(source), taken(mail), unsure(source))
    with capsys.disabled():
        print(f"\n  E-mail: {hit} kills, {len(approved(source))} messages, {dict(found)}")
    assert (found["dup"], found["lost"], found["half"], found["odd"]) == (0, 0, 0, 0)
    assert found["unknown"] <= hit


@pytest.mark.parametrize("once", [True, False], ids=["takes an id once", "promised nothing"])
def test_killed_while_orders_leave_by_webhook(workers: Workers, source: Source, once: bool, capsys: Any) -> None:  # noqa: F811
    with Api("key" if once else "nothing") as api:
        others.make_secret(source, "owner@harbor.example")
        turn_on(source, leave_by="webhook", webhook_url=f"{api.base}/orders", takes_id_once=once)
        hit = kill_rounds(workers, source, 3 if SHORT else KILLS, CALLED, seeded())
        took = [(one, hashlib.sha256(api.bodies[one]).hexdigest()) for one in api.taken]
        found = senders.judged(approved(source), took, unsure(source))
    with capsys.disabled():
        print(f"\n  Webhook, {'an id once' if once else 'nothing'}: {hit} kills, {api.posts} posts, {dict(found)}")
    assert (found["dup"], found["lost"], found["half"], found["odd"]) == (0, 0, 0, 0)
    assert found["unknown"] == 0 if once else found["unknown"] <= hit


@pytest.mark.parametrize("once", [True, False], ids=["takes an id once", "promised nothing"])
def test_a_webhook_whose_answer_is_swallowed_is_never_sent_blindly(source: Source, once: bool, monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr(stops, "UNKNOWNS", 1_000_000)
    count = 3 if SHORT else 200
    with Api("key" if once else "nothing", swallow=count) as api:
        others.make_secret(source, "owner@harbor.example")
        turn_on(source, leave_by="webhook", webhook_url=f"{api.base}/orders", takes_id_once=once)
        for number in range(count):
            wants(source, f"PO-S{number}")
        for _ in range(3):
            send(source)
            due_now(source)
        found = senders.judged(approved(source), [(one, approved(source)[one]) for one in api.taken], unsure(source))
    with capsys.disabled():
        print(f"\n  Webhook, {'an id once' if once else 'nothing'}: {count} answers swallowed, {api.posts} posts, {dict(found)}")
    assert (found["dup"], found["lost"], len(api.taken)) == (0, 0, count)
    assert (found["unknown"], api.posts) == ((0, 2 * count) if once else (count, count))


def test_sabotage_a_promise_that_is_not_kept_is_counted(source: Source) -> None:
    """The ledger can tell: who says to take an id once, and does not, has the order twice."""
    with Api("nothing", swallow=1) as api:
        others.make_secret(source, "owner@harbor.example")
        turn_on(source, leave_by="webhook", webhook_url=f"{api.base}/orders", takes_id_once=True)
        wants(source, "PO-1")
        for _ in range(2):
            send(source)
            due_now(source)
        found = senders.judged(approved(source), [(one, approved(source)[one]) for one in api.taken], unsure(source))
    assert found["dup"] == 1
