"""Excel damage in the mapping editor: said and counted beside the column, repaired by one click, shown in the preview, kept as a change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import mappings
from portal.models import InventoryItem, Source
from tests.feed_of import Feed
from tests.web.setting_up import fresh, integration, path, upload

HX = {"HX-Request": "true"}
FEED = b"sku,upc,qty\n" + b"".join(b"%s,%s,%s\n" % row for row in [
    (b"A1", b"36000291452", b"5"), (b"A2", b"12345678905", b"#N/A"), (b"A3", b"42100005264", b"1"), (b"A4", b"76123400003", b"2"),
    (b"A5", b"36000291453", b"3"), (b"1.234567890123E+12", b"885909950805", b"4"), (b"1.23457E+11", b"885909950805", b"4"),
])  # fmt: skip


@pytest.fixture
def source(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]) -> Source:
    made = make_source()
    upload(client, made, run_work, FEED)
    return fresh(made)


def editor(source: Source) -> str:
    return path(source, "/mapping/inventory")


def press(client: Any, source: Source, do: str, fields: dict[str, Any], target: str = "") -> Any:
    headers = {**HX, "HX-Target": target} if target else {}
    return client.post(editor(source) + "/draft", data={**fields, "do": do}, headers=headers)


def test_damage_is_counted_and_a_repair_is_offered_where_there_is_one(client: Any, source: Source) -> None:
    page = client.get(editor(source)).text
    assert "“upc”: 5 of 7 codes look like 36000291452: leading zeros are lost. The check digits prove 4 of them." in page
    assert 'value="repair:f.upc:0"' in page and "Put the zeros back" in page
    assert "“qty”: 1 of 7 values looks like #N/A" in page and "Leave the errors out" in page
    assert "1.23457E+11: a spreadsheet program cut their digits, which cannot be restored." in page
    assert "format the column as Text" in page and "Restore the digits" in page
    assert 'value="repair:f.sku:0"' not in page  # the cut ones, which nothing restores


@pytest.mark.parametrize("target", ["", "row-f-upc"])
def test_one_click_repairs_and_the_preview_counts_it(client: Any, source: Source, target: str) -> None:
    fields = dict(client.form_values(client.get(editor(source)).text, editor(source)))
    page = press(client, source, "repair:f.upc:0", fields, target).text
    assert "4 of 7 values of “upc” got their lost zeros back. 1 more stays short: no check digit proves it." in page
    assert 'name="f.upc.steps.0.do" value="zeros"' in page and 'name="f.upc.steps.0.length" value="12"' in page
    assert 'value="repair:f.upc:0"' not in page
    fields |= {"f.upc.steps.0.do": "zeros", "f.upc.steps.0.length": "12"}
    preview = press(client, source, "preview", fields, "preview").text
    assert "UPC / EAN: 4 of 7 values of “upc” got their lost zeros back." in preview and ">036000291452<" in preview


def test_repairs_are_kept_in_an_order_that_works_and_once(client: Any, source: Source) -> None:
    fields = dict(client.form_values(client.get(editor(source)).text, editor(source)))
    for do in ("repair:f.upc:0", "repair:f.upc:0", "repair:f.sku:1", "repair:f.quantity:0", "repair:f.quantity:9", "repair:f.upc:x"):
        fields = dict(client.form_values(press(client, source, do, fields).text, editor(source)))
    answer = client.post(editor(source), data={**fields, "do": "save"})
    assert answer.status_code == 303, answer.text
    version = mappings.current(integration(source))
    assert version is not None
    steps = {key: rule["steps"] for key, rule in version.rules["fields"].items()}
    assert steps == {"sku": [{"do": "digits"}], "upc": [{"do": "zeros", "length": "12"}], "quantity": [{"do": "errors"}]}


def test_repaired_values_are_what_a_run_writes(make_source: Callable[..., Source]) -> None:
    fields = {
        "sku": {"columns": ["sku"], "steps": [{"do": "digits"}]}, "upc": {"columns": ["upc"], "steps": [{"do": "zeros", "length": "12"}]},
        "quantity": {"columns": ["qty"], "steps": [{"do": "errors"}]},
    }  # fmt: skip
    feed = Feed(make_source(), fields=fields)
    run = feed.sync(FEED)
    items = {item.sku: (item.upc, item.quantity) for item in InventoryItem.select()}
    assert items == {
        "A1": ("036000291452", 5), "A2": ("012345678905", None), "A3": ("042100005264", 1), "A4": ("076123400003", 2),
        "A5": (None, 3), "1234567890123": ("885909950805", 4),
    }  # fmt: skip
    assert (run.counts["rows"], run.counts["set_aside"], run.counts["noted"]) == (7, 1, 1)
