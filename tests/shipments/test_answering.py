"""Acknowledgement files: what suppliers write, line by line, and what nobody could use."""

from __future__ import annotations

from typing import Any

import pytest

from portal import order_mapping, runs
from portal.errors import Invalid, Refused
from portal.models import AnswerProblem, FulfillmentRequest, Integration, MappingVersion, Run, RunMessage, SetAsideRow, Source
from portal.requests.answers import Origin
from portal.shipments import answering
from portal.shipments.answering import Reply, take
from tasks.work import HANDLERS
from tests.connected import chosen, loopback  # noqa: F401
from tests.ordered import ask, lines_of, place
from tests.outgoing import connected
from tests.servers import Server

HEAD = "po_number,item_no,status,qty_accepted,reason"
EMPTY = dict.fromkeys(("sku", "code", "accepted", "rejected", "reason", "their_id"))
FILE = Origin("file", document_id=7, run_id=None, row=2)


@pytest.fixture
def source(chosen: Any, server: Server, emptied: Any) -> Source:  # noqa: F811
    made: Source = connected(chosen("sftp-file"), server)
    emptied("answers")
    columns = dict(zip(("order_reference", "sku", "code", "accepted", "reason"), HEAD.split(","), strict=True))
    rules = {"fields": {key: {"columns": [column], "steps": []} for key, column in columns.items()}, "codes": {"10": "accept"}}
    order_mapping.check_answer_rules({"fields": rules["fields"]}, HEAD.split(","))
    row = Integration.create(source=made, kind="get_acknowledgements", enabled=True, mapping_version=1, policies={"feed": "delta"})
    Integration.update(settings={"folder": "answers", "match": "all", "pattern": "ack_*.csv"}).where(Integration.id == row.id).execute()
    MappingVersion.create(integration=row, number=1, rules=rules)
    return made


@pytest.fixture
def asked(source: Source) -> FulfillmentRequest:
    return ask(place(source.merchant, [("HX-1", 4), ("HX-2", 1)]), source)


def put(server: Server, name: str, *rows: str, minute: int = 0) -> None:
    text = "".join(f"{row}\r\n" for row in (HEAD, *rows))
    server.user.put(f"answers/{name}", text.encode(), 1_764_072_000 + 60 * minute)


def read(source: Source) -> Run:
    run = runs.start_sync(Integration.get(Integration.source == source, Integration.kind == "get_acknowledgements"))
    runs.work_available(HANDLERS)
    return Run.get_by_id(run.id)


def state(request: FulfillmentRequest) -> list[tuple[int, int, int]]:
    return [(line.open, line.acknowledged, line.cancelled) for line in lines_of(request)]


def reply(*rows: dict[str, Any], reference: str = "1001") -> Reply:
    values = [{**EMPTY, "order_reference": reference, **row} for row in rows]
    made = Reply(2, values[0])
    for number, one in enumerate(values, 2):
        made.add(number, one)
    return made


def test_a_file_is_read_once_and_answers_each_line(source: Source, server: Server, asked: FulfillmentRequest) -> None:
    put(server, "ack_1.csv", "1001,HX-1,IQ,3,Only 3 in stock", "1001,HX-2,R2,0,Out of stock")
    run = read(source)
    assert (run.state, run.counts) == ("finished", {"rows": 2, "set_aside": 0, "noted": 0, "accepted": 3, "canceled": 2})
    assert state(asked) == [(0, 3, 1), (0, 0, 1)] and FulfillmentRequest.get_by_id(asked.id).state == "acknowledged"
    assert read(source).state == "no_change"
    put(server, "ack_2.csv", "1001,HX-1,IQ,3,Only 3 in stock", minute=2)
    assert read(source).counts["known"] == 1 and state(asked) == [(0, 3, 1), (0, 0, 1)]


def test_what_nobody_could_use_waits_for_a_person_once(source: Source, server: Server, asked: FulfillmentRequest) -> None:
    rows = ("1001,HX-1,ZZ,,", "9999,HX-1,IA,1,", "1001,NO-1,IA,1,", ",HX-2,IA,1,", "1001,HX-2,IA,one,")
    put(server, "ack_1.csv", *rows)
    run = read(source)
    assert run.state == "warnings" and (run.counts["problems"], run.counts["set_aside"]) == (3, 2) and SetAsideRow.select().count() == 2
    words = " ".join(one.words for one in AnswerProblem.select())
    for part in ("“ZZ” is a code that we do not know", "No request of this source has the reference “9999”", "no such line"):
        assert part in words
    assert state(asked) == [(4, 0, 0), (1, 0, 0)] and "waits for you" in " ".join(one.text for one in RunMessage.select())
    put(server, "ack_2.csv", *rows, minute=2)
    again = read(source)
    assert again.counts.get("problems", 0) == 0 and AnswerProblem.select().count() == 3


def test_it_is_off_until_a_person_turns_it_on(source: Source) -> None:
    row = Integration.get(Integration.source == source, Integration.kind == "get_acknowledgements")
    row.enabled = False
    with pytest.raises(Refused, match="Nothing was read"):
        runs.start_sync(row)


@pytest.mark.parametrize(
    ("rows", "after"),
    [
        ([{"code": "accepted"}], [(0, 4, 0), (0, 1, 0)]),
        ([{"code": "Rejected"}], [(0, 0, 4), (0, 0, 1)]),
        ([{"sku": "hx-1", "code": "IA"}], [(0, 4, 0), (1, 0, 0)]),
        ([{"sku": "HX-1", "code": "IA", "accepted": 4}], [(0, 4, 0), (1, 0, 0)]),
        ([{"sku": "HX-1", "code": "IQ", "accepted": 1}], [(0, 1, 3), (1, 0, 0)]),
        ([{"sku": "HX-1", "code": "10", "accepted": 2}], [(2, 2, 0), (1, 0, 0)]),
        ([{"sku": "HX-1", "code": "IR", "accepted": 0}], [(0, 0, 4), (1, 0, 0)]),
        ([{"sku": "HX-1", "accepted": 3, "rejected": 1}], [(0, 3, 1), (1, 0, 0)]),
        ([{"sku": "HX-1", "code": "IA", "accepted": 3}, {"sku": "HX-1", "code": "R4", "rejected": 1}], [(0, 3, 1), (1, 0, 0)]),
        ([{"sku": "HX-1", "code": "IB"}, {"sku": "HX-2", "code": "IR"}], [(0, 4, 0), (0, 0, 1)]),
    ],
)  # fmt: skip
def test_what_suppliers_write(source: Source, asked: FulfillmentRequest, rows: list[dict[str, Any]], after: Any) -> None:
    take(source, reply(*rows), {"10": "accept"}, FILE)
    assert state(asked) == after and not AnswerProblem.select().exists()
    assert take(source, reply(*rows), {"10": "accept"}, FILE) == {"known": 1} and state(asked) == after


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([{"sku": "HX-1", "code": "IR", "accepted": 2}], "means rejected, and 2 are told as accepted"),
        ([{"sku": "HX-1", "code": "IA", "accepted": 0}], "the accepted quantity is 0"),
        ([{"sku": "HX-1", "code": "IQ"}], "no quantity is told"),
        ([{"sku": "HX-1"}], "neither a status nor a quantity"),
        ([{"code": "IA", "accepted": 3}], "told for 2 lines at once"),
        ([{"sku": "HX-1", "code": "IA"}, {"sku": "HX-1", "code": "IR"}], "accepts all units and another rejects them"),
        ([{"sku": "HX-1", "code": "IA"}, {"sku": "HX-1", "code": "IR", "rejected": 1}], "all units and another of some"),
        ([{"sku": "HX-1", "code": "IA", "accepted": 5}], "they answered for 5 units, and 4 are asked for"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_changes_nothing(source: Source, asked: FulfillmentRequest, rows: list[dict[str, Any]], why: str) -> None:
    take(source, reply(*rows), {}, FILE)
    (kept,) = AnswerProblem.select()
    assert why in kept.words and kept.words.endswith("Nothing of it was changed.") or "Nothing of the line was changed." in kept.words
    assert state(asked) == [(4, 0, 0), (1, 0, 0)]
    assert take(source, reply(*rows), {}, FILE)["accepted"] == 0 and AnswerProblem.select().count() == 1


def test_two_lines_of_one_sku_are_answered_in_their_order(source: Source) -> None:
    asked = ask(place(source.merchant, [("HX-1", 2), ("HX-1", 3)], "1002"), source)
    take(
        source,
        reply({"sku": "HX-1", "code": "IA", "accepted": 2}, {"sku": "HX-1", "code": "R2", "accepted": 0}, reference="1002"),
        {},
        FILE,
    )
    assert state(asked) == [(0, 2, 0), (0, 0, 3)]


def test_another_merchants_request_is_as_one_that_is_not_there(source: Source, asked: FulfillmentRequest) -> None:
    other = Source.create(merchant=source.merchant, name="Other", name_key="other", kind="dropship_supplier")
    assert take(other, reply({"code": "IA"}), {}, FILE) == {"problems": 1, "known": 0} and state(asked) == [(4, 0, 0), (1, 0, 0)]


def test_rules_need_a_reference_and_an_answer() -> None:
    with pytest.raises(Invalid) as caught:
        order_mapping.check_answer_rules({"fields": {"order_reference": {"columns": ["po"]}}}, ["po", "x"])
    assert "code" in caught.value.errors
    assert (
        answering.meaning(" ia ", {}) == "accept"
        and answering.meaning("ZZ", {"zz": "reject"}) == "reject"
        and not answering.meaning("Q", {})
    )
