"""Fulfillment requests in a browser without JavaScript: found, processed, answered, canceled, voided, renumbered."""

from __future__ import annotations

import pytest

from portal import routing
from portal.models import AnswerProblem, FulfillmentRequest, Order, RequestLine, Source
from portal.requests import answers, counts
from portal.requests.answers import Answer, Origin
from tests.ordered import ask, lines_of, place
from tests.stocked import stock_up


@pytest.fixture
def north(make_source):
    return stock_up(make_source("Northwind"), {"HX-1": 100, "HX-2": 100}, cost=99_500)


@pytest.fixture
def waiting(merchant, north):
    return routing.route(place(merchant, [("HX-1", 5), ("HX-2", 1)]), "owner@harbor.example").requests[0]


def path(request, rest=""):
    return f"/requests/{request.public_id}{rest}"


def page(client, at):
    answer = client.get(at)
    assert answer.status_code == 200, answer.text
    return answer.text


def now(request):
    return [(one.open, one.acknowledged, one.shipped, one.cancelled, one.voided) for one in map(counts, lines_of(request))]


def sent(request):
    columns = {"state": "processed", "sending": "sent", "sent_at": request.created_at}
    FulfillmentRequest.update(columns).where(FulfillmentRequest.id == request.id).execute()


def test_the_list_says_what_needs_a_person_first(client, merchant, north, waiting):
    assert "No fulfillment requests yet" not in page(client, "/requests")
    quiet = ask(place(merchant, number="77"), north, state="processed")
    text = page(client, "/requests")
    assert "1 needs you." in text and text.index(path(waiting)) < text.index(path(quiet))
    assert "Nobody has pressed Process yet, and Auto Process is off for Northwind." in text
    assert path(quiet) not in page(client, "/requests?view=needs") and path(waiting) not in page(client, "/requests?view=waiting")
    for asked, found in (
        ("q=77", quiet),
        ("state=unprocessed", waiting),
        (f"source={north.public_id}", quiet),
        ("shipped=awaiting", quiet),
    ):
        assert path(found) in page(client, f"/requests?{asked}")
    assert "No request matches" in page(client, "/requests?q=nothing") and "No request matches" in page(client, "/requests?shipped=shipped")


@pytest.mark.one_database
def test_an_empty_list_says_when_one_is_made(client):
    assert "No fulfillment requests yet" in page(client, "/requests")


def test_pages_of_many(client, merchant, north):
    for number in range(1, 61):
        ask(place(merchant, number=str(number)), north, state="processed" if number % 2 else "unprocessed")
    first = page(client, "/requests")
    assert first.count('class="row-link') == 50 and 'id="page-next"' in first
    after = first.split("/requests?after=")[1].split('"')[0]
    second = page(client, f"/requests?after={after}")
    assert second.count('class="row-link') == 10 and "Unprocessed</span>" not in second
    assert page(client, "/requests?after=nonsense").count('class="row-link') == 50


@pytest.mark.one_database
def test_bulk_process_says_what_was_not_taken(client, merchant, north, waiting):
    other = routing.route(place(merchant, number="88"), "o").requests[0]
    Source.update(order_rules={"number": {"longest": 3}}).execute()
    answer = client.send_form("/requests/process", {"request": [waiting.public_id, other.public_id]}, page="/requests")
    assert answer.status_code == 303
    text = page(client, answer.headers["Location"])
    assert "1 fulfillment request in line for sending. 1 request not processed. 1001: Its number 1001 has 4 characters" in text
    assert [one.state for one in FulfillmentRequest.select().order_by(FulfillmentRequest.id)] == ["too_long", "processing"]
    answer = client.send_form("/requests/process", page="/requests")
    assert "Nothing was ticked, so nothing was processed." in page(client, answer.headers["Location"])


@pytest.mark.one_database
def test_one_request_from_process_to_void(client, waiting):
    text = page(client, path(waiting))
    for words in (
        "= Open",
        "+ Accepted",
        "Created",
        "Why Northwind",
        "feed 100 − committed 0 then",
        "act-process",
        "act-renumber",
        "act-void",
    ):
        assert words in text, words
    assert "act-cancel" not in text and "act-acknowledge" not in text
    assert client.send_form(path(waiting, "/process"), page=path(waiting)).status_code == 303
    assert "leaves with the next run of Send Orders" in page(client, path(waiting))
    assert client.send_form(path(waiting, "/void"), {"reason": "customer called"}).status_code == 303
    assert FulfillmentRequest.get().state == "voided" and "customer called. The order" in page(client, path(waiting))
    assert client.send_form(path(waiting, "/void")).status_code == 422


def test_their_answer_by_hand(client, waiting):
    sent(waiting)
    one, two = lines_of(waiting)
    typed = {f"accept-{one.public_id}": "4", f"reject-{one.public_id}": "1", "their_id": "S-9", "reason": "one is damaged"}
    answer = client.send_form(path(waiting, "/acknowledgement"), typed)
    assert answer.status_code == 303 and now(waiting) == [(0, 4, 0, 1, 0), (0, 1, 0, 0, 0)]
    text = page(client, path(waiting))
    assert "5 accepted, 1 canceled." in text and "S-9" in text and "HX-1: 4 open → accepted, not shipped" in text
    assert FulfillmentRequest.get().state == "acknowledged" and Order.get().routing == "waiting"


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"accept": "6"}, "HX-1: they answered for 6 units, and 5 are asked for. Nothing of the line was changed."),
        ({"accept": "x"}, "Enter whole numbers, 0 or more."),
        ({"accept": "-1"}, "Enter whole numbers, 0 or more."),
        ({"accept": "0"}, "Enter the quantity of at least one line. Nothing was changed."),
    ],
)
def test_an_answer_that_cannot_be_is_refused_and_kept(client, waiting, typed, words):
    sent(waiting)
    one, two = lines_of(waiting)
    fields = {f"{name}-{one.public_id}": value for name, value in typed.items()} | {f"accept-{two.public_id}": "0", "reason": "their mail"}
    answer = client.send_form(path(waiting, "/acknowledgement"), fields)
    assert answer.status_code == 422 and words in answer.text and "their mail" in answer.text
    assert now(waiting) == [(5, 0, 0, 0, 0), (1, 0, 0, 0, 0)] and not AnswerProblem.select().count()


@pytest.mark.one_database
def test_cancel_with_kill_and_void_with_their_word(client, waiting):
    sent(waiting)
    one, two = lines_of(waiting)
    fields = {f"take-{one.public_id}": "2", f"take-{two.public_id}": "0", "fill": "kill"}
    assert client.send_form(path(waiting, "/cancellation"), fields).status_code == 303
    assert now(waiting) == [(3, 0, 0, 2, 0), (1, 0, 0, 0, 0)]
    refused = client.send_form(path(waiting, "/void"))
    assert refused.status_code == 422 and "Ask them first, and tick that they confirmed it. Nothing was voided." in refused.text
    assert client.send_form(path(waiting, "/void"), {"confirmed": "y"}).status_code == 303
    assert [sum(one) for one in now(waiting)] == [5, 1] and FulfillmentRequest.get().shipped == "canceled"
    too_many = client.send_form(path(waiting, "/cancellation"), {f"take-{one.public_id}": "1"})
    assert too_many.status_code == 422 and "It is Canceled" in too_many.text


@pytest.mark.one_database
def test_another_number(client, merchant, north, waiting):
    Source.update(order_rules={"number": {"longest": 3}}).execute()
    client.send_form(path(waiting, "/process"), page=path(waiting))
    assert "PO/FR # Exceeds Max Length" in page(client, path(waiting))
    assert "has 5 characters" in client.send_form(path(waiting, "/number"), {"number": "10010"}).text
    assert client.send_form(path(waiting, "/number"), {"number": "101"}).status_code == 303
    assert "It is 101 now, and waits for Process." in page(client, path(waiting))


@pytest.mark.one_database
def test_answers_that_could_not_be_used_are_seen_and_settled(client, merchant, waiting):
    assert "Every answer could be used" in page(client, "/requests/answers")
    sent(waiting)
    for code in ("ZZ", "YY"):
        answers.acknowledge(waiting, [Answer(sku="HX-1", code=code)], origin=Origin("file", row=3))
    assert "2 answers could not be used" in page(client, "/requests") and "“ZZ” is a code" in page(client, "/requests/answers")
    first, second = AnswerProblem.select().order_by(AnswerProblem.id)
    assert "An answer of Northwind could not be used" in page(client, path(waiting))
    answer = client.send_form("/requests/answers", {"problem": first.public_id, "back": "request"}, page=path(waiting))
    assert answer.headers["Location"] == path(waiting)
    assert client.send_form("/requests/answers", {"problem": second.public_id}).headers["Location"] == "/requests/answers"
    assert not answers.open_problems(merchant)


@pytest.mark.one_database
def test_another_merchants_problem_is_not_settled(client, other_client, waiting, other_merchant, make_source):
    sent(waiting)
    answers.acknowledge(waiting, [Answer(sku="HX-1", code="ZZ")], origin=Origin("file"))
    foreign = ask(place(other_merchant), make_source("Other", of=other_merchant))
    answers.acknowledge(foreign, [Answer(sku="HX-1", code="ZZ")], origin=Origin("file"))
    answer = other_client.send_form("/requests/answers", {"problem": AnswerProblem.get().public_id})
    assert answer.status_code == 404 and not AnswerProblem.select().where(AnswerProblem.settled_at.is_null(False)).exists()


def test_source_item_and_ledger_show_what_is_committed(client, merchant, north, waiting):
    assert "1 open fulfillment request" in page(client, f"/sources/{north.public_id}")
    item = RequestLine.get(RequestLine.sku == "HX-1").item
    text = page(client, f"/inventory/{item.public_id}")
    assert "feed 100 − " in text and "committed 5</a> = available 95" in text
    assert "= available <b>95</b>" in page(client, f"/inventory/{item.public_id}/explanation/quantity")
    at = f"/sources/{north.public_id}/committed-stock"
    assert "6 units on 2 lines are held" in page(client, at) and "HX-2" not in page(client, f"{at}?q=HX-1").split('id="committed"')[1]
    answers.void(waiting, None, who="ana", confirmed=False)
    assert "Nothing is committed" in page(client, at) and ": voided" in page(client, f"{at}?which=all")
    assert "No entry matches" in page(client, f"{at}?q=ZZ")


def test_all_that_wait_are_processed_after_a_look_at_how_many(client, merchant, north, make_source, waiting, other_client):
    south = stock_up(make_source("Southgate"), {"HX-9": 5})
    routing.route(place(merchant, [("HX-9", 1)], "2"), "o")
    assert "2 fulfillment requests will be sent now" in page(client, "/requests/waiting")
    assert "1 fulfillment request will be sent now" in page(client, f"/requests/waiting?source={south.public_id}")
    assert "Nothing waits for Process" in page(other_client, "/requests/waiting")
    assert other_client.get(f"/requests/waiting?source={south.public_id}").status_code == 404
    fields = client.form_values(page(client, "/requests/waiting"), "/requests/waiting")
    routing.route(place(merchant, [("HX-9", 1)], "3"), "o")
    answer = client.post("/requests/waiting", data=fields)
    assert "2 fulfillment requests in line for sending." in page(client, answer.headers["Location"])
    assert [one.state for one in FulfillmentRequest.select().order_by(FulfillmentRequest.id)] == ["processing"] * 2 + ["unprocessed"]
