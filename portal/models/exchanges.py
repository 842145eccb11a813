"""The story of what went over the line to a supplier's API."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import UtcTime
from portal.models.sources import Source


class Exchange(Table):
    """One request and its answer, without secrets. `address` has no query; bodies are cut; `status` None: no answer came."""

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
    run_id = BigIntegerField(null=True)
    at = UtcTime(default=now, index=True)
    method = CharField(max_length=10)
    address = CharField(max_length=1000)
    status = IntegerField(null=True)
    milliseconds = IntegerField()
    sent = BigIntegerField(default=0)
    received = BigIntegerField(default=0)
    request = TextField(default="")
    answer = TextField(default="")
    problem = CharField(max_length=200, default="")

    class Meta:
        indexes = ((("source", "id"), False),)
