"""A SOAP service of an independent stack (PHP): every sign-in, both versions, items, errors inside a success, and faults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal import feeds
from tests.connectors.soap_server import Stack, needs_promostandards, soap_stack
from tests.connectors.soaping import PASSWORD, Asking

CHECKED = ("address", "port", "identity", "sign_in", "folder")
IN_THE_CALL = "status = all\nuser = <user>\npassword = <password>"


@pytest.fixture(scope="module")
def running() -> Iterator[Stack]:
    with soap_stack() as made:
        yield made


@pytest.fixture
def stack(running: Stack) -> Stack:
    running.set()
    running.forget()
    return running


def asking(stack: Stack, **settings: object) -> Asking:
    return Asking(f"{stack.base}/stock.wsdl", **settings)


@pytest.mark.parametrize("port", ["Stock11", "Stock12"])
def test_both_versions_bring_the_items_in_the_schemas_shape(stack: Stack, tmp_path: Path, port: str) -> None:
    one = asking(stack, wsdl_operation=f"{port}:ListStock")
    assert one.check() == dict.fromkeys(CHECKED, "passed") and one.detail("folder") == "ListStock answered: 3 items"
    found = one.fetch(tmp_path)
    assert [row["sku"] for row in found] == ["000-A&B", "001-A&B", "002-A&B"], "zeros in front stay"
    assert [row["qty"] for row in found] == ["0", "", "6"], "what is nil has no value"
    assert found[1]["place"] == [{"code": "W1", "qty": "1"}], "what may repeat is a list also where it stands once"
    assert {row["parent"]["warehouse"] for row in found} == {"Main"}
    sent = [call for call in stack.asked() if call["method"] == "POST"]
    assert len(sent) == 2 and {call["type"].split(";")[0] for call in sent} == {"text/xml" if port == "Stock11" else "application/soap+xml"}
    assert [call["path"] for call in stack.asked() if call["method"] == "GET"] == ["/stock.wsdl", "/types/stock.xsd", "/types/shared.xsd"]


def test_what_was_read_is_a_feed(stack: Stack, tmp_path: Path) -> None:
    asking(stack).fetch(tmp_path)
    form = feeds.detect(tmp_path / "items.jsonl", "items.jsonl").format
    headers, rows = feeds.preview(tmp_path / "items.jsonl", form, 2)
    assert form.kind == "jsonl" and {"sku", "qty", "price", "parent.warehouse"} <= set(headers)
    assert list(rows)[0].cells[list(headers).index("sku")] == "000-A&B"


SIGN_INS = {
    "wsse_text": ("wsse", {}), "wsse_digest": ("wsse", {}), "basic": ("basic", {}), "arguments": ("arguments", {"arguments": IN_THE_CALL}),
}  # fmt: skip


@pytest.mark.parametrize("auth", SIGN_INS)
def test_every_sign_in_is_accepted_and_never_told(stack: Stack, tmp_path: Path, auth: str) -> None:
    asked, settings = SIGN_INS[auth]
    stack.set(auth=asked)
    one = asking(stack, auth=auth, **settings)
    assert set(one.check().values()) == {"passed"} and "ana" in one.detail("sign_in")
    assert len(one.fetch(tmp_path)) == 3
    told = repr(one.exchanges) + repr(one.checks)
    assert "k3y" not in told and "&lt;of&gt;" not in told
    if auth == "wsse_digest":
        sent = re.findall(r"Digest\">([^<]+)<|Binary\">([^<]+)<", stack.asked()[-1]["body"])
        assert len(sent) == 2 and not any(text in told for pair in sent for text in pair if text), "a digest works for some minutes"


@pytest.mark.parametrize("auth", SIGN_INS)
def test_a_wrong_password_is_refused_at_the_sign_in(stack: Stack, tmp_path: Path, auth: str) -> None:
    asked, settings = SIGN_INS[auth]
    stack.set(auth=asked)
    one = asking(stack, auth=auth, secret="another-s3cret", **settings)
    states = one.check()
    assert one.problem is not None and one.problem.code == "sign_in_refused" and "s3cret" not in repr(one.problem)
    if auth != "basic":  # there the WSDL itself asks for it
        assert states["identity"] == "passed" and states["sign_in"] == "failed" and "folder" not in states
    assert one.refused(tmp_path).code == "sign_in_refused"


def test_nested_repeated_and_attributes_stand_in_the_call(stack: Stack, tmp_path: Path) -> None:
    asking(
        stack,
        arguments={
            "status": {"from": "value", "lines": ["active"]}, "only.sku": {"from": "value", "lines": ["A&B", "C"]},
            "only.range.from": {"from": "value", "lines": ["1", "5"]}, "only.range.to": {"from": "value", "lines": ["2", "6"]},
            "only.range.@of": {"from": "value", "lines": ["x"]},
        },
    ).fetch(tmp_path)  # fmt: skip
    body = re.sub(r"ns0:", "", stack.asked()[-1]["body"])
    assert (
        "<status>active</status><only><sku>A&amp;B</sku><sku>C</sku>"
        '<range of="x"><from>1</from><to>2</to></range><range><from>5</from><to>6</to></range></only>'
    ) in body


def test_a_service_in_the_encoded_style_of_old(stack: Stack, tmp_path: Path) -> None:
    old = {"wsdl_operation": "list", "arguments": "user = <user>\ncount = 2", "items": "return.item", "errors_at": ""}
    one = Asking(f"{stack.base}/old.wsdl", endpoint=f"{stack.base}/old", **old)
    assert one.check()["folder"] == "passed", one.problem
    rows = [{"sku": "01-ana", "qty": "1"}, {"sku": "02-ana", "qty": "2"}, *[{"sku": "00-SAME", "qty": "7"}] * 2]
    assert one.fetch(tmp_path) == rows
    assert one.library.outline["operations"][0]["lists"] == [{"path": "return.item", "columns": ["sku", "qty"]}]
    assert {call["path"] for call in stack.asked()} == {"/old.wsdl", "/old"}, "the schema of the encoding is ours"


def test_a_call_for_each_product(stack: Stack, tmp_path: Path) -> None:
    one = asking(stack, wsdl_operation="GetStock", arguments="productId = <product>", items="item", products=["P1", "P2", "P3"])
    assert one.check()["folder"] == "passed" and "3 products, a call for each" in one.detail("folder")
    stack.forget()
    assert [(row["sku"], row["asked_for"]) for row in one.fetch(tmp_path)] == [(f"P{n}-{m}", f"P{n}") for n in (1, 2, 3) for m in (1, 2)]
    assert len(stack.asked()) == 3, "the WSDL is read once"


LISTED = {
    "wsdl_operation": "GetStock", "arguments": "productId = <product>", "items": "item",
    "products_operation": "ListStock", "products_arguments": IN_THE_CALL, "products_path": "items.item.sku",
}  # fmt: skip


def test_another_operation_tells_the_products(stack: Stack, tmp_path: Path) -> None:
    stack.set(auth="arguments")
    one = asking(stack, auth="arguments", products=["unused"], **LISTED)
    assert set(one.check().values()) == {"passed"} and "3 products, a call for each" in one.detail("folder")
    stack.forget()
    assert [row["asked_for"] for row in one.fetch(tmp_path)] == [f"00{n}-A&B" for n in range(3) for _ in range(2)]
    assert len(stack.asked()) == 4
    wrong = asking(stack, auth="arguments", secret="another-s3cret", **LISTED)
    assert set(wrong.check()) == {"address", "port", "identity"} and wrong.problem is not None
    assert wrong.problem.code == "sign_in_refused"


@pytest.mark.parametrize(
    ("change", "words"), [({"products_path": "items.item"}, "none at"), ({"products_operation": "Gone"}, "no Gone any more")]
)
def test_products_that_are_not_told_end_the_run(stack: Stack, tmp_path: Path, change: dict[str, str], words: str) -> None:
    assert words in asking(stack, auth="arguments", **{**LISTED, **change}).refused(tmp_path).body


def test_one_product_that_fails_ends_all(stack: Stack, tmp_path: Path) -> None:
    one = asking(stack, wsdl_operation="GetStock", arguments="productId = <product>", items="item", products=["P1", "gone", "P3"])
    problem = one.refused(tmp_path)
    assert "product gone" in problem.body and problem.server_said == "404, No such product"


def test_a_sample_makes_only_some_calls(stack: Stack, tmp_path: Path) -> None:
    products = [f"P{n}" for n in range(9)]
    one = asking(stack, wsdl_operation="GetStock", arguments="productId = <product>", items="item", products=products, most_pages=4)
    assert len(one.fetch(tmp_path)) == 8


@pytest.mark.parametrize(
    "fault, code", [("Client", "protocol_error"), ("Server", "http_status"), ("FailedAuthentication", "sign_in_refused")]
)
def test_a_fault_is_told_in_words_and_asked_once(stack: Stack, tmp_path: Path, fault: str, code: str) -> None:
    stack.set(fault=fault)
    one = asking(stack)
    problem = one.refused(tmp_path)
    assert problem.code == code and "It went wrong" in problem.server_said and fault in problem.server_said
    assert len([call for call in stack.asked() if call["method"] == "POST"]) == 1


def test_items_that_are_not_where_we_look_are_said(stack: Stack, tmp_path: Path) -> None:
    assert "result, warehouse, items" in asking(stack, items="products.product").refused(tmp_path).body


def test_no_items_is_an_empty_list_and_no_fault(stack: Stack, tmp_path: Path) -> None:
    stack.set(count=0)
    assert asking(stack).fetch(tmp_path) == []


@pytest.mark.parametrize(
    "settings, act, words",
    [
        ({"wsdl_operation": ""}, "Choose the operation", "4 operations"),
        ({"wsdl_operation": "Stock11:Nothing"}, "Choose the operation", "It has: GetStock, ListStock"),
        ({"arguments": {}}, "Choose the arguments", "status"),
        ({"arguments": "status = all\ncolour = red"}, "Choose the arguments", "colour"),
        ({"wsdl_operation": "GetStock", "arguments": "productId = <product>"}, "Enter the product ids", "one product at a time"),
    ],
)
def test_what_is_still_to_choose_is_a_question_and_nothing_is_called(
    stack: Stack, settings: dict[str, object], act: str, words: str
) -> None:
    one = asking(stack, **settings)
    states = one.check()
    assert states["folder"] == "question" and "sign_in" not in states and one.problem is not None
    assert one.problem.act == act and one.problem.act_at == "operation" and words in one.problem.body
    assert all(call["method"] == "GET" for call in stack.asked())


def test_a_call_without_its_server_is_no_list(stack: Stack, tmp_path: Path) -> None:
    one = asking(stack, endpoint=f"{stack.base}/nowhere")
    assert one.refused(tmp_path).code == "http_status"


# PromoStandards


PROMO = {
    "wsdl_operation": "getInventoryLevels",
    "items": "Inventory.PartInventoryArray.PartInventory",
    "errors_at": "",
    "auth": "arguments",
}
LEVELS = "wsVersion = 2.0.0\nid = <user>\npassword = <password>\nproductId = <product>"


def promo(stack: Stack, **settings: object) -> Asking:
    from portal.connectors.soap_files import sort_uploads
    from tests.connectors.soaping import Shelf

    folder = needs_promostandards() / "inventory-2.0.0"
    files = sort_uploads([(path.name, path.read_bytes()) for path in folder.iterdir()])
    more = {"wsdl_from": "upload", "endpoint": f"{stack.base}/promo/inventory", "arguments": LEVELS, "products": ["PC61", "UNKNOWN"]}
    return Asking(library=Shelf(files), **PROMO | more | settings)


def test_promostandards_inventory_as_its_wsdl_says(stack: Stack, tmp_path: Path) -> None:
    one = promo(stack)
    assert set(one.check().values()) == {"passed"}, one.problem
    told: list[str] = []
    one.connector.say = told.append  # type: ignore[method-assign]
    found = one.fetch(tmp_path)
    assert [row["partId"] for row in found] == ["PC61-S", "PC61-M"], "a product that they do not know is no fault"
    assert told == ["The service knows nothing of 1 of 2 products: UNKNOWN. They are left out."]
    assert found[1]["quantityAvailable"]["Quantity"] == {"uom": "EA", "value": "30"} and found[0]["parent"] == {"productId": "PC61"}
    places = [place["inventoryLocationId"] for place in found[1]["InventoryLocationArray"]["InventoryLocation"]]
    assert places == ["1", "2"] and len(found[0]["InventoryLocationArray"]["InventoryLocation"]) == 1
    assert PASSWORD.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") not in repr(one.exchanges)


@pytest.mark.parametrize(
    "code, problem", [(105, "sign_in_refused"), (104, "permission_denied"), (120, "protocol_error"), (999, "protocol_error")]
)
def test_promostandards_codes_are_told_apart(stack: Stack, tmp_path: Path, code: int, problem: str) -> None:
    stack.set(code=code)
    found = promo(stack).refused(tmp_path)
    assert found.code == problem and str(code) in found.server_said


@pytest.mark.parametrize("code", [130, 160])
def test_no_such_product_is_nothing_and_not_a_failure(stack: Stack, tmp_path: Path, code: int) -> None:
    stack.set(code=code)
    assert promo(stack).fetch(tmp_path) == []
