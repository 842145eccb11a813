"""Orders, fulfillment requests, the outbox, shipments, and keys to the JSON API."""

from __future__ import annotations

from typing import Any

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    BlobField,
    BooleanField,
    CharField,
    Check,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(migrator: Any, db: Any) -> None:
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Merchant(Table):
        id = BigAutoField()

    class Source(Table):
        id = BigAutoField()

    class Run(Table):
        id = BigAutoField()

    class InventoryItem(Table):
        id = BigAutoField()

    class Order(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        came_by = CharField(max_length=20)
        channel = CharField(max_length=32)
        number = CharField(max_length=60)
        reference = CharField(max_length=60)
        state = CharField(max_length=20)
        routing = CharField(max_length=10)
        routing_said = CharField(max_length=500)
        acknowledged = CharField(max_length=15)
        shipped = CharField(max_length=15)
        ordered_at = DateTimeField()
        ship_to = TextField()
        bill_to = TextField()
        shipping_text = CharField(max_length=120)
        customer_reference = CharField(max_length=60)
        note = CharField(max_length=500)
        currency = CharField(max_length=3)
        total = BigIntegerField(null=True)
        problems = TextField()
        content_hash = CharField(max_length=64)
        document_id = BigIntegerField(null=True)
        version = IntegerField()
        added_by = CharField(max_length=254)
        created_at = DateTimeField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            table_name = "customer_order"
            indexes = (
                (("merchant", "channel", "number"), True),
                (("merchant", "state", "id"), False),
                (("merchant", "id"), False),
            )

    Order.add_index(Order.merchant, Order.id, where=Order.routing != "", name="customer_order_to_route")

    class OrderLine(Table):
        id = BigAutoField()
        order = ForeignKeyField(Order, backref="lines", on_delete="CASCADE", index=False)
        number = IntegerField()
        sku = CharField(max_length=120)
        title = CharField(max_length=500)
        reference = CharField(max_length=60)
        price = BigIntegerField(null=True)
        quantity = IntegerField()
        unrouted = IntegerField()
        routed = IntegerField()
        cancelled = IntegerField()
        unroutable = CharField(max_length=500)

        class Meta:
            table_name = "order_line"
            indexes = ((("order", "number"), True), (("sku",), False))
            constraints = [
                Check("quantity > 0 AND unrouted >= 0 AND routed >= 0 AND cancelled >= 0"),
                Check("quantity = unrouted + routed + cancelled"),
            ]

    class FulfillmentRequest(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        order = ForeignKeyField(Order, backref="requests", on_delete="CASCADE")
        source = ForeignKeyField(Source, backref="requests", on_delete="CASCADE", index=False)
        number = CharField(max_length=120)
        state = CharField(max_length=20)
        shipped = CharField(max_length=10)
        sending = CharField(max_length=20)
        generation = IntegerField()
        their_id = CharField(max_length=200)
        shipping_code = CharField(max_length=40)
        carrier = CharField(max_length=40)
        method = CharField(max_length=60)
        cancel_after = DateTimeField(null=True)
        not_before = DateTimeField(null=True)
        due_at = DateTimeField(null=True)
        said = CharField(max_length=500)
        chosen_because = TextField()
        version = IntegerField()
        created_at = DateTimeField()
        processed_at = DateTimeField(null=True)
        sent_at = DateTimeField(null=True)
        acknowledged_at = DateTimeField(null=True)
        canceled_at = DateTimeField(null=True)
        voided_at = DateTimeField(null=True)
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            table_name = "fulfillment_request"
            indexes = (
                (("merchant", "state", "id"), False),
                (("merchant", "id"), False),
                (("source", "number"), False),
                (("source", "state", "id"), False),
                (("sending", "id"), False),
            )

    numbered = FulfillmentRequest.state.not_in(("too_long", "duplicate", "voided", "canceled"))
    FulfillmentRequest.add_index(
        FulfillmentRequest.index(FulfillmentRequest.source, FulfillmentRequest.number, unique=True, where=numbered, name="request_number")
    )

    class RequestLine(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        request = ForeignKeyField(FulfillmentRequest, backref="lines", on_delete="CASCADE", index=False)
        order_line = ForeignKeyField(OrderLine, backref="request_lines", on_delete="CASCADE")
        item = ForeignKeyField(InventoryItem, null=True, backref="+", on_delete="SET NULL")
        number = IntegerField()
        sku = CharField(max_length=120)
        title = CharField(max_length=500)
        upc = CharField(max_length=14)
        mpn = CharField(max_length=120)
        unit_cost = BigIntegerField(null=True)
        ordered = IntegerField()
        open = IntegerField()
        acknowledged = IntegerField()
        shipped = IntegerField()
        cancelled = IntegerField()
        voided = IntegerField()

        class Meta:
            table_name = "request_line"
            indexes = ((("request", "number"), True),)
            constraints = [
                Check("ordered > 0 AND open >= 0 AND acknowledged >= 0 AND shipped >= 0 AND cancelled >= 0 AND voided >= 0"),
                Check("ordered = open + acknowledged + shipped + cancelled + voided"),
            ]

    class RequestEvent(Table):
        id = BigAutoField()
        request = ForeignKeyField(FulfillmentRequest, backref="events", on_delete="CASCADE", index=False)
        at = DateTimeField()
        kind = CharField(max_length=20)
        moves = TextField()
        cause = CharField(max_length=10)
        who = CharField(max_length=254)
        document_id = BigIntegerField(null=True)
        run = ForeignKeyField(Run, null=True, backref="+", on_delete="SET NULL")
        row = IntegerField(null=True)
        words = CharField(max_length=500)

        class Meta:
            table_name = "request_event"
            indexes = ((("request", "id"), False),)

    class CommittedStock(Table):
        id = BigAutoField()
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
        line = ForeignKeyField(RequestLine, unique=True, backref="+", on_delete="CASCADE")
        sku = CharField(max_length=120)
        committed = IntegerField()
        quantity = IntegerField()
        committed_at = DateTimeField()
        changed_at = DateTimeField()
        released_at = DateTimeField(null=True)
        released_because = CharField(max_length=20)

        class Meta:
            table_name = "committed_stock"
            indexes = ((("source", "id"), False),)
            constraints = [Check("quantity >= 0 AND quantity <= committed")]

    CommittedStock.add_index(CommittedStock.source, CommittedStock.sku, where=CommittedStock.quantity > 0, name="committed_stock_of_sku")
    CommittedStock.add_index(CommittedStock.committed_at, where=CommittedStock.quantity > 0, name="committed_stock_by_age")

    class ShippingCode(Table):
        id = BigAutoField()
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
        text_key = CharField(max_length=120)
        text = CharField(max_length=120)
        code = CharField(max_length=40)
        carrier = CharField(max_length=40)
        method = CharField(max_length=60)
        orders_seen = IntegerField(constraints=[SQL("DEFAULT 0")])
        seen_at = DateTimeField(null=True)
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            table_name = "shipping_code"
            indexes = ((("source", "text_key"), True),)

    class ApiToken(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, backref="api_tokens", on_delete="CASCADE")
        source = ForeignKeyField(Source, null=True, backref="+", on_delete="CASCADE")
        name = CharField(max_length=80)
        scopes = TextField()
        token_hash = CharField(max_length=64, unique=True)
        hint = CharField(max_length=40)
        made_at = DateTimeField()
        made_by = CharField(max_length=254)
        ends_at = DateTimeField(null=True)
        revoked_at = DateTimeField(null=True)
        last_used_at = DateTimeField(null=True)
        last_address = CharField(max_length=45)

        class Meta:
            table_name = "api_token"

    class ApiAnswer(Table):
        id = BigAutoField()
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        key_hash = CharField(max_length=64)
        content_hash = CharField(max_length=64)
        status = IntegerField(null=True)
        location = CharField(max_length=300)
        body = TextField()
        at = DateTimeField(index=True)

        class Meta:
            table_name = "api_answer"
            indexes = ((("merchant", "key_hash"), True),)

    class SendingStop(Table):
        id = BigAutoField()
        source = ForeignKeyField(Source, null=True, unique=True, backref="+", on_delete="CASCADE")
        why = CharField(max_length=300)
        automatic = BooleanField()
        since = DateTimeField()
        by = CharField(max_length=254)

        class Meta:
            table_name = "sending_stop"

    class Submission(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, backref="submissions", on_delete="CASCADE", index=False)
        kind = CharField(max_length=10)
        transport = CharField(max_length=10)
        witness = CharField(max_length=20)
        reference = CharField(max_length=120)
        state = CharField(max_length=20)
        token = CharField(max_length=32)
        lease_until = DateTimeField(null=True)
        tries = IntegerField()
        looks = IntegerField()
        next_at = DateTimeField(null=True)
        their_id = CharField(max_length=200)
        problem = TextField(null=True)
        left_at = DateTimeField(null=True)
        sent_at = DateTimeField(null=True)
        unknown_at = DateTimeField(null=True)
        confirm_by = DateTimeField(null=True)
        settled_by = CharField(max_length=254)
        created_at = DateTimeField()
        created_by = CharField(max_length=254)

        class Meta:
            indexes = ((("state", "next_at", "id"), False), (("source", "id"), False), (("source", "unknown_at"), False))

    Submission.add_index(
        Submission.index(
            Submission.source, Submission.reference, unique=True, where=Submission.state != "cancelled", name="submission_reference"
        )
    )

    class SubmissionMember(Table):
        id = BigAutoField()
        submission = ForeignKeyField(Submission, backref="members", on_delete="CASCADE")
        request = ForeignKeyField(FulfillmentRequest, backref="+", on_delete="CASCADE", index=False)
        generation = IntegerField()

        class Meta:
            table_name = "submission_member"
            indexes = ((("request", "generation"), True),)

    class SubmissionPart(Table):
        id = BigAutoField()
        submission = ForeignKeyField(Submission, backref="parts", on_delete="CASCADE", index=False)
        place = SmallIntegerField()
        folder = CharField(max_length=1000)
        name = CharField(max_length=255)
        content_type = CharField(max_length=100)
        content = BlobField()
        size = BigIntegerField()
        sha256 = CharField(max_length=64)
        temp_name = CharField(max_length=300)
        state = CharField(max_length=20)

        class Meta:
            table_name = "submission_part"
            indexes = ((("submission", "place"), True),)

    class SendAttempt(Table):
        id = BigAutoField()
        submission = ForeignKeyField(Submission, backref="attempts", on_delete="CASCADE", index=False)
        kind = CharField(max_length=10)
        token = CharField(max_length=32)
        started_at = DateTimeField()
        ended_at = DateTimeField(null=True)
        outcome = CharField(max_length=20)
        steps = TextField()
        problem = TextField(null=True)
        exchange_id = BigIntegerField(null=True)
        by = CharField(max_length=254)
        may_have_left = BooleanField()

        class Meta:
            table_name = "send_attempt"
            indexes = ((("submission", "id"), False),)

    class Shipment(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, backref="shipments", on_delete="CASCADE", index=False)
        request = ForeignKeyField(FulfillmentRequest, null=True, backref="shipments", on_delete="CASCADE")
        state = CharField(max_length=10)
        reference = CharField(max_length=120)
        tracking_number = CharField(max_length=80)
        tracking_key = CharField(max_length=80)
        carrier = CharField(max_length=60)
        carrier_key = CharField(max_length=20)
        method = CharField(max_length=60)
        shipped_at = DateTimeField(null=True)
        cost = BigIntegerField(null=True)
        note = CharField(max_length=500)
        why = CharField(max_length=500)
        suggestions = TextField()
        corrects = ForeignKeyField("self", null=True, backref="+", on_delete="SET NULL")
        came_by = CharField(max_length=10)
        document_id = BigIntegerField(null=True)
        run_id = BigIntegerField(null=True)
        row = IntegerField(null=True)
        told = IntegerField()
        channel_state = CharField(max_length=10)
        channel_said = CharField(max_length=300)
        created_at = DateTimeField()
        created_by = CharField(max_length=254)
        changed_at = DateTimeField()

        class Meta:
            indexes = (
                (("merchant", "state", "id"), False),
                (("merchant", "tracking_key"), False),
                (("source", "reference"), False),
                (("source", "id"), False),
            )

    class ShipmentItem(Table):
        id = BigAutoField()
        shipment = ForeignKeyField(Shipment, backref="items", on_delete="CASCADE")
        line = ForeignKeyField(RequestLine, null=True, backref="shipment_items", on_delete="CASCADE")
        sku = CharField(max_length=120)
        quantity = IntegerField(null=True)

        class Meta:
            table_name = "shipment_item"
            constraints = [Check("quantity IS NULL OR quantity > 0")]

    db.create_tables(
        [
            Order,
            OrderLine,
            FulfillmentRequest,
            RequestLine,
            RequestEvent,
            CommittedStock,
            ShippingCode,
            ApiToken,
            ApiAnswer,
            SendingStop,
            Submission,
            SubmissionMember,
            SubmissionPart,
            SendAttempt,
            Shipment,
            ShipmentItem,
        ],
        safe=False,
    )
    migrator.migrate(migrator.add_column("merchant", "order_settings", TextField(default="{}")))
