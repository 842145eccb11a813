"""Rules for the requests of each source, when an order was last routed, and answers that could not be used."""

from __future__ import annotations

from typing import Any

from peewee import BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, IntegerField, Model, TextField


def up(migrator: Any, db: Any) -> None:
    class Table(Model):
        class Meta:
            database = db
            legacy_table_names = False

    class Merchant(Table):
        id = BigAutoField()

    class Source(Table):
        id = BigAutoField()

    class FulfillmentRequest(Table):
        id = BigAutoField()

        class Meta:
            table_name = "fulfillment_request"

    class AnswerProblem(Table):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", index=False)
        source = ForeignKeyField(Source, on_delete="CASCADE", index=False)
        request = ForeignKeyField(FulfillmentRequest, null=True, on_delete="CASCADE")
        at = DateTimeField()
        cause = CharField(max_length=10)
        told = TextField()
        words = CharField(max_length=500)
        document_id = BigIntegerField(null=True)
        run_id = BigIntegerField(null=True)
        row = IntegerField(null=True)
        settled_at = DateTimeField(null=True)
        settled_by = CharField(max_length=254)

        class Meta:
            table_name = "answer_problem"
            indexes = ((("merchant", "id"), False), (("source", "id"), False))

    AnswerProblem.add_index(
        AnswerProblem.index(AnswerProblem.merchant, AnswerProblem.id, where=AnswerProblem.settled_at.is_null(), name="answer_problem_open")
    )
    db.create_tables([AnswerProblem], safe=False)
    migrator.migrate(
        migrator.add_column("source", "order_rules", TextField(default="{}")),
        migrator.add_column("customer_order", "routed_at", DateTimeField(null=True)),
    )
