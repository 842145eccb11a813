"""Passkeys (WebAuthn Level 2, by py_webauthn): made, named, removed, and signed in with. One counts as two steps, as it needs the person.

asked for ─▶ challenge, of one session or one cookie, once, for 5 minutes ─▶ signed ─▶ origin, site, person, signature, counter ─▶ in
"""

from __future__ import annotations

import hmac
import json
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import webauthn
from peewee import IntegrityError
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from portal import accounts, audit, clock, config, two_step, vault
from portal.errors import Invalid, NotFound, Refused
from portal.models import Authenticator, Passkey, PersonLink, RecoveryCode, Session, User, database
from portal.person_links import hashed

log = logging.getLogger(__name__)

CHALLENGE_LASTS = timedelta(minutes=5)
LONGEST_NAME = 80
LARGEST = 20_000  # letters of what a browser sends
MOST = 20
NO_MATCH = "That passkey did not sign you in. Try again, or sign in with your password."
NOT_MADE = "The passkey could not be made. Try again; nothing was changed."


@dataclass(frozen=True)
class Site:
    """Who asks: the name that passkeys are bound to, and the address that browsers must be at."""

    name: str
    origin: str


def site() -> Site:
    """By PUBLIC_URL; without it this machine, by its name, as browsers bind no passkey to a number."""
    told = config.current()
    origin = told.public_url or f"http://localhost:{told.port}"
    return Site(urlsplit(origin).hostname or "localhost", origin)


def of(user: User) -> list[Passkey]:
    """The person's passkeys, the oldest first."""
    return list(Passkey.select().where(Passkey.user == user).order_by(Passkey.id))


def begin_making(user: User, session: Session) -> str:
    """What the browser is asked to make, as JSON; its challenge is of this session, and replaces any before."""
    if len(of(user)) >= MOST:
        raise Refused(f"You have {MOST} passkeys. Remove one first.")
    challenge = secrets.token_bytes(32)
    ends = (clock.now() + CHALLENGE_LASTS).isoformat()
    Session.update(challenge=f"{bytes_to_base64url(challenge)} {ends}").where(Session.id == session.id).execute()
    options = webauthn.generate_registration_options(
        rp_id=site().name, rp_name="Quayside", user_id=user.public_id.encode(), user_name=user.email, challenge=challenge,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=base64url_to_bytes(one.credential)) for one in of(user)],
    )  # fmt: skip
    return webauthn.options_to_json(options)


def finish_making(user: User, session: Session, name: str, credential: str, address: str) -> list[str]:
    """Keep the passkey that the browser made; new recovery codes where it is the first second step, to be shown once, else none.

    Raises Invalid ("name", "credential").
    """
    name = " ".join(name.split())
    challenge = _spent(session)
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise Invalid({"name": "Name it, such as the device that keeps it, by 1 to 80 characters."})
    here = site()
    try:
        if challenge is None or len(credential) > LARGEST:
            raise Invalid({"credential": NOT_MADE})
        made = webauthn.verify_registration_response(
            credential=credential, expected_challenge=challenge, expected_rp_id=here.name, expected_origin=here.origin,
            require_user_verification=True,
        )  # fmt: skip
    except (WebAuthnException, ValueError, KeyError, TypeError) as wrong:
        log.info("a passkey was not made: %s", type(wrong).__name__)
        raise Invalid({"credential": NOT_MADE}) from wrong
    first = not two_step.ways(user)
    try:
        with database.atomic():
            row = Passkey.create(
                user=user, credential=bytes_to_base64url(made.credential_id), name=name, uses=made.sign_count, made_at=clock.now(),
                public_key=bytes_to_base64url(made.credential_public_key),
            )  # fmt: skip
            if first:
                Session.delete().where(Session.user == user, Session.id != session.id).execute()
            audit.write(user.merchant, user.email, "two_step.passkey_on", "user", user.public_id, after={"name": row.name}, address=address)
            two_step.tell(user, "passkey on")
            return two_step.new_recovery_codes(user, address) if first else []
    except IntegrityError as taken:
        raise Invalid({"credential": "That passkey is kept already. Nothing was changed."}) from taken


def remove(user: User, public_id: str, address: str) -> Passkey:
    """It opens nothing any more. Raises NotFound; Refused for the last one where the workspace requires it."""
    row: Passkey | None = Passkey.get_or_none(Passkey.user == user, Passkey.public_id == public_id)
    if row is None:
        raise NotFound("passkey")
    with database.atomic():
        required = user.merchant.two_step_required
        others = Passkey.select().where(Passkey.user == user, Passkey.id != row.id).exists()
        app = Authenticator.select().where(Authenticator.user == user).exists()
        if required and not others and (required == two_step.ONLY_PASSKEYS or not app):
            raise Refused("This workspace requires it of everyone. Make another passkey first. Nothing was changed.")
        Passkey.delete().where(Passkey.id == row.id).execute()
        if not others and not app:
            RecoveryCode.delete().where(RecoveryCode.user == user).execute()
        audit.write(user.merchant, user.email, "two_step.passkey_off", "user", user.public_id, before={"name": row.name}, address=address)
        two_step.tell(user, "passkey off")
    return row


def begin_sign_in() -> tuple[str, str]:
    """(what a cookie keeps, what the browser is asked to sign, as JSON). Whose passkey it will be is not known, nor asked.

    Nothing is written before it is signed: a stranger who asks a million times fills no table.
    """
    challenge = secrets.token_bytes(32)
    ends = str(int((clock.now() + CHALLENGE_LASTS).replace(tzinfo=UTC).timestamp()))
    kept = f"{bytes_to_base64url(challenge)}.{ends}"
    options = webauthn.generate_authentication_options(
        rp_id=site().name, challenge=challenge, user_verification=UserVerificationRequirement.REQUIRED
    )
    return f"{kept}.{vault.current().marks(f'passkey|{kept}')[0]}", webauthn.options_to_json(options)


def sign_in(token: str, credential: str, address: str) -> User:
    """Whose passkey signed the challenge of that cookie. Raises Refused, the same for all, also for too many from one address."""
    tried = accounts.count_try("passkey", hashed(token), address)
    try:
        challenge = _judged_once(token, address)
        row = _of_credential(credential)
        used = _verified(row, credential, challenge)
    except (NotFound, IntegrityError, WebAuthnException, ValueError, KeyError, TypeError, RecursionError) as wrong:
        log.info("a passkey was refused: %s", type(wrong).__name__)
        raise Refused(NO_MATCH) from wrong
    if not accounts.may_enter(row.user):
        accounts.note_refusal(row.user, address)
        raise Refused(NO_MATCH)
    _count_on(row, used, address)
    accounts.take_back(tried)
    user: User = row.user
    return user


def _judged_once(token: str, address: str) -> bytes:
    """The challenge of a cookie of ours, whatever comes of it: the next time it is none. Raises NotFound, IntegrityError."""
    text, _, proof = token.rpartition(".")
    challenge, _, ends = text.partition(".")
    proved = [hmac.compare_digest(one, proof) for one in vault.current().marks(f"passkey|{text}")] if token.isascii() else []
    moment = datetime.fromtimestamp(int(ends), UTC).replace(tzinfo=None) if any(proved) else clock.now()
    if moment <= clock.now():
        raise NotFound("challenge")
    with database.atomic():
        PersonLink.create(kind="passkey", token_hash=hashed(challenge), address=address[:64], ends_at=moment, used_at=clock.now())
    return base64url_to_bytes(challenge)


def _of_credential(credential: str) -> Passkey:
    """The passkey that the browser says it used, of the person that it says it is of. Raises NotFound, ValueError."""
    told = json.loads(credential[:LARGEST])
    row: Passkey | None = Passkey.get_or_none(Passkey.credential == str(told["id"]).rstrip("="))
    if row is None:
        raise NotFound("passkey")
    handle = told["response"].get("userHandle")
    if handle is None or base64url_to_bytes(handle) != row.user.public_id.encode():
        raise NotFound("passkey")
    return row


def _verified(row: Passkey, credential: str, challenge: bytes) -> int:
    """The counter of a signature that is right. It is compared afterwards, so that nobody raises an alarm without the key."""
    here = site()
    return webauthn.verify_authentication_response(
        credential=credential, expected_challenge=challenge, expected_rp_id=here.name, expected_origin=here.origin,
        credential_public_key=base64url_to_bytes(row.public_key), credential_current_sign_count=0, require_user_verification=True,
    ).new_sign_count  # fmt: skip


def _count_on(row: Passkey, used: int, address: str) -> None:
    """Note the use. A counter that does not rise is that of a copy: refused, and the person is told. Raises Refused.

    0 is of a passkey that counts nothing, as those that are kept on several devices.
    """
    rises = (Passkey.uses < used) | ((Passkey.uses == 0) & (used == 0))
    if Passkey.update(uses=used, used_at=clock.now()).where(Passkey.id == row.id, rises).execute():
        return
    user = row.user
    with database.atomic():
        told: dict[str, Any] = {"before": {"uses": row.uses}, "after": {"uses": used, "name": row.name}}
        audit.write(user.merchant, user.email, "two_step.passkey_copied", "user", user.public_id, address=address, **told)
        two_step.tell(user, "passkey copied")
    raise Refused(NO_MATCH)


def _spent(session: Session) -> bytes | None:
    """The challenge of the session, which is none after this; None for one that is over."""
    kept = Session.select(Session.challenge).where(Session.id == session.id).scalar()
    if not kept or not Session.update(challenge=None).where(Session.id == session.id, Session.challenge == kept).execute():
        return None
    challenge, _, ends = kept.partition(" ")
    return base64url_to_bytes(challenge) if datetime.fromisoformat(ends) > clock.now() else None
