"""What came by webhook, read by runs: in order, together, alone when one of them is broken, and nothing lost when a worker dies."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any

import pytest

import tasks
from portal import clock, deliveries, documents, freshness, hook_limits, runs, sources
from portal.errors import NotFound, Refused
from portal.inventory import dry_run
from portal.models import Document, Integration, MappingVersion, Run, RunMessage, Source, WebhookDelivery, WebhookSeen
from tasks import worker
from tests.connecting import WHO
from tests.feed_of import Feed
from tests.hooked import Sender, answer_of, worked

FORMAT = {"kind": "json", "row_path": "$", "columns": ["item_no", "name", "maker", "qty", "price"]}


class Hooked(Feed):
    """A live source, mapped, whose supplier sends JSON."""

    def __init__(self, client: Any, source: Source, holds: str = "partial") -> None:
        super().__init__(source)
        Source.update(supplier="webhook").where(Source.id == source.id).execute()
        self.integration.settings = {"format": FORMAT, "pattern": "*"}
        self.integration.save()
        self.sender = Sender(client, Source.get_by_id(source.id), holds=holds)
        self.source = self.sender.source

    def came(self, *items: tuple[Any, ...], **more: Any) -> None:
        told = [dict(zip(FORMAT["columns"], (sku, f"Lamp {sku}", "Kestrel", qty, price), strict=True)) for sku, qty, price in items]
        assert answer_of(self.sender.send(told, **more)) == (202, "accepted")

    def work(self) -> list[Run]:
        """What a worker does in one turn; the runs of deliveries that it did."""
        return worked()

    def states(self) -> list[str]:
        return [row.state for row in self.sender.deliveries()]

    def story(self, run: Run) -> str:
        return " ".join(row.text for row in RunMessage.select().where(RunMessage.run == run.id).order_by(RunMessage.id))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hook_limits.refusals.forget()
    monkeypatch.setattr(deliveries, "PACE", timedelta(0))


@pytest.fixture
def hooked(anonymous: Any, make_source: Callable[..., Source]) -> Hooked:
    return Hooked(anonymous, make_source())


def test_a_delivery_becomes_a_run_as_a_file_does(hooked: Hooked) -> None:
    hooked.came(("A", 5, "1.00"), ("B", 7, "2.00"))
    (run,) = hooked.work()
    assert (run.kind, run.cause, run.state, run.accepted) == ("inventory", "delivery", "finished", True)
    assert hooked.quantities() == {"A": 5, "B": 7} and hooked.states() == ["read"]
    document = Document.get_by_id(run.document_id)
    assert document.origin == "webhook" and documents.path_of(document).is_file() and document.erase_at > clock.now()
    assert Integration.get_by_id(hooked.integration.id).last_accepted_at is not None, "by which its freshness is reckoned"
    assert hooked.work() == [], "nothing waits, so nothing runs"


def test_a_partial_delivery_touches_only_what_it_names(hooked: Hooked) -> None:
    hooked.came(("A", 5, "1.00"), ("B", 7, "2.00"))
    hooked.work()
    hooked.came(("B", 6, "2.00"), ("C", 1, "3.00"))
    hooked.work()
    assert hooked.quantities() == {"A": 5, "B": 6, "C": 1}


def test_a_full_delivery_replaces_those_before_it(anonymous: Any, make_source: Any) -> None:
    hooked = Hooked(anonymous, make_source(), holds="full")
    for items in ((("A", 5, "1.00"), ("B", 7, "2.00")), (("A", 4, "1.00"), ("B", 6, "2.00")), (("A", 3, "1.00"), ("C", 1, "1.00"))):
        hooked.came(*items)
    (run,) = hooked.work()
    assert hooked.quantities() == {"A": 3, "C": 1} and hooked.states() == ["replaced", "replaced", "read"]
    assert "Only the newest of 3 full deliveries" in hooked.story(run)
    hooked.came(("A", 3, "1.00"))
    hooked.work()
    assert hooked.items()["C"].missing_since is not None


def test_a_burst_is_one_run_and_the_later_value_of_a_sku_wins(hooked: Hooked) -> None:
    hooked.came(*[(f"S{n}", 1, "1.00") for n in range(20)])
    for n in range(1, 31):
        hooked.came((f"S{n % 20}", n, "1.00"), (f"T{n % 7}", 100 + n, "2.00"))
    (run,) = hooked.work()
    assert run.state == "finished" and set(hooked.states()) == {"read"} and len(hooked.states()) == 31
    assert hooked.quantities() == {
        **{f"S{n}": n + 20 if 1 <= n <= 10 else n or 20 for n in range(20)},
        **{f"T{n % 7}": 100 + n for n in range(1, 31)},
    }
    assert "31 deliveries are read together" in hooked.story(run)


def test_together_or_one_by_one_ends_the_same(anonymous: Any, make_source: Any) -> None:
    one, other = Hooked(anonymous, make_source("One")), Hooked(anonymous, make_source("Other"))
    Source.update(state="paused").where(Source.id == one.source.id).execute()
    told = [[("A", 5, "1.00"), ("B", 1, "1.00")], [("A", 6, "1.05")], [("B", 2, "1.10"), ("A", 7, "1.10")], [("A", "", "1.20")]]
    for items in told:
        one.came(*items)
        other.came(*items)
        other.work()
    Source.update(state="live").where(Source.id == one.source.id).execute()
    one.work()
    values = [{sku: (row.quantity, row.cost) for sku, row in each.items().items()} for each in (one, other)]
    assert values[0] == values[1] and Run.select().where(Run.source == one.source).count() == 1
    assert Run.select().where(Run.source == other.source).count() == 4


def test_what_comes_while_a_run_is_under_way_waits_for_the_next(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked.came(("A", 1, "1.00"))
    deliveries.start_due()
    real = deliveries.taken

    def late(work: Any) -> Any:
        found = real(work)
        if not hooked.sender.deliveries()[1:]:
            hooked.came(("A", 2, "1.00"))
            hooked.came(("A", 3, "1.00"))
            assert deliveries.start_due() == 0, "one run at a time"
        return found

    monkeypatch.setattr(deliveries, "taken", late)
    hooked.work()
    first, second = Run.select().order_by(Run.id)
    assert hooked.quantities() == {"A": 3} and hooked.states() == ["read", "read", "read"]
    assert [len(list(WebhookDelivery.select().where(WebhookDelivery.run_id == run.id))) for run in (first, second)] == [1, 2]


def test_runs_of_a_source_keep_a_distance(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "PACE", timedelta(seconds=10))
    hooked.came(("A", 1, "1.00"))
    hooked.work()
    hooked.came(("A", 2, "1.00"))
    hooked.came(("A", 3, "1.00"))
    assert hooked.work() == [] and hooked.quantities() == {"A": 1}
    moved = clock.now() + timedelta(seconds=11)
    monkeypatch.setattr(clock, "now", lambda: moved)
    (run,) = hooked.work()
    assert hooked.quantities() == {"A": 3} and "2 deliveries" in hooked.story(run)


def test_a_source_that_sends_without_end_is_read_each_minute(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "PACE", timedelta(seconds=10))
    monkeypatch.setattr(deliveries, "BUSY", 2)
    at, ran = clock.now(), []
    for n in range(8):
        monkeypatch.setattr(clock, "now", lambda moment=at + timedelta(seconds=20 * n): moment)
        hooked.came(("A", n, "1.00"), at=(at + timedelta(seconds=20 * n)).replace(tzinfo=UTC).timestamp())
        ran.append(len(hooked.work()))
    assert ran == [1, 1, 0, 0, 1, 0, 0, 1] and hooked.quantities() == {"A": 7}


def test_one_that_is_broken_holds_up_no_other(hooked: Hooked) -> None:
    hooked.came(("A", 1, "1.00"))
    assert answer_of(hooked.sender.send(b'{"item_no": "B", "qty"')) == (202, "accepted")
    hooked.came(("C", 3, "1.00"))
    done = hooked.work()
    assert [run.state for run in done] == ["failed", "finished", "failed", "finished"]
    assert hooked.states() == ["read", "failed", "read"] and hooked.quantities() == {"A": 1, "C": 3}
    assert hooked.work() == [], "what is broken is not tried for ever"
    assert done[2].problem["headline"] == done[0].problem["headline"]


BODIES = [
    (b'{"item_no": "A", "name": "x", "maker": "k", "qty": 1, "price": "1.00"}', "application/json"),
    (b'[{"item_no": "A", "name": "x", "maker": "k", "qty": 2, "price": "1.00"}]', "application/json; charset=utf-8"),
    (b"item_no=A&name=x&maker=k&qty=3&price=1.00", "application/x-www-form-urlencoded"),
    (b'{"item_no": "A", "qty": 4}\n{"item_no": "B", "qty": 9}\n', "application/x-ndjson"),
    (b"item_no,name,maker,qty,price\nA,x,k,5,1.00\n", "text/csv"),
    (b"<items><item><item_no>A</item_no><name>x</name><qty>6</qty><price>1</price></item></items>", "application/xml"),
]


def test_bodies_of_every_kind_are_read(hooked: Hooked) -> None:
    Integration.update(settings={"pattern": "*"}).where(Integration.id == hooked.integration.id).execute()  # found by itself
    MappingVersion.update(rules={"fields": {"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"]}}}).execute()
    for quantity, (body, content_type) in enumerate(BODIES, 1):
        assert answer_of(hooked.sender.send(body, **{"content-type": content_type})) == (202, "accepted")
        (run,) = hooked.work()
        assert run.state == "finished", (content_type, run.problem)
        assert hooked.quantities()["A"] == quantity, content_type


def test_it_is_late_by_the_last_delivery_that_was_accepted(hooked: Hooked) -> None:
    fresh = Integration.get_by_id(hooked.integration.id)
    freshness.save(fresh, freshness.Rule(expected="hours", hours=2), fresh.version, WHO)
    hooked.came(("A", 1, "1.00"))
    hooked.work()
    one = Integration.get_by_id(hooked.integration.id)
    assert freshness.expected_by(one) == one.last_accepted_at + timedelta(hours=2)
    assert hooked.sender.post(b"", {}).status_code == 400
    assert Integration.get_by_id(hooked.integration.id).last_accepted_at == one.last_accepted_at, "what is refused is no sign of life"


def test_a_paused_source_keeps_what_comes_and_reads_it_when_resumed(hooked: Hooked) -> None:
    for column in ("paused", "live"):
        Source.update(state=column).where(Source.id == hooked.source.id).execute()
        if column == "paused":
            hooked.came(("A", 1, "1.00"))
            hooked.came(("A", 2, "1.00"))
            assert hooked.work() == [] and hooked.states() == ["waiting", "waiting"]
    hooked.work()
    assert hooked.quantities() == {"A": 2}


def test_run_sync_without_a_delivery_is_no_sign_of_life(hooked: Hooked) -> None:
    run = runs.start_sync(Integration.get_by_id(hooked.integration.id), started_by=WHO)
    hooked.work()
    ended = Run.get_by_id(run.id)
    assert (ended.state, ended.accepted) == ("no_change", False) and "Nothing came since the last run" in hooked.story(ended)
    assert Integration.get_by_id(hooked.integration.id).last_accepted_at is None


def test_a_stopped_run_keeps_its_deliveries_to_be_read_again(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked.came(("A", 1, "1.00"))
    real = deliveries.taken

    def stopping(work: Any) -> Any:
        found = real(work)
        runs.request_stop(work.run, WHO)
        work.look_for_stop()
        return found

    monkeypatch.setattr(deliveries, "taken", stopping)
    assert [run.state for run in hooked.work()] == ["stopped"]
    assert hooked.states() == ["failed"] and hooked.work() == [] and hooked.quantities() == {}
    monkeypatch.setattr(deliveries, "taken", real)
    deliveries.read_again(hooked.source, hooked.sender.deliveries()[0].public_id, WHO)
    hooked.work()
    assert hooked.quantities() == {"A": 1} and hooked.states() == ["read"]


def test_reading_again_takes_all_that_came_after_it_too(hooked: Hooked) -> None:
    for n in (1, 2, 3):
        hooked.came(("A", n, "1.00"), (f"B{n}", n, "1.00"))
        hooked.work()
    second = hooked.sender.deliveries()[1]
    assert deliveries.may_read_again(second) and deliveries.read_again(hooked.source, second.public_id, WHO) == 2
    assert hooked.states() == ["read", "waiting", "waiting"]
    assert second.document.erase_at is None or Document.get_by_id(second.document_id).erase_at is None
    (run,) = hooked.work()
    assert hooked.quantities() == {"A": 3, "B1": 1, "B2": 2, "B3": 3} and run.state in ("finished", "no_change")
    with pytest.raises(Refused):
        hooked.sender.post(b"", {})
        deliveries.read_again(hooked.source, hooked.sender.deliveries("refused")[0].public_id, WHO)


def test_what_waits_can_be_left_out(hooked: Hooked) -> None:
    hooked.came(("A", 1, "1.00"))
    hooked.came(("B", 2, "1.00"))
    test = hooked.sender.deliveries()[0]
    deliveries.leave_out(hooked.source, test.public_id, WHO)
    hooked.work()
    assert hooked.quantities() == {"B": 2} and hooked.states() == ["left_out", "read"]
    with pytest.raises(Refused):
        deliveries.leave_out(hooked.source, test.public_id, WHO)


def test_another_merchants_delivery_is_not_found(hooked: Hooked, anonymous: Any, make_source: Any, other_merchant: Any) -> None:
    theirs = Hooked(anonymous, make_source("Theirs", of=other_merchant))
    theirs.came(("A", 1, "1.00"))
    theirs_id = theirs.sender.deliveries()[0].public_id
    for act in (deliveries.leave_out, deliveries.read_again):
        with pytest.raises(NotFound):
            act(hooked.source, theirs_id, WHO)
    assert deliveries.latest(hooked.source) == [] and theirs.states() == ["waiting"]


def test_a_held_delivery_stays_held_and_later_ones_go_on(hooked: Hooked) -> None:
    hooked.came(*[(f"S{n}", 5, "1.00") for n in range(300)])
    hooked.work()
    hooked.came(*[(f"S{n}", 0, "1.00") for n in range(250)])
    (run,) = hooked.work()
    assert run.state == "held" and hooked.states()[-1] == "read"
    hooked.came(("S299", 9, "1.00"))
    hooked.work()
    assert hooked.quantities()["S299"] == 9 and hooked.quantities()["S0"] == 5


def test_a_dry_run_reads_the_newest_and_takes_nothing(hooked: Hooked) -> None:
    hooked.came(("A", 1, "1.00"))
    Source.update(state="paused").where(Source.id == hooked.source.id).execute()
    run = dry_run.start(Integration.get_by_id(hooked.integration.id), dry_run.Choice(), WHO)
    hooked.work()
    assert Run.get_by_id(run.id).counts["add"] == 1 and hooked.states() == ["waiting"] and hooked.quantities() == {}


def test_acknowledgements_and_shipments_wait_and_are_never_erased_by_age(anonymous: Any, make_source: Any, monkeypatch: Any) -> None:
    hooked = Hooked(anonymous, make_source())
    hooked.sender.save(signature="standard", shipments=True)
    hooked.sender.send({"po": "1", "tracking": "1Z"}, below="/shipments")
    hooked.came(("A", 1, "1.00"))
    hooked.work()
    moved = clock.now() + timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: moved)
    documents.erase_old()
    deliveries.erase_old()
    (kept,) = hooked.sender.deliveries("kept")
    assert json.loads(documents.path_of(kept.document).read_bytes())["tracking"] == "1Z" and deliveries.counts(hooked.source)["kept"] == 1


def test_old_lines_and_remembered_ids_go(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        hooked.came((f"A{n}", 1, "1.00"))
        hooked.work()
    hooked.sender.post(b"", {})
    moved = clock.now() + timedelta(days=31)
    monkeypatch.setattr(clock, "now", lambda: moved)
    documents.erase_old()
    assert deliveries.erase_old() == 3, "the refused one and two that were read"
    assert hooked.states() == ["read"], "the last accepted file stays, and its line with it"
    assert WebhookSeen.select().count() == 0


@pytest.mark.parametrize(("most", "value"), [("KEPT_FILES", 2), ("KEPT_BYTES", 200)])
def test_busy_sources_keep_only_their_newest_files(hooked: Hooked, monkeypatch: pytest.MonkeyPatch, most: str, value: int) -> None:
    monkeypatch.setattr(deliveries, most, value)
    for n in range(4):
        hooked.came((f"A{n}", 1, "1.00"))
        hooked.work()
    deliveries.erase_old()
    documents.erase_old()
    kept = [
        row.document_id is not None and Document.get_by_id(row.document_id).stored_name is not None for row in hooked.sender.deliveries()
    ]
    assert kept == [False, False, True, True]


def test_a_run_that_cannot_begin_is_not_started_again_at_once(hooked: Hooked) -> None:
    Integration.update(mapping_version=99).where(Integration.id == hooked.integration.id).execute()
    hooked.came(("A", 1, "1.00"))
    assert [run.state for run in hooked.work()] == ["failed"] and hooked.states() == ["waiting"]
    assert hooked.work() == []


def test_the_worker_looks_for_deliveries_by_itself(hooked: Hooked) -> None:
    """As after a worker, or the doorbell, died between the answer and the run."""
    hooked.came(("A", 1, "1.00"))
    tasks.huey.flush()
    worker.look_around(1)
    assert Run.select().count() == 1
    hooked.work()
    assert hooked.quantities() == {"A": 1}


def test_get_inventory_secondary_is_refused(hooked: Hooked) -> None:
    from portal import secondary

    with pytest.raises(Refused, match="source of its own"):
        secondary.add(sources.find(hooked.source.merchant, hooked.source.public_id), WHO)
