"""Asking an API: waits in every spelling, pages of every style, answers of every form, and what is tried again."""

from __future__ import annotations

import html
import json
from base64 import b64encode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from portal.connectors import answers, caller, masking, paging, problems, waits
from portal.connectors.caller import Asked, Caller
from portal.connectors.paging import Cut, Endless, Paging
from portal.errors import SupplierError
from portal.records import Exchange, Secret
from tests import canary
from tests.connectors.web_server import answer, web
from tests.endless import ends

NOW = datetime(2026, 11, 27, 4, 0, tzinfo=UTC)
KEY = 'p"ss/word&42'


@pytest.mark.parametrize(
    "headers, seconds",
    [
        ({}, None),
        ({"Retry-After": "120"}, 120),
        ({"retry-after": "0.5"}, 0.5),
        ({"Retry-After": format_datetime(NOW + timedelta(seconds=90), usegmt=True)}, 90),
        ({"Retry-After": "2026-11-27T04:01:00Z"}, 60),
        ({"Retry-After": "2026-11-27T04:01:00"}, 60),
        ({"Retry-After": "-1"}, 0),
        ({"Retry-After": format_datetime(NOW - timedelta(days=1), usegmt=True)}, 0),
        ({"Retry-After": "1000000000"}, 86_400),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "9" * 400}, None),
        ({"X-Retry-After": "7"}, 7),
        ({"X-Rate-Limit-Time-Reset-Ms": "2500", "X-Rate-Limit-Requests-Left": "0", "X-Retry-After": "1"}, 2.5),
        ({"X-Rate-Limit-Time-Reset-Ms": "2500", "X-Rate-Limit-Requests-Left": "12"}, None),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "30"}, 30),
    ],
)
def test_what_a_server_asks_us_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert waits.asked(headers, NOW) == seconds


def test_the_pause_between_tries_grows_and_is_bounded() -> None:
    assert [waits.back_off(tries, 1.0) for tries in (1, 2, 3, 10)] == [1, 2, 4, 60]
    assert waits.back_off(3, 0.0) == 2


def walk(
    how: Paging, pages: list[Any], items: str = "data", headers: list[dict[str, str]] | None = None
) -> list[tuple[dict[str, str], str]]:
    """Every request that would be made, as (query, link)."""
    place, asked = paging.first(how), []
    for number, body in enumerate(pages):
        asked.append((dict(place.query), place.link))
        count = len(answers.items(body, items) or [])
        following = paging.following(how, place, "https://api.example/v3/items?limit=2", body, (headers or [{}] * 9)[number], count)
        if following is None:
            return asked
        place = following
    raise AssertionError("it went on")


def page(*ids: int, **more: Any) -> dict[str, Any]:
    return {"data": [{"id": one} for one in ids], **more}


def test_page_numbers_end_with_a_short_page_a_page_count_or_a_total() -> None:
    how = Paging("page", size=2, size_name="limit", page_name="page")
    assert [query for query, _ in walk(how, [page(1, 2), page(3)])] == [{"limit": "2", "page": "1"}, {"limit": "2", "page": "2"}]
    counted = Paging("page", page_name="page", first=0, pages="meta.pages")
    told = {"meta": {"pages": 3}}
    assert [query for query, _ in walk(counted, [page(1, **told), page(2, **told), page(3, **told)])] == [
        {"page": str(n)} for n in range(3)
    ]
    total = Paging("page", page_name="p", total="count")
    assert len(walk(total, [page(1, 2, count=4), page(3, 4, count=4)])) == 2
    assert len(walk(how, [page(1, 2), page()])) == 2


def test_offsets_follow_what_came_and_not_what_was_asked_for() -> None:
    how = Paging("offset", size=50, size_name="limit", page_name="offset", total="count")
    asked = walk(how, [page(1, 2, count=5), page(3, 4, count=5), page(5, count=5)])
    assert [query["offset"] for query, _ in asked] == ["0", "2", "4"]


def test_cursors_next_addresses_and_link_headers() -> None:
    cursor = Paging("cursor", page_name="after", cursor="page_info.end")
    assert [query for query, _ in walk(cursor, [page(1, page_info={"end": "x1"}), page(2, page_info={"end": None})])] == [
        {},
        {"after": "x1"},
    ]
    following = Paging("next", cursor="links.next")
    asked = walk(following, [page(1, links={"next": "/v3/items?page=2"}), page(2, links={"next": "?page=3"}), page(3, links={"next": ""})])
    assert asked[1:] == [({}, "https://api.example/v3/items?page=2"), ({}, "https://api.example/v3/items?limit=2&page=3")]
    link = Paging("link")
    told = [{"Link": '<https://api.example/v3/items?p=0>; rel="prev", <https://api.example/v3/items?p=2>; rel="next"'}, {}]
    assert walk(link, [page(1), page(2)], headers=told)[1] == ({}, "https://api.example/v3/items?p=2")


def told(*pages: Any) -> list[Any]:
    return [page(*ids, meta=meta) for ids, meta in pages]


@pytest.mark.parametrize(
    "style, pages, cut",
    [
        ("page", told(([1, 2], {"total": 4}), ([], {})), "2 of 4 items"),
        ("page", told(([1, 2], {"total": 4}), ([], {"total": 0})), "2 of 4 items"),
        ("page", told(([1, 2], {"total": 4}), ([3], {"total": 3})), ""),
        ("page", told(([1, 2], {"total": 3}), ([], {"total": 2})), ""),
        ("page", told(([1, 2], {"pages": 3}), ([], {"pages": 3})), "1 of 3 pages"),
        ("page", told(([1, 2], {"pages": 2}), ([3], {"pages": 2})), ""),
        ("page", told(([1, 2], {"pages": 2, "total": 9}), ([3], {"pages": 2, "total": 9})), "3 of 9 items"),
        ("page", told(([], {"pages": 1, "total": 0}),), ""),
        ("offset", told(([1, 2], {"total": 5}), ([3, 4], {"total": 5}), ([], {"total": 5})), "4 of 5 items"),
        ("cursor", told(([1, 2], {"total": 5, "end": "b"}), ([3, 4], {"total": 5})), "4 of 5 items"),
        ("cursor", told(([1, 2], {"total": 4, "end": "b"}), ([3, 4], {"total": 6})), ""),
        ("cursor", told(([1, 2], {"total": 5, "end": "b"}), ([3, 4], {"total": 3})), ""),
        ("none", told(([1, 2], {"total": 5})), "2 of 5 items"),
    ],
)  # fmt: skip
def test_a_list_that_ends_short_of_what_was_told_is_cut(style: str, pages: list[Any], cut: str) -> None:
    how = Paging(style, size=2, page_name="p", total="meta.total", pages="meta.pages", cursor="meta.end")
    if not cut:
        assert len(walk(how, pages)) == len(pages)
        return
    with pytest.raises(Cut) as found:
        walk(how, pages)
    assert str(found.value) == cut


@pytest.mark.parametrize(
    "pages",
    [
        [page(*range(100)), page(*range(100)), page(*range(100)), page()],  # 250 were asked for, the server gives 100
        [page(*range(100)), page()],
        [page(*range(250)), page(*range(100))],
    ],
)
@pytest.mark.parametrize("style", ["page", "offset"])
def test_a_page_shorter_than_asked_is_the_last_only_after_one_as_long_as_asked(style: str, pages: list[Any]) -> None:
    assert len(walk(Paging(style, size=250, size_name="limit", page_name="p"), pages)) == len(pages)


def test_a_total_that_is_smaller_than_what_came_ends_nothing() -> None:
    assert len(walk(Paging("page", page_name="p", total="total"), [page(1, 2, total=0), page(3, total=0), page(total=0)])) == 3


def test_the_number_of_pages_may_stand_in_a_header() -> None:
    how = Paging("page", size=100, page_name="p", pages_header="X-Pages")
    assert len(walk(how, [page(1), page(2)], headers=[{"x-pages": "2"}] * 2)) == 2
    with pytest.raises(Cut, match="1 of 2 pages"):
        walk(how, [page(1), page()], headers=[{"x-pages": "2"}, {}])
    assert len(walk(how, [page(1), page()], headers=[{"x-pages": "many"}, {}])) == 2


def test_a_cursor_is_followed_over_an_empty_page_and_not_for_ever() -> None:
    cursor = Paging("cursor", page_name="after", cursor="end")
    assert len(walk(cursor, [page(1, end="b"), page(end="c"), page(2)])) == 3
    assert len(walk(cursor, [page(1, end="b"), page(end="b")])) == 2, "an empty page that leads to itself is the last"
    with pytest.raises(Endless):
        walk(cursor, [page(1, end="b"), page(2, end="b")])
    with pytest.raises(Endless):
        walk(cursor, [page(end=f"c{n}") for n in range(200)], headers=[{}] * 200)


@pytest.mark.parametrize(
    "path, body, found",
    [
        ("data", page(1, 2), (7, True)),
        ("[].parts[].{id: id}", [{"parts": []}, {"parts": [{"id": 1}]}], (2, True)),
        ("data[?id > `1`]", page(1, 2, 3), (3, True)),
        ("a.b[*].c", {"a": {"b": [{"c": {}}]}}, (1, True)),
        ("data || `[]`", page(1, 2), (7, False)),
        ("rows[].c[]", page(1, 2), (7, False)),
    ],
)
def test_what_the_size_of_a_page_counts(path: str, body: Any, found: tuple[int, bool]) -> None:
    assert answers.on_page(body, path, 7) == found


@pytest.mark.parametrize(
    "address, query, whole",
    [
        ("https://a.example/p?status=a&status=b", {"page": "1"}, "https://a.example/p?status=a&status=b&page=1"),
        ("https://a.example/p?page=3&x=&page=4", {"page": "1"}, "https://a.example/p?x=&page=1"),
        ("https://a.example/p?status=a&status=b", {}, "https://a.example/p?status=a&status=b"),
    ],
)
def test_parameters_that_repeat_are_all_sent(address: str, query: dict[str, str], whole: str) -> None:
    assert Asked("GET", address, query=query).whole == whole


def test_a_next_query_keeps_parameters_that_repeat() -> None:
    how, before = Paging("next", cursor="next"), "https://a.example/p?status=a&status=b&tag=&page=1"
    place = paging.following(how, paging.first(how), before, page(1, next="?page=2&sort=x&sort=y"), {}, 1)
    assert place and (place.query, place.link) == ({}, "https://a.example/p?status=a&status=b&tag=&page=2&sort=x&sort=y")


def test_a_list_that_leads_back_to_a_page_is_ended() -> None:
    with pytest.raises(Endless):
        walk(Paging("next", cursor="next"), [page(1, next="/a"), page(2, next="/b"), page(3, next="/a")])


@pytest.mark.parametrize(
    "body, form, path, found",
    [
        (b'{"data": {"items": [{"sku": "A"}]}}', "json", "data.items", [{"sku": "A"}]),
        (b'[{"sku": "A"}, {"sku": "B"}]', "json", "", [{"sku": "A"}, {"sku": "B"}]),
        (b'{"a": [{"b": [{"sku": "A"}]}, {"b": [{"sku": "B"}]}]}', "json", "a[].b[]", [{"sku": "A"}, {"sku": "B"}]),
        (b'{"a": [{"x": 1}]}', "json", "a.0", [{"x": 1}]),
        (b'{"sku": "A"}\n\n{"sku": "B"}\n', "jsonl", "", [{"sku": "A"}, {"sku": "B"}]),
        (b"<r><i id='1'><sku>A</sku></i><i><sku>B</sku><q u='ea'>3</q></i></r>", "xml", "r.i",
         [{"@id": "1", "sku": "A"}, {"sku": "B", "q": {"@u": "ea", "#text": "3"}}]),
        (b"", "json", "data", None),
        (b"[]", "json", "data", []),
        (b'{"data": []}', "json", "data", []),
        (b'{"data": null}', "json", "data", None),
        (b'{"data": ["A"]}', "json", "data", None),
        (b'{"error": "x"}', "json", "data.items", None),
    ],
)  # fmt: skip
def test_the_items_of_an_answer(body: bytes, form: str, path: str, found: Any) -> None:
    assert answers.items(answers.read(body, form), path) == found


@pytest.mark.parametrize(
    "body, form, fact",
    [
        (b"<html><body>Bad gateway", "json", "web page"),
        (b'{"data": [', "json", "not JSON"),
        (b"[" * 200_000, "json", "not JSON"),
        (b"<!DOCTYPE r [<!ENTITY a 'b'>]><r>&a;</r>", "xml", "document type"),
        (b"<r>" * 2_000 + b"</r>" * 2_000, "xml", "XML"),
    ],
)
def test_an_answer_that_is_something_else_is_named(body: bytes, form: str, fact: str) -> None:
    with pytest.raises(answers.Unreadable, match=fact):
        answers.read(body, form)


def test_paths_are_judged_when_they_are_typed() -> None:
    assert answers.check_path("data.items") == answers.check_path("") == answers.check_path("data[?active].item") == ""
    assert "JMESPath" in answers.check_path("data[") and "500" in answers.check_path("a." * 300)


class Line:
    """A Caller to a loopback server, what it told, and how long it waited."""

    def __init__(self, guard: Any, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
        self.told: list[Exchange] = []
        self.waited: list[float] = []
        self.caller = Caller(guard, secrets={"key": Secret(KEY)}, record=self.told.append, plain_ok=True, **options)
        monkeypatch.setattr(caller, "wait", lambda seconds, *_: self.waited.append(seconds))

    def read(self, address: str, **more: Any) -> Any:
        return self.caller.read(Asked("GET", address, headers={"X-Key": KEY}, **more), lambda *_: None)


@pytest.fixture
def line(guard: Any, monkeypatch: pytest.MonkeyPatch) -> Line:
    return Line(guard, monkeypatch)


def test_an_exchange_is_told_without_query_or_secret(line: Line) -> None:
    body = f'{{"echo": "{KEY}"}}'.encode()
    with web(answer(body + b'p\\"ss/word&42 p%22ss%2Fword%2642')) as server:
        got = line.read(server.link("/v1/items?key=hidden"), query={"page": "2"})
    assert got.status == 200 and "GET /v1/items?key=hidden&page=2 " in server.heard[0]
    (told,) = line.told
    assert (told.method, told.status, told.received) == ("GET", 200, len(got.body))
    assert told.address == server.link("/v1/items?…") and "hidden" not in repr(told)
    assert told.answer == b'{"echo": "***"}*** ***' and KEY not in repr(told)


def test_a_read_is_tried_again_as_long_as_the_server_asks(line: Line) -> None:
    busy, broken = answer(status="429 Slow down", Retry_After="7"), answer(status="503 Busy")
    with web(busy, broken, answer(b"{}")) as server:
        assert line.read(server.link()).status == 200
    assert line.waited[0] == 7 and 1 <= line.waited[1] <= 2 and [one.status for one in line.told] == [429, 503, 200]


def test_a_wait_that_is_too_long_is_left_to_a_later_run(line: Line) -> None:
    with web(answer(status="429 Slow down", Retry_After="3600")) as server, pytest.raises(SupplierError) as refused:
        line.read(server.link())
    assert refused.value.problem.code == "http_status" and "3,600" in refused.value.problem.body and not refused.value.permanent
    assert line.waited == [] and len(server.heard) == 1


def test_it_gives_up_after_five_tries(line: Line) -> None:
    with web(answer(status="500 Oh no")) as server, pytest.raises(SupplierError) as refused:
        line.read(server.link())
    assert len(server.heard) == 5 and len(line.waited) == 4 and "not answer" in refused.value.problem.headline


def test_an_answer_that_was_cut_is_read_again_and_one_that_is_too_large_is_not(line: Line) -> None:
    whole = answer(b'{"data": [1, 2, 3]}')
    with web(whole[:-4], whole) as server:
        assert line.read(server.link()).body == b'{"data": [1, 2, 3]}'
    assert line.told[0].status is None and "ended" in line.told[0].problem
    with web(answer(b"x" * 200)) as server, pytest.raises(SupplierError) as refused:
        line.caller.read(Asked("GET", server.link()), lambda *_: None, limit=100)
    assert refused.value.problem.code == "too_large" and len(server.heard) == 1


def test_a_refusal_is_an_answer_and_a_redirect_is_not_followed(line: Line) -> None:
    with web(answer(status="403 No"), answer(status="302 Elsewhere", Location="http://127.0.0.1:1/")) as server:
        assert [line.read(server.link()).status for _ in range(2)] == [403, 302]
    assert len(server.heard) == 2


def test_plain_http_and_odd_addresses_are_refused_before_anything_is_sent(guard: Any) -> None:
    told: list[Exchange] = []
    strict = Caller(guard, secrets={}, record=told.append)
    for address in ("http://127.0.0.1:1/", "ftp://127.0.0.1/", "https://user:pass@127.0.0.1/", "https:///x", "nonsense"):
        with pytest.raises(SupplierError):
            strict.ask(Asked("GET", address))
    assert told == []


def test_only_reads_are_repeated(line: Line) -> None:
    with web(answer(status="503 Busy")) as server:
        assert line.caller.ask(Asked("POST", server.link(), body=b"{}")).status == 503
    assert len(server.heard) == 1


@pytest.mark.parametrize("secret", [KEY, "k3y-éü", "abcde", 'canary-07-Zq9/+"&x'])
@pytest.mark.parametrize("before", ["", "a", "ab", "ana:", "x" * 31])
def test_no_form_of_a_secret_is_told(secret: str, before: str) -> None:
    raw = (before + secret + "zz").encode()
    for text in (
        secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), quote(secret, safe=""), quote_plus(secret), html.escape(secret),
        secret.encode().hex(), b64encode(raw).decode(), b64encode(raw[:-2]).decode(), urlsafe_b64encode(raw).decode(),
    ):  # fmt: skip
        body = masking.masked(f"you said {text}, thank you".encode(), [Secret(secret)])
        assert b"***" in body and body.startswith(b"you said ") and body.endswith(b", thank you"), (text, body)
        assert not any(form in body for form in canary.forms(secret).values() if len(form) > 5), (text, body)
        assert "***" in problems.quoted(f"said {text}", [Secret(secret)])


def test_masking_a_large_answer_ends() -> None:
    core = b64encode(b"ana:" + KEY.encode())
    body = b"QUJD" * 2_000_000 + core * 50
    with ends():
        assert core not in masking.masked(body, [Secret(KEY), Secret("another-secret")])


def test_a_short_secret_hides_itself_and_nothing_else() -> None:
    assert masking.masked(b"ab cd YWI= 6162", [Secret("ab")]) == b"*** cd YWI= 6162"
