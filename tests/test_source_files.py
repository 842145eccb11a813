"""A source as a file: what is in it, what is never in it, and a draft made from one."""

from __future__ import annotations

import io
import random
import tomllib
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import pytest
import tomli_w

from portal import connections, directory, mappings, order_mapping, source_files, sources
from portal.errors import Invalid
from portal.inventory import guard_limits, missing, silence
from portal.models import AuditLine, Connection, Integration, MappingVersion, Merchant, Source
from portal.records import FeedFormat
from tests.connecting import CANARY, WHO, fresh
from tests.feed_of import FORMAT, HEADERS, RULES

SETTINGS = {"host": "ftp.kestrel.example", "port": 22, "user": "ana-at-harbor", "auth": "password", "folder": "out"}
SCHEDULE = {"days": [0, 2, 4], "times": ["08:00", "17:30"]}


@pytest.fixture
def told(make_source: Callable[..., Source]) -> Source:
    """A source with an answer of every kind."""
    source = make_source()
    directory.select(source, "sftp-file", True, source.version, WHO)
    source = fresh(source)
    connections.save(source, SETTINGS, {"password": CANARY}, connections.find(source).version, WHO)
    one = sources.integration(source, "get_inventory_primary")
    settings = {"folder": "out", "match": "newest", "pattern": "stock_*.csv", "format": asdict(FeedFormat(**FORMAT))}
    Integration.update(settings=settings, schedule=SCHEDULE).where(Integration.id == one.id).execute()
    MappingVersion.create(integration=one, number=1, rules=RULES, headers=HEADERS)
    Integration.update(mapping_version=1).where(Integration.id == one.id).execute()
    guard_limits.save(_one(source), {"lost": "12.5", "lost_floor": "40"}, _one(source).version, WHO)
    silence.save(_one(source), 48, "reduce", 30, _one(source).version, WHO)
    missing.save(_one(source), missing.Missing("archive", after_runs=3, column="brand", values=("Kestrel",)), _one(source).version, WHO)
    orders = sources.integration(source, "send_orders")
    MappingVersion.create(integration=orders, number=1, rules=order_mapping.propose_layout(), headers=[])
    Integration.update(mapping_version=1, settings={"folder": "orders"}).where(Integration.id == orders.id).execute()
    Source.update(sku_prefix="KES-", allow_backorders=True).where(Source.id == source.id).execute()
    return fresh(source)


def _one(source: Source) -> Integration:
    return sources.integration(source, "get_inventory_primary")


def begin(merchant: Merchant, text: str, **more: Any) -> source_files.Brought:
    return source_files.begin(merchant, text.encode(), more.get("name", ""), more.get("confirmed", True), WHO)


def test_a_source_made_from_a_file_is_written_as_the_same_file(told: Source, other_merchant: Merchant) -> None:
    text = source_files.written(told)
    made = begin(other_merchant, text)
    again = source_files.written(made.source)
    assert again == text
    assert (made.source.state, made.source.setup_done, made.source.merchant_id) == ("draft", ["supplier"], other_merchant.id)
    assert made.remarks == ("The file holds no user, password: enter them yourself.",)
    one = _one(made.source)
    assert (one.schedule, one.next_run_at) == (SCHEDULE, None)
    assert mappings.current(one).rules == RULES and one.policies == _one(told).policies
    assert missing.policy(one).after_runs == 3 and silence.rule(one).percent == 30
    assert AuditLine.select().where(AuditLine.action == "source.from_file").count() == 1


def test_nothing_secret_or_personal_is_in_the_file(told: Source, make_source: Callable[..., Source]) -> None:
    text = source_files.written(told)
    assert "ftp.kestrel.example" in text
    assert not any(word in text for word in (CANARY, "ana-at-harbor", "password\n", told.public_id, told.merchant.public_id))
    link = make_source(name="By link")
    directory.select(link, "http-file", True, link.version, WHO)
    for url in ("https://files.kestrel.example/stock.csv?key=canary-of-a-link", "https://u:canary-of-a-link@files.kestrel.example/a.csv"):
        Connection.update(settings={"url": url, "auth": "none"}).where(Connection.source == link).execute()
        assert "canary-of-a-link" not in source_files.written(fresh(link)) and "files.kestrel" not in source_files.written(fresh(link))
    Connection.update(settings={"url": "https://files.kestrel.example/stock.csv", "auth": "none"}).where(
        Connection.source == link
    ).execute()
    assert "https://files.kestrel.example/stock.csv" in source_files.written(fresh(link))


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (("quayside",), 2, "must say quayside = 1"),
        (("supplier",), "no-such", "no supplier 'no-such'"),
        (("kind",), "moon base", ""),
        (("connection", "port"), 99_999, "connection.port"),
        (("connection", "host"), "evil.example/../x", "connection.host"),
        (("connection",), "text", "connection must be a table"),
        (("integrations", "get_inventory_primary", "schedule"), {"every_minutes": 0}, "get_inventory_primary.schedule"),
        (("integrations", "get_inventory_primary", "schedule"), ["daily"], "get_inventory_primary.schedule"),
        (("integrations", "get_inventory_primary", "format"), {"kind": "smoke"}, "get_inventory_primary.format"),
        (("integrations", "get_inventory_primary", "pattern"), 7, "must be texts"),
        (("integrations", "get_inventory_primary", "policies", "guards"), {"lost": -4}, "policies.guards"),
        (("integrations", "get_inventory_primary", "policies", "silence"), {"act": "explode", "hours": 3}, "policies.silence"),
        (("integrations", "get_inventory_primary", "policies", "new"), {}, "There is no such part"),
        (("integrations", "get_inventory_primary", "mapping", "rules"), {"fields": {}}, "get_inventory_primary.mapping"),
        (("integrations", "get_inventory_primary", "mapping", "rules"), [1], "get_inventory_primary.mapping"),
        (("integrations", "send_orders", "mapping", "rules"), {"columns": [{"kind": "smoke"}]}, "send_orders.mapping"),
        (("integrations", "get_moon"), {}, "there is no such integration"),
        (("sku_prefix",), "A B", "sku_prefix"),
    ],
)
def test_a_file_with_something_wrong_makes_nothing_and_says_where(told, other_merchant, place, value, words) -> None:
    table = tomllib.loads(source_files.written(told))
    at = table
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    with pytest.raises(Invalid) as refused:
        begin(other_merchant, tomli_w.dumps(table))
    assert words in " ".join(refused.value.errors.values())
    assert not Source.select().where(Source.merchant == other_merchant).exists()


def test_what_is_no_source_file_is_refused(other_merchant: Merchant, told: Source) -> None:
    for text in (b"", b"\xff\xfe", b"[[[[", b"a = " + b"[" * 20_000, b"name = 'x'", b"x" * (source_files.LARGEST + 1)):
        with pytest.raises(Invalid):
            source_files.begin(other_merchant, text, "", True, WHO)
    with pytest.raises(Invalid, match="account"):
        begin(other_merchant, source_files.written(told), confirmed=False)
    assert not Source.select().where(Source.merchant == other_merchant).exists()


def test_files_with_anything_in_them_end_in_a_sentence_or_a_source(told: Source, other_merchant: Merchant) -> None:
    rng = random.Random(11)
    odd: list[Any] = ["", "x" * 3_000, -1, 0, 10**12, 1.5, True, [], ["a", 1], {}, {"a": {"b": []}}, "{x}", "\u202e", [[]], [{}]]
    made = refused = 0
    for number in range(250):
        table = tomllib.loads(source_files.written(told))
        at: Any = table
        while True:
            key = rng.choice(list(at) if isinstance(at, dict) else list(range(len(at))))
            if isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.8:
                at = at[key]
                continue
            at[key] = rng.choice(odd)
            break
        before = Source.select().where(Source.merchant == other_merchant).count()
        try:
            source_files.begin(other_merchant, tomli_w.dumps(table).encode(), f"Number {number}", True, WHO)
            made += 1
        except Invalid:
            refused += 1
            assert Source.select().where(Source.merchant == other_merchant).count() == before
    assert made > 20 and refused > 100


def test_the_pages_give_a_file_and_take_one(client: Any, other_client: Any, told: Source) -> None:
    settings = client.get(f"/sources/{told.public_id}/settings").get_data(as_text=True)
    assert f"/sources/{told.public_id}/source.toml" in settings
    answer = client.get(f"/sources/{told.public_id}/source.toml")
    text = answer.get_data(as_text=True)
    assert answer.headers["Content-Disposition"].startswith("attachment;") and CANARY not in text
    assert 'id="from-file"' in other_client.get("/sources/new").get_data(as_text=True)
    refused = other_client.send_form("/sources/from-file", {"file": text.replace("quayside = 1", "quayside = 9"), "confirmed": "y"})
    assert refused.status_code == 422 and "must say quayside = 1" in refused.text and "ftp.kestrel.example" in refused.text
    sent = other_client.send_form("/sources/from-file", {"upload": (io.BytesIO(text.encode()), "k.toml"), "name": "Mine", "confirmed": "y"})
    assert sent.status_code == 303
    page = other_client.get(sent.headers["Location"]).get_data(as_text=True)
    assert "Mine" in page and "enter them yourself" in page
    connect = other_client.get(f"{sent.headers['Location']}/connection").get_data(as_text=True)
    assert "ftp.kestrel.example" in connect
    assert other_client.send_form("/sources/from-file", {"confirmed": "y"}).status_code == 422
