"""Support staff, who belong to no merchant; what they look at and change for one, and what merchants allow them."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.sources import Source


class StaffPerson(Table):
    """One person of the support staff. `data_key` seals `sealed_key`, the key of their app of codes; `last_step`: of the last code used."""

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    email = CharField(max_length=254, unique=True)
    password_hash = CharField(max_length=255)
    data_key = TextField()
    sealed_key = TextField()
    last_step = BigIntegerField(default=0)
    disabled_at = UtcTime(null=True)
    created_at = UtcTime(default=now)
    seen_at = UtcTime(null=True)

    class Meta:
        table_name = "staff_person"


class StaffSession(Table):
    """A sign-in of support staff. Only the hash of its token is kept. `notice`: {"words", "at"} left for the next page."""

    id = BigAutoField()
    token_hash = CharField(max_length=64, unique=True)
    staff = ForeignKeyField(StaffPerson, backref="+", on_delete="CASCADE")
    csrf = CharField(max_length=64)
    address = CharField(max_length=64, default="")
    browser = CharField(max_length=200, default="")
    notice = JsonText(null=True)
    created_at = UtcTime(default=now)
    seen_at = UtcTime(default=now)
    ends_at = UtcTime()

    class Meta:
        table_name = "staff_session"


class StaffFormToken(Table):
    """A form that support staff sent once; as FormToken."""

    id = BigAutoField()
    token = CharField(max_length=64)
    user = ForeignKeyField(StaffPerson, column_name="staff_id", backref="+", on_delete="CASCADE")
    location = TextField(null=True)
    at = UtcTime(default=now, index=True)

    class Meta:
        table_name = "staff_form_token"
        indexes = ((("user", "token"), True),)


class SupportView(Table):
    """Support staff look at a workspace as its people see it, until `ends_at`, or `ended_at` where that comes first."""

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    staff = ForeignKeyField(StaffPerson, backref="+", on_delete="CASCADE")
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    reason = CharField(max_length=400)
    ticket = CharField(max_length=60)
    begun_at = UtcTime(default=now)
    ends_at = UtcTime()
    ended_at = UtcTime(null=True)

    class Meta:
        table_name = "support_view"
        indexes = ((("merchant", "ends_at"), False),)


class SupportGrant(Table):
    """A merchant allows support staff to change things for it, until `ends_at`, or `ended_at` where that comes first."""

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
    given_by = CharField(max_length=254)
    given_at = UtcTime(default=now)
    ends_at = UtcTime()
    ended_at = UtcTime(null=True)
    ended_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "support_grant"
        indexes = ((("merchant", "ends_at"), False),)


class SourceReset(Table):
    """Support staff put a source back to a step of its set-up.

    `before`: {"state", "setup_done", "integrations": {id: {column: value}}} of the source as it was. `act_id`: the act that removed the
    items, None where they were kept; `items`: how many there were.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE")
    source = ForeignKeyField(Source, backref="+", on_delete="CASCADE")
    staff = CharField(max_length=254)
    reason = CharField(max_length=400)
    ticket = CharField(max_length=60)
    step = CharField(max_length=20)
    before = JsonText(default=dict)
    items = IntegerField(default=0)
    act_id = BigIntegerField(null=True)
    at = UtcTime(default=now)
    until = UtcTime()
    restored_at = UtcTime(null=True)
    restored_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "source_reset"


class SupplierOutage(Table):
    """What support staff say of a server that does not work, to every merchant with a source at that `host`."""

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    host = CharField(max_length=255)
    words = CharField(max_length=400)
    begun_by = CharField(max_length=254)
    begun_at = UtcTime(default=now)
    ended_at = UtcTime(null=True, index=True)
    ended_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "supplier_outage"
