"""Invoices: made of a month that is over, numbered without gaps, never changed; taken back by a credit note, marked paid by an operator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from portal import audit, clock
from portal.billing import money, offers, provider
from portal.billing.money import Line, Stay
from portal.errors import Invalid, NotFound, Refused
from portal.inventory.export import line as csv_line
from portal.models import BillingDetails, BillingSettings, Invoice, InvoiceMark, Merchant, PlanPeriod, database
from portal.models.database import is_postgres

BY_ITSELF = "Quayside"
LONGEST = 2_000
SETTINGS = {
    "issuer": "Who issues invoices: name, address, tax number", "how_to_pay": "How to pay", "prefix": "Before each number",
    "tax_label": "What the tax is called", "tax_rate": "Tax in percent", "due_days": "Days until an invoice is due",
}  # fmt: skip


@dataclass(frozen=True)
class Standing:
    """An invoice and how it stands: paid, open, overdue, credited, or credit (a credit note). `mark`: who said so, if anybody did."""

    invoice: Invoice
    state: str
    mark: InvoiceMark | None
    credit: Invoice | None


WORDS = {"paid": "Paid", "open": "Open", "overdue": "Overdue", "credited": "Taken back", "credit": "Credit note"}


def settings() -> BillingSettings:
    """How invoices are issued here."""
    found: BillingSettings | None = BillingSettings.get_or_none()
    return found if found is not None else BillingSettings()


def save_settings(changes: Mapping[str, str]) -> BillingSettings:
    """Change some of SETTINGS, each as typed. Invoices that were issued stay as they are. Raises Invalid."""
    errors, values = {}, dict[str, str | int](changes)
    for name, text in changes.items():
        if name not in SETTINGS:
            errors[name] = f"There is no such setting. Choose of: {', '.join(SETTINGS)}."
        elif name == "tax_rate":
            try:
                values[name] = money.read(text, "USD")
            except Invalid:
                values[name] = -1
            if not 0 <= int(values[name]) <= 10_000:
                errors[name] = "Enter the tax in percent with at most two decimals, such as 19 or 8.25."
        elif name == "due_days" and not (text.isascii() and text.isdigit() and int(text) <= 365):
            errors[name] = "Enter a number of days from 0 to 365."
        elif len(text) > (40 if name == "tax_label" else 20 if name == "prefix" else LONGEST) or "\0" in text:
            errors[name] = "This is too long."
    if errors:
        raise Invalid(errors)
    with database.atomic():
        _lock_numbers()
        BillingSettings.update({**values, **({"due_days": int(changes["due_days"])} if "due_days" in changes else {})}).execute()
    return settings()


def issue_due(merchant: Merchant | None = None, until: date | None = None) -> list[Invoice]:
    """Issue what is due of each month that is over by `until` (today), for one merchant or all. Each month once, whoever asks how often."""
    day = until or offers.today()
    made = []
    for one in [merchant] if merchant is not None else list(Merchant.select().join(PlanPeriod).distinct()):
        for first in _months(one, day):
            made += _issue_month(one, first)
    return made


def issue_lines(merchant: Merchant, currency: str, typed: Sequence[tuple[str, str]], who: str) -> Invoice:
    """Issue an invoice of these (words, amount as typed), such as for a month that was taken back. Raises Invalid."""
    currency = money.check_currency(currency)
    if not typed or any(not 1 <= len(words.strip()) <= 200 for words, _ in typed):
        raise Invalid({"lines": "Give each line its words, at most 200 characters, and an amount."})
    lines = [Line(words.strip(), money.read(amount, currency), currency) for words, amount in typed]
    with database.atomic():
        made = _write(_lock_numbers(), merchant, currency, lines)
        audit.write(merchant, who, "billing.invoice", "invoice", made.public_id, after={"invoice": made.name})
    return made


def credit(invoice: Invoice, reason: str, who: str) -> Invoice:
    """Take an invoice back, whole, by a credit note; the month may then be invoiced anew by hand. Raises Refused, Invalid ("reason")."""
    if not 1 <= len(reason.strip()) <= 200:
        raise Invalid({"reason": "Say why in 1 to 200 characters; it stands on the credit note."})
    if invoice.corrects_id is not None:
        raise Refused(f"{invoice.name} is a credit note. It cannot be taken back; issue another invoice.")
    with database.atomic():
        config = _lock_numbers()
        if Invoice.select().where(Invoice.corrects == invoice.id).exists():
            raise Refused(f"{invoice.name} was taken back already.")
        minus = [{"words": one["words"], "amount": -one["amount"]} for one in invoice.lines]
        made = _write(config, invoice.merchant, invoice.currency, [Line(one["words"], one["amount"], invoice.currency) for one in minus],
                      corrects=invoice, reason=reason.strip(), rate=(invoice.tax_label, invoice.tax_rate))  # fmt: skip
        audit.write(invoice.merchant, who, "billing.credit", "invoice", invoice.public_id, after={"note": made.name, "why": reason})
    return made


def mark(invoice: Invoice, paid: bool, note: str, who: str) -> InvoiceMark:
    """An operator says that it was paid, or was not after all. Raises Refused where it says so already, or it was taken back."""
    with database.atomic():
        _lock_numbers()
        now = standing(invoice)
        if now.state in ("credit", "credited"):
            raise Refused(f"{invoice.name} was taken back, or is a credit note: nothing is to be paid.")
        if (now.state == "paid") == paid:
            raise Refused(f"{invoice.name} is marked {'paid' if paid else 'not paid'} already.")
        made: InvoiceMark = InvoiceMark.create(invoice=invoice, paid=int(paid), note=note.strip()[:200], by=who, at=clock.now())
        audit.write(invoice.merchant, who, "billing.paid" if paid else "billing.unpaid", "invoice", invoice.public_id, after=note.strip())
    return made


def find(merchant: Merchant, public_id: str) -> Invoice:
    """The merchant's invoice of that id. Raises NotFound."""
    found: Invoice | None = Invoice.get_or_none(Invoice.merchant == merchant, Invoice.public_id == public_id)
    if found is None:
        raise NotFound("invoice")
    return found


def of_name(name: str) -> Invoice:
    """The invoice of that printed number, of whichever merchant: for operators. Raises NotFound."""
    found: Invoice | None = Invoice.get_or_none(Invoice.name == name)
    if found is None:
        raise NotFound("invoice")
    return found


def listing(merchant: Merchant | None = None, limit: int = 200) -> list[Standing]:
    """Invoices and credit notes of a merchant, or of all (for operators), the newest first."""
    rows = Invoice.select(Invoice, Merchant).join(Merchant)
    rows = rows if merchant is None else rows.where(Invoice.merchant == merchant)
    return standings(list(rows.order_by(Invoice.number.desc()).limit(limit)))


def standing(invoice: Invoice) -> Standing:
    """How one invoice stands today."""
    return standings([invoice])[0]


def standings(found: Sequence[Invoice]) -> list[Standing]:
    """How each stands today."""
    ids = [one.id for one in found]
    marks = {one.invoice_id: one for one in InvoiceMark.select().where(InvoiceMark.invoice << ids).order_by(InvoiceMark.id)}
    credits = {one.corrects_id: one for one in Invoice.select().where(Invoice.corrects << ids)}
    day = offers.today().isoformat()

    def state(one: Invoice) -> str:
        if one.corrects_id is not None:
            return "credit"
        if one.id in credits:
            return "credited"
        if (told := marks.get(one.id)) is not None and told.paid:
            return "paid"
        return "overdue" if one.due_on < day else "open"

    return [Standing(one, state(one), marks.get(one.id), credits.get(one.id)) for one in found]


def csv(found: Sequence[Standing]) -> Iterator[str]:
    """A line for each line of each invoice; amounts as decimal text without separators."""
    yield csv_line(["Number", "Issued", "Due", "State", "Currency", "Line", "Amount", "Net", "Tax", "Total", "Takes back"])
    for one in found:
        invoice = one.invoice
        sums = [_number(value, invoice.currency) for value in (invoice.net, invoice.tax, invoice.total)]
        corrects = invoice.corrects.name if invoice.corrects_id else ""
        head = [invoice.name, invoice.issued_on, invoice.due_on, WORDS[one.state], invoice.currency]
        for each in invoice.lines:
            yield csv_line([*head, each["words"], _number(each["amount"], invoice.currency), *sums, corrects])


def _number(amount: int, currency: str) -> Decimal:
    """Of a credit it begins with a minus, which in a text would be made safe with an apostrophe."""
    return Decimal(money.told(amount, currency).replace(",", ""))


def _months(merchant: Merchant, day: date) -> Iterator[date]:
    """First days of the months that are over and of which the merchant was on a plan."""
    first = PlanPeriod.select(PlanPeriod.since).where(PlanPeriod.merchant == merchant.id).order_by(PlanPeriod.since).first()
    if first is None:
        return
    begin, end = money.month_of(date.fromisoformat(first.since))
    while end <= day:
        yield begin
        begin, end = money.month_of(end)


def _issue_month(merchant: Merchant, first: date) -> list[Invoice]:
    month, made = f"{first:%Y-%m}", []
    known = {one.currency for one in Invoice.select(Invoice.currency).where(Invoice.merchant == merchant.id, Invoice.month == month)}
    by_currency: dict[str, list[Line]] = {}
    for line in money.lines(_stays(merchant), first):
        by_currency.setdefault(line.currency, []).append(line)
    for currency, lines in sorted(by_currency.items()):
        if currency in known or not sum(line.amount for line in lines):
            continue
        with database.atomic():
            config = _lock_numbers()  # whoever issues beside us waits here, and then sees ours
            mine = (Invoice.merchant == merchant.id) & (Invoice.month == month) & (Invoice.currency == currency)
            if Invoice.select().where(mine).exists():
                continue
            one = _write(config, merchant, currency, lines, month=month)
            audit.write(merchant, BY_ITSELF, "billing.invoice", "invoice", one.public_id, after={"invoice": one.name, "month": month})
            made.append(one)
    return made


def _stays(merchant: Merchant) -> list[Stay]:
    far = date.max
    rows = PlanPeriod.select().where(PlanPeriod.merchant == merchant.id)
    return [
        Stay(one.name, one.price, one.currency, date.fromisoformat(one.since), date.fromisoformat(one.until) if one.until else far)
        for one in rows.order_by(PlanPeriod.since, PlanPeriod.id)
    ]


def _lock_numbers() -> BillingSettings:
    """The row of settings, which nobody else may write until the transaction ends: numbers are given one after the other."""
    if not BillingSettings.select().exists():
        BillingSettings.insert(id=1).on_conflict_ignore().execute()
    rows = BillingSettings.select().order_by(BillingSettings.id)
    found: BillingSettings = (rows.for_update() if is_postgres() else rows).first()
    return found


def _write(
    config: BillingSettings, merchant: Merchant, currency: str, lines: Sequence[Line], *, month: str = "", corrects: Invoice | None = None,
    reason: str = "", rate: tuple[str, int] | None = None,
) -> Invoice:  # fmt: skip
    """Issue it under the next number, in the transaction that holds the settings: where it is undone, the number is free again."""
    label, percent = rate or (config.tax_label, config.tax_rate)
    net = sum(line.amount for line in lines)
    tax = money.tax(net, percent)
    day = offers.today()
    pays = provider.current()
    made: Invoice = Invoice.create(
        merchant=merchant, number=config.next_number, name=f"{config.prefix}{config.next_number:05}", corrects=corrects, month=month,
        currency=currency, lines=[{"words": line.words, "amount": line.amount} for line in lines], net=net, tax_label=label,
        tax_rate=percent, tax=tax, total=net + tax, issuer=config.issuer, customer=customer_of(merchant), reason=reason,
        how_to_pay="" if corrects is not None else pays.how_to_pay(config), issued_on=day.isoformat(),
        due_on=(day + timedelta(days=0 if corrects is not None else config.due_days)).isoformat(), at=clock.now(),
    )  # fmt: skip
    BillingSettings.update(next_number=config.next_number + 1).where(BillingSettings.id == config.id).execute()
    pays.issued(made)
    return made


def details(merchant: Merchant) -> BillingDetails:
    """Whom the merchant's invoices are for, as entered so far."""
    found: BillingDetails | None = BillingDetails.get_or_none(BillingDetails.merchant == merchant.id)
    return found if found is not None else BillingDetails(merchant=merchant)


def save_details(merchant: Merchant, name: str, address: str, email: str, tax_id: str, who: str) -> None:
    """Keep whom invoices are for; those that were issued stay as they are. Raises Invalid."""
    told = {"name": name.strip(), "address": address.replace("\r\n", "\n").strip(), "email": email.strip(), "tax_id": tax_id.strip()}
    errors = {}
    for key, most in (("name", 120), ("address", 500), ("email", 254), ("tax_id", 40)):
        if len(told[key]) > most or "\0" in told[key]:
            errors[key] = f"Use at most {most} characters."
    if told["email"] and (told["email"].count("@") != 1 or " " in told["email"]):
        errors["email"] = "Enter an address such as bills@shop.example, or leave it empty."
    if errors:
        raise Invalid(errors)
    with database.atomic():
        before = details(merchant)
        BillingDetails.delete().where(BillingDetails.merchant == merchant.id).execute()
        BillingDetails.create(merchant=merchant, changed_at=clock.now(), changed_by=who, **told)
        was = {key: getattr(before, key) for key in told}
        audit.write(merchant, who, "billing.details", "merchant", merchant.public_id, before=was, after=told)


def customer_of(merchant: Merchant) -> str:
    """Whom an invoice is for, in lines."""
    told = details(merchant)
    lines = [told.name or merchant.name, told.address, told.email, f"Tax number {told.tax_id}" if told.tax_id else ""]
    return "\n".join(line for line in lines if line)
