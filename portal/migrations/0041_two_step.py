"""Links that work once, codes and passkeys beside the password, and when a person was seen last."""

from __future__ import annotations

from typing import Any

from peewee import SQL, BigAutoField, BigIntegerField, CharField, DateTimeField, ForeignKeyField, Model, SmallIntegerField, TextField


def up(migrator: Any, db: Any) -> None:
    migrator.migrate(
        migrator.add_column("user", "seen_at", DateTimeField(null=True)),
        migrator.add_column("session", "challenge", CharField(max_length=200, null=True)),
        migrator.add_column("merchant", "two_step_required", SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])),
    )

    class Merchant(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class User(Model):
        id = BigAutoField()

        class Meta:
            database = db

    class PersonLink(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        kind = CharField(max_length=10)
        merchant = ForeignKeyField(Merchant, null=True, backref="+", on_delete="CASCADE")
        user = ForeignKeyField(User, null=True, backref="+", on_delete="CASCADE")
        email = CharField(max_length=254)
        role = CharField(max_length=20)
        token_hash = CharField(max_length=64, null=True, unique=True)
        challenge = CharField(max_length=200)
        address = CharField(max_length=64)
        made_by = CharField(max_length=254)
        made_at = DateTimeField()
        ends_at = DateTimeField(index=True)
        used_at = DateTimeField(null=True)
        mail = CharField(max_length=10, index=True)
        tries = SmallIntegerField()

        class Meta:
            database = db
            table_name = "person_link"

    class Authenticator(Model):
        id = BigAutoField()
        user = ForeignKeyField(User, unique=True, backref="+", on_delete="CASCADE")
        sealed = TextField()
        last_step = BigIntegerField()
        made_at = DateTimeField()

        class Meta:
            database = db

    class RecoveryCode(Model):
        id = BigAutoField()
        user = ForeignKeyField(User, backref="+", on_delete="CASCADE")
        code_hash = CharField(max_length=64)
        used_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "recovery_code"

    class Passkey(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        user = ForeignKeyField(User, backref="+", on_delete="CASCADE")
        credential = CharField(max_length=1400, unique=True)
        public_key = TextField()
        name = CharField(max_length=80)
        uses = BigIntegerField()
        made_at = DateTimeField()
        used_at = DateTimeField(null=True)

        class Meta:
            database = db

    db.create_tables([PersonLink, Authenticator, RecoveryCode, Passkey], safe=False)
