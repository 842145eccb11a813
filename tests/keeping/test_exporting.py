"""Everything of a merchant in one zip, nothing of another's, and no secret."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import timedelta
from typing import Any

import pytest

from portal import api_tokens, audit, belonging, clock, connections, documents, runs
from portal.errors import NotFound, Refused
from portal.exporting import exports, writing
from portal.exporting.sheets import LEFT_OUT, SHEETS
from portal.models import ApiToken, AuditLine, InventoryItem, WorkspaceExport
from tasks import work
from tests.conftest import PASSWORD
from tests.web.walk import belongings, everything

SECRET = "a-supplier-password-canary"
SIGNS = ("password", "hash", "secret", "sealed", "token", "csrf", "data_key", "public_key", "credential", "code")
NO_SECRETS = {"content_hash", "plan_hash", "previous_hash", "hash", "token_count", "shipping_code", "code", "service_code"}


def test_each_table_of_merchants_is_in_it_or_is_left_out_for_a_reason() -> None:
    here = {one.table for one in SHEETS}
    assert here | set(LEFT_OUT) == set(belonging.tables()) and not here & set(LEFT_OUT)
    assert len({one.name for one in SHEETS}) == len(SHEETS)
    held = {f"{one.table.__name__}.{field.name}" for one in SHEETS for field in writing.fields_of(one)}
    odd = {name for name in held if any(sign in name.partition(".")[2] for sign in SIGNS) and name.partition(".")[2] not in NO_SECRETS}
    assert odd == set(), "say in sheets.py that these stay out, or here why they are no secret"


def test_an_export_holds_all_of_one_merchant_and_nothing_of_another(merchant: Any, other_merchant: Any, owner: Any) -> None:
    mine, theirs = belongings(merchant, "Kestrel Outdoor"), belongings(other_merchant, "Osprey Rivals")
    connections._seal(merchant.sources.get(), "password", SECRET, "", "test")
    document = documents.store_upload(merchant.sources.get(), io.BytesIO(b"sku,qty\nA-1,5\n"), "=stock.csv")
    _, token = api_tokens.make(merchant, "=SUM(1)", ["orders:read"], None, "90", "owner")
    made = exports.start(owner, with_files=True)
    with pytest.raises(Refused, match="being written"):
        exports.start(owner, with_files=False)
    assert runs.work_available(work.HANDLERS) == 1
    made = WorkspaceExport.get_by_id(made.id)
    assert made.state == "ready" and made.size
    path = exports.take(exports.find(merchant, made.public_id), owner, "127.0.0.1")
    with zipfile.ZipFile(path) as zipped:
        assert zipped.testzip() is None
        texts = {name: zipped.read(name) for name in zipped.namelist()}
    assert set(texts) >= {one.name for one in SHEETS} | {"README.txt", f"files/{document.public_id}-_stock.csv"}
    whole = b"\n".join(texts.values())
    for secret in (SECRET, PASSWORD, token, merchant.data_key, owner.password_hash, ApiToken.get(name="=SUM(1)").token_hash):
        assert secret.encode() not in whole
    for name in (theirs.source_id, theirs.order_id, theirs.run_id, "Osprey"):
        assert name.encode() not in whole
    orders = [json.loads(line) for line in texts["orders/orders.jsonl"].splitlines()]
    assert [one["id"] for one in orders] == [mine.order_id] and orders[0]["ship_to"]["email"] == "ada@example.com"
    lines = list(csv.DictReader(io.StringIO(texts["orders/request-lines.csv"].decode())))
    assert [one["request"] for one in lines] == [mine.request_id] and lines[0]["ordered"] == "2"
    (cell,) = [one["name"] for one in csv.DictReader(io.StringIO(texts["workspace/api-tokens.csv"].decode())) if "SUM" in one["name"]]
    assert cell == "'=SUM(1)"
    for sheet in SHEETS:
        rows = texts[sheet.name].decode().splitlines()
        count = len(list(csv.reader(io.StringIO(texts[sheet.name].decode())))) - 1 if sheet.name.endswith(".csv") else len(rows)
        assert count == made.counts[sheet.name], sheet.name
    assert "Everything of" in texts["README.txt"].decode() and "2 raw files" in texts["README.txt"].decode()
    assert {"workspace.export", "workspace.export_downloaded"} <= {one.action for one in AuditLine.select()}
    assert audit.verify(merchant) == []


def test_more_rows_than_a_chunk_are_each_in_it_once(merchant: Any, make_source: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "CHUNK", 3)
    source = make_source()
    rows = [
        {"merchant": merchant, "source": source, "sku": f"A-{n}", "content_hash": 1, "last_run_id": 0, "last_row": 2} for n in range(10)
    ]
    InventoryItem.insert_many(rows).execute()
    made, out = [], io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        writing.write(zipped, merchant, False, made.append)
        found = list(csv.DictReader(io.StringIO(_text(out, zipped, "inventory/items.csv"))))
    assert sorted(one["sku"] for one in found) == sorted(f"A-{n}" for n in range(10)) and {one["source"] for one in found} == {
        source.public_id
    }
    assert max(made) <= 3


def _text(out: io.BytesIO, zipped: zipfile.ZipFile, name: str) -> str:
    zipped.close()
    with zipfile.ZipFile(out) as again:
        return again.read(name).decode()


def test_an_export_is_erased_with_its_days_and_its_orphans_too(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    exports.start(owner, with_files=False)
    runs.work_available(work.HANDLERS)
    made = WorkspaceExport.get()
    path = exports.take(exports.find(owner.merchant, made.public_id), owner)
    before = everything()
    assert documents.erase_old() == 0 and exports.erase_old() == 0 and everything() == before and path.exists()
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(days=8))
    assert exports.erase_old() == 1 and not path.exists()
    with pytest.raises(NotFound):
        exports.take(WorkspaceExport.get(), owner)


@pytest.mark.one_database
def test_an_owner_proves_the_password_and_downloads(client: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = client.send_form("/settings/kept/exports")
    assert answer.status_code == 303
    runs.work_available(work.HANDLERS)
    made = WorkspaceExport.get()
    at = f"/settings/kept/exports/{made.public_id}/zip"
    file = client.send_form(at, page="/settings/kept/exports")
    assert file.status_code == 200 and zipfile.ZipFile(io.BytesIO(file.data)).testzip() is None
    assert "attachment" in file.headers["Content-Disposition"] and WorkspaceExport.get().downloads == 1
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=11))
    answer = client.post(at, data={"csrf_token": client.csrf})
    assert answer.headers["Location"].startswith("/prove") and WorkspaceExport.get().downloads == 1
