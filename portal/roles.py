"""What each role of a workspace may do: the one table that pages, guards and tests read."""

from __future__ import annotations

from dataclasses import dataclass

RIGHTS: dict[str, str] = {
    "self": "Their own profile, password, two-step sign-in and sessions",
    "see": "See sources, channels, orders, stock, products, runs and what was sent",
    "operate": "Work on orders, requests, shipments, products and stock; start, accept, stop and revert runs",
    "configure": "Add sources and channels; change mappings, schedules, rules and settings",
    "credentials": "Change connections, keys and secrets; make API tokens",
    "delete": "Remove inventory, delete products, delete and restore sources, disconnect channels, erase a customer",
    "audit": "Read the audit log",
    "billing": "See and change the plan and its bills",
    "people": "Invite people, change their roles, disable them",
    "owners": "Make and unmake owners; require two-step sign-in; export everything, set how long it is kept, delete the workspace",
}
"""Each right -> what it is, as the table of roles says it. "self" is what every signed-in person has."""


@dataclass(frozen=True)
class Role:
    """One role: its word on screen, with its article, in the plural, what it is for, and its rights."""

    word: str
    one: str
    many: str
    what: str
    rights: frozenset[str]


_READER = frozenset({"self", "see"})
_OPERATOR = _READER | {"operate"}
_ADMIN = _OPERATOR | {"configure", "credentials", "delete", "audit", "billing", "people"}

ROLES: dict[str, Role] = {
    "owner": Role("Owner", "an owner", "owners", "Everything. At least one owner always remains.", _ADMIN | {"owners"}),
    "admin": Role("Admin", "an admin", "admins", "Everything but making and unmaking owners.", _ADMIN),
    "operator": Role("Operator", "an operator", "operators", "Daily work: products, orders, runs. No credentials, no deletion.", _OPERATOR),
    "reader": Role("Read-only", "a read-only person", "read-only people", "Looks at everything and changes nothing.", _READER),
}
"""Every role, the mightiest first."""


VISITORS: dict[str, frozenset[str]] = {"support": frozenset({"see"}), "support_writer": frozenset({"see", "operate", "configure"})}
"""Rights of support staff who view a workspace: to look, and with the merchant's grant to change; never credentials or deletion."""


def may(role: str, right: str) -> bool:
    """Whether people of `role` have `right`. A role that is not known has none. Raises KeyError for a right that is not known."""
    if right not in RIGHTS:
        raise KeyError(f"there is no right {right!r}: portal/roles.py lists {', '.join(RIGHTS)}")
    return right in (ROLES[role].rights if role in ROLES else VISITORS.get(role, frozenset()))


def holders(right: str) -> list[str]:
    """The roles that have `right`, the mightiest first."""
    return [name for name in ROLES if may(name, right)]


def whom_to_ask(right: str) -> str:
    """Who may do it, for a sentence: "an owner or an admin"."""
    return " or ".join(ROLES[name].one for name in holders(right))


def who(right: str) -> str:
    """Who has `right`, for a table: "Owners and admins", or "Everyone"."""
    names = [ROLES[name].many for name in holders(right)]
    if len(names) == len(ROLES):
        return "Everyone"
    return (", ".join(names[:-1]) + " and " + names[-1] if len(names) > 1 else names[0]).capitalize()


def word(role: str) -> str:
    """A role as pages name it."""
    return ROLES[role].word if role in ROLES else role.capitalize()
