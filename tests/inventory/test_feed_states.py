"""Files of feeds' records and stages: one record an integration, and nothing of runs that ended without tidying up."""

from __future__ import annotations

import os
import time

from portal.inventory import feed_states, stage
from portal.models import Run
from tests.feed_of import Feed, rows_of

DAY = 86_400


def names() -> list[str]:
    return sorted(path.name for path in stage.folder().iterdir())


def test_one_record_is_kept_of_each_integration_and_no_stage(make_source):
    feed = Feed(make_source())
    for quantity in (1, 2, 3):
        run = feed.sync(rows_of(3, quantity=quantity))
    assert names() == [f"integration-{feed.integration.id}-{run.id}.record"]


def test_what_runs_left_is_erased_after_a_day_but_not_what_a_run_still_needs(make_source):
    feed = Feed(make_source())
    ended = feed.sync(rows_of(3))
    waiting = feed.start(rows_of(4))
    kept = names()
    os.utime(stage.folder() / kept[0], (time.time() - 2 * DAY,) * 2)
    for name, age in (
        (f"run-{ended.id}-1.db", 2),
        (f"run-{waiting.id}-1.db", 2),
        (f"run-{ended.id}-2.record", 0.5),
        ("run-999999-1.db", 2),
        ("integration-999999-7.record", 2),
    ):
        path = stage.folder() / name
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age * DAY,) * 2)
    assert feed_states.erase_orphans() == 3
    assert names() == sorted([*kept, f"run-{waiting.id}-1.db", f"run-{ended.id}-2.record"])
    assert Run.get_by_id(waiting.id).state == "queued"


def test_without_a_folder_there_is_nothing_to_erase(config):
    assert feed_states.erase_orphans() == 0
