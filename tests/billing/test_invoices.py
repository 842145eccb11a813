"""Plans, periods and invoices, over both databases: each month once, numbers without gaps, nothing changed that was issued."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import pytest
from peewee import IntegrityError
from pypdf import PdfReader

from portal import accounts, clock, plans
from portal.billing import invoices, money, offers, sheet
from portal.errors import Invalid, NotFound, Refused
from portal.models import BillingSettings, Invoice, Merchant, PlanPeriod, database
from portal.models.database import is_postgres

WHO = "ana@harbor.example"


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """on("2026-11-15"): it is noon of that day."""

    def turn(day: str) -> None:
        monkeypatch.setattr(clock, "now", lambda: datetime.fromisoformat(f"{day} 12:00:00"))

    turn("2026-11-01")
    return turn


@pytest.fixture
def starter(on: Any, config: Any) -> Any:
    return offers.save("starter", "Starter", "29.00", "USD", {"skus": 1_000}, "immediate")


@pytest.fixture
def growth(on: Any, config: Any) -> Any:
    return offers.save("growth", "Growth", "99.00", "USD", {"skus": 50_000}, "request")


def names() -> list[tuple[str, str, int]]:
    return [(one.name, one.month, one.total) for one in Invoice.select().order_by(Invoice.number)]


def test_a_month_that_is_over_is_invoiced_once_each_plan_for_its_days(on: Any, merchant: Merchant, starter: Any, growth: Any) -> None:
    assert offers.choose(merchant, starter, WHO)
    on("2026-11-15")
    assert not offers.choose(merchant, growth, WHO), "an operator is asked"
    assert invoices.issue_due() == [] and offers.request_of(merchant).plan_id == growth.id
    with pytest.raises(Refused, match="asked for another"):
        offers.choose(merchant, growth, WHO)
    offers.assign(merchant, growth, "the operator")
    assert offers.request_of(merchant) is None and offers.held(merchant).name == "Growth"
    assert plans.limits(merchant.id)["skus"] == 50_000
    on("2026-12-01")
    invoices.save_settings({"tax_rate": "19", "tax_label": "VAT", "issuer": "Quay GmbH", "due_days": "10"})
    assert [one.name for one in invoices.issue_due()] == ["INV-00001"] and invoices.issue_due() == []
    made = Invoice.get()
    assert [(one["words"], one["amount"]) for one in made.lines] == [
        ("Starter, 1 to 14 November 2026 (14 of 30 days)", 1353), ("Growth, 15 to 30 November 2026 (16 of 30 days)", 5280),
    ]  # fmt: skip
    assert (made.net, made.tax, made.total, made.due_on) == (6633, 1260, 7893, "2026-12-11")
    on("2027-02-10")
    assert [one.month for one in invoices.issue_due()] == ["2026-12", "2027-01"], "what was missed is made up"


def test_the_same_plan_again_changes_nothing_and_up_and_down_on_one_day_is_not_free(on: Any, merchant: Merchant, starter: Any) -> None:
    big = offers.save("big", "Big", "990.00", "USD", {}, "immediate")
    for day in range(1, 31):
        on(f"2026-11-{day:02}")
        offers.assign(merchant, starter, "the operator")
    assert PlanPeriod.select().count() == 1
    for plan in (big, starter, big, starter):
        assert offers.choose(merchant, plan, WHO)
    on("2026-12-01")
    invoices.issue_due(merchant)
    assert [one["amount"] for one in Invoice.get().lines] == [2803, 3300] and offers.held(merchant).name == "Starter"


def test_a_new_price_counts_from_its_day_and_a_plan_of_another_currency_is_invoiced_apart(
    on: Any, merchant: Merchant, starter: Any
) -> None:
    offers.assign(merchant, starter, "the operator")
    on("2026-11-11")
    offers.save("starter", "Starter", "59.00", "USD", {}, "closed")
    on("2026-11-21")
    offers.assign(merchant, offers.save("kyoto", "Kyoto", "3000", "jpy", {}, "closed"), "the operator")
    on("2026-11-21")
    offers.assign(merchant, offers.save("osaka", "Osaka", "6000", "JPY", {}, "closed"), "the operator")
    assert [(one.name, one.since, one.until) for one in offers.periods(merchant)][0] == ("Osaka", "2026-11-21", "")
    assert PlanPeriod.select().count() == 3, "a plan of no whole day leaves nothing"
    on("2026-12-01")
    invoices.issue_due(merchant)
    assert {(one.currency, one.total) for one in Invoice.select()} == {("USD", 2933), ("JPY", 2000)}


def test_an_issued_invoice_is_not_changed_by_anybody(on: Any, merchant: Merchant) -> None:
    made = invoices.issue_lines(merchant, "USD", [("Set-up", "10.00")], WHO)
    for change in (lambda: Invoice.update(total=1).execute(), lambda: Invoice.delete().execute()):
        with pytest.raises(IntegrityError), database.atomic():
            change()
    invoices.save_settings({"issuer": "Another", "prefix": "Q"})
    invoices.save_details(merchant, "Harbor & Pine Ltd", "1 Quay", "bills@harbor.example", "GB1", WHO)
    again = Invoice.get_by_id(made.id)
    assert (again.issuer, again.customer, again.name, again.total) == ("", "Harbor & Pine", "INV-00001", 1000)
    fresh = invoices.issue_lines(merchant, "USD", [("More", "1.00")], WHO)
    assert fresh.name == "Q00002" and fresh.customer.splitlines() == [
        "Harbor & Pine Ltd",
        "1 Quay",
        "bills@harbor.example",
        "Tax number GB1",
    ]


def test_a_credit_note_takes_back_exactly_and_once(on: Any, merchant: Merchant) -> None:
    invoices.save_settings({"tax_rate": "8.25"})
    made = invoices.issue_lines(merchant, "USD", [("Set-up", "10.01"), ("Help", "0.05")], WHO)
    invoices.save_settings({"tax_rate": "19"})
    note = invoices.credit(made, "Twice", WHO)
    assert (note.net, note.tax, note.total) == (-made.net, -made.tax, -made.total) and note.corrects_id == made.id
    for again in (
        lambda: invoices.credit(made, "x", WHO),
        lambda: invoices.credit(note, "x", WHO),
        lambda: invoices.mark(made, True, "", WHO),
    ):
        with pytest.raises(Refused):
            again()
    with pytest.raises(Invalid):
        invoices.credit(made, "", WHO)
    states = {one.invoice.name: one.state for one in invoices.listing(merchant)}
    assert states == {"INV-00001": "credited", "INV-00002": "credit"}


def test_paid_is_what_the_operator_said_last_and_due_is_due(on: Any, merchant: Merchant) -> None:
    made = invoices.issue_lines(merchant, "USD", [("Set-up", "10.00")], WHO)
    assert invoices.standing(made).state == "open"
    on("2026-11-16")
    assert invoices.standing(made).state == "overdue"
    invoices.mark(made, True, "Transfer of 16 November", "the operator")
    assert invoices.standing(made).state == "paid" and invoices.standing(made).mark.note == "Transfer of 16 November"
    with pytest.raises(Refused, match="marked paid already"):
        invoices.mark(made, True, "", WHO)
    invoices.mark(made, False, "Bounced", "the operator")
    assert invoices.standing(made).state == "overdue"


def test_numbers_have_no_gap_where_an_invoice_failed(on: Any, merchant: Merchant, monkeypatch: Any) -> None:
    invoices.issue_lines(merchant, "USD", [("One", "1.00")], WHO)
    monkeypatch.setattr("portal.audit.write", lambda *_, **__: (_ for _ in ()).throw(RuntimeError))
    with pytest.raises(RuntimeError):
        invoices.issue_lines(merchant, "USD", [("Lost", "1.00")], WHO)
    monkeypatch.undo()
    invoices.issue_lines(merchant, "USD", [("Two", "1.00")], WHO)
    assert [one.number for one in Invoice.select().order_by(Invoice.number)] == [1, 2] and BillingSettings.get().next_number == 3


def test_many_workers_at_once_issue_each_month_once_and_number_without_gaps(db: str, on: Any, merchant: Merchant, starter: Any) -> None:
    others = [merchant, *(accounts.create_merchant(f"Shop {n}") for n in range(5))]
    for one in others:
        offers.assign(one, starter, "the operator")
    on("2027-01-01")
    start, problems = threading.Barrier(4), list[Exception]()

    def work() -> None:
        try:
            with database.connection_context():
                start.wait(10)
                invoices.issue_due()
        except Exception as error:  # noqa: BLE001 - shown by the assertion below
            problems.append(error)

    if not is_postgres():
        database.close()
    workers = [threading.Thread(target=work) for _ in range(4)]
    for each in workers:
        each.start()
    for each in workers:
        each.join(60)
    if database.is_closed():
        database.connect()
    assert problems == []
    rows = list(Invoice.select().order_by(Invoice.number))
    assert [one.number for one in rows] == list(range(1, 13)), "six merchants, two months"
    assert len({(one.merchant_id, one.month) for one in rows}) == 12


def test_the_pdf_and_the_csv_say_what_was_issued(on: Any, merchant: Merchant) -> None:
    invoices.save_settings({"issuer": "Quay GmbH\nHamburg", "how_to_pay": "IBAN DE00 1234", "tax_rate": "19", "tax_label": "VAT"})
    made = invoices.issue_lines(merchant, "USD", [("Set-up größer", "1000.00"), ("=1+1", "0.50")], WHO)
    text = PdfReader(io.BytesIO(sheet.pdf(made))).pages[0].extract_text()
    for words in ("Invoice INV-00001", "Quay GmbH", "Harbor & Pine", "Set-up größer", "1,000.00", "VAT 19 %", "1,190.60", "IBAN DE00 1234"):
        assert words in text, words
    assert sheet.pdf(made) == sheet.pdf(Invoice.get_by_id(made.id)), "the same bytes"
    note = invoices.credit(made, "Twice", WHO)
    assert "Takes back invoice INV-00001: Twice" in PdfReader(io.BytesIO(sheet.pdf(note))).pages[0].extract_text()
    lines = list(invoices.csv(invoices.listing(merchant)))
    assert len(lines) == 5 and lines[3].startswith("INV-00001,2026-11-01,2026-11-15,Taken back,USD,Set-up größer,1000.00")
    assert "'=1+1" in lines[4]
    assert lines[1].endswith("Set-up größer,-1000.00,-1000.50,-190.10,-1190.60,INV-00001\r\n"), "amounts stay numbers"
    invoices.save_details(merchant, "山田", "", "", "", WHO)
    with pytest.raises(Refused, match="cannot show"):
        sheet.pdf(invoices.issue_lines(merchant, "USD", [("Set-up", "1.00")], WHO))


def test_what_is_typed_wrong_is_refused(on: Any, merchant: Merchant, other_merchant: Merchant, starter: Any) -> None:
    for wrong in (
        lambda: offers.save("Bad Slug", "X", "1", "USD", {}, "request"), lambda: offers.save("x", "", "1", "USD", {}, "request"),
        lambda: offers.save("x", "X", "1", "US", {}, "request"), lambda: offers.save("x", "X", "1", "USD", {"moons": 1}, "request"),
        lambda: offers.save("x", "X", "1", "USD", {}, "maybe"), lambda: invoices.save_settings({"tax_rate": "101"}),
        lambda: invoices.save_settings({"due_days": "soon"}), lambda: invoices.save_settings({"colour": "red"}),
        lambda: invoices.save_details(merchant, "x" * 121, "", "", "", WHO),
        lambda: invoices.save_details(merchant, "", "", "a b", "", WHO),
        lambda: invoices.issue_lines(merchant, "USD", [], WHO), lambda: invoices.issue_lines(merchant, "USD", [("", "1.00")], WHO),
    ):  # fmt: skip
        with pytest.raises(Invalid):
            wrong()
    made = invoices.issue_lines(merchant, "USD", [("Set-up", "1.00")], WHO)
    with pytest.raises(NotFound):
        invoices.find(other_merchant, made.public_id)
    offers.assign(merchant, starter, WHO)
    with pytest.raises(Refused, match="already"):
        offers.choose(merchant, starter, WHO)
    assert offers.over(starter, {"skus": 1_200, "orders": 3}) == {"skus": (1_200, 1_000)}
    assert money.month_of(date(2026, 12, 31)) == (date(2026, 12, 1), date(2027, 1, 1))
