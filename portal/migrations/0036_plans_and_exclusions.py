"""Limits of a plan, usage by day, exclusion rules, and the journal of what went out of the catalogue and came in."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(_: Any, db: Any) -> None:
    class Known(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Merchant(Known):
        pass

    class Source(Known):
        pass

    class Run(Known):
        pass

    class PlanLimit(Model):
        merchant = ForeignKeyField(Merchant, primary_key=True, backref="+", on_delete="CASCADE")
        skus = IntegerField(null=True)
        orders = IntegerField(null=True)
        sources = IntegerField(null=True)
        channels = IntegerField(null=True)
        users = IntegerField(null=True)
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "plan_limit"

    class UsageDay(Model):
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
        day = CharField(max_length=10)
        counted = IntegerField()
        excluded = IntegerField()
        archived = IntegerField()
        waiting = IntegerField()
        skus_limit = IntegerField(null=True)
        at = DateTimeField()

        class Meta:
            database = db
            table_name = "usage_day"
            primary_key = CompositeKey("merchant", "day")

    class Exclusion(Known):
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, null=True, backref="+", on_delete="CASCADE")
        name = CharField(max_length=80)
        kind = CharField(max_length=10)
        definition = TextField()
        state = CharField(max_length=10)
        made_by = CharField(max_length=254)
        made_at = DateTimeField()
        changed_by = CharField(max_length=254)
        changed_at = DateTimeField()
        version = IntegerField()
        run_id = BigIntegerField(null=True)
        counted = IntegerField(null=True)
        counted_at = DateTimeField(null=True)

        class Meta:
            indexes = ((("merchant", "state"), False),)

    class ExclusionSku(Model):
        exclusion = ForeignKeyField(Exclusion, backref="+", on_delete="CASCADE", index=False)
        source_id = BigIntegerField()
        sku = CharField(max_length=120)

        class Meta:
            database = db
            table_name = "exclusion_sku"
            primary_key = CompositeKey("exclusion", "source_id", "sku")

    class KeptOutChange(Known):
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
        source_id = BigIntegerField()
        run = ForeignKeyField(Run, backref="+", on_delete="CASCADE", index=False)
        item_id = BigIntegerField()
        sku = CharField(max_length=120)
        was = SmallIntegerField(null=True)
        became = SmallIntegerField()
        exclusion_id = BigIntegerField(null=True)
        at = DateTimeField()

        class Meta:
            table_name = "kept_out_change"
            indexes = ((("run", "id"), False), (("item_id", "id"), False))

    db.create_tables([PlanLimit, UsageDay, Exclusion, ExclusionSku, KeptOutChange], safe=False)
