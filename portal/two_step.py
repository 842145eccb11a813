"""The second step of signing in: a code of an app (TOTP), each once; recovery codes, each once; and whether a workspace requires one."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC
from typing import Any

import pyotp

from portal import accounts, audit, clock, devices, person_links, vault
from portal.errors import Invalid, Refused
from portal.models import Authenticator, Merchant, Passkey, PersonLink, RecoveryCode, Session, User, database
from portal.person_links import LASTS, hashed

FIELD = "authenticator"
CODES = 10
ONLY_PASSKEYS = 2
"""`two_step_required` of a workspace in which the second step has to be a passkey."""
STEP_SECONDS = 30
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
WRONG = "That code does not fit. Each works once: wait for the next one, and check the clock of your phone."


def new_key() -> str:
    """A key for an app, as base32; kept nowhere before a code proved that the app has it."""
    return pyotp.random_base32()


def is_key(text: str) -> bool:
    """Whether `text` is shaped as a key that `new_key` made."""
    return len(text) == 32 and set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


def address_of(user: User, key: str) -> str:
    """What the app reads from the picture: an otpauth address."""
    return pyotp.TOTP(key).provisioning_uri(name=user.email, issuer_name="Quayside")


def ways(user: User) -> list[str]:
    """Second steps that the person has: "code", "passkey"."""
    found: list[tuple[str, Any]] = [("code", Authenticator), ("passkey", Passkey)]
    return [word for word, table in found if table.select().where(table.user == user).exists()]


def must_set_up(user: User) -> bool:
    """Whether the workspace requires a second step and the person has none."""
    required, has = user.merchant.two_step_required, ways(user)
    return bool(required) and ("passkey" not in has if required == ONLY_PASSKEYS else not has)


def enable(user: User, key: str, code: str, keep: Session, address: str, current: str = "") -> list[str]:
    """Use an app from now on; new recovery codes, to be shown once. Other sessions end.

    Who has an app already proves it by `current`: a session left open must not swap the app. Raises Invalid, Refused.
    """
    step = _step_of(key, code) if is_key(key) else None
    if step is None:
        raise Invalid({"code": WRONG})
    _prove(user, current, address)
    with database.atomic():
        Authenticator.delete().where(Authenticator.user == user).execute()
        Authenticator.create(user=user, sealed=vault.seal(user.merchant, user.public_id, FIELD, key), last_step=step, made_at=clock.now())
        Session.delete().where(Session.user == user, Session.id != keep.id).execute()
        audit.write(user.merchant, user.email, "two_step.code_on", "user", user.public_id, after={"key": "changed"}, address=address)
        tell(user, "app on")
        return new_recovery_codes(user, address)


def disable(user: User, current: str, address: str) -> None:
    """Forget the app, proved by `current`. Recovery codes go with the last second step.

    Raises Invalid, Refused: also where the workspace requires a second step.
    """
    if user.merchant.two_step_required and "passkey" not in ways(user):
        raise Refused("This workspace requires a second step. Set up another app in its place.")
    _prove(user, current, address)
    with database.atomic():
        Authenticator.delete().where(Authenticator.user == user).execute()
        forget_codes_without_steps(user)
        audit.write(user.merchant, user.email, "two_step.code_off", "user", user.public_id, address=address)
        tell(user, "app off")


def forget_codes_without_steps(user: User) -> None:
    """Recovery codes are of no use to who has no second step."""
    if not ways(user):
        RecoveryCode.delete().where(RecoveryCode.user == user).execute()


def renew_codes(user: User, current: str, address: str) -> list[str]:
    """Ten new recovery codes, proved by `current`. Raises Invalid, Refused."""
    if not ways(user):
        raise Refused("Set up two-step sign-in first; recovery codes stand in for it.")
    _prove(user, current, address)
    with database.atomic():
        tell(user, "codes")
        return new_recovery_codes(user, address)


def _prove(user: User, current: str, address: str) -> None:
    """Take a code from who has an app: a passkey shows none, so the password, given just now, has to do.

    Raises Invalid, outside a transaction, so that wrong ones stay counted.
    """
    if "code" in ways(user):
        try:
            check(user, current, address)
        except Refused as wrong:
            raise Invalid({"current": str(wrong)}) from wrong


def tell(user: User, what: str) -> None:
    """E-mail the person what was done to their second step, by a key of person_links.STEPS."""
    if person_links.can_mail():
        person_links.post("two_step", merchant=user.merchant, user=user, role=what, by=user.email)


def new_recovery_codes(user: User, address: str) -> list[str]:
    """Ten new codes in place of all before, to be shown once; only their hashes are kept."""
    made = ["-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(3)) for _ in range(CODES)]
    with database.atomic():
        RecoveryCode.delete().where(RecoveryCode.user == user).execute()
        RecoveryCode.insert_many([{"user": user, "code_hash": _recovery_hash(code)} for code in made]).execute()
        audit.write(
            user.merchant, user.email, "two_step.recovery_codes", "user", user.public_id, after={"codes": len(made)}, address=address
        )
    return made


def codes_left(user: User) -> int:
    """Recovery codes that were not used."""
    return int(RecoveryCode.select().where(RecoveryCode.user == user, _usable()).count())


def suspended_codes(user: User) -> int:
    """Codes that a restored backup brought back, of which nobody knows whether they were used since."""
    rows = RecoveryCode.select().where(RecoveryCode.user == user, RecoveryCode.used_at.is_null(), RecoveryCode.suspended_at.is_null(False))
    return int(rows.count())


def end_for(user: User, reason: str, who: str = "command line") -> list[str]:
    """Take every second step of a person away, who lost them all; what they were. Sessions end, and the person is told by e-mail.

    Raises Invalid without a reason, Refused where there is none.
    """
    had, reason = ways(user), " ".join(reason.split())[:200]
    if not reason:
        raise Invalid({"reason": "Say why, such as how you made sure that it is them."})
    if not had:
        raise Refused(f"{user.email} has no second step. Nothing was changed.")
    gone: list[Any] = [Authenticator, Passkey, RecoveryCode, Session]
    with database.atomic():
        for table in gone:
            table.delete().where(table.user == user).execute()
        person_links.end_open(user)
        audit.write(user.merchant, who, "two_step.ended_for", "user", user.public_id, before={"steps": had}, after={"reason": reason})
        tell(user, "ended")
    return had


def _usable() -> Any:
    return RecoveryCode.used_at.is_null() & RecoveryCode.suspended_at.is_null()


def check(user: User, typed: str, address: str, device: str = "") -> None:
    """Take a code of the app, or a recovery code, once. Raises Refused; wrong ones count, the same for both kinds.

    `device`: as for `accounts.check_password`: who has the password alone keeps the person out of no browser of theirs.
    """
    number = devices.known(user.email, device)
    tried = accounts.count_try("second", number or user.public_id, "" if number else address)
    only_passkeys = user.merchant.two_step_required == ONLY_PASSKEYS and "passkey" in ways(user)
    if not ((not only_passkeys and _take_code(user, typed)) or _take_recovery(user, typed, address)):
        accounts.note_refusal(user, address)
        raise Refused(WRONG)
    accounts.take_back(tried)


def require(actor: User, required: int, address: str) -> None:
    """Say for the whole workspace whether everybody needs a second step (1), or a passkey (2). Raises Refused for an owner who has none."""
    if required and not ways(actor):
        raise Refused("Set up two-step sign-in for yourself first. Nothing was changed.")
    if required == ONLY_PASSKEYS and "passkey" not in ways(actor):
        raise Refused("Make a passkey for yourself first. Nothing was changed.")
    with database.atomic():
        before = int(Merchant.get_by_id(actor.merchant_id).two_step_required)
        Merchant.update(two_step_required=required).where(Merchant.id == actor.merchant_id).execute()
        told: dict[str, Any] = {"before": {"required": before}, "after": {"required": required}}
        audit.write(actor.merchant, actor.email, "two_step.required", "merchant", actor.merchant.public_id, address=address, **told)


def begin(user: User, address: str) -> str:
    """The password was right: the token of a cookie that waits for the second step, for 5 minutes."""
    token, now = secrets.token_urlsafe(32), clock.now()
    PersonLink.create(
        kind="step", merchant=user.merchant_id, user=user, token_hash=hashed(token), address=address[:64], made_at=now,
        ends_at=now + LASTS["step"],
    )  # fmt: skip
    return token


def _take_code(user: User, typed: str) -> bool:
    row = Authenticator.get_or_none(Authenticator.user == user)
    if row is None:
        return False
    step = _step_of(vault.unseal(user.merchant, user.public_id, FIELD, row.sealed).reveal(), typed)
    if step is None:
        return False
    later = (Authenticator.id == row.id) & (Authenticator.last_step < step)
    return bool(Authenticator.update(last_step=step).where(later).execute())


def _step_of(key: str, typed: str) -> int | None:
    """The step of time whose code was typed: the present one, or its neighbours, as clocks differ."""
    code = typed.replace(" ", "")
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return None
    now = int(clock.now().replace(tzinfo=UTC).timestamp()) // STEP_SECONDS
    app = pyotp.TOTP(key)
    fitting = [step for step in (now, now - 1, now + 1) if hmac.compare_digest(app.generate_otp(step), code)]
    return max(fitting, default=None)


def _take_recovery(user: User, typed: str, address: str) -> bool:
    unused = (RecoveryCode.user == user) & (RecoveryCode.code_hash == _recovery_hash(typed)) & _usable()
    with database.atomic():
        taken = RecoveryCode.update(used_at=clock.now()).where(unused).execute()
        if taken:
            left = {"left": codes_left(user)}
            audit.write(user.merchant, user.email, "two_step.recovery_used", "user", user.public_id, after=left, address=address)
    return bool(taken)


def _recovery_hash(code: str) -> str:
    """Some 74 random bits: nobody tries them all, so that the hash needs no salt."""
    return hashlib.sha256("".join(letter for letter in code.lower() if letter.isalnum()).encode()).hexdigest()
