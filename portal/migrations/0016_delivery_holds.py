"""What each delivery of stock holds, as it was declared when it came; of those that came before, as it is declared now."""

from __future__ import annotations

import json
from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, Model, TextField


def up(migrator: Any, db: Any) -> None:
    class Integration(Model):
        id = BigAutoField()
        source_id = BigIntegerField()
        kind = CharField()
        policies = TextField()

        class Meta:
            database = db
            table_name = "integration"

    class Delivery(Model):
        id = BigAutoField()
        source_id = BigIntegerField()
        kind = CharField()
        holds = CharField(max_length=10, default="")

        class Meta:
            database = db
            table_name = "webhook_delivery"

    migrator.migrate(migrator.add_column("webhook_delivery", "holds", CharField(max_length=10, default="")))
    hooked = Integration.source_id << Delivery.select(Delivery.source_id)
    for one in list(Integration.select().where(Integration.kind == "get_inventory_primary", hooked)):
        holds = "partial" if json.loads(one.policies or "{}").get("feed") == "delta" else "full"
        Delivery.update(holds=holds).where(Delivery.source_id == one.source_id, Delivery.kind == "inventory").execute()
