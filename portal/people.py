"""The people of a workspace: who may what, and what is noted when somebody may not."""

from __future__ import annotations

from portal import audit, roles
from portal.models import AuditLine, Merchant, User

NAMED = 3  # people whom a refusal names
REMEMBERED = 20  # lines of the log that are looked at before the same refusal is written again


def who_may(merchant: Merchant, right: str) -> list[str]:
    """Emails of at most three people of the workspace who have `right`, the mightiest first."""
    order = list(roles.ROLES)
    found = User.select(User.email, User.role).where(User.merchant == merchant, User.disabled_at.is_null(), User.is_staff == False)  # noqa: E712
    able = [one for one in found if roles.may(one.role, right)]
    return [one.email for one in sorted(able, key=lambda one: (order.index(one.role), one.email))[:NAMED]]


def note_refusal(user: User, endpoint: str, method: str, address: str) -> None:
    """Note in the audit log that `user` was refused; the same refusal again only once others of its lines stand between."""
    last = AuditLine.select(AuditLine.who, AuditLine.action, AuditLine.after).where(AuditLine.merchant == user.merchant)
    after = {"page": endpoint, "method": method, "role": user.role}
    for line in last.order_by(AuditLine.number.desc()).limit(REMEMBERED):
        if (line.who, line.action, line.after) == (user.email, "access.refused", after):
            return
    audit.write(user.merchant, user.email, "access.refused", "user", user.public_id, after=after, address=address)
