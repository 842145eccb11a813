"""Merchants, the people who sign in for them, and their server-side sessions."""

from __future__ import annotations

from peewee import SQL, BigAutoField, BooleanField, CharField, ForeignKeyField, IntegerField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.database import Table
from portal.models.fields import JsonText, UtcTime, new_public_id


class Merchant(Table):
    """One workspace. `data_key` is its own key, wrapped by the installation's key; `audit_lines` counts its audit log.
    `two_step_required`: 1 where everybody has to sign in with a second step, 2 where that has to be a passkey.
    `closing_at`: a person deleted it, and it is erased then; nothing of it runs or leaves meanwhile. None: it goes on.

    `order_settings`: what is not as by default: {"routing": {...}, "stock": {...}}, explained by portal.requests.rules.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    name = CharField(max_length=120)
    time_zone = CharField(max_length=60, default="UTC")
    auto_process = BooleanField(default=False)
    order_settings = JsonText(default=dict)
    data_key = TextField()
    audit_lines = IntegerField(default=0)
    version = IntegerField(default=1)
    created_at = UtcTime(default=now)
    changed_at = UtcTime(default=now)
    changed_by = CharField(max_length=254, default="")
    two_step_required = SmallIntegerField(default=0, constraints=[SQL("DEFAULT 0")])
    closing_at = UtcTime(null=True)
    closing_by = CharField(max_length=254, null=True)

    class Meta:
        only_save_dirty = True  # saving an older copy must not turn the count of audit lines back


class User(Table):
    """One person. `role`: owner, admin, operator or reader (portal.roles). `theme`: system, light or dark.

    `search_key`: whether "/" goes to the search box.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    merchant = ForeignKeyField(Merchant, backref="users", on_delete="CASCADE")
    email = CharField(max_length=254, unique=True)
    password_hash = CharField(max_length=255)
    role = CharField(max_length=20, default="reader")
    is_staff = BooleanField(default=False)
    theme = CharField(max_length=10, default="system")
    time_zone = CharField(max_length=60, default="")
    search_key = BooleanField(default=True)
    disabled_at = UtcTime(null=True)
    seen_at = UtcTime(null=True)
    version = IntegerField(default=1)
    created_at = UtcTime(default=now)


class Session(Table):
    """A sign-in. Only the hash of its token is kept. `proved_at`: last time the password was given.

    `notice`: {"words", "at"} left by the last save for the next page. `challenge`: what a passkey was asked to sign last.
    """

    id = BigAutoField()
    token_hash = CharField(max_length=64, unique=True)
    user = ForeignKeyField(User, backref="sessions", on_delete="CASCADE")
    csrf = CharField(max_length=64)
    address = CharField(max_length=64, default="")
    browser = CharField(max_length=200, default="")
    notice = JsonText(null=True)
    challenge = CharField(max_length=200, null=True)
    created_at = UtcTime(default=now)
    seen_at = UtcTime(default=now)
    proved_at = UtcTime(default=now)
    ends_at = UtcTime()


class SignInAttempt(Table):
    """One try to sign in that was wrong or is being judged, counted per email and per address (`key` is a hash of either)."""

    id = BigAutoField()
    key = CharField(max_length=64, index=True)
    at = UtcTime(default=now, index=True)


class FormToken(Table):
    """A form that was sent once: the same form sent again gets the first answer.

    `location` is where the first answer led: NULL while it is being worked on, "" for no place.
    """

    id = BigAutoField()
    token = CharField(max_length=64)
    user = ForeignKeyField(User, on_delete="CASCADE")
    location = TextField(null=True)
    at = UtcTime(default=now, index=True)

    class Meta:
        indexes = ((("user", "token"), True),)
