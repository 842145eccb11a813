"""Support staff, their sessions and views; what merchants allow them; sources that were reset; servers that do not work."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, IntegerField, Model, TextField

from portal.models.fields import UtcTime


def up(_: Any, db: Any) -> None:
    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class StaffPerson(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        email = CharField(max_length=254, unique=True)
        password_hash = CharField(max_length=255)
        data_key = TextField()
        sealed_key = TextField()
        last_step = BigIntegerField()
        disabled_at = UtcTime(null=True)
        created_at = UtcTime()
        seen_at = UtcTime(null=True)

        class Meta:
            database = db
            table_name = "staff_person"

    class StaffSession(Model):
        id = BigAutoField()
        token_hash = CharField(max_length=64, unique=True)
        staff = ForeignKeyField(StaffPerson, backref="+", on_delete="CASCADE")
        csrf = CharField(max_length=64)
        address = CharField(max_length=64)
        browser = CharField(max_length=200)
        notice = TextField(null=True)
        created_at = UtcTime()
        seen_at = UtcTime()
        ends_at = UtcTime()

        class Meta:
            database = db
            table_name = "staff_session"

    class StaffFormToken(Model):
        id = BigAutoField()
        token = CharField(max_length=64)
        user = ForeignKeyField(StaffPerson, column_name="staff_id", backref="+", on_delete="CASCADE")
        location = TextField(null=True)
        at = UtcTime(index=True)

        class Meta:
            database = db
            table_name = "staff_form_token"
            indexes = ((("user", "token"), True),)

    class SupportView(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        staff = ForeignKeyField(StaffPerson, backref="+", on_delete="CASCADE")
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
        reason = CharField(max_length=400)
        ticket = CharField(max_length=60)
        begun_at = UtcTime()
        ends_at = UtcTime()
        ended_at = UtcTime(null=True)

        class Meta:
            database = db
            table_name = "support_view"
            indexes = ((("merchant", "ends_at"), False),)

    class SupportGrant(Model):
        id = BigAutoField()
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE", index=False)
        given_by = CharField(max_length=254)
        given_at = UtcTime()
        ends_at = UtcTime()
        ended_at = UtcTime(null=True)
        ended_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "support_grant"
            indexes = ((("merchant", "ends_at"), False),)

    class SourceReset(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, backref="+", on_delete="CASCADE")
        source = ForeignKeyField(Source, backref="+", on_delete="CASCADE")
        staff = CharField(max_length=254)
        reason = CharField(max_length=400)
        ticket = CharField(max_length=60)
        step = CharField(max_length=20)
        before = TextField()
        items = IntegerField()
        act_id = BigIntegerField(null=True)
        at = UtcTime()
        until = UtcTime()
        restored_at = UtcTime(null=True)
        restored_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "source_reset"

    class SupplierOutage(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        host = CharField(max_length=255)
        words = CharField(max_length=400)
        begun_by = CharField(max_length=254)
        begun_at = UtcTime()
        ended_at = UtcTime(null=True, index=True)
        ended_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "supplier_outage"

    tables = [StaffPerson, StaffSession, StaffFormToken, SupportView, SupportGrant, SourceReset, SupplierOutage]
    db.create_tables(tables, safe=False)
