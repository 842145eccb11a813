"""Files that came in: fetched, uploaded or sampled. The bytes lie in the spool folder."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import UtcTime, new_public_id
from portal.models.sources import Source


class Document(Table):
    """One raw file, as it came. `stored_name` is relative to the spool folder; None once erased by age."""

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE")
    source = ForeignKeyField(Source, backref="documents", on_delete="CASCADE")
    run_id = BigIntegerField(null=True, index=True)
    origin = CharField(max_length=20, default="fetched")
    name = CharField(max_length=255)
    remote_path = CharField(max_length=1000, default="")
    size = BigIntegerField()
    sha256 = CharField(max_length=64)
    modified = UtcTime(null=True)
    stored_name = CharField(max_length=120, null=True)
    at = UtcTime(default=now)
    erase_at = UtcTime(null=True, index=True)
