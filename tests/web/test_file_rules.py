"""The file page: all new files, when one is finished, and what becomes of it; the run page lists every file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from portal import after_read, connections, documents, file_choice, file_rules
from portal.models import AuditLine, Integration, RunFile, Source
from portal.records import FileEntry
from tests.connecting import check, fresh, sftp_values, states, trust
from tests.connecting import save as save_connection
from tests.feed_of import rows_of
from tests.folder_feed import FolderFeed
from tests.servers import sshd

pytest_plugins = ("tests.connected", "tests.folder_feeds")

TYPED = {
    "folder": "out", "match": "newest", "pattern": "stock_*.csv", "marker": "", "marker_text": "", "after_act": "leave",
    "after_folder": "", "after_suffix": "", "header_row": "1", "delimiter": ",", "quote": '"', "encoding": "utf-8", "decimal_mark": ".",
}  # fmt: skip


def page(client: Any, source: Source, **query: str) -> str:
    answer = client.get(f"/sources/{source.public_id}/file", query_string=query)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def save(client: Any, source: Source, **typed: str) -> Any:
    return client.send_form(f"/sources/{source.public_id}/file", {**TYPED, **typed})


def kept(source: Source) -> Integration:
    return Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary")


def test_the_page_says_which_files_would_be_read(client: Any, sampled: Source) -> None:
    seen = page(client, sampled)
    assert "2 files here fit. stock_2026-11-25.csv would be read." in seen
    both = page(client, sampled, typed="1", match="all", pattern="stock_*.csv")
    assert "stock_2026-11-24.csv, stock_2026-11-25.csv would be read in this order, as one feed." in both
    waits = page(client, sampled, typed="1", match="all", pattern="stock_*.csv", marker="beside", marker_text=".done")
    assert "does not count as finished: stock_2026-11-24.csv.done is not there yet. Nothing would be read now." in waits
    assert 'name="after_act"' in seen and "It is gone for everybody who reads this folder" in seen


def test_everything_is_saved_and_stands_in_the_audit_log(client: Any, sampled: Source) -> None:
    answer = save(
        client, sampled, match="all", marker="folder", marker_text=" READY ", after_act="move", after_folder="done", after_suffix="x"
    )
    assert answer.status_code == 303
    integration = kept(sampled)
    assert {key: integration.settings[key] for key in ("match", "marker", "marker_text")} == {
        "match": "all", "marker": "folder", "marker_text": "READY",
    }  # fmt: skip
    assert after_read.rule(integration) == after_read.Rule("move", "done")
    assert AuditLine.select().where(AuditLine.action == "integration.after_read").count() == 1
    seen = page(client, sampled)
    assert 'value="READY"' in seen and 'value="done"' in seen
    save(client, sampled)
    assert kept(sampled).policies == {} and kept(sampled).settings["marker_text"] == ""


@pytest.mark.parametrize(
    ("typed", "field"),
    [
        ({"match": "some"}, "Choose how we find the file"),
        ({"marker": "beside"}, "Enter an ending such as .done"),
        ({"marker": "folder", "marker_text": "a/b"}, "Enter a name such as READY.txt"),
        ({"after_act": "move"}, "Enter another folder"),
        ({"after_act": "move", "after_folder": "../out"}, "This is the folder that files are read from"),
        ({"after_act": "rename", "after_suffix": "/"}, "Enter an ending such as .read"),
        ({"after_act": "burn"}, "Choose what becomes of the file"),
        ({"marker": "moon"}, "Choose when a file is finished"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_saved(client: Any, sampled: Source, typed: dict[str, str], field: str) -> None:
    answer = save(client, sampled, **typed)
    assert answer.status_code == 422 and field in answer.get_data(as_text=True)
    assert "marker" not in kept(sampled).settings and kept(sampled).policies == {}


def test_what_was_typed_is_still_there_after_another_file_was_read(client: Any, chosen: Any, run_work: Any, user: Any) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save_connection(source, sftp_values(server), password=user.password)
        check(source, run_work)
        trust(source)
        check(source, run_work)
        asked = {**TYPED, "match": "all", "pattern": "stock_*11-24.csv", "after_act": "delete", "marker": "beside", "marker_text": ".ok"}
        client.send_form(f"/sources/{source.public_id}/file", {**asked, "act": "read"})
        run_work()
    assert states(source)["understand"] == "passed"
    detail = next(one["detail"] for one in connections.find(source).checks if one["name"] == "folder")
    assert "1 file here fits. stock_2026-11-24.csv does not count as finished" in detail
    chosen_now = file_choice.current(fresh(source), connections.find(source))
    assert (chosen_now.match, chosen_now.pattern) == ("all", "stock_*11-24.csv")
    seen = page(client, source)
    assert 'value="stock_*11-24.csv"' in seen and 'value=".ok"' in seen


def test_an_upload_offers_neither_and_says_why(client: Any, chosen: Any, run_work: Any) -> None:
    source = chosen("file-upload")
    documents.store_upload(source, io.BytesIO(b"sku,qty\nA,1\n"), "stock.csv")
    check(source, run_work)
    seen = page(client, fresh(source))
    assert 'name="after_act"' not in seen and 'name="match"' not in seen
    assert "nothing at the supplier that could be moved or deleted" in seen


def test_the_outlook_of_the_newest_counts_the_older_ones() -> None:
    entries = [FileEntry("a.csv", 1, None), FileEntry("b.csv", 1, None)]
    integration = Integration(policies={}, source=Source(id=0), settings={})
    assert file_rules.Outlook().words == "No file here fits."
    seen = file_rules.Outlook(["b.csv"], (), {}, len(entries) - 1)
    assert seen.words == "2 files here fit. b.csv would be read." and integration.policies == {}


# the run page


@pytest.fixture
def feed(folder_feed: Callable[..., FolderFeed]) -> FolderFeed:
    return folder_feed()


def test_the_run_page_lists_every_file_with_its_hash_and_download(client: Any, other_client: Any, feed: FolderFeed) -> None:
    feed.set(after_read={"act": "rename", "suffix": ".read"})
    feed.put("stock_1.csv", [*rows_of(40), ["BAD", "Lamp", "K", "many", "1"]], 1)
    feed.put("stock_2.csv", [*rows_of(40, start=40), ["BAD", "Lamp", "K", "many", "1"]], 2)
    run = feed.run()
    after_read.settle_due()
    seen = client.get(f"/runs/{run.public_id}").get_data(as_text=True)
    assert "2 files, read in this order as one feed" in seen and f"Renamed to {feed.home}/stock_1.csv.read" in seen
    for row in RunFile.select().where(RunFile.run == run.id):
        assert row.document.sha256 in seen
        path = f"/runs/{run.public_id}/file?document={row.document.public_id}"
        assert client.get(path).get_data().startswith(b"item_no,name")
        assert other_client.get(path).status_code == 404
    assert client.get(f"/runs/{run.public_id}/file?document=nothing").status_code == 404
    assert seen.count("stock_2.csv") >= 2 and ">42<" in seen.replace("\n", "")
    again = feed.run()
    assert "There is no new file" in client.get(f"/runs/{again.public_id}").get_data(as_text=True)


def test_the_page_of_a_failed_run_leaves_a_file_out_and_takes_that_back(client: Any, other_client: Any, feed: FolderFeed) -> None:
    feed.put("stock_1.csv", b"name,price\nLamp,3\n", 1)
    run = feed.run()
    page_at = f"/runs/{run.public_id}"
    document = RunFile.get(RunFile.run == run.id).document.public_id
    assert "Leave out" in client.get(page_at).get_data(as_text=True)
    assert client.send_form(f"{page_at}/files", {"document": document, "act": "leave_out"}, page=page_at).status_code == 303
    seen = client.get(page_at).get_data(as_text=True)
    assert "Left out: no run reads it as it is" in seen and "Read it after all" in seen
    assert client.send_form(f"{page_at}/files", {"document": document, "act": "take_back"}, page=page_at).status_code == 303
    assert "Left out" not in client.get(page_at).get_data(as_text=True)
    assert client.send_form(f"{page_at}/files", {"document": "x"}, page=page_at).status_code == 404
