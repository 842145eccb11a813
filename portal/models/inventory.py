"""What sources offer, and how a run changes it: staged rows, plan, journal, rows set aside."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, CompositeKey, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.runs import Run
from portal.models.sources import Source


class ItemColumns(Table):
    """The columns of `portal.fields.INVENTORY_COLUMNS`; money and measures are ten-thousandths."""

    sku = CharField(max_length=120)
    parent_sku = CharField(max_length=120, null=True)
    title = CharField(max_length=500, null=True)
    description = TextField(null=True)
    brand = CharField(max_length=255, null=True)
    upc = CharField(max_length=14, null=True)
    mpn = CharField(max_length=120, null=True)
    quantity = BigIntegerField(null=True)
    cost = BigIntegerField(null=True)
    list_price = BigIntegerField(null=True)
    msrp = BigIntegerField(null=True)
    map_price = BigIntegerField(null=True)
    weight = BigIntegerField(null=True)
    weight_unit = CharField(max_length=20, null=True)
    length = BigIntegerField(null=True)
    width = BigIntegerField(null=True)
    height = BigIntegerField(null=True)
    dimension_unit = CharField(max_length=20, null=True)
    category_1 = CharField(max_length=255, null=True)
    category_2 = CharField(max_length=255, null=True)
    category_3 = CharField(max_length=255, null=True)
    images = TextField(null=True)
    condition = CharField(max_length=60, null=True)
    status = CharField(max_length=60, null=True)
    bin_location = CharField(max_length=60, null=True)
    warehouses = TextField(null=True)
    custom = TextField(null=True)


class InventoryItem(ItemColumns):
    """One SKU that one source offers. `content_hash` covers the columns above.

    `missing_since`: the source's last accepted file no longer held it (quantity is then 0).
    `last_run_id`, `last_row`: which run and which row of its file last wrote it.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE")
    source = ForeignKeyField(Source, backref="items", on_delete="CASCADE")
    content_hash = BigIntegerField()
    missing_since = UtcTime(null=True)
    last_run_id = BigIntegerField()
    last_row = IntegerField()
    added_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)

    class Meta:
        indexes = (
            (("source", "sku"), True),
            (("merchant", "sku", "id"), False),
            (("merchant", "upc"), False),
            (("merchant", "mpn"), False),
        )


class StagedRow(ItemColumns):
    """One mapped row of a run's file, waiting to be compared. Erased when the run ends, except rows that are held.

    `used` 0: set aside, so never applied; only its SKU counts, as seen in the file.
    """

    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    row_number = IntegerField()
    used = SmallIntegerField(default=1)
    content_hash = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("run", "row_number")
        indexes = ((("run", "sku"), False),)


class PlanRow(Table):
    """One thing a run would do. `action`: add, change, zero, missing or back. Unchanged rows are only counted.

    `n` grows within the run, removals last, and is the apply checkpoint. `state`: waiting, applied, held or skipped.
    """

    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    n = BigIntegerField()
    action = CharField(max_length=10)
    sku = CharField(max_length=120)
    item_id = BigIntegerField(null=True)
    row_number = IntegerField(null=True)
    state = CharField(max_length=10, default="waiting")

    class Meta:
        primary_key = CompositeKey("run", "n")
        indexes = ((("run", "action", "n"), False),)


class InventoryChange(Table):
    """The journal: what one run did to one item. `before`/`after`: {column: value} of the columns that differ."""

    id = BigAutoField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, on_delete="CASCADE")
    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    item_id = BigIntegerField()
    sku = CharField(max_length=120)
    action = CharField(max_length=10)
    row_number = IntegerField(null=True)
    before = JsonText(null=True)
    after = JsonText(null=True)
    at = UtcTime(default=now)

    class Meta:
        indexes = ((("run", "item_id"), True), (("item_id", "id"), False))


class SetAsideRow(Table):
    """A row that was not used (`fatal`) or used without some values, with every reason."""

    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    row_number = IntegerField()
    sku = CharField(max_length=120, default="")
    fatal = IntegerField(default=1)
    problems = JsonText(default=list)
    cells = JsonText(default=list)

    class Meta:
        primary_key = CompositeKey("run", "row_number")
