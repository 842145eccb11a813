"""The merged catalogue: products by Master SKU, which inventory items are behind each, and the bulk linkings that put them there."""

from __future__ import annotations

from peewee import (
    SQL,
    BigAutoField,
    BigIntegerField,
    CharField,
    CompositeKey,
    ForeignKeyField,
    IntegerField,
    SmallIntegerField,
    TextField,
)

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.inventory import InventoryItem
from portal.models.sources import Source


class Linking(Table):
    """One act of linking many items: looked at first, then applied, and undone within 7 days.

    `source`: whose items; None: those of every source. `rules`: keys of portal.catalogue.matching.RULES, in their order.
    `state`: looking, ready, applying, applied, undoing, undone, stopped or failed. `run_id`: its latest run.
    `after_item_id`: only items that came behind that one; 0 for all. `bulk_act_id`: only the items of that act.
    `counts`: {verdict of candidates: items}, "unmatched", "linked" before, then "applied", "moved", "created" (products),
    "joined" (items put to those), "left", "passed_over", "taken_back", "moved_back", "without", "unmade", "kept", "gone", "listed" and
    "resumed" (by itself).
    `include`: the verdicts that a person took beside `confident`. `create_rest`: whether the unmatched become products.
    `master_from`: what their Master SKU is made of, a key of portal.catalogue.keys.MASTERS; "" as each source says.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, null=True, on_delete="CASCADE")
    rules = JsonText(default=list)
    state = CharField(max_length=10, default="looking")
    after_item_id = BigIntegerField(default=0)
    bulk_act_id = BigIntegerField(null=True)
    run_id = BigIntegerField(null=True)
    counts = JsonText(default=dict)
    include = JsonText(default=list)
    create_rest = SmallIntegerField(default=0)
    master_from = CharField(max_length=10, default="", constraints=[SQL("DEFAULT ''")])
    at = UtcTime(default=now)
    by = CharField(max_length=254, default="")
    applied_at = UtcTime(null=True)
    undone_at = UtcTime(null=True)
    said = CharField(max_length=500, default="")

    class Meta:
        indexes = ((("merchant", "id"), False),)


class Product(Table):
    """What a merchant sells, whoever has it. `sku`: the Master SKU.

    `gtin`: 14 digits, "" for none. `mpn_key`: MPN and brand as they are compared, "" for none (portal.catalogue.keys).
    `linking`: what made it, None for a person. `images`: addresses as a JSON list. `version` grows with each change by a person.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    sku = CharField(max_length=140)
    title = CharField(max_length=500, default="")
    brand = CharField(max_length=255, default="")
    gtin = CharField(max_length=14, default="")
    mpn = CharField(max_length=120, default="")
    mpn_key = CharField(max_length=400, default="")
    images = TextField(null=True)
    linking = ForeignKeyField(Linking, null=True, backref="products", on_delete="SET NULL")
    at = UtcTime(default=now)
    by = CharField(max_length=254, default="")
    version = IntegerField(default=1, constraints=[SQL("DEFAULT 1")])
    changed_at = UtcTime(null=True)
    changed_by = CharField(max_length=254, default="", constraints=[SQL("DEFAULT ''")])

    class Meta:
        indexes = (
            (("merchant", "sku"), True),
            (("merchant", "gtin"), False),
            (("merchant", "mpn_key"), False),
            (("merchant", "mpn"), False),
        )


class ProductLink(Table):
    """The product of an inventory item. `rule`: sku, gtin, mpn, created or hand; `place`: which rule of its linking that was, from 1.

    `told`: the value that both had. `linking`: the bulk act, None for a person's own.
    """

    item = ForeignKeyField(InventoryItem, primary_key=True, backref="+", on_delete="CASCADE")
    product = ForeignKeyField(Product, backref="links", on_delete="CASCADE", index=False)
    source = ForeignKeyField(Source, backref="+", on_delete="CASCADE", index=False)
    linking = ForeignKeyField(Linking, null=True, backref="links", on_delete="SET NULL")
    rule = CharField(max_length=10)
    place = SmallIntegerField(default=0)
    told = CharField(max_length=400, default="")
    at = UtcTime(default=now)
    by = CharField(max_length=254, default="")

    class Meta:
        table_name = "product_link"
        indexes = ((("product", "source"), False), (("source", "item"), False))


class LinkCandidate(Table):
    """A product that an item of a linking may belong to. `verdict`: "" while it is not judged, else one of portal.catalogue.judging.

    `sku`: the item's, so that many are looked through by it.
    """

    linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
    item = ForeignKeyField(InventoryItem, backref="+", on_delete="CASCADE")
    product = ForeignKeyField(Product, backref="+", on_delete="CASCADE")
    source_id = BigIntegerField()
    rule = CharField(max_length=10)
    place = SmallIntegerField()
    verdict = CharField(max_length=10, default="")
    sku = CharField(max_length=120, default="", constraints=[SQL("DEFAULT ''")])

    class Meta:
        table_name = "link_candidate"
        primary_key = CompositeKey("linking", "item", "product")
        indexes = ((("linking", "verdict", "sku", "item"), False), (("linking", "product"), False))


class LinkUnmatched(Table):
    """An item for which a linking found no product when it looked: what it may make products of."""

    linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
    item = ForeignKeyField(InventoryItem, backref="+", on_delete="CASCADE")
    sku = CharField(max_length=120, default="", constraints=[SQL("DEFAULT ''")])

    class Meta:
        table_name = "link_unmatched"
        primary_key = CompositeKey("linking", "item")
        indexes = ((("linking", "sku", "item"), False),)


class LinkDamaged(Table):
    """An item whose MPN or SKU a spreadsheet program cut, as a linking saw it. `field`: mpn or sku."""

    linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
    item = ForeignKeyField(InventoryItem, backref="+", on_delete="CASCADE")
    field = CharField(max_length=10)
    sku = CharField(max_length=120)

    class Meta:
        table_name = "link_damaged"
        primary_key = CompositeKey("linking", "item", "field")
        indexes = ((("linking", "sku", "item"), False),)


class LinkMoved(Table):
    """The link that an item had before a linking moved it to another product: what undoing gives back, columns as of ProductLink."""

    linking = ForeignKeyField(Linking, on_delete="CASCADE", index=False)
    item = ForeignKeyField(InventoryItem, backref="+", on_delete="CASCADE")
    product_id = BigIntegerField()
    source_id = BigIntegerField()
    former_id = BigIntegerField(null=True)
    rule = CharField(max_length=10)
    place = SmallIntegerField(default=0)
    told = CharField(max_length=400, default="")
    at = UtcTime()
    by = CharField(max_length=254, default="")

    class Meta:
        table_name = "link_moved"
        primary_key = CompositeKey("linking", "item")


class CatalogueCount(Table):
    """What the worker counted of a merchant's catalogue, where that takes too long for a page. `source_id`: 0 for the whole.

    `counts`: of a source as of portal.catalogue.matching.possible; of the whole {"products"}. `mark`: what it was counted after.
    """

    merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
    source_id = BigIntegerField()
    counts = JsonText(default=dict)
    mark = CharField(max_length=80)
    at = UtcTime(default=now)

    class Meta:
        table_name = "catalogue_count"
        primary_key = CompositeKey("merchant", "source_id")


class AutomaticLinking(Table):
    """A source whose new items are linked by themselves; no row where they are not. `mode`: confident or create.

    `rules`: as of a Linking. `seen_item_id`: the newest item that was looked at.
    """

    source = ForeignKeyField(Source, primary_key=True, backref="+", on_delete="CASCADE")
    mode = CharField(max_length=10)
    rules = JsonText(default=list)
    seen_item_id = BigIntegerField(default=0)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")

    class Meta:
        table_name = "automatic_linking"
