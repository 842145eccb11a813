"""What a store's control panel says when it opens or removes an app: a signed JWT in the address (HS256 with the app's client secret).

Of BigCommerce (its single-click app callbacks): `aud` the client id, `iss` "bc", `sub` "stores/HASH", `iat`, `nbf` and `exp` in seconds.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import OctKey

from portal.errors import Refused
from portal.records import Secret

ISSUER = "bc"
LEEWAY = 60  # seconds that the two clocks may differ
LONGEST = 8_192


@dataclass(frozen=True)
class Told:
    """A proved payload: which store, and when it was said."""

    store: str
    at: datetime


def proved(payload: str, client_id: str, secret: Secret, store: str, now: datetime) -> Told:
    """The payload, when it was signed with `secret`, for this app and this store, and is neither over nor of later. Raises Refused."""
    claims = _signed(payload, secret)
    seconds = now.replace(tzinfo=UTC).timestamp()
    said, begins, ends = (_time(claims.get(name)) for name in ("iat", "nbf", "exp"))
    if said is None or ends is None or (begins is None and "nbf" in claims):
        raise _refused("it does not say from when until when it holds")
    if ends + LEEWAY < seconds:
        raise _refused("it is over. Open the app again")
    if max(said, begins or 0) > seconds + LEEWAY:
        raise _refused("it is of a later time than now; a clock is wrong")
    if claims.get("iss") != ISSUER or claims.get("aud") != client_id:
        raise _refused("it is of another app")
    if claims.get("sub") != f"stores/{store}":
        raise _refused("it is of another store than this source is for")
    return Told(store, datetime.fromtimestamp(said, UTC).replace(tzinfo=None))


def _signed(payload: str, secret: Secret) -> Mapping[str, Any]:
    try:
        if not payload or len(payload) > LONGEST:
            raise ValueError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # how long a secret is, is BigCommerce's to choose
            key = OctKey.import_key(secret.reveal())
        return jwt.decode(payload, key, algorithms=["HS256"]).claims
    except (JoseError, ValueError, TypeError, RecursionError):
        raise _refused("its signature is not of this app's client secret, or it was changed on the way") from None


def _time(stamp: Any) -> float | None:
    """Unix seconds, None for what is none."""
    return float(stamp) if isinstance(stamp, int | float) and not isinstance(stamp, bool) and 0 < stamp < 1e11 else None


def _refused(why: str) -> Refused:
    return Refused(f"BigCommerce opens this address itself, with a signed message. This one does not count: {why}. Nothing was changed.")
