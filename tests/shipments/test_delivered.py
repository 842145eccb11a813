"""Shipments and acknowledgements that suppliers send to us: set up on what came, read once each, in the order they came."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import deliveries, hook_limits
from portal.models import AnswerProblem, Integration, Run, Shipment, Source
from tests.hooked import Sender, answer_of, worked
from tests.ordered import ask, lines_of, place

UPS, AMAZON = "1Z999AA10123456784", "TBA000000000001"
SHIPMENT_STEPS = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
COLUMNS = {
    "order_reference": "po", "tracking_number": "tracking", "carrier": "carrier", "sku": "lines.sku", "quantity": "lines.qty",
}  # fmt: skip
ANSWERED = {"order_reference": "po", "sku": "lines.sku", "code": "lines.status"}


def told(tracking: str, *lines: tuple[str, int], po: str = "1001", **more: Any) -> dict[str, Any]:
    return {"po": po, "tracking": tracking, "carrier": "UPS", "lines": [{"sku": sku, "qty": qty} for sku, qty in lines], **more}


class Told:
    """A live source whose supplier sends shipments and acknowledgements, none of which is set up."""

    def __init__(self, client: Any, machine: Any, source: Source) -> None:
        Source.update(setup_done=SHIPMENT_STEPS).where(Source.id == source.id).execute()
        self.client, self.sender = client, Sender(machine, source, shipments=True, acknowledgements=True)
        self.source = self.sender.source
        Integration.create(source=source, kind="get_shipments")
        self.request = ask(place(source.merchant, [("HX-1", 3), ("HX-2", 1)]), self.source)

    def came(self, what: Any, below: str = "/shipments", **more: Any) -> None:
        assert answer_of(self.sender.send(what, below=below, **more)) == (202, "accepted")

    def work(self) -> list[Run]:
        """What a worker does in one turn; the runs of it."""
        return worked()

    def states(self) -> list[str]:
        return [row.state for row in self.sender.deliveries()]

    def set_up_shipments(self) -> Any:
        """By the forms, without JavaScript, on the delivery that came last."""
        at = f"/sources/{self.source.public_id}/mapping/shipments"
        first = self.client.form_values(self.client.get(at).text, at)
        page = self.client.post(f"{at}/draft", data={**first, "do": "newest"})
        assert page.status_code == 200, page.text
        values = {**self.client.form_values(page.text, at), "use": "yes", "do": "save"}
        for field, column in COLUMNS.items():
            values |= {f"s.{field}.column": f"c:{column}", f"confirmed.{field}": column}
        return self.client.post(at, data=values)


@pytest.fixture
def supplier(client: Any, anonymous: Any, make_source: Callable[..., Source], monkeypatch: pytest.MonkeyPatch) -> Told:
    hook_limits.refusals.forget()
    monkeypatch.setattr(deliveries, "PACE", timedelta(0))
    return Told(client, anonymous, make_source("Northwind", state="live"))


def shipped(supplier: Told) -> list[int]:
    return [line.shipped for line in lines_of(supplier.request)]


@pytest.mark.one_database
def test_what_came_before_is_kept_said_and_read_once_shipments_are_set_up(supplier: Told) -> None:
    supplier.came(told(UPS, ("HX-1", 2), ("HX-2", 1)), event="one")
    assert supplier.work() == [] and supplier.states() == ["kept"] and shipped(supplier) == [0, 0]
    page = supplier.client.get(f"/sources/{supplier.source.public_id}/deliveries").text
    assert "1 delivery is kept until you turn on what reads it" in page and "Nothing of it was recorded" in page
    saved = supplier.set_up_shipments()
    assert saved.status_code == 303, saved.text
    (run,) = supplier.work()
    assert (run.kind, run.cause, run.state, run.counts["new"]) == ("get_shipments", "delivery", "finished", 1)
    assert supplier.states() == ["read"] and shipped(supplier) == [2, 1]
    supplier.came(told(UPS, ("HX-1", 2), ("HX-2", 1)), event="one")
    assert supplier.work() == [] and shipped(supplier) == [2, 1], "the same event again"
    assert "Nothing of it was recorded" not in supplier.client.get(f"/sources/{supplier.source.public_id}/deliveries").text


def test_each_is_read_once_and_a_broken_one_stays_with_its_reason(supplier: Told) -> None:
    supplier.came(told(UPS, ("HX-1", 2)))
    supplier.set_up_shipments()
    supplier.work()
    supplier.came(told(UPS, ("HX-1", 2)))  # told again, as another event
    supplier.came(b'{"po": "1001", "track')
    supplier.came(told(AMAZON, ("HX-1", 1), carrier=None))
    supplier.came(told("TBA000000000002", ("HX-1", 9)))  # more than was asked for
    supplier.came(told("TBA000000000003", ("HX-1", 1), po="4711"))  # nobody's order
    done = [run for _ in range(8) for run in supplier.work()]
    assert [run.state for run in done].count("failed") == 2, "all at once, then the broken one alone"
    assert supplier.states() == ["read", "read", "failed", "read", "read", "read"] and shipped(supplier) == [3, 0]
    assert sorted((one.tracking_number, one.state) for one in Shipment.select()) == [
        (UPS, "matched"), (AMAZON, "matched"), ("TBA000000000002", "unmatched"), ("TBA000000000003", "unmatched"),
    ]  # fmt: skip
    broken = supplier.sender.deliveries("failed")[0]
    assert broken.reason and broken.reason in supplier.client.get(f"/sources/{supplier.source.public_id}/deliveries").text


@pytest.mark.one_database
def test_what_no_item_has_is_empty_and_what_is_needed_sets_the_item_aside(supplier: Told) -> None:
    supplier.came(told(UPS, ("HX-1", 1)))
    supplier.set_up_shipments()
    supplier.work()
    supplier.came({"po": "1001", "tracking": AMAZON})  # the rest of it
    supplier.came({"po": "1001", "lines": [{"sku": "HX-1", "qty": 1}]})  # no tracking number
    (run,) = supplier.work()
    assert run.state == "warnings" and run.counts["set_aside"] == 1 and shipped(supplier) == [3, 1]


@pytest.mark.one_database
def test_acknowledgements_are_set_up_on_a_delivery_and_read(supplier: Told) -> None:
    lines = [{"sku": "HX-1", "status": "accepted"}, {"sku": "HX-2", "status": "rejected"}]
    supplier.came({"po": "1001", "lines": lines}, below="/acknowledgements")
    at = f"/sources/{supplier.source.public_id}/acknowledgements"
    page = supplier.client.get(at).text
    assert '<option value="lines.sku" selected>' in page, "what came last is matched already"
    form = {**supplier.client.form_values(page, at), "use": "yes", "do": "save", "codes": ""}
    form |= {f"column-{field}": column for field, column in ANSWERED.items()}
    broken = supplier.client.post(at, data={**form, "headers": '{"po": '})
    assert broken.status_code == 422 and 'id="headers-error"' in broken.text
    form["headers"] = json.dumps({"po": "1001", "lines": lines})
    assert supplier.client.post(at, data=form).status_code == 303
    (run,) = supplier.work()
    assert (run.kind, run.state) == ("get_acknowledgements", "finished") and supplier.states() == ["read"]
    assert [(line.acknowledged, line.cancelled) for line in lines_of(supplier.request)] == [(3, 0), (0, 1)]
    integration = Integration.get(Integration.kind == "get_acknowledgements")
    assert integration.settings["format"]["variants"] == "lines" and integration.next_run_at is None
    supplier.came({"po": "1001", "lines": [{"sku": "HX-9", "status": "accepted"}]}, below="/acknowledgements")
    assert supplier.work()[0].state == "warnings" and AnswerProblem.select().count() == 1


@pytest.mark.one_database
def test_one_that_is_kept_may_be_left_out_and_one_that_was_read_is_read_again(supplier: Told) -> None:
    supplier.came(told(UPS, ("HX-1", 1)))
    supplier.came(told(AMAZON, ("HX-2", 1)))
    at = f"/sources/{supplier.source.public_id}/deliveries"
    first, second = supplier.sender.deliveries()
    supplier.client.send_form(at, {"leave_out": first.public_id})
    supplier.set_up_shipments()
    supplier.work()
    assert supplier.states() == ["left_out", "read"] and shipped(supplier) == [0, 1]
    supplier.client.send_form(at, {"again": first.public_id})
    supplier.work()
    assert supplier.states() == ["read", "read"] and shipped(supplier) == [1, 1]


@pytest.mark.one_database
def test_an_item_with_lines_that_its_columns_cannot_hold_is_set_aside(supplier: Told) -> None:
    supplier.came({"po": "1001", "tracking": UPS, "boxes": [{"lines": [{"sku": "HX-1", "qty": 1}]}]})
    at = f"/sources/{supplier.source.public_id}/mapping/shipments"
    page = supplier.client.post(f"{at}/draft", data={**supplier.client.form_values(supplier.client.get(at).text, at), "do": "newest"})
    columns = {"order_reference": "po", "tracking_number": "tracking", "sku": "boxes.lines.sku", "quantity": "boxes.lines.qty"}
    values = {**supplier.client.form_values(page.text, at), "use": "yes", "do": "save"}
    for field, column in columns.items():
        values |= {f"s.{field}.column": f"c:{column}", f"confirmed.{field}": column}
    assert supplier.client.post(at, data=values).status_code == 303
    supplier.work()
    two = [{"lines": [{"sku": "HX-1", "qty": 1}]}, {"lines": [{"sku": "HX-2", "qty": 1}]}]
    supplier.came({"po": "1001", "tracking": AMAZON, "boxes": two})
    three = [{"lines": [{"sku": "HX-1", "qty": 1}, {"sku": "HX-2", "qty": 1}]}]
    supplier.came({"po": "1001", "tracking": "TBA000000000002", "boxes": three})
    (run,) = supplier.work()
    assert (run.state, run.counts["set_aside"]) == ("warnings", 2) and shipped(supplier) == [1, 0]
    assert [one.tracking_number for one in Shipment.select()] == [UPS], "nothing of it was taken for the whole"
