"""The run row is the queue: lease, fence, checkpoint."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, BooleanField, CharField, ForeignKeyField, IntegerField

from portal.clock import now
from portal.models.accounts import Merchant
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id
from portal.models.sources import Integration, Source


class Run(Table):
    """One execution. At most one queued or running run per integration, and one dry run beside it (partial unique indexes).

    `kind`: inventory, dry_run, revert, silence, connection_check, remove_inventory, delete_source, purge_source, accept_removals,
    fixed_rows, send_orders, get_shipments, get_acknowledgements, channel_orders, channel_tracking, push_listings, linking,
    listing_batch, bulk_act, exclusion, room, workspace_export, erasure.
    `state`: queued, running, finished, warnings, no_change, held, failed or stopped.
    `stage`: fetch, parse, plan, guard, apply or done. `stages`: {stage: {"seconds", "count"}}.
    `counts`: rows, new, changed, unchanged, missing, zeroed, back, archived, unknown, set_aside, noted, held, replaced.
    `problem`: {"code","headline","body","act","act_at","server_said"} when failed or held.
    `plan_hash`: digest of the plan; the same file, mapping and inventory give the same.
    `attempt`: times a worker took it; `interruptions`: times one died with it; `tries`: temporary failures at the supplier.
    `server`: whom it talks with now, or waits to, as "host:port".
    Every write of a worker says WHERE id=? AND fence=?.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    number = IntegerField()
    merchant = ForeignKeyField(Merchant, on_delete="CASCADE")
    source = ForeignKeyField(Source, null=True, backref="runs", on_delete="CASCADE")
    integration = ForeignKeyField(Integration, null=True, backref="runs", on_delete="CASCADE")
    kind = CharField(max_length=30)
    state = CharField(max_length=20, default="queued", index=True)
    stage = CharField(max_length=20, default="")
    stages = JsonText(default=dict)
    checkpoint = JsonText(default=dict)
    counts = JsonText(default=dict)
    settings = JsonText(default=dict)
    problem = JsonText(null=True)
    verdicts = JsonText(default=list)
    cause = CharField(max_length=30, default="person")
    started_by = CharField(max_length=254, default="")
    attempt = IntegerField(default=0)
    interruptions = IntegerField(default=0)
    tries = IntegerField(default=0)
    fence = IntegerField(default=0)
    server = CharField(max_length=300, default="")
    lease_until = UtcTime(null=True)
    due_at = UtcTime(default=now, index=True)
    cancel_requested = BooleanField(default=False)
    document_id = BigIntegerField(null=True)
    mapping_version = IntegerField(default=0)
    done_rows = IntegerField(default=0)
    total_rows = IntegerField(null=True)
    plan_hash = CharField(max_length=32, default="")
    accepted = BooleanField(default=False)
    created_at = UtcTime(default=now)
    started_at = UtcTime(null=True)
    finished_at = UtcTime(null=True, index=True)

    class Meta:
        indexes = ((("merchant", "number"), True), (("source", "created_at"), False), (("integration", "id"), False))


UNFINISHED = ("queued", "running")

for _name, _which in (("run_unfinished_of_integration", Run.kind != "dry_run"), ("run_unfinished_dry_run", Run.kind == "dry_run")):
    Run.add_index(Run.index(Run.integration, unique=True, where=(Run.state << UNFINISHED) & _which, name=_name))
Run.add_index(Run.index(Run.integration, Run.id, where=Run.kind == "dry_run", name="run_dry"))


class RunMessage(Table):
    """A line of a run's story. `level`: info, warning or error. Never holds a secret."""

    id = BigAutoField()
    run = ForeignKeyField(Run, backref="messages", on_delete="CASCADE")
    at = UtcTime(default=now)
    level = CharField(max_length=10, default="info")
    text = CharField(max_length=500)
