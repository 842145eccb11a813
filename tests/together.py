"""Eight threads that do the same at once, each with a connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from portal.models import database

Found = TypeVar("Found")


def eight_at_once(does: Callable[[], Found], meanwhile: Callable[[], None] = lambda: None) -> list[Found]:
    """What each of them found, in no order; the first fault is raised. `meanwhile` is called once all were sent off."""
    begun = threading.Barrier(8)

    def one() -> Found:
        with database.connection_context():
            begun.wait(30)
            return does()

    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(one) for _ in range(8)]
        meanwhile()
        return [each.result(60) for each in waiting]
