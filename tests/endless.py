"""What must end is ended: no time is measured, and who goes on for too long fails by an exception."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LONGEST = 30  # seconds of a processor: what a hostile file may take of one (the "a hang over 30 s")


class Endless(BaseException):
    """It took more of the processor than it may. No Exception, so that nothing that is tested can take it for a fault of its own."""


@contextmanager
def ends(seconds: float = LONGEST) -> Iterator[None]:
    """The block may take so many seconds of the processor, in the main thread's process. Raises Endless as soon as it took more."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Endless(f"it goes on after {seconds} s of a processor")

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
