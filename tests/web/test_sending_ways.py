"""How orders leave, as a person sets it; and what the page of a request shows of its sending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.models import AuditLine, Integration, SealedSecret, Source, Submission
from portal.outbox import others
from tests.outgoing import turn_on, wants
from tests.web.test_sending import in_doubt, post


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    made = make_source("Harbor", supplier="sftp-file", state="live")
    Integration.get_or_create(source=made, kind="send_orders")
    turn_on(made)
    return made


def at(source: Source, more: str = "") -> str:
    return f"/sources/{source.public_id}/sending{more}"


def settings(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = Integration.get(Integration.source == source, Integration.kind == "send_orders").settings
    return found


def test_orders_can_leave_by_e_mail(client: Any, source: Source) -> None:
    assert post(client, at(source), at(source), leave_by="email", email_to="desk@harbor.example", answer_hours="48").status_code == 303
    kept = settings(source)
    assert (kept["leave_by"], kept["email_to"], kept["answer_hours"], kept["folder"]) == ("email", "desk@harbor.example", 48, "orders")
    assert AuditLine.select().where(AuditLine.action == "sending.way").count() == 1
    assert "desk@harbor.example" in client.get(at(source)).text


IMPOSSIBLE: list[tuple[dict[str, str], str]] = [
    ({"leave_by": "pigeon"}, "Choose how orders leave"),
    ({"leave_by": "email", "email_to": "not an address"}, "e-mail addresses"),
    ({"leave_by": "email", "email_to": "a@b.example,"}, "e-mail addresses"),
    ({"leave_by": "webhook", "webhook_url": "ftp://x.example"}, "https://"),
    ({"leave_by": "webhook", "webhook_url": "https://user:pw@x.example/"}, "https://"),
    ({"leave_by": "webhook", "webhook_url": "http://127.0.0.1/orders"}, "network"),
    ({"answer_hours": "0"}, "hours from 1"),
    ({"answer_hours": "soon"}, "hours from 1"),
    ({"test_place": "/orders/"}, "where real orders go"),
    ({"witness": "hope"}, "their server can do"),
]


def test_what_cannot_be_is_said_beside_its_field_and_nothing_is_kept(client: Any, source: Source) -> None:
    before = settings(source)
    for typed, words in IMPOSSIBLE:
        response = post(client, at(source), at(source), **typed)
        assert response.status_code == 422 and words in response.text, typed
    assert settings(source) == before


def test_the_secret_of_the_webhook_is_shown_once_and_outlives_a_saved_connection(client: Any, source: Source) -> None:
    response = post(client, at(source), at(source, "/secret"))
    secret = others.secret_of(source)
    assert secret is not None and secret.reveal() in response.text and response.headers["Cache-Control"] == "no-store"
    assert secret.reveal() not in client.get(at(source)).text
    assert secret.reveal() not in repr(list(SealedSecret.select().dicts()))


def test_a_test_is_put_in_line_only_where_there_is_a_place_for_it(client: Any, source: Source) -> None:
    response = post(client, at(source), at(source, "/tests"))
    assert response.status_code == 409 and "no place for tests yet" in response.text
    turn_on(source, test_place="tests")
    assert post(client, at(source), at(source, "/tests")).status_code == 303
    assert [(one.kind, one.reference) for one in Submission.select()] == [("test", "TEST-0001")]
    assert "TEST-0001" in client.get(at(source)).text


def test_the_page_of_a_request_tells_its_sending(client: Any, source: Source) -> None:
    (waits,) = wants(source, "10441", state="unprocessed")
    assert "Nothing of it has left yet" in client.get(f"/requests/{waits.public_id}").text
    (one,) = in_doubt(source, "10442")
    page = client.get(f"/requests/{one.public_id}").text
    for words in ("We do not know if 10442 arrived", "The line dropped before they answered", "000001", "10442,", "Download orders_"):
        assert words in page
