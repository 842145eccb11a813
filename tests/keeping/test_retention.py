"""Days of a workspace are kept to, by it alone; what goes is said, and the log still proves itself."""

from __future__ import annotations

import io
from datetime import timedelta
from typing import Any

import pytest

from portal import audit, clock, documents, exchanges, retention
from portal.erasing.terms import ERASED
from portal.errors import Invalid, Stale
from portal.models import AuditLine, Document, Exchange, Order, RequestLine, Shipment
from tests.ordered import ADA, ask, place

DAYS = {"files": "10", "exchanges": "3", "persons": "60", "audit": "400"}


def old_order(merchant: Any, source: Any, number: str, days: int, done: bool = True) -> Order:
    order = place(merchant, number=number)
    request = ask(order, source)
    Shipment.create(
        merchant=merchant, source=source, request=request, state="matched", reference=number, tracking_number=number,
        tracking_key=number, came_by="file", note="For Ada Byron",
    )  # fmt: skip
    if done:
        RequestLine.update(open=0, shipped=RequestLine.ordered).where(RequestLine.request == request).execute()
    Order.update(state="closed" if done else "open", changed_at=clock.now() - timedelta(days=days)).where(Order.id == order.id).execute()
    return order


def test_what_is_older_than_its_days_goes_and_is_said(merchant: Any, other_merchant: Any, owner: Any, make_source: Any) -> None:
    source, other = make_source(), make_source(of=other_merchant)
    now = clock.now()
    for one, whose in ((source, merchant), (other, other_merchant)):
        for age in (1, 5, 9):
            at = now - timedelta(days=age)
            Exchange.create(merchant=whose, source=one, method="GET", address="https://x.example", milliseconds=1, at=at)
        audit.write(whose, "ana", "source.create")
        audit.write(whose, "ana", "source.create")
    AuditLine.update(at=now - timedelta(days=500)).where(AuditLine.action == "source.create").execute()
    document = documents.store_upload(source, io.BytesIO(b"sku\n"), "stock.csv")
    done, recent, waits = (old_order(merchant, source, *one) for one in (("1", 61), ("2", 59), ("3", 61, False)))
    theirs = old_order(other_merchant, other, "1", 400)
    assert retention.sweep() == 0  # nobody set anything
    with pytest.raises(Invalid) as wrong:
        retention.save(owner, DAYS | {"audit": "364", "files": "-1", "persons": "3.5"}, 0)
    assert set(wrong.value.errors) == {"audit", "files", "persons"}
    retention.save(owner, DAYS, 0)
    with pytest.raises(Stale):
        retention.save(owner, DAYS, 0)
    assert retention.sweep() > 0
    assert Exchange.select().where(Exchange.merchant == merchant).count() == 1
    assert exchanges.erase_old() == 1 and Exchange.select().where(Exchange.merchant == other_merchant).count() == 2
    assert Order.get_by_id(done.id).ship_to["name"] == ERASED and Shipment.get(Shipment.reference == "1").note in (ERASED, "For Ada Byron")
    assert [Order.get_by_id(one.id).ship_to for one in (recent, waits, theirs)] == [ADA] * 3
    assert Document.get_by_id(document.id).erase_at == document.at + timedelta(days=10)
    (line,) = retention.last_sweeps(merchant)
    assert line.after["exchanges"] == 2 and line.after["persons of finished orders"] == 1
    assert not retention.last_sweeps(other_merchant) and retention.sweep() == 0  # once a day
    fresh = documents.store_upload(source, io.BytesIO(b"sku,a\n"), "stock.csv")
    assert fresh.erase_at - fresh.at <= timedelta(days=10, seconds=1)


def test_lines_of_the_log_go_from_its_beginning_and_the_rest_still_proves_itself(merchant: Any) -> None:
    for number in range(6):
        audit.write(merchant, "ana", "source.create", object_id=str(number))
    assert audit.trim(merchant, clock.now() - timedelta(days=1)) == 0
    third = AuditLine.get(AuditLine.merchant == merchant, AuditLine.object_id == "2")
    assert audit.trim(merchant, third.at + timedelta(microseconds=1)) == third.number
    assert audit.verify(merchant) == []
    assert AuditLine.select().where(AuditLine.merchant == merchant, AuditLine.number <= third.number).count() == 0
    fourth = AuditLine.get(AuditLine.number == third.number + 1)
    fourth.delete_instance()  # somebody takes out one more
    assert audit.verify(merchant) != []
