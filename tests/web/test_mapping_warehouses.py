"""One row a warehouse, in the mapping editor: found by itself, chosen by hand, saved, and counted as items."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal import mappings
from portal.models import Source
from tests.web.setting_up import fresh, integration, path, upload

HX = {"HX-Request": "true"}
FEED = b"sku,depot,qty\n" + b"".join(b"S%d,%s,%d\n" % (n, place, n) for n in range(20) for place in (b"East", b"West"))
OTHER = FEED.replace(b"depot", b"whatever")


@pytest.fixture
def draft_of(client: Any, make_source: Callable[..., Source], run_work: Callable[[], None]):
    def make(content: bytes) -> Source:
        made = make_source()
        upload(client, made, run_work, content)
        return fresh(made)

    return make


def editor(source: Source) -> str:
    return path(source, "/mapping/inventory")


def test_the_column_is_found_and_the_items_are_counted(client: Any, draft_of: Any) -> None:
    source = draft_of(FEED)
    page = client.get(editor(source)).text
    values = dict(client.form_values(page, editor(source)))
    assert values["r.0.column"] == "c:depot"
    assert "40 of 40 rows are used, 0 set aside. They make 20 items" in page and "repeat a SKU" not in page
    assert "kept by warehouse" in page and "Rows of one SKU become one item" in page
    assert client.send_form(editor(source), {"do": "save"}).status_code == 303
    version = mappings.current(integration(source))
    assert version is not None and version.rules["warehouse_rows"] == {"columns": ["depot"], "steps": []}


@pytest.mark.parametrize("target", ["", "row-r-0"])
def test_a_column_is_chosen_and_its_names_are_changed(client: Any, draft_of: Any, target: str) -> None:
    source = draft_of(OTHER)
    fields = dict(client.form_values(client.get(editor(source)).text, editor(source)))
    assert fields["r.0.column"] == ""
    headers = {**HX, "HX-Target": target} if target else {}
    fields["r.0.column"] = "c:whatever"
    opened = client.post(editor(source) + "/draft", data={**fields, "do": "open:r.0"}, headers=headers).text
    assert "Chosen: each row is of the warehouse that it names" in opened and "Close Warehouse of a row" in opened
    assert 'name="r.0.fallback"' not in opened and 'name="r.0.name"' not in opened
    fields |= {"open": "r.0", "new.r-0": "table"}
    added = client.post(editor(source) + "/draft", data={**fields, "do": "add-step:r.0"}, headers=headers).text
    assert 'value="East"' in added and 'name="r.0.steps.0.pairs.0.our"' in added
    pairs = {"r.0.steps.0.do": "table", "r.0.steps.0.pairs.0.their": "East", "r.0.steps.0.pairs.0.our": "Hamburg"}
    answer = client.post(editor(source), data={**fields, **pairs, "r.0.steps.0.otherwise": "keep", "do": "save"})
    assert answer.status_code == 303
    version = mappings.current(integration(source))
    assert version is not None and version.rules["warehouse_rows"]["steps"][0]["pairs"] == {"East": "Hamburg"}
    assert "They make 20 items" in client.get(editor(source)).text


def test_without_a_quantity_the_warehouse_is_refused_and_said(client: Any, draft_of: Any) -> None:
    source = draft_of(FEED)
    answer = client.send_form(editor(source), {"do": "save", "f.quantity.column": ""})
    assert answer.status_code == 422
    assert "Choose the column of the Quantity, which each row then gives for its warehouse" in answer.text
    page = client.post(editor(source) + "/draft", data={**dict(client.form_values(answer.text, editor(source))), "do": "show:needs"}).text
    assert 'name="r.0.column" value="c:depot"' in page


def test_the_row_cannot_be_removed(client: Any, draft_of: Any) -> None:
    source = draft_of(FEED)
    fields = dict(client.form_values(client.get(editor(source)).text, editor(source)))
    page = client.post(editor(source) + "/draft", data={**fields, "do": "remove:r.0"}).text
    assert dict(client.form_values(page, editor(source)))["r.0.column"] == "c:depot"
