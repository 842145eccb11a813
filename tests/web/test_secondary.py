"""Get Inventory Secondary on screen: added step by step, left and resumed, turned on, run, edited and taken away again."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from portal import directory, documents, mappings, runs, secondary, sources
from portal.fields import INVENTORY_COLUMNS
from portal.models import AuditLine, Connection, Integration, InventoryItem, Run, Source, UnknownSku
from portal.runs import AlreadyRunning
from tests.feed_of import Feed, rows_of
from tests.web.setting_up import fresh, integration, path

KIND = "get_inventory_secondary"
HX = {"HX-Request": "true"}
SECOND = b"sku,stock,price,label\nSKU-00000,41,9.95,x\nSKU-00001,42,8.50,y\nNEW-1,3,1.00,z\n,9,2.00,q\n"


@pytest.fixture
def source(make_source: Callable[..., Source], client: Any) -> Source:
    """A live source of 5 items whose file is uploaded."""
    made = make_source()
    directory.select(made, "file-upload", True, made.version, "owner")
    Integration.delete().where(Integration.source == made, Integration.kind == "get_inventory_primary").execute()
    feed = Feed(made)
    feed.sync(rows_of(5))
    steps = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    Source.update(setup_done=steps).where(Source.id == made.id).execute()
    return fresh(made)


def second(source: Source) -> Integration:
    return integration(source, KIND)


def send(client: Any, source: Source, content: bytes = SECOND, name: str = "prices.csv") -> Any:
    there = path(source, "/secondary/upload")
    files = {"file": (io.BytesIO(content), name)}
    return client.send_form(there, files, page=there, content_type="multipart/form-data")


def added(client: Any, source: Source, run_work: Callable[[], None]) -> None:
    """Through every step but the last."""
    assert client.send_form(path(source, "/secondary")).headers["Location"] == path(source, "/secondary/file")
    assert send(client, source).headers["Location"] == path(source, "/secondary/file")
    run_work()
    assert client.send_form(path(source, "/secondary/file")).headers["Location"] == path(source, "/mapping/secondary")
    answer = client.send_form(path(source, "/mapping/secondary"), {"do": "save"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source, "/secondary/review"))


def test_it_is_offered_on_the_integrations_of_a_live_source_only(client: Any, source: Source, make_source: Any) -> None:
    assert "Add Get Inventory Secondary" in client.get(path(source, "/integrations")).text
    page = client.get(path(source, "/secondary")).text
    assert (
        "price, quantity and status only" in page
        and "never creates items" in page
        and "only if the supplier gives you a second file" in page
    )
    draft = make_source("Kestrel")
    assert "Add Get Inventory Secondary" not in client.get(path(draft, "/integrations")).text
    assert client.get(path(draft, "/secondary")).status_code == 409
    assert (
        client.post(path(draft, "/secondary"), data={"csrf_token": client.form_values(page, "/sign-out")["csrf_token"]}).status_code == 409
    )
    assert not Integration.select().where(Integration.kind == KIND).exists()


def test_every_step_is_saved_and_it_is_resumed_where_it_was_left(client: Any, source: Source, run_work: Any) -> None:
    client.send_form(path(source, "/secondary"))
    assert not second(source).enabled and second(source).next_run_at is None
    page = client.get(path(source, "/integrations")).text
    assert (
        "Being added" in page and f'id="go-on-{KIND}" href="{path(source, "/secondary/file")}"' in page and f'id="run-{KIND}"' not in page
    )
    send(client, source)
    run_work()
    assert "SKU-00001" in client.get(path(source, "/secondary/file")).text
    client.send_form(path(source, "/secondary/file"))
    assert client.get(path(source, "/secondary")).headers["Location"] == path(source, "/mapping/secondary")
    assert list(secondary.done(second(source))) == ["file"]


@pytest.mark.parametrize("step", ["/mapping/secondary", "/secondary/review"])
def test_a_skipped_step_leads_to_the_first_open_one(client: Any, source: Source, step: str) -> None:
    client.send_form(path(source, "/secondary"))
    for headers in ({}, HX):
        answer = client.get(path(source, step), headers=headers)
        there = answer.headers.get("Location") or answer.headers["HX-Redirect"]
        assert there == path(source, "/secondary/file")
    assert "Choose the file comes first." in client.get(path(source, "/secondary/file")).text
    token = client.form_values(client.get(path(source, "/integrations")).text, "/sign-out")["csrf_token"]
    assert client.post(path(source, step), data={"csrf_token": token, "version": "1"}).headers["Location"] == path(
        source, "/secondary/file"
    )
    assert not second(source).enabled and not Run.select().where(Run.integration == second(source), Run.kind == "inventory").exists()


def test_the_mapping_is_limited_to_what_a_second_file_may_set(client: Any, source: Source, run_work: Any) -> None:
    client.send_form(path(source, "/secondary"))
    send(client, source)
    run_work()
    client.send_form(path(source, "/secondary/file"))
    there = path(source, "/mapping/secondary")
    page = client.get(there).text
    values = client.form_values(page, there)
    assert (values["f.sku.column"], values["f.quantity.column"], values["f.cost.column"]) == ("c:sku", "c:stock", "c:price")
    assert "f.title.column" not in page and 'id="custom"' not in page and 'id="weight_unit"' not in page and "as a custom field" not in page
    assert "f.status.column" in page and "1 of 4 rows: No SKU" in page and "never makes an item" in page
    moved = client.post(there + "/draft", data={**values, "do": "show:needs"}, headers={**HX, "HX-Target": "mapping-page"}).text
    assert moved.lstrip().startswith('<div id="mapping-page">') and "f.title.column" not in moved
    answer = client.send_form(there, {"do": "save", "f.title.column": "c:label", "x.0.name": "Label", "x.0.column": "c:label"})
    assert answer.status_code == 422 and "sets no custom fields" in answer.text
    answer = client.send_form(there, {"do": "save", "f.quantity.column": "", "f.cost.column": ""})
    assert answer.status_code == 422 and "Choose at least one column beside the SKU" in answer.text
    client.send_form(there, {"do": "save", "f.title.column": "c:label"})
    assert set(secondary_rules(source)) == {"sku", "quantity", "cost"}


def secondary_rules(source: Source) -> dict[str, Any]:
    version = mappings.current(second(source))
    assert version is not None
    return dict(version.rules["fields"])


def test_the_last_page_says_what_will_happen_and_turns_it_on(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    page = client.get(path(source, "/secondary/review")).text
    for words in ("The first sync reads about 4 rows; 1 row would be set aside.",
                  "2 of its 3 SKUs are items that you have, and may change.",
                  "1 SKU is not, and is left out: no item is created.", "Quantity, Cost come from this file from then on",
                  "Items that the file does not name stay as they are.", "read when you upload a file", "Quantity: stock"):  # fmt: skip
        assert words in page, words
    assert not Run.select().where(Run.integration == second(source), Run.kind == "inventory").exists()
    answer = client.send_form(path(source, "/secondary/review"))
    run = Run.select().where(Run.integration == second(source)).get()
    assert answer.headers["Location"] == f"/runs/{run.public_id}" and second(source).enabled and run.cause == "first_sync"
    assert AuditLine.select().where(AuditLine.action == "integration.activate").count() == 1
    again = client.get(path(source, "/secondary/review")).text
    assert "It is on." in again and "turn-on" not in again
    assert client.get(path(source, "/secondary")).headers["Location"] == path(source, "/integrations")


def test_what_someone_else_changed_meanwhile_is_looked_at_first(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    page = client.get(path(source, "/secondary/review")).text
    values = client.form_values(page, path(source, "/secondary/review"))
    Integration.update(version=Integration.version + 1, changed_by="ana@example.com").where(Integration.kind == KIND).execute()
    answer = client.post(path(source, "/secondary/review"), data=values)
    assert answer.status_code == 409 and "ana@example.com saved at" in answer.text and not second(source).enabled


def test_once_on_it_has_runs_and_a_menu_of_its_own(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    client.send_form(path(source, "/secondary/review"))
    run_work()
    assert InventoryItem.get(InventoryItem.sku == "SKU-00000").quantity == 41
    run = Run.select().where(Run.integration == second(source), Run.kind == "inventory").get()
    assert "Get Inventory Secondary" in client.get(f"/runs/{run.public_id}").text
    listed = client.get(path(source, f"/runs?kind={KIND}")).text
    assert listed.count("Get Inventory Secondary</div>") == 1 and "Get Inventory Primary</div>" not in listed
    menu = client.get(path(source, "/integrations")).text
    for words in (f'id="run-{KIND}"', path(source, "/secondary/upload"), path(source, "/mapping/secondary"), f"/{KIND}/schedule",
                  f"/{KIND}/pause", f"/{KIND}/policies",
                  path(source, f"/runs?kind={KIND}"), path(source, "/secondary/removal")):  # fmt: skip
        assert words in menu, words
    assert "Add Get Inventory Secondary" not in menu


def test_another_upload_of_it_is_synced_and_leaves_the_first_file_alone(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    client.send_form(path(source, "/secondary/review"))
    run_work()
    answer = send(client, source, SECOND.replace(b"41", b"77"))
    run_work()
    run = Run.select().where(Run.integration == second(source)).order_by(Run.id.desc()).get()
    assert answer.headers["Location"] == f"/runs/{run.public_id}"
    assert InventoryItem.get(InventoryItem.sku == "SKU-00000").quantity == 77
    assert documents.latest_upload(source).name == "stock.csv" and documents.latest_upload(source, KIND).name == "prices.csv"
    assert client.get(path(source, "/file")).text.count("prices.csv") == 0


def test_it_runs_only_once_it_is_on(client: Any, source: Source) -> None:
    client.send_form(path(source, "/secondary"))
    there = path(source, f"/integrations/{KIND}/runs")
    token = client.form_values(client.get(path(source, "/integrations")).text, "/sign-out")["csrf_token"]
    assert client.post(there, data={"csrf_token": token}).status_code == 409
    assert client.post(path(source, f"/integrations/{KIND}/pause"), data={"csrf_token": token}).status_code == 409


def test_it_is_removed_after_a_look_and_the_inventory_stays(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    client.send_form(path(source, "/secondary/review"))
    run_work()
    InventoryItem.update(secondary=1 << INVENTORY_COLUMNS.index("quantity")).where(
        InventoryItem.sku << ["SKU-00000", "SKU-00001"]
    ).execute()
    before = InventoryItem.select().where(InventoryItem.source == source).count()
    page = client.get(path(source, "/secondary/removal")).text
    assert "2 items have values of it" in page and "Your inventory stays." in page and second(source).removed_at is None
    answer = client.send_form(path(source, "/secondary/removal"))
    assert answer.headers["Location"] == path(source, "/integrations")
    after = client.get(path(source, "/integrations")).text
    assert "Get Inventory Secondary was removed. Your items stay as they are." in after and "Add Get Inventory Secondary" in after
    assert InventoryItem.select().where(InventoryItem.source == source).count() == before
    for gone in ("/secondary/file", "/secondary/review", "/mapping/secondary", "/secondary/removal", f"/integrations/{KIND}/policies"):
        assert client.get(path(source, gone)).status_code == 404, gone
    run = Run.select().where(Run.integration == second(source), Run.kind == "inventory").get()
    assert client.get(f"/runs/{run.public_id}").status_code == 200
    client.send_form(path(source, "/secondary"))
    assert secondary.next_step(secondary.of(source)) == "file"
    assert client.get(path(source, "/secondary/file")).status_code == 200


def test_a_scheduled_source_asks_for_the_schedule_before_the_last_page(client: Any, make_source: Any) -> None:
    made = make_source(supplier="sftp-file", state="live")
    sources.add_integration(made, "get_inventory_primary", "owner")
    one = secondary.add(fresh(made), "owner")
    for step in ("file", "mapping"):
        secondary.mark(one, step)
    there = path(made, f"/integrations/{KIND}/schedule")
    assert client.get(path(made, "/secondary/review")).headers["Location"] == there
    page = client.get(there).text
    assert 'value="60"' in page and ">Continue</button>" in page and "in the last step" in page
    answer = client.send_form(there, {"how": "every", "every_minutes": "30"})
    assert answer.headers["Location"] == path(made, "/secondary/review") and second(made).schedule == {"every_minutes": 30}
    assert "After that: every 30 minutes." in client.get(path(made, "/secondary/review")).text


def test_a_second_link_goes_to_the_same_server_only(client: Any, make_source: Any) -> None:
    made = make_source(supplier="http-file", state="live")
    sources.add_integration(made, "get_inventory_primary", "owner")
    Connection.create(source=made, settings={"url": "https://files.northwind.example/stock.csv"})
    secondary.add(fresh(made), "owner")
    there = path(made, "/secondary/file")
    assert "Link of the second file" in client.get(there).text
    elsewhere = ("https://evil.example/x.csv", "http://files.northwind.example/x.csv", "https://files.northwind.example:8443/x.csv")
    for link, words in [("", "Paste the link"), *((link, "another server than") for link in elsewhere)]:
        answer = client.send_form(there, {"act": "read", "link": link})
        assert answer.status_code == 422 and words in answer.text, link
    assert not Run.select().exists()
    answer = client.send_form(there, {"act": "read", "link": "https://files.northwind.example/prices.csv"})
    assert answer.status_code == 303
    assert Run.get().settings == {"choice": {"link": "https://files.northwind.example/prices.csv"}, "kind": KIND}


def test_a_member_may_do_all_of_it(member_client: Any, source: Source) -> None:
    assert member_client.send_form(path(source, "/secondary")).status_code == 303
    assert member_client.get(path(source, "/secondary/removal")).status_code == 200


def test_a_run_of_it_and_of_the_first_file_are_two(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    client.send_form(path(source, "/secondary/review"))
    with pytest.raises(AlreadyRunning):
        runs.start_sync(second(source))
    runs.start_sync(integration(source))


def test_screens_name_the_feed_that_a_value_and_a_hold_come_from(client: Any, source: Source, run_work: Any) -> None:
    added(client, source, run_work)
    client.send_form(path(source, "/secondary/review"))
    run_work()
    item = InventoryItem.get(InventoryItem.sku == "SKU-00000")
    units, title = (client.get(f"/inventory/{item.public_id}/explanation/{column}").text for column in ("quantity", "title"))
    assert "<dt>Feed</dt><dd>Get Inventory Secondary</dd>" in units and path(source, "/mapping/secondary") in units
    assert "<dt>Feed</dt><dd>Get Inventory Primary</dd>" in title and path(source, "/mapping/inventory") in title
    review = client.get(path(source, "/review")).text
    assert "Get Inventory Secondary" in review and "Cost: price" in review
    run = Run.select().where(Run.integration == second(source), Run.kind == "inventory").get()
    Run.update(state="held", accepted=False, problem={"headline": "2 prices moved", "body": "They wait."}).where(Run.id == run.id).execute()
    held = client.get(f"/runs/{run.public_id}/held").text
    assert "Get Inventory Secondary, file of" in held and "read-again" in held
    client.send_form(path(source, "/secondary/removal"))
    gone = client.get(f"/runs/{run.public_id}/held").text
    assert "This feed was removed since; nothing to decide" in gone and "read-again" not in gone and "hx-trigger" not in gone
    token = client.form_values(gone, "/sign-out")["csrf_token"]
    assert client.post(f"/runs/{run.public_id}/acceptance", data={"csrf_token": token}).status_code == 409
    assert "(removed since)" in client.get(f"/inventory/{item.public_id}/explanation/quantity").text


def test_skus_without_an_item_are_listed_and_downloaded(client: Any, source: Source, run_work: Any) -> None:
    assert client.get(path(source, "/secondary/unknown")).status_code == 404
    added(client, source, run_work)
    assert "is an item here" in client.get(path(source, "/secondary/unknown")).text
    one = second(source)
    run = Run.select().order_by(Run.id.desc()).first()
    for number, sku in enumerate(["=LAMP-9", "LAMP-1", "SKU-00000"], 2):  # the last one is an item
        UnknownSku.create(integration=one, sku=sku, run_id=run.id, row_number=number)
    page = client.get(path(source, "/secondary/unknown")).text
    assert "LAMP-1" in page and "SKU-00000" not in page
    text = client.get(path(source, "/secondary/unknown.csv")).get_data(as_text=True).lstrip("\ufeff")
    assert text.splitlines()[1:] == [f"'=LAMP-9,{run.number},2", f"LAMP-1,{run.number},3"]
