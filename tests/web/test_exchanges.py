"""The page of requests to a supplier's API: what was asked, what came back, what to send to the supplier; nothing of others."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from portal import exchanges, records, runs
from portal.models import Source

AT = datetime(2026, 11, 27, 4, 30)


def tell(source: Source, run_id: int | None = None, **more: Any) -> None:
    whole = {"at": AT, "method": "GET", "address": "https://api.example/v1/items?…", "status": 200, "milliseconds": 1_234, **more}
    exchanges.recorder(source, run_id)(records.Exchange(**whole))


def test_requests_are_listed_newest_first_with_what_was_said(client: Any, make_source: Any) -> None:
    source, other = make_source("Kestrel"), make_source("Harbor")
    tell(source, answer=b'{"data": [{"sku": "<b>A"}]}', received=27)
    tell(source, status=None, problem="api.example does not answer")
    tell(other, address="https://other.example/")
    page = client.get(f"/sources/{source.public_id}/exchanges").text
    assert page.index("does not answer") < page.index("&lt;b&gt;A") and "1,234 ms" in page and "other.example" not in page
    assert "Answer: none: api.example does not answer" in page and "<b>A" not in page
    fragment = client.get(f"/sources/{source.public_id}/exchanges", headers={"HX-Request": "true"}).text
    assert fragment.lstrip().startswith('<div id="exchanges">')


def test_those_of_one_run_and_none(client: Any, make_source: Any) -> None:
    source = make_source("Kestrel")
    run = runs.start(source, "connection_check")
    tell(source, run.id, address="https://api.example/of-the-run")
    tell(source, address="https://api.example/of-another")
    page = client.get(f"/sources/{source.public_id}/exchanges?run={run.public_id}").text
    assert "of-the-run" in page and "of-another" not in page
    assert client.get(f"/sources/{source.public_id}/exchanges?run=nope").status_code == 404
    assert "Nothing was asked yet" in client.get(f"/sources/{make_source('Empty').public_id}/exchanges").text


def test_a_long_body_is_cut_and_its_length_told(make_source: Any) -> None:
    source = make_source("Kestrel")
    tell(source, answer="größer\0".encode() * 10_000)
    (row,) = exchanges.latest(source)
    assert row.answer.endswith("… (80,000 bytes)") or row.answer.endswith("… (90,000 bytes)")
    assert "\0" not in row.answer and len(exchanges.letter(row)) < 1_500


def test_thousands_of_like_calls_keep_the_first_the_failed_and_the_last(make_source: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(exchanges, "MOST_OF_A_RUN", 3)
    source = make_source("Kestrel")
    record = exchanges.recorder(source)
    for number in range(12):
        failed = {"status": 500} if number in (6, 7) else {}
        record(
            records.Exchange(
                **{"at": AT, "method": "POST", "address": f"https://api.example/{number}", "status": 200, "milliseconds": 1} | failed
            )
        )
    told = [one.address.rpartition("/")[2] for one in reversed(exchanges.latest(source))]
    assert told == ["0", "1", "2", "5", "6", "7", "11"]
