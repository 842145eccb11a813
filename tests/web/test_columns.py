"""Columns changed on screen: side by side, the likely pair chosen, one click."""

from __future__ import annotations

from typing import Any

import pytest

from portal import runs
from portal.models import Run
from tests.feed_of import HANDLERS, Feed
from tests.inventory.test_contract import renamed_feed


@pytest.fixture
def run(make_source: Any) -> Run:
    return renamed_feed(Feed(make_source()))


def test_the_likely_column_is_chosen_and_one_click_uses_it(client: Any, run: Run) -> None:
    page = client.get(f"/runs/{run.public_id}/columns").text
    assert "holds 100% of the values" in page and '<option value="quantity_available" selected>' in page
    assert "Before" in page and "In this file" in page and "Likely qty" in page
    assert f"/runs/{run.public_id}/columns" in client.get(f"/runs/{run.public_id}").text
    answer = client.send_form(f"/runs/{run.public_id}/columns", {"column-0": "quantity_available"}, page=f"/runs/{run.public_id}/columns")
    assert answer.status_code == 303
    runs.work_available(HANDLERS)
    assert Run.select().order_by(Run.id.desc()).get().state == "finished"
    assert client.get(f"/runs/{run.public_id}/columns").status_code == 409


def test_nothing_chosen_is_said_at_the_column(client: Any, run: Run) -> None:
    path = f"/runs/{run.public_id}/columns"
    answer = client.send_form(path, {"column-0": ""}, page=path)
    assert answer.status_code == 422 and "qty: Choose the column that holds it now." in answer.text
