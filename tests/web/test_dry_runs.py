"""Dry runs on the web: where they start, the plan page, its rows and file, and a sync with the very file."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from portal import runs
from portal.inventory import dry_run
from portal.models import Document, Integration, InventoryItem, MappingVersion, Run
from tests.feed_of import HANDLERS, Feed, rows_of, text_of
from tests.test_acceptance_dry_run import changed, set_aside


@pytest.fixture
def feed(make_source: Any) -> Feed:
    made = Feed(make_source())
    made.sync(rows_of(200))
    return made


def form_at(feed: Feed) -> str:
    return f"/sources/{feed.source.public_id}/integrations/get_inventory_primary/dry-run"


def last() -> Run:
    runs.work_available(HANDLERS)
    return Run.select().order_by(Run.id.desc()).get()


def test_a_file_uploaded_for_a_dry_run_is_planned_and_then_synced(client: Any, feed: Feed) -> None:
    at = form_at(feed)
    assert at in client.get(f"/sources/{feed.source.public_id}/integrations").text
    sent = {"what": "upload", "file": (io.BytesIO(text_of(set_aside(rows_of(200)))), "new stock.csv")}
    answer = client.send_form(at, sent, content_type="multipart/form-data")
    assert answer.status_code == 303
    assert "Dry run" in client.get(answer.headers["Location"]).text  # it waits: the page says so
    run = last()
    page = client.get(f"/runs/{run.public_id}", follow_redirects=True).text
    for words in (f"Dry run {run.number}", "Nothing was written.", "A sync would write", "Run Sync with this file", run.plan_hash,
                  "Judged against", "The last accepted file: 200 rows", "What would move furthest", "new stock.csv",
                  "Rows that would be set aside", "many", "version 1, the saved one"):  # fmt: skip
        assert words in page, words
    assert feed.quantities()["SKU-00003"] == 5
    answer = client.send_form(f"/runs/{run.public_id}/sync", {}, page=f"/runs/{run.public_id}/plan")
    assert answer.status_code == 303
    applied = last()
    assert (applied.kind, applied.document_id, applied.plan_hash) == ("inventory", run.document_id, run.plan_hash)
    real = client.get(f"/runs/{applied.public_id}").text
    assert f"Its plan equals the plan of dry run {run.number}" in real and f"/runs/{run.public_id}/plan" in real
    page = client.get(f"/runs/{run.public_id}/plan").text
    assert f"Run {applied.number} read this file, and its plan equals this one" in page
    assert feed.quantities()["SKU-00003"] == 9


def test_a_plan_that_differs_is_said_to_differ(client: Any, feed: Feed) -> None:
    dry = feed.dry_run(changed(rows_of(200)))
    between = feed.sync(rows_of(200, quantity=7))
    page = client.get(f"/runs/{dry.public_id}/plan").text
    assert "Your stock was written since" in page and f"Run {between.number} wrote" in page
    applied = feed.sync_with(dry)
    assert applied.plan_hash != dry.plan_hash
    assert f"Its plan differs from the one of dry run {dry.number}" in client.get(f"/runs/{applied.public_id}").text
    assert "and its plan differs" in client.get(f"/runs/{dry.public_id}/plan").text


def test_what_a_guard_would_do_is_said_with_its_reason(client: Any, feed: Feed) -> None:
    held = client.get(f"/runs/{feed.dry_run(rows_of(150)).public_id}/plan").text
    assert "50 rows would be held for review" in held and "Because: 50 of 200 SKUs are missing." in held and "The removal waits" in held
    refused = client.get(f"/runs/{feed.dry_run(rows_of(50)).public_id}/plan").text
    assert "A sync would refuse this file whole" in refused and "50 rows; fewer than 100" in refused
    same = client.get(f"/runs/{feed.dry_run().public_id}/plan").text
    assert "A sync would end with No change" in same and "Nothing would change" in same


def test_rows_are_paged_searched_filtered_and_downloaded(client: Any, feed: Feed) -> None:
    rows = [[*row[:3], 9, row[4]] for row in rows_of(200)]
    rows[1][1] = "=cmd()"
    rows.append(["NEW-1", "Lantern", "Kestrel", 1, "1.00"])
    at = f"/runs/{feed.dry_run(rows).public_id}/plan"
    page = client.get(at).text
    assert page.count('class="row-link id"') == 50 and 'rel="next"' in page
    following = re.search(r'rel="next" href="([^"]*)"', page)
    assert following and "SKU-00050" in client.get(following[1].replace("&amp;", "&")).text
    found = client.get(f"{at}?q=0019&action=change", headers={"HX-Request": "true"}).text
    assert found.startswith('<div id="plan-rows">') and found.count('class="row-link id"') == 11 and "SKU-00018" not in found
    assert client.get(f"{at}?action=add").text.count('<span class="id">NEW-1</span>') == 1
    assert "No planned row matches" in client.get(f"{at}?q=nowhere").text
    whole = client.get(f"{at}.csv").data.decode("utf-8-sig")
    assert "SKU-00001,'=cmd(),Change,Item Title" in whole or "'=cmd()" in whole
    assert "\n=cmd" not in whole and ",=cmd" not in whole
    assert len(client.get(f"{at}.csv?action=add").data.decode("utf-8-sig").splitlines()) == 5
    run = Run.select().order_by(Run.id.desc()).get()
    dry_run.erase_old()
    feed.dry_run(rows)
    dry_run.erase_old()
    assert "The rows of this plan were erased" in client.get(f"/runs/{run.public_id}/plan").text


def test_a_kept_file_of_an_earlier_run_with_another_version(client: Any, feed: Feed) -> None:
    old = feed.sync(rows_of(200, quantity=6))
    feed.map(fields={"sku": {"columns": ["item_no"]}, "quantity": {"columns": ["qty"]}})
    link = re.search(r'id="run-dry" href="([^"]*)"', client.get(f"/runs/{old.public_id}").text)
    assert link
    page = link[1].replace("&amp;", "&")
    document = Document.get_by_id(old.document_id)
    assert f'<option selected value="{document.public_id}">' in client.get(page).text
    answer = client.send_form(form_at(feed), {"mapping": "1"}, page=page)
    assert answer.status_code == 303
    run = last()
    assert (run.document_id, run.mapping_version, run.state) == (document.id, 1, "finished")
    assert "Its mapping is not the saved one" in client.get(f"/runs/{run.public_id}/plan").text
    tokens = client.form_values(client.get(page).text, form_at(feed))
    assert client.post(f"/runs/{run.public_id}/sync", data=tokens).status_code == 409
    assert InventoryItem.get(sku="SKU-00001").quantity == 6


def test_a_second_dry_run_leads_to_the_first_and_an_empty_choice_is_refused(client: Any, feed: Feed) -> None:
    assert client.send_form(form_at(feed), {"what": "now"}).status_code == 303
    first = Run.select().order_by(Run.id.desc()).get()
    answer = client.send_form(form_at(feed), {"what": "now"})
    assert answer.headers["Location"] == f"/runs/{first.public_id}"
    answer = client.send_form(form_at(feed), {"what": "upload"})
    assert answer.status_code == 422 and "Choose the file first." in answer.text


def test_the_mapping_as_typed_is_dry_run_before_it_is_saved(client: Any, feed: Feed) -> None:
    Integration.update(sample_document_id=Document.select().get().id).execute()
    at = f"/sources/{feed.source.public_id}/mapping/inventory"
    page = client.get(at).text
    assert "Dry run this mapping" in page
    typed = client.form_values(page, at) | {"f.mpn.column": "c:maker"}
    answer = client.post(f"{at}/dry-run", data=typed)
    assert answer.status_code == 303, answer.text
    run = last()
    assert (run.kind, run.state, run.counts["change"]) == ("dry_run", "finished", 200)
    assert run.settings["rules"]["fields"]["mpn"]["columns"] == ["maker"]
    assert "mpn" not in MappingVersion.select().order_by(MappingVersion.id.desc()).get().rules["fields"]
    plan = client.get(f"/runs/{run.public_id}/plan").text
    assert "rules that are not saved" in plan and "Go on with this mapping" in plan and "sync-with" not in plan
    again = client.get(f"{at}?dry_run={run.public_id}").text
    assert re.search(r'name="f.mpn.column".*?<option value="c:maker" selected>', again, re.DOTALL)
    refused = client.post(f"{at}/dry-run", data=client.form_values(client.get(at).text, at) | {"f.sku.column": ""})
    assert refused.status_code == 422 and Run.select().where(Run.kind == "dry_run").count() == 1
