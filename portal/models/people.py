"""What people sign in with beside their password, and links that work once."""

from __future__ import annotations

from peewee import BigAutoField, BigIntegerField, CharField, ForeignKeyField, SmallIntegerField, TextField

from portal.clock import now
from portal.models.accounts import Merchant, User
from portal.models.database import Table
from portal.models.fields import UtcTime, new_public_id


class PersonLink(Table):
    """A link that works once, for one purpose; only the hash of its token is kept, and none before it is made.

    `kind`: invite, reset, email (a new address to be confirmed), step (a password was right, the second step is to come),
    passkey (a challenge that was signed, so that it is judged once), or only an
    e-mail to `made_by`: notice, changed, two_step (`role` says what was done). `mail`: "" for none to send, due, sent or failed. A reset
    that was asked for has neither merchant nor user
    until the worker looks whether there is such a person. `challenge`: of a passkey, for a step.
    """

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    kind = CharField(max_length=10)
    merchant = ForeignKeyField(Merchant, null=True, backref="+", on_delete="CASCADE")
    user = ForeignKeyField(User, null=True, backref="+", on_delete="CASCADE")
    email = CharField(max_length=254, default="")
    role = CharField(max_length=20, default="")
    token_hash = CharField(max_length=64, null=True, unique=True)
    challenge = CharField(max_length=200, default="")
    address = CharField(max_length=64, default="")
    made_by = CharField(max_length=254, default="")
    made_at = UtcTime(default=now)
    ends_at = UtcTime(index=True)
    used_at = UtcTime(null=True)
    mail = CharField(max_length=10, default="", index=True)
    tries = SmallIntegerField(default=0)


class Authenticator(Table):
    """A person's app of codes (TOTP). `sealed`: its key, sealed for the merchant. `last_step`: of the code that was used last."""

    id = BigAutoField()
    user = ForeignKeyField(User, unique=True, backref="+", on_delete="CASCADE")
    sealed = TextField()
    last_step = BigIntegerField(default=0)
    made_at = UtcTime(default=now)


class RecoveryCode(Table):
    """One of a person's codes for when everything else is lost; only its hash, and when it was used.

    `suspended_at`: a backup brought it back, and whether it was used since is not known: it opens nothing.
    """

    id = BigAutoField()
    user = ForeignKeyField(User, backref="+", on_delete="CASCADE")
    code_hash = CharField(max_length=64)
    used_at = UtcTime(null=True)
    suspended_at = UtcTime(null=True)


class Passkey(Table):
    """A passkey of a person. `credential` and `public_key` as base64url. `uses`: its counter when it was used last."""

    id = BigAutoField()
    public_id = CharField(max_length=32, unique=True, default=new_public_id)
    user = ForeignKeyField(User, backref="+", on_delete="CASCADE")
    credential = CharField(max_length=1400, unique=True)
    public_key = TextField()
    name = CharField(max_length=80)
    uses = BigIntegerField(default=0)
    made_at = UtcTime(default=now)
    used_at = UtcTime(null=True)
