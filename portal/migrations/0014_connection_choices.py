"""What a supplier's server offers to choose from, such as the locations of a store, as the last test of the connection read it."""

from __future__ import annotations

from typing import Any

from peewee import TextField


def up(migrator: Any, _: Any) -> None:
    migrator.migrate(migrator.add_column("connection", "choices", TextField(default="{}")))
