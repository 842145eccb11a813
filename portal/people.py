"""The people of a workspace: who is in it, invitations, roles, disabling. At least one owner always remains."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from peewee import IntegrityError, fn

from portal import accounts, api_tokens, audit, clock, passwords, person_links, plans, roles
from portal.errors import Forbidden, Invalid, NotFound, Refused
from portal.models import AuditLine, Authenticator, Merchant, Passkey, PersonLink, Session, User, database

NAMED = 3  # people whom a refusal names
REMEMBERED = 20  # lines of the log that are looked at before the same refusal is written again
MOST_INVITATIONS = 50
MOST_TO_ONE = 5  # within a day
MOST_A_DAY = 100


@dataclass(frozen=True)
class Person:
    """One line of the team: `seen_at`: None for never. `two_step`: "", "code", "passkey" or "code and passkey"."""

    user: User
    seen_at: datetime | None
    two_step: str


def listing(merchant: Merchant) -> list[Person]:
    """Everybody of the workspace, owners first, those who are disabled last."""
    order = list(roles.ROLES)
    users = list(User.select().where(User.merchant == merchant, User.is_staff == False))  # noqa: E712
    rows = Session.select(Session.user, fn.MAX(Session.seen_at).alias("seen")).where(Session.user << users).group_by(Session.user)
    seen: dict[int, datetime] = dict(list(rows.tuples()))  # type: ignore[arg-type]
    codes = {one.user_id for one in Authenticator.select(Authenticator.user).where(Authenticator.user << users)}
    keys = {one.user_id for one in Passkey.select(Passkey.user).where(Passkey.user << users)}
    lines = []
    for user in users:
        ways = [word for word, have in (("code", codes), ("passkey", keys)) if user.id in have]
        moments = [moment for moment in (seen.get(user.id), user.seen_at) if moment is not None]
        lines.append(Person(user, max(moments, default=None), " and ".join(ways)))
    return sorted(lines, key=lambda one: (one.user.disabled_at is not None, _place(order, one.user.role), one.user.email))


def find(merchant: Merchant, public_id: str) -> User:
    """The person of the workspace with that id. Raises NotFound."""
    user: User | None = User.get_or_none(User.merchant == merchant, User.public_id == public_id, User.is_staff == False)  # noqa: E712
    if user is None:
        raise NotFound("user")
    user.merchant = merchant
    return user


def who_may(merchant: Merchant, right: str) -> list[str]:
    """Emails of at most three people of the workspace who have `right`, the mightiest first."""
    order = list(roles.ROLES)
    found = User.select(User.email, User.role).where(User.merchant == merchant, User.disabled_at.is_null(), User.is_staff == False)  # noqa: E712
    able = [one for one in found if roles.may(one.role, right)]
    return [one.email for one in sorted(able, key=lambda one: (_place(order, one.role), one.email))[:NAMED]]


def invitations(merchant: Merchant) -> list[PersonLink]:
    """Invitations that still work, or whose e-mail waits, the newest first."""
    open_ = (PersonLink.merchant == merchant) & (PersonLink.kind == "invite") & PersonLink.used_at.is_null()
    return list(PersonLink.select().where(open_, PersonLink.ends_at > clock.now()).order_by(PersonLink.id.desc()))


def seats(merchant: Merchant) -> tuple[int, int | None]:
    """(people and open invitations, how many the plan holds or None)."""
    used = User.select().where(User.merchant == merchant, User.disabled_at.is_null(), User.is_staff == False).count()  # noqa: E712
    return used + len(invitations(merchant)), plans.limits(merchant.id)["users"]


def invite(actor: User, email: str, role: str, address: str = "") -> str:
    """Invite somebody by a link; "" where it is e-mailed, else its token, to be shown once. Raises Invalid, Refused, Forbidden."""
    merchant = actor.merchant
    email = accounts.checked_email(email)
    _check_role(actor, role)
    with database.atomic():
        _alone(merchant)
        actor = _still(actor)
        _check_role(actor, role)
        # An address that signs in elsewhere is invited like any other: whether it does is not this workspace's to know.
        if User.select().where(User.merchant == merchant, User.email == email).exists():
            raise Invalid({"email": "This person is in the workspace already."})
        if len(invitations(merchant)) >= MOST_INVITATIONS:
            raise Refused(f"There are {MOST_INVITATIONS} open invitations. Take some back, or wait until they end.")
        PersonLink.update(ends_at=clock.now()).where(
            PersonLink.merchant == merchant, PersonLink.kind == "invite", PersonLink.email == email, PersonLink.used_at.is_null()
        ).execute()
        _check_seat(merchant)
        _check_pace(merchant, email)
        told: dict[str, Any] = {"merchant": merchant, "email": email, "role": role, "by": actor.email}
        token = ""
        if person_links.can_mail():
            person_links.post("invite", **told)
        else:
            token = person_links.make("invite", **told)
        audit.write(merchant, actor.email, "user.invite", "user", "", after={"email": email, "role": role}, address=address)
    return token


def take_back(actor: User, public_id: str, address: str = "") -> PersonLink:
    """End an invitation. Raises NotFound."""
    for link in invitations(actor.merchant):
        if link.public_id == public_id:
            PersonLink.update(ends_at=clock.now(), mail="").where(PersonLink.id == link.id).execute()
            audit.write(actor.merchant, actor.email, "user.uninvite", "user", "", before={"email": link.email}, address=address)
            return link
    raise NotFound("invitation")


def accept(token: str, password: str, address: str, browser: str) -> str:
    """Join by an invitation; the token of a new session. Raises NotFound for a link that does not work, Invalid, Refused."""
    link = person_links.open_link("invite", token)
    merchant = link.merchant
    if merchant is None:
        raise NotFound("link")
    if problem := passwords.problem_with(password, (link.email,)):
        raise Invalid({"password": problem})
    kept = passwords.hashed(password)
    try:
        with database.atomic():
            _alone(merchant)
            person_links.use(link)
            if not roles.may(_role_of(link.made_by, merchant), "owners" if link.role == "owner" else "people"):
                raise Refused("Who invited you may not do so any more. Ask an owner for a new invitation.")
            _check_seat(merchant)
            user = User.create(merchant=merchant, email=link.email, password_hash=kept, role=link.role)
            audit.write(
                merchant, user.email, "user.join", "user", user.public_id,
                after={"email": user.email, "role": user.role, "invited by": link.made_by}, address=address,
            )  # fmt: skip
    except IntegrityError as taken:
        raise Refused("Somebody signs in with this address already. Sign in, or reset the password.") from taken
    return accounts.open_session(user, address, browser)


def change_role(actor: User, user: User, role: str, address: str = "") -> None:
    """Give `user` another role and end their sessions; tokens that they made end with the right to make them.

    Raises Forbidden, Refused, Invalid.
    """
    with database.atomic():
        actor, now = _both(actor, user)
        _check_role(actor, role)
        if now.role == role:
            return
        User.update(role=role, version=User.version + 1).where(User.id == now.id).execute()
        _end_sessions(now)
        if not roles.may(role, "credentials"):
            api_tokens.revoke_of(now, actor.email)
        _check_owner_left(now.merchant)
        told: dict[str, Any] = {"before": {"role": now.role}, "after": {"role": role}}
        audit.write(now.merchant, actor.email, "user.role", "user", now.public_id, address=address, **told)


def set_disabled(actor: User, user: User, disabled: bool, address: str = "") -> None:
    """End somebody's access, sessions and API tokens, which frees the seat, or give the access back. Raises Forbidden, Refused."""
    with database.atomic():
        actor, now = _both(actor, user)
        if (now.disabled_at is not None) is disabled:
            return
        if not disabled:
            _check_seat(now.merchant)
        User.update(disabled_at=clock.now() if disabled else None, version=User.version + 1).where(User.id == now.id).execute()
        _end_sessions(now)
        person_links.end_open(now)
        if disabled:
            api_tokens.revoke_of(now, actor.email)
        _check_owner_left(now.merchant)
        told: dict[str, Any] = {"before": {"disabled": not disabled}, "after": {"disabled": disabled}}
        audit.write(
            now.merchant, actor.email, "user.disable" if disabled else "user.enable", "user", now.public_id, address=address, **told
        )


def note_refusal(user: User, endpoint: str, method: str, address: str) -> None:
    """Note in the audit log that `user` was refused; the same refusal again only once others of its lines stand between."""
    last = AuditLine.select(AuditLine.who, AuditLine.action, AuditLine.after).where(AuditLine.merchant == user.merchant)
    after = {"page": endpoint, "method": method, "role": user.role}
    for line in last.order_by(AuditLine.number.desc()).limit(REMEMBERED):
        if (line.who, line.action, line.after) == (user.email, "access.refused", after):
            return
    audit.write(user.merchant, user.email, "access.refused", "user", user.public_id, after=after, address=address)


def _alone(merchant: Merchant) -> None:
    """Let nobody else change the people of this workspace until the transaction ends."""
    Merchant.update(version=Merchant.version).where(Merchant.id == merchant.id).execute()


def _both(actor: User, user: User) -> tuple[User, User]:
    """Both as they are now, while nobody changes them. Raises Forbidden where one may not touch the other, Refused for oneself."""
    _alone(user.merchant)
    if actor.id == user.id:
        raise Refused("Nobody changes their own role or access. Ask another owner or admin.")
    actor, now = _still(actor), User.get_by_id(user.id)
    now.merchant = user.merchant
    if now.role == "owner" and not roles.may(actor.role, "owners"):
        raise Forbidden("Only an owner changes what another owner may do. Ask an owner.")
    return actor, now


def _still(actor: User) -> User:
    """The acting person as saved now. Raises Forbidden when their right was taken away meanwhile."""
    now: User = User.get_by_id(actor.id)
    if now.disabled_at is not None or not roles.may(now.role, "people"):
        raise Forbidden("Your role was changed meanwhile; you no longer change people.")
    return now


def _check_role(actor: User, role: str) -> None:
    if role not in roles.ROLES:
        raise Invalid({"role": f"Choose one of: {', '.join(one.word for one in roles.ROLES.values())}."})
    if role == "owner" and not roles.may(actor.role, "owners"):
        raise Invalid({"role": "Only an owner makes owners. Choose another role, or ask an owner."})


def _check_owner_left(merchant: Merchant) -> None:
    owners = (User.merchant == merchant) & (User.role == "owner") & User.disabled_at.is_null() & (User.is_staff == False)  # noqa: E712
    if not User.select().where(owners).exists():
        raise Refused("A workspace needs an owner. Make somebody else an owner first. Nothing was changed.")


def _check_seat(merchant: Merchant) -> None:
    used, most = seats(merchant)
    if most is not None and used >= most:
        words = f"Your plan holds {most:,} people, and there are {used:,} with open invitations."
        raise Refused(f"{words} Disable somebody, take an invitation back, or change the plan. Nothing was changed.")


def _check_pace(merchant: Merchant, email: str) -> None:
    """An invitation is an e-mail to a stranger: so many to one address and of a workspace within a day, ended ones too."""
    made = PersonLink.select().where(PersonLink.kind == "invite", PersonLink.made_at > clock.now() - timedelta(days=1))
    if made.where(PersonLink.email == email, PersonLink.merchant == merchant).count() >= MOST_TO_ONE:
        raise Refused(f"{email} was invited {MOST_TO_ONE} times within a day. Wait until tomorrow. Nothing was sent.")
    if made.where(PersonLink.merchant == merchant).count() >= MOST_A_DAY:
        raise Refused(f"This workspace made {MOST_A_DAY} invitations within a day. Wait until tomorrow. Nothing was sent.")


def _role_of(email: str, merchant: Merchant) -> str:
    found = User.get_or_none(User.email == email, User.merchant == merchant, User.disabled_at.is_null())
    return str(found.role) if found else ""


def _end_sessions(user: User) -> None:
    Session.delete().where(Session.user == user).execute()


def _place(order: list[str], role: str) -> int:
    return order.index(role) if role in order else len(order)
