"""What was said to suppliers' APIs, and what they answered."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, TextField


def up(_: Any, db: Any) -> None:
    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "merchant"

    class Source(Model):
        id = BigAutoField()

        class Meta:
            database = db
            table_name = "source"

    class Exchange(Model):
        id = BigAutoField()
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False, backref="+")
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False, backref="+")
        run_id = BigIntegerField(null=True)
        at = DateTimeField(index=True)
        method = CharField(max_length=10)
        address = CharField(max_length=1000)
        status = IntegerField(null=True)
        milliseconds = IntegerField()
        sent = BigIntegerField()
        received = BigIntegerField()
        request = TextField()
        answer = TextField()
        problem = CharField(max_length=200)

        class Meta:
            database = db
            table_name = "exchange"
            indexes = ((("source", "id"), False),)

    db.create_tables([Exchange], safe=False)
