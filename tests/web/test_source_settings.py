"""The Settings tab: every row on its own page and in place, the override, who may, and two people at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import clock, sources
from portal.models import AuditLine, Integration, Merchant, SealedSecret, Source, User

HTMX = {"HX-Request": "true"}


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    return make_source(state="live", item_count=48_210)


def at(source: Source, name: str = "") -> str:
    return f"/sources/{source.public_id}/settings" + (f"/{name}" if name else "")


def fresh(source: Source) -> Source:
    return Source.get_by_id(source.id)


def test_the_table_says_what_each_setting_does_when_to_use_it_and_its_value(client: Any, source: Source) -> None:
    text = client.get(at(source)).text
    for words in ("Setting", "What it does", "When to use", "Value"):
        assert f'<th scope="col">{words}</th>' in text
    for words in (
        "Allow Backorders",
        "Override Global Settings for This Source",
        "Auto Process Fulfillment Requests",
        "out of stock may still be ordered",
    ):
        assert words in text


def test_what_is_kept_elsewhere_has_its_value_and_the_way_there(client: Any, make_source: Any) -> None:
    live, draft = make_source("Kestrel", state="live", supplier="sftp-file", sku_prefix="KS-"), make_source("Tidewater")
    Integration.create(source=live, kind="get_inventory_primary", enabled=True, schedule={"every_minutes": 60})
    SealedSecret.create(source=live, field="password", sealed="x", hint="", saved_by="ana@example.com", saved_at=clock.now())
    text, here = client.get(at(live)).text, f"/sources/{live.public_id}"
    for row, value, way in (
        ("schedule", "Every hour", f"{here}/integrations/get_inventory_primary/schedule"),
        ("guards", "Defaults", f"{here}/integrations/get_inventory_primary/guards"),
        ("silence", "24 h: keep stock", f"{here}/integrations/get_inventory_primary/silence"),
        ("credentials", "Saved <time", f"{here}/connection"),
        ("prefix", "KS-", f"{here}/skus"),
    ):
        cells = text.split(f'id="row-{row}"')[1].split("</tr>")[0]
        assert value in cells and f'id="go-{row}" href="{way}"' in cells, cells
    unset = client.get(at(draft)).text
    assert "Not set up yet" in unset and "None saved" in unset and 'id="go-schedule"' not in unset and 'id="go-prefix"' not in unset
    assert 'id="guards"' in client.get("/help").text


def test_backorders_start_on_for_internal_warehouses_only(client: Any, make_source: Any) -> None:
    warehouse, supplier = make_source("Shed", kind="internal_warehouse"), make_source("Kestrel")
    found = [client.form_values(client.get(at(one, "allow-backorders")).text, at(one, "allow-backorders")) for one in (warehouse, supplier)]
    assert ["on" in values for values in found] == [True, False]


@pytest.mark.parametrize(("name", "column"), [("allow-backorders", "allow_backorders"), ("override", "override_global")])
def test_a_switch_is_saved_on_and_off_by_a_plain_page(client: Any, source: Source, owner: User, name: str, column: str) -> None:
    for sent, kept in (({"on": "y"}, True), ({"on": None}, False)):
        answer = client.send_form(at(source, name), sent)
        assert (answer.status_code, answer.headers["Location"]) == (303, at(source))
        assert getattr(fresh(source), column) is kept
    lines = [(line.action, line.who, line.after) for line in AuditLine.select().where(AuditLine.action == f"source.{column}")]
    assert [one[2][column] for one in lines] == [True, False] and {one[1] for one in lines} == {owner.email}


def test_auto_process_is_inherited_until_the_override_is_on(client: Any, source: Source, merchant: Merchant) -> None:
    text = client.get(at(source)).text
    assert "Global: Off" in text and 'id="edit-auto-process"' not in text and "turn on the override first" in text
    page = client.get(at(source, "auto-process"))
    assert page.status_code == 200 and "follows the global setting, which is Off" in page.text and at(source, "override") in page.text
    Merchant.update(auto_process=True).where(Merchant.id == merchant.id).execute()
    assert "Global: On" in client.get(at(source)).text


def test_without_the_override_nobody_sets_it_past_the_page(client: Any, source: Source) -> None:
    token = client.form_values(client.get(at(source)).text, "/sign-out")["csrf_token"]
    answer = client.post(at(source, "auto-process"), data={"csrf_token": token, "on": "y", "version": str(source.version)})
    assert answer.status_code == 409 and "Turn on Override Global Settings" in answer.text
    assert fresh(source).auto_process is False


def test_the_override_takes_over_the_global_value_and_then_counts_alone(client: Any, source: Source, merchant: Merchant) -> None:
    Merchant.update(auto_process=True).where(Merchant.id == merchant.id).execute()
    client.send_form(at(source, "override"), {"on": "y"})
    assert (fresh(source).override_global, fresh(source).auto_process) == (True, True)
    assert client.send_form(at(source, "auto-process"), {"on": None}).status_code == 303
    assert fresh(source).auto_process is False
    text = client.get(at(source)).text
    assert 'id="edit-auto-process"' in text and "Global: On" in text


def test_name_and_type_are_edited_with_the_errors_at_their_fields(client: Any, source: Source, make_source: Any) -> None:
    make_source("Kestrel")
    answer = client.send_form(at(source, "name"), {"name": " KESTREL ", "kind": "data_source"})
    assert answer.status_code == 422 and "You already have a source called KESTREL" in answer.text and "Error: Name and type" in answer.text
    assert client.form_values(answer.text, at(source, "name"))["kind"] == "data_source", "what was typed is kept"
    assert client.send_form(at(source, "name"), {"kind": "spaceship"}).status_code == 422
    assert client.send_form(at(source, "name"), {"name": "Wren", "kind": "data_source"}).status_code == 303
    assert (fresh(source).name, fresh(source).kind) == ("Wren", "data_source")


def test_htmx_edits_the_row_in_place_and_gives_the_keyboard_back(client: Any, source: Source) -> None:
    table = client.get(at(source, "allow-backorders"), headers=HTMX).text
    assert table.lstrip().startswith('<div class="panel" id="settings">') and "<html" not in table
    assert table.count('id="edit-setting"') == 1 and "data-focus" in table and 'id="edit-override"' in table
    sent = client.form_values(table, at(source, "allow-backorders")) | {"on": "y"}
    after = client.post(at(source, "allow-backorders"), data=sent, headers=HTMX)
    assert after.status_code == 200 and 'id="edit-setting"' not in after.text and "Saved " in after.text
    assert 'id="edit-allow-backorders"' in after.text and after.text.count("data-focus") == 1
    assert fresh(source).allow_backorders is True
    cancelled = client.get(at(source) + "?from=override", headers=HTMX).text
    assert cancelled.count("data-focus") == 1 and "Saved " not in cancelled


def test_htmx_shows_a_new_name_everywhere_by_a_new_page(client: Any, source: Source) -> None:
    sent = client.form_values(client.get(at(source, "name"), headers=HTMX).text, at(source, "name")) | {"name": "Wren"}
    answer = client.post(at(source, "name"), data=sent, headers=HTMX)
    assert answer.headers["HX-Redirect"] == at(source) and fresh(source).name == "Wren"


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_two_people_saving_at_once_see_each_other(client: Any, member_client: Any, source: Source, member: User, headers: Any) -> None:
    mine = client.form_values(client.get(at(source, "name"), headers=headers).text, at(source, "name")) | {"name": "Mine"}
    member_client.send_form(at(source, "name"), {"name": "Theirs"})
    answer = client.post(at(source, "name"), data=mine, headers=headers)
    assert answer.status_code == 409 and "Someone changed this while you edited" in answer.text
    assert member.email in answer.text and "they have <b>Theirs</b>" in answer.text and 'value="Mine"' in answer.text
    assert fresh(source).name == "Theirs"
    assert client.post(at(source, "name"), data=client.form_values(answer.text, at(source, "name"))).status_code == 303
    assert fresh(source).name == "Mine"


def test_the_same_form_twice_is_saved_once(client: Any, source: Source) -> None:
    sent = client.form_values(client.get(at(source, "allow-backorders")).text, at(source, "allow-backorders")) | {"on": "y"}
    answers = [client.post(at(source, "allow-backorders"), data=sent) for _ in range(2)]
    assert [(one.status_code, one.headers["Location"]) for one in answers] == [(303, at(source))] * 2
    assert fresh(source).version == source.version + 1


def test_operators_read_the_settings_and_change_none(operator_client: Any, source: Source) -> None:
    text = operator_client.get(at(source)).text
    assert 'id="edit-override"' not in text and "Owners and admins" in text
    assert operator_client.get(at(source, "override")).status_code == 403
    token = operator_client.form_values(text, "/sign-out")["csrf_token"]
    answer = operator_client.post(at(source, "override"), data={"csrf_token": token, "on": "y", "version": str(fresh(source).version)})
    assert answer.status_code == 403 and fresh(source).override_global is False


def test_a_setting_that_does_not_exist_is_not_found(client: Any, source: Source) -> None:
    assert client.get(at(source, "colour")).status_code == 404
    token = client.form_values(client.get(at(source)).text, "/sign-out")["csrf_token"]
    assert client.post(at(source, "colour"), data={"csrf_token": token}).status_code == 404


def test_a_draft_has_settings_and_a_deleted_source_none(client: Any, make_source: Any) -> None:
    draft, gone = make_source("Draft"), make_source("Gone", state="deleted")
    assert client.get(at(draft)).status_code == 200 and client.get(at(gone)).status_code == 404


def test_the_second_files_rule_for_late_is_linked_once_there_is_one(client, make_source):
    source = make_source(state="live", supplier="sftp-file")
    sources.add_integration(source, "get_inventory_primary", "owner")
    at = f"/sources/{source.public_id}/integrations/get_inventory_secondary/freshness"
    assert at not in client.get(f"/sources/{source.public_id}/settings").text
    sources.add_integration(source, "get_inventory_secondary", "owner")
    text = client.get(f"/sources/{source.public_id}/settings").text
    assert at in text and "Get Inventory Secondary counts as late" in text
