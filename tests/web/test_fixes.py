"""Rows to mend on the run page: taken along, uploaded, told when they were accepted already."""

from __future__ import annotations

import io
from typing import Any

from portal import runs
from portal.models import InventoryItem, Run
from tasks.work import HANDLERS
from tests.feed_of import Feed, rows_of


def test_a_person_downloads_mends_and_uploads_rows_once(client: Any, make_source: Any, run_work: Any) -> None:
    feed = Feed(make_source())
    rows = rows_of(4)
    rows[1][3] = "many"
    started = feed.start(rows)
    runs.work_available(HANDLERS)
    run = Run.get_by_id(started.id)
    here = f"/runs/{run.public_id}"
    assert "1 row can be mended" in client.get(here).text
    text = client.get(f"{here}/rows-to-mend.csv").data.decode("utf-8-sig")
    fixed = text.replace("many", "7").encode()
    assert client.send_form(f"{here}/mended-rows", page=here).status_code == 409
    answer = client.send_form(f"{here}/mended-rows", {"file": (io.BytesIO(fixed), "rows.csv")}, page=here)
    assert answer.status_code == 303
    run_work()
    assert InventoryItem.get(InventoryItem.sku == "SKU-00001").quantity == 7
    page = client.get(here).text
    assert "Mended and taken in" in page and "can be mended" not in page
    assert client.get(f"{here}/rows-to-mend.csv").status_code == 404
    done = client.get(answer.headers["Location"]).text
    assert "Mended rows" in done and "Already accepted" in done
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    again = client.post(f"{here}/mended-rows", data={"csrf_token": token, "file": (io.BytesIO(fixed), "rows.csv")}, follow_redirects=True)
    assert "already accepted, by run 2" in again.text
