"""How often a token may ask: a bucket of requests that fills up again. Counted in the memory of each web process."""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass

BURST, A_SECOND = 120, 10.0
MOST_TOKENS = 10_000


@dataclass(frozen=True)
class Room:
    """`left` requests may follow at once; the bucket is full again in `reset` seconds; `wait` seconds until the next, 0 for now."""

    left: int
    reset: int
    wait: int

    def headers(self) -> dict[str, str]:
        """As the draft of the IETF names them."""
        told = {"RateLimit-Limit": str(BURST), "RateLimit-Remaining": str(self.left), "RateLimit-Reset": str(self.reset)}
        return {**told, "Retry-After": str(self.wait)} if self.wait else told


class Buckets:
    """One for each token. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._of: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, now: float | None = None) -> Room:
        """Take one request out of the bucket."""
        moment = time.monotonic() if now is None else now
        with self._lock:
            at, level = self._of.pop(key, (moment, float(BURST)))
            level = min(float(BURST), level + (moment - at) * A_SECOND)
            allowed = level >= 1
            level -= allowed
            self._of[key] = (moment, level)
            while len(self._of) > MOST_TOKENS:
                self._of.popitem(last=False)
        wait = 0 if allowed else max(1, math.ceil((1 - level) / A_SECOND))
        return Room(int(level), math.ceil((BURST - level) / A_SECOND), wait)

    def forget(self) -> None:
        """Begin anew."""
        with self._lock:
            self._of.clear()


buckets = Buckets()
