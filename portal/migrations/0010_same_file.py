"""What a link told about the file that it gave, so that it can be asked whether that changed."""

from __future__ import annotations

from typing import Any

from peewee import CharField


def up(migrator: Any, _: Any) -> None:
    for name, longest in (("etag", 200), ("asked", 64)):
        migrator.migrate(migrator.add_column("document", name, CharField(max_length=longest, default="")))
