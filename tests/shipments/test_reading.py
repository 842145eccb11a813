"""Tracking files of a real SFTP server: each read once, parcels recorded once, what cannot be used set aside."""

from __future__ import annotations

from typing import Any

import pytest

from portal import documents, order_mapping, runs
from portal.models import Integration, MappingVersion, Run, RunMessage, SetAsideRow, Shipment, Source
from tasks.work import HANDLERS
from tests.connected import chosen, loopback  # noqa: F401
from tests.ordered import ask, lines_of, place
from tests.outgoing import connected
from tests.servers import Server

HEAD = "po_number,tracking_no,carrier,ship_date,sku,qty\n"
UPS = "1Z999AA10123456784"


@pytest.fixture
def source(chosen: Any, server: Server, emptied: Any) -> Source:  # noqa: F811
    made: Source = connected(chosen("sftp-file"), server)
    emptied("tracking")
    fields = ("order_reference", "tracking_number", "carrier", "shipped_at", "sku", "quantity")
    columns = dict(zip(fields, HEAD.strip().split(","), strict=True))
    rules = {"fields": {key: {"columns": [column], "steps": []} for key, column in columns.items()}, "date_form": ""}
    order_mapping.check_shipment_rules(rules, HEAD.strip().split(","))
    row = Integration.get(Integration.source == made, Integration.kind == "get_shipments")
    MappingVersion.create(integration=row, number=1, rules=rules)
    row.enabled, row.mapping_version, row.policies = True, 1, {"feed": "delta"}
    row.settings = {"folder": "tracking", "match": "all", "pattern": "track*.csv"}
    row.save()
    return made


@pytest.fixture
def asked(source: Source) -> Any:
    return ask(place(source.merchant, [("HX-1", 3), ("HX-2", 1)]), source)


def put(server: Server, name: str, *rows: str, minute: int = 0) -> None:
    server.user.put(f"tracking/{name}", (HEAD + "".join(f"{row}\n" for row in rows)).encode(), 1_764_072_000 + 60 * minute)


def read(source: Source, **settings: Any) -> Run:
    run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == "get_shipments"), settings=settings or None)
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def shipped(request: Any) -> list[int]:
    return [line.shipped for line in lines_of(request)]


def test_each_new_file_is_read_once_and_its_rows_are_one_parcel(source: Source, server: Server, asked: Any) -> None:
    put(server, "track1.csv", f"1001,{UPS},UPS,2026-11-24,HX-1,2", f"1001,{UPS},UPS,2026-11-24,HX-2,1")
    run = read(source)
    assert (run.state, run.counts) == ("finished", {"rows": 2, "set_aside": 0, "noted": 0, "new": 1}) and shipped(asked) == [2, 1]
    made = Shipment.get()
    assert (made.carrier_key, made.shipped_at.isoformat()[:10], made.run_id, made.row) == ("ups", "2026-11-24", run.id, 2)
    put(server, "track2.csv", "1001,TBA000000000001,Amazon,2026-11-25,HX-1,1", minute=5)
    again = read(source)
    assert again.counts["rows"] == 1 and again.counts["new"] == 1 and shipped(asked) == [3, 1]
    assert read(source).state == "no_change"


def test_a_file_that_tells_everything_again_changes_nothing(source: Source, server: Server, asked: Any) -> None:
    rows = [f"1001,{UPS},UPS,2026-11-24,HX-1,2"]
    put(server, "track1.csv", *rows)
    read(source)
    put(server, "track2.csv", *rows, "1001,TBA000000000001,,2026-11-25,HX-1,1", minute=5)
    assert read(source).counts | {"rows": 0} == {"rows": 0, "set_aside": 0, "noted": 0, "known": 1, "new": 1} and shipped(asked) == [3, 0]


def test_unusable_rows_are_set_aside_and_foreign_ones_wait(source: Source, server: Server, asked: Any) -> None:
    put(server, "track1.csv", "1001,,UPS,2026-11-24,HX-1,2", f"9999,{UPS},UPS,2026-11-24,HX-1,1", "1001,TBA000000000001,,soon,HX-2,1",
        "1001,1Z999AA10123456785,UPS,2026-11-24,HX-1,1")  # fmt: skip
    run = read(source)
    assert run.state == "warnings" and run.counts == {
        "rows": 4, "set_aside": 1, "noted": 1, "unmatched": 1, "new": 2, "doubtful": 1,
    }  # fmt: skip
    assert {row.row_number: row.fatal for row in SetAsideRow.select()} == {2: 1, 4: 0}
    told = " ".join(one.text for one in RunMessage.select())
    assert "Row 3: No request of this source has the reference “9999”" in told and "check digit does not fit UPS" in told
    assert shipped(asked) == [1, 1]


def test_several_new_files_are_numbered_on_and_read_in_order(source: Source, server: Server, asked: Any) -> None:
    put(server, "track1.csv", "1001,T-1,,2026-11-24,HX-1,1")
    put(server, "track2.csv", ",T-2,,2026-11-24,HX-1,1", "1001,T-3,,2026-11-24,HX-1,1", minute=1)
    run = read(source)
    assert run.counts["new"] == 2 and shipped(asked) == [2, 0]
    (aside,) = SetAsideRow.select()
    assert aside.row_number > 2 and Shipment.get(Shipment.tracking_number == "T-3").row == aside.row_number + 1


def test_a_renamed_column_stops_the_run_and_the_file_is_read_once_that_is_mended(source: Source, server: Server, asked: Any) -> None:
    server.user.put("tracking/track1.csv", f"po_number,trk\n1001,{UPS}\n".encode(), 1_764_072_000)
    run = read(source)
    assert run.state == "failed" and run.problem["code"] == "columns_missing" and shipped(asked) == [0, 0]
    put(server, "track1.csv", f"1001,{UPS},,,,")
    assert read(source).counts["new"] == 1 and shipped(asked) == [3, 1]


def test_one_file_of_a_fixed_name_is_read_when_its_bytes_change(source: Source, server: Server, asked: Any) -> None:
    row = Integration.get(Integration.source == source, Integration.kind == "get_shipments")
    row.settings = {"folder": "tracking", "match": "exact", "pattern": "tracking.csv"}
    row.save()
    put(server, "tracking.csv", "1001,T-1,,2026-11-24,HX-1,1")
    assert read(source).counts["new"] == 1
    assert read(source).state == "no_change"
    put(server, "tracking.csv", "1001,T-1,,2026-11-24,HX-1,1", "1001,T-2,,2026-11-24,HX-2,1", minute=9)
    assert read(source).counts["known"] == 1 and shipped(asked) == [1, 1]


def test_an_uploaded_file_is_read_too(source: Source, asked: Any, tmp_path: Any) -> None:
    path = tmp_path / "mended.csv"
    path.write_text(HEAD + "1001,T-1,,2026-11-24,HX-1,1\n")
    document = documents.store_file(source, path)
    assert read(source, document=document.id).counts["new"] == 1
    assert read(source, document=document.id).counts["known"] == 1 and shipped(asked) == [1, 0]
