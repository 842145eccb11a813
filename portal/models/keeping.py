"""What a workspace takes along, what was erased for good, and how long the rest is kept."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id


class WorkspaceExport(Table):
    """Everything of a merchant as one zip. `state`: making, ready, failed or gone. `stored_name`: in the spool, None unless ready.

    `with_files`: 1 where the raw files are in it. `counts`: {name of a table in it: rows}.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE")
    with_files = SmallIntegerField(default=0)
    state = CharField(max_length=10, default="making")
    stored_name = CharField(max_length=120, null=True)
    size = BigIntegerField(null=True)
    sha256 = CharField(max_length=64, default="")
    counts = JsonText(default=dict)
    made_by = CharField(max_length=254, default="")
    made_at = UtcTime(default=now)
    ends_at = UtcTime(index=True)
    downloads = IntegerField(default=0)

    class Meta:
        table_name = "workspace_export"


class Erasure(Table):
    """A person whose personal fields were overwritten. `kind`: person (a customer) or user (somebody who signed in here).

    `state`: waiting or done. `sealed`: what was searched for, sealed, until it is done. `marks`: {"hashes": [keyed hashes of what was
    erased], "orders": [public ids], "user": public id}: with them it is done again in a database that was restored from before it.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE")
    kind = CharField(max_length=10)
    state = CharField(max_length=10, default="waiting")
    sealed = TextField(null=True)
    marks = JsonText(default=dict)
    counts = JsonText(default=dict)
    reason = CharField(max_length=200, default="")
    made_by = CharField(max_length=254, default="")
    made_at = UtcTime(default=now)
    done_at = UtcTime(null=True)


class Retention(Table):
    """For how many days a merchant keeps things, where that is not as by default (None). `kept_on`: day of the last sweep, 2026-11-27.

    `persons`: of customers whose orders are finished (None: until somebody erases them); `audit`: None for good.
    """

    merchant = ForeignKeyField(Merchant, primary_key=True, on_delete="CASCADE")
    files = IntegerField(null=True)
    exchanges = IntegerField(null=True)
    persons = IntegerField(null=True)
    audit = IntegerField(null=True)
    kept_on = CharField(max_length=10, default="")
    version = IntegerField(default=1)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")
