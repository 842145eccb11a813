"""What a plan holds and what a merchant keeps out of it: limits, usage by day, exclusion rules, and the journal of both."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, CompositeKey, ForeignKeyField, IntegerField, SmallIntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.runs import Run
from portal.models.sources import Source


class PlanLimit(Table):
    """How much a merchant's plan holds; None, and no row at all, for no limit. `skus`: counted items; `orders`: of a month."""

    merchant = ForeignKeyField(Merchant, primary_key=True, backref="+", on_delete="CASCADE")
    skus = IntegerField(null=True)
    orders = IntegerField(null=True)
    sources = IntegerField(null=True)
    channels = IntegerField(null=True)
    users = IntegerField(null=True)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")


class UsageDay(Table):
    """What a merchant used on one day, as last looked at that day. `day`: as 2026-11-27, by UTC. `skus_limit`: None for none."""

    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    day = CharField(max_length=10)
    counted = IntegerField()
    excluded = IntegerField()
    archived = IntegerField()
    waiting = IntegerField()
    skus_limit = IntegerField(null=True)
    at = UtcTime(default=now)

    class Meta:
        primary_key = CompositeKey("merchant", "day")


class Exclusion(Table):
    """A rule that keeps items out. `source`: whose; None: those of every source. Rules are asked in the order of their ids.

    `kind`: rule, of which `definition` is as portal.exclusions.rules says; or skus, a list in ExclusionSku.
    `state`: on, paused or deleted (kept for what the journal says of it). `run_id`: the run that applies its latest change.
    `counted`: items that it kept out at `counted_at`; None while it was not applied yet.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, null=True, backref="+", on_delete="CASCADE")
    name = CharField(max_length=80)
    kind = CharField(max_length=10, default="rule")
    definition = JsonText(default=dict)
    state = CharField(max_length=10, default="on")
    made_by = CharField(max_length=254, default="")
    made_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")
    changed_at = UtcTime(default=now)
    version = IntegerField(default=1)
    run_id = BigIntegerField(null=True)
    counted = IntegerField(null=True)
    counted_at = UtcTime(null=True)

    class Meta:
        indexes = ((("merchant", "state"), False),)


class ExclusionSku(Table):
    """A SKU of a source that a rule of kind "skus" names, whether the source has such an item now or not."""

    exclusion = ForeignKeyField(Exclusion, backref="+", on_delete="CASCADE", index=False)
    source_id = BigIntegerField()
    sku = CharField(max_length=120)

    class Meta:
        primary_key = CompositeKey("exclusion", "source_id", "sku")


class KeptOutChange(Table):
    """The journal: an item went out of the catalogue, or came in. `was`, `became`: as InventoryItem.kept_out; `was` None: it was new.

    `exclusion_id`: by which rule, of those that became 1.
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    source_id = BigIntegerField()
    run = ForeignKeyField(Run, backref="+", on_delete="CASCADE", index=False)
    item_id = BigIntegerField()
    sku = CharField(max_length=120)
    was = SmallIntegerField(null=True)
    became = SmallIntegerField()
    exclusion_id = BigIntegerField(null=True)
    at = UtcTime(default=now)

    class Meta:
        indexes = ((("run", "id"), False), (("item_id", "id"), False))
