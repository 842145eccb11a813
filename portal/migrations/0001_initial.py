"""Every table of the first release, frozen: later changes are scripts of their own."""

from __future__ import annotations

from typing import Any

from peewee import (
    BigAutoField,
    BigIntegerField,
    BooleanField,
    CharField,
    CompositeKey,
    DateTimeField,
    ForeignKeyField,
    IntegerField,
    Model,
    SmallIntegerField,
    TextField,
)


def up(_migrator: Any, db: Any) -> None:
    class Merchant(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        name = CharField(max_length=120)
        time_zone = CharField(max_length=60)
        auto_process = BooleanField()
        data_key = TextField()
        audit_lines = IntegerField()
        version = IntegerField()
        created_at = DateTimeField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "merchant"

    class User(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        email = CharField(max_length=254, unique=True)
        password_hash = CharField(max_length=255)
        role = CharField(max_length=20)
        is_staff = BooleanField()
        theme = CharField(max_length=10)
        time_zone = CharField(max_length=60)
        search_key = BooleanField()
        disabled_at = DateTimeField(null=True)
        version = IntegerField()
        created_at = DateTimeField()

        class Meta:
            database = db
            table_name = "user"

    class Session(Model):
        id = BigAutoField()
        token_hash = CharField(max_length=64, unique=True)
        user = ForeignKeyField(User, on_delete="CASCADE", backref="+")
        csrf = CharField(max_length=64)
        address = CharField(max_length=64)
        browser = CharField(max_length=200)
        notice = TextField(null=True)
        created_at = DateTimeField()
        seen_at = DateTimeField()
        proved_at = DateTimeField()
        ends_at = DateTimeField()

        class Meta:
            database = db
            table_name = "session"

    class SignInAttempt(Model):
        id = BigAutoField()
        key = CharField(max_length=64, index=True)
        at = DateTimeField(index=True)

        class Meta:
            database = db
            table_name = "sign_in_attempt"

    class FormToken(Model):
        id = BigAutoField()
        token = CharField(max_length=64)
        user = ForeignKeyField(User, on_delete="CASCADE", backref="+")
        location = TextField(null=True)
        at = DateTimeField(index=True)

        class Meta:
            database = db
            table_name = "form_token"
            indexes = ((("user", "token"), True),)

    class AuditLine(Model):
        id = BigAutoField()
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        number = IntegerField()
        at = DateTimeField()
        who = CharField(max_length=254)
        address = CharField(max_length=64)
        action = CharField(max_length=80)
        object_kind = CharField(max_length=40)
        object_id = CharField(max_length=32)
        before = TextField(null=True)
        after = TextField(null=True)
        previous_hash = CharField(max_length=64)
        hash = CharField(max_length=64)

        class Meta:
            database = db
            table_name = "audit_line"
            indexes = ((("merchant", "number"), True),)

    class Source(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        name = CharField(max_length=80)
        name_key = CharField(max_length=200)
        kind = CharField(max_length=30)
        state = CharField(max_length=20)
        state_before = CharField(max_length=20)
        supplier = CharField(max_length=60)
        account_confirmed_at = DateTimeField(null=True)
        setup_done = TextField()
        allow_backorders = BooleanField()
        override_global = BooleanField()
        auto_process = BooleanField()
        sku_prefix = CharField(max_length=20)
        currency = CharField(max_length=3)
        item_count = IntegerField()
        version = IntegerField()
        created_at = DateTimeField()
        activated_at = DateTimeField(null=True)
        deleted_at = DateTimeField(null=True)
        purge_at = DateTimeField(null=True)
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "source"

    class Connection(Model):
        id = BigAutoField()
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+", unique=True)
        settings = TextField()
        trusted_key = TextField(null=True)
        offered_key = TextField(null=True)
        checks = TextField()
        check_run_id = BigIntegerField(null=True)
        listing = TextField()
        state = CharField(max_length=20)
        tested_at = DateTimeField(null=True)
        refused_sign_ins = TextField()
        version = IntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "connection"

    class SealedSecret(Model):
        id = BigAutoField()
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        field = CharField(max_length=60)
        sealed = TextField()
        hint = CharField(max_length=60)
        saved_at = DateTimeField()
        saved_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "sealed_secret"
            indexes = ((("source", "field"), True),)

    class Integration(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        kind = CharField(max_length=30)
        enabled = BooleanField()
        paused = BooleanField()
        settings = TextField()
        schedule = TextField()
        next_run_at = DateTimeField(index=True, null=True)
        mapping_version = IntegerField()
        sample_document_id = BigIntegerField(null=True)
        last_run_id = BigIntegerField(null=True)
        last_accepted_run_id = BigIntegerField(null=True)
        last_accepted_at = DateTimeField(null=True)
        failures = IntegerField()
        version = IntegerField()
        changed_at = DateTimeField()
        changed_by = CharField(max_length=254)

        class Meta:
            database = db
            table_name = "integration"
            indexes = ((("source", "kind"), True),)

    class MappingVersion(Model):
        id = BigAutoField()
        integration = ForeignKeyField(Integration, on_delete="CASCADE", backref="+")
        number = IntegerField()
        rules = TextField()
        headers = TextField()
        made_at = DateTimeField()
        made_by = ForeignKeyField(User, on_delete="SET NULL", backref="+", null=True)

        class Meta:
            database = db
            table_name = "mapping_version"
            indexes = ((("integration", "number"), True),)

    class Run(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        number = IntegerField()
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+", null=True)
        integration = ForeignKeyField(Integration, on_delete="CASCADE", backref="+", null=True)
        kind = CharField(max_length=30)
        state = CharField(max_length=20, index=True)
        stage = CharField(max_length=20)
        stages = TextField()
        checkpoint = TextField()
        counts = TextField()
        settings = TextField()
        problem = TextField(null=True)
        verdicts = TextField()
        cause = CharField(max_length=30)
        started_by = CharField(max_length=254)
        attempt = IntegerField()
        interruptions = IntegerField()
        tries = IntegerField()
        fence = IntegerField()
        lease_until = DateTimeField(null=True)
        due_at = DateTimeField(index=True)
        cancel_requested = BooleanField()
        document_id = BigIntegerField(null=True)
        mapping_version = IntegerField()
        done_rows = IntegerField()
        total_rows = IntegerField(null=True)
        accepted = BooleanField()
        created_at = DateTimeField()
        started_at = DateTimeField(null=True)
        finished_at = DateTimeField(null=True)

        class Meta:
            database = db
            table_name = "run"
            indexes = ((("merchant", "number"), True), (("source", "created_at"), False), (("integration", "id"), False))

    class RunMessage(Model):
        id = BigAutoField()
        run = ForeignKeyField(Run, on_delete="CASCADE", backref="+")
        at = DateTimeField()
        level = CharField(max_length=10)
        text = CharField(max_length=500)

        class Meta:
            database = db
            table_name = "run_message"

    class Document(Model):
        id = BigAutoField()
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        run_id = BigIntegerField(index=True, null=True)
        origin = CharField(max_length=20)
        name = CharField(max_length=255)
        remote_path = CharField(max_length=1000)
        size = BigIntegerField()
        sha256 = CharField(max_length=64)
        modified = DateTimeField(null=True)
        stored_name = CharField(max_length=120, null=True)
        at = DateTimeField()
        erase_at = DateTimeField(index=True, null=True)

        class Meta:
            database = db
            table_name = "document"

    class InventoryItem(Model):
        id = BigAutoField()
        sku = CharField(max_length=120)
        parent_sku = CharField(max_length=120, null=True)
        title = CharField(max_length=500, null=True)
        description = TextField(null=True)
        brand = CharField(max_length=255, null=True)
        upc = CharField(max_length=14, null=True)
        mpn = CharField(max_length=120, null=True)
        quantity = BigIntegerField(null=True)
        cost = BigIntegerField(null=True)
        list_price = BigIntegerField(null=True)
        msrp = BigIntegerField(null=True)
        map_price = BigIntegerField(null=True)
        weight = BigIntegerField(null=True)
        weight_unit = CharField(max_length=20, null=True)
        length = BigIntegerField(null=True)
        width = BigIntegerField(null=True)
        height = BigIntegerField(null=True)
        dimension_unit = CharField(max_length=20, null=True)
        category_1 = CharField(max_length=255, null=True)
        category_2 = CharField(max_length=255, null=True)
        category_3 = CharField(max_length=255, null=True)
        images = TextField(null=True)
        condition = CharField(max_length=60, null=True)
        status = CharField(max_length=60, null=True)
        bin_location = CharField(max_length=60, null=True)
        warehouses = TextField(null=True)
        custom = TextField(null=True)
        public_id = CharField(max_length=32, unique=True)
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+")
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        content_hash = BigIntegerField()
        missing_since = DateTimeField(null=True)
        last_run_id = BigIntegerField()
        last_row = IntegerField()
        added_at = DateTimeField()
        changed_at = DateTimeField()

        class Meta:
            database = db
            table_name = "inventory_item"
            indexes = (
                (("source", "sku"), True),
                (("merchant", "sku", "id"), False),
                (("merchant", "upc"), False),
                (("merchant", "mpn"), False),
            )

    class StagedRow(Model):
        sku = CharField(max_length=120)
        parent_sku = CharField(max_length=120, null=True)
        title = CharField(max_length=500, null=True)
        description = TextField(null=True)
        brand = CharField(max_length=255, null=True)
        upc = CharField(max_length=14, null=True)
        mpn = CharField(max_length=120, null=True)
        quantity = BigIntegerField(null=True)
        cost = BigIntegerField(null=True)
        list_price = BigIntegerField(null=True)
        msrp = BigIntegerField(null=True)
        map_price = BigIntegerField(null=True)
        weight = BigIntegerField(null=True)
        weight_unit = CharField(max_length=20, null=True)
        length = BigIntegerField(null=True)
        width = BigIntegerField(null=True)
        height = BigIntegerField(null=True)
        dimension_unit = CharField(max_length=20, null=True)
        category_1 = CharField(max_length=255, null=True)
        category_2 = CharField(max_length=255, null=True)
        category_3 = CharField(max_length=255, null=True)
        images = TextField(null=True)
        condition = CharField(max_length=60, null=True)
        status = CharField(max_length=60, null=True)
        bin_location = CharField(max_length=60, null=True)
        warehouses = TextField(null=True)
        custom = TextField(null=True)
        run = ForeignKeyField(Run, on_delete="CASCADE", backref="+", index=False)
        row_number = IntegerField()
        used = SmallIntegerField()
        content_hash = BigIntegerField()

        class Meta:
            database = db
            table_name = "staged_row"
            primary_key = CompositeKey("run", "row_number")
            indexes = ((("run", "sku"), False),)

    class PlanRow(Model):
        run = ForeignKeyField(Run, on_delete="CASCADE", backref="+", index=False)
        n = BigIntegerField()
        action = CharField(max_length=10)
        sku = CharField(max_length=120)
        item_id = BigIntegerField(null=True)
        row_number = IntegerField(null=True)
        state = CharField(max_length=10)

        class Meta:
            database = db
            table_name = "plan_row"
            primary_key = CompositeKey("run", "n")
            indexes = ((("run", "action", "n"), False),)

    class InventoryChange(Model):
        id = BigAutoField()
        merchant = ForeignKeyField(Merchant, on_delete="CASCADE", backref="+", index=False)
        source = ForeignKeyField(Source, on_delete="CASCADE", backref="+")
        run = ForeignKeyField(Run, on_delete="CASCADE", backref="+", index=False)
        item_id = BigIntegerField()
        sku = CharField(max_length=120)
        action = CharField(max_length=10)
        row_number = IntegerField(null=True)
        before = TextField(null=True)
        after = TextField(null=True)
        at = DateTimeField()

        class Meta:
            database = db
            table_name = "inventory_change"
            indexes = ((("run", "item_id"), True), (("item_id", "id"), False))

    class SetAsideRow(Model):
        run = ForeignKeyField(Run, on_delete="CASCADE", backref="+", index=False)
        row_number = IntegerField()
        sku = CharField(max_length=120)
        fatal = IntegerField()
        problems = TextField()
        cells = TextField()

        class Meta:
            database = db
            table_name = "set_aside_row"
            primary_key = CompositeKey("run", "row_number")

    db.create_tables(
        [
            Merchant,
            User,
            Session,
            SignInAttempt,
            FormToken,
            AuditLine,
            Source,
            Connection,
            SealedSecret,
            Integration,
            MappingVersion,
            Run,
            RunMessage,
            Document,
            InventoryItem,
            StagedRow,
            PlanRow,
            InventoryChange,
            SetAsideRow,
        ],
        safe=False,
    )
    for statement in PARTIAL_INDEXES:
        db.execute_sql(statement)


PARTIAL_INDEXES = (
    'CREATE UNIQUE INDEX IF NOT EXISTS "source_name_of_merchant" ON "source" ("merchant_id", "name_key") WHERE ("state" != \'deleted\')',
    'CREATE UNIQUE INDEX IF NOT EXISTS "run_unfinished_of_integration" ON "run" ("integration_id") '
    "WHERE (\"state\" IN ('queued', 'running'))",
)
