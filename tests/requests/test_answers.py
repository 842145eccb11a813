"""Acknowledgements, cancels and voids tell totals: the same told twice changes nothing; what cannot be is seen by a person."""

from __future__ import annotations

import pytest

from portal import requests, routing
from portal.errors import NotFound, Refused
from portal.models import AnswerProblem, CommittedStock, FulfillmentRequest, Order, OrderLine, RequestEvent, Submission, SubmissionMember
from portal.requests import answers, counts
from portal.requests.answers import Answer, Origin
from tests.ordered import ask, lines_of, place
from tests.stocked import stock_up

FILE, ANA = Origin("file", document_id=7, row=12), Origin("person", "ana@harbor.example")


@pytest.fixture
def request_(merchant, make_source):
    return ask(place(merchant, [("HX-1", 5), ("HX-2", 1)]), make_source())


def now(request):
    return [(one.open, one.acknowledged, one.shipped, one.cancelled, one.voided) for one in map(counts, lines_of(request))]


def test_everything_open_is_accepted_where_no_line_is_named(request_):
    done = answers.acknowledge(request_, origin=FILE, their_id="S-991")
    assert (done.accepted, done.problems, now(request_)) == (6, [], [(0, 5, 0, 0, 0), (0, 1, 0, 0, 0)])
    fresh = FulfillmentRequest.get()
    assert (fresh.state, fresh.their_id) == ("acknowledged", "S-991")
    event = RequestEvent.get()
    assert (event.kind, event.cause, event.document_id, event.row) == ("accept", "file", 7, 12)


def test_the_same_told_again_changes_nothing(request_):
    told = [Answer(sku="HX-1", accepted=3, rejected=2, reason="two are damaged"), Answer(sku="HX-2", code="IA")]
    done = answers.acknowledge(request_, told, origin=FILE)
    assert (done.accepted, done.cancelled) == (4, 2) and now(request_) == [(0, 3, 0, 2, 0), (0, 1, 0, 0, 0)]
    assert OrderLine.get(OrderLine.sku == "HX-1").unrouted == 2
    again = answers.acknowledge(request_, told, origin=FILE)
    assert (again.accepted, again.cancelled, again.problems) == (0, 0, []) and RequestEvent.select().count() == 2
    assert "two are damaged" in RequestEvent.get(RequestEvent.kind == "cancel").words


def test_more_than_ordered_is_a_problem_and_nothing_changed(request_):
    done = answers.acknowledge(request_, [Answer(sku="HX-1", accepted=6), Answer(sku="HX-2", accepted=1)], origin=FILE)
    words = "HX-1: they answered for 6 units, and 5 are asked for. Nothing of the line was changed."
    assert done.problems == [words] and now(request_) == [(5, 0, 0, 0, 0), (0, 1, 0, 0, 0)]
    row = AnswerProblem.get()
    assert (row.words, row.document_id, row.row, row.told) == (words, 7, 12, {"lines": [{"sku": "HX-1", "accepted": 6}]})
    with pytest.raises(Refused, match="they answered for 6 units"):
        answers.acknowledge(request_, [Answer(sku="HX-1", accepted=6)], origin=ANA)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(sku="HX-1", code="ZZ9"), "“ZZ9” is a code that we do not know. The line was neither accepted nor canceled."),
        (Answer(sku="HX-1", accepted=5, code="ZZ9"), "“ZZ9” is a code that we do not know."),
        (Answer(sku="HX-7", accepted=1), "It has no line HX-7."),
        (Answer(accepted=1), "It has no line without a SKU."),
        (Answer(sku="HX-1", accepted=-1), "a quantity below 0 was told"),
    ],
)
def test_what_is_not_known_is_never_a_no_op(request_, merchant, answer, words):
    done = answers.acknowledge(request_, [answer], origin=FILE)
    assert words in done.problems[0] and now(request_)[0] == (5, 0, 0, 0, 0)
    (row,) = answers.open_problems(merchant, request_)
    answers.settle_problem(merchant, row.public_id, "ana")
    assert not answers.open_problems(merchant) and AnswerProblem.get().settled_by == "ana"


def test_another_merchant_does_not_settle_it(request_, other_merchant, merchant):
    answers.acknowledge(request_, [Answer(sku="HX-1", code="?")], origin=FILE)
    with pytest.raises(NotFound):
        answers.settle_problem(other_merchant, AnswerProblem.get().public_id, "eve")


def test_a_sku_on_two_lines_must_be_named_by_its_line(merchant, make_source):
    request = ask(place(merchant, [("HX-1", 1), ("HX-1", 2)]), make_source())
    done = answers.acknowledge(request, [Answer(sku="HX-1", accepted=1)], origin=FILE)
    assert "HX-1 is on 2 lines of it" in done.problems[0]
    answers.acknowledge(request, [Answer(line=lines_of(request)[1].public_id, accepted=2)], origin=FILE)
    assert now(request) == [(1, 0, 0, 0, 0), (0, 2, 0, 0, 0)]


def test_an_older_answer_that_takes_back_is_seen(request_):
    answers.acknowledge(request_, [Answer(sku="HX-1", accepted=4)], origin=FILE)
    done = answers.acknowledge(request_, [Answer(sku="HX-1", accepted=2)], origin=FILE)
    assert done.problems == ["HX-1: they accept 2 now and accepted 4 before. Nothing of the line was changed."]
    assert answers.acknowledge(request_, [Answer(sku="HX-1", accepted=2, rejected=3)], origin=FILE).cancelled == 3
    assert now(request_)[0] == (0, 2, 0, 3, 0)


def test_an_answer_after_the_parcel_and_one_that_cannot_be(request_):
    one, _ = lines_of(request_)
    requests.record(request_, "ship", [("ship", one.id, 4)], cause="file")
    done = answers.acknowledge(request_, [Answer(sku="HX-1", rejected=3)], origin=FILE)
    assert done.problems == ["HX-1: 4 are shipped already, so the answer cannot be. Nothing of the line was changed."]
    assert answers.acknowledge(request_, [Answer(sku="HX-1", accepted=5)], origin=FILE).accepted == 1


def test_an_answer_to_what_was_never_sent_is_a_problem(merchant, make_source):
    request = ask(place(merchant), make_source(), state="unprocessed")
    assert "It is Unprocessed: an answer is only taken once it was sent." in answers.acknowledge(request, origin=FILE).problems[0]
    FulfillmentRequest.update(state="processing", sending="check_needed").execute()
    assert answers.acknowledge(request, origin=FILE).accepted == 3  # they answer for it, so they have it


def test_cancel_with_fill_and_kill(request_):
    one, two = (line.public_id for line in lines_of(request_))
    answers.cancel(request_, {one: 2}, origin=FILE)
    answers.cancel(request_, {one: 1, two: 1}, origin=FILE, fill=False)
    assert now(request_) == [(2, 0, 0, 3, 0), (0, 0, 0, 1, 0)]
    line = OrderLine.get(OrderLine.sku == "HX-1")
    assert (line.unrouted, line.cancelled, line.routed) == (2, 1, 2)
    with pytest.raises(Refused, match="3 were asked for, and 2 are open or accepted"):
        answers.cancel(request_, {one: 3}, origin=ANA)
    answers.cancel(request_, None, origin=FILE, reason="discontinued")
    assert FulfillmentRequest.get().state == "canceled" and not sum(row.quantity for row in CommittedStock.select())


def test_void_before_sending_is_free_and_after_it_needs_their_word(merchant, make_source):
    source = stock_up(make_source(), {"HX-1": 9})
    (request,) = routing.route(place(merchant), "ana").requests
    answers.void(request, None, who="ana", confirmed=False)
    assert FulfillmentRequest.get().state == "voided" and Order.get().routing == "waiting"
    with pytest.raises(Refused, match="It is Voided, so there is nothing to void"):
        answers.void(request, None, who="ana", confirmed=True)
    sent = ask(place(merchant, number="2"), source)
    with pytest.raises(Refused, match="may have it already. Ask them first"):
        answers.void(sent, None, who="ana", confirmed=False)
    answers.void(sent, None, who="ana", confirmed=True, fill=False)
    assert Order.get(Order.number == "2").state == "canceled"


def test_void_takes_a_waiting_submission_back_and_frees_the_others_in_it(merchant, make_source):
    source = make_source()
    first, second = (ask(place(merchant, number=n), source, state="processing", sending="waiting") for n in ("1", "2"))
    made = Submission.create(merchant=merchant, source=source, transport="sftp", witness="rename", reference="000001")
    for one in (first, second):
        SubmissionMember.create(submission=made, request=one, generation=1)
    answers.void(first, None, who="ana", confirmed=False)
    assert Submission.get().state == "cancelled"
    now_ = [(one.state, one.sending, one.generation) for one in FulfillmentRequest.select().order_by(FulfillmentRequest.id)]
    assert now_ == [("voided", "", 2), ("processing", "", 2)]
    Submission.update(state="claimed").execute()
    FulfillmentRequest.update(sending="claimed").execute()
    with pytest.raises(Refused, match="being sent to Northwind at this moment"):
        answers.void(second, None, who="ana", confirmed=True)
