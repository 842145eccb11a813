"""Alerts: what needs a person, what was told of it to whom, and what each person wants to be told."""

from __future__ import annotations

from peewee import BigAutoField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant, User
from portal.models.channels import Channel
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.orders import CommittedStock, FulfillmentRequest
from portal.models.shipments import Shipment
from portal.models.sources import Source


class Alert(Table):
    """One condition of one object: one row for each merchant, rule and `object_key`, opened again when it comes back.

    `rule`: a key of portal.alerts.rules.RULES. `level`: action, warning or news. `state`: firing, acknowledged, snoozed or resolved.
    `times`: how often it began; `turn` grows with each change to firing, so that each is told once. `first_seen_at`: when this time
    began; `clear_since`: the condition was not met since then, and ends it unless it comes back. `told_at`: when it was last told.
    `snoozed_until` None while snoozed: until `mark` is no longer `snooze_mark`. `mark` stands for what it is about (a run, a count).
    `ended`: gone (the condition ended), rested (the source was paused) or off (the rule was turned off).
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="alerts", on_delete="CASCADE", index=False)
    rule = CharField(max_length=30)
    object_key = CharField(max_length=60)
    source = ForeignKeyField(Source, null=True, backref="+", on_delete="CASCADE")
    channel = ForeignKeyField(Channel, null=True, backref="+", on_delete="CASCADE")
    level = CharField(max_length=10)
    state = CharField(max_length=15, default="firing")
    headline = CharField(max_length=200)
    body = CharField(max_length=1000)
    facts = JsonText(default=dict)
    mark = CharField(max_length=120, default="")
    times = IntegerField(default=1)
    turn = IntegerField(default=1)
    version = IntegerField(default=1)
    first_seen_at = UtcTime(default=now)
    last_seen_at = UtcTime(default=now)
    clear_since = UtcTime(null=True)
    told_at = UtcTime(null=True)
    acknowledged_at = UtcTime(null=True)
    acknowledged_by = CharField(max_length=254, default="")
    snoozed_until = UtcTime(null=True)
    snoozed_by = CharField(max_length=254, default="")
    snooze_mark = CharField(max_length=120, default="")
    resolved_at = UtcTime(null=True)
    ended = CharField(max_length=10, default="")

    class Meta:
        indexes = ((("merchant", "rule", "object_key"), True), (("merchant", "state", "id"), False))


Alert.add_index(Alert.state, Alert.id, where=Alert.state != "resolved", name="alert_open")


class AlertMessage(Table):
    """What is to be told to one person or one webhook, made with the change that it tells of; unique by `key` within a merchant.

    `kind`: fired, again (a reminder, once a day), resolved or digest. `user` None: to the webhook of the workspace. `turn`: of the alert,
    as it was then.
    `state`: waiting ─▶ sending ─▶ sent, refused, unknown (it may have arrived: it is never sent again) or dropped (no longer true, or
    nobody wants it). Whoever sends writes `token` first; `said`: what the server answered, or why it was dropped.
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    key = CharField(max_length=80)
    alert = ForeignKeyField(Alert, null=True, backref="messages", on_delete="CASCADE")
    user = ForeignKeyField(User, null=True, backref="+", on_delete="CASCADE")
    kind = CharField(max_length=10)
    turn = IntegerField(default=0)
    state = CharField(max_length=10, default="waiting")
    token = CharField(max_length=32, default="")
    tries = IntegerField(default=0)
    due_at = UtcTime(default=now)
    claimed_at = UtcTime(null=True)
    ended_at = UtcTime(null=True)
    said = CharField(max_length=300, default="")
    created_at = UtcTime(default=now)

    class Meta:
        table_name = "alert_message"
        indexes = ((("merchant", "key"), True),)


AlertMessage.add_index(
    AlertMessage.state, AlertMessage.due_at, where=AlertMessage.state << ("waiting", "sending"), name="alert_message_to_go"
)


class AlertWish(Table):
    """How one person is told, by level: at_once (e-mail), digest (one e-mail a day at `hour` of their clock) or none.

    `digest_at`: when their next digest is due; `digested_at`: when the last one was made.
    """

    id = BigAutoField()
    user = ForeignKeyField(User, unique=True, backref="+", on_delete="CASCADE")
    action = CharField(max_length=10)
    warning = CharField(max_length=10)
    news = CharField(max_length=10)
    hour = SmallIntegerField(default=8)
    digest_at = UtcTime(null=True, index=True)
    digested_at = UtcTime(null=True)
    version = IntegerField(default=1)


class AlertSettings(Table):
    """The rules of one merchant where they are not as by default, and its webhook.

    `rules`: {rule: {"off": true, "over": number, "quiet": hours, "not": [public ids of sources]}}. `hook_level`: the least level that is
    posted. `hook_secret`: sealed; `hook_hint`: how it ends. `hook_said`: what became of the last post, `hook_at` when.
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, unique=True, backref="+", on_delete="CASCADE")
    rules = JsonText(default=dict)
    hook_url = CharField(max_length=1000, default="")
    hook_level = CharField(max_length=10, default="warning")
    hook_secret = TextField(null=True)
    hook_hint = CharField(max_length=60, default="")
    hook_said = CharField(max_length=300, default="")
    hook_at = UtcTime(null=True)
    version = IntegerField(default=1)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")


# What the rules look for stands in small indexes of its own, so that a look costs as much as there is to tell.
_UNSENT = FulfillmentRequest.state << ("unprocessed", "processing", "failed", "too_long", "duplicate")
_EXPECTED = (FulfillmentRequest.state << ("processed", "acknowledged")) & (FulfillmentRequest.shipped << ("awaiting", "partial"))
FulfillmentRequest.add_index(FulfillmentRequest.source, FulfillmentRequest.created_at, where=_UNSENT, name="request_unsent_by_age")
FulfillmentRequest.add_index(FulfillmentRequest.source, FulfillmentRequest.sent_at, where=_EXPECTED, name="request_expected_by_age")
Shipment.add_index(Shipment.source, where=Shipment.state == "unmatched", name="shipment_unmatched")
CommittedStock.add_index(CommittedStock.released_at, where=CommittedStock.released_because == "age", name="committed_stock_by_release")
