"""Plans, who holds which, and invoices, which the database refuses to change."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, SqliteDatabase, TextField

REFUSED = "an issued invoice is never changed: issue a credit note"
ON_SQLITE = [
    f"CREATE TRIGGER invoice_{verb.lower()}_refused BEFORE {verb} ON invoice BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
    for verb in ("UPDATE", "DELETE")
]
ON_POSTGRES = [
    "CREATE FUNCTION quayside_invoice_refused() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSED}' USING ERRCODE = 'integrity_constraint_violation'; END $$",
    "CREATE TRIGGER invoice_refused BEFORE UPDATE OR DELETE ON invoice FOR EACH ROW EXECUTE FUNCTION quayside_invoice_refused()",
]


def up(_: Any, db: Any) -> None:
    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Merchant(Known):
        pass

    class BillingPlan(Known):
        slug = CharField(max_length=40, unique=True)
        name = CharField(max_length=80)
        price = BigIntegerField()
        currency = CharField(max_length=3)
        limits = TextField()
        change = CharField(max_length=10)
        changed_at = DateTimeField()

        class Meta:
            table_name = "billing_plan"

    class PlanPeriod(Known):
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        plan = ForeignKeyField(BillingPlan, on_delete="RESTRICT")
        name = CharField(max_length=80)
        price = BigIntegerField()
        currency = CharField(max_length=3)
        since = CharField(max_length=10)
        until = CharField(max_length=10)
        by = CharField(max_length=254)
        at = DateTimeField()

        class Meta:
            table_name = "plan_period"
            indexes = ((("merchant", "since"), False),)

    class PlanRequest(Known):
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        plan = ForeignKeyField(BillingPlan, on_delete="RESTRICT")
        state = CharField(max_length=10)
        by = CharField(max_length=254)
        at = DateTimeField()
        settled_by = CharField(max_length=254)
        settled_at = DateTimeField(null=True)

        class Meta:
            table_name = "plan_request"

    class BillingSettings(Known):
        issuer = TextField()
        how_to_pay = TextField()
        prefix = CharField(max_length=20)
        next_number = IntegerField()
        tax_label = CharField(max_length=40)
        tax_rate = IntegerField()
        due_days = IntegerField()

        class Meta:
            table_name = "billing_settings"

    class BillingDetails(Model):
        merchant = ForeignKeyField(Merchant, primary_key=True, on_delete="CASCADE")
        name = CharField(max_length=120)
        address = TextField()
        email = CharField(max_length=254)
        tax_id = CharField(max_length=40)
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "billing_details"

    class Invoice(Known):
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="RESTRICT", index=False)
        number = IntegerField(unique=True)
        name = CharField(max_length=40)
        corrects = ForeignKeyField("self", null=True, unique=True, on_delete="RESTRICT")
        month = CharField(max_length=7)
        currency = CharField(max_length=3)
        lines = TextField()
        net = BigIntegerField()
        tax_label = CharField(max_length=40)
        tax_rate = IntegerField()
        tax = BigIntegerField()
        total = BigIntegerField()
        issuer = TextField()
        customer = TextField()
        how_to_pay = TextField()
        reason = CharField(max_length=200)
        issued_on = CharField(max_length=10)
        due_on = CharField(max_length=10)
        at = DateTimeField()

        class Meta:
            indexes = ((("merchant", "id"), False),)

    class InvoiceMark(Known):
        invoice = ForeignKeyField(Invoice, on_delete="RESTRICT")
        paid = IntegerField()
        note = CharField(max_length=200)
        by = CharField(max_length=254)
        at = DateTimeField()

        class Meta:
            table_name = "invoice_mark"

    PlanPeriod.add_index(PlanPeriod.index(PlanPeriod.merchant, unique=True, where=PlanPeriod.until == "", name="plan_period_open"))
    PlanRequest.add_index(PlanRequest.index(PlanRequest.merchant, unique=True, where=PlanRequest.state == "open", name="plan_request_open"))
    Invoice.add_index(
        Invoice.index(Invoice.merchant, Invoice.month, Invoice.currency, unique=True, where=Invoice.month != "", name="invoice_of_month")
    )
    db.create_tables([BillingPlan, PlanPeriod, PlanRequest, BillingSettings, BillingDetails, Invoice, InvoiceMark], safe=False)
    for sql in ON_SQLITE if isinstance(db, SqliteDatabase) else ON_POSTGRES:
        db.execute_sql(sql)
