"""A new password by a link, and a new address that counts once it is confirmed. Whether an account exists is told to its mailbox alone."""

from __future__ import annotations

from typing import Any

from peewee import IntegrityError

from portal import accounts, audit, clock, passwords, person_links
from portal.errors import Invalid, NotFound, Refused
from portal.models import AlertMessage, ApiToken, PersonLink, RecoveryCode, Session, User, database

NO_MAIL = "This installation sends no e-mail (SMTP_HOST)."


def ask_reset(email: str, address: str) -> None:
    """Let the worker send a link to `email`, if somebody signs in with it: nothing is looked up here, so that answer and time are
    the same for all. Raises Refused for too many, the same for all.
    """  # fmt: skip
    if not person_links.can_mail():
        raise Refused(f"{NO_MAIL} Ask an owner of your workspace, or the operator: flask --app app set-password.")
    email = email.replace("\x00", "").strip().lower()[:254]
    accounts.count_try("reset", email, address)
    person_links.post("reset", email=email)


def reset(token: str, new: str, address: str) -> None:
    """Take the new password; every session of the person ends. Raises NotFound for a link that does not work, Invalid."""
    link = person_links.open_link("reset", token)
    user = link.user
    if user is None or user.disabled_at is not None:
        raise NotFound("link")
    if problem := passwords.problem_with(new, (user.email,)):
        raise Invalid({"password": problem})
    with database.atomic():
        person_links.use(link)
        accounts.store_password(user, new, user.email, address=address, action="user.reset")


def ask_email(user: User, email: str, address: str) -> str:
    """Send a link to the new address and a notice to the present one; the new address. Raises Invalid, Refused."""
    if not person_links.can_mail():
        raise Refused(f"{NO_MAIL} A new address cannot be confirmed. Ask for an invitation to it instead.")
    email = accounts.checked_email(email)
    if email == user.email:
        raise Invalid({"email": "You sign in with this address already."})
    accounts.count_try("email", user.public_id, address)
    with database.atomic():
        person_links.post("email", merchant=user.merchant, user=user, email=email, by=user.email)
        person_links.post("notice", merchant=user.merchant, user=user, email=email, by=user.email)
        audit.write(user.merchant, user.email, "user.email_asked", "user", user.public_id, after={"email": email}, address=address)
    return email


def confirm_email(token: str, address: str) -> User:
    """The new address counts from now on, which the former one is told; sessions and other links end.

    Raises NotFound for a link that does not work, Refused when it is taken.
    """
    link = person_links.open_link("email", token)
    user = link.user
    if user is None or user.disabled_at is not None:
        raise NotFound("link")
    before = user.email
    try:
        with database.atomic():
            person_links.use(link)
            User.update(email=link.email, version=User.version + 1).where(User.id == user.id).execute()
            Session.delete().where(Session.user == user).execute()
            person_links.end_open(user)
            ApiToken.update(made_by=link.email).where(ApiToken.merchant == user.merchant_id, ApiToken.made_by == before).execute()
            person_links.post("changed", merchant=user.merchant, user=user, email=link.email, by=before)
            told: dict[str, Any] = {"before": {"email": before}, "after": {"email": link.email}}
            audit.write(user.merchant, before, "user.email", "user", user.public_id, address=address, **told)
    except IntegrityError as taken:
        raise Refused("Somebody signs in with this address already. Your former address stays.") from taken
    user.email = link.email
    return user


def after_restore() -> None:
    """End what a backup brought back of links and e-mails: a link that was used or taken back since would work again, an invitation or an
    alert would be sent a second time. Inside the caller's transaction.
    """  # fmt: skip
    PersonLink.delete().execute()
    suspended = {"suspended_at": clock.now()}  # revoked or used since, they would open again
    ApiToken.update(suspended).where(ApiToken.revoked_at.is_null()).execute()
    RecoveryCode.update(suspended).where(RecoveryCode.used_at.is_null()).execute()
    ended = {"state": "dropped", "ended_at": clock.now(), "said": "It waited when the database was restored from a backup."}
    AlertMessage.update(**ended).where(AlertMessage.state == "waiting").execute()


def end_others(user: User, keep: Session, address: str) -> int:
    """Sign out every other browser of the person; how many."""
    with database.atomic():
        ended = Session.delete().where(Session.user == user, Session.id != keep.id).execute()
        if ended:
            audit.write(
                user.merchant, user.email, "session.close_others", "user", user.public_id, after={"sessions": ended}, address=address
            )
    return int(ended)
