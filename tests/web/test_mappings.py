"""Map the inventory: the editor as a form, its buttons without and with htmx, and what Save keeps."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from portal import mappings, setup_steps
from portal.models import AuditLine, MappingVersion, Source
from tests.web.setting_up import STOCK, fresh, integration, path, upload

HX = {"HX-Request": "true"}
HEADERS = STOCK.splitlines()[0].decode().split(",")


@pytest.fixture
def source(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> Source:
    """A draft whose uploaded file is read and accepted."""
    made = make_source()
    upload(client, made, run_work)
    return fresh(made)


def editor(source: Source) -> str:
    return path(source, "/mapping/inventory")


def form(client: Any, source: Source) -> dict[str, Any]:
    """The editor's form as a browser would send it."""
    return dict(client.form_values(client.get(editor(source)).text, editor(source)))


def draft(client: Any, source: Source, do: str, fields: dict[str, Any], target: str = "") -> Any:
    """Press a button of the editor: with `target` by htmx, without by a plain form."""
    headers = {**HX, "HX-Target": target} if target else {}
    return client.post(editor(source) + "/draft", data={**fields, "do": do}, headers=headers)


def save(client: Any, source: Source, fields: dict[str, Any] | None = None, do: str = "save") -> Any:
    return client.send_form(editor(source), {"do": do, **(fields or {})})


def rules(source: Source) -> dict[str, Any]:
    version = mappings.current(integration(source))
    assert version is not None
    return version.rules["fields"]


def test_the_editor_opens_with_what_was_found_and_says_why(client: Any, source: Source) -> None:
    page = client.get(editor(source)).text
    values = form(client, source)
    assert (values["f.sku.column"], values["f.upc.column"], values["f.quantity.column"]) == ("c:item_no", "c:upc", "c:qty_avail")
    assert "Header match" in page and "NW-10442" in page
    assert "1 of 4 rows: No SKU. These rows are set aside." in page
    assert "check digit" in page and "They import without UPC / EAN." in page
    assert "7 columns, 5 used, 2 ignored" in page


def test_save_keeps_a_version_and_goes_on_to_orders(client: Any, source: Source, owner: Any) -> None:
    answer = save(client, source)
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source, "/mapping/orders"))
    version = MappingVersion.get()
    assert (version.number, version.made_by, version.headers) == (1, owner, HEADERS)
    assert rules(source)["sku"] == {"columns": ["item_no"], "steps": []}
    assert "inventory" in fresh(source).setup_done
    assert AuditLine.select().where(AuditLine.action == "mapping.save").count() == 1


def test_save_and_leave_goes_to_the_source(client: Any, source: Source) -> None:
    answer = save(client, source, do="leave")
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source))
    assert integration(source).mapping_version == 1


def test_a_missing_needed_column_is_said_and_everything_typed_stays(client: Any, source: Source) -> None:
    answer = save(
        client, source, {"f.sku.column": "", "f.title.column": "c:colour", "f.brand.column": "fixed", "f.brand.fixed": "Acme <&>"}
    )
    assert answer.status_code == 422
    assert "Choose the column that holds your Inventory SKU" in answer.text and 'href="#f-sku-column"' in answer.text
    assert "to see which rows are used" in answer.text and "rows are used," not in answer.text
    again = client.form_values(answer.text, editor(source))
    assert (again["f.title.column"], again["f.brand.fixed"]) == ("c:colour", "Acme <&>")
    assert MappingVersion.select().count() == 0 and "inventory" not in fresh(source).setup_done


def test_a_guess_for_the_sku_wants_a_tick(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> None:
    source = make_source("Kestrel")
    upload(client, source, run_work, b"zqx,amount\n" + b"".join(b"K-%05d,%d\n" % (n, n) for n in range(40)))
    page = client.get(editor(source)).text
    assert "A guess: check it" in page and "Yes, this column holds your Inventory SKU" in page
    values = form(client, source)
    assert "f.sku.confirmed" not in values
    refused = save(client, source)
    assert refused.status_code == 422 and "confirm that" in refused.text
    assert save(client, source, {"f.sku.confirmed": "c:zqx"}).status_code == 303


def test_a_tick_for_another_column_counts_for_nothing(
    client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]
) -> None:
    source = make_source("Kestrel")
    upload(client, source, run_work, b"zqx,amount\n" + b"".join(b"K-%05d,%d\n" % (n, n) for n in range(40)))
    assert save(client, source, {"f.sku.confirmed": "c:amount"}).status_code == 422


def test_a_file_that_lost_a_mapped_column_says_so(client: Any, source: Source, run_work: Callable[[], None]) -> None:
    save(client, source)
    setup_steps.reopen(source, "supplier")
    upload(client, source, run_work, STOCK.replace(b"qty_avail", b"stock_now_there"), "later.csv")
    page = client.get(editor(source)).text
    assert "qty_avail (not in this file)" in page and "Not in this file" in page
    refused = save(client, source)
    assert refused.status_code == 422 and "The file has no column “qty_avail”" in refused.text


def test_the_second_of_two_browsers_is_told_and_loses_nothing(client: Any, source: Source) -> None:
    mine = form(client, source)
    assert save(client, source).status_code == 303
    late = client.post(editor(source), data={**mine, "f.title.column": "c:colour", "do": "save"})
    assert late.status_code == 409 and "Someone changed this while you edited" in late.text
    kept = client.form_values(late.text, editor(source))
    assert (kept["f.title.column"], kept["version"]) == ("c:colour", "1")
    assert client.post(editor(source), data={**kept, "do": "save"}).status_code == 303
    assert integration(source).mapping_version == 2 and rules(source)["title"]["columns"] == ["colour"]


def test_a_double_click_saves_once(client: Any, source: Source) -> None:
    sent = {**form(client, source), "do": "save"}
    answers = [client.post(editor(source), data=sent) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [303, 303]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert MappingVersion.select().count() == 1


def test_the_step_cannot_be_skipped_to(client: Any, make_source: Callable[..., Source]) -> None:
    early = make_source("Early")
    for method in ("get", "post"):
        token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
        answer = getattr(client, method)(editor(early), data={"csrf_token": token})
        assert (answer.status_code, answer.headers["Location"]) == (303, path(early, "/suppliers"))


def test_without_a_sample_the_page_says_where_to_read_one(client: Any, make_source: Callable[..., Source]) -> None:
    from tests.web.setting_up import select

    source = make_source("Bare")
    select(client, source)
    for step in ("connection", "file"):
        setup_steps.mark(fresh(source), step)
    page = client.get(editor(source))
    assert page.status_code == 200 and "Read a sample first" in page.text


# the buttons


def test_a_change_is_added_tried_and_saved_without_a_script(client: Any, source: Source) -> None:
    opened = draft(client, source, "open:f.title", form(client, source))
    assert opened.status_code == 200 and "Changes, in this order" in opened.text
    values = client.form_values(opened.text, editor(source))
    added = draft(client, source, "add-step:f.title", {**values, "new.f-title": "case"})
    values = client.form_values(added.text, editor(source))
    steps = {key: value for key, value in values.items() if key.startswith("f.title.steps")}
    assert steps.get("f.title.steps.0.do") == "case", steps
    added = draft(client, source, "preview", {**values, "f.title.steps.0.to": "upper"})
    values = client.form_values(added.text, editor(source))
    assert "TARP, 3 X 4 M" in added.text
    assert client.post(editor(source), data={**values, "do": "save"}).status_code == 303
    assert rules(source)["title"]["steps"][0]["do"] == "case"


def test_a_button_changes_only_its_part_with_htmx(client: Any, source: Source) -> None:
    fields = form(client, source)
    row = draft(client, source, "open:f.title", fields, "row-f-title")
    assert row.status_code == 200 and row.text.strip().startswith('<tbody id="row-f-title"')
    assert row.headers["HX-Trigger-After-Settle"] == "mapped"
    part = draft(client, source, "preview", {**fields, "f.cost.column": ""}, "preview")
    assert part.text.strip().startswith('<section id="preview"') and "9.95" not in part.text
    whole = draft(client, source, "add:x", fields, "mapping-page")
    assert whole.text.strip().startswith('<div id="mapping-page"') and 'name="x.0.name"' in whole.text


def test_a_part_that_is_not_there_is_refused(client: Any, source: Source) -> None:
    assert draft(client, source, "preview", form(client, source), "row-x-7").status_code == 422
    assert draft(client, source, "preview", form(client, source), "elsewhere").status_code == 422


def test_a_draft_saves_nothing(client: Any, source: Source) -> None:
    draft(client, source, "add:w", form(client, source))
    assert MappingVersion.select().count() == 0
    assert client.get(editor(source) + "/draft").headers["Location"] == editor(source)


def test_a_column_kept_as_a_custom_field_is_saved_with_its_name(client: Any, source: Source) -> None:
    kept = draft(client, source, "add:x:colour", form(client, source))
    values = client.form_values(kept.text, editor(source))
    assert (values["x.0.name"], values["x.0.column"]) == ("colour", "c:colour")
    assert client.post(editor(source), data={**values, "do": "save"}).status_code == 303
    version = mappings.current(integration(source))
    assert version is not None and version.rules["custom"] == [{"name": "colour", "columns": ["colour"], "steps": []}]


def test_a_removed_row_takes_its_values_along_and_the_next_moves_up(client: Any, source: Source) -> None:
    values = form(client, source)
    for column in ("colour", "wh_note"):
        values = client.form_values(draft(client, source, f"add:x:{column}", values).text, editor(source))
    left = client.form_values(draft(client, source, "remove:x.0", values).text, editor(source))
    assert left["x.0.name"] == "wh_note" and "x.1.name" not in left


def test_the_needs_you_filter_hides_and_keeps_the_rest(client: Any, source: Source) -> None:
    before = form(client, source)
    shown = draft(client, source, "show:needs", before)
    values = client.form_values(shown.text, editor(source))
    assert values["f.title.column"] == "c:title" and values["f.cost.column"] == "c:cost"
    assert client.post(editor(source), data={**values, "do": "save"}).status_code == 303
    assert rules(source)["cost"]["columns"] == ["cost"]


def test_a_value_table_is_filled_from_the_file(client: Any, source: Source) -> None:
    values = {**form(client, source), "f.condition.column": "c:wh_note"}
    added = draft(client, source, "add-step:f.condition", {**values, "open": "f.condition", "new.f-condition": "table"})
    theirs = {
        value for key, value in client.form_values(added.text, editor(source)).items() if key.startswith("f.condition") and ".their" in key
    }
    assert theirs == {"A", "B", "C", "D"} and "4 different values in the file" in added.text


def test_a_value_table_is_saved_as_it_was_typed(client: Any, source: Source) -> None:
    values = {**form(client, source), "f.condition.column": "c:wh_note"}
    added = draft(client, source, "add-step:f.condition", {**values, "open": "f.condition", "new.f-condition": "table"})
    typed = dict(client.form_values(added.text, editor(source)))
    typed |= {"f.condition.steps.0.pairs.0.their": "A", "f.condition.steps.0.pairs.0.our": "New"}
    shown = draft(client, source, "preview", typed)
    typed = dict(client.form_values(shown.text, editor(source)))
    assert save(client, source, typed).status_code == 303
    (step,) = rules(source)["condition"]["steps"]
    assert step["pairs"]["A"] == "New" and set(step["pairs"]) == {"A", "B", "C", "D"}
    assert form(client, source)["f.condition.steps.0.pairs.0.our"] == "New"


def test_counts_say_what_becomes_of_a_repeated_sku(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> None:
    source = make_source()
    upload(client, source, run_work, STOCK + STOCK.splitlines(keepends=True)[1])
    wording = {"first": "the first row", "last": "the last row", "sum": "added up", "set_aside": "are set aside"}
    for policy, words in wording.items():
        page = draft(client, source, "preview", {**form(client, source), "duplicates": policy}).text
        assert re.search(f"1 repeat a SKU: [^.]*{words}", page), policy


# a live source


def test_a_live_source_maps_anew_and_goes_to_its_integrations(client: Any, source: Source) -> None:
    save(client, source)
    Source.update(state="live", setup_done=list(setup_steps.STEPS)).where(Source.id == source.id).execute()
    page = client.get(editor(source)).text
    assert "This source is active" in page and "version 2" in page
    answer = save(client, source, {"f.title.column": "c:colour"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source, "/integrations"))
    assert integration(source).mapping_version == 2


def test_from_the_review_it_goes_back_to_the_review(client: Any, source: Source) -> None:
    save(client, source)
    Source.update(state="live", setup_done=list(setup_steps.STEPS)).where(Source.id == source.id).execute()
    values = client.form_values(client.get(editor(source) + "?back=review").text, editor(source))
    answer = client.post(editor(source), data={**values, "do": "save"})
    assert answer.headers["Location"] == path(source, "/review")


# what a form may hold


@pytest.mark.parametrize(
    "name", ["f.sku.column", "f.title.steps.0.do", "x.0.name", "w.0.column", "f.a.b.c.d.e.f.g", "f", "x.99999999.name", "open"]
)
def test_odd_names_and_values_break_nothing(client: Any, source: Source, name: str) -> None:
    for value in ("", "c:", "c:nothing", "\0", "x" * 5_000, "<script>", "fixed"):
        answer = draft(client, source, "preview", {**form(client, source), name: value})
        assert answer.status_code == 200 and "<script>alert" not in answer.text, (name, value)


@pytest.mark.parametrize(
    "do",
    [
        "",
        ":",
        "open:",
        "open:f.nothing",
        "remove:x.9",
        "add-step:f.sku",
        "up-step:f.sku:9",
        "fill-values:f.sku:",
        "fill-values:f.sku:3",
        "add:q",
        "remove-value:f.sku:1:2",
    ],
)
def test_odd_buttons_change_nothing(client: Any, source: Source, do: str) -> None:
    before = form(client, source)
    answer = draft(client, source, do, before)
    assert answer.status_code == 200
    after = client.form_values(answer.text, editor(source))
    assert {key: value for key, value in after.items() if key.startswith("f.") and key.endswith(".column")} == {
        key: value for key, value in before.items() if key.startswith("f.") and key.endswith(".column")
    }
