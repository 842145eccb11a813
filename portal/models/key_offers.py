"""Keys that a store hands over by itself, until the person who asked for one takes it."""

from __future__ import annotations

from peewee import BigAutoField, CharField, ForeignKeyField, TextField

from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime
from portal.models.sources import Source


class KeyOffer(Table):
    """A key that was asked for, or has come. `token_hash`: of the text by which it is known outside; used once, within minutes.

    `session_hash`: of the session that asked, "" where the store began by itself. `store`: which one it must be of. `sealed` is the key,
    "" until it came; `told` what the store said of it, without a secret.
    """

    id = BigAutoField()
    token_hash = CharField(max_length=64, unique=True)
    source = ForeignKeyField(Source, on_delete="CASCADE")
    kind = CharField(max_length=20)
    session_hash = CharField(max_length=64, default="")
    store = CharField(max_length=500)
    sealed = TextField(default="")
    told = JsonText(default=dict)
    ends_at = UtcTime(index=True)
    received_at = UtcTime(null=True)
    used_at = UtcTime(null=True)
