"""What becomes of a file at the supplier after it was read, on a real server; and files that count only once a marker is there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import after_read, clock, runs
from portal import config as installation
from portal.connectors import problems
from portal.connectors.folders import FolderConnector
from portal.inventory import accepting
from portal.models import Circuit, Integration, Run, RunFile
from tests.feed_of import HANDLERS, rows_of
from tests.folder_feed import FolderFeed, files_of, story
from tests.servers import LOOPBACK

pytest_plugins = ("tests.folder_feeds",)


@pytest.fixture
def feed(folder_feed: Callable[..., FolderFeed]) -> FolderFeed:
    return folder_feed(match="newest")


def later(minutes: float) -> None:
    """As if so many minutes had passed for what waits."""
    moment = clock.now() - timedelta(minutes=1)
    waiting = RunFile.select().where(RunFile.act == "waiting", RunFile.act_at <= clock.now() + timedelta(minutes=minutes))
    RunFile.update(act_at=moment).where(RunFile.id << [row.id for row in waiting]).execute()


def done(feed: FolderFeed, **rule: str) -> Run:
    """Two rows read with that rule, and put away."""
    feed.set(after_read=rule)
    feed.put("stock_1.csv", rows_of(2))
    run = feed.run()
    after_read.settle_due()
    return run


@pytest.mark.parametrize(
    ("rule", "here", "there", "said"),
    [
        ({"act": "move", "folder": "done"}, [], ["stock_1.csv"], "Moved to {}/done/stock_1.csv"),
        ({"act": "rename", "suffix": ".read"}, ["stock_1.csv.read"], [], "Renamed to {}/stock_1.csv.read"),
        ({"act": "delete"}, [], [], "Deleted at the supplier"),
        ({}, ["stock_1.csv"], [], ""),
    ],
)
def test_a_file_is_put_away_after_its_run_was_accepted(feed: FolderFeed, rule: Any, here: Any, there: Any, said: str) -> None:
    feed.put("done/other", b"x")
    run = done(feed, **rule)
    assert run.state == "finished"
    assert (feed.names(), [name for name in feed.names("done") if name != "other"]) == (here, there)
    row = RunFile.get(RunFile.run == run.id)
    assert after_read.wording(row) == said.format(feed.home)
    again = feed.run()
    assert again.state == "no_change" and feed.quantities() == {"SKU-00000": 5, "SKU-00001": 5}


def test_nothing_is_put_away_before_the_run_is_accepted(feed: FolderFeed) -> None:
    feed.set(after_read={"act": "delete"})
    feed.put("stock_1.csv", rows_of(120))
    feed.run()
    feed.put("stock_2.csv", rows_of(60), 2)
    held = feed.run()
    after_read.settle_due()
    assert held.state == "held" and feed.names() == ["stock_2.csv"]
    accepting.start_acceptance(held, "ana")
    runs.work_available(HANDLERS)
    after_read.settle_due()
    assert feed.names() == [] and files_of(held) == [("stock_2.csv", "file", "done")]
    feed.put("stock_3.csv", b"name\nLamp\n", 3)
    assert feed.run().state == "failed"
    after_read.settle_due()
    assert feed.names() == ["stock_3.csv"]


def test_a_name_that_is_taken_gets_the_time_of_the_file(feed: FolderFeed) -> None:
    feed.put("done/stock_1.csv", b"older")
    done(feed, act="move", folder="done")
    assert feed.names("done") == ["stock_1-20251125-120000.csv", "stock_1.csv"]
    assert (feed.home / "done" / "stock_1.csv").read_bytes() == b"older"


def test_a_file_that_changed_since_is_left_and_read_by_the_next_run(feed: FolderFeed) -> None:
    feed.set(after_read={"act": "delete"})
    feed.put("stock_1.csv", rows_of(2))
    run = feed.run()
    feed.put("stock_1.csv", rows_of(2, quantity=7), 5)
    after_read.settle_due()
    assert files_of(run) == [("stock_1.csv", "file", "left")]
    assert "changed after we read it, so we did not delete it" in story(run)
    feed.run()
    after_read.settle_due()
    assert feed.quantities()["SKU-00000"] == 7 and feed.names() == []


def test_a_folder_that_is_read_only_warns_and_never_fails_the_run(feed: FolderFeed) -> None:
    feed.set(after_read={"act": "move", "folder": "done"})
    feed.put("done/other", b"x")
    feed.put("stock_1.csv", rows_of(2))
    feed.home.chmod(0o555)
    run = feed.run()
    for _ in range(len(after_read.RETRY_MINUTES) + 1):
        after_read.settle_due()
        assert after_read.settle_due() == 0
        later(24 * 60)
    assert Run.get_by_id(run.id).state == "finished"
    assert files_of(run) == [("stock_1.csv", "file", "failed")]
    told = [line for line in story(run).splitlines() if "could not" in line]
    assert len(told) == 2 and all(
        line.startswith("We could not move stock_1.csv: permission denied. We read it once and will not read it again.") for line in told
    )
    assert "We try again at" in told[0] and "We try again" not in told[1]
    again = feed.run()
    assert again.state == "no_change" and "No new file" in story(again)


def test_a_second_try_may_succeed(feed: FolderFeed) -> None:
    feed.set(after_read={"act": "delete"})
    feed.put("stock_1.csv", rows_of(2))
    feed.home.chmod(0o555)
    run = feed.run()
    after_read.settle_due()
    feed.home.chmod(0o755)
    after_read.settle_due()
    assert feed.names() == ["stock_1.csv"]
    later(5)
    after_read.settle_due()
    assert (feed.names(), files_of(run)) == ([], [("stock_1.csv", "file", "done")])


def test_a_server_that_is_away_is_tried_later(feed: FolderFeed, monkeypatch: Any) -> None:
    feed.set(after_read={"act": "delete"}, feed="delta")
    feed.choose(match="all")
    for number in (1, 2):
        feed.put(f"stock_{number}.csv", rows_of(number), number)
    run = feed.run()
    monkeypatch.setattr(FolderConnector, "put_away", lambda *_: (_ for _ in ()).throw(_gone_away()))
    after_read.settle_due()
    assert [act for _, _, act in files_of(run)] == ["waiting", "waiting"]
    monkeypatch.undo()
    later(5)
    after_read.settle_due()
    assert feed.names() == []


def _gone_away() -> Exception:
    return problems.connection_lost("the supplier", "putting the file away")


def test_while_its_server_is_left_alone_nothing_is_tried_and_no_try_is_lost(feed: FolderFeed) -> None:
    feed.set(after_read={"act": "delete"})
    feed.put("stock_1.csv", rows_of(2))
    feed.run()
    rest = clock.now() + timedelta(minutes=30)
    open_ = Circuit.create(source=feed.source, failures=3, opened=2, headline="It does not answer", until=rest)
    after_read.settle_due()
    waiting = RunFile.get()
    assert (waiting.act, waiting.act_tries, waiting.act_at) == ("waiting", 0, rest) and feed.names() == ["stock_1.csv"]
    open_.delete_instance()
    later(60)
    after_read.settle_due()
    assert RunFile.get().act == "done" and feed.names() == []


def test_a_rule_that_was_taken_back_acts_no_more(feed: FolderFeed) -> None:
    feed.set(after_read={"act": "delete"})
    feed.put("stock_1.csv", rows_of(2))
    run = feed.run()
    feed.set(after_read={})
    after_read.settle_due()
    assert feed.names() == ["stock_1.csv"] and files_of(run) == [("stock_1.csv", "file", "")]


def test_a_newer_file_only_is_read_where_read_ones_are_put_away(feed: FolderFeed) -> None:
    feed.put("stock_0.csv", rows_of(2, quantity=1), -5)
    done(feed, act="delete")
    run = feed.run()
    assert run.state == "no_change" and feed.names() == ["stock_0.csv"]


SETTLE = """
from portal import after_read, open_installation
from portal.models import database
open_installation()
with database.connection_context():
    after_read.settle_due()
"""


def killed(db: str, point: str) -> int:
    """The exit code of a worker that puts files away and dies at the failpoint."""
    settings = installation.current()
    told = {"DATA_DIR": str(settings.data_dir), "DATABASE_URL": db, "EGRESS_ALLOW": LOOPBACK, "DEMO": "0", "FAILPOINT": point}
    return subprocess.run([sys.executable, "-c", SETTLE], env={**os.environ, **told}, timeout=60).returncode


@pytest.mark.parametrize("point", ["putting-away:1", "putting-away:2"])
@pytest.mark.parametrize("rule", [{"act": "move", "folder": "done"}, {"act": "delete"}])
def test_killed_before_or_after_the_act_it_is_done_once(feed: FolderFeed, db: str, point: str, rule: Any) -> None:
    feed.put("done/other", b"x")
    feed.set(after_read=rule)
    feed.put("stock_1.csv", rows_of(2))
    run = feed.run()
    assert killed(db, point) == -signal.SIGKILL
    assert RunFile.get(RunFile.run == run.id).act == "waiting"
    assert after_read.settle_due() == 0, "it is still the dead worker's"
    later(after_read.HELD_MINUTES)
    after_read.settle_due()
    kept = ["other", "stock_1.csv"] if rule["act"] == "move" else ["other"]
    assert (feed.names(), feed.names("done")) == ([], kept)
    assert RunFile.get(RunFile.run == run.id).act == ("left" if rule["act"] == "delete" and point.endswith("2") else "done")


# markers


@pytest.mark.parametrize(
    ("how", "text", "name"), [("beside", ".done", "stock_1.csv.done"), ("beside", ".ok", "stock_1.ok"), ("folder", "READY", "READY")]
)
def test_a_file_counts_once_its_marker_is_there(feed: FolderFeed, how: str, text: str, name: str) -> None:
    feed.choose(marker=how, marker_text=text, pattern="*")
    feed.set(after_read={"act": "delete"})
    feed.put("stock_1.csv", rows_of(2), 1)
    run = feed.run()
    assert (run.state, run.problem["code"]) == ("queued", "file_growing")
    assert "stock_1.csv is still being written" in run.problem["headline"] and "is not there yet" in run.problem["body"]
    feed.put(name, b"", 0)
    Run.update(due_at=clock.now()).where(Run.id == run.id).execute()
    runs.work_available(HANDLERS)
    run = Run.get_by_id(run.id)
    assert run.state == "queued" and f"its marker {name} is older than it" in run.problem["body"]
    feed.put(name, b"", 2)
    Run.update(due_at=clock.now()).where(Run.id == run.id).execute()
    runs.work_available(HANDLERS)
    run = Run.get_by_id(run.id)
    assert run.state == "finished" and files_of(run) == [("stock_1.csv", "file", "waiting"), (name, "marker", "waiting")]
    after_read.settle_due()
    assert feed.names() == []


def test_a_full_feed_waits_for_all_its_parts_and_changes_are_read_up_to_the_first_unfinished(feed: FolderFeed) -> None:
    feed.choose(match="all", marker="beside", marker_text=".done")
    for number in (1, 2, 3):
        feed.put(f"stock_{number}.csv", rows_of(5, start=5 * number), number)
    for number in (1, 3):
        feed.put(f"stock_{number}.done", b"", 9)
    run = feed.run()
    assert run.state == "queued" and "stock_2.csv" in run.problem["headline"]
    runs.request_stop(run, "ana")
    feed.set(feed="delta")
    run = feed.run()
    assert [name for name, _, _ in files_of(run)] == ["stock_1.csv"]
    feed.put("stock_2.done", b"", 9)
    assert [name for name, _, _ in files_of(feed.run())] == ["stock_2.csv", "stock_3.csv"]


def test_a_part_that_is_being_uploaded_is_waited_for(feed: FolderFeed) -> None:
    feed.choose(match="all")
    feed.put("stock_part1.csv", rows_of(5), 1)
    feed.put("stock_part2.csv.filepart", b"sku", 2)
    run = feed.run()
    assert run.state == "queued" and "running upload" in run.problem["body"]


def test_what_is_typed_of_the_rule_is_judged() -> None:
    assert after_read.kept({"after_act": "move", "after_folder": " done "}) == {"act": "move", "folder": "done"}
    assert after_read.kept({"after_act": "leave", "after_folder": "done"}) == {}
    for typed, field in (
        ({"after_act": "burn"}, "after_act"), ({"after_act": "move", "after_folder": " "}, "after_folder"),
        ({"after_act": "move", "after_folder": "./x/.."}, "after_folder"), ({"after_act": "rename"}, "after_suffix"),
        ({"after_act": "rename", "after_suffix": "/x"}, "after_suffix"),
    ):  # fmt: skip
        assert list(after_read.errors(typed)) == [field]
    assert after_read.errors({"after_act": "move", "after_folder": "/archive"}) == {} == after_read.errors({})


def test_an_integration_of_another_kind_has_no_rule() -> None:
    assert after_read.rule(Integration(policies={})) == after_read.Rule()
