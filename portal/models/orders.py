"""Orders, and the fulfillment requests that they become at sources: lines whose quantities always add up."""

from __future__ import annotations

from peewee import SQL, BigAutoField, BigIntegerField, BooleanField, CharField, Check, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.inventory import InventoryItem
from portal.models.runs import Run
from portal.models.sources import Source


class Order(Table):
    """One customer order. `came_by`: hand, csv, api or a channel's kind. `channel`: "" or the public id of where it was pulled from.

    `number` is unique within a channel. `state`: draft, open, on_hold, closed, canceled, failed, no_shipping_method or not_managed.
    `routing`: "" everything that can be is at a source, waiting (to be routed), or problem (`routing_said` says what).
    `acknowledged`, `shipped`: not_started, partial or completed over all lines that are not cancelled.
    `ship_to`, `bill_to`: {key of portal.orders.addresses.FIELDS: text}. `problems`: [{"field", "words"}] that a person should see.
    `content_hash`: of what was ordered, so that the same order again is known. `total`: ten-thousandths of `currency`.
    `routed_at`: when its lines were last offered to the sources.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    came_by = CharField(max_length=20)
    channel = CharField(max_length=32, default="")
    number = CharField(max_length=60)
    reference = CharField(max_length=60, default="")
    state = CharField(max_length=20, default="open")
    routing = CharField(max_length=10, default="waiting")
    routing_said = CharField(max_length=500, default="")
    routed_at = UtcTime(null=True)
    acknowledged = CharField(max_length=15, default="not_started")
    shipped = CharField(max_length=15, default="not_started")
    ordered_at = UtcTime(default=now)
    ship_to = JsonText(default=dict)
    bill_to = JsonText(default=dict)
    shipping_text = CharField(max_length=120, default="")
    customer_reference = CharField(max_length=60, default="")
    note = CharField(max_length=500, default="")
    currency = CharField(max_length=3, default="USD")
    total = BigIntegerField(null=True)
    problems = JsonText(default=list)
    content_hash = CharField(max_length=64)
    document_id = BigIntegerField(null=True)
    version = IntegerField(default=1)
    added_by = CharField(max_length=254, default="")
    created_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "customer_order"
        indexes = (
            (("merchant", "channel", "number"), True),
            (("merchant", "state", "id"), False),
            (("merchant", "id"), False),
        )


Order.add_index(Order.merchant, Order.id, where=Order.routing != "", name="customer_order_to_route")


class OrderLine(Table):
    """One line as ordered. quantity = unrouted + routed + cancelled: `routed` is what its requests hold and neither cancelled nor voided.

    `sku`: as ordered, a Master SKU. `reference`: the channel's own id of the line. `price`: ten-thousandths each.
    `unroutable`: why no source takes what is unrouted, "" while it was not tried or nothing is left.
    """

    id = BigAutoField()
    order = ForeignKeyField(Order, backref="lines", on_delete="CASCADE", index=False)
    number = IntegerField()
    sku = CharField(max_length=120)
    title = CharField(max_length=500, default="")
    reference = CharField(max_length=60, default="")
    price = BigIntegerField(null=True)
    quantity = IntegerField()
    unrouted = IntegerField()
    routed = IntegerField(default=0)
    cancelled = IntegerField(default=0)
    unroutable = CharField(max_length=500, default="")

    class Meta:
        table_name = "order_line"
        indexes = ((("order", "number"), True), (("sku",), False))
        constraints = [
            Check("quantity > 0 AND unrouted >= 0 AND routed >= 0 AND cancelled >= 0"),
            Check("quantity = unrouted + routed + cancelled"),
        ]


class OrderFile(Table):
    """A file of orders that a person uploaded. `state`: read (to be mapped and looked at) or taken.

    `stored_name` is relative to the spool folder, where the bytes stay for a day. `rules`: {key of portal.orders.columns.FIELDS: column}.
    `made`, `known`, `held`: orders that were new, were here already, or came in on hold. `bad`: [{"row", "cells", "words"}] under
    `headers`: the rows of orders that were not taken.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    name = CharField(max_length=255)
    stored_name = CharField(max_length=120)
    size = BigIntegerField()
    sha256 = CharField(max_length=64)
    format = JsonText(default=dict)
    headers = JsonText(default=list)
    rules = JsonText(default=dict)
    state = CharField(max_length=10, default="read")
    made = IntegerField(default=0)
    known = IntegerField(default=0)
    held = IntegerField(default=0)
    bad = JsonText(default=list)
    at = UtcTime(default=now)
    added_by = CharField(max_length=254, default="")
    taken_at = UtcTime(null=True)

    class Meta:
        table_name = "order_file"
        indexes = ((("merchant", "id"), False),)


class FulfillmentRequest(Table):
    """What one source is asked to ship of one order.

    `state` (PRODUCT 3.1): unprocessed, processing, processed, acknowledged, failed, canceled, voided, too_long (its number is longer
    than the source takes) or duplicate (the source had that number before). `shipped` (3.2): awaiting, partial, shipped or canceled.
    `generation` grows with each resend, so that a submission is for one of them. `sending`: the state of its newest submission,
    "" while there is none: a copy, kept by the outbox in the same transaction, for lists. `their_id`: the supplier's own number.
    `not_before`: it waits until then (a send window). `due_at`: when the next answer is expected of the supplier.
    `said`: in a sentence why it is where it is, "" where its states say all.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    order = ForeignKeyField(Order, backref="requests", on_delete="CASCADE")
    source = ForeignKeyField(Source, backref="requests", on_delete="CASCADE", index=False)
    number = CharField(max_length=120)
    state = CharField(max_length=20, default="unprocessed")
    shipped = CharField(max_length=10, default="awaiting")
    sending = CharField(max_length=20, default="")
    generation = IntegerField(default=1)
    their_id = CharField(max_length=200, default="")
    shipping_code = CharField(max_length=40, default="")
    carrier = CharField(max_length=40, default="")
    method = CharField(max_length=60, default="")
    cancel_after = UtcTime(null=True)
    not_before = UtcTime(null=True)
    due_at = UtcTime(null=True)
    said = CharField(max_length=500, default="")
    chosen_because = JsonText(default=dict)
    version = IntegerField(default=1)
    created_at = UtcTime(default=now)
    processed_at = UtcTime(null=True)
    sent_at = UtcTime(null=True)
    acknowledged_at = UtcTime(null=True)
    canceled_at = UtcTime(null=True)
    voided_at = UtcTime(null=True)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "fulfillment_request"
        indexes = (
            (("merchant", "state", "id"), False),
            (("merchant", "id"), False),
            (("source", "number"), False),
            (("source", "state", "id"), False),
            (("sending", "id"), False),
        )


_NUMBERED = FulfillmentRequest.state.not_in(("too_long", "duplicate", "voided", "canceled"))
FulfillmentRequest.add_index(
    FulfillmentRequest.index(FulfillmentRequest.source, FulfillmentRequest.number, unique=True, where=_NUMBERED, name="request_number")
)


class RequestLine(Table):
    """One SKU of a request. ordered = open + acknowledged + shipped + cancelled + voided, by the database's own check.

    `open`: nobody answered for it yet; `acknowledged`: accepted and not shipped; `cancelled`: the supplier will not; `voided`: we withdrew.
    `sku`: as the source knows it, its Inventory SKU; the Master SKU is the order line's.
    `item`: the inventory item that was chosen. `unit_cost`: ten-thousandths, as it was then.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    request = ForeignKeyField(FulfillmentRequest, backref="lines", on_delete="CASCADE", index=False)
    order_line = ForeignKeyField(OrderLine, backref="request_lines", on_delete="CASCADE")
    item = ForeignKeyField(InventoryItem, null=True, backref="+", on_delete="SET NULL")
    number = IntegerField()
    sku = CharField(max_length=120)
    title = CharField(max_length=500, default="")
    upc = CharField(max_length=14, default="")
    mpn = CharField(max_length=120, default="")
    unit_cost = BigIntegerField(null=True)
    ordered = IntegerField()
    open = IntegerField()
    acknowledged = IntegerField(default=0)
    shipped = IntegerField(default=0)
    cancelled = IntegerField(default=0)
    voided = IntegerField(default=0)

    class Meta:
        table_name = "request_line"
        indexes = ((("request", "number"), True),)
        constraints = [
            Check("ordered > 0 AND open >= 0 AND acknowledged >= 0 AND shipped >= 0 AND cancelled >= 0 AND voided >= 0"),
            Check("ordered = open + acknowledged + shipped + cancelled + voided"),
        ]


class RequestEvent(Table):
    """What happened to a request, in order; never changed afterwards. `kind`: a key of portal.requests.events.KINDS.

    `moves`: [{"line": public id, "from", "to", "quantity"}] of line quantities. `cause`: person, rule, file, api, webhook, supplier or
    system. `document_id`, `run`, `row`: what said so. `words`: a sentence, without secrets.
    """

    id = BigAutoField()
    request = ForeignKeyField(FulfillmentRequest, backref="events", on_delete="CASCADE", index=False)
    at = UtcTime(default=now)
    kind = CharField(max_length=20)
    moves = JsonText(default=list)
    cause = CharField(max_length=10)
    who = CharField(max_length=254, default="")
    document_id = BigIntegerField(null=True)
    run = ForeignKeyField(Run, null=True, backref="+", on_delete="SET NULL")
    row = IntegerField(null=True)
    words = CharField(max_length=500, default="")

    class Meta:
        table_name = "request_event"
        indexes = ((("request", "id"), False),)


class CommittedStock(Table):
    """Units of one SKU of a source that a request line holds; `quantity` is what is left. available = feed - sum of `quantity`.

    By SKU, not by item, so that it outlives an inventory that is removed and read again. `released_because`: shipment, cancel, void
    or age, once nothing is left.
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
    line = ForeignKeyField(RequestLine, unique=True, backref="+", on_delete="CASCADE")
    sku = CharField(max_length=120)
    committed = IntegerField()
    quantity = IntegerField()
    committed_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)
    released_at = UtcTime(null=True)
    released_because = CharField(max_length=20, default="")

    class Meta:
        table_name = "committed_stock"
        indexes = ((("source", "id"), False), (("merchant", "changed_at"), False))
        constraints = [Check("quantity >= 0 AND quantity <= committed")]


CommittedStock.add_index(CommittedStock.source, CommittedStock.sku, where=CommittedStock.quantity > 0, name="committed_stock_of_sku")
CommittedStock.add_index(CommittedStock.committed_at, where=CommittedStock.quantity > 0, name="committed_stock_by_age")


class AnswerProblem(Table):
    """What a source told of a request and could not be used as told: a person sees it until somebody settles it.

    `cause`: file, api, webhook or supplier. `told`: what it said, as read. `words`: what is wrong with it, and that nothing was changed.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
    request = ForeignKeyField(FulfillmentRequest, null=True, backref="answer_problems", on_delete="CASCADE")
    at = UtcTime(default=now)
    cause = CharField(max_length=10)
    told = JsonText(default=dict)
    words = CharField(max_length=500)
    document_id = BigIntegerField(null=True)
    run_id = BigIntegerField(null=True)
    row = IntegerField(null=True)
    settled_at = UtcTime(null=True)
    settled_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "answer_problem"
        indexes = ((("merchant", "id"), False), (("source", "id"), False))


AnswerProblem.add_index(AnswerProblem.merchant, AnswerProblem.id, where=AnswerProblem.settled_at.is_null(), name="answer_problem_open")


class ShippingCode(Table):
    """What a source calls a way of shipping. `text_key`: the channel's text, folded. `code` "" : seen on orders, not mapped yet."""

    id = BigAutoField()
    source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
    text_key = CharField(max_length=120)
    text = CharField(max_length=120)
    code = CharField(max_length=40, default="")
    carrier = CharField(max_length=40, default="")
    method = CharField(max_length=60, default="")
    orders_seen = IntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    seen_at = UtcTime(null=True)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "shipping_code"
        indexes = ((("source", "text_key"), True),)


class ApiToken(Table):
    """A key to the JSON API. `source` None: of the whole workspace. `scopes`: a list of portal.api_tokens.SCOPES.

    Only `token_hash` (SHA-256) is kept; `hint` is its beginning and end. `last_used_at` is written at most once a minute.
    `suspended_at`: a backup brought it back, and it opens nothing until somebody says that it may.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="api_tokens", on_delete="CASCADE")
    source = ForeignKeyField(Source, null=True, backref="+", on_delete="CASCADE")
    name = CharField(max_length=80)
    scopes = JsonText(default=list)
    token_hash = CharField(max_length=64, unique=True)
    hint = CharField(max_length=40)
    made_at = UtcTime(default=now)
    made_by = CharField(max_length=254, default="")
    ends_at = UtcTime(null=True)
    revoked_at = UtcTime(null=True)
    last_used_at = UtcTime(null=True)
    last_address = CharField(max_length=45, default="")
    suspended_at = UtcTime(null=True)

    class Meta:
        table_name = "api_token"


class ApiAnswer(Table):
    """The first answer to a request with an Idempotency-Key: the same key and content get it again, another content is refused.

    `status` None: the first is still being worked on.
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    key_hash = CharField(max_length=64)
    content_hash = CharField(max_length=64)
    status = IntegerField(null=True)
    location = CharField(max_length=300, default="")
    body = TextField(default="")
    at = UtcTime(default=now, index=True)

    class Meta:
        table_name = "api_answer"
        indexes = ((("merchant", "key_hash"), True),)


class SendingStop(Table):
    """Sending to a source rests (its circuit is open), or of the whole installation (`source` None: after a restore, or by an operator).

    `automatic`: by our own rule. Gone once a person, or a look-up that found everything, allows it again.
    """

    id = BigAutoField()
    source = ForeignKeyField(Source, null=True, unique=True, backref="+", on_delete="CASCADE")
    why = CharField(max_length=300)
    automatic = BooleanField(default=True)
    since = UtcTime(default=now)
    by = CharField(max_length=254, default="")

    class Meta:
        table_name = "sending_stop"
