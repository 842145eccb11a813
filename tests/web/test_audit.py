"""The audit log on screen: words, from where, filters, the file, the proof, and who may read it."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from portal import accounts, sources
from portal.models import AuditLine
from tests.conftest import PASSWORD

pytestmark = pytest.mark.one_database


def words(text: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split()))


def test_the_log_tells_what_was_done_from_where_and_whether_it_was_altered(app: Any, client: Any, merchant: Any, make_source: Any) -> None:
    source = make_source("Kestrel")
    firefox = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    sources.rename(sources.find(merchant, source.public_id), "Northwind", source.kind, source.version, "owner@harbor.example")
    app.test_client().send_form("/sign-in", {"email": "owner@harbor.example", "password": "wrong horse battery"}, headers=firefox)
    text = words(client.get("/audit").text)
    assert "Renamed a source Northwind" in text and "name: Kestrel → Northwind" in text
    assert "Failed to sign in" in text and "127.0.0.1 Firefox on Linux" in text
    count = AuditLine.select().where(AuditLine.merchant == merchant).count()
    assert f"All {count} lines verified just now" in text
    assert "Renamed" not in words(client.get("/audit?what=access").text)
    only = client.get(f"/audit?thing={source.public_id}").text
    assert "Renamed a source" in only and "Failed to sign in" not in only
    file = client.get(f"/audit.csv?thing={source.public_id}")
    assert file.mimetype == "text/csv" and "Renamed a source" in file.text and "Failed to sign in" not in file.text
    assert "No line matches" in client.get("/audit?who=nobody&since=2026-01-01").text
    bad = client.get("/audit?since=2026-02-01&until=2026-01-01")
    assert bad.status_code == 422 and "To lies before From" in bad.text
    assert client.get("/audit.csv?since=nonsense").status_code == 422
    assert client.get("/audit?since=0001-01-01&until=9999-12-31").status_code == 200
    AuditLine.update(who="somebody@else.example").where(AuditLine.action == "source.rename").execute()
    assert "This log was altered" in client.get("/audit").text


def test_admins_and_owners_read_it_and_nobody_else(app: Any, client: Any, merchant: Any) -> None:
    for role, status in (("admin", 200), ("operator", 403), ("reader", 403)):
        accounts.create_user(merchant, f"{role}@harbor.example", PASSWORD, role=role)
        one = app.test_client().sign_in(f"{role}@harbor.example", PASSWORD)
        assert one.get("/audit").status_code == one.get("/audit.csv").status_code == status
        assert ("Audit log" in one.get("/sources").text) is (status == 200)
    assert "Was refused a page or an act" in client.get("/audit?what=access").text
