"""Plans that an operator offers, who holds which since when, and invoices, which never change once they are issued."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id


class BillingPlan(Table):
    """A plan of this installation. `price`: of a month, in the smallest unit of `currency`. `limits`: {dimension: number or None}.

    `change`: whether an owner who chooses it has it at once ("immediate"), asks an operator ("request"), or cannot choose it ("closed").
    """

    id = BigAutoField()
    slug = CharField(max_length=40, unique=True)
    name = CharField(max_length=80)
    price = BigIntegerField()
    currency = CharField(max_length=3)
    limits = JsonText(default=dict)
    change = CharField(max_length=10, default="request")
    changed_at = UtcTime(default=now)


class PlanPeriod(Table):
    """A merchant's time on one plan at one price. `since`, `until`: days as 2026-11-27, by UTC; the day `until` is of the next one.

    `name`, `price`, `currency`: as they were. At most one is open (`until` "").
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    plan = ForeignKeyField(BillingPlan, backref="+", on_delete="RESTRICT")
    name = CharField(max_length=80)
    price = BigIntegerField()
    currency = CharField(max_length=3)
    since = CharField(max_length=10)
    until = CharField(max_length=10, default="")
    by = CharField(max_length=254, default="")
    at = UtcTime(default=now)

    class Meta:
        table_name = "plan_period"
        indexes = ((("merchant", "since"), False),)


PlanPeriod.add_index(PlanPeriod.index(PlanPeriod.merchant, unique=True, where=PlanPeriod.until == "", name="plan_period_open"))


class PlanRequest(Table):
    """An owner's wish for another plan. `state`: open, done, declined or withdrawn; at most one of a merchant is open."""

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    plan = ForeignKeyField(BillingPlan, backref="+", on_delete="RESTRICT")
    state = CharField(max_length=10, default="open")
    by = CharField(max_length=254, default="")
    at = UtcTime(default=now)
    settled_by = CharField(max_length=254, default="")
    settled_at = UtcTime(null=True)

    class Meta:
        table_name = "plan_request"


PlanRequest.add_index(PlanRequest.index(PlanRequest.merchant, unique=True, where=PlanRequest.state == "open", name="plan_request_open"))


class BillingSettings(Table):
    """One row: who issues invoices, and how. `tax_rate`: in hundredths of a percent. `next_number`: of the next invoice or credit note."""

    id = BigAutoField()
    issuer = TextField(default="")
    how_to_pay = TextField(default="")
    prefix = CharField(max_length=20, default="INV-")
    next_number = IntegerField(default=1)
    tax_label = CharField(max_length=40, default="Tax")
    tax_rate = IntegerField(default=0)
    due_days = IntegerField(default=14)

    class Meta:
        table_name = "billing_settings"


class BillingDetails(Table):
    """Whom the invoices of a merchant are for."""

    merchant = ForeignKeyField(Merchant, primary_key=True, backref="+", on_delete="CASCADE")
    name = CharField(max_length=120, default="")
    address = TextField(default="")
    email = CharField(max_length=254, default="")
    tax_id = CharField(max_length=40, default="")
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "billing_details"


class Invoice(Table):
    """An invoice, or a credit note that takes one back (`corrects`). The database refuses to change or delete one.

    Money in the smallest unit of `currency`; of a credit note it is negative. `lines`: [{"words", "amount"}]. `month`: as 2026-11, ""
    where it is of none. `issued_on`, `due_on`: days, by UTC. `issuer`, `customer`: as they were.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="RESTRICT", index=False)
    number = IntegerField(unique=True)
    name = CharField(max_length=40)
    corrects = ForeignKeyField("self", null=True, unique=True, backref="+", on_delete="RESTRICT")
    month = CharField(max_length=7, default="")
    currency = CharField(max_length=3)
    lines = JsonText(default=list)
    net = BigIntegerField()
    tax_label = CharField(max_length=40, default="")
    tax_rate = IntegerField(default=0)
    tax = BigIntegerField(default=0)
    total = BigIntegerField()
    issuer = TextField(default="")
    customer = TextField(default="")
    how_to_pay = TextField(default="")
    reason = CharField(max_length=200, default="")
    issued_on = CharField(max_length=10)
    due_on = CharField(max_length=10)
    at = UtcTime(default=now)

    class Meta:
        indexes = ((("merchant", "id"), False),)


Invoice.add_index(
    Invoice.index(Invoice.merchant, Invoice.month, Invoice.currency, unique=True, where=Invoice.month != "", name="invoice_of_month")
)


class InvoiceMark(Table):
    """That an operator marked an invoice paid, or unpaid again; the newest counts."""

    id = BigAutoField()
    invoice = ForeignKeyField(Invoice, backref="+", on_delete="RESTRICT")
    paid = IntegerField()
    note = CharField(max_length=200, default="")
    by = CharField(max_length=254, default="")
    at = UtcTime(default=now)

    class Meta:
        table_name = "invoice_mark"
