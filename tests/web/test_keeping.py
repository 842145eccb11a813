"""Erasing, days and the team's Erase as a person meets them."""

from __future__ import annotations

from typing import Any

import pytest

from portal import runs
from portal.erasing import users
from portal.erasing.terms import ERASED
from portal.models import AuditLine, Erasure, Order, Retention, Run, User
from tasks import work
from tests.ordered import place

pytestmark = pytest.mark.one_database
AT, DAYS = "/settings/kept/persons", "/settings/kept/days"


def test_a_person_is_found_looked_at_and_erased(client: Any, merchant: Any) -> None:
    place(merchant, [], number="1001")
    page = client.get(AT)
    found = client.post(f"{AT}/search", data={**client.form_values(page.text, f"{AT}/search"), "typed": "ADA@example.com"})
    assert found.status_code == 200 and "1 order of this person" in found.text and "Ada Byron" in found.text
    form = client.form_values(found.text, AT)
    refused = client.post(AT, data=form)
    assert refused.status_code == 422 and "Say why" in refused.text and not Run.select().exists()
    form = client.form_values(refused.text, AT)
    assert client.post(AT, data={**form, "reason": "asked by letter"}).headers["Location"] == AT
    assert "Waiting" in client.get(AT).text
    runs.work_available(work.HANDLERS)
    shown = client.get(AT).text
    assert Order.get().ship_to["name"] == ERASED and "asked by letter" in shown and "ada@" not in shown.lower()
    run = client.get(f"/runs/{Run.get().public_id}").text
    assert "Erase a person" in run and "ada@" not in run.lower()
    nobody = client.post(f"{AT}/search", data={**client.form_values(shown, f"{AT}/search"), "typed": "Ada Byron"})
    assert "Nobody was found" in nobody.text
    assert client.post(f"{AT}/search", data={**client.form_values(shown, f"{AT}/search"), "typed": " "}).status_code == 422


def test_somebody_who_signed_in_is_erased_from_the_team(client: Any, member_client: Any, member: User, owner: User) -> None:
    at = f"{AT}/users/{member.public_id}"
    assert at in client.get("/team").text and at not in member_client.get("/team").text and member_client.get(at).status_code == 403
    assert client.send_form(at, {"typed": "x", "reason": "left"}).status_code == 422
    assert client.send_form(at, {"typed": member.email, "reason": "left"}).headers["Location"] == "/team"
    assert member.email not in client.get("/team").text and users.mark_of(member) in client.get("/team").text
    assert member_client.get("/sources").status_code == 302 and Erasure.get().kind == "user"
    assert not AuditLine.select().where(AuditLine.who == member.email).exists()
    own = f"{AT}/users/{owner.public_id}"
    assert (
        client.send_form(own, {"typed": owner.email, "reason": "left"}).status_code == 422 and User.get_by_id(owner.id).email == owner.email
    )


def test_days_are_set_by_an_owner_and_shown_to_all(client: Any, member_client: Any) -> None:
    assert "Empty: 30 days" in client.get(DAYS).text and "days-save" not in member_client.get(DAYS).text
    assert client.send_form(DAYS, {"persons": "29"}).status_code == 422
    assert client.send_form(DAYS, {"persons": "90"}).status_code == 303
    assert Retention.get().persons == 90 and "90 days" in member_client.get(DAYS).text
