"""The page for what we do not know, the exact bytes, and what a person's decision does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import clock
from portal.errors import Problem
from portal.models import AuditLine, FulfillmentRequest, Integration, RequestLine, SendingStop, Source, Submission
from portal.outbox import claim, collect, pruning, settle, stops, story, ways
from portal.outbox.leaving import leaving, parts_of
from portal.requests import answers
from tests.ordered import lines_of
from tests.outgoing import due_now, members_of, states, submissions, tries, turn_on, wants

DROPPED = Problem("connection_lost", "The line dropped before they answered", "Whether they have it nobody saw.")


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    made = make_source("Harbor", supplier="sftp-file", state="live")
    Integration.get_or_create(source=made, kind="send_orders")
    turn_on(made)
    return made


def in_doubt(source: Source, *numbers: str, witness: str = "nothing") -> list[FulfillmentRequest]:
    """Requests that left in one file, and nobody saw whether they arrived."""
    asked = wants(source, *numbers)
    integration = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    collect.collect(source, integration, ways.of(source, integration))
    row = submissions(source)[-1]
    Submission.update(witness=witness).where(Submission.id == row.id).execute()
    hold = claim.claim(source.id)
    assert hold is not None
    leaving(hold, parts_of(hold.submission), "uploading")
    settle.unknown(hold, DROPPED)
    Submission.update(next_at=clock.now() + timedelta(hours=1)).where(Submission.next_at.is_null(False)).execute()
    return asked


def at(one: FulfillmentRequest, more: str = "") -> str:
    return f"/requests/{one.public_id}/check{more}"


def test_the_page_says_what_we_know_and_offers_three_ways(client: Any, source: Source) -> None:
    (one,) = in_doubt(source, "10442")
    assert states(one) == [("processing", "check_needed")]
    page = client.get(at(one)).text
    for words in ("We do not know if 10442 arrived", "The line dropped before they answered", "They have it", "send it again", "000001"):
        assert words in page
    assert "Look again now" not in page  # nothing lets us see there


def test_they_have_it_counts_as_sent_with_their_number(client: Any, source: Source) -> None:
    (one,) = in_doubt(source, "10442")
    response = post(client, at(one), at(one), their_id="SO-88")
    assert response.status_code == 303
    assert states(one) == [("processed", "sent")]
    fresh, (row,) = FulfillmentRequest.get_by_id(one.id), submissions(source)
    assert (fresh.their_id, row.settled_by, tries(row)[-1]) == ("SO-88", "owner@harbor.example", ("person", "they_have_it"))
    assert AuditLine.select().where(AuditLine.action == "sending.they_have_it").exists()
    assert client.get(at(one)).status_code == 404


def test_an_impossible_number_is_refused_beside_its_field(client: Any, source: Source) -> None:
    (one,) = in_doubt(source, "10442")
    response = post(client, at(one), at(one), their_id="7" * 201)
    assert response.status_code == 422 and "at most 200 characters" in response.text
    assert states(one) == [("processing", "check_needed")]


def test_sending_again_asks_first_and_makes_a_new_generation_of_the_whole_file(client: Any, source: Source) -> None:
    one, two = in_doubt(source, "10442", "10443")
    page = client.get(at(one, "/again")).text
    assert "they will ship twice" in page and "10443" in page
    assert states(one) == [("processing", "check_needed")]
    assert post(client, at(one, "/again"), at(one, "/again")).status_code == 303
    assert states(one, two) == [("processing", "")] * 2
    integration = Integration.get(Integration.source == source, Integration.kind == "send_orders")
    collect.collect(source, integration, ways.of(source, integration))
    old, new = submissions(source)
    assert (old.state, new.state, sorted(members_of(new))) == ("cancelled", "waiting", [one.id, two.id])
    assert [chapter.generation for chapter in story.chapters(FulfillmentRequest.get_by_id(one.id))] == [2, 1]


def test_the_exact_bytes_can_be_had_and_only_by_their_owner(client: Any, other_client: Any, source: Source) -> None:
    (one,) = in_doubt(source, "10442")
    (row,) = submissions(source)
    path = f"/requests/{one.public_id}/sent/{row.public_id}/0"
    response = client.get(path)
    assert response.data == bytes(parts_of(row)[0].content) and "attachment" in response.headers["Content-Disposition"]
    for other in (path, at(one), at(one, "/again")):
        assert other_client.get(other).status_code == 404
    assert client.get(f"/requests/{one.public_id}/sent/{row.public_id}/1").status_code == 404


def test_another_merchants_decision_is_not_found_and_changes_nothing(other_client: Any, client: Any, source: Source) -> None:
    (one,) = in_doubt(source, "10442")
    token = other_client.form_values(other_client.get("/account").text, "/sign-out")["csrf_token"]
    for path in (at(one), at(one, "/again"), at(one, "/look")):
        assert other_client.post(path, data={"csrf_token": token, "their_id": "1"}).status_code == 404
    assert states(one) == [("processing", "check_needed")]


def test_three_doubts_within_an_hour_stop_the_source_until_somebody_allows_it(client: Any, source: Source) -> None:
    turn_on(source, {"file_name": "po_{po}.csv"})
    for number in ("1", "2", "3"):
        in_doubt(source, number)
    stop = stops.of(source)
    assert stop is not None and stop.automatic and "3 sends" in stop.why
    token = client.form_values(client.get("/account").text, "/sign-out")["csrf_token"]
    assert client.post(f"/sources/{source.public_id}/sending/permission", data={"csrf_token": token}).status_code == 303
    assert SendingStop.select().count() == 0
    assert client.post(f"/sources/{source.public_id}/sending/permission", data={"csrf_token": token}).status_code == 409
    in_doubt(source, "4")
    assert stops.of(source) is None  # it takes three more


def test_a_stop_of_ours_ends_by_itself_once_everything_was_found(source: Source) -> None:
    turn_on(source, {"file_name": "po_{po}.csv"})
    for number in ("1", "2", "3"):
        in_doubt(source, number, witness="listed")
    assert stops.of(source) is not None
    due_now(source)
    for left in (2, 1, 0):
        hold = claim.claim(source.id, looks_only=True)
        assert hold is not None and hold.purpose == "look"
        settle.looked(hold, 1, "They list it", their_id="7")
        assert (stops.of(source) is None) is (left == 0)


def test_an_answer_of_theirs_proves_that_they_have_it_and_all_that_left_with_it(source: Source) -> None:
    one, two = in_doubt(source, "10442", "10443")
    answers.acknowledge(one, [answers.Answer(line=lines_of(one)[0].public_id, accepted=3)], origin=answers.Origin("file"))
    assert states(one, two) == [("acknowledged", "confirmed"), ("processed", "confirmed")]
    assert [(row.state, row.settled_by) for row in submissions(source)] == [("confirmed", "their answer")]


def post(client: Any, page: str, path: str, **values: str) -> Any:
    """Fill the page's form for `path` and send it."""
    form = client.form_values(client.get(page).text, path)
    return client.post(path, data={**form, **values})


def test_bytes_of_finished_requests_go_after_their_days_and_their_digest_stays(client: Any, source: Source, config: Any) -> None:
    """Open requests and doubts keep theirs, however old."""
    (done,), (doubt,) = in_doubt(source, "OLD"), in_doubt(source, "DOUBT")
    post(client, at(done), at(done), their_id="SO-1")
    row, other = submissions(source)
    (part,) = parts_of(row)
    was = (part.size, part.sha256)
    long_ago = clock.now() - timedelta(days=config.keep_sent_days + 1)
    Submission.update(sent_at=long_ago, created_at=long_ago).execute()
    FulfillmentRequest.update(changed_at=long_ago).execute()
    assert pruning.prune() == 0, "its lines are still to be shipped"
    RequestLine.update(open=0, acknowledged=0, shipped=3).execute()
    FulfillmentRequest.update(changed_at=clock.now()).execute()
    assert pruning.prune() == 0, "something happened to it lately"
    FulfillmentRequest.update(changed_at=long_ago).execute()
    assert Submission.get_by_id(row.id).state == "sent" and pruning.prune() == 1 and pruning.prune() == 0
    (gone,), (kept,) = parts_of(row), parts_of(other)
    assert (bytes(gone.content), gone.size, gone.sha256) == (b"", *was) and gone.erased_at is not None
    assert kept.erased_at is None and bytes(kept.content), "nobody knows whether they have it"
    page = client.get(f"/requests/{done.public_id}").text
    assert "Its bytes were erased" in page and was[1] in page and f"bytes-{row.public_id}" not in page
    assert client.get(f"/requests/{done.public_id}/sent/{row.public_id}/0").status_code == 404
    assert client.get(f"/requests/{doubt.public_id}/sent/{other.public_id}/0").status_code == 200


def test_what_is_to_be_sent_again_at_a_deleted_source_says_so_and_can_be_voided(client: Any, source: Source) -> None:
    (one,) = in_doubt(source, "10442")
    Source.update(state="deleted", deleted_at=clock.now()).where(Source.id == source.id).execute()
    assert post(client, at(one, "/again"), at(one, "/again")).status_code == 303
    page = client.get(f"/requests/{one.public_id}").text
    assert "Harbor was deleted, so nothing is sent there. Void it, and its lines can be routed again." in page
    answers.void(FulfillmentRequest.get_by_id(one.id), None, who="ana", confirmed=False)
    assert FulfillmentRequest.get_by_id(one.id).state == "voided"
