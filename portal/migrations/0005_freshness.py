"""By when each feed is expected, and the times in which one was late."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BooleanField, CharField, DateTimeField, ForeignKeyField, Model

COLUMNS = (
    ("expected_by", DateTimeField(null=True)),
    ("watched_since", DateTimeField(null=True)),
    ("accepted_late", BooleanField(default=False)),
    ("file_since", DateTimeField(null=True)),
)


def up(migrator: Any, db: Any) -> None:
    migrator.migrate(*[migrator.add_column("integration", name, field) for name, field in COLUMNS])
    db.execute_sql('UPDATE "integration" SET "watched_since" = "last_accepted_at", "file_since" = "last_accepted_at"')

    class Integration(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "integration"

    class LatePeriod(Model):
        id = BigAutoField()
        integration = ForeignKeyField(Integration, on_delete="CASCADE", backref="+", index=False)
        since = DateTimeField()
        cause = CharField(max_length=20)
        noted_at = DateTimeField()
        ended_at = DateTimeField(null=True)
        ended = CharField(max_length=20)

        class Meta:
            database = db
            table_name = "late_period"
            indexes = ((("integration", "since"), False),)

    LatePeriod.add_index(
        LatePeriod.index(LatePeriod.integration, unique=True, where=LatePeriod.ended_at.is_null(), name="late_period_open_of_integration")
    )
    db.create_tables([LatePeriod], safe=False)
