"""The demo supplier's people, at a clock of our own: what they do with order files, and that a restart loses and doubles nothing."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from portal.demo_warehouse import Warehouse, tracking_number
from portal.shipments import carriers

STOCK = {"HF-1": 10, "HF-2": 1, "HF-3": 0}
FILE = "PO number,Inventory SKU,Quantity\r\n1001,HF-1,4\r\n1002,HF-2,3\r\n1002,HF-3,1\r\n1002,NO-1,1\r\n1002,HF-1,2\r\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("orders", "acknowledgements", "shipments"):
        (tmp_path / name).mkdir()
    return tmp_path


def people(root: Path) -> Warehouse:
    return Warehouse(root, root / "memory.json", lambda: STOCK, lambda path, content: path.write_bytes(content) and None)


def drop(root: Path, text: str = FILE, name: str = "orders_1.csv") -> None:
    (root / "orders" / name).write_text(text, newline="")


def told(root: Path, folder: str) -> list[list[str]]:
    return [row for path in sorted((root / folder).glob("*.csv")) for row in list(csv.reader(path.open(newline="")))[1:]]


def test_an_order_file_is_answered_then_shipped_with_numbers_whose_check_digits_fit(root):
    drop(root)
    one = people(root)
    one.look(0)
    assert (root / "orders/orders_1.csv").exists(), "a file is read once it did not change between two looks"
    one.look(1)
    assert not (root / "orders/orders_1.csv").exists() and (root / "orders/archive/orders_1.csv").exists()
    assert told(root, "acknowledgements") == []
    one.look(6.5)
    assert told(root, "acknowledgements") == [
        ["1001", "HF-1", "IA", "4", ""],
        ["1002", "HF-2", "IQ", "1", "Only 1 in stock"],
        ["1002", "HF-3", "R2", "0", "Out of stock"],
        ["1002", "NO-1", "IR", "0", "We do not carry this item"],
        ["1002", "HF-1", "IA", "2", ""],
    ]
    one.look(17)
    one.look(38)
    parcels = told(root, "shipments")
    shipped = {(po, sku): sum(int(row[2]) for row in parcels if row[:2] == [po, sku]) for po, sku, *_ in parcels}
    assert shipped == {("1001", "HF-1"): 4, ("1002", "HF-1"): 2, ("1002", "HF-2"): 1}
    assert len({row[4] for row in parcels if row[0] == "1002"}) == 2, "the second order goes in two parcels"
    assert one.waiting == []


def test_a_restart_at_any_moment_and_the_same_file_twice_change_nothing(root):
    drop(root)
    for now in (0, 1, 1.5, 6.5, 7, 17, 18, 38, 60):
        one = people(root)
        one.look(now)
        one.look(now)
        if now == 1.5:
            drop(root)  # the very same file, as a sender drops it that does not know
    assert sum(int(row[2]) for row in told(root, "shipments")) == 7 and len(told(root, "acknowledgements")) == 5


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("PO,SKU\r\n1,A\r\n", "no column for quantity"), ("PO,SKU,Qty\r\n1,A,many\r\n", "no whole number"),
        ("PO,SKU,Qty\r\n1,A,-2\r\n", "a quantity above 0"), ("PO,SKU,Qty\r\n1\r\n", "too few values"), ("\r\n", "no column"),
    ],
)  # fmt: skip
def test_what_they_cannot_read_stays_and_a_note_says_why(root, text, why):
    drop(root, text)
    one = people(root)
    for now in range(60):
        one.look(now)
    notes = [path.read_text() for path in (root / "acknowledgements").iterdir()]
    assert (root / "orders/orders_1.csv").exists() and len(notes) == 1 and why in notes[0] and told(root, "shipments") == []


def test_links_hidden_and_unfinished_files_are_left_alone(root):
    (root / "secret.csv").write_text(FILE, newline="")
    (root / "orders/link.csv").symlink_to(root / "secret.csv")
    drop(root, name=".hidden.csv")
    drop(root, name="orders_2.csv.part")
    one = people(root)
    for now in range(20):
        one.look(now)
    assert not told(root, "acknowledgements") and sorted(path.name for path in (root / "orders").iterdir()) == [
        ".hidden.csv", "link.csv", "orders_2.csv.part",
    ]  # fmt: skip


def test_its_numbers_are_real_for_the_carriers_we_know():
    made = [tracking_number(f"PO-{n}", 1) for n in range(300)]
    assert len({number for _, number in made}) == 300 and {carrier for carrier, _ in made} == {"UPS", "USPS"}
    for carrier, number in made:
        seen = carriers.recognise(number)
        assert (carriers.name_of(seen.key), seen.sure, seen.doubt) == (carrier, True, "")
