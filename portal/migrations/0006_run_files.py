"""Which files each run read, so that several make one run and none is read twice."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, SmallIntegerField


def up(migrator: Any, db: Any) -> None:  # noqa: ARG001 - every migration is called the same way
    class Run(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "run"

    class Integration(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "integration"

    class Document(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "document"

    class RunFile(Model):
        id = BigAutoField()
        run = ForeignKeyField(Run, on_delete="CASCADE", backref="+")
        integration = ForeignKeyField(Integration, null=True, on_delete="CASCADE", backref="+", index=False)
        document = ForeignKeyField(Document, null=True, on_delete="CASCADE", backref="+")
        kind = CharField(max_length=10)
        place = IntegerField()
        path = CharField(max_length=1000)
        size = BigIntegerField(null=True)
        modified = DateTimeField(null=True)
        rows_before = IntegerField()
        act = CharField(max_length=10)
        act_at = DateTimeField(null=True)
        act_tries = SmallIntegerField()
        act_said = CharField(max_length=300)
        put_to = CharField(max_length=1000)

        class Meta:
            database = db
            table_name = "run_file"
            indexes = ((("integration", "path"), False), (("act", "act_at"), False))

    db.create_tables([RunFile], safe=False)
    # what runs before this one read counts as read
    db.execute_sql(
        """INSERT INTO run_file (run_id, integration_id, document_id, kind, place, path, size, modified, rows_before,
            act, act_tries, act_said, put_to)
        SELECT r.id, r.integration_id, d.id, 'file', 1, d.remote_path, d.size, d.modified, 0, '', 0, '', ''
        FROM run r JOIN document d ON d.id = r.document_id WHERE r.kind = 'inventory' AND r.integration_id IS NOT NULL"""
    )
