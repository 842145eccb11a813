"""Rows of a file of orders, one a line, put together to orders. Pure.

rows ─▶ by order number ─▶ the same in each row: the order · the rest: its lines ─▶ orders, and rows of orders that cannot be taken
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.errors import Invalid
from portal.fields import Field
from portal.mapping.amounts import Unfit, money_reader, quantity_reader
from portal.orders.intake import NewLine, NewOrder, check
from portal.records import Row

FIELDS: tuple[Field, ...] = (
    Field("number", "Order number", "identifier", True, "Rows with the same number are one order", 60,
          ("ordernumber", "orderno", "orderid", "order", "ordername", "number", "ponumber", "po", "salesorder")),
    Field("sku", "SKU", "identifier", True, "Your Master SKU", 120,
          ("sku", "mastersku", "lineitemsku", "itemsku", "productsku", "itemno", "itemnumber", "item", "productcode", "partnumber")),
    Field("quantity", "Quantity", "quantity", True, "Whole units, 1 or more", 0,
          ("quantity", "qty", "lineitemquantity", "qtyordered", "orderqty", "units")),
    Field("price", "Price each", "money", False, "", 0, ("price", "unitprice", "lineitemprice", "itemprice")),
    Field("title", "Title", "text", False, "", 500, ("title", "itemname", "lineitemname", "productname", "itemtitle", "description")),
    Field("name", "Name", "text", False, "Who gets it", 120,
          ("name", "shippingname", "shipname", "shiptoname", "recipient", "recipientname", "customername", "fullname")),
    Field("company", "Company", "text", False, "", 120, ("company", "shippingcompany", "shipcompany", "shiptocompany")),
    Field("address_1", "Address line 1", "text", False, "", 120,
          ("address1", "shippingaddress1", "shipaddress1", "shiptoaddress1", "addressline1", "address", "street", "shippingstreet")),
    Field("address_2", "Address line 2", "text", False, "", 120, ("address2", "shippingaddress2", "shipaddress2", "addressline2")),
    Field("city", "City", "text", False, "", 80, ("city", "shippingcity", "shipcity", "shiptocity", "town")),
    Field("state", "State", "text", False, "", 80,
          ("state", "province", "shippingprovince", "shippingstate", "shipstate", "shiptostate", "region")),
    Field("postal", "Postal code", "identifier", False, "", 20,
          ("postal", "postalcode", "zip", "zipcode", "shippingzip", "shipzip", "shiptozip", "postcode")),
    Field("country", "Country", "text", False, "", 60,
          ("country", "countrycode", "shippingcountry", "shipcountry", "shiptocountry")),
    Field("email", "Email", "text", False, "", 254, ("email", "customeremail", "shipemail")),
    Field("phone", "Phone", "text", False, "", 40, ("phone", "telephone", "shippingphone", "shipphone")),
    Field("shipping_text", "Shipping method", "text", False, "As your channel calls it", 120,
          ("shippingmethod", "shipmethod", "shipvia", "deliverymethod", "shippingservice")),
    Field("reference", "Channel reference", "identifier", False, "", 60, ("channelreference", "channelorderid", "externalid")),
    Field("customer_reference", "Customer reference", "identifier", False, "", 60, ("customerreference", "customerref", "customerpo")),
    Field("note", "Note", "text", False, "", 500, ("note", "notes", "comments", "instructions")),
    Field("currency", "Currency", "text", False, "Empty: USD", 3, ("currency", "currencycode")),
)  # fmt: skip
BY_KEY = {one.key: one for one in FIELDS}
NEEDED = tuple(one.key for one in FIELDS if one.needed)
OF_LINE = ("sku", "quantity", "price", "title")
OF_ADDRESS = ("name", "company", "address_1", "address_2", "city", "state", "postal", "country", "email", "phone")


@dataclass(frozen=True)
class BadRow:
    """A row that was not taken, as it came, and why not."""

    row: int
    cells: Sequence[str]
    words: str


@dataclass
class Together:
    """The orders of a file, each with its rows; and the rows of orders that cannot be taken."""

    orders: list[tuple[NewOrder, list[Row]]] = field(default_factory=list)
    bad: list[BadRow] = field(default_factory=list)


def put_together(headers: Sequence[str], rows: Iterable[Row], rules: Mapping[str, str], mark: str) -> Together:
    """`rules`: key of FIELDS -> header. `mark`: the decimal mark. One bad row keeps its whole order out: half of one is no order."""
    places = {key: headers.index(column) for key, column in rules.items() if key in BY_KEY and column in headers}
    made, groups = Together(), dict[str, list[Row]]()
    for row in rows:
        if not any(cell.strip() for cell in row.cells):
            continue
        number = _cell(row, places, "number")
        if number:
            groups.setdefault(number, []).append(row)
        else:
            made.bad.append(BadRow(row.number, row.cells, "It has no order number."))
    for number, of_order in groups.items():
        _one(made, number, of_order, places, mark)
    made.bad.sort(key=lambda one: one.row)
    return made


def _one(made: Together, number: str, rows: list[Row], places: Mapping[str, int], mark: str) -> None:
    problems: dict[int, str] = {}
    lines: list[NewLine] = []
    shared, contrary = _shared(rows, places)
    problems |= contrary
    for row in rows:
        line, words = _line(row, places, mark)
        if line is not None:
            lines.append(line)
        if words:
            problems[row.number] = f"{problems.get(row.number, '')} {words}".strip()
    if not problems:
        order = _order(number, lines, shared)
        try:
            check(order)
        except Invalid as error:
            problems = _placed(error, rows)
        else:
            made.orders.append((order, rows))
            return
    made.bad += keep_out(rows, problems)


def keep_out(rows: Sequence[Row], problems: Mapping[int, str]) -> list[BadRow]:
    """All rows of an order that is not taken: those with a problem say it, the rest say which row has one."""
    at = ", ".join(str(number) for number in sorted(problems)[:3])
    return [BadRow(row.number, row.cells, problems.get(row.number) or f"Row {at} of the same order has a problem.") for row in rows]


def _order(number: str, lines: Sequence[NewLine], shared: Mapping[str, str]) -> NewOrder:
    texts: dict[str, Any] = {key: shared.get(key, "") for key in ("reference", "shipping_text", "customer_reference", "note")}
    address = {key: shared[key] for key in OF_ADDRESS if shared.get(key)}
    return NewOrder(number, lines, address, currency=shared.get("currency", "").upper() or "USD", **texts)


def _shared(rows: Sequence[Row], places: Mapping[str, int]) -> tuple[dict[str, str], dict[int, str]]:
    """What is said once for the order, from the first row that says it; and rows that say something else."""
    shared: dict[str, tuple[str, int]] = {}
    contrary: dict[int, str] = {}
    for row in rows:
        for key in places:
            text = "" if key in OF_LINE or key == "number" else _cell(row, places, key)
            if not text:
                continue
            first, where = shared.setdefault(key, (text, row.number))
            if first != text and row.number not in contrary:
                contrary[row.number] = f"{BY_KEY[key].label} is “{text[:40]}” here and “{first[:40]}” in row {where} of the same order."
    return {key: text for key, (text, _) in shared.items()}, contrary


def _line(row: Row, places: Mapping[str, int], mark: str) -> tuple[NewLine | None, str]:
    words = [f"{one.field}: {one.reason}." for one in row.problems]
    sku, typed, price = _cell(row, places, "sku"), _cell(row, places, "quantity"), _cell(row, places, "price")
    if not sku:
        words.append("It has no SKU.")
    quantity, amount = 0, None
    try:
        quantity = quantity_reader(mark)(typed) if typed else 0
        if quantity < 1:
            words.append(f"The quantity is {typed or 'missing'}. It must be 1 or more.")
    except Unfit as error:
        words.append(f"The quantity “{typed[:40]}” cannot be used: {error.reason[:1].lower()}{error.reason[1:]}.")
    try:
        amount = money_reader(mark)(price) if price else None
    except Unfit as error:
        words.append(f"The price “{price[:40]}” cannot be used: {error.reason[:1].lower()}{error.reason[1:]}.")
    if words:
        return None, " ".join(words)
    return NewLine(sku, quantity, _cell(row, places, "title"), amount), ""


def _placed(error: Invalid, rows: Sequence[Row]) -> dict[int, str]:
    """The problems of an order at its rows: those of a line at that line's, the rest at the first."""
    found: dict[int, str] = {}
    for key, words in error.errors.items():
        at = rows[int(key.split(".")[1])].number if key.startswith("lines.") else rows[0].number
        found[at] = f"{found.get(at, '')} {words}".strip()
    return found


def _cell(row: Row, places: Mapping[str, int], key: str) -> str:
    place = places.get(key, -1)
    return row.cells[place].strip() if 0 <= place < len(row.cells) else ""
