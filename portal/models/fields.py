"""Column types that mean the same on SQLite and on Postgres."""

from __future__ import annotations

import json
import secrets
from datetime import UTC, datetime
from typing import Any

from peewee import DateTimeField, TextField

ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"


def new_public_id() -> str:
    """A random name for addresses: 22 letters and digits, about 109 bits, nothing to count up."""
    return "".join(secrets.choice(ALPHABET) for _ in range(22))


class UtcTime(DateTimeField):
    """Naive UTC. An aware value is turned into UTC first; both databases give back naive."""

    def db_value(self, value: datetime | None) -> Any:
        if isinstance(value, datetime) and value.tzinfo is not None:
            value = value.astimezone(UTC).replace(tzinfo=None)
        return super().db_value(value)  # type: ignore[no-untyped-call]


class JsonText(TextField):
    """A JSON value kept as canonical text (sorted keys, no spaces), so that equal values are equal bytes."""

    def db_value(self, value: Any) -> str | None:
        return None if value is None else json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    def python_value(self, value: str | None) -> Any:
        return None if value is None else json.loads(value)
