"""The append-only audit log, one hash chain per merchant."""

from __future__ import annotations

from peewee import SQL, BigAutoField, CharField, ForeignKeyField, IntegerField, SmallIntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime


class AuditLine(Table):
    """Who did what to what, from where, before and after; `hash` covers the line and the one before it.

    `device`: the browser or program as it named itself. `staff`: 1 where one of the installation's support staff acted.
    """

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE")
    number = IntegerField()
    at = UtcTime(default=now)
    who = CharField(max_length=254)
    address = CharField(max_length=64, default="")
    device = CharField(max_length=200, default="", constraints=[SQL("DEFAULT ''")])
    staff = SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    action = CharField(max_length=80)
    object_kind = CharField(max_length=40, default="")
    object_id = CharField(max_length=32, default="")
    before = JsonText(null=True)
    after = JsonText(null=True)
    previous_hash = CharField(max_length=64, default="")
    hash = CharField(max_length=64)

    class Meta:
        indexes = ((("merchant", "number"), True), (("merchant", "object_id"), False))
