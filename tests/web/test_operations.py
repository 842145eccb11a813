"""Send Orders and Get Shipments: answered, checked and shown; with a supplier that can, and with one that cannot."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest

from portal import mappings, setup_steps
from portal.models import AuditLine, Document, MappingVersion, Source
from tests.web.setting_up import fresh, integration, path, select, upload

HX = {"HX-Request": "true"}
TRACKING = "po_number,tracking_no,carrier,ship_date,sku,qty\nPO-1,1Z999,UPS,2026-11-24,NW-1,2\nPO-2,,UPS,2026-11-24,NW-2,1\n"


@pytest.fixture
def source(client: Any, make_source: Callable[..., Source]) -> Source:
    """A draft at an SFTP supplier whose inventory is mapped."""
    made = make_source()
    select(client, made, "sftp-file")
    for step in ("connection", "file", "inventory"):
        setup_steps.mark(made, step)
    return fresh(made)


@pytest.fixture
def at_shipments(source: Source) -> Source:
    setup_steps.mark(source, "orders")
    return fresh(source)


def orders(source: Source) -> str:
    return path(source, "/mapping/orders")


def shipments(source: Source) -> str:
    return path(source, "/mapping/shipments")


def form(client: Any, at: str) -> dict[str, Any]:
    return dict(client.form_values(client.get(at).text, at))


def draft(client: Any, at: str, do: str, fields: dict[str, Any], **options: Any) -> Any:
    return client.post(at + "/draft", data={**fields, "do": do}, **options)


def pressed(client: Any, at: str, do: str, fields: dict[str, Any]) -> dict[str, Any]:
    """The form after a button of it was pressed without a script."""
    answer = draft(client, at, do, fields)
    assert answer.status_code == 200, answer.text
    return dict(client.form_values(answer.text, at))


def save(client: Any, at: str, fields: dict[str, Any], do: str = "save") -> Any:
    return client.post(at, data={**fields, "do": do})


def layout(source: Source) -> dict[str, Any]:
    version = mappings.current(integration(source, "send_orders"))
    assert version is not None
    return dict(version.rules)


# Send Orders


def test_nothing_is_answered_for_the_merchant(client: Any, source: Source) -> None:
    values = form(client, orders(source))
    assert "use" not in values and "auto_send" not in values
    refused = save(client, orders(source), values)
    assert refused.status_code == 422 and "Choose yes or no" in refused.text and "orders" not in fresh(source).setup_done


def test_no_needs_nothing_more(client: Any, source: Source) -> None:
    answer = save(client, orders(source), {**form(client, orders(source)), "use": "no", "file_name": ""})
    assert (answer.status_code, answer.headers["Location"]) == (303, shipments(source))
    assert not integration(source, "send_orders").enabled and MappingVersion.select().count() == 0
    assert form(client, orders(source))["use"] == "no"


def test_yes_keeps_where_when_and_the_layout(client: Any, source: Source) -> None:
    sent = {**form(client, orders(source)), "use": "yes", "folder": " /in/orders ", "auto_send": "on", "delimiter": "\t"}
    assert save(client, orders(source), sent).status_code == 303
    kept = integration(source, "send_orders")
    assert kept.enabled and kept.settings == {"folder": "/in/orders", "auto_send": True}
    assert layout(source)["delimiter"] == "\t" and layout(source)["columns"][0]["field"] == "po_number"
    again = form(client, orders(source))
    assert (again["use"], again["folder"], again["auto_send"], again["delimiter"]) == ("yes", "/in/orders", "on", "\t")
    assert AuditLine.select().where(AuditLine.action == "integration.answer").count() == 1


def test_the_preview_is_the_exact_file_and_can_be_downloaded(client: Any, source: Source) -> None:
    values = {**form(client, orders(source)), "delimiter": "|", "line_end": "lf"}
    shown = draft(client, orders(source), "preview", values, headers={**HX, "HX-Target": "preview"})
    assert shown.text.strip().startswith('<section class="panel" id="preview"') and "PO-10442|2026-11-23" in shown.text
    file = draft(client, orders(source), "download", values)
    assert file.headers["Content-Disposition"].startswith('attachment; filename="orders_')
    rows = list(csv.reader(io.StringIO(file.text), delimiter="|"))
    assert len(rows) == 3 and rows[1][0] == "PO-10442" and b"\r" not in file.data


def test_columns_are_added_moved_joined_and_removed(client: Any, source: Source) -> None:
    at = orders(source)
    values = pressed(client, at, "add", form(client, at))
    last = max(int(name.split(".")[1]) for name in values if name.startswith("c."))
    values |= {f"c.{last}.header": "Who", f"c.{last}.value": "=joined"}
    values = pressed(client, at, f"add-field:{last}", values)
    values = pressed(client, at, f"add-field:{last}", values | {f"c.{last}.fields.0": "ship_name"})
    values |= {f"c.{last}.fields.1": "ship_company", f"c.{last}.join": " / "}
    values = pressed(client, at, f"up:{last}", values)
    values = pressed(client, at, "remove:1", values)
    assert save(client, at, {**values, "use": "yes"}).status_code == 303
    columns = layout(source)["columns"]
    joined = next(column for column in columns if column["header"] == "Who")
    assert joined == {"header": "Who", "kind": "joined", "fields": ["ship_name", "ship_company"], "join": " / "}
    assert columns.index(joined) == last - 2 and "PO date" not in [column["header"] for column in columns]


@pytest.mark.parametrize(("form_of", "seen"), [("xml", "&lt;ShipToName&gt;"), ("json", "&#34;Ship-to name&#34;"), ("xlsx", "PO-10442\t")])
def test_another_format_is_chosen_shown_saved_and_downloaded(client: Any, source: Source, form_of: str, seen: str) -> None:
    at = orders(source)
    values = {**form(client, at), "format": form_of}
    part = draft(client, at, "reshape", values, headers={**HX, "HX-Target": "orders-page"})
    assert part.text.strip().startswith('<div id="orders-page"') and seen in part.text
    values = pressed(client, at, "reshape", values)
    assert save(client, at, {**values, "use": "yes"}).status_code == 303
    assert layout(source)["format"] == form_of and layout(source)["file_name"].endswith(form_of)
    assert seen in client.get(at).text
    file = draft(client, at, "download", form(client, at))
    assert file.status_code == 200 and f".{form_of}" in file.headers["Content-Disposition"]


def test_two_files_begin_as_the_one_divided(client: Any, source: Source) -> None:
    at = orders(source)
    values = pressed(client, at, "reshape", {**form(client, at), "shape": "pair"})
    assert values["d.0.value"] == "po_number" and "sku" not in [values[name] for name in values if name.startswith("c.")]
    values = pressed(client, at, "d.down:0", values)
    assert values["d.1.value"] == "po_number"
    values = pressed(client, at, "d.remove:0", values)
    assert save(client, at, {**values, "use": "yes", "detail_file_name": "lines_{number}.csv"}).status_code == 303
    kept = layout(source)
    assert kept["shape"] == "pair" and kept["detail_columns"][0]["field"] == "po_number"
    assert draft(client, at, "download:1", form(client, at)).headers["Content-Disposition"].startswith('attachment; filename="lines_1.csv')
    one = draft(client, at, "d.add", values, headers={**HX, "HX-Target": "order-details"})
    assert one.text.strip().startswith('<section id="order-details"')


def test_fixed_widths_are_kept_and_a_wrong_one_is_told_at_its_column(client: Any, source: Source) -> None:
    at = orders(source)
    values = pressed(client, at, "reshape", {**form(client, at), "format": "fixed"})
    refused = save(client, at, {**values, "use": "yes", "c.0.width": "0"})
    assert refused.status_code == 422 and "from 1 to 1,000" in refused.text
    assert save(client, at, {**values, "use": "yes", "c.0.width": "14", "c.0.align": "right", "c.0.pad": "0"}).status_code == 303
    assert layout(source)["columns"][0] | {"header": ""} == {
        "header": "", "kind": "field", "field": "po_number", "width": 14, "align": "right", "pad": "0",
    }  # fmt: skip


def test_a_fixed_text_and_a_date_form_are_kept(client: Any, source: Source) -> None:
    at = orders(source)
    values = pressed(client, at, "preview", {**form(client, at), "c.2.value": "=fixed", "c.1.date_form": "MM/DD/YYYY"})
    assert save(client, at, {**values, "c.2.text": "ACME <1>", "use": "yes"}).status_code == 303
    assert layout(source)["columns"][2]["text"] == "ACME <1>" and layout(source)["columns"][1]["date_form"] == "MM/DD/YYYY"
    assert "11/23/2026" in client.get(at).text


def test_a_pasted_header_line_becomes_the_columns(client: Any, source: Source) -> None:
    at = orders(source)
    values = pressed(client, at, "propose", {**form(client, at), "their_headers": 'PO Number;"Item No";Qty;Warehouse Code\n'})
    assert (values["c.0.value"], values["c.1.value"], values["c.2.value"], values["c.3.value"]) == (
        "po_number",
        "sku",
        "quantity",
        "=fixed",
    )
    assert values["delimiter"] == ";" and "c.4.header" not in values
    refused = draft(client, at, "propose", {**form(client, at), "their_headers": " "})
    assert refused.status_code == 422 and "Paste the line" in refused.text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file_name": "orders.csv"}, "Add {number} or {po}"),
        ({"file_name": "../{number}.csv"}, "letters, digits, dots"),
        ({"c.0.value": ""}, "Choose a field"),
        ({"c.0.value": "nothing"}, "Choose a field"),
        ({"c.0.value": "=fixed"}, "cannot fill an order without PO number"),
        ({"c.0.value": "=joined"}, "Choose the fields to join"),
        ({"folder": "x" * 1_001 + "\n"}, ""),
        ({"folder": "a\x07b"}, "Enter a folder"),
        ({"encoding": "ebcdic"}, "Choose an encoding"),
    ],
)
def test_a_layout_that_cannot_be_written_is_said_and_stays(client: Any, source: Source, change: dict[str, str], words: str) -> None:
    at = orders(source)
    answer = save(client, at, {**form(client, at), "use": "yes", "c.5.header": "Typed by me", **change})
    if not words:
        assert answer.status_code == 303
        return
    assert answer.status_code == 422 and words in answer.text, answer.text
    assert client.form_values(answer.text, at)["c.5.header"] == "Typed by me" and MappingVersion.select().count() == 0


def test_the_second_of_two_browsers_is_told_at_orders(client: Any, source: Source) -> None:
    at = orders(source)
    mine = form(client, at)
    assert save(client, at, {**form(client, at), "use": "no"}).status_code == 303
    late = save(client, at, {**mine, "use": "yes", "folder": "/mine"})
    assert late.status_code == 409 and "Someone changed this while you edited" in late.text
    kept = client.form_values(late.text, at)
    assert kept["folder"] == "/mine" and save(client, at, kept).status_code == 303
    assert integration(source, "send_orders").settings["folder"] == "/mine"


def test_a_supplier_that_cannot_says_so_and_goes_on(client: Any, make_source: Callable[..., Source], run_work: Any) -> None:
    source = make_source("Uploads")
    upload(client, source, run_work)
    client.send_form(path(source, "/mapping/inventory"), {"do": "save"})
    for at, following in ((orders(source), shipments(source)), (shipments(source), path(source, "/skus"))):
        page = client.get(at).text
        assert "File upload has no server" in page and "use-yes" not in page
        answer = client.send_form(at, {"do": "save"})
        assert (answer.status_code, answer.headers["Location"]) == (303, following)
    forced = client.send_form(orders(source), {"do": "save", "use": "yes"})
    assert forced.status_code == 409 and not integration(source, "send_orders").enabled


# Get Shipments


def sampled(client: Any, at: str, text: str = TRACKING) -> dict[str, Any]:
    return pressed(client, at, "sample", {**form(client, at), "pasted": text, "use": "yes", "pattern": "tracking_*.csv", "folder": "/ship"})


def test_a_pasted_sample_is_matched_and_shown(client: Any, at_shipments: Source) -> None:
    at = shipments(at_shipments)
    answer = draft(client, at, "sample", {**form(client, at), "pasted": TRACKING})
    values = client.form_values(answer.text, at)
    assert (values["s.tracking_number.column"], values["s.order_reference.column"]) == ("c:tracking_no", "c:po_number")
    assert "1Z999" in answer.text and "1 of 2 rows would be used, 1 set aside" in answer.text and "No tracking number" in answer.text
    assert Document.get().origin == "sample" and "shipments" not in fresh(at_shipments).setup_done


def test_a_sample_file_is_taken_too(client: Any, at_shipments: Source) -> None:
    at = shipments(at_shipments)
    fields = {**form(client, at), "file": (io.BytesIO(TRACKING.replace(",", ";").encode()), "ship.txt")}
    answer = draft(client, at, "sample", fields, content_type="multipart/form-data")
    assert answer.status_code == 200 and "ship.txt" in answer.text and "1Z999" in answer.text


def test_save_keeps_the_answers_and_opens_the_skus(client: Any, at_shipments: Source) -> None:
    at = shipments(at_shipments)
    answer = save(client, at, {**sampled(client, at), "s.carrier.column": "fixed", "s.carrier.fixed": "DHL", "s.sku.column": ""})
    assert (answer.status_code, answer.headers["Location"]) == (303, path(at_shipments, "/skus"))
    kept = integration(at_shipments, "get_shipments")
    assert kept.enabled and kept.settings == {"folder": "/ship", "match": "all", "pattern": "tracking_*.csv"}
    version = mappings.current(kept)
    assert version is not None and version.headers[1] == "tracking_no"
    assert version.rules["fields"]["carrier"] == {"fixed": "DHL"} and "sku" not in version.rules["fields"]
    assert form(client, at)["s.carrier.fixed"] == "DHL"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"use": None}, "Choose yes or no"),
        ({"pattern": ""}, "Enter a file name"),
        ({"pattern": "in/x.csv"}, "without folders"),
        ({"match": "other"}, "Choose how we find the file"),
        ({"s.tracking_number.column": ""}, "Choose the column that holds the tracking number"),
        ({"s.order_reference.column": "c:gone"}, "The file has no column “gone”"),
        ({"s.carrier.column": "fixed", "s.carrier.fixed": ""}, "Choose the column that holds the carrier"),
        ({"date_form": "13th"}, "Choose a date form"),
    ],
)
def test_answers_that_cannot_be_are_said_and_stay(client: Any, at_shipments: Source, change: dict[str, Any], words: str) -> None:
    at = shipments(at_shipments)
    sent = {key: value for key, value in {**sampled(client, at), "s.sku.column": "c:qty", **change}.items() if value is not None}
    answer = save(client, at, sent)
    assert answer.status_code == 422 and words in answer.text
    assert client.form_values(answer.text, at)["s.sku.column"] == "c:qty" and MappingVersion.select().count() == 0


def test_yes_without_a_sample_asks_for_one(client: Any, at_shipments: Source) -> None:
    at = shipments(at_shipments)
    refused = save(client, at, {**form(client, at), "use": "yes", "pattern": "t*.csv"})
    assert refused.status_code == 422 and "Show us one tracking file first" in refused.text
    assert save(client, at, {**form(client, at), "use": "no"}).status_code == 303


@pytest.mark.parametrize("text", ["", "<html><body>no</body></html>", "\0\0\0"])
def test_a_sample_that_is_none_is_said(client: Any, at_shipments: Source, text: str) -> None:
    at = shipments(at_shipments)
    answer = draft(client, at, "sample", {**form(client, at), "pasted": text, "pattern": "kept*.csv"})
    assert answer.status_code == 422 and client.form_values(answer.text, at)["pattern"] == "kept*.csv"


def test_a_guessed_tracking_number_wants_a_tick(client: Any, at_shipments: Source) -> None:
    at = shipments(at_shipments)
    text = "po,zzq\n" + "".join(f"PO-{n},1Z{n:08}\n" for n in range(30))
    values = sampled(client, at, text)
    assert values["s.tracking_number.column"] == "c:zzq"
    refused = save(client, at, values)
    assert refused.status_code == 422 and "confirm that “zzq”" in refused.text
    assert save(client, at, {**values, "confirmed.tracking_number": "zzq"}).status_code == 303


def test_a_link_supplier_asks_for_an_address(client: Any, make_source: Callable[..., Source]) -> None:
    source = make_source("Linked")
    select(client, source, "http-file")
    for step in ("connection", "file", "inventory", "orders"):
        setup_steps.mark(source, step)
    at = shipments(source)
    page = client.get(at).text
    assert "Address of the tracking file" in page and "Folder of the tracking files" not in page
    values = sampled(client, at)
    assert save(client, at, {**values, "pattern": "tracking.csv"}).status_code == 422
    assert save(client, at, {**values, "pattern": "https://supplier.example/t.csv"}).status_code == 303


@pytest.mark.parametrize("kind", ["orders", "shipments"])
def test_the_steps_cannot_be_skipped_to(client: Any, make_source: Callable[..., Source], kind: str) -> None:
    early = make_source("Early")
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    at = path(early, f"/mapping/{kind}")
    for answer in (client.get(at), client.post(at, data={"csrf_token": token}), client.post(at + "/draft", data={"csrf_token": token})):
        assert (answer.status_code, answer.headers["Location"]) == (303, path(early, "/suppliers"))


@pytest.mark.parametrize("kind", ["orders", "shipments"])
@pytest.mark.parametrize("do", ["", ":", "up:0", "down:99", "remove:99", "add-field:0", "remove-field:0:7", "up:x", "nothing:1:2:3"])
def test_odd_buttons_break_nothing(client: Any, at_shipments: Source, kind: str, do: str) -> None:
    at = path(at_shipments, f"/mapping/{kind}")
    assert draft(client, at, do, form(client, at)).status_code == 200
    assert (
        draft(client, at, do, {"csrf_token": form(client, at)["csrf_token"], "c": "x", "s": "y", "c.0": "z", "s.sku": "q"}).status_code
        == 200
    )


def test_with_htmx_a_change_redraws_its_row_alone(client: Any, at_shipments: Source) -> None:
    at = orders(at_shipments)
    fields = {**form(client, at), "c.2.value": "=joined"}
    for target, start in (
        ("row-c-2", '<tr id="row-c-2"'),
        ("order-columns", '<section id="order-columns"'),
        ("row-c-99", '<div id="orders-page"'),
    ):
        part = draft(client, at, "preview", fields, headers={**HX, "HX-Target": target})
        assert part.status_code == 200 and part.text.strip().startswith(start), part.text[:200]
        assert ("file_name" in part.text) is (target == "row-c-99")
    at = shipments(at_shipments)
    values = {**sampled(client, at), "s.carrier.column": "fixed"}
    row = draft(client, at, "preview", values, headers={**HX, "HX-Target": "row-s-carrier"})
    assert row.text.strip().startswith('<tr id="row-s-carrier"') and 'name="s.carrier.fixed"' in row.text
    assert (
        draft(client, at, "preview", values, headers={**HX, "HX-Target": "row-s-none"}).text.strip().startswith('<div id="shipments-page"')
    )
