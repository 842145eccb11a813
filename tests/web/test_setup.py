"""The end of set-up: naming SKUs, the review, and Save, which makes the source live."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import setup_steps
from portal.models import AuditLine, InventoryItem, Run, Source
from tests.test_sku_mapping import stock
from tests.web.setting_up import fresh, integration, path, upload

HX = {"HX-Request": "true"}


@pytest.fixture
def source(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> Source:
    """A draft that is mapped, with its orders and shipments answered."""
    made = make_source()
    upload(client, made, run_work)
    assert client.send_form(path(made, "/mapping/inventory"), {"do": "save"}).status_code == 303
    for step in ("orders", "shipments"):
        setup_steps.mark(made, step)
    return fresh(made)


def save_skus(client: Any, source: Source, prefix: str, **fields: Any) -> Any:
    return client.send_form(path(source, "/skus"), {"prefix": prefix, "do": "save", **fields})


# SKU mapping


def test_the_chain_shows_real_items_and_the_prefix_as_typed(client: Any, source: Source) -> None:
    page = client.get(path(source, "/skus")).text
    assert "3 of 3 items" in page and "NW-10442" in page and "None of 3 Master SKUs is used by another source" in page
    part = client.get(path(source, "/skus/chain?prefix=QQ-"), headers=HX).text
    assert part.strip().startswith('<section class="panel" id="chain"') and "QQ-NW-10442" in part
    assert fresh(source).sku_prefix == ""


def test_continue_keeps_the_prefix_and_opens_the_review(client: Any, source: Source) -> None:
    answer = save_skus(client, source, " QQ- ")
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source, "/review"))
    assert fresh(source).sku_prefix == "QQ-" and "skus" in fresh(source).setup_done


def test_preview_without_a_script_saves_nothing(client: Any, source: Source) -> None:
    answer = client.send_form(path(source, "/skus"), {"prefix": "QQ-", "do": "preview"})
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"]).text
    assert "QQ-NW-10442" in page and 'value="QQ-"' in page and fresh(source).sku_prefix == ""


def test_a_prefix_that_cannot_be_is_said_and_stays_as_typed(client: Any, source: Source) -> None:
    answer = save_skus(client, source, "N W<b>")
    assert answer.status_code == 422 and "The prefix holds a space" in answer.text
    assert client.form_values(answer.text, path(source, "/skus"))["prefix"] == "N W<b>"
    assert "skus" not in fresh(source).setup_done
    assert client.get(path(source, "/skus/chain?prefix=" + "%00%3Cx" * 50), headers=HX).status_code == 200


def test_shared_master_skus_are_counted_and_shown(client: Any, source: Source, make_source: Callable[..., Source]) -> None:
    other = stock(make_source("Harbor"), "NW-10442", "NW-10443", "XX-1")
    page = client.get(path(source, "/skus")).text
    assert "2 collisions" in page and "2 of 3 would have the same Master SKU as an item of Harbor" in page
    shared = client.get(path(source, f"/skus/collisions?other={other.public_id}")).text
    assert "NW-10443" in shared and "Item NW-10443" in shared and "XX-1" not in shared
    assert "No Master SKU is shared" in client.get(path(source, f"/skus/collisions?other={other.public_id}&prefix=QQ-")).text
    assert save_skus(client, source, "").status_code == 303


def test_another_merchants_source_cannot_be_compared(client: Any, source: Source, make_source: Any, other_merchant: Any) -> None:
    theirs = stock(make_source("Theirs", of=other_merchant), "NW-10442")
    assert "None of 3" in client.get(path(source, "/skus")).text
    answers = [client.get(path(source, f"/skus/collisions?other={one}")) for one in (theirs.public_id, "a" * 22)]
    assert [answer.status_code for answer in answers] == [404, 404] and answers[0].data == answers[1].data


def test_the_second_of_two_browsers_is_told(client: Any, source: Source) -> None:
    mine = client.form_values(client.get(path(source, "/skus")).text, path(source, "/skus"))
    save_skus(client, source, "AA-")
    late = client.post(path(source, "/skus"), data={**mine, "prefix": "BB-", "do": "save"})
    assert late.status_code == 409 and "they have <b>AA-</b>" in late.text and fresh(source).sku_prefix == "AA-"
    kept = client.form_values(late.text, path(source, "/skus"))
    assert client.post(path(source, "/skus"), data={**kept, "do": "save"}).status_code == 303
    assert fresh(source).sku_prefix == "BB-"


# the review


def test_the_review_holds_every_answer_with_a_way_to_change_it(client: Any, source: Source) -> None:
    save_skus(client, source, "QQ-")
    page = client.get(path(source, "/review")).text
    for words in ("Northwind", "Dropship supplier", "File upload", "The newest upload", "Comma, UTF-8", "Inventory SKU: item_no"):
        assert words in page, words
    assert "File upload has no server to send orders to" in page
    assert "The first sync reads about 4 rows" in page and "3 become items; 1 row would be set aside" in page
    for step in ("suppliers", "connection", "file", "mapping/inventory", "skus"):
        assert f'href="{path(source, "/" + step)}?back=review"' in page, step


def test_a_changed_answer_comes_back_to_the_review(client: Any, source: Source) -> None:
    save_skus(client, source, "QQ-")
    values = client.form_values(client.get(path(source, "/skus?back=review")).text, path(source, "/skus"))
    answer = client.post(path(source, "/skus"), data={**values, "prefix": "RR-", "do": "save"})
    assert answer.headers["Location"] == path(source, "/review")


def test_save_makes_the_source_live_and_starts_the_first_sync(client: Any, source: Source, run_work: Any) -> None:
    save_skus(client, source, "QQ-")
    answer = client.send_form(path(source, "/review"))
    run = Run.get(Run.kind == "inventory")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/runs/{run.public_id}")
    live = fresh(source)
    assert live.state == "live" and integration(source).enabled and run.cause == "first_sync"
    assert AuditLine.select().where(AuditLine.action == "source.activate").count() == 1
    run_work()
    assert sorted(item.sku for item in InventoryItem.select()) == ["NW-10442", "NW-10443", "NW-10444"]


def test_a_double_click_on_save_starts_one_sync(client: Any, source: Source) -> None:
    save_skus(client, source, "")
    sent = client.form_values(client.get(path(source, "/review")).text, path(source, "/review"))
    answers = [client.post(path(source, "/review"), data=sent) for _ in range(2)]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert Run.select().where(Run.kind == "inventory").count() == 1


def test_a_second_save_of_a_live_source_is_refused(client: Any, source: Source) -> None:
    save_skus(client, source, "")
    sent = client.form_values(client.get(path(source, "/review")).text, path(source, "/review"))
    client.post(path(source, "/review"), data=sent)
    again = client.post(path(source, "/review"), data={**sent, "form_token": "another"})
    assert again.status_code == 409 and "is active already" in again.text
    assert Run.select().where(Run.kind == "inventory").count() == 1
    assert "Activates" not in client.get(path(source, "/review")).text


def test_what_changed_behind_the_review_is_shown_first(client: Any, source: Source) -> None:
    save_skus(client, source, "")
    sent = client.form_values(client.get(path(source, "/review")).text, path(source, "/review"))
    save_skus(client, source, "ZZ-")
    late = client.post(path(source, "/review"), data=sent)
    assert late.status_code == 409 and "Someone changed this while you looked" in late.text and "ZZ-" in late.text
    assert fresh(source).state == "draft" and Run.select().where(Run.kind == "inventory").count() == 0


@pytest.mark.parametrize("step", ["skus", "review"])
def test_the_last_steps_cannot_be_skipped_to(client: Any, make_source: Callable[..., Source], step: str) -> None:
    early = make_source("Early")
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    for answer in (client.get(path(early, f"/{step}")), client.post(path(early, f"/{step}"), data={"csrf_token": token})):
        assert (answer.status_code, answer.headers["Location"]) == (303, path(early, "/suppliers"))
    assert fresh(early).state == "draft"
