"""Which database each test runs on when both are to be met and not everything is to be run twice.

A test runs on both databases, except that
- a test of pages (tests/web) runs on one of them, and
- of a test with many cases (parameters beside the database) the first runs on both, each other one on one.
Which one is fixed by the test's name, half and half. `both_databases` marks a test that always runs on both: the walks over all
pages. `--database both` (`make both`) runs everything on both.
"""

from __future__ import annotations

import zlib

import pytest

DATABASES = ("sqlite", "postgres")


def leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take out of the collected `items` those whose turn it is on the other database."""
    seen: dict[str, str] = {}  # test function -> its first case
    here, elsewhere = [], []
    for item in items:
        (here if _runs(item, seen) else elsewhere).append(item)
    config.hook.pytest_deselected(items=elsewhere)
    items[:] = here


def _runs(item: pytest.Item, seen: dict[str, str]) -> bool:
    call = getattr(item, "callspec", None)
    if call is None or "db" not in call.params or item.get_closest_marker("both_databases") or item.get_closest_marker("one_database"):
        return True
    function = item.nodeid.partition("[")[0]
    case = "-".join(part for part in call.id.split("-") if part not in DATABASES)
    if not function.startswith("tests/web/") and seen.setdefault(function, case) == case:
        return True
    return bool(DATABASES[zlib.crc32(f"{function}[{case}]".encode()) & 1] == call.params["db"])
