"""The audit log as it is read: in words, filtered, page by page, as a file; and that every act has its words."""

from __future__ import annotations

import ast
import csv
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from portal import audit, audit_log, audit_words, clock
from portal.audit_log import Asked
from portal.audit_words import Pair, pairs
from portal.models import AuditLine, Merchant

ROOT = Path(__file__).resolve().parents[1]
CANARY = "canary-audit-Xk29vQ"


def said() -> set[str]:
    """Every act that is written out in a call of audit.write."""
    found = set()
    for path in (ROOT / "portal").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if "audit.write(" in text else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "audit.write" and len(node.args) > 2:
                found |= {one.value for one in ast.walk(node.args[2]) if isinstance(one, ast.Constant) and "." in str(one.value)}
    return {one for one in found if not one.endswith(".") and not one.startswith(".")}


def test_every_act_that_is_written_has_words_and_an_area() -> None:
    acts = said()
    assert len(acts) > 60 and acts - set(audit_words.ACTS) == set()
    begins = tuple(one for _, several in audit_words.AREAS.values() for one in several)
    assert [one for one in {*acts, *audit_words.ACTS} if not one.startswith(begins)] == []
    assert audit_words.act("items.delete") == "Deleted many items" and audit_words.act("items.delete.undo") == "Undid: deleted many items"
    assert audit_words.act("new_thing.some.act") == "New thing: some, act"


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, None, []),
        ({"name": "Kestrel"}, {"name": "Northwind"}, [Pair("name", "Kestrel", "Northwind")]),
        ({"a": 1, "b": True}, {"a": 1, "b": False}, [Pair("b", "on", "off")]),
        (None, {"items": ["x", "y"], "note": ""}, [Pair("items", None, "x, y"), Pair("note", None, "nothing")]),
        ({"guards": {"lost": 10}}, {"guards": {}}, [Pair("guards: lost", "10", None), Pair("guards", None, "nothing")]),
        (None, "changed", [Pair("", None, "changed")]),
        ("Free", "Harbor", [Pair("", "Free", "Harbor")]),
        ({"password": "***"}, {"password": "***"}, [Pair("password", None, "changed")]),
        ({"access": {"client_secret": CANARY}}, {"access": {"client_secret": CANARY + "2"}},
         [Pair("access: client secret", None, "changed")]),
    ],
)  # fmt: skip
def test_before_and_after_in_words(before: Any, after: Any, told: list[Pair]) -> None:
    assert pairs(before, after) == told and CANARY not in audit_words.in_line(told)


@pytest.fixture
def log(merchant: Merchant, other_merchant: Merchant, make_source: Any) -> Merchant:
    source = make_source("Kestrel")
    for n in range(120):
        audit.write(
            merchant, f"p{n % 3}@harbor.example", "source.rename", "source", source.public_id, {"name": f"K{n}"}, {"name": f"K{n + 1}"}
        )
    audit.write(merchant, "=cmd@harbor.example", "session.refused", address="192.0.2.1")
    audit.write(other_merchant, "p1@harbor.example", "source.rename", "source", source.public_id)
    return merchant


def whole(merchant: Merchant, asked: Asked) -> list[int]:
    numbers, before = [], None
    while True:
        found, before = audit_log.page(merchant, asked, before)
        numbers += [one.line.number for one in found]
        if before is None:
            return numbers


def test_filters_leave_exactly_what_was_asked_for_and_the_file_holds_the_same(log: Merchant) -> None:
    lines = list(AuditLine.select().where(AuditLine.merchant == log).order_by(AuditLine.number.desc()))
    assert whole(log, Asked()) == [one.number for one in lines]
    middle = lines[60].at
    cases = {
        Asked(who="P1@"): lambda one: one.who.startswith("p1@"),
        Asked(what="access"): lambda one: one.action.startswith("session."),
        Asked(what="sources", who="p2"): lambda one: one.who.startswith("p2@") and one.action.startswith("source."),
        Asked(since=middle): lambda one: one.at >= middle,
        Asked(until=middle): lambda one: one.at < middle,
        Asked(thing="kestrel"): lambda one: one.object_kind == "source",
        Asked(thing="nobody"): lambda _: False,
        Asked(what="support"): lambda _: False,
    }
    for asked, wanted in cases.items():
        expected = [one.number for one in lines if wanted(one)]
        assert whole(log, asked) == expected, asked
        rows = list(csv.DictReader("".join(audit_log.as_csv(log, asked)).splitlines()))
        assert [int(row["Number"]) for row in rows] == expected
    first = next(csv.DictReader("".join(audit_log.as_csv(log, Asked(what="sources"))).splitlines()))
    assert (first["Act"], first["Name"], first["Change"]) == ("Renamed a source", "Kestrel", "name: K119 → K120")
    assert "'=cmd@harbor.example" in "".join(audit_log.as_csv(log, Asked(what="access")))


def test_a_page_costs_a_few_queries_however_long_the_log(log: Merchant, counting: Any) -> None:
    with counting() as queries:
        audit_log.page(log, Asked())
    assert len(queries) <= 4


def test_the_chain_is_proved_at_once_or_where_it_is_long_when_asked(log: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    assert audit_log.chain(log).problems == []
    monkeypatch.setattr(audit_log, "CHECKED_AT_ONCE", 10)
    assert audit_log.chain(log).problems is None
    AuditLine.update(at=clock.now() - timedelta(days=1)).where(AuditLine.merchant == log, AuditLine.number == 5).execute()
    assert audit_log.chain(log, whole=True).problems == ["Line 5 was changed after it was written"]
