"""What sources offer, and how a run changes it: staged rows, plan, journal, pins, rows set aside, the record of the last feed."""

from __future__ import annotations

from peewee import SQL, BigAutoField, BigIntegerField, CharField, CompositeKey, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.runs import Run
from portal.models.sources import Integration, Source


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
    `last_run_id`, `last_row`: which run and which row of its file last wrote it; `added_run_id`, `added_row`: which brought it.
    `pinned`: bit n is set while a person keeps the n-th of INVENTORY_COLUMNS from being changed by feeds (see ItemPin).
    `archived_at`: no longer offered (quantity is 0); `archived_by`: an integration's kind or a person's address.
    `missing_in`: of a missing item, whose file lacks it: 0 the primary's, 2 the secondary's, 3 both.
    `secondary`: bit n is set once Get Inventory Secondary has written the n-th of INVENTORY_COLUMNS.
    `kept_out`: 0 in the catalogue, 1 excluded by the rule `exclusion_id`, 2 waiting for room in the plan (see portal.inventory.counted).
    `kept_out_since`: when it went out, or came in again; None for one that was always in. It orders who waits (portal.exclusions.room).
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, backref="items", on_delete="CASCADE", index=False)
    content_hash = BigIntegerField()
    missing_since = UtcTime(null=True)
    last_run_id = BigIntegerField()
    last_row = IntegerField()
    added_run_id = BigIntegerField(default=0)
    added_row = IntegerField(default=0)
    pinned = BigIntegerField(default=0)
    archived_at = UtcTime(null=True)
    archived_by = CharField(max_length=254, default="")
    missing_in = SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    secondary = BigIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    kept_out = SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    exclusion_id = BigIntegerField(null=True)
    kept_out_since = UtcTime(null=True)
    added_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)

    class Meta:
        indexes = (
            (("source", "sku"), True),
            (("merchant", "upc"), False),
            (("merchant", "mpn"), False),
            (("added_run_id", "id"), False),
            (("source", "quantity", "id"), False),
            (("source", "cost", "id"), False),
            (("source", "changed_at", "id"), False),
        )


InventoryItem.add_index(InventoryItem.source, where=InventoryItem.missing_since.is_null(False), name="inventory_item_missing")
InventoryItem.add_index(InventoryItem.source, where=InventoryItem.archived_at.is_null(False), name="inventory_item_archived")

_KEPT = (
    ("inventory_item_kept_out", (InventoryItem.source, InventoryItem.kept_out, InventoryItem.archived_at), InventoryItem.kept_out > 0),
    ("inventory_item_excluded", (InventoryItem.exclusion_id, InventoryItem.id), InventoryItem.kept_out == 1),
    ("inventory_item_waiting", (InventoryItem.merchant, InventoryItem.kept_out_since, InventoryItem.id), InventoryItem.kept_out == 2),
    (
        "inventory_item_let_in",
        (InventoryItem.source, InventoryItem.kept_out_since),
        (InventoryItem.kept_out == 0) & InventoryItem.kept_out_since.is_null(False),
    ),
)
for _name, _columns, _where in _KEPT:
    InventoryItem.add_index(InventoryItem.index(*_columns, where=_where, name=_name))


class FreshRow(ItemColumns):
    """One mapped row of a run's file, waiting to be compared; gone when the run ends. Not logged on Postgres.

    On SQLite this table stays empty: each run keeps its rows in a file of its own (see `portal.models.staging`).
    `used` 0: set aside, so never applied; only its SKU counts, as seen in the file.
    """

    run_id = BigIntegerField()
    row_number = IntegerField()
    used = SmallIntegerField(default=1)
    content_hash = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("run_id", "row_number")


class StagedRow(ItemColumns):
    """A row of a held run's file that waits for a person's decision; as FreshRow, but kept."""

    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    row_number = IntegerField()
    used = SmallIntegerField(default=1)
    content_hash = BigIntegerField()

    class Meta:
        primary_key = CompositeKey("run", "row_number")
        indexes = ((("run", "sku"), False),)


class PlanRow(Table):
    """One thing a run would do. `action`: add, change, zero, missing, back, note or archive. Unchanged rows are only counted.

    `n` grows within the run, removals last, and is the apply checkpoint. `state`: waiting, applied, held or skipped.
    `marks`: 1 quantity goes to zero, 2 a cost or price moves further than the guard's share; several add up.
    `before`, `after`: {column: value} of the columns that differ, kept for held rows and dry runs.
    """

    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    n = BigIntegerField()
    action = CharField(max_length=10)
    sku = CharField(max_length=120)
    item_id = BigIntegerField(null=True)
    row_number = IntegerField(null=True)
    state = CharField(max_length=10, default="waiting")
    marks = SmallIntegerField(default=0)
    before = JsonText(null=True)
    after = JsonText(null=True)

    class Meta:
        primary_key = CompositeKey("run", "n")
        indexes = ((("run", "action", "n"), False),)


class InventoryChange(Table):
    """The journal: what one run did to one item. `before`/`after`: {column: value} of the columns that differ.

    `action`: change, zero, back, missing, archive or note (see plan) of a feed; revert, unadd (the item is gone, `before` has all of it),
    readd, pin, unpin, archive or unarchive of a person. Items that a run added are not in it: they carry `added_run_id`.
    """

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
    """A row that was not used (`fatal`) or used without some values, with every reason.

    `used_run_id`: the run that took it in after a person mended it; `sku` is then the one it was given, where it had none.
    """

    run = ForeignKeyField(Run, on_delete="CASCADE", index=False)
    row_number = IntegerField()
    sku = CharField(max_length=120, default="")
    fatal = IntegerField(default=1)
    problems = JsonText(default=list)
    cells = JsonText(default=list)
    used_run_id = BigIntegerField(null=True)

    class Meta:
        primary_key = CompositeKey("run", "row_number")


class ItemPin(Table):
    """A value that a person keeps on one item whatever the feeds say, until `expires_at` (None: until taken off)."""

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE")
    source = ForeignKeyField(Source, on_delete="CASCADE")
    item_id = BigIntegerField()
    sku = CharField(max_length=120)
    column = CharField(max_length=40)
    value = JsonText(null=True)
    note = CharField(max_length=200, default="")
    made_by = CharField(max_length=254, default="")
    made_at = UtcTime(default=now)
    expires_at = UtcTime(null=True, index=True)

    class Meta:
        indexes = ((("item_id", "column"), True),)


class FeedState(Table):
    """The record of an integration's last accepted feed: hashes of its records and their SKUs, in a file of the state folder.

    `key`: digest of all that reading depends on (format, headers, mapping version); another key means another record.
    `compared`: "record" hashes raw records, "cells" the parsed cells that the mapping reads.
    `known`, `in_stock`: items of the source that are not missing and not archived, and those of them with a quantity.
    """

    integration = ForeignKeyField(Integration, primary_key=True, on_delete="CASCADE")
    run_id = BigIntegerField()
    key = CharField(max_length=64)
    compared = CharField(max_length=10, default="record")
    stored_name = CharField(max_length=120)
    records = IntegerField(default=0)
    known = IntegerField(default=0)
    in_stock = IntegerField(default=0)
    at = UtcTime(default=now)


class UnknownSku(Table):
    """A SKU that the last file of Get Inventory Secondary names and the source has no item of. `run_id`, `row_number`: who said so."""

    integration = ForeignKeyField(Integration, on_delete="CASCADE", index=False)
    sku = CharField(max_length=120)
    run_id = BigIntegerField()
    row_number = IntegerField()

    class Meta:
        primary_key = CompositeKey("integration", "sku")


class StaleRecord(Table):
    """An item that something other than this integration's feed has changed: its record must be read again though it looks the same.

    An empty `sku` stands for every item. A run takes the marks away that were made before it looked for them.
    """

    integration = ForeignKeyField(Integration, on_delete="CASCADE", index=False)
    sku = CharField(max_length=120)
    marked_at = UtcTime(default=now)

    class Meta:
        primary_key = CompositeKey("integration", "sku")
