"""Orders routed, acknowledged, shipped, canceled, voided, sent again and corrected in any order: a plain dictionary says the same.

After each act: every line adds up, order lines hold what their requests hold, and committed stock is what is open or accepted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from portal import requests, routing
from portal.errors import Refused
from portal.models import CommittedStock, FulfillmentRequest, InventoryItem, Order, OrderLine, RequestLine, Source
from portal.requests import TooMany, answers, counts, process, sending, stock
from portal.requests.answers import Answer, Origin
from tests.ordered import place

SEQUENCES, STEPS = int(os.environ.get("SEQUENCES", "20")), 25
FEED = {"A": 9, "B": 4, "C": 0}
units = st.integers(1, 5)
pick = st.integers(0, 30)


@dataclass
class Line:
    """What the model knows of a request's line. `part`: the order line's own (unrouted, routed, cancelled), shared by its requests."""

    request: int
    sku: str
    part: dict[str, int]
    ordered: int
    open: int
    acknowledged: int = 0
    shipped: int = 0
    cancelled: int = 0
    voided: int = 0

    @property
    def held(self) -> int:
        return self.open + self.acknowledged

    def take(self, amount: int, target: str, fill: bool) -> None:
        """Units leave the line, open ones first."""
        first = min(self.open, amount)
        self.open, self.acknowledged = self.open - first, self.acknowledged - (amount - first)
        setattr(self, target, getattr(self, target) + amount)
        self.part["routed"] -= amount
        self.part["unrouted" if fill else "cancelled"] += amount


class Machine(RuleBasedStateMachine):
    """`lines`: {id: Line}; `sent`: ids of requests that the supplier has; `parts`: {order line: its three numbers}."""

    merchant: ClassVar[Any]
    sources: ClassVar[list[Source]]

    def __init__(self) -> None:
        super().__init__()
        Order.delete().execute()  # what hangs on it goes too
        InventoryItem.update(quantity=FEED["A"]).where(InventoryItem.sku == "A").execute()
        self.lines: dict[int, Line] = {}
        self.parts: dict[int, dict[str, int]] = {}
        self.sent: set[int] = set()
        self.number = 0

    def some(self, number: int, sent: bool = False) -> tuple[int, Line] | None:
        found = [(key, line) for key, line in sorted(self.lines.items()) if not sent or line.request in self.sent]
        return found[number % len(found)] if found else None

    def request_of(self, line: Line) -> FulfillmentRequest:
        return FulfillmentRequest.get_by_id(line.request)

    @initialize(skus=st.lists(st.tuples(st.sampled_from("AB"), units), min_size=1, max_size=3))
    def begin(self, skus: list[tuple[str, int]]) -> None:
        """An order that is at its sources already, so that short sequences have something to act on."""
        self.order(skus)
        self.route(False)
        for number in range(len(self.lines)):
            self.send(number)

    @rule(skus=st.lists(st.tuples(st.sampled_from("ABC"), units), min_size=1, max_size=3))
    def order(self, skus: list[tuple[str, int]]) -> None:
        self.number += 1
        made = place(self.merchant, skus, str(self.number))
        for line in OrderLine.select().where(OrderLine.order == made):
            self.parts[line.id] = {"unrouted": line.quantity, "routed": 0, "cancelled": 0}

    @rule(again=st.booleans())
    def route(self, again: bool) -> None:
        """Every open order. What it promises must be there, and is taken over into the model."""
        free = {(one.id, sku): stock.available(one.id, [sku])[sku] for one in self.sources for sku in FEED}
        for order in Order.select().where(Order.state == "open").order_by(Order.id):
            order.merchant = self.merchant
            for request in routing.route(order, "", again=again).requests:
                for line in RequestLine.select().where(RequestLine.request == request):
                    free[request.source_id, line.sku] -= line.ordered
                    part = self.parts[line.order_line_id]
                    part["unrouted"], part["routed"] = part["unrouted"] - line.ordered, part["routed"] + line.ordered
                    self.lines[line.id] = Line(request.id, line.sku, part, line.ordered, line.ordered)
        assert min(free.values()) >= 0, "more was promised than is there"

    @precondition(lambda self: self.lines)
    @rule(number=pick)
    def send(self, number: int) -> None:
        _, line = self.some(number)
        request = self.request_of(line)
        if process.process([request], "ana").processed:
            sending.sent([request.id], "Sent.")
            self.sent.add(request.id)

    @precondition(lambda self: self.sent)
    @rule(number=pick)
    def refuse_and_send_again(self, number: int) -> None:
        """The supplier refused it at first, then takes it: nothing of its quantities moves."""
        waits = sorted(one for one in self.sent if all(line.open == line.ordered for line in self.lines.values() if line.request == one))
        if waits:
            one = FulfillmentRequest.get_by_id(waits[number % len(waits)])
            FulfillmentRequest.update(state="processing").where(FulfillmentRequest.id == one.id).execute()
            sending.rejected([one.id], "No such SKU.")
            assert [each.id for each in process.process([one], "ana").processed] == [one.id]
            sending.sent([one.id], "Sent.")

    @precondition(lambda self: self.lines)
    @rule(number=pick, accepted=st.integers(0, 6), rejected=st.integers(0, 6), fill=st.booleans(), twice=st.booleans())
    def acknowledge(self, number: int, accepted: int, rejected: int, fill: bool, twice: bool) -> None:
        key, line = self.some(number)
        told = [Answer(line=RequestLine.get_by_id(key).public_id, accepted=accepted, rejected=rejected)]
        state = self.request_of(line).state
        for _ in range(1 + twice):
            done = answers.acknowledge(self.request_of(line), told, origin=Origin("file"), fill=fill)
            if done.problems:
                return
            taken = line.acknowledged + line.shipped
            more, gone = max(0, accepted - taken), max(0, rejected - line.cancelled)
            assert (done.accepted, done.cancelled) == (more, gone) and state in ("processed", "acknowledged")
            line.open, line.acknowledged = line.open - more, line.acknowledged + more
            if gone:
                line.take(gone, "cancelled", fill)

    @precondition(lambda self: self.lines)
    @rule(number=pick, amount=units)
    def ship(self, number: int, amount: int) -> None:
        found = self.some(number, sent=True)
        if found is None:
            return
        key, line = found
        try:
            requests.record(self.request_of(line), "ship", [("ship", key, amount)], cause="file")
        except TooMany:
            assert amount > line.held
            return
        first = min(line.acknowledged, amount)
        line.acknowledged, line.open, line.shipped = line.acknowledged - first, line.open - (amount - first), line.shipped + amount

    @precondition(lambda self: self.lines)
    @rule(number=pick, amount=units)
    def unship(self, number: int, amount: int) -> None:
        key, line = self.some(number)
        try:
            requests.record(self.request_of(line), "unship", [("unship", key, amount)], cause="file")
        except TooMany:
            assert amount > line.shipped
            return
        line.shipped, line.acknowledged = line.shipped - amount, line.acknowledged + amount

    @precondition(lambda self: self.lines)
    @rule(number=pick, amount=units, act=st.sampled_from(["cancelled", "voided"]), fill=st.booleans(), word=st.booleans())
    def take_away(self, number: int, amount: int, act: str, fill: bool, word: bool) -> None:
        key, line = self.some(number)
        request, wanted = self.request_of(line), {RequestLine.get_by_id(key).public_id: amount}
        try:
            if act == "voided":
                answers.void(request, wanted, who="ana", confirmed=word, fill=fill)
            else:
                answers.cancel(request, wanted, origin=Origin("person", "ana"), fill=fill)
        except Refused:
            ended = request.state in ("canceled", "voided")
            needs_word = act == "voided" and request.id in self.sent and not word
            assert amount > line.held or ended or needs_word or (act == "cancelled" and request.id not in self.sent)
            return
        line.take(amount, act, fill)

    @rule(quantity=st.integers(0, 9))
    def feed(self, quantity: int) -> None:
        InventoryItem.update(quantity=quantity).where(InventoryItem.sku == "A").execute()

    @invariant()
    def lines_are_as_the_model_says(self) -> None:
        for row in RequestLine.select():
            told, now = self.lines[row.id], counts(row)
            assert now.ordered == now.open + now.acknowledged + now.shipped + now.cancelled + now.voided
            assert vars(now) == {name: getattr(told, name) for name in vars(now)}

    @invariant()
    def order_lines_hold_what_their_requests_hold(self) -> None:
        for line in OrderLine.select():
            part = self.parts[line.id]
            assert (line.unrouted, line.routed, line.cancelled) == (part["unrouted"], part["routed"], part["cancelled"])
            asked = [one for one in self.lines.values() if one.part is part]
            assert part["routed"] == sum(one.ordered - one.cancelled - one.voided for one in asked)

    @invariant()
    def committed_stock_is_what_is_open_or_accepted(self) -> None:
        assert {row.line_id: row.quantity for row in CommittedStock.select()} == {key: line.held for key, line in self.lines.items()}

    @invariant()
    def states_follow_the_quantities(self) -> None:
        for request in FulfillmentRequest.select():
            mine = [line for line in self.lines.values() if line.request == request.id]
            live, shipped = sum(line.held + line.shipped for line in mine), sum(line.shipped for line in mine)
            assert request.shipped == ("canceled" if not live else "shipped" if shipped == live else "partial" if shipped else "awaiting")
            assert (request.state in ("canceled", "voided")) == (live == 0)


@pytest.mark.one_database
def test_any_order_of_events_keeps_the_numbers(merchant: Any, make_source: Any) -> None:
    from tests.stocked import stock_up

    Machine.merchant = merchant
    Machine.sources = [stock_up(make_source("Northwind"), FEED), stock_up(make_source("Southgate"), {"A": 3, "B": 9, "C": 2})]
    Machine.sources[0].allow_backorders = False
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=SEQUENCES, stateful_step_count=STEPS, deadline=None, phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip
