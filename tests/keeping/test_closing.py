"""A workspace that is deleted: nothing of it runs or leaves, it can be brought back for 7 days, and then nothing of it is left."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from peewee import AutoField, BigAutoField, BlobField, CharField, ForeignKeyField, TextField

from portal import accounts, api_tokens, audit, belonging, clock, closing, config, documents, feed_import, runs, schedules, turns, webhooks
from portal.erasing import replaying, tombstones
from portal.errors import Forbidden, Invalid, Refused
from portal.listings import links
from portal.models import TABLES, Document, FreshRow, Integration, Merchant, Run, Session, Source, User, Webhook
from portal.models.fields import JsonText, UtcTime
from portal.support import staff
from tasks import work
from tests.conftest import PASSWORD
from tests.web.walk import belongings


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """later(days=8): the clock goes on by that much."""
    real, shift = clock.now, [timedelta()]
    monkeypatch.setattr(clock, "now", lambda: real() + shift[0])

    def move(**by: float) -> None:
        shift[0] += timedelta(**by)

    return move


def rows_of(merchant_id: int) -> dict[str, list[Any]]:
    """Every row of the merchant, byte for byte as the database holds it."""
    found = {}
    for table in belonging.tables():
        raw = table.select().where(belonging.rows(table, merchant_id)).dicts()
        found[table.__name__] = sorted(repr(sorted(row.items())) for row in raw)
    return found


def fill(merchant_id: int) -> None:
    """A row in each table of merchants that has none of this one, tied to rows that are there."""
    for table in belonging.tables():
        if table is FreshRow or table.select().where(belonging.rows(table, merchant_id)).exists():
            continue
        row: dict[str, Any] = {}
        for one in table._meta.sorted_fields:
            if isinstance(one, ForeignKeyField):
                key = one.rel_model._meta.primary_key
                shared = belonging.way(one.rel_model) is None and one.rel_model is not Merchant
                found = one.rel_model.select(key).where(True if shared else belonging.rows(one.rel_model, merchant_id)).limit(1).tuples()
                row[one.name] = next((value for (value,) in found), None)
            elif not isinstance(one, AutoField | BigAutoField):
                row[one.name] = (
                    one.default() if callable(one.default) else one.default if one.default is not None else _value(one, merchant_id)
                )
        table.insert(row).execute()


def _value(field: Any, merchant_id: int) -> Any:
    if isinstance(field, UtcTime):
        return clock.now()
    if isinstance(field, JsonText):
        return {}
    if isinstance(field, BlobField):
        return b"x"
    return (
        f"{merchant_id}-{field.model._meta.table_name}"[: field.max_length]
        if isinstance(field, CharField)
        else "x"
        if isinstance(field, TextField)
        else merchant_id
    )


def test_every_table_with_a_way_to_a_merchant_is_walked() -> None:
    columns = {table: {one.column_name for one in table._meta.sorted_fields} for table in TABLES}
    of_none = {table for table in TABLES if table not in belonging.tables()}
    assert {table._meta.table_name for table in of_none} == belonging.NOT_OF_MERCHANTS
    assert not [table for table in of_none if columns[table] & {"merchant_id", "source_id", "user_id", "run_id"}]


def test_nothing_is_left_and_another_merchant_is_untouched_byte_for_byte(
    merchant: Any, other_merchant: Any, owner: Any, other_owner: Any, later: Callable[..., None], monkeypatch: Any
) -> None:
    mine = belongings(merchant, "Kestrel Outdoor")
    belongings(other_merchant, "Osprey Rivals")
    source = Source.get(Source.public_id == mine.source_id)
    documents.store_upload(source, io.BytesIO(b"sku,qty\nA-1,5\n"), "stock.csv")
    theirs = documents.store_upload(Source.get(Source.merchant == other_merchant.id), io.BytesIO(b"sku,qty\nB-1,5\n"), "stock.csv")
    Document.update(stored_name=None).where(Document.stored_name == "stock.csv").execute()  # both merchants' samples share that file
    accounts.open_session(owner)
    staff.add("sam@quayside.example", PASSWORD)  # of no merchant, and named by what support did for one
    fill(merchant.id)
    fill(other_merchant.id)
    full = {name for name, rows in rows_of(merchant.id).items() if rows}
    assert {table.__name__ for table in belonging.tables()} - full <= {"FreshRow"}
    closing.close(owner, merchant.name)
    others = rows_of(other_merchant.id)
    assert closing.erase_due() == 0
    later(days=7, minutes=1)
    monkeypatch.setattr(closing, "CHUNK", 2)
    before = sum(map(len, rows_of(merchant.id).values()))
    assert [closing.erase_due(0.0) for _ in range(4)] == [0] * 4  # a piece each: killed in between it goes on
    assert 0 < sum(map(len, rows_of(merchant.id).values())) < before
    assert closing.erase_due() == 1
    left = {name: rows for name, rows in rows_of(merchant.id).items() if rows}
    assert set(left) == {"Merchant", "Invoice", "InvoiceMark"}, "invoices are the operator's books"
    shell = Merchant.get_by_id(merchant.id)
    assert (shell.name, shell.closing_at, shell.audit_lines) == (closing.GONE_NAME, None, 0)
    assert rows_of(other_merchant.id) == others and documents.path_of(theirs).read_bytes() == b"sku,qty\nB-1,5\n"
    text = "".join(path.read_text("latin-1") for path in config.current().spool_dir.rglob("*") if path.is_file())
    assert "A-1,5" not in text and audit.verify(other_merchant) == []
    assert [line["merchant"] for line in tombstones.known()] == [merchant.public_id]
    assert merchant.name not in tombstones.path().read_text()


def test_a_workspace_without_invoices_goes_with_its_row_and_a_restored_one_too(
    merchant: Any, owner: Any, later: Callable[..., None]
) -> None:
    kept = Merchant.get_by_id(merchant.id).__data__ | {"closing_at": None}
    closing.close(owner, merchant.name)
    later(days=8)
    assert closing.erase_due() == 1 and not Merchant.select().exists() and not User.select().exists()
    Merchant.insert(kept).execute()  # as a restore of a backup from before it would
    accounts.create_user(Merchant.get(), "owner@harbor.example", PASSWORD, role="owner")
    assert replaying.replay() == 1 and not Merchant.select().exists() and not User.select().exists()


def test_while_it_waits_nothing_runs_or_opens_and_it_comes_back_as_it_was(
    merchant: Any, owner: Any, operator: Any, make_source: Any
) -> None:
    mine = belongings(merchant, "Kestrel Outdoor")
    assert mine
    _, token = api_tokens.make(merchant, "Till", ["orders:read"], None, "90", "owner")
    hook = webhooks.token_of(Webhook.select().first())
    accounts.open_session(operator)
    waits = runs.start(None, "room", merchant=merchant)
    before = rows_of(merchant.id)
    with pytest.raises(Invalid):
        closing.close(owner, "another name")
    with pytest.raises(Forbidden):
        closing.close(operator, merchant.name)
    assert rows_of(merchant.id) == before
    closing.close(owner, merchant.name)
    with pytest.raises(Refused):
        closing.close(owner, merchant.name)
    assert Run.get_by_id(waits.id).state == "stopped" and Session.select().where(Session.user == operator).count() == 0
    assert api_tokens.of_secret(token) is None and webhooks.behind(hook) is None and links.behind("x" * 30) is None
    late = runs.start(None, "room", merchant=merchant)
    assert runs.work_available(work.HANDLERS) == 0 and schedules.start_due() == 0
    assert Run.select().where(turns.leaves_a_lane()).count() == 0
    with pytest.raises(Refused, match="being deleted"):
        feed_import.perform(Integration.get(Integration.kind == "get_inventory_primary", Integration.source << merchant.sources))
    closing.reopen(owner)
    assert api_tokens.of_secret(token) is not None and webhooks.behind(hook) is not None
    Run.delete().where(Run.id == late.id).execute()
    after = rows_of(merchant.id)
    changed = {name for name in before if before[name] != after[name]}
    assert changed <= {"Merchant", "AuditLine", "Run", "RunMessage", "Session"}
    assert audit.verify(merchant) == []


def test_where_the_operator_signs_in_is_not_deleted(merchant: Any, owner: Any) -> None:
    accounts.create_user(merchant, "staff@quayside.example", PASSWORD, is_staff=True)
    with pytest.raises(Refused, match="runs this installation"):
        closing.close(owner, merchant.name)


@pytest.mark.one_database
def test_an_owner_deletes_it_on_its_page_sees_only_one_page_and_brings_it_back(client: Any, operator_client: Any, merchant: Any) -> None:
    page = "/settings/kept/deletion"
    assert "Export everything" in client.get(page).text and "1 person" in client.get(page).text or "people" in client.get(page).text
    assert client.send_form(page, {"typed_name": "x"}).status_code == 422
    assert operator_client.get(page).status_code == 200 and "deletion-act" not in operator_client.get(page).text
    assert client.send_form(page, {"typed_name": merchant.name}).headers["Location"] == page
    assert client.get("/sources").headers["Location"] == page and client.get("/api-tokens").status_code in (302, 303, 404)
    assert operator_client.get("/").headers["Location"].startswith("/sign-in")
    assert "is being deleted" in client.get(page).text
    assert client.send_form(f"{page}/back", page=page).status_code == 303 and client.get("/sources").status_code == 200
    assert Merchant.get().closing_at is None
