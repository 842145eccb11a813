"""What a SOAP service offers, and what we ask it for."""

from __future__ import annotations

from peewee import BigAutoField, CharField, ForeignKeyField, IntegerField, TextField

from portal.clock import now
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime
from portal.models.sources import Source


class ServiceDescription(Table):
    """The WSDL of one source and the call that is made by it.

    `packed`: the WSDL with its schemas (soap_files.Files), `digest` of them; `extra`: schemas that a person added to a WSDL that is
    read by address.
    `orders_packed`, `shipments_packed`: the WSDL of another service that takes orders, or tells shipments, "" where there is none.
    `outline`: {"operations": [{"key", "name", "version", "arguments", "lists", …}]}, {} until it was read.
    `call`: {"operation", "arguments": {path: {"from", "lines"}}, "items", "errors_at", "errors_good", "products": [id]}.
    `changes`: what was other at the last reading than before, in words, seen at `changes_at`.
    """

    id = BigAutoField()
    source = ForeignKeyField(Source, unique=True, on_delete="CASCADE")
    packed = TextField(default="")
    digest = CharField(max_length=64, default="")
    extra = TextField(default="")
    orders_packed = TextField(default="")
    shipments_packed = TextField(default="")
    outline = JsonText(default=dict)
    call = JsonText(default=dict)
    read_at = UtcTime(null=True)
    changes = TextField(default="")
    changes_at = UtcTime(null=True)
    version = IntegerField(default=1)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")
