"""Order files of every format and shape: to the byte, read back by other programs, and refused rather than changed to fit."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from python_calamine import CalamineWorkbook

from portal import order_mapping
from portal.errors import Invalid, Refused

AT = datetime(2026, 11, 27, 9, 30)  # noqa: DTZ001 - naive as every time here
PO = {"header": "PO", "kind": "field", "field": "po_number"}
CITY = {"header": "City", "kind": "field", "field": "ship_city"}
SKU = {"header": "SKU", "kind": "field", "field": "sku"}
QTY = {"header": "Qty", "kind": "field", "field": "quantity"}
COST = {"header": "Cost", "kind": "field", "field": "unit_cost"}
TWO_ORDERS = (
    {"po_number": "1001", "ship_city": "Łódź", "sku": "007", "quantity": 2, "unit_cost": 125000},
    {"po_number": "1002", "ship_city": "Bath", "sku": "A,1", "quantity": 1, "unit_cost": 12345},
    {"po_number": "1001", "ship_city": "Łódź", "sku": "B<2>", "quantity": 10, "unit_cost": None},
)


def layout(*columns, **options):
    made = {"columns": list(columns or (PO, CITY, SKU, QTY, COST)), "file_name": "o_{number}.txt", "line_end": "lf", **options}
    order_mapping.check_layout(made)
    return made


def made(lines=TWO_ORDERS, columns=(), **options):
    return order_mapping.files(layout(*columns, **options), lines, at=AT, number="7")


def errors_of(**options):
    with pytest.raises(Invalid) as told:
        layout(**options)
    return told.value.errors


def test_a_row_for_each_order_joins_what_differs_from_line_to_line():
    (one,) = made(shape="orders")
    assert one.content.decode() == 'PO,City,SKU,Qty,Cost\n1001,Łódź,007|B<2>,2|10,12.50|\n1002,Bath,"A,1",1,1.2345\n'


def test_a_value_with_the_joining_sign_is_refused():
    bad = [{**TWO_ORDERS[0], "sku": "a|b"}, TWO_ORDERS[2]]
    with pytest.raises(Refused, match="Order 1001 holds “a|b” in “SKU”"):
        made(bad, shape="orders")
    assert made(bad, shape="orders", line_join="~")
    assert made(bad[:1], shape="orders"), "one line alone has nothing between"


def test_a_pair_has_each_order_once_and_each_line_under_its_number():
    head, detail = made(columns=(PO, CITY), shape="pair", detail_columns=[PO, SKU, QTY], detail_file_name="l_{number}.txt")
    assert (head.name, detail.name) == ("o_7.txt", "l_7.txt")
    assert head.content.decode() == "PO,City\n1001,Łódź\n1002,Bath\n"
    assert detail.content.decode() == 'PO,SKU,Qty\n1001,007,2\n1002,"A,1",1\n1001,B<2>,10\n'


def test_fixed_width_is_padded_and_never_cut():
    wide = [{**PO, "width": 6}, {**SKU, "width": 5}, {**QTY, "width": 4, "align": "right", "pad": "0"}]
    (one,) = made(columns=wide, format="fixed", header=False)
    assert one.content.decode() == "1001  007  0002\n1002  A,1  0001\n1001  B<2> 0010\n"
    with pytest.raises(Refused, match="“TOO-LONG” in “SKU”: 8 characters, and the column is 5 wide. Nothing was cut off"):
        made([{**TWO_ORDERS[0], "sku": "TOO-LONG"}], columns=wide, format="fixed", header=False)
    assert "Enter how many" in errors_of(format="fixed")["columns.0"]
    assert (
        "Its name has 3" in errors_of(format="fixed", columns=[{**PO, "width": 9}, {**SKU, "width": 2}, {**QTY, "width": 4}])["columns.1"]
    )


def test_a_workbook_keeps_codes_as_text_and_is_the_same_each_time():
    (one,), (again,) = made(format="xlsx"), made(format="xlsx")
    assert one.content == again.content, "the same orders give the same bytes"
    rows = CalamineWorkbook.from_filelike(io.BytesIO(one.content)).get_sheet_by_index(0).to_python()
    assert rows[:2] == [["PO", "City", "SKU", "Qty", "Cost"], ["1001", "Łódź", "007", 2.0, 12.5]] and rows[3][4] == ""
    (formula,) = made([{**TWO_ORDERS[0], "sku": "=1+1"}], format="xlsx")
    assert CalamineWorkbook.from_filelike(io.BytesIO(formula.content)).get_sheet_by_index(0).to_python()[1][2] == "=1+1"


def test_xml_has_orders_with_their_lines():
    number = {"header": "@number", "kind": "field", "field": "po_number"}
    fixed = {"header": "Unit", "kind": "fixed", "text": "EA", "level": "line"}
    columns = (number, {**CITY, "header": "ShipTo/City"}, {**SKU, "header": "Item/@sku"}, QTY, fixed)
    (one,) = made(columns=columns, format="xml", root="PurchaseOrders")
    root = etree.fromstring(one.content)
    assert root.tag == "PurchaseOrders" and [order.get("number") for order in root] == ["1001", "1002"]
    first = root[0]
    assert first.findtext("ShipTo/City") == "Łódź" and first.find("Unit") is None
    assert [(line.find("Item").get("sku"), line.findtext("Qty"), line.findtext("Unit")) for line in first.findall("Line")] == [
        ("007", "2", "EA"), ("B<2>", "10", "EA"),
    ]  # fmt: skip
    assert "element's name" in errors_of(format="xml", columns=[{**PO, "header": "PO number"}, SKU, QTY])["columns.0"]
    assert "root" in errors_of(format="xml", root="a b")


def test_json_has_numbers_to_the_digit_and_no_key_for_nothing():
    (one,) = made(columns=(PO, {**CITY, "header": "shipTo.city"}, SKU, QTY, COST), format="json")
    assert json.loads(one.content, parse_float=str) == {
        "orders": [
            {"PO": "1001", "shipTo": {"city": "Łódź"}, "lines": [{"SKU": "007", "Qty": 2, "Cost": "12.50"}, {"SKU": "B<2>", "Qty": 10}]},
            {"PO": "1002", "shipTo": {"city": "Bath"}, "lines": [{"SKU": "A,1", "Qty": 1, "Cost": "1.2345"}]},
        ]
    }
    (bare,) = made(format="json", order_tag="-", line_tag="items")
    assert [len(order["items"]) for order in json.loads(bare.content)] == [2, 1]
    with pytest.raises(Refused, match="stands twice"):
        made(columns=(PO, SKU, QTY, {**COST, "header": "Qty"}), format="json")


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=40))
def test_any_text_comes_back_as_it_was(text):
    line = [{**TWO_ORDERS[0], "sku": text, "ship_city": text}]
    assert list(csv.reader(io.StringIO(made(line)[0].content.decode())))[1][2] == text
    assert json.loads(made(line, format="json")[0].content)["orders"][0]["lines"][0]["SKU"] == text


def test_layouts_that_cannot_be_are_told_by_key():
    assert set(errors_of(format="pdf", shape="heap", line_join="x")) >= {"format", "shape", "line_join"}
    assert set(errors_of(shape="pair")) == {"detail_file_name", "detail_columns"}
    same = errors_of(shape="pair", detail_file_name="o_{number}.txt", detail_columns=[PO])
    assert same["detail_file_name"] == "Give the two files different names"
    assert "PO number" in errors_of(shape="pair", detail_file_name="l_{number}.txt", detail_columns=[SKU, QTY])["detail_columns"]


@pytest.mark.parametrize(
    ("form", "header", "ending"), [("xml", "PONumber", "xml"), ("json", "PO number", "json"), ("fixed", "PO number", "txt")]
)
def test_another_format_gets_names_widths_and_an_ending_that_fit(form, header, ending):
    layout = {**order_mapping.propose_layout(), "format": form}
    order_mapping.reshape(layout)
    order_mapping.check_layout(layout)
    assert layout["columns"][0]["header"] == header and layout["file_name"].endswith(f".{ending}")
    assert order_mapping.files(layout, order_mapping.SAMPLE_ORDER, at=AT, number="1")[0].content
