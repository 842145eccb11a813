"""What the installation knows of itself: its processes, whose turn it is to keep the clock, the last backup, and whose runs come next."""

from __future__ import annotations

from peewee import CharField, ForeignKeyField, IntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime


class RunningProcess(Table):
    """A worker or scheduler that was seen. `name`: kind, machine, process id and a random part; `threads`: runs that it does side by side.

    `places`: what it can use of its machine: {"folder": of DATA_DIR, "free": bytes, "drift": seconds of its clock after the database's}.
    """

    name = CharField(max_length=160, primary_key=True)
    kind = CharField(max_length=20)
    host = CharField(max_length=100)
    pid = IntegerField()
    threads = IntegerField(default=1)
    version = CharField(max_length=40, default="")
    places = JsonText(default=dict)
    began_at = UtcTime(default=now)
    seen_at = UtcTime(default=now, index=True)

    class Meta:
        table_name = "running_process"


class SchedulerLease(Table):
    """Who keeps the clock of the whole installation: one process until `until`. `fence` rises with each change of the holder."""

    name = CharField(max_length=40, primary_key=True)
    holder = CharField(max_length=160)
    fence = IntegerField(default=1)
    taken_at = UtcTime(default=now)
    until = UtcTime()

    class Meta:
        table_name = "scheduler_lease"


class OperatorNote(Table):
    """The last time that something was done for the installation: backup, restore, restore_check or key_rotation."""

    name = CharField(max_length=40, primary_key=True)
    at = UtcTime(default=now)
    facts = JsonText(default=dict)

    class Meta:
        table_name = "operator_note"


class MerchantTurn(Table):
    """When a worker last took a run of the merchant: the one that waits longest comes next."""

    merchant = ForeignKeyField(Merchant, primary_key=True, on_delete="CASCADE")
    served_at = UtcTime(default=now)

    class Meta:
        table_name = "merchant_turn"
