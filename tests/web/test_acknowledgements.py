"""Get Acknowledgements is set up in a browser without JavaScript."""

from __future__ import annotations

import pytest

from portal import mappings
from portal.models import Integration, Source


@pytest.fixture
def north(make_source):
    source = make_source("Northwind", state="live")
    Source.update(supplier="sftp-file").where(Source.id == source.id).execute()
    return source


def send(client, source, **values):
    at = f"/sources/{source.public_id}/acknowledgements"
    return client.send_form(at, {"folder": "/ack", "match": "all", "pattern": "ack_*.csv", **values})


def test_names_are_read_matched_and_kept_with_the_codes(client, north):
    line = "po_number,item_no,status,qty_accepted"
    at = f"/sources/{north.public_id}/acknowledgements"
    shown = send(client, north, use="yes", headers=line, do="read").text
    assert (
        '<option value="status" selected>' in shown and not Integration.select().where(Integration.kind == "get_acknowledgements").exists()
    )
    columns = {"column-order_reference": "po_number", "column-sku": "item_no", "column-code": "status", "column-accepted": "qty_accepted"}
    token = client.form_values(shown, at)
    answer = client.post(
        at, data={**token, "do": "save", "use": "yes", "headers": line, **columns, "codes": "10 = accepted\nNO = rejected"}
    )
    assert answer.status_code == 303, answer.text
    kept = Integration.get(Integration.kind == "get_acknowledgements")
    assert kept.enabled and kept.next_run_at and kept.settings == {"folder": "/ack", "match": "all", "pattern": "ack_*.csv"}
    assert mappings.current(kept).rules["codes"] == {"10": "accept", "no": "reject"}
    assert "10 = accept" in client.get(at).text
    assert "Get Acknowledgements" in client.get(f"/sources/{north.public_id}/integrations").text


def test_what_is_missing_is_said_and_nothing_kept(client, north):
    answer = send(client, north, use="yes", headers="po,x", codes="10 is fine", do="save")
    assert answer.status_code == 422 and "write it as 10 = accepted" in answer.text
    answer = send(client, north, use="yes", headers="po,x", do="save")
    assert answer.status_code == 422 and "Choose the column that holds the order reference" in answer.text
    assert not Integration.select().where(Integration.kind == "get_acknowledgements").exists()
