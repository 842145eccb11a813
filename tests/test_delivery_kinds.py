"""A delivery stays what it was declared to hold when it came, whatever is declared before a run reads it."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from playhouse.migrate import SchemaMigrator

from portal import deliveries, hook_limits, runs, webhooks
from portal.inventory import dry_run, roles
from portal.models import Connection, Integration, Run, Source, WebhookDelivery, database
from tests.connecting import WHO
from tests.test_deliveries import Hooked


@pytest.fixture
def hooked(anonymous: Any, make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> Hooked:
    """A source of partial deliveries that has A, B and C."""
    hook_limits.refusals.forget()
    monkeypatch.setattr(deliveries, "PACE", timedelta(0))
    made = Hooked(anonymous, make_source())
    made.came(("A", 5, "1.00"), ("B", 5, "1.00"), ("C", 5, "1.00"))
    made.work()
    return made


def gone(hooked: Hooked) -> set[str]:
    return {sku for sku, item in hooked.items().items() if item.missing_since is not None}


def test_what_waits_as_changes_is_read_as_changes_after_all_items_were_declared(hooked: Hooked) -> None:
    for sku, quantity in (("A", 1), ("B", 2), ("C", 3)):
        hooked.came((sku, quantity, "1.00"))
    hooked.sender.save(signature="standard", holds="full")
    (run,) = hooked.work()
    assert hooked.quantities() == {"A": 1, "B": 2, "C": 3} and gone(hooked) == set()
    assert hooked.states() == ["read"] * 4 and roles.was_delta(run)


def test_what_waits_as_all_items_is_read_so_after_changes_were_declared(hooked: Hooked) -> None:
    hooked.sender.save(signature="standard", holds="full")
    hooked.came(("A", 1, "1.00"))
    hooked.came(("A", 2, "1.00"), ("B", 2, "1.00"))
    hooked.sender.save(signature="standard", holds="partial")
    (run,) = hooked.work()
    assert hooked.states() == ["read", "replaced", "read"] and not roles.was_delta(run)
    assert gone(hooked) == {"C"} and hooked.items()["B"].quantity == 2


def test_kinds_that_wait_together_are_runs_of_their_own_in_order(hooked: Hooked) -> None:
    hooked.came(("A", 1, "1.00"))
    hooked.came(("B", 1, "1.00"))
    hooked.sender.save(signature="standard", holds="full")
    hooked.came(("D", 9, "1.00"))
    hooked.came(("A", 2, "1.00"), ("B", 2, "1.00"))
    hooked.sender.save(signature="standard", holds="partial")
    hooked.came(("B", 3, "1.00"))
    done = [run for _ in range(3) for run in hooked.work()]
    assert [roles.was_delta(run) for run in done] == [True, False, True]
    assert hooked.states() == ["read", "read", "read", "replaced", "read", "read"]
    assert gone(hooked) == {"C"} and (hooked.items()["A"].quantity, hooked.items()["B"].quantity) == (2, 3)


def test_reading_again_and_dry_runs_keep_what_it_was(hooked: Hooked) -> None:
    hooked.came(("A", 1, "1.00"))
    hooked.work()
    hooked.sender.save(signature="standard", holds="full")
    integration = Integration.get_by_id(hooked.integration.id)
    dry = dry_run.start(integration, dry_run.Choice(), WHO)
    hooked.work()
    assert Run.get_by_id(dry.id).counts["missing"] == 0, "as a sync of it reads it"
    deliveries.read_again(hooked.source, hooked.sender.deliveries()[-1].public_id, WHO)
    (run,) = hooked.work()
    given = runs.start_sync(integration, started_by=WHO, settings={"document": run.document_id})
    hooked.work()
    assert Run.get_by_id(given.id).state == "no_change" and roles.was_delta(run) and gone(hooked) == set()


def test_the_same_bytes_declared_otherwise_are_no_repeat(hooked: Hooked) -> None:
    hooked.sender.save(signature="hmac", holds="partial")
    item = [{"item_no": "A", "name": "Lamp A", "maker": "Kestrel", "qty": 5, "price": "1.00"}]
    hooked.sender.send_unnamed(item)
    hooked.sender.save(signature="hmac", holds="full")
    hooked.sender.send_unnamed(item)
    assert [(one.holds, one.repeats) for one in hooked.sender.deliveries("waiting")] == [("partial", 0), ("full", 0)]


def test_whoever_declares_it_otherwise_is_told_what_waits(hooked: Hooked) -> None:
    before = Connection.get(Connection.source == hooked.source).settings

    def declared(holds: str) -> list[str]:
        return webhooks.saved(hooked.source, before, {**before, "holds": holds}, WHO)

    assert declared("full") == declared("partial") == []
    hooked.came(("A", 1, "1.00"))
    told = "1 delivery that waits came as holding only what changed, and counts so. Under All deliveries you can leave it out."
    assert declared("full") == [told]
    hooked.came(("A", 2, "1.00"))
    hooked.came(("A", 3, "1.00"))
    told = "2 deliveries that wait came as holding all items, and count so. Under All deliveries you can leave them out."
    assert declared("partial") == [told]


def test_deliveries_from_before_are_what_was_declared_at_the_upgrade(hooked: Hooked, make_source: Callable[..., Source]) -> None:
    hooked.came(("A", 1, "1.00"))
    migrator = SchemaMigrator.from_database(database.obj)
    migrator.migrate(migrator.drop_column("webhook_delivery", "holds"))
    importlib.import_module("portal.migrations.0016_delivery_holds").up(migrator, database.obj)
    assert [(one.state, one.holds) for one in WebhookDelivery.select().order_by(WebhookDelivery.id)] == [
        ("read", "partial"),
        ("waiting", "partial"),
    ]
