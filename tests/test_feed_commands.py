"""`import-feed` and `sync`: the whole path of a run from the command line, one JSON object, and an exit code for each end."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from portal import runs
from portal.documents import path_of
from portal.models import Document, Integration, InventoryItem, MappingVersion, Run, Source
from tests.bench import feed_file
from tests.feed_of import Feed, rows_of, text_of

APPLIED, HELD, REFUSED = 0, 3, 4
KEYS = {"status", "rows", "new", "changed", "unchanged", "missing", "set_aside", "held", "seconds", "stages", "peak_rss_mb"}


@pytest.fixture
def verb(app):
    """verb(*words) -> (exit code, output)"""

    def run(*words: str) -> tuple[int, str]:
        answer = app.test_cli_runner().invoke(args=list(words))
        assert answer.exception is None or isinstance(answer.exception, SystemExit), answer.exception
        return answer.exit_code, answer.output

    return run


@pytest.fixture
def give(verb, merchant, tmp_path):
    """give(rows or bytes, *options, name="Northwind") -> (exit code, the JSON object)"""

    def run(content: Any, *options: str, name: str = "Northwind") -> tuple[int, dict[str, Any]]:
        path = tmp_path / "stock.csv"
        path.write_bytes(content if isinstance(content, bytes) else text_of(content))
        words = ("import-feed", "--merchant", merchant.name, "--source", name, "--json", *options, str(path))
        code, output = verb(*words)
        return code, json.loads(output)

    return run


def test_create_makes_a_live_source_mapped_by_the_headers_and_imports(give, merchant):
    code, told = give(rows_of(12), "--create")
    assert code == APPLIED and set(told) >= KEYS
    assert {name: told[name] for name in ("status", "rows", "new", "changed", "missing", "set_aside", "held")} == {
        "status": "finished", "rows": 12, "new": 12, "changed": 0, "missing": 0, "set_aside": 0, "held": 0,
    }  # fmt: skip
    source = Source.get()
    assert (source.state, source.supplier, source.merchant_id, source.item_count) == ("live", "file-upload", merchant.id, 12)
    fields = MappingVersion.get().rules["fields"]
    assert {name: fields[name]["columns"] for name in ("sku", "title", "quantity", "cost")} == {
        "sku": ["item_no"], "title": ["name"], "quantity": ["qty"], "cost": ["price"],
    }  # fmt: skip
    assert set(told["stages"]) == {"fetch", "parse", "plan", "guard", "apply"} and told["peak_rss_mb"] > 1


def test_again_it_is_the_same_source_and_only_differences(give):
    give(rows_of(12), "--create")
    code, told = give(rows_of(12))
    assert (code, told["status"], told["unchanged"]) == (APPLIED, "no_change", 12)
    rows = rows_of(13)
    rows[3][3] = 8
    code, told = give(rows, "--create", name=" northWIND ")
    assert (code, told["new"], told["changed"], told["unchanged"]) == (APPLIED, 1, 1, 11)
    assert Source.select().count() == 1


def test_a_hold_leaves_with_3_and_a_refusal_with_4_and_both_say_why(give):
    give(rows_of(100), "--create")
    code, told = give(rows_of(70))
    assert (code, told["status"], told["held"], told["missing"]) == (HELD, "held", 30, 30)
    assert told["problem"]["headline"] == "30 of 100 SKUs are missing"
    code, told = give(rows_of(20))
    assert (code, told["status"], told["problem"]["code"]) == (REFUSED, "failed", "too_few_rows")
    assert InventoryItem.select().where(InventoryItem.quantity == 5).count() == 100


@pytest.mark.parametrize("content", [b"", b"<!doctype html><html>Sign in</html>", b"colour,shape\nred,round\n"])
def test_a_file_that_makes_no_source_makes_nothing(give, content):
    code, told = give(content, "--create")
    assert code == REFUSED and told["error"]
    assert (Source.select().count(), Run.select().count(), Integration.select().count()) == (0, 0, 0)


def test_an_unreadable_file_prints_every_key_too(give):
    give(rows_of(12), "--create")
    code, told = give(b"")
    assert code == REFUSED and set(told) >= KEYS
    assert (told["status"], told["rows"], told["problem"]["code"], told["error"]) == ("failed", 0, "empty_file", "The file is empty")


def test_a_file_without_a_sku_column_prints_every_key_and_its_columns(give):
    code, told = give(b"name,qty\nx,1\n", "--create")
    assert code == REFUSED and set(told) >= KEYS
    assert (told["status"], told["problem"]["code"], told["error"]) == ("failed", "columns_missing", "No column looks like a SKU")
    assert "name, qty" in told["problem"]["body"] and Source.select().count() == 0


def test_a_source_that_is_not_there_is_refused_without_create(give):
    code, told = give(rows_of(2))
    assert (code, told) == (REFUSED, {"error": "There is no such source."})


def test_another_merchants_source_is_not_found(give, make_source, other_merchant):
    theirs = Feed(make_source("Theirs", of=other_merchant))
    for name in ("Theirs", theirs.source.public_id):
        code, told = give(rows_of(2), name=name)
        assert (code, told) == (REFUSED, {"error": "There is no such source."})
    assert InventoryItem.select().count() == 0


def test_an_unfinished_run_keeps_a_second_one_out(give, make_source):
    feed = Feed(make_source())
    runs.start_sync(feed.integration)
    code, told = give(rows_of(2))
    assert code == REFUSED and "not finished yet" in told["error"]


def test_sentences_for_people(verb, merchant, tmp_path):
    path = tmp_path / "stock.csv"
    path.write_bytes(text_of(rows_of(1_200)))
    code, output = verb("import-feed", "--merchant", merchant.public_id, "--source", "Northwind", "--create", str(path))
    assert code == APPLIED and output.startswith(
        "Finished: 1,200 rows, 1,200 new, 0 changed, 0 unchanged, 0 missing, 0 set aside, 0 held in "
    )


def test_sync_runs_an_integration_here_and_now(verb, make_source, merchant):
    feed = Feed(make_source())
    feed.sync(rows_of(5))
    feed.start(rows_of(6))
    Run.delete().where(Run.state == "queued").execute()
    code, output = verb("sync", "Northwind", "--json")
    assert (code, json.loads(output)["new"]) == (APPLIED, 1)
    code, output = verb("sync", "Northwind", "send_orders", "--merchant", merchant.name, "--json")
    assert code == REFUSED and json.loads(output)["error"]


def test_a_bench_feed_is_mapped_whole_and_arrives_whole(give, tmp_path):
    path = tmp_path / "bench.csv"
    feed_file.write(path, 500)
    code, told = give(path.read_bytes(), "--create")
    assert (code, told["new"], told["set_aside"]) == (APPLIED, 500, 0)
    mapped = {column for rule in MappingVersion.get().rules["fields"].values() for column in rule.get("columns", [])}
    assert len(mapped) >= len(feed_file.HEADERS) - 1
    item = InventoryItem.get(InventoryItem.sku == "SKU-00000010")
    assert "\n" in item.description and '"as good as new"' in item.description and item.upc and item.images
    feed_file.write(path, 500, changed=0.04)
    code, told = give(path.read_bytes())
    assert (code, told["rows"], told["new"], told["missing"]) == (APPLIED, 500, 2, 2)
    assert 18 <= told["changed"] <= 20 and told["changed"] + told["unchanged"] == 498


def test_a_file_whose_bytes_are_kept_already_is_not_copied(give):
    give(rows_of(3), "--create")
    assert give(rows_of(3))[1]["status"] == "no_change" and give(rows_of(3, quantity=6))[1]["changed"] == 3
    first, second, third = Document.select().order_by(Document.id)
    inodes = [path_of(one).stat().st_ino for one in (first, second, third)]
    assert inodes[0] == inodes[1] != inodes[2] and first.sha256 == second.sha256
    path_of(first).unlink()  # erased by age
    assert hashlib.sha256(path_of(second).read_bytes()).hexdigest() == second.sha256


def test_a_kept_file_that_was_just_erased_is_copied(give):
    give(rows_of(3), "--create")
    path_of(Document.get()).unlink()
    assert give(rows_of(3))[1]["status"] == "no_change"
    assert path_of(Document.select().order_by(Document.id.desc()).get()).is_file()


def test_a_dry_run_of_a_file_says_what_a_run_would_do_and_the_run_has_its_plan(give):
    give(rows_of(100), "--create")
    code, told = give(rows_of(70), "--dry-run")
    assert (code, told["status"], told["would"], told["held"]) == (HELD, "finished", "held", 30)
    assert told["plan"] == {"add": 0, "change": 0, "zero": 0, "missing": 30, "back": 0} and set(told) >= KEYS
    assert InventoryItem.select().where(InventoryItem.quantity == 5).count() == 100
    assert give(rows_of(20), "--dry-run")[0] == REFUSED and give(rows_of(100), "--dry-run")[1]["would"] == "no_change"
    dry = give(rows_of(101, quantity=6), "--dry-run")
    code, applied = give(rows_of(101, quantity=6))
    assert (dry[0], code) == (APPLIED, APPLIED) and dry[1]["plan_hash"] == applied["plan_hash"]
    assert (dry[1]["new"], dry[1]["changed"], dry[1]["unchanged"]) == (applied["new"], applied["changed"], applied["unchanged"])


def test_a_dry_run_makes_no_source_and_reads_nothing_that_cannot_be_read(give):
    code, told = give(rows_of(3), "--create", "--dry-run")
    assert (code, Source.select().count()) == (REFUSED, 0) and "--create" in told["error"]
    give(rows_of(3), "--create")
    code, told = give(b"a,b\n1,2\n", "--dry-run")
    assert (code, told["problem"]["code"], "would" in told) == (REFUSED, "columns_missing", False)


def test_a_dry_sync_reads_what_is_there_now(verb, make_source):
    feed = Feed(make_source())
    feed.sync(rows_of(5))
    code, output = verb("sync", "Northwind", "--dry-run")
    assert code == APPLIED and output.startswith("Nothing was written. A run would end with no change: 5 rows, 0 to add")
    assert output.splitlines()[-1].startswith("Plan ")
    assert Run.select().order_by(Run.id.desc()).get().kind == "dry_run"
