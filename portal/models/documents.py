"""Files that came in: fetched, uploaded or sampled; and which of them each run read. The bytes lie in the spool folder."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, SmallIntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import UtcTime, new_public_id
from portal.models.runs import Run
from portal.models.sources import Integration, Source


class Document(Table):
    """One raw file, as it came. `stored_name` is relative to the spool folder; None once erased by age.

    `etag` and `asked`, the digest of the link, are of files behind a link.
    """

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
    etag = CharField(max_length=200, default="")
    asked = CharField(max_length=64, default="")
    stored_name = CharField(max_length=120, null=True)
    at = UtcTime(default=now)
    erase_at = UtcTime(null=True, index=True)


class RunFile(Table):
    """One file of a run, in the order of `place`. Files of accepted runs count as read.

    `kind`: file; repeat (the same bytes were read before, so it was not read again); left_out (a person said that no run shall read
    it as it is); or marker (it says that others are finished).
    `path`, `size`, `modified`: at the supplier, as it was read; "" for an upload. `document` is None for a marker.
    `rows_before`: what its row numbers are raised by in this run.
    `act`: what becomes of it at the supplier after the run was accepted: "" nothing, waiting, done, left or failed;
    `act_at` when to try, `act_tries` so far, `act_said` the outcome in words, `put_to` where it goes.
    """

    id = BigAutoField()
    run = ForeignKeyField(Run, backref="files", on_delete="CASCADE")
    integration = ForeignKeyField(Integration, null=True, backref="+", on_delete="CASCADE", index=False)
    document = ForeignKeyField(Document, null=True, backref="+", on_delete="CASCADE")
    kind = CharField(max_length=10, default="file")
    place = IntegerField()
    path = CharField(max_length=1000, default="")
    size = BigIntegerField(null=True)
    modified = UtcTime(null=True)
    rows_before = IntegerField(default=0)
    act = CharField(max_length=10, default="")
    act_at = UtcTime(null=True)
    act_tries = SmallIntegerField(default=0)
    act_said = CharField(max_length=300, default="")
    put_to = CharField(max_length=1000, default="")

    class Meta:
        table_name = "run_file"
        indexes = ((("integration", "path"), False), (("act", "act_at"), False))
