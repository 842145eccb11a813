"""Browsers that somebody signed in with: their tries are counted apart, so that a stranger's wrong ones never keep a person out.

signed in ─▶ cookie: a number of ours, proved by the installation's key for that email ─▶ next sign-in: a count of its own
It opens nothing by itself (OWASP, "Slow down online guessing attacks with device cookies").
"""

from __future__ import annotations

import hmac
import secrets

from portal import vault

LASTS_DAYS = 180
LONGEST = 200


def make(email: str) -> str:
    """What a browser keeps from which somebody with that email just signed in."""
    number = secrets.token_urlsafe(16)
    return f"{number}.{vault.current().marks(_text(email, number))[0]}"


def known(email: str, kept: str) -> str:
    """The number of the browser, if `kept` was made for that email; "" for anything else."""
    number, _, proof = kept.partition(".")
    if not number or not proof or len(kept) > LONGEST or not kept.isascii():
        return ""
    fits = [hmac.compare_digest(one, proof) for one in vault.current().marks(_text(email, number))]
    return number if any(fits) else ""


def _text(email: str, number: str) -> str:
    return f"{number}|{email.strip().lower()}"
