"""How long a server asks us to wait, in each of the spellings that servers use. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST_SECONDS = 24 * 3600.0
"""No server makes us wait longer than a day, whatever it says."""

_NUMBER = re.compile(r"\d{1,12}(?:\.\d{1,6})?")


def asked(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds that an answer's headers ask for, 0 to a day; None when they do not say. `now` is aware.

    `Retry-After` (RFC 9110 10.2.3) is a number of seconds or a date; BigCommerce writes `X-Retry-After` in seconds and
    `X-Rate-Limit-Time-Reset-Ms`; the rate-limit draft has `RateLimit-Reset` in seconds. The longest of them counts. A number below
    zero or a date in the past asks for no wait; what cannot be read is as if it were not there.
    """
    known = {name.lower(): value.strip() for name, value in headers.items()}
    found = [_seconds_or_date(known[name], now) for name in ("retry-after", "x-retry-after") if name in known]
    if "x-rate-limit-time-reset-ms" in known and _none_left(known):
        found.append(_number(known["x-rate-limit-time-reset-ms"], 1_000))
    if "ratelimit-reset" in known and _none_left(known):
        found.append(_number(known["ratelimit-reset"]))
    told = [seconds for seconds in found if seconds is not None]
    return min(max(told), LONGEST_SECONDS) if told else None


def _none_left(known: Mapping[str, str]) -> bool:
    """Whether the quota that the reset belongs to is used up; true where the server does not tell what is left."""
    left = known.get("x-rate-limit-requests-left") or known.get("ratelimit-remaining")
    return left is None or left == "0"


def _seconds_or_date(text: str, now: datetime) -> float | None:
    seconds = _number(text)
    if seconds is not None:
        return seconds
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, OverflowError, TypeError):
            continue
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return max(0.0, (aware - now).total_seconds())
    return None


def _number(text: str, per_second: int = 1) -> float | None:
    if re.fullmatch(r"-\d{1,12}(?:\.\d+)?", text):
        return 0.0
    return float(text) / per_second if _NUMBER.fullmatch(text) else None


def back_off(tries: int, random: float) -> float:
    """Seconds before the next try of a read after `tries` failed ones: 1, 2, 4 … 60, times 0.5 to 1. `random`: 0 to 1."""
    return float(min(2.0 ** (tries - 1), 60.0) * (0.5 + random / 2))
