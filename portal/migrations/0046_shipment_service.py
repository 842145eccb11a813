"""The WSDL of a service that tells shipments, where it is another than the one that tells the stock."""

from __future__ import annotations

from typing import Any

from peewee import TextField


def up(migrator: Any, _: Any) -> None:
    migrator.migrate(migrator.add_column("service_description", "shipments_packed", TextField(default="")))
