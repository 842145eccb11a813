"""An order becomes exactly the supplier's file, or is refused; a tracking file's rows become shipments, with every problem."""

from __future__ import annotations

import contextlib
import csv
import io
import json
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import order_mapping
from portal.errors import Invalid, Refused, SupplierError
from portal.order_mapping import dates
from portal.order_mapping.cells import money
from portal.records import CellProblem, Row

PO = {"header": "PO", "kind": "field", "field": "po_number"}
SKU = {"header": "SKU", "kind": "field", "field": "sku"}
QTY = {"header": "Qty", "kind": "field", "field": "quantity"}
LINE = {"po_number": "PO-1", "sku": "A-1", "quantity": 3}


def layout(*columns, **options):
    """A layout of PO, SKU, quantity and `columns`, which was checked."""
    made = {"columns": [PO, SKU, QTY, *columns], "file_name": "o_{number}.csv", **options}
    order_mapping.check_layout(made)
    return made


def written(*columns, line=None, **options):
    """The file of one line, without its first three values."""
    options = {"header": False, "line_end": "lf", **options}
    data = order_mapping.render(layout(*columns, **options), [{**LINE, **(line or {})}])
    text = data.decode(options.get("encoding", "utf-8"))
    start = "PO-1,A-1,3,".replace(",", options.get("delimiter", ","))
    assert text.startswith(start), text
    return text.removeprefix(start)


def note(text):
    return {"note": text}


NOTE = {"header": "Note", "kind": "field", "field": "note"}


def errors_of(made):
    with pytest.raises(Invalid) as caught:
        order_mapping.check_layout(made)
    return caught.value.errors


def test_the_file_of_the_sample_order_to_the_byte():
    made = order_mapping.propose_layout()
    order_mapping.check_layout(made)
    assert (
        order_mapping.render(made, order_mapping.SAMPLE_ORDER)
        == (
            "PO number,PO date,Ship-to name,Ship-to company,Address line 1,Address line 2,City,State,Postal code,Country,Phone,"
            "Shipping code,Line number,Inventory SKU,Quantity,Unit cost\r\n"
            'PO-10442,2026-11-23,Ana Müller,"Müller, Reyes & Co.","1200 Harbor View Rd, Apt 5",,Portland,OR,04101,US,+1 503 555 0142,'
            "UPSGND,1,000117,12,0.49\r\n"
            'PO-10442,2026-11-23,Ana Müller,"Müller, Reyes & Co.","1200 Harbor View Rd, Apt 5",,Portland,OR,04101,US,+1 503 555 0142,'
            "UPSGND,2,KS-88214,1,24.99\r\n"
        ).encode()
    )


def test_delimiter_line_end_header_and_encoding_are_kept_to_the_byte():
    made = layout(NOTE, delimiter=";", line_end="lf", encoding="utf-8-sig")
    assert (
        order_mapping.render(made, [{**LINE, "note": "é"}] * 2)
        == b"\xef\xbb\xbfPO;SKU;Qty;Note\nPO-1;A-1;3;\xc3\xa9\nPO-1;A-1;3;\xc3\xa9\n"
    )
    made = layout(NOTE, delimiter="\t", line_end="crlf", encoding="cp1252", header=False)
    assert order_mapping.render(made, [{**LINE, "note": "5 €"}]) == b"PO-1\tA-1\t3\t5 \x80\r\n"
    assert order_mapping.render(layout(delimiter="|"), []) == b"PO|SKU|Qty\r\n"
    assert order_mapping.render(layout(header=False), []) == b""


def test_values_are_quoted_only_where_needed_or_all():
    assert written(NOTE, line=note('12" pipe')) == '"12"" pipe"\n'
    assert written(NOTE, line=note("a,b")) == '"a,b"\n'
    assert written(NOTE, line=note("a,b"), delimiter=";") == "a,b\n"
    assert written(NOTE, line=note(" spaced ")) == " spaced \n"
    assert written(NOTE, line=note("plain")) == "plain\n"
    made = layout(NOTE, quoting="all", line_end="lf")
    assert order_mapping.render(made, [LINE]) == b'"PO","SKU","Qty","Note"\n"PO-1","A-1","3",""\n'


def test_a_machine_file_never_changes_a_value_that_a_spreadsheet_would_read_as_a_formula():
    for text in ("=1+1", "+1 503", "-5", "@x", "'quoted"):
        assert written(NOTE, line=note(text)) == f"{text}\n"


def test_without_quotes_a_value_that_needs_them_is_refused():
    assert written(NOTE, line=note("plain"), quoting="none") == "plain\n"
    assert written(NOTE, line=note("a;b"), quoting="none") == "a;b\n"
    for text in ("a,b", 'the "blue" door'):
        with pytest.raises(Refused, match="Order PO-1 holds “.*”, which needs quotes, but this file is set to never quote"):
            written(NOTE, line=note(text), quoting="none")
    with pytest.raises(Refused, match="The header holds “a,b”"):
        order_mapping.render(layout({**NOTE, "header": "a,b"}, quoting="none"), [])


def test_an_empty_line_of_one_column_is_refused_where_nothing_is_quoted():
    joined = {"header": "All", "kind": "joined", "fields": ["po_number", "sku", "quantity"], "join": "-"}
    made = {"columns": [joined], "file_name": "{po}", "quoting": "none", "header": False}
    order_mapping.check_layout(made)
    assert order_mapping.render(made, [LINE]) == b"PO-1-A-1-3\r\n"
    with pytest.raises(Refused, match="empty"):
        order_mapping.render(made, [{}])


@pytest.mark.parametrize("sign", ["\r", "\n", "\x00", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\u2029", "\ud800"])
@pytest.mark.parametrize("quoting", ["minimal", "all", "none"])
def test_control_characters_are_refused_and_never_changed(sign, quoting):
    with pytest.raises(Refused, match="“Note” of order PO-1 holds a line break or control character"):
        written(NOTE, line=note(f"a{sign}b"), quoting=quoting, delimiter="|")


def test_control_characters_of_a_joined_field_are_refused_too():
    joined = {"header": "Who", "kind": "joined", "fields": ["ship_name", "ship_company"], "join": " / "}
    with pytest.raises(Refused, match="“Who” of order PO-1"):
        written(joined, line={"ship_name": "Ana\nMüller"})


@pytest.mark.parametrize(("encoding", "text", "sign"), [("ascii", "Müller", "ü"), ("cp1252", "Łódź", "Ł")])
def test_letters_outside_the_encoding_are_refused_by_name(encoding, text, sign):
    with pytest.raises(Refused) as caught:
        written(NOTE, line=note(text), encoding=encoding)
    assert f"Order PO-1 holds “{sign}”" in str(caught.value)
    assert "Choose UTF-8 or change the value" in str(caught.value)


TEXT = st.text(st.characters(blacklist_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12)


@given(st.lists(TEXT, min_size=3, max_size=3), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(["minimal", "all"]))
def test_every_file_reads_back_as_it_was(texts, delimiter, quoting):
    columns = [{"header": key, "kind": "field", "field": key} for key in ("note", "ship_name", "ship_city")]
    line = {**LINE, **dict(zip(("note", "ship_name", "ship_city"), texts, strict=True))}
    data = order_mapping.render(layout(*columns, delimiter=delimiter, quoting=quoting), [line])
    read = list(csv.reader(io.StringIO(data.decode(), newline=""), delimiter=delimiter, strict=True))
    assert read[1] == ["PO-1", "A-1", "3", *texts]


def test_absent_values_are_empty_and_zero_is_not():
    cost = {"header": "Cost", "kind": "field", "field": "unit_cost"}
    day = {"header": "Day", "kind": "date", "field": "po_date", "date_form": "YYYYMMDD"}
    assert written(NOTE, cost, day) == ",,\n"
    assert written(NOTE, cost, line={"note": "", "unit_cost": 0}) == ",0.00\n"


@pytest.mark.parametrize(
    ("amount", "mark", "text"),
    [
        (0, ".", "0.00"),
        (125_000, ".", "12.50"),
        (12_345, ".", "1.2345"),
        (12_340, ".", "1.234"),
        (5, ".", "0.0005"),
        (12_345_000, ".", "1234.50"),
        (125_000, ",", "12,50"),
        (-100, ".", "-0.01"),
    ],
)
def test_money_has_two_decimals_or_as_many_as_it_has(amount, mark, text):
    assert money(amount, mark) == text


def test_a_decimal_comma_in_a_comma_file_is_quoted():
    cost = {"header": "Cost", "kind": "field", "field": "unit_cost"}
    assert written(cost, line={"unit_cost": 125_000}, decimal_mark=",") == '"12,50"\n'
    assert written(cost, line={"unit_cost": 125_000}, decimal_mark=",", delimiter=";") == "12,50\n"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("YYYY-MM-DD", "2026-11-05"),
        ("MM/DD/YYYY", "11/05/2026"),
        ("DD/MM/YYYY", "05/11/2026"),
        ("DD.MM.YYYY", "05.11.2026"),
        ("YYYYMMDD", "20261105"),
        ("MMDDYYYY", "11052026"),
        ("DD-MON-YYYY", "05-NOV-2026"),
    ],
)
def test_each_date_form_is_written_and_read_back(form, text):
    column = {"header": "Day", "kind": "date", "field": "po_date", "date_form": form}
    for value in (date(2026, 11, 5), datetime(2026, 11, 5, 23, 59), "2026-11-05", "2026-11-05T23:59:00"):
        assert written(column, line={"po_date": value}) == f"{text}\n"
    assert dates.read(text, form) == date(2026, 11, 5)


def test_every_date_form_is_offered_and_tested():
    assert list(order_mapping.DATE_FORMS) == [
        "YYYY-MM-DD", "MM/DD/YYYY", "DD/MM/YYYY", "DD.MM.YYYY", "YYYYMMDD", "MMDDYYYY", "DD-MON-YYYY",
    ]  # fmt: skip


def test_fixed_and_joined_columns():
    assert written({"header": "Code", "kind": "fixed", "text": "ACME, 7"}) == '"ACME, 7"\n'
    assert written({"header": "Code", "kind": "fixed", "text": ""}) == "\n"
    joined = {"header": "To", "kind": "joined", "fields": ["ship_name", "ship_company", "unit_cost", "po_date"], "join": " - "}
    line = {"ship_name": "Ana", "ship_company": None, "unit_cost": 5_000, "po_date": date(2026, 1, 2)}
    assert written(joined, line=line) == "Ana - 0.50 - 2026-01-02\n"
    assert written({**joined, "join": ""}, line=line) == "Ana0.502026-01-02\n"


AT = datetime(2026, 11, 5, 9, 7, 3)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("orders_{date}_{number}.csv", "orders_20261105_7.csv"),
        ("{po}.txt", "PO-1.txt"),
        ("{date}-{time}-{po} (new).csv", "20261105-090703-PO-1 (new).csv"),
        ("{number}", "7"),
        ("{number}_{number}", "7_7"),
    ],
)
def test_file_names(pattern, name):
    assert order_mapping.file_name(layout(file_name=pattern), at=AT, number="7", po="PO-1") == name


@pytest.mark.parametrize(
    ("po", "name"),
    [("PO/1", "PO-1.csv"), ("../../etc/x", "-..-etc-x.csv"), ("Ü 1", "--1.csv"), ("..", "-.csv"), ("", "-.csv"), ("a\nb", "a-b.csv")],
)
def test_a_number_cannot_lead_out_of_its_folder(po, name):
    assert order_mapping.file_name(layout(file_name="{po}.csv"), at=AT, number="7", po=po) == name


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        (None, "Name the file"),
        ("", "Name the file"),
        (" ", "Name the file"),
        ("x" * 121, "Name the file"),
        ("orders.csv", "Add {number} or {po}"),
        ("orders_{date}{time}.csv", "Add {number} or {po}"),
        ("{sku}_{po}.csv", "{sku} is not known here"),
        ("{}_{po}.csv", "{} is not known here"),
        ("out/{po}.csv", "Use letters"),
        ("..\\{po}.csv", "Use letters"),
        (".{po}", "Use letters"),
        ("-{po}", "Use letters"),
        ("{po}.", "Use letters"),
        ("{po}.csv ", "Use letters"),
        ("{po}\n.csv", "Use letters"),
        ("{{po}.csv", "Use letters"),
        ("größe_{po}.csv", "Use letters"),
        ("con.{po}", "Use letters"),
        ("a*{po}", "Use letters"),
    ],
)
def test_file_names_that_cannot_be(pattern, said):
    assert errors_of({"columns": [PO, SKU, QTY], "file_name": pattern})["file_name"].startswith(said)


@pytest.mark.parametrize(
    ("key", "value"),
    [("delimiter", "x"), ("delimiter", ""), ("quoting", "some"), ("line_end", "cr"), ("encoding", "utf-16"), ("decimal_mark", "'")],
)
def test_layouts_with_unknown_options_are_told_by_key(key, value):
    assert list(errors_of({"columns": [PO, SKU, QTY], "file_name": "{po}", key: value})) == [key]


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("text", "Choose what this column holds"),
        ({"header": "x"}, "Choose what this column holds"),
        ({"header": "x", "kind": "magic"}, "Choose what this column holds"),
        ({**NOTE, "header": "a\nb"}, "Give the column a name"),
        ({**NOTE, "header": "x" * 201}, "Give the column a name"),
        ({**NOTE, "header": None}, "Give the column a name"),
        ({**NOTE, "field": ""}, "Choose a field"),
        ({**NOTE, "field": "nope"}, "Choose a field"),
        ({"header": "x", "kind": "fixed", "text": "a\tb"}, "Use at most 200 characters"),
        ({"header": "x", "kind": "fixed", "text": "x" * 201}, "Use at most 200 characters"),
        ({"header": "x", "kind": "joined", "fields": []}, "Choose the fields to join"),
        ({"header": "x", "kind": "joined"}, "Choose the fields to join"),
        ({"header": "x", "kind": "joined", "fields": ["nope"]}, "Choose the fields to join"),
        ({"header": "x", "kind": "joined", "fields": ["note"] * 11}, "Choose the fields to join"),
        ({"header": "x", "kind": "joined", "fields": ["note"], "join": "\n"}, "Choose the fields to join"),
        ({"header": "x", "kind": "date", "field": "note"}, "Note is not a date"),
        ({"header": "x", "kind": "date", "field": "po_date"}, "Choose a date form"),
        ({"header": "x", "kind": "date", "field": "po_date", "date_form": "D/M/Y"}, "Choose a date form"),
    ],
)
def test_columns_that_cannot_be_written_are_told_by_their_place(column, said):
    errors = errors_of({"columns": [PO, SKU, QTY, column], "file_name": "{po}"})
    assert list(errors) == ["columns.3"]
    assert errors["columns.3"].startswith(said)


def test_all_errors_of_a_layout_are_told_at_once():
    assert set(errors_of({"columns": [{}, {}], "file_name": "", "encoding": "x"})) == {"columns.0", "columns.1", "file_name", "encoding"}


@pytest.mark.parametrize("columns", [None, [], "text", {}, [PO] * 201])
def test_a_layout_has_from_1_to_200_columns(columns):
    assert errors_of({"columns": columns, "file_name": "{po}"}) == {"columns": "Add from 1 to 200 columns"}


def test_a_layout_names_the_request_the_item_and_how_many():
    def absent(*columns):
        return errors_of({"columns": list(columns), "file_name": "{po}"})["columns"]

    assert absent(NOTE) == "A supplier cannot fill an order without PO number and Inventory SKU and Quantity; add a column for it"
    assert absent(PO, QTY) == "A supplier cannot fill an order without Inventory SKU; add a column for it"
    joined = {"header": "x", "kind": "joined", "fields": ["order_number", "mpn"], "join": " "}
    order_mapping.check_layout({"columns": [joined, QTY], "file_name": "{po}"})


def test_a_suppliers_own_headers_are_matched_by_name():
    made = order_mapping.propose_layout(["PO Number", "Order-Date", "Item #", "qty", "Warehouse"])
    order_mapping.check_layout({**made, "columns": [*made["columns"], SKU]})
    assert made["columns"] == [
        {"header": "PO Number", "kind": "field", "field": "po_number"},
        {"header": "Order-Date", "kind": "date", "field": "po_date", "date_form": "YYYY-MM-DD"},
        {"header": "Item #", "kind": "field", "field": "sku"},
        {"header": "qty", "kind": "field", "field": "quantity"},
        {"header": "Warehouse", "kind": "fixed", "text": ""},
    ]


@pytest.mark.parametrize(
    ("text", "form", "expected"),
    [
        ("2026-11-05", "", date(2026, 11, 5)),
        ("2026/11/05", "", date(2026, 11, 5)),
        ("20261105", "", date(2026, 11, 5)),
        ("2026-11-05T14:03:22.123+02:00", "", date(2026, 11, 5)),
        ("2026-11-05 2:03 PM", "", date(2026, 11, 5)),
        ("05.11.2026", "", date(2026, 11, 5)),
        ("25/11/2026", "", date(2026, 11, 25)),
        ("11/25/2026", "", date(2026, 11, 25)),
        ("05/05/2026", "", date(2026, 5, 5)),
        ("5-Nov-2026", "", date(2026, 11, 5)),
        ("5 November 2026", "", date(2026, 11, 5)),
        ("Nov 5, 2026", "", date(2026, 11, 5)),
        ("Sept 5, 2026", "", date(2026, 9, 5)),
        ("29.02.2028", "", date(2028, 2, 29)),
        ("05/11/2026", "", dates.AMBIGUOUS),
        ("5-11-26", "", dates.AMBIGUOUS),
        ("05/11/2026", "MM/DD/YYYY", date(2026, 5, 11)),
        ("05/11/2026 08:00", "DD/MM/YYYY", date(2026, 11, 5)),
        ("5/11/26", "DD/MM/YYYY", date(2026, 11, 5)),
        ("2026-1-5", "YYYY-MM-DD", date(2026, 1, 5)),
        ("13/11/2026", "MM/DD/YYYY", dates.UNREADABLE),
        ("29.02.2027", "", dates.UNREADABLE),
        ("2026-13-01", "", dates.UNREADABLE),
        ("2026-11-05", "MM/DD/YYYY", dates.UNREADABLE),
        ("20261105", "YYYY-MM-DD", dates.UNREADABLE),
        ("2026115", "YYYYMMDD", dates.UNREADABLE),
        ("1152026", "MMDDYYYY", dates.UNREADABLE),
        ("5 Marble 2026", "", dates.UNREADABLE),
        ("soon", "", dates.UNREADABLE),
        ("", "", dates.UNREADABLE),
        ("45231", "", dates.UNREADABLE),
        ("1/2/345", "DD/MM/YYYY", dates.UNREADABLE),
        ("9" * 5000, "", dates.UNREADABLE),
    ],
)
def test_dates_are_read_without_guessing(text, form, expected):
    if isinstance(expected, date):
        assert dates.read(text, form) == expected
        return
    with pytest.raises(dates.NotADate, match=f"^{expected}$"):
        dates.read(text, form)


@given(st.text(max_size=30), st.sampled_from(["", *order_mapping.DATE_FORMS]))
def test_no_text_breaks_the_reading_of_dates(text, form):
    with contextlib.suppress(dates.NotADate):
        assert isinstance(dates.read(text, form), date)


@pytest.mark.parametrize(
    ("values", "form"),
    [
        (["05/11/2026", "13/11/2026"], "DD/MM/YYYY"),
        (["05/11/2026", "11/13/2026 08:00"], "MM/DD/YYYY"),
        (["05/11/2026", "06/11/2026"], ""),
        (["13/11/2026", "11/13/2026"], ""),
        (["2026-11-13", "13.11.2026", "soon", ""], ""),
        ([], ""),
    ],
)
def test_the_form_of_a_whole_column(values, form):
    assert order_mapping.likely_form(values) == form


HEADERS = ["po", "track", "carrier", "date", "sku", "qty", "more"]
COLUMNS = {"order_reference": "po", "tracking_number": "track", "carrier": "carrier", "shipped_at": "date", "sku": "sku", "quantity": "qty"}
CELLS = {"po": "PO-1", "track": "1Z9", "carrier": "UPS", "date": "2026-11-05", "sku": "A-1", "qty": "2"}


def shipment(fields=None, cells=None, form="", mark="."):
    """(shipment or None, [(field, reason, fatal)]) of one row."""
    rules = {"fields": {key: {"columns": [column]} for key, column in COLUMNS.items()} | (fields or {}), "date_form": form}
    order_mapping.check_shipment_rules(rules, HEADERS)
    given_cells = CELLS | (cells or {})
    row = Row(2, [given_cells.get(header, "") for header in HEADERS])
    values, problems = order_mapping.compile_shipments(rules, HEADERS, mark)(row)
    return values, [(problem.field, problem.reason, problem.fatal) for problem in problems]


WHOLE = {
    "tracking_number": "1Z9", "order_reference": "PO-1", "carrier": "UPS", "shipped_at": date(2026, 11, 5), "sku": "A-1", "quantity": 2,
}  # fmt: skip


def test_a_row_becomes_a_shipment():
    assert shipment() == (WHOLE, [])


def test_what_is_not_needed_may_be_empty():
    empty = dict.fromkeys(("carrier", "date", "sku", "qty"), " ")
    assert shipment(cells=empty) == ({**WHOLE, "carrier": None, "shipped_at": None, "sku": None, "quantity": None}, [])


def test_fields_without_a_rule_are_none():
    rules = {"fields": {"tracking_number": {"columns": ["track"]}, "order_reference": {"columns": ["po"]}}}
    values, problems = order_mapping.compile_shipments(rules, HEADERS)(Row(2, [CELLS.get(header, "") for header in HEADERS]))
    assert (set(values), values["carrier"], problems) == (set(WHOLE), None, [])


@pytest.mark.parametrize("cell", ["", "  ", '=""', "\u200b"])
def test_rows_without_tracking_number_or_order_reference_are_set_aside(cell):
    assert shipment(cells={"track": cell}) == (None, [("tracking_number", "No tracking number", True)])
    assert shipment(cells={"po": cell}) == (None, [("order_reference", "No order reference", True)])


def test_every_problem_of_a_row_is_told():
    values, problems = shipment(cells={"track": "", "date": "soon", "qty": "2.5", "po": "x" * 61})
    assert values is None
    assert problems == [
        ("tracking_number", "No tracking number", True),
        ("order_reference", "Longer than 60 characters", True),
        ("shipped_at", "Not a date", False),
        ("quantity", "Not a whole number of units", True),
    ]


def test_a_problem_names_its_columns_and_the_value_as_it_was():
    rules = {"fields": {"tracking_number": {"columns": ["track", "more"], "join": ""}, "order_reference": {"columns": ["po"]}}}
    row = Row(2, ["PO-1", "1.2E+11", "", "", "", "", ""])
    _, problems = order_mapping.compile_shipments(rules, HEADERS)(row)
    assert problems == [CellProblem("tracking_number", "track + more", "1.2E+11", "A spreadsheet has shortened this number (E+)")]


def test_a_step_cannot_hide_a_shortened_tracking_number():
    prefixed = {"tracking_number": {"columns": ["track"], "steps": [{"do": "prefix", "text": "1Z"}]}}
    values, problems = shipment(prefixed, {"track": "1.2E+11"})
    assert values is None
    assert problems == [("tracking_number", "A spreadsheet has shortened this number (E+)", True)]


def test_a_damaged_sku_never_becomes_a_shipment_of_the_whole_request():
    for cell, reason in (("1.2E+11", "A spreadsheet has shortened this number (E+)"), ("x" * 121, "Longer than 120 characters")):
        assert shipment(cells={"sku": cell}) == (None, [("sku", reason, True)])


def test_dates_of_shipments():
    assert shipment(cells={"date": "05/11/2026"}) == ({**WHOLE, "shipped_at": None}, [("shipped_at", dates.AMBIGUOUS, False)])
    assert shipment(cells={"date": "05/11/2026 10:30"}, form="DD/MM/YYYY") == (WHOLE, [])
    assert shipment(cells={"date": "11/05/2026"}, form="MM/DD/YYYY") == (WHOLE, [])
    assert shipment(cells={"date": "31/02/2026"}, form="DD/MM/YYYY") == (
        {**WHOLE, "shipped_at": None},
        [("shipped_at", "Not a date", False)],
    )


def test_quantities_follow_the_decimal_mark_of_the_file():
    assert shipment(cells={"qty": "1.000"}, mark=",")[0]["quantity"] == 1000
    assert shipment(cells={"qty": "2,0"}, mark=",")[0]["quantity"] == 2
    assert shipment(cells={"qty": "-1"}) == (None, [("quantity", "Below zero", True)])


def test_fixed_fallback_joined_and_changed_values():
    fields = {"carrier": {"columns": [], "fixed": "UPS"}}
    assert shipment(fields, {"carrier": "DHL"})[0]["carrier"] == "UPS"
    fields = {"carrier": {"columns": ["carrier"], "fallback": "FedEx"}}
    assert [shipment(fields, {"carrier": cell})[0]["carrier"] for cell in ("", "DHL")] == ["FedEx", "DHL"]
    fields = {"order_reference": {"columns": ["po", "more"], "join": "-"}}
    assert shipment(fields, {"more": "7"})[0]["order_reference"] == "PO-1-7"
    assert shipment(fields)[0]["order_reference"] == "PO-1"
    fields = {"order_reference": {"columns": ["po"], "steps": [{"do": "replace", "find": "PO-", "with": ""}]}}
    assert shipment(fields)[0]["order_reference"] == "1"


def test_leading_zeros_stay():
    values, _ = shipment(cells={"po": "00042", "track": '="0091"', "sku": "007"})
    assert (values["order_reference"], values["tracking_number"], values["sku"]) == ("00042", "0091", "007")


def test_problems_of_the_reader_set_the_row_aside():
    rules = {"fields": {"tracking_number": {"columns": ["track"]}, "order_reference": {"columns": ["po"]}}}
    mapper = order_mapping.compile_shipments(rules, HEADERS)
    surplus = CellProblem("", "", "x", "8 cells where the file has 7 columns")
    assert mapper(Row(2, ["x"] * 8, (surplus,))) == (None, [surplus])
    noted = CellProblem("", "more", "x", "An empty character (NUL), left out", fatal=False)
    values, problems = mapper(Row(2, ["x"] * 7, (noted,)))
    assert (values["order_reference"], problems) == ("x", [noted])


def test_a_tracking_file_without_a_mapped_column_is_refused_by_name():
    rules = {"fields": {"tracking_number": {"columns": ["track"]}, "order_reference": {"columns": ["po", "track"]}}}
    assert order_mapping.needed_shipment_columns(rules) == ["track", "po"]
    with pytest.raises(SupplierError) as caught:
        order_mapping.compile_shipments(rules, ["po", "tracking"])
    assert caught.value.problem.code == "columns_missing"
    assert "“track”" in caught.value.problem.body


def test_columns_of_a_tracking_file_that_moved_are_followed():
    rules = {"fields": {"tracking_number": {"columns": ["track"]}, "order_reference": {"columns": ["po"]}}}
    values, _ = order_mapping.compile_shipments(rules, ["new", "track", "po"])(Row(2, ["", "1Z9", "PO-1"]))
    assert (values["tracking_number"], values["order_reference"]) == ("1Z9", "PO-1")


@pytest.mark.parametrize(
    ("changed", "key", "said"),
    [
        ({"tracking_number": {"columns": []}}, "tracking_number", "Choose the column that holds the tracking number"),
        ({"order_reference": {"fixed": "PO-1"}}, "order_reference", "Choose the column that holds the order reference"),
        ({"carrier": {"columns": ["nope"]}}, "carrier", "The file has no column “nope”"),
        ({"carrier": {}}, "carrier", "Choose the column that holds the carrier"),
        ({"carrier": {"fixed": "a\nb"}}, "carrier", "Use a shorter text without line breaks"),
        ({"carrier": "UPS"}, "carrier", "There is no such field"),
        ({"nope": {"columns": ["po"]}}, "nope", "There is no such field"),
        ({"carrier": {"columns": ["carrier"] * 31}}, "carrier", "Choose at most 30 columns"),
        ({"carrier": {"columns": ["carrier"], "steps": [{"do": "explode"}]}}, "carrier", "Choose a change from the list"),
        ({"carrier": {"columns": ["carrier"], "steps": [{"do": "trim"}] * 21}}, "carrier", "Use at most 20 changes"),
    ],
)
def test_shipment_rules_that_cannot_be_used_are_told_by_field(changed, key, said):
    rules = {"fields": {"tracking_number": {"columns": ["track"]}, "order_reference": {"columns": ["po"]}} | changed}
    with pytest.raises(Invalid) as caught:
        order_mapping.check_shipment_rules(rules, HEADERS)
    assert caught.value.errors == {key: said}


def test_an_unknown_date_form_is_told():
    rules = {"fields": {"tracking_number": {"columns": ["track"]}, "order_reference": {"columns": ["po"]}}, "date_form": "M/D"}
    with pytest.raises(Invalid) as caught:
        order_mapping.check_shipment_rules(rules, HEADERS)
    assert caught.value.errors == {"date_form": "Choose a date form"}


# one order as a store's API takes it


def one_order(*columns, lines=(LINE,), **options):
    made = layout(*columns, format="json", one=True, **options)
    return json.loads(order_mapping.render(made, lines))


def test_places_in_a_path_make_lists_and_places_without_a_value_close_up():
    made = one_order(
        {"header": "to.0.city", "kind": "field", "field": "ship_city"}, {"header": "meta.0.key", "kind": "fixed", "text": "po"},
        {"header": "meta.0.value", "kind": "field", "field": "po_number"}, {"header": "meta.2.key", "kind": "fixed", "text": "last"},
        {"header": "tags.0", "kind": "fixed", "text": "a", "level": "line"}, lines=[{**LINE, "ship_city": "Austin"}],
    )  # fmt: skip
    assert made["to"] == [{"city": "Austin"}] and made["meta"] == [{"key": "po", "value": "PO-1"}, {"key": "last"}]
    assert made["lines"] == [{"SKU": "A-1", "Qty": 3, "tags": ["a"]}]
    assert "columns.3" in errors_of({"format": "json", "file_name": "{po}.json", "columns": [PO, SKU, QTY, {**PO, "header": "0.a"}]})


def test_lines_stand_where_their_path_says():
    number = {"header": "Order.number", "kind": "field", "field": "po_number"}
    assert one_order(number, line_tag="Order.Lines.Line")["Order"] == {"number": "PO-1", "Lines": {"Line": [{"SKU": "A-1", "Qty": 3}]}}
    with pytest.raises(Refused, match="“PO.Lines” lies inside a column that is a value itself"):
        one_order(line_tag="PO.Lines")


@pytest.mark.parametrize(("text", "value"), [("11", 11), ("-2.5", -2.5), ("true", True), ("false", False)])
def test_a_fixed_value_can_be_a_number_or_true_or_false(text, value):
    assert one_order({"header": "x", "kind": "fixed", "text": text, "literal": True})["x"] == value
    assert one_order({"header": "x", "kind": "fixed", "text": text})["x"] == text


@pytest.mark.parametrize("text", ["", "007", "1e5", "yes", "1,5", "null", '"', "٣"])
def test_no_other_text_stands_without_quotes(text):
    column = {"header": "x", "kind": "fixed", "text": text, "literal": True}
    assert errors_of({"format": "json", "file_name": "{po}.json", "columns": [PO, SKU, QTY, column]}) == {
        "columns.3": "Enter a number, true or false"
    }


VARIANT = {"header": "variant", "kind": "custom", "custom": "Store variant", "literal": True}


def test_an_items_own_id_at_the_supplier_comes_from_its_custom_field():
    assert one_order(VARIANT, lines=[{**LINE, "custom": {"Store variant": "77"}}])["lines"] == [{"SKU": "A-1", "Qty": 3, "variant": 77}]
    with pytest.raises(Refused, match="A-1 of order PO-1 has no “Store variant”.*Nothing was sent"):
        one_order(VARIANT)
    with pytest.raises(Refused, match="is “7x”, and the supplier takes a number"):
        one_order(VARIANT, lines=[{**LINE, "custom": {"Store variant": "7x"}}])
    assert errors_of({"format": "json", "file_name": "{po}.json", "columns": [PO, SKU, QTY, {**VARIANT, "custom": ""}]}).keys() == {
        "columns.3"
    }
