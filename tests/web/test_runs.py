"""Run pages: live, afterwards, downloads, stopping."""

from __future__ import annotations

from typing import Any

import pytest

from portal import clock, sources
from portal.models import InventoryChange, Run, RunMessage, SetAsideRow, Source
from tests.inventory.test_browse import add


@pytest.fixture
def source(make_source: Any) -> Source:
    made = make_source(state="live", supplier="file-upload")
    sources.add_integration(made, "get_inventory_primary", "owner")
    return made


def run_of(source: Source, **columns: Any) -> Run:
    integration = sources.integration(source, "get_inventory_primary")
    number = Run.select().count() + 1
    values = {"kind": "inventory", "number": number, "started_at": clock.now(), **columns}
    return Run.create(merchant=source.merchant, source=source, integration=integration, **values)


def test_a_moving_run_asks_again_and_a_finished_one_does_not(client: Any, source: Source) -> None:
    run = run_of(source, state="running", stage="parse", stages={"parse": {"seconds": 0, "count": None}}, done_rows=50, total_rows=200)
    page = client.get(f"/runs/{run.public_id}").text
    assert 'hx-trigger="load delay:1s"' in page and "<noscript><meta" in page and 'max="200" value="50"' in page
    Run.update(state="finished").where(Run.id == run.id).execute()
    part = client.get(f"/runs/{run.public_id}", headers={"HX-Request": "true"}).text
    assert "hx-trigger" not in part and "<html" not in part


def test_differences_set_aside_rows_and_messages_are_shown_and_downloadable(client: Any, source: Source) -> None:
    run = run_of(source, state="warnings", stage="done", counts={"rows": 3, "changed": 1, "set_aside": 1})
    item = add(source, "NW-1", title="Tarp")
    InventoryChange.create(
        merchant=source.merchant, source=source, run=run, item_id=item.id, sku="NW-1", action="change", row_number=2,
        before={"quantity": 4, "cost": 100_000}, after={"quantity": 7, "cost": 125_000},
    )  # fmt: skip
    problems = [{"field": "sku", "column": "item", "value": "", "reason": "The SKU is empty", "fatal": True}] * 2
    SetAsideRow.create(run=run, row_number=3, sku="", problems=problems, cells=["", "=cmd()"])
    RunMessage.create(run=run, text="Read 3 rows")
    page = client.get(f"/runs/{run.public_id}").text
    for words in ("NW-1", "10.00", "12.50", "The SKU is empty", "Read 3 rows", "Finished with warnings"):
        assert words in page
    changes = client.get(f"/runs/{run.public_id}/changes.csv")
    assert "Quantity,4,7,2" in changes.data.decode("utf-8-sig") and "attachment" in changes.headers["Content-Disposition"]
    aside = client.get(f"/runs/{run.public_id}/set-aside.csv").data.decode("utf-8-sig")
    assert "'=cmd()" in aside and aside.count("The SKU is empty") == 2


def test_stop_asks_the_run_to_stop(client: Any, source: Source) -> None:
    run = run_of(source, state="running", fence=1)
    answer = client.send_form(f"/runs/{run.public_id}/stop", {}, page=f"/runs/{run.public_id}")
    assert answer.status_code == 303
    assert Run.get_by_id(run.id).cancel_requested


def test_a_held_run_says_what_waits_and_accepting_is_a_page_of_its_own(client: Any, source: Source) -> None:
    problem = {
        "code": "held_removals",
        "headline": "40 SKUs are missing",
        "body": "Nothing was removed.",
        "act": "",
        "act_at": "",
        "server_said": "",
    }
    run = run_of(source, state="held", stage="done", counts={"held": 40}, problem=problem, accepted=True)
    page = client.get(f"/runs/{run.public_id}").text
    assert "40 SKUs are missing" in page and "Review what is held" in page
    assert "Keep what is and read again" in client.get(f"/runs/{run.public_id}/held").text
    assert "Set 40 items to 0" in client.get(f"/runs/{run.public_id}/acceptance").text


def test_the_history_folds_runs_without_change(client: Any, source: Source) -> None:
    for _ in range(3):
        run_of(source, state="no_change")
    assert "3 runs, no change" in client.get("/runs").text
    assert "No run matches" in client.get("/runs?state=failed").text
    assert "3 runs, no change" in client.get(f"/sources/{source.public_id}/runs").text
