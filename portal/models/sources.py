"""Fulfillment sources, how they connect, what they do, and how their columns map to our fields."""

from __future__ import annotations

from typing import Any

from peewee import SQL, BigAutoField, BigIntegerField, BooleanField, CharField, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant, User
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id


class Source(Table):
    """One fulfillment source of one merchant.

    `kind`: dropship_supplier, internal_warehouse, external_warehouse or data_source; or sales_channel: the line to a store where the
    merchant sells, which is listed with its channel and never among the sources.
    `state`: draft, live, paused or deleted; `state_before`: what a deleted source was.
    `name_key` is the name folded for comparing; it is unique per merchant among sources that are not deleted (a partial unique index).
    `setup_done`: the set-up steps saved so far, a JSON list. `item_count` is kept by runs.
    `order_rules`: what is not as by default for its requests, explained by portal.requests.rules.
    A deleted source without `purge_at` was purged: its row stays for the requests that it once had.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="sources", on_delete="CASCADE")
    name = CharField(max_length=80)
    name_key = CharField(max_length=200)
    kind = CharField(max_length=30)
    state = CharField(max_length=20, default="draft")
    state_before = CharField(max_length=20, default="")
    supplier = CharField(max_length=60, default="")
    account_confirmed_at = UtcTime(null=True)
    setup_done = JsonText(default=list)
    allow_backorders = BooleanField(default=False)
    override_global = BooleanField(default=False)
    auto_process = BooleanField(default=False)
    order_rules = JsonText(default=dict)
    sku_prefix = CharField(max_length=20, default="")
    master_from = CharField(max_length=10, default="sku", constraints=[SQL("DEFAULT 'sku'")])
    currency = CharField(max_length=3, default="USD")
    item_count = IntegerField(default=0)
    version = IntegerField(default=1)
    created_at = UtcTime(default=now)
    activated_at = UtcTime(null=True)
    deleted_at = UtcTime(null=True)
    purge_at = UtcTime(null=True)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")


Source.add_index(
    Source.index(Source.merchant, Source.name_key, unique=True, where=Source.state != "deleted", name="source_name_of_merchant")
)


class Connection(Table):
    """Address and settings of one source, without secrets. `settings` follows the supplier's TOML.

    `trusted_key`: {"key_type", "fingerprint", "how", "by", "at"} once the merchant confirmed it.
    `checks`: the last test, a JSON list of the seven checks; `check_run_id`: its run, the only one that may write here.
    `certificate_ends`: when the server's certificate ends, as last seen on any connection to it.
    `state`: untested, ok or broken. `choices`: {setting key: [{"value", "label"}]} that the server offered when it was last tested.
    """

    id = BigAutoField()
    source = ForeignKeyField(Source, backref="connections", unique=True, on_delete="CASCADE")
    settings = JsonText(default=dict)
    trusted_key = JsonText(null=True)
    offered_key = JsonText(null=True)
    checks = JsonText(default=list)
    check_run_id = BigIntegerField(null=True)
    listing = JsonText(default=list)
    choices = JsonText(default=dict)
    state = CharField(max_length=20, default="untested")
    tested_at = UtcTime(null=True)
    refused_sign_ins = JsonText(default=list)
    certificate_ends = UtcTime(null=True)
    version = IntegerField(default=1)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")


class Circuit(Table):
    """Failures in a row of the server of one source; no row while there are none.

    `until`: set once it is open: until then nothing is asked by itself. `opened`: how many times, so that each rest is longer.
    """

    id = BigAutoField()
    source = ForeignKeyField(Source, unique=True, on_delete="CASCADE")
    failures = IntegerField(default=0)
    opened = IntegerField(default=0)
    headline = CharField(max_length=200, default="")
    until = UtcTime(null=True)


class SealedSecret(Table):
    """One credential of one source, sealed. `hint` is what may be shown, such as "ends in ..4f2a"."""

    id = BigAutoField()
    source = ForeignKeyField(Source, backref="secrets", on_delete="CASCADE")
    field = CharField(max_length=60)
    sealed = TextField()
    hint = CharField(max_length=60, default="")
    saved_at = UtcTime(default=now)
    saved_by = CharField(max_length=254, default="")

    class Meta:
        indexes = ((("source", "field"), True),)


class Integration(Table):
    """One operation of one source. `kind`: get_inventory_primary, get_inventory_secondary, send_orders, get_shipments or
    get_acknowledgements; of a channel's line get_channel_orders, send_tracking and send_listings.

    `settings` for files: {"folder", "match": "newest"|"exact", "pattern", "format": {FeedFormat fields}};
    for send_orders also {"auto_send", "layout", "file_name"}.
    `schedule`: {"every_minutes": 60} or {"days": [0..6, Monday 0], "times": ["08:00"]} in the merchant's zone.
    `failures`: refused or failed runs since the last accepted one.
    `policies`: what is not as by default: {"guards": {limit: value}, "feed": "full"|"delta", "missing": {...}, "owns": [column],
    "silence": {...}, "freshness": {...}, "after_read": {...}}; each part is explained by the module that reads it.
    `late_since`: when its expected-by time passed without an accepted feed; `expected_by`: that time, as the clock last reckoned it.
    `watched_since`: from when on feeds are expected of it without a rest. `accepted_late`: whether the last accepted feed came after
    its time. `file_since`: when the content of the last accepted file was first accepted.
    `removed_at`: taken away by a person (Get Inventory Secondary only); the row stays, as its runs and mappings explain values.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    source = ForeignKeyField(Source, backref="integrations", on_delete="CASCADE")
    kind = CharField(max_length=30)
    enabled = BooleanField(default=False)
    paused = BooleanField(default=False)
    settings = JsonText(default=dict)
    schedule = JsonText(default=dict)
    next_run_at = UtcTime(null=True, index=True)
    mapping_version = IntegerField(default=0)
    sample_document_id = BigIntegerField(null=True)
    last_run_id = BigIntegerField(null=True)
    last_accepted_run_id = BigIntegerField(null=True)
    last_accepted_at = UtcTime(null=True)
    failures = IntegerField(default=0)
    policies = JsonText(default=dict)
    late_since = UtcTime(null=True)
    expected_by = UtcTime(null=True)
    watched_since = UtcTime(null=True)
    accepted_late = BooleanField(default=False)
    file_since = UtcTime(null=True)
    removed_at = UtcTime(null=True)
    version = IntegerField(default=1)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        indexes = ((("source", "kind"), True),)

    @classmethod
    def on(cls) -> Any:
        """Predicate: turned on and not paused."""
        return (cls.enabled == True) & (cls.paused == False)  # noqa: E712


class LatePeriod(Table):
    """A time in which an integration was late; at most one is open (a partial unique index).

    `cause`: absent (no feed was accepted) or same_file. `ended`: accepted, rested (paused, off, nothing expected) or rule (the
    rule or the schedule changed); "" while it is open.
    """

    id = BigAutoField()
    integration = ForeignKeyField(Integration, on_delete="CASCADE", index=False)
    since = UtcTime()
    cause = CharField(max_length=20)
    noted_at = UtcTime(default=now)
    ended_at = UtcTime(null=True)
    ended = CharField(max_length=20, default="")

    class Meta:
        indexes = ((("integration", "since"), False),)


LatePeriod.add_index(
    LatePeriod.index(LatePeriod.integration, unique=True, where=LatePeriod.ended_at.is_null(), name="late_period_open_of_integration")
)


class MappingVersion(Table):
    """One saved mapping of one integration; older versions stay. `headers`: the columns it was made on.

    `contract`: what the columns of the last accepted feed looked like: {"columns": [{"name", "shape", "sketch"}]}.
    """

    id = BigAutoField()
    integration = ForeignKeyField(Integration, backref="mappings", on_delete="CASCADE")
    number = IntegerField()
    rules = JsonText(default=dict)
    headers = JsonText(default=list)
    contract = JsonText(null=True)
    made_at = UtcTime(default=now)
    made_by = ForeignKeyField(User, null=True, on_delete="SET NULL")

    class Meta:
        indexes = ((("integration", "number"), True),)


class OauthGrant(Table):
    """What a merchant allowed us at a supplier, sealed. `scope`: what was granted.

    `refreshing_until`: one process has taken it on itself to renew the tokens until then. `version` grows with each new pair.
    `ended_at`: the supplier accepts it no longer; a person must sign in again.
    """

    id = BigAutoField()
    source = ForeignKeyField(Source, unique=True, on_delete="CASCADE")
    sealed = TextField()
    scope = TextField(default="")
    expires_at = UtcTime()
    refreshing_until = UtcTime(null=True)
    version = IntegerField(default=1)
    granted_by = CharField(max_length=254, default="")
    granted_at = UtcTime(default=now)
    ended_at = UtcTime(null=True)


class OauthRequest(Table):
    """One sign-in under way: the hash of its state, the session it belongs to, its sealed PKCE verifier. Used once, within minutes."""

    id = BigAutoField()
    state_hash = CharField(max_length=64, unique=True)
    source = ForeignKeyField(Source, on_delete="CASCADE")
    session_hash = CharField(max_length=64)
    sealed_verifier = TextField()
    redirect = CharField(max_length=500)
    ends_at = UtcTime(index=True)
    used_at = UtcTime(null=True)
