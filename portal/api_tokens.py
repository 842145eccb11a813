"""Tokens of the JSON API: of a whole workspace or of one source, named, with an end, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta

from portal import audit, clock
from portal.errors import Invalid, NotFound
from portal.models import ApiToken, Merchant, Source, User, database

SCOPES = {
    "orders:read": "Read orders",
    "orders:write": "Add orders",
    "requests:read": "Read fulfillment requests",
    "requests:write": "Fetch, confirm and acknowledge fulfillment requests",
    "shipments:write": "Tell shipments",
}
OF_SOURCE = ("requests:read", "requests:write", "shipments:write")
"""What a token of one source can be allowed; orders are the workspace's."""
PREFIXES = {False: "qs_live_", True: "qs_src_"}  # by whether it is of one source
DAYS = {"30": "30 days", "90": "90 days", "365": "1 year"}
LONGEST_NAME = 80
MOST_LIVE = 50
_USED_EVERY = timedelta(minutes=1)


def make(merchant: Merchant, name: str, scopes: Iterable[str], source: Source | None, days: str, who: str) -> tuple[ApiToken, str]:
    """(the token, its secret, which is nowhere kept). Raises Invalid ("name", "scopes", "days")."""
    chosen, plain = sorted(set(scopes)), " ".join(name.split())
    errors = _errors(merchant, plain, chosen, source, days)
    if errors:
        raise Invalid(errors)
    secret = PREFIXES[source is not None] + secrets.token_urlsafe(32)
    with database.atomic():
        token = ApiToken.create(
            merchant=merchant, source=source, name=plain, scopes=chosen, token_hash=_hash(secret), made_by=who,
            hint=f"{PREFIXES[source is not None]}…{secret[-4:]}", ends_at=clock.now() + timedelta(days=int(days)),
        )  # fmt: skip
        told = {"name": plain, "scopes": chosen, "source": source.name if source else "", "ends_at": token.ends_at}
        audit.write(merchant, who, "api_token.make", "api_token", token.public_id, after=told)
    return token, secret


def _errors(merchant: Merchant, name: str, scopes: Sequence[str], source: Source | None, days: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    allowed = OF_SOURCE if source is not None else tuple(SCOPES)
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        errors["name"] = f"Give the token a name of at most {LONGEST_NAME} characters, such as who uses it."
    if not scopes or any(one not in SCOPES for one in scopes):
        errors["scopes"] = "Choose what the token may do."
    elif wrong := [SCOPES[one] for one in scopes if one not in allowed]:
        errors["scopes"] = f"A token of one source cannot: {', '.join(wrong).lower()}. Take that out, or make it for the whole workspace."
    if days not in DAYS:
        errors["days"] = "Choose how long it lasts."
    if not errors and sum(is_live(one) for one in listing(merchant)) >= MOST_LIVE:
        errors["name"] = f"There are {MOST_LIVE} tokens in use. Revoke one that nobody uses first."
    return errors


def listing(merchant: Merchant) -> list[ApiToken]:
    """The tokens of a workspace, newest first, revoked and ended ones too."""
    return list(ApiToken.select().where(ApiToken.merchant == merchant.id).order_by(ApiToken.id.desc()))


def is_live(token: ApiToken) -> bool:
    """Whether it opens anything."""
    gone = token.source is not None and token.source.state == "deleted"
    return token.revoked_at is None and token.suspended_at is None and not gone and (token.ends_at is None or token.ends_at > clock.now())


def find(merchant: Merchant, public_id: str) -> ApiToken:
    """The merchant's token of that id. Raises NotFound."""
    token = ApiToken.get_or_none(ApiToken.merchant == merchant, ApiToken.public_id == public_id)
    if token is None:
        raise NotFound("token")
    return token


def revoke(token: ApiToken, who: str) -> None:
    """End it now; a second time changes nothing."""
    with database.atomic():
        changed = ApiToken.update(revoked_at=clock.now()).where(ApiToken.id == token.id, ApiToken.revoked_at.is_null()).execute()
        if changed:
            audit.write(token.merchant, who, "api_token.revoke", "api_token", token.public_id, before={"name": token.name})


def resume(token: ApiToken, who: str) -> None:
    """Let it work again that a restore suspended; a second time changes nothing."""
    with database.atomic():
        still = (ApiToken.id == token.id) & ApiToken.suspended_at.is_null(False) & ApiToken.revoked_at.is_null()
        if ApiToken.update(suspended_at=None).where(still).execute():
            audit.write(token.merchant, who, "api_token.resume", "api_token", token.public_id, after={"name": token.name})


def of_person(user: User) -> list[ApiToken]:
    """Tokens that open something and were made by the person."""
    return [one for one in listing(user.merchant) if one.made_by == user.email and is_live(one)]


def revoke_of(user: User, who: str) -> int:
    """End all that the person made; how many."""
    ended = of_person(user)
    for token in ended:
        revoke(token, who)
    return len(ended)


def of_secret(secret: str) -> ApiToken | None:
    """The live token of that secret, with its merchant; None for any other text."""
    if not secret.startswith(tuple(PREFIXES.values())) or len(secret) > 100:
        return None
    token: ApiToken | None = ApiToken.select(ApiToken, Merchant).join(Merchant).where(ApiToken.token_hash == _hash(secret)).first()
    return token if token is not None and is_live(token) and token.merchant.closing_at is None else None


def used(token: ApiToken, address: str) -> None:
    """Note that it was used; written at most once a minute."""
    now = clock.now()
    if token.last_used_at is None or token.last_used_at < now - _USED_EVERY or token.last_address != address[:45]:
        ApiToken.update(last_used_at=now, last_address=address[:45]).where(ApiToken.id == token.id).execute()


def _hash(secret: str) -> str:
    """SHA-256 is enough: the secret has 256 random bits, so nobody can try them all."""
    return hashlib.sha256(secret.encode()).hexdigest()
