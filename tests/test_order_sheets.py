"""Orders as a PDF to read and print: read back by an independent reader of PDF."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from typing import Any

import pypdf
import pytest

from portal.errors import Refused
from portal.order_mapping import SAMPLE_ORDER, order_sheets

AT = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)


def line(**more: Any) -> dict[str, Any]:
    return {"po_number": "PO-1", "sku": "A-1", "quantity": 1, "ship_name": "Zoë Łukasz", "ship_city": "Αθήνα", "ship_country": "GR", **more}


def pages(lines: list[dict[str, Any]], **more: Any) -> list[str]:
    made = order_sheets(lines, name="Harbor & Pine", at=AT, **more)
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(made)).pages]


def test_the_sample_order_stands_on_one_sheet_with_all_that_a_picker_needs() -> None:
    (text,) = pages([dict(one) for one in SAMPLE_ORDER])
    for expected in ("Purchase order PO-10442", "From Harbor & Pine", "Ana Müller", "Portland OR 04101", "Ship by: UPSGND", "000117",
                     "Work lamp, 20 W", "24.99", "2 lines, 13 units", "Cancel after: 2026-12-07"):  # fmt: skip
        assert expected in text
    assert "test" not in text


def test_each_order_begins_a_page_and_a_long_one_repeats_its_headings() -> None:
    long = [line(po_number="PO-2", line_number=n, sku=f"B-{n}", title="A long title that takes " * 4) for n in range(1, 61)]
    texts = pages([line(), *long])
    assert "PO-1" in texts[0] and "PO-2" not in texts[0] and "1 line, 1 unit" in texts[0]
    assert len(texts) > 2 and all("SKU" in text for text in texts[1:])
    assert [n for n in range(1, 61) if not any(f"B-{n}" in text for text in texts)] == []


def test_a_test_says_so_and_dates_and_money_read_as_they_are() -> None:
    (text,) = pages([line(po_date=date(2026, 11, 2), unit_cost=1_234_567, currency="EUR", note="Ring\r\ntwice")], test=True)
    assert "This is a test. Do not ship anything." in text
    assert "2026-11-02" in text and "123.4567" in text and "EUR" in text and "twice" in text


def test_equal_orders_give_equal_bytes() -> None:
    assert order_sheets([line()], name="H", at=AT) == order_sheets([line()], name="H", at=AT)


@pytest.mark.parametrize(("key", "value", "letter"), [("ship_name", "山田", "山"), ("title", "Mug 🎁", "🎁"), ("note", "a\x07b", "U+0007")])
def test_a_letter_that_the_sheet_cannot_show_is_named_and_nothing_is_left_out(key: str, value: str, letter: str) -> None:
    with pytest.raises(Refused, match="The PDF of PO-1 cannot show") as told:
        order_sheets([line(**{key: value})], name="H", at=AT)
    assert letter in str(told.value) and "Attach the order file instead" in str(told.value)
