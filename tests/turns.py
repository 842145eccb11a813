"""Which database each test runs on when both are to be met and not everything is to be run twice.

A test runs on one of them, fixed by its name, half and half. On both run, each in its first case, the tests of what differs between the
databases: SQL that is written for each, locks, kills, models (ON_BOTH); and whatever is marked `both_databases`: walks over all pages.
`--database both` (`make both`) runs everything on both.
"""

from __future__ import annotations

import zlib

import pytest

DATABASES = ("sqlite", "postgres")
ON_BOTH = (
    "tests/bulk_acts/", "tests/catalogue/", "tests/exclusions/", "tests/faults/", "tests/listings/", "tests/operate/test_backup",
    "tests/orders/test_intake", "tests/outbox/test_claim", "tests/pushing/", "tests/requests/", "tests/tasks/",
    "tests/inventory/test_model", "tests/inventory/test_revert", "tests/inventory/test_search", "tests/inventory/test_sync",
    "tests/inventory/test_writes", "tests/test_acceptance.py", "tests/test_migrations", "tests/test_runs",
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
    if function.startswith(ON_BOTH) and seen.setdefault(function, case) == case:
        return True
    return bool(DATABASES[zlib.crc32(f"{function}[{case}]".encode()) & 1] == call.params["db"])
