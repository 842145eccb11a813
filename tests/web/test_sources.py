"""The source screens, with htmx and without."""

from __future__ import annotations

from typing import Any

from portal import sources
from portal.models import Run, Source


def test_a_workspace_without_sources_is_told_how_to_begin(client: Any) -> None:
    page = client.get("/sources").text
    assert "Connect your first supplier" in page and "+ Add Source" in page
    assert client.get("/").headers["Location"].endswith("/sources")


def test_adding_a_source_makes_a_draft_that_offers_get_started(client: Any, merchant: Any) -> None:
    answer = client.send_form("/sources/new", {"name": "Northwind", "kind": "internal_warehouse"})
    source = Source.get(Source.merchant == merchant)
    assert answer.status_code == 303 and answer.headers["Location"].endswith(source.public_id)
    page = client.get(f"/sources/{source.public_id}").text
    assert "You have not created any integrations yet" in page and "Get Started" in page
    assert source.allow_backorders


def test_a_name_that_is_taken_is_refused_and_what_was_typed_stays(client: Any, make_source: Any) -> None:
    make_source("Northwind")
    answer = client.send_form("/sources/new", {"name": "northwind", "kind": "data_source"})
    assert answer.status_code == 422
    assert "You already have a source called" in answer.text and 'value="northwind"' in answer.text


def test_long_and_foreign_names_are_shown_whole(client: Any, make_source: Any) -> None:
    name = "متجر الشمال " + "W" * 68
    make_source(name)
    assert name in client.get("/sources").text


def test_filters_by_name_and_state(client: Any, make_source: Any) -> None:
    make_source("Northwind")
    make_source("Kestrel")
    part = client.get("/sources?q=nort", headers={"HX-Request": "true"}).text
    assert "Northwind" in part and "Kestrel" not in part and "<html" not in part
    assert "No source is: Held for review" in client.get("/sources?state=held").text
    assert "No source matches" in client.get("/sources?q=zebra").text


def test_run_sync_starts_one_run_and_a_second_click_opens_the_same(client: Any, make_source: Any) -> None:
    source = make_source(state="live", supplier="file-upload")
    kind = sources.add_integration(source, "get_inventory_primary", "owner").kind
    address = f"/sources/{source.public_id}/integrations"
    first = client.send_form(f"{address}/{kind}/runs", {}, page=address)
    run = Run.get(Run.source == source)
    assert first.status_code == 303 and first.headers["Location"].endswith(run.public_id)
    again = client.send_form(f"{address}/{kind}/runs", {}, page=address)
    assert again.headers["Location"].endswith(run.public_id)
    assert "A sync is already running (started 0 s ago)" in client.get(again.headers["Location"]).text
    assert Run.select().where(Run.source == source).count() == 1


def test_a_draft_does_not_sync(client: Any, make_source: Any) -> None:
    source = make_source(supplier="file-upload")
    sources.add_integration(source, "get_inventory_primary", "owner")
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    answer = client.post(f"/sources/{source.public_id}/integrations/get_inventory_primary/runs", data={"csrf_token": token})
    assert answer.status_code == 409 and "draft" in answer.text
    assert Run.select().where(Run.source == source).count() == 0
