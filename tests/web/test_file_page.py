"""The file page offers what the kind of file has: sheets, what repeats, places of columns; and saves what is chosen."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from typing import Any

import pytest

from portal import documents, feeds, file_choice
from portal.models import Integration, Source
from portal.records import FeedFormat
from tests.connecting import check, fresh
from tests.feeds.workbooks import xlsx

pytest_plugins = ("tests.connected",)

ITEMS = "".join(f"<product><sku>S{n}</sku><qty>{n}</qty><brand>K</brand></product>" for n in range(1, 30))
XML = f'<feed><shops><shop id="1"/><shop id="2"/></shops><products>{ITEMS}</products></feed>'.encode()
FIXED = b"".join(b"%-10s%-20s%6d\n" % (b"S%04d" % n, b"Widget and nut", n) for n in range(1, 30))


@pytest.fixture
def uploaded(chosen: Any, run_work: Any):
    """uploaded(bytes, name) -> a source that read that file once."""

    def make(content: bytes, name: str) -> Source:
        source = chosen("file-upload")
        documents.store_upload(source, io.BytesIO(content), name)
        check(source, run_work)
        return fresh(source)

    return make


def page(client: Any, source: Source, **query: str) -> str:
    answer = client.get(f"/sources/{source.public_id}/file", query_string=query)
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def kept(source: Source) -> FeedFormat:
    return FeedFormat(**Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary").settings["format"])


def test_xml_is_read_by_what_repeats_in_it(client: Any, uploaded: Any) -> None:
    source = uploaded(XML, "stock.xml")
    seen = page(client, source)
    assert "/feed/products/product, 29 times" in seen and "What is in the document" in seen and "S1 · S2 · S3" in seen
    assert 'name="delimiter"' not in seen and 'name="sheet"' not in seen
    other = page(client, source, typed="1", row_path="/feed/shops/shop")
    assert ">@id<" in other
    client.send_form(f"/sources/{source.public_id}/file", {"row_path": "/feed/products/product", "variants": "", "decimal_mark": ","})
    assert kept(source).row_path == "/feed/products/product"
    assert kept(source).columns == ("sku", "qty", "brand")
    assert kept(source).decimal_mark == ","


def test_what_repeats_elsewhere_brings_its_own_columns(client: Any, uploaded: Any) -> None:
    source = uploaded(XML, "stock.xml")
    client.send_form(f"/sources/{source.public_id}/file", {"row_path": "/feed/shops/shop", "variants": "", "decimal_mark": "."})
    assert kept(source).columns == ("@id",)


def test_a_sheet_is_chosen(client: Any, uploaded: Any) -> None:
    source = uploaded(xlsx({"Cover": [["Hi"]], "Stock": [["sku", "qty"], ["A", 1]], "Old": [["sku"], ["Z"]]}), "stock.xlsx")
    seen = page(client, source)
    assert "the first of 3 sheets with rows" in seen and ">Old<" in seen and 'name="encoding"' not in seen
    assert ">Z<" in page(client, source, typed="1", sheet="Old")
    client.send_form(f"/sources/{source.public_id}/file", {"sheet": "Old", "header_row": "1", "decimal_mark": "."})
    assert kept(source).sheet == "Old"


def test_text_may_be_read_in_fixed_widths_and_places_are_typed(client: Any, uploaded: Any) -> None:
    source = uploaded(FIXED, "stock.txt")
    assert 'value="1,11,' in page(client, source)
    wrong = page(client, source, typed="1", cuts="11,1")
    assert "Enter where each column begins" in wrong
    again = page(client, source, typed="1", kind="delimited")
    assert 'name="delimiter"' in again and 'name="cuts"' not in again
    form = {"kind": "fixed_width", "cuts": "1-10,31-36", "header_row": "0", "encoding": "utf-8", "decimal_mark": "."}
    client.send_form(f"/sources/{source.public_id}/file", form)
    assert kept(source).cuts == "1-10,31-36"
    headers, rows = feeds.preview(documents.path_of(documents.latest_upload(source)), kept(source), 1)
    assert rows[0].cells == ["S0001", "1"]


def test_a_file_of_an_archive_is_chosen(client: Any, uploaded: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("stock.csv", "sku,qty\nA,1\n")
        archive.writestr("prices.csv", "sku,cost\nB,2\n" * 9)
    source = uploaded(out.getvalue(), "feed.zip")
    seen = page(client, source)
    assert "2 files in the archive" in seen and 'name="member"' in seen
    assert ">A<" in page(client, source, typed="1", member="stock*")
    client.send_form(f"/sources/{source.public_id}/file", {"member": "stock*", "header_row": "1"})
    assert kept(source).member == "stock*"


def test_a_packed_json_shows_its_lists(client: Any, uploaded: Any) -> None:
    shirts = {
        "products": [{"title": f"Shirt {n}", "brand": "K", "variants": [{"sku": f"S{n}{m}", "qty": n} for m in "ab"]} for n in range(9)]
    }
    source = uploaded(gzip.compress(json.dumps(shirts).encode()), "feed.json.gz")
    seen = page(client, source)
    assert "A row for each variants, 18 times" in seen and ">S0b<" in seen
    assert ">S0a<" in page(client, source, typed="1", variants="")


def test_options_of_every_kind_are_checked() -> None:
    for kind in feeds.KINDS:
        feeds.check_format(FeedFormat(kind))
        assert set(file_choice.sample_options.OPTIONS) == set(feeds.KINDS)


def test_an_uploaded_web_page_is_answered_by_another_file(client: Any, uploaded: Any) -> None:
    source = uploaded(b"<!doctype html><title>Sign in</title>", "stock.csv")
    seen = client.get(f"/sources/{source.public_id}/connection/checks").get_data(as_text=True)
    assert "The file is a web page, not a feed" in seen and ">Upload another file</a>" in seen and "Check the address" not in seen


NESTED = json.dumps({
    "shops": [{"id": 1, "name": "A"}, {"id": 2, "name": "B"}],
    "products": [
        {"title": f"Shirt {n}", "brand": "K", "variants": [{"sku": f"S{n}{m}", "qty": n} for m in "ab"], "images": [{"src": "x"}] * 3}
        for n in range(9)
    ],
}).encode()  # fmt: skip


def pressed(text: str) -> set[str]:
    """What the tree shows as chosen."""
    return set(re.findall(r'aria-pressed="true" aria-label="([^"]*)"', text))


@pytest.mark.parametrize("kind", ["json", "xml"])
def test_what_repeats_is_chosen_in_the_tree_without_javascript(client: Any, uploaded: Any, kind: str) -> None:
    source = uploaded(NESTED if kind == "json" else XML, f"stock.{kind}")
    path, other = ("$.products", "$.shops") if kind == "json" else ("/feed/products/product", "/feed/shops/shop")
    assert f"Rows: {path}" in pressed(page(client, source))
    answer = client.send_form(f"/sources/{source.public_id}/file", {"act": f"path:{other}"})
    assert answer.status_code == 303 and answer.headers["Location"].endswith("#tree")
    seen = client.get(answer.headers["Location"]).get_data(as_text=True)
    assert pressed(seen) == {f"Rows: {other}"} and '<details id="tree" open>' in seen
    fields = dict(client.form_values(seen, f"/sources/{source.public_id}/file"))
    assert (fields["row_path"], fields["variants"]) == (other, "")
    client.post(f"/sources/{source.public_id}/file", data={**fields, "act": "save"})
    assert kept(source).row_path == other and kept(source).columns == (("id", "name") if kind == "json" else ("@id",))


def test_a_row_of_each_entry_is_chosen_and_taken_back_in_the_tree(client: Any, uploaded: Any) -> None:
    source = uploaded(NESTED, "stock.json")
    assert pressed(page(client, source)) == {"Rows: $.products", "A row each: $.products.variants"}
    address = f"/sources/{source.public_id}/file"
    back = client.get(client.send_form(address, {"act": "variants:"}).headers["Location"]).get_data(as_text=True)
    assert pressed(back) == {"Rows: $.products"} and 'value="variants:images"' in back
    query = {"typed": "1", "row_path": "$.products", "variants": "images", "tree": "1", "act": "variants:images"}
    swapped = client.get(address, query_string=query, headers={"HX-Request": "true", "HX-Target": "file-page"}).get_data(as_text=True)
    assert pressed(swapped) == {"Rows: $.products", "A row each: $.products.images"} and "<html" not in swapped
    assert "images.src" in swapped


def test_the_tree_is_indented_in_the_order_of_the_document_and_says_what_it_leaves_out(client: Any, uploaded: Any) -> None:
    many = {"items": [{"sku": f"A{n}", "data": {f"k{m}": 1 for m in range(400)}} for n in range(3)]}
    seen = page(client, uploaded(json.dumps(many).encode(), "stock.json"))
    assert '<span class="in-1" title="$.items">items</span>' in seen and '<span class="in-2" title="$.items.sku">sku</span>' not in seen
    assert "The first 300 paths are shown" in seen


def test_columns_may_be_separated_by_any_sign(client: Any, uploaded: Any) -> None:
    source = uploaded("sku§qty\nA§1\nB§2\n".encode(), "stock.txt")
    address = f"/sources/{source.public_id}/file"
    seen = client.get(f"{address}/preview", query_string={"own_delimiter": "§"}, headers={"HX-Request": "true"}).get_data(as_text=True)
    assert ">qty<" in seen and ">B<" in seen
    back = client.send_form(address, {"own_delimiter": "§", "act": "preview"}).headers["Location"]
    page = client.get(back).get_data(as_text=True)
    assert '<option selected value="§">' in page and ">qty<" in page
    refused = client.send_form(address, {"own_delimiter": "ab"})
    assert refused.status_code == 422 and "Enter one sign" in refused.text
    assert client.send_form(address, {"own_delimiter": "§"}).status_code == 303
    assert kept(source).delimiter == "§"
    assert client.send_form(address, {"own_delimiter": "\\t"}).status_code == 303 and kept(source).delimiter == "\t"


def test_blanks_that_mean_as_above_are_chosen_shown_and_kept(client: Any, uploaded: Any) -> None:
    source = uploaded(b"sku,brand,qty\nA,Kestrel,1\n,,2\nB,,3\n", "stock.csv")
    assert "filled in from above" not in page(client, source)
    shown = page(client, source, typed="1", as_above="sku\r\nbrand")
    assert "3 blank cells filled in from above" in shown
    refused = client.send_form(f"/sources/{source.public_id}/file", {"as_above": "sku\r\nmaker"})
    assert refused.status_code == 422
    assert "no column “maker”" in refused.get_data(as_text=True) and "“sku”, “brand”, “qty”" in refused.get_data(as_text=True)
    client.send_form(f"/sources/{source.public_id}/file", {"as_above": "sku\r\nbrand"})
    assert kept(source).above == ("sku", "brand")
