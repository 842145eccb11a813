"""Passwords: what may be one, its Argon2id hash, and a check that takes as long for nobody as for somebody."""

from __future__ import annotations

import secrets
import unicodedata

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST = 12
LONGEST = 256
GUESSES_LOG10 = 7.5  # fewer than about 30 million guesses: found by any list of common passwords and their variations
PRODUCT_WORDS = ("quayside", "fulfillment", "supplier", "merchant")

hasher = PasswordHasher()


def problem_with(password: str, about: tuple[str, ...] = ()) -> str | None:
    """What to do about this password, or None. `about`: the person's email and other words it must not be made of."""
    password = normal(password)
    if len(password) < SHORTEST:
        return f"Use at least {SHORTEST} characters. Several words are easy to remember."
    if len(password) > LONGEST:
        return f"Use at most {LONGEST} characters."
    words = [part for text in about for part in (text, *text.replace("@", " ").replace(".", " ").split()) if len(part) > 2]
    known = [word.lower() for word in (*words, *PRODUCT_WORDS)]
    # Beyond 72 characters guessing takes long to estimate and no longer matters, unless one piece repeats.
    from zxcvbn import zxcvbn  # loaded only where a password is chosen: its word lists are large

    guesses = zxcvbn(password[:72], user_inputs=known)["guesses_log10"]
    if password.lower() in known or guesses < GUESSES_LOG10:
        return "This password is too easy to guess. Use several words that do not belong together."
    return None


def hashed(password: str) -> str:
    """The Argon2id hash to keep, salt and cost included."""
    return hasher.hash(normal(password))


def matches(password_hash: str | None, password: str) -> bool:
    """Whether this is the password. Without a hash (no such person) the same work is done and the answer is False."""
    try:
        return hasher.verify(password_hash or _nobody(), normal(password)[: LONGEST * 4]) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


def outdated(password_hash: str) -> bool:
    """Whether the hash was made at another cost and should be made again."""
    return hasher.check_needs_rehash(password_hash)


def random_password() -> str:
    """A password for printing once: 20 letters and digits without look-alikes, in groups of five."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(5)) for _ in range(4))


def normal(password: str) -> str:
    """The same typed password as the same characters, whichever keyboard composed its accents."""
    return unicodedata.normalize("NFC", password)


_nobody_hash = ""


def _nobody() -> str:
    global _nobody_hash
    if not _nobody_hash:
        _nobody_hash = hasher.hash(secrets.token_hex(16))
    return _nobody_hash
