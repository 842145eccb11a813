"""A file of orders: good ones in, bad ones back with reasons, the same file again changes nothing."""

from __future__ import annotations

import csv
import io
from typing import Any

from portal.models import Order, OrderFile, OrderLine
from portal.orders import files

HEADERS = ["Order Number", "SKU", "Qty", "Ship Name", "Address 1", "City", "State", "Zip", "Country"]


def row(number: str, sku: str = "HX-1", quantity: str = "1", **changed: str) -> list[str]:
    at = {"name": "Ada Byron", "street": "12 Harbor Rd", "city": "Portland", "state": "ME", "zip": "04101", "country": "US", **changed}
    return [number, sku, quantity, *at.values()]


def written(rows: list[list[str]], headers: list[str] = HEADERS) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([headers, *rows])
    return out.getvalue().encode()


def upload(client: Any, content: bytes, name: str = "orders.csv") -> Any:
    return client.send_form("/orders/from-file", {"file": (io.BytesIO(content), name)}, content_type="multipart/form-data")


def take(client: Any, at: str) -> Any:
    return client.send_form(at, {"take": "1"})


def test_ten_percent_bad_rows_the_good_orders_come_in_and_the_mended_ones_once(client: Any) -> None:
    rows = [row(f"N{n}", quantity="0" if n % 10 == 0 else "2") for n in range(50)]
    at = upload(client, written(rows)).location
    page = client.get(at).text
    assert "45 orders with 45 lines can be taken in" in page and "5 rows cannot" in page and not Order.select().count()
    assert take(client, at).status_code == 303
    page = client.get(at).text
    assert "45 orders taken in" in page and "5 rows were not taken in" in page and "The quantity is 0." in page

    told = list(csv.reader(io.StringIO(client.get(f"{at}/rows.csv").data.decode("utf-8-sig"))))
    assert told[0] == [*files.OURS, *HEADERS] and [line[2] for line in told[1:]] == ["N0", "N10", "N20", "N30", "N40"]
    mended = [[*line[:4], "3", *line[5:]] for line in told[1:]]
    for made, known in ((5, 0), (0, 5)):
        again = upload(client, written(mended, told[0]), "mended.csv").location
        assert "5 orders with 5 lines can be taken in" in client.get(again).text, "mapped as last time, our own columns left alone"
        take(client, again)
        newest = OrderFile.select().order_by(OrderFile.id.desc()).first()
        assert (newest.made, newest.known, newest.bad) == (made, known, [])
    assert Order.select().count() == OrderLine.select().count() == 50


def test_the_whole_file_again_changes_nothing(client: Any) -> None:
    content = written([row("N1"), row("N1", "HX-2"), row("N2")])
    for made, known in ((2, 0), (0, 2)):
        take(client, upload(client, content).location)
        newest = OrderFile.select().order_by(OrderFile.id.desc()).first()
        assert (newest.made, newest.known) == (made, known)
    assert OrderLine.select().count() == 3


def test_another_content_under_a_known_number_is_told_and_kept_out(client: Any) -> None:
    take(client, upload(client, written([row("N1")])).location)
    at = upload(client, written([row("N1", quantity="9"), row("N2")])).location
    take(client, at)
    page = client.get(at).text
    assert "1 order taken in" in page and "There is an order N1 already, and it differs in lines" in page
    assert OrderLine.get().quantity == 1


def test_an_address_nobody_can_ship_to_comes_in_on_hold(client: Any) -> None:
    at = upload(client, written([row("N1", state="Mayne"), row("N2")])).location
    assert "1 of them on hold for their address" in client.get(at).text
    take(client, at)
    assert "1 is on hold for its address" in client.get(at).text and Order.get(Order.number == "N1").state == "on_hold"


def test_columns_are_chosen_where_they_are_not_known_and_remembered(client: Any) -> None:
    headers = ["Bestellung", "Was", "Wieviel", *HEADERS[3:]]
    at = upload(client, written([row("N1")], headers)).location
    refused = client.send_form(at, {"take": "1", "sku": "Was", "quantity": "Was"})
    assert refused.status_code == 422 and "Choose the column that holds the order number" in refused.text
    assert "“Was” is used for" in refused.text and not Order.select().count()
    client.send_form(at, {"number": "Bestellung", "sku": "Was", "quantity": "Wieviel", "look": "1"})
    assert "1 order with 1 line can be taken in" in client.get(at).text
    take(client, at)
    again = upload(client, written([row("N2")], headers)).location
    assert "1 order with 1 line can be taken in" in client.get(again).text


def test_a_file_that_is_no_list_of_orders_is_told(client: Any, monkeypatch: Any) -> None:
    assert "Choose the file first" in client.send_form("/orders/from-file", {}).text
    empty = upload(client, b"")
    assert empty.status_code == 422 and "The file is empty" in empty.text
    monkeypatch.setattr(files, "MOST_ROWS", 2)
    at = upload(client, written([row("N1"), row("N2"), row("N3")])).location
    long = client.get(at)
    assert long.status_code == 409 and "We take 2 rows at a time" in long.text and not Order.select().count()
    assert OrderFile.get().state == "read"


def test_taking_it_in_goes_on_where_it_was_cut_off(client: Any, merchant: Any, monkeypatch: Any) -> None:
    at = upload(client, written([row("N1"), row("N2"), row("N3")])).location
    file = OrderFile.get()
    monkeypatch.setattr(files, "AT_ONCE", 1)
    real, calls = files.intake.create, []

    def create(*given: Any) -> Any:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(files.intake, "create", create)
    try:
        files.take(files.find(merchant, file.public_id), "ada")
    except KeyboardInterrupt:
        assert Order.select().count() == 2
    monkeypatch.setattr(files.intake, "create", real)
    take(client, at)
    assert Order.select().count() == 3 and (OrderFile.get().made, OrderFile.get().known) == (1, 2)
