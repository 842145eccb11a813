"""Links that work once and end by themselves: invitations, new passwords, new addresses. Only the hash of a token is kept.

asked for ─▶ row (mail due) ─▶ worker: makes the token, keeps its hash, sends the e-mail          no mail server ─▶ the link is shown once
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from portal import clock, config
from portal.alerts import wishes
from portal.alerts.leaving import root
from portal.errors import NotFound, Refused
from portal.models import Merchant, PersonLink, User, database
from portal.outbox import others

log = logging.getLogger(__name__)

can_mail = wishes.can_mail

LASTS = {
    "invite": timedelta(hours=2), "reset": timedelta(hours=1), "email": timedelta(hours=2), "notice": timedelta(days=1),
    "changed": timedelta(days=1), "two_step": timedelta(days=1), "step": timedelta(minutes=5),
}  # fmt: skip
TRIES = 4
MOST_AT_ONCE = 100
KEPT = timedelta(days=1)  # after its end, so that a page can say that a link has ended

SUBJECTS = {
    "invite": "You are invited to {workspace} on Quayside", "reset": "A new password for Quayside",
    "email": "Confirm your new address for Quayside", "notice": "The address of your Quayside sign-in is being changed",
    "changed": "The address of your Quayside sign-in was changed",
    "two_step": "Your two-step sign-in to Quayside was changed",
}  # fmt: skip
BODIES = {
    "invite": "{by} invites you to {workspace}. Choose a password here:\n\n{link}\n\nThe link works once, for 2 hours. If you do not know "
    "{by}, do nothing.",
    "reset": "Somebody asked for a new password for {email}. Choose it here:\n\n{link}\n\nThe link works once, for 1 hour. If it was not "
    "you, do nothing: your password stays as it is.",
    "email": "Confirm that you sign in to Quayside with this address from now on:\n\n{link}\n\nThe link works once, for 2 hours. Until "
    "then your former address stays. If you did not ask for this, do nothing.",
    "notice": "Somebody who was signed in as you asked to change the address of your sign-in to {other}. It changes once that address is "
    "confirmed. If it was not you, change your password now and tell an owner of {workspace}:\n\n{link}",
    "changed": "Your sign-in to {workspace} has the address {other} now; this one opens nothing any more. If it was not you, tell an owner "
    "of {workspace} at once: they can end the access of {other}.",
    "two_step": "Of your sign-in to {workspace}, {step}. If it was not you, change your password now and tell an owner of {workspace}:"
    "\n\n{link}",
}  # fmt: skip
NOTICES = frozenset({"notice", "changed", "two_step"})
"""Only words, no link that works once. They go to `made_by`, as it was then: not to an address that was changed meanwhile."""
STEPS = {
    "app on": "an app of codes was set up as the second step, with new recovery codes", "app off": "the app of codes was turned off",
    "passkey on": "a passkey was added", "passkey off": "a passkey was removed",
    "passkey copied": "a passkey was refused, as there seems to be a copy of it: remove it and make a new one",
    "ended": "every second step was taken away by who runs this installation; sign in and set one up again",
    "codes": "new recovery codes were made in place of the former ones",
}  # fmt: skip
"""`role` of a "two_step" notice -> what was done."""
PATHS = {"invite": "/invitation/", "reset": "/reset/", "email": "/new-address/"}


def make(kind: str, *, merchant: Merchant | None = None, user: User | None = None, email: str = "", role: str = "", by: str = "") -> str:
    """A new link; its token. Of the same kind and address before, none works any more."""
    token = secrets.token_urlsafe(32)
    _write(kind, merchant, user, email, role, by, hashed(token), "")
    return token


def post(kind: str, *, merchant: Merchant | None = None, user: User | None = None, email: str = "", role: str = "", by: str = "") -> None:
    """A new link that the worker makes and sends to `email`; a notice goes to `by` and names `email`."""
    _write(kind, merchant, user, email, role, by, None, "due")


def open_link(kind: str, token: str) -> PersonLink:
    """The link of that token, while it works. Raises NotFound for anything else."""
    found: PersonLink | None = PersonLink.get_or_none(
        PersonLink.token_hash == hashed(token), PersonLink.kind == kind, PersonLink.used_at.is_null(), PersonLink.ends_at > clock.now()
    )
    if found is None:
        raise NotFound("link")
    return found


def use(link: PersonLink) -> None:
    """Spend it, inside the caller's transaction. Raises NotFound when another request was faster."""
    unused = (PersonLink.id == link.id) & PersonLink.used_at.is_null() & (PersonLink.ends_at > clock.now())
    if not PersonLink.update(used_at=clock.now()).where(unused).execute():
        raise NotFound("link")


def end_open(user: User) -> None:
    """End every link that could sign in as the person or change their sign-in, and those that wait to be sent."""
    now = clock.now()
    theirs = (PersonLink.user == user) & (PersonLink.kind << ["email", "reset", "step"])
    asked = (PersonLink.kind == "reset") & PersonLink.user.is_null() & (PersonLink.email == user.email)
    PersonLink.update(ends_at=now, mail="").where(theirs | asked, PersonLink.used_at.is_null(), PersonLink.ends_at > now).execute()


def tidy() -> None:
    """Take out what ended a day ago."""
    PersonLink.delete().where(PersonLink.ends_at < clock.now() - KEPT).execute()


def send_due() -> int:
    """Send the e-mails that wait; how many left."""
    rows = list(PersonLink.select().where(PersonLink.mail == "due").order_by(PersonLink.id).limit(MOST_AT_ONCE))
    return sum(_send(row) for row in rows)


def hashed(token: str) -> str:
    """What is kept of a token: it has 256 random bits, so that its hash needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def _write(
    kind: str, merchant: Merchant | None, user: User | None, email: str, role: str, by: str, token_hash: str | None, mail: str
) -> None:
    now = clock.now()
    with database.atomic():
        if kind in PATHS:
            before = (PersonLink.kind == kind) & (PersonLink.email == email) & PersonLink.used_at.is_null()
            mine = before & (PersonLink.merchant == merchant) if merchant is not None else before
            PersonLink.update(ends_at=now, mail="").where(mine, PersonLink.ends_at > now).execute()
        PersonLink.create(
            kind=kind, merchant=merchant, user=user, email=email, role=role, made_by=by, token_hash=token_hash, mail=mail, made_at=now,
            ends_at=now + LASTS[kind],
        )  # fmt: skip


def _send(row: PersonLink) -> int:
    """Send one; 1 when it left. One that certainly did not leave is tried again, another one never."""
    if not PersonLink.update(mail="sending", tries=PersonLink.tries + 1).where(PersonLink.id == row.id, PersonLink.mail == "due").execute():
        return 0
    if row.kind == "reset" and row.user_id is None and not _found_person(row):
        PersonLink.delete().where(PersonLink.id == row.id).execute()
        return 0
    if row.ends_at <= clock.now() or not wishes.can_mail():
        return _ended(row, "failed")
    token = secrets.token_urlsafe(32)
    if row.kind in PATHS:
        PersonLink.update(token_hash=hashed(token)).where(PersonLink.id == row.id).execute()
    try:
        sent = others.post_office().send("link", _message(row, token), row.public_id)
    except (Refused, ValueError) as error:
        log.warning("an e-mail of kind %s could not be made: %s", row.kind, type(error).__name__)
        return _ended(row, "failed")
    if sent.outcome == "sent":
        return _ended(row, "sent") + 1
    again = sent.outcome == "not_sent" and row.tries + 1 < TRIES
    log.warning("an e-mail of kind %s did not leave: %s", row.kind, sent.problem.headline if sent.problem else sent.outcome)
    return _ended(row, "due" if again else "failed")


def _found_person(row: PersonLink) -> bool:
    user = User.get_or_none(User.email == row.email, User.disabled_at.is_null())
    if user is not None:
        PersonLink.update(user=user, merchant=user.merchant_id).where(PersonLink.id == row.id).execute()
        row.user, row.merchant = user, user.merchant
    return user is not None


def _ended(row: PersonLink, state: str) -> int:
    PersonLink.update(mail=state).where(PersonLink.id == row.id).execute()
    return 0


def _message(row: PersonLink, token: str) -> bytes:
    settings, now = config.current(), clock.now()
    workspace = row.merchant.name if row.merchant else ""
    link = f"{root()}{PATHS[row.kind]}{token}" if row.kind in PATHS else f"{root()}/profile"
    words = {
        "workspace": workspace,
        "by": row.made_by,
        "email": row.email,
        "other": row.email,
        "link": link,
        "step": STEPS.get(row.role, ""),
    }
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(display_name="Quayside", addr_spec=settings.smtp_from)
    made["To"] = Address(addr_spec=row.made_by if row.kind in NOTICES else row.email)
    made["Subject"] = SUBJECTS[row.kind].format(**words)
    made["Date"] = format_datetime(_aware(now))
    made["Message-ID"] = f"<{hashed(row.public_id)[:32]}@{settings.smtp_from.rpartition('@')[2]}>"
    made["Auto-Submitted"] = "auto-generated"
    made.set_content(BODIES[row.kind].format(**words) + "\n")
    return made.as_bytes()


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)
