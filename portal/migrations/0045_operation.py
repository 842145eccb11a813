"""Processes that were seen, who keeps the clock, the last backup, and whose runs come next; runs and sends of the last hour are found."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, CharField, ForeignKeyField, IntegerField, Model, TextField

from portal.models.fields import UtcTime


def up(migrator: Any, db: Any) -> None:
    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class RunningProcess(Model):
        name = CharField(max_length=160, primary_key=True)
        kind = CharField(max_length=20)
        host = CharField(max_length=100)
        pid = IntegerField()
        threads = IntegerField(default=1)
        version = CharField(max_length=40, default="")
        places = TextField(default="{}")
        began_at = UtcTime()
        seen_at = UtcTime(index=True)

        class Meta:
            database = db
            table_name = "running_process"

    class SchedulerLease(Model):
        name = CharField(max_length=40, primary_key=True)
        holder = CharField(max_length=160)
        fence = IntegerField(default=1)
        taken_at = UtcTime()
        until = UtcTime()

        class Meta:
            database = db
            table_name = "scheduler_lease"

    class OperatorNote(Model):
        name = CharField(max_length=40, primary_key=True)
        at = UtcTime()
        facts = TextField(default="{}")

        class Meta:
            database = db
            table_name = "operator_note"

    class MerchantTurn(Model):
        merchant = ForeignKeyField(Merchant, primary_key=True, on_delete="CASCADE")
        served_at = UtcTime()

        class Meta:
            database = db
            table_name = "merchant_turn"

    db.create_tables([RunningProcess, SchedulerLease, OperatorNote, MerchantTurn], safe=False)
    migrator.migrate(
        migrator.add_index("run", ("finished_at",), False),
        migrator.add_index("send_attempt", ("ended_at",), False),
    )
