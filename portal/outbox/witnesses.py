"""What proves that something arrived, and what may be done by itself while nothing proves it. Pure.

unknown ─▶ after_unknown ─▶ look · the same again · Check needed        a look ─▶ after_look ─▶ sent · again · look · Check needed
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

KINDS = {
    "rename": "The file is written under a temporary name. While that is there, the supplier has nothing; once it is gone, they have it.",
    "cleaned": "As with a rename, but their server may clear temporary files away, so that only the file itself proves anything.",
    "list": "Their server cannot rename. The whole file in its list proves that it arrived.",
    "key": "They keep our key with each order and take the same key once, for a time that they state.",
    "unique": "They take a reference once only: the same again is refused there.",
    "listed": "Their orders can be searched for our reference.",
    "promise": "They say that they take a message with the same id once. Nothing lets us see it.",
    "nothing": "Nothing lets us see whether it arrived. Only a person can ask them.",
    "answer": "They fetch it from us, and say so.",
}
FILES = ("rename", "cleaned", "list")
LOOKS = ("unique", "listed")
LOOK_AFTER = (timedelta(0), timedelta(minutes=5), timedelta(minutes=15))
"""After the settling time, counted from the moment of doubt: when we look."""
AGAIN_AFTER = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30, 60))
"""When the same is handed over again where that can do no harm: after the first, second … time."""
KEPT_FOR = timedelta(hours=24)
"""How long a key or id counts where the supplier states nothing else."""
LONGEST_DOUBT = timedelta(minutes=15)
"""How long a server with folders may be unable to tell before a person is asked."""


@dataclass(frozen=True)
class Next:
    """What comes next. `act`: sent, again, look or check; `at`: when (None: now); `why`: for "check", in a sentence."""

    act: str
    at: datetime | None = None
    why: str = ""


def back_off(times: int) -> timedelta:
    """How long to wait after so many tries that sent nothing."""
    return AGAIN_AFTER[min(max(times, 1), len(AGAIN_AFTER)) - 1]


def after_unknown(kind: str, *, since: datetime, now: datetime, times: int, settle: int = 0, window: timedelta = KEPT_FOR) -> Next:
    """What follows once nobody saw how a try ended. `since`: the first such moment; `times`: tries so far; `settle` in seconds."""
    if kind in LOOKS:
        return Next("look", now + timedelta(seconds=settle))
    if kind in ("key", "promise"):
        at = now + back_off(times)
        return Next("again", at) if at < since + window else Next("check", why=OVER)
    return Next("check", why=BLIND)


def after_look(kind: str, *, found: int | None, looks: int, since: datetime, settle: int = 0) -> Next:
    """What follows a look. `found`: how many they list, None where it could not be told; `looks`: how many were made, this one too."""
    if found == 1:
        return Next("sent")
    if found:
        return Next("check", why=TWICE)
    if kind == "unique" and found == 0:
        return Next("again")
    if looks < len(LOOK_AFTER):
        return Next("look", since + timedelta(seconds=settle) + LOOK_AFTER[looks])
    return Next("check", why=ABSENT if found == 0 else UNSEEN)


BLIND = "Nothing lets us see at this supplier whether it arrived, so we do not send it again."
OVER = "The time in which they know our key again is over, so that the same might now count as a new order."
TWICE = "They list more than one with our reference."
ABSENT = "We looked three times and did not find it. It can still be on its way inside their system."
UNSEEN = "We tried to look three times, and their list could not be read."
