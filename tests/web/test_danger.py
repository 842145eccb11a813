"""Remove Inventory and Delete Source on screen: counts, the typed name, the password again, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, removals, runs
from portal.models import Document, InventoryItem, Run, SealedSecret, Session, Source, User
from tests.conftest import PASSWORD

HTMX = {"HX-Request": "true"}


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    """Northwind with three items, a kept file and a saved password."""
    source = make_source(state="live")
    for n in range(3):
        InventoryItem.create(merchant=source.merchant, source=source, sku=f"S{n}", content_hash=n, last_run_id=0, last_row=n)
    Document.create(merchant=source.merchant, source=source, name="stock.csv", size=4, sha256="0" * 64, stored_name="x/y")
    SealedSecret.create(source=source, field="password", sealed="sealed")
    Source.update(item_count=3).where(Source.id == source.id).execute()
    return Source.get_by_id(source.id)


def at(source: Source, act: str) -> str:
    return f"/sources/{source.public_id}/{act}"


def token(client: Any) -> str:
    return str(client.form_values(client.get("/help").text, "/sign-out")["csrf_token"])


def long_ago(user: User) -> None:
    """The password was given more than ten minutes ago."""
    Session.update(proved_at=clock.now() - timedelta(minutes=11)).where(Session.user == user).execute()


def items(source: Source) -> int:
    return InventoryItem.select().where(InventoryItem.source == source).count()


def test_the_settings_lead_to_both_and_operators_see_for_whom_they_are(client: Any, operator_client: Any, source: Source) -> None:
    mine, theirs = (one.get(at(source, "settings")).text for one in (client, operator_client))
    for act in ("removal", "deletion"):
        assert f'href="{at(source, act)}"' in mine and f'href="{at(source, act)}"' not in theirs
    assert "Remove Inventory" in theirs and "Delete Source" in theirs


def test_the_pages_count_what_goes_and_say_what_stays(client: Any, source: Source) -> None:
    removal, deletion = client.get(at(source, "removal")).text, client.get(at(source, "deletion")).text
    for words in ("This cannot be undone", "Remove 3 items", "What stays", "1 kept file", "Keep the inventory"):
        assert words in removal
    for words in ("Delete Northwind and 3 items", "hidden at once", "Saved credentials", "the audit log", "Keep the source"):
        assert words.lower() in deletion.lower()
    InventoryItem.delete().where(InventoryItem.sku == "S0").execute()
    assert "Remove 2 items" in client.get(at(source, "removal")).text, "counted now, not remembered"


def test_an_empty_source_has_nothing_to_remove(client: Any, make_source: Any) -> None:
    text = client.get(at(make_source("Empty"), "removal")).text
    assert "There is nothing to remove" in text and 'id="confirm-act"' not in text


@pytest.mark.parametrize("act", ["removal", "deletion"])
@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_name_that_does_not_match_takes_nothing(client: Any, source: Source, act: str, headers: Any) -> None:
    answer = client.send_form(at(source, act), {"typed_name": "northwind"}, headers=headers)
    assert answer.status_code == 422 and "The name does not match. Type Northwind." in answer.text
    assert 'value="northwind"' in answer.text and (headers or "<title>Error: " in answer.text)
    assert items(source) == 3 and Source.get_by_id(source.id).state == "live" and not Run.select().exists()


def test_the_inventory_goes_in_a_run_that_has_a_page(client: Any, source: Source, run_work: Callable[[], None]) -> None:
    answer = client.send_form(at(source, "removal"), {"typed_name": "Northwind"})
    run = Run.get(Run.kind == "remove_inventory")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.public_id}")
    assert items(source) == 3, "the page does not wait for it"
    run_work()
    assert items(source) == 0 and client.get(answer.headers["Location"]).status_code == 200
    assert client.get(at(source, "settings")).status_code == 200


def test_a_run_in_the_way_is_named_before_and_refused_after(client: Any, source: Source) -> None:
    busy = runs.start(source, "connection_check")
    page = client.get(at(source, "removal")).text
    assert "A run of this source is not finished" in page and f"/runs/{busy.public_id}" in page
    answer = client.send_form(at(source, "removal"), {"typed_name": "Northwind"})
    assert answer.status_code == 409 and "Nothing was removed" in answer.text and 'value="Northwind"' in answer.text
    assert f"/runs/{busy.public_id}" in client.get(at(source, "deletion")).text


def test_a_deleted_source_is_listed_and_comes_back(client: Any, source: Source, owner: User, run_work: Callable[[], None]) -> None:
    answer = client.send_form(at(source, "deletion"), {"typed_name": "Northwind"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/sources/deleted")
    listed = client.get("/sources/deleted").text
    assert "You can restore it for 7 days" in listed and owner.email in listed and "in 7 days" in listed
    assert client.get(at(source, "settings")).status_code == 404 and "Northwind" not in client.get("/sources").text
    run_work()
    back = client.send_form(at(source, "restoration"), page="/sources/deleted")
    assert (back.status_code, back.headers["Location"]) == (303, f"/sources/{source.public_id}")
    assert "Northwind is restored." in client.get(back.headers["Location"]).text and items(source) == 3
    assert "No source waits here" in client.get("/sources/deleted").text


def test_a_name_taken_meanwhile_is_told(client: Any, source: Source, make_source: Any) -> None:
    client.send_form(at(source, "deletion"), {"typed_name": "Northwind"})
    make_source("Northwind")
    back = client.send_form(at(source, "restoration"), page="/sources/deleted")
    assert "Northwind (restored) is restored. Another source is called Northwind now" in client.get(back.headers["Location"]).text


def test_only_a_deleted_source_within_its_days_can_be_restored(client: Any, source: Source) -> None:
    sent = {"csrf_token": token(client)}
    assert client.post(at(source, "restoration"), data=sent).status_code == 404
    removals.delete(source, "Northwind", "owner")
    Source.update(purge_at=clock.now()).where(Source.id == source.id).execute()
    assert client.post(at(source, "restoration"), data=sent).status_code == 404
    assert "Northwind" not in client.get("/sources/deleted").text


@pytest.mark.parametrize("act", ["removal", "deletion"])
def test_a_second_click_does_it_once(client: Any, source: Source, act: str) -> None:
    sent = client.form_values(client.get(at(source, act)).text, at(source, act)) | {"typed_name": "Northwind"}
    first, second = (client.post(at(source, act), data=sent) for _ in range(2))
    assert first.status_code == second.status_code == 303 and first.headers["Location"] == second.headers["Location"]
    assert Run.select().count() == 1


@pytest.mark.parametrize("act", ["removal", "deletion"])
def test_the_password_is_asked_for_again_after_ten_minutes(client: Any, owner: User, source: Source, act: str) -> None:
    sent = client.form_values(client.get(at(source, act)).text, at(source, act)) | {"typed_name": "Northwind"}
    long_ago(owner)
    for answer in (client.get(at(source, act)), client.post(at(source, act), data=sent)):
        assert answer.status_code == 303 and answer.headers["Location"].startswith("/prove?next=")
    assert not Run.select().exists() and Source.get_by_id(source.id).state == "live"
    page = client.get(at(source, act)).headers["Location"]
    back = client.send_form("/prove", {"password": PASSWORD}, page=page)
    assert back.headers["Location"] == at(source, act) and client.get(at(source, act)).status_code == 200


def test_operators_neither_take_away_nor_bring_back(operator_client: Any, source: Source) -> None:
    sent = {"csrf_token": token(operator_client), "typed_name": "Northwind"}
    for act in ("removal", "deletion"):
        assert operator_client.get(at(source, act)).status_code == 403
        assert operator_client.post(at(source, act), data=sent).status_code == 403
    removals.delete(source, "Northwind", "owner")
    assert "Owners and admins can restore it" in operator_client.get("/sources/deleted").text
    assert operator_client.post(at(source, "restoration"), data=sent).status_code == 403
    assert Source.get_by_id(source.id).state == "deleted"


def test_deleted_sources_of_others_are_not_listed(client: Any, make_source: Any, other_merchant: Any) -> None:
    removals.delete(make_source("Theirs", of=other_merchant), "Theirs", "owner")
    assert "Theirs" not in client.get("/sources/deleted").text
