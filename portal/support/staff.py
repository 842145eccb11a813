"""Support staff sign in apart from everybody else: password and a code of an app together, sessions of their own."""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
from datetime import UTC, timedelta
from typing import Any

import pyotp
from peewee import IntegrityError

from portal import accounts, clock, passwords, vault
from portal.errors import Invalid, NotFound, Refused
from portal.models import StaffPerson, StaffSession, database
from portal.support import views

IDLE = timedelta(hours=1)
LONGEST = timedelta(hours=10)
STEP_SECONDS = 30
NO_MATCH = "Email, password and code do not match. Each code works once: wait for the next one, then try again."

log = logging.getLogger(__name__)


def add(email: str, password: str, again: bool = False) -> tuple[StaffPerson, str]:
    """A new person of the support staff, and the address that their app of codes reads, to be shown once. Raises Invalid.

    `again`: one that is there gets another password and app, and access again; their sessions end. Raises NotFound for nobody.
    """
    email = accounts.checked_email(email)
    if problem := passwords.problem_with(password, (email,)):
        raise Invalid({"password": problem})
    known: StaffPerson | None = StaffPerson.get_or_none(StaffPerson.email == email)
    if again and known is None:
        raise NotFound("support staff")
    person = known if again and known is not None else StaffPerson(email=email, created_at=clock.now())
    key = pyotp.random_base32()
    person.password_hash, person.data_key, person.last_step, person.disabled_at = passwords.hashed(password), vault.new_data_key(), 0, None
    person.sealed_key = vault.seal(person, person.public_id, vault.STAFF_FIELD, key)
    try:
        with database.atomic():
            person.save(force_insert=person.id is None)
            StaffSession.delete().where(StaffSession.staff == person).execute()
    except IntegrityError as taken:
        raise Invalid({"email": "Support staff with this email is there already. With --again they get a new password and app."}) from taken
    return person, address_of(person, key)


def address_of(person: StaffPerson, key: str) -> str:
    """What an app of codes reads: an otpauth address."""
    return str(pyotp.TOTP(key).provisioning_uri(name=person.email, issuer_name="Quayside support"))


def end(email: str) -> StaffPerson:
    """End somebody's access and sessions. Raises NotFound."""
    person: StaffPerson | None = StaffPerson.get_or_none(StaffPerson.email == email.strip().lower())
    if person is None:
        raise NotFound("support staff")
    with database.atomic():
        StaffPerson.update(disabled_at=clock.now()).where(StaffPerson.id == person.id).execute()
        StaffSession.delete().where(StaffSession.staff == person).execute()
        views.end(person)
    return person


def sign_in(email: str, password: str, code: str, address: str, browser: str) -> str:
    """The token of a new session. Raises Refused, the same whatever was wrong."""
    email = email.replace("\x00", "").strip().lower()
    tried = accounts.count_try("staff", email, address)
    person: StaffPerson | None = StaffPerson.get_or_none(StaffPerson.email == email)
    good = passwords.matches(person.password_hash if person else None, password)
    if person is None or not good or person.disabled_at is not None or not _take_code(person, code):
        log.warning("support staff: a sign-in was refused, from %s", address)
        raise Refused(NO_MATCH)
    accounts.take_back(tried)
    token, moment = secrets.token_urlsafe(32), clock.now()
    StaffSession.create(
        token_hash=_hashed(token), staff=person, csrf=secrets.token_urlsafe(32), address=address[:64], browser=browser[:200],
        created_at=moment, seen_at=moment, ends_at=moment + LONGEST,
    )  # fmt: skip
    return token


def session_for(token: str) -> StaffSession | None:
    """The living session of that token with its person, or None. Notes that it was seen."""
    found: Any = StaffSession.select(StaffSession, StaffPerson).join(StaffPerson).where(StaffSession.token_hash == _hashed(token))
    session: StaffSession | None = found.first()
    moment = clock.now()
    if session is None or session.ends_at <= moment or session.seen_at + IDLE <= moment or session.staff.disabled_at is not None:
        return None
    if moment - session.seen_at > timedelta(minutes=1):
        StaffSession.update(seen_at=moment).where(StaffSession.id == session.id).execute()
        StaffPerson.update(seen_at=moment).where(StaffPerson.id == session.staff_id).execute()
    return session


def sign_out(session: StaffSession) -> None:
    """End this session."""
    StaffSession.delete().where(StaffSession.id == session.id).execute()


def tidy() -> None:
    """Take out ended sessions."""
    moment = clock.now()
    StaffSession.delete().where((StaffSession.ends_at <= moment) | (StaffSession.seen_at <= moment - IDLE)).execute()


def _take_code(person: StaffPerson, typed: str) -> bool:
    """Use the code of the present step, or of its neighbours, as clocks differ; each once."""
    code = typed.replace(" ", "")
    if not (code.isascii() and code.isdigit() and len(code) == 6):
        return False
    app = pyotp.TOTP(vault.unseal(person, person.public_id, vault.STAFF_FIELD, person.sealed_key).reveal())
    now = int(clock.now().replace(tzinfo=UTC).timestamp()) // STEP_SECONDS
    fitting = [step for step in (now, now - 1, now + 1) if hmac.compare_digest(app.generate_otp(step), code)]
    if not fitting:
        return False
    unused = (StaffPerson.id == person.id) & (StaffPerson.last_step < max(fitting))
    return bool(StaffPerson.update(last_step=max(fitting)).where(unused).execute())


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
