"""Listings: products as a channel shows them, the acts that make many at once, and the link that a shop polls."""

from __future__ import annotations

from peewee import SQL, BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.catalogue import Product
from portal.models.channels import Channel
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id


class ListingBatch(Table):
    """One act of listing many products on a channel: looked at first, then applied, and undone within 7 days.

    `query`: what the products are searched by, "" for all. `state`: looking, ready, applying, applied, undoing, undone or stopped.
    `begin_as`: live or paused. `unpriced`: 1 lists also what has no price yet. `run_id`: its latest run.
    `counts`: of the look "products", "create", "listed", "clash", "long", "no_price" and "samples" {of those: [[Master SKU, title]]};
    then "made", "passed_over", "taken_back", "kept" and "gone".
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    channel = ForeignKeyField(Channel, backref="batches", on_delete="CASCADE", index=False)
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    query = CharField(max_length=140, default="")
    state = CharField(max_length=10, default="looking")
    begin_as = CharField(max_length=10, default="live")
    unpriced = SmallIntegerField(default=0)
    run_id = BigIntegerField(null=True)
    counts = JsonText(default=dict)
    at = UtcTime(default=now)
    by = CharField(max_length=254, default="")
    applied_at = UtcTime(null=True)
    undone_at = UtcTime(null=True)

    class Meta:
        table_name = "listing_batch"
        indexes = ((("channel", "id"), False), (("merchant", "state"), False))


class Listing(Table):
    """A product on a channel. `sku`: the Listing SKU. A product is on a channel once.

    `title`, `price` (ten-thousandths of the channel's currency), `buffer` and `cap` (units): its own, NULL where the channel's rule
    counts. `state`: live, paused (offered with 0 units) or ended (0 units for 7 days, then none).
    `batch`: what made it, None for a person.
    `their_id`: what the store calls it; `pushed_price`, `pushed_quantity`: what the store was told last, at `pushed_at`; NULL while that
    is to be told. `push_state`: a key of portal.pushing.STATES, with `push_said` in words; `store_price`, `store_quantity`: what the
    store had when we last looked, at `asked_at`, or took since.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    channel = ForeignKeyField(Channel, backref="listings", on_delete="CASCADE", index=False)
    product = ForeignKeyField(Product, backref="listings", on_delete="CASCADE", index=False)
    sku = CharField(max_length=160)
    title = CharField(max_length=500, null=True)
    price = BigIntegerField(null=True)
    buffer = IntegerField(null=True)
    cap = IntegerField(null=True)
    state = CharField(max_length=10, default="live")
    batch = ForeignKeyField(ListingBatch, null=True, backref="listings", on_delete="SET NULL")
    their_id = CharField(max_length=120, default="")
    pushed_price = BigIntegerField(null=True)
    pushed_quantity = BigIntegerField(null=True)
    pushed_at = UtcTime(null=True)
    push_state = CharField(max_length=10, default="", constraints=[SQL("DEFAULT ''")])
    push_said = CharField(max_length=300, default="", constraints=[SQL("DEFAULT ''")])
    store_price = BigIntegerField(null=True)
    store_quantity = BigIntegerField(null=True)
    asked_at = UtcTime(null=True)
    version = IntegerField(default=1)
    created_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        indexes = ((("channel", "sku"), True), (("product", "channel"), True), (("channel", "state", "sku"), False))


class FeedLink(Table):
    """The address from which a shop fetches a channel's listings. `token_hash`: SHA-256 of its unguessable part, `sealed_token` that part.

    `polled_at`: the last poll, noted at most once a minute, `polled_from` by whom, `polled_status` what it was answered.
    """

    id = BigAutoField()
    channel = ForeignKeyField(Channel, unique=True, backref="+", on_delete="CASCADE")
    token_hash = CharField(max_length=64, unique=True)
    sealed_token = TextField()
    made_at = UtcTime(default=now)
    made_by = CharField(max_length=254, default="")
    polled_at = UtcTime(null=True)
    polled_from = CharField(max_length=45, default="")
    polled_status = SmallIntegerField(default=0)

    class Meta:
        table_name = "feed_link"


class ChannelPush(Table):
    """How price and quantity of a channel's listings go to its store. `state`: off or on. `prices`: 0 sends quantities alone.

    `place`: the store's id of the location where units are set, "" where it has none. `share` (percent of the live listings), `least`
    (listings) and `move` (percent of a price) are the guard's. `looked`: counts and samples of the last look, at `looked_at`. `held`: what
    waits for a person, {} for nothing. `compared_at`, `audited_to`: up to when, and to which line of the audit log, offers were
    compared. `due_at`: when it goes again by itself, NULL while nothing is to be sent.
    """

    id = BigAutoField()
    channel = ForeignKeyField(Channel, unique=True, backref="+", on_delete="CASCADE")
    state = CharField(max_length=10, default="off")
    prices = SmallIntegerField(default=1)
    place = CharField(max_length=120, default="")
    place_name = CharField(max_length=120, default="")
    share = SmallIntegerField(default=30)
    least = IntegerField(default=20)
    move = SmallIntegerField(default=50)
    looked = JsonText(default=dict)
    looked_at = UtcTime(null=True)
    held = JsonText(default=dict)
    compared_at = UtcTime(null=True)
    audited_to = IntegerField(default=0)
    due_at = UtcTime(null=True)
    version = IntegerField(default=1)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "channel_push"


class ListingPush(Table):
    """What a store was sent of one listing: old and new, NULL for what was left as it is. `outcome`: "" under way, sent, refused, not_sent,
    unknown. Written before it leaves, so that a killed worker leaves its word.
    """

    id = BigAutoField()
    listing = ForeignKeyField(Listing, backref="pushes", on_delete="CASCADE", index=False)
    run_id = BigIntegerField(null=True)
    at = UtcTime(default=now)
    old_price = BigIntegerField(null=True)
    new_price = BigIntegerField(null=True)
    old_quantity = BigIntegerField(null=True)
    new_quantity = BigIntegerField(null=True)
    outcome = CharField(max_length=10, default="")
    said = CharField(max_length=300, default="")

    class Meta:
        table_name = "listing_push"
        indexes = ((("listing", "id"), False),)


ListingPush.add_index(ListingPush.listing, where=ListingPush.outcome == "", name="listing_push_open")
