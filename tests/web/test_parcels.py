"""Shipments in a browser without JavaScript: seen, matched, ignored, typed in, taken back, uploaded."""

from __future__ import annotations

import io

import pytest

from portal import shipments, sources
from portal.models import FulfillmentRequest, Integration, MappingVersion, Run, Shipment, Source
from portal.shipments import Cause, Notice
from tests.ordered import ask, lines_of, place

UPS = "1Z999AA10123456784"


@pytest.fixture
def north(make_source):
    return make_source("Northwind", state="live")


@pytest.fixture
def asked(merchant, north):
    return ask(place(merchant, [("HX-1", 3), ("HX-2", 1)]), north, sending="sent")


def told(source, reference="1001", tracking=UPS, items=(), **more):
    return shipments.record(source, Notice(reference, tracking, items, **more), Cause("file")).shipment


def page(client, at, status=200):
    answer = client.get(at)
    assert answer.status_code == status, answer.text
    return answer.text


def sent(client, at, form, **values):
    return client.send_form(at, values, form)


def test_the_list_says_what_waits_and_finds_by_the_beginning_of_a_number(client, north, asked):
    assert "No shipments yet" in page(client, "/shipments")
    told(north, items=[("HX-1", 2)])
    told(north, "9999", "TBA000000000001")
    text = page(client, "/shipments")
    assert "1 waits for you" in text and "No request of this source has the reference" in text and UPS in text
    assert UPS not in page(client, "/shipments?view=unmatched")
    found = page(client, "/shipments?q=1z 999-aa")
    assert UPS in found and "TBA000000000001" not in found
    assert "No shipment matches" in page(client, "/shipments?q=nothing") and "Clear filters" in page(client, "/shipments?q=<script>")


def test_a_shipment_tells_all_and_leads_to_its_carrier(client, north, asked):
    one = told(north, items=[("HX-1", 2)])
    text = page(client, f"/shipments/{one.public_id}")
    assert "https://www.ups.com/track?tracknum=1Z999AA10123456784" in text and "HX-1" in text and "A file of theirs" in text
    assert UPS in page(client, f"/requests/{asked.public_id}")


def test_a_waiting_one_is_matched_by_a_suggestion_or_a_number(client, north, asked):
    FulfillmentRequest.update(number="PO-1001").execute()
    one = told(north, "po1001", items=[("HX-1", 2)])
    at = f"/shipments/{one.public_id}"
    text = page(client, at)
    assert "Which request is it of?" in text and "It is of PO-1001" in text
    refused = client.post(at, data={**client.form_values(text, at), "request": "77"})
    assert refused.status_code == 422 and "has no request with the number “77”" in refused.text
    done = client.post(at, data={**client.form_values(text, at), "request": " PO-1001 "})
    assert done.status_code == 303 and [line.shipped for line in lines_of(asked)] == [2, 0]
    over = told(north, "po1001", "T-9", [("HX-1", 9)])
    at = f"/shipments/{over.public_id}"
    assert "has 1 of HX-1 left to ship" in client.post(at, data={**client.form_values(page(client, at), at), "request": "PO-1001"}).text


def test_what_is_not_ours_is_ignored(client, north):
    one = told(north, "9999")
    text, at = page(client, f"/shipments/{one.public_id}"), f"/shipments/{one.public_id}/ignored"
    assert client.post(at, data=client.form_values(text, at)).status_code == 303
    assert Shipment.get().state == "ignored" and "0</span>" in page(client, "/shipments")


def test_one_is_typed_in_and_what_cannot_be_stays_typed(client, asked):
    at = f"/requests/{asked.public_id}/shipments/new"
    values = dict(client.form_values(page(client, at), at))
    first, second = (f"ship-{line.public_id}" for line in lines_of(asked))
    assert (values[first], values[second]) == ("3", "1")
    refused = client.post(at, data={**values, "tracking": ""})
    assert refused.status_code == 422 and "Enter the tracking number" in refused.text
    over = client.post(at, data={**values, "tracking": UPS, first: "4"})
    assert over.status_code == 422 and "has 3 of HX-1 left to ship, and 4 were told" in over.text and 'value="4"' in over.text
    assert client.post(at, data={**values, "tracking": UPS, first: "x"}).status_code == 422
    assert not Shipment.select().count()
    done = client.post(at, data={**values, "tracking": UPS, first: "2", second: "0", "shipped_on": "2026-11-24"})
    assert done.status_code == 303 and [line.shipped for line in lines_of(asked)] == [2, 0]
    assert "24 Nov 2026" in page(client, f"/requests/{asked.public_id}")


def test_taking_it_back_asks_first(client, north, asked):
    one = told(north, items=[("HX-1", 2)])
    at = f"/shipments/{one.public_id}/void"
    text = page(client, at)
    assert "Its 2 units will count as accepted and not shipped again" in text and [line.shipped for line in lines_of(asked)] == [2, 0]
    assert client.post(at, data={**client.form_values(text, at), "reason": "never came"}).status_code == 303
    assert [line.shipped for line in lines_of(asked)] == [0, 0] and "never came" in page(client, f"/shipments/{one.public_id}")


def test_a_tracking_file_is_uploaded(client, north, asked, run_work):
    Source.update(supplier="sftp-file").execute()
    row = sources.add_integration(north, "get_shipments", "owner")
    at = f"/sources/{north.public_id}/tracking-file"
    values = client.form_values(page(client, at), at)
    assert "Choose the file first" in client.post(at, data=values).text
    file = (io.BytesIO(b"po,trk,sku,qty\n1001,T-1,HX-1,1\n"), "t.csv")
    off = client.post(at, data={**values, "file": file}, content_type="multipart/form-data")
    assert off.status_code == 422 and "Get Shipments is not turned on" in off.text
    columns = {"order_reference": "po", "tracking_number": "trk", "sku": "sku", "quantity": "qty"}
    MappingVersion.create(integration=row, number=1, rules={"fields": {key: {"columns": [name]} for key, name in columns.items()}})
    Integration.update(enabled=True, mapping_version=1).where(Integration.id == row.id).execute()
    values = client.form_values(page(client, at), at)
    file = (io.BytesIO(b"po,trk,sku,qty\n1001,T-1,HX-1,1\n"), "t.csv")
    assert client.post(at, data={**values, "file": file}, content_type="multipart/form-data").status_code == 303
    run_work()
    run = Run.get(Run.kind == "get_shipments")
    assert run.state == "finished" and [line.shipped for line in lines_of(asked)] == [1, 0]
    text = page(client, f"/runs/{run.public_id}")
    assert "New shipments" in text and "Get Shipments" in text


def test_a_longer_list_asks_the_database_no_more_often(client, merchant, north, counting):
    def asked_for() -> int:
        with counting() as statements:
            page(client, "/shipments")
        return len(statements)

    told(ask_for(merchant, north, "1").source, "1", "T-1")
    few = asked_for()
    for number in range(2, 12):
        told(ask_for(merchant, north, str(number)).source, str(number), f"T-{number}")
    assert asked_for() == few


def ask_for(merchant, source, number):
    return ask(place(merchant, [("HX-1", 1)], number), source, sending="sent")
