"""Sign-ins at suppliers: what was granted, and those that are under way."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "source"

    class OauthGrant(Model):
        id = BigAutoField()
        source = ForeignKeyField(Source, unique=True, on_delete="CASCADE", backref="+")
        sealed = TextField()
        scope = TextField()
        expires_at = DateTimeField()
        refreshing_until = DateTimeField(null=True)
        version = IntegerField()
        granted_by = CharField(max_length=254)
        granted_at = DateTimeField()
        ended_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "oauth_grant"

    class OauthRequest(Model):
        id = BigAutoField()
        state_hash = CharField(max_length=64, unique=True)
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        session_hash = CharField(max_length=64)
        sealed_verifier = TextField()
        redirect = CharField(max_length=500)
        ends_at = DateTimeField(index=True)
        used_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "oauth_request"

    db.create_tables([OauthGrant, OauthRequest], safe=False)
