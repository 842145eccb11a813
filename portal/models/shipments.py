"""Shipments as suppliers told them, matched to the lines of requests or waiting to be."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, Check, ForeignKeyField, IntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.orders import FulfillmentRequest, RequestLine
from portal.models.sources import Source


class Shipment(Table):
    """One parcel, or what a supplier told as one. `state`: matched, unmatched, voided (corrected away) or ignored (by a person).

    `reference`: the request as the supplier named it. `tracking_key`: the number without spaces and signs, in capitals.
    `carrier_key`: a key of portal.shipments.carriers.CARRIERS, "" where it is not known; `carrier`, `method` as told.
    `why`: in words, why it is unmatched. `corrects`: the shipment whose tracking number this one replaces.
    `channel_state`: "" nothing to tell, waiting, told or failed; `channel_said` its last error. `cost`: ten-thousandths.
    `told`: how often it was told; `document_id`, `run_id`, `row`: the first time.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, backref="shipments", on_delete="CASCADE", index=False)
    request = ForeignKeyField(FulfillmentRequest, null=True, backref="shipments", on_delete="CASCADE")
    state = CharField(max_length=10)
    reference = CharField(max_length=120)
    tracking_number = CharField(max_length=80)
    tracking_key = CharField(max_length=80)
    carrier = CharField(max_length=60, default="")
    carrier_key = CharField(max_length=20, default="")
    method = CharField(max_length=60, default="")
    shipped_at = UtcTime(null=True)
    cost = BigIntegerField(null=True)
    note = CharField(max_length=500, default="")
    why = CharField(max_length=500, default="")
    suggestions = JsonText(default=list)
    corrects = ForeignKeyField("self", null=True, backref="+", on_delete="SET NULL")
    came_by = CharField(max_length=10)
    document_id = BigIntegerField(null=True)
    run_id = BigIntegerField(null=True)
    row = IntegerField(null=True)
    told = IntegerField(default=1)
    channel_state = CharField(max_length=10, default="")
    channel_said = CharField(max_length=300, default="")
    created_at = UtcTime(default=now)
    created_by = CharField(max_length=254, default="")
    changed_at = UtcTime(default=now)

    class Meta:
        indexes = (
            (("merchant", "state", "id"), False),
            (("merchant", "tracking_key"), False),
            (("source", "reference"), False),
            (("source", "id"), False),
        )


class ShipmentItem(Table):
    """What of a SKU is in a shipment. `line` None: unmatched. `quantity` as told; of a matched one it counts as shipped."""

    id = BigAutoField()
    shipment = ForeignKeyField(Shipment, backref="items", on_delete="CASCADE")
    line = ForeignKeyField(RequestLine, null=True, backref="shipment_items", on_delete="CASCADE")
    sku = CharField(max_length=120, default="")
    quantity = IntegerField(null=True)

    class Meta:
        table_name = "shipment_item"
        constraints = [Check("quantity IS NULL OR quantity > 0")]
