"""Which database each test runs on when both are to be met and not everything is to be run twice.

A test runs on both databases, except that
- a test of pages, or of what is said to and heard from a supplier, runs on one of them (BY_TURNS), and
- of a test with many cases (parameters beside the database) the first runs on both, each other one on one.
Which one is fixed by the test's name, half and half. `both_databases` marks a test that always runs on both: the walks over all
pages. `--database both` (`make both`) runs everything on both.
"""

from __future__ import annotations

import zlib

import pytest

DATABASES = ("sqlite", "postgres")
BY_TURNS = (
    "tests/web/", "tests/shipments/test_reading", "tests/outbox/test_sftp", "tests/test_after_read", "tests/test_api_",
    "tests/test_circuit", "tests/test_connection", "tests/test_deliver", "tests/test_feed_commands", "tests/test_file_",
    "tests/test_list_progress", "tests/test_oauth", "tests/test_receiving", "tests/test_shopify", "tests/test_soap_sources",
    "tests/test_source_files", "tests/test_store_sources",
)  # fmt: skip


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
    if not function.startswith(BY_TURNS) and seen.setdefault(function, case) == case:
        return True
    return bool(DATABASES[zlib.crc32(f"{function}[{case}]".encode()) & 1] == call.params["db"])
