"""Get Shipments reads every new file, once, as files that tell what is new: what was saved for it says so."""

from __future__ import annotations

import json
from typing import Any

from peewee import BigAutoField, CharField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Integration(Model):
        id = BigAutoField()
        kind = CharField()
        settings = TextField()
        policies = TextField()

        class Meta:
            database = db
            table_name = "integration"

    for one in list(Integration.select().where(Integration.kind == "get_shipments")):
        settings, policies = json.loads(one.settings or "{}"), json.loads(one.policies or "{}")
        if settings.get("match") == "newest":
            settings["match"] = "all"
        policies["feed"] = "delta"
        text = {"settings": settings, "policies": policies}
        kept = {name: json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False) for name, value in text.items()}
        Integration.update(kept).where(Integration.id == one.id).execute()
