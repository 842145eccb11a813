"""What a person does to many inventory items at once, and which items those are: kept apart from the search that chose them."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, CompositeKey, ForeignKeyField, SmallIntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id


class BulkAct(Table):
    """One act on many items: chosen first, then confirmed, and undone within 7 days where it can be.

    `act`: a key of portal.bulk_acts.acts.ACTS. `asked`: {"q", "stock", "source": public id} of the search, {} where items were ticked.
    `options`: what was chosen beside the act. `state`: gathering, ready, doing, done, undoing, undone or left. `run_id`: its latest run;
    `runs`: all that carried it out. `chosen_at`: items that came later are none of it.
    `counts`: "chosen", then "done", "already", "gone", "held", "ruled", "back", "kept", "let_in" and "no_room".
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    act = CharField(max_length=12)
    asked = JsonText(default=dict)
    options = JsonText(default=dict)
    state = CharField(max_length=10, default="gathering")
    run_id = BigIntegerField(null=True)
    runs = JsonText(default=list)
    counts = JsonText(default=dict)
    at = UtcTime(default=now)
    by = CharField(max_length=254, default="")
    chosen_at = UtcTime(null=True)
    applied_at = UtcTime(null=True)
    undone_at = UtcTime(null=True)

    class Meta:
        table_name = "bulk_act"
        indexes = ((("merchant", "id"), False),)


class BulkItem(Table):
    """An item of an act. `done`: the act changed it, and 2 once that was undone. `was`: what its row in the journal does not tell."""

    act = ForeignKeyField(BulkAct, backref="+", on_delete="CASCADE", index=False)
    item_id = BigIntegerField()
    done = SmallIntegerField(default=0)
    was = JsonText(null=True)

    class Meta:
        table_name = "bulk_item"
        primary_key = CompositeKey("act", "item_id")
