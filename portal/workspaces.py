"""The settings of a workspace, and signing out one of a person's browsers."""

from __future__ import annotations

from zoneinfo import available_timezones

from portal import accounts, audit, clock
from portal.errors import Invalid, NotFound, Stale
from portal.models import Merchant, Session, User, database


def fresh(merchant: Merchant) -> Merchant:
    """The workspace as it is saved now."""
    return Merchant.get_by_id(merchant.id)


def save(merchant: Merchant, name: str, time_zone: str, auto_process: bool, *, version: int, who: str, address: str = "") -> None:
    """Keep name, zone and the auto-process default of the workspace. Raises Invalid; Stale when `version` is not the saved one."""
    name = " ".join(name.split())
    _check(name, time_zone)
    after = {"name": name, "time_zone": time_zone, "auto_process": auto_process}
    with database.atomic():
        saved = fresh(merchant)
        before = {key: getattr(saved, key) for key in after}
        changed = (
            Merchant.update(**after, version=Merchant.version + 1, changed_at=clock.now(), changed_by=who)
            .where((Merchant.id == merchant.id) & (Merchant.version == version))
            .execute()
        )
        if not changed:
            raise Stale(saved.changed_by or "Someone", saved.changed_at)
        if before != after:
            differs = [key for key in after if before[key] != after[key]]
            audit.write(
                merchant, who, "workspace.settings", "merchant", merchant.public_id,
                before={key: before[key] for key in differs}, after={key: after[key] for key in differs}, address=address,
            )  # fmt: skip


def session_name(session: Session) -> str:
    """What names a session on its person's own page: part of the token's hash, useless as a token."""
    return str(session.token_hash[:20])


def end_session(user: User, name: str) -> None:
    """Sign out the browser whose session has that name. Raises NotFound, also for another person's."""
    for session in accounts.sessions_of(user):
        if session_name(session) == name:
            accounts.sign_out(session)
            return
    raise NotFound("session")


def _check(name: str, time_zone: str) -> None:
    errors = {}
    if not 1 <= len(name) <= 120 or "\x00" in name:
        errors["name"] = "Give the workspace a name of 1 to 120 characters."
    if time_zone not in available_timezones():
        errors["time_zone"] = "Choose a time zone from the list."
    if errors:
        raise Invalid(errors)
