"""Their columns find our fields: by last run's names, by header, and by the look of the values; never more sure than it may be."""

from __future__ import annotations

import pytest

from portal import mapping, matching
from portal.fields import INVENTORY_FIELDS, SHIPMENT_FIELDS
from tests.endless import ends

SKUS = ["A-1", "A-2", "A-3", "A-4"]
GTINS = ["036000291452", "4006381333931", "73513537", "98412345678908"]
PICTURES = ["https://x.example/1.jpg", "https://x.example/2.jpg", "", "HTTP://x.example/3.jpg"]
TITLES = ["Hex bolt, zinc plated", "Work lamp with stand", "Garden hose 20 m", "Deck screw box"]


def proposed(columns, previous=None, fields=INVENTORY_FIELDS):
    """The matches that found a column, as (field, column) -> Match; `columns`: header -> its values."""
    rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
    matches = matching.propose(fields, list(columns), rows, previous)
    return {(match.field, match.column): match for match in matches if match.column}


def said(columns, previous=None, fields=INVENTORY_FIELDS):
    """(how, words, sure) by (field, column)."""
    return {pair: (match.how, match.words, match.sure) for pair, match in proposed(columns, previous, fields).items()}


SURE = ("header", "Header match", True)
GUESS = ("guess", "A guess: check it", False)
SAME = ("same_as_last", "Same name as last run", True)


@pytest.mark.parametrize(
    ("header", "field"),
    [
        ("Item #", "sku"),
        ("item_no", "sku"),
        ("Supplier SKU", "sku"),
        ("Artikel-Nr.", "sku"),
        ("Product Name", "title"),
        ("Bezeichnung", "title"),
        ("Long Description", "description"),
        ("Qty Avail", "quantity"),
        ("QtyAvailable", "quantity"),
        ("Verfügbar", "quantity"),
        ("Your Cost (USD)", "cost"),
        ("Preis €", "cost"),
        ("Suggested Retail Price", "msrp"),
        ("Min. Advertised Price", "map_price"),
        ("Weight (lbs)", "weight"),
        ("Höhe", "height"),
        ("Mfr Part #", "mpn"),
        ("mfr_part_no", "mpn"),
        ("Sub Category", "category_2"),
        ("Image URL", "images"),
        ("  BRAND  ", "brand"),
    ],
)
def test_a_header_finds_its_field_whatever_its_case_signs_and_accents(header, field):
    assert said({header: ["", "", "", ""]}) == {(field, header): SURE}


def test_the_nearest_name_takes_a_contested_column_and_each_column_is_used_once():
    found = said({"Price": ["1.50"] * 4, "List Price": ["2"] * 4, "Stock": ["1"] * 4, "Quantity": ["2"] * 4, "SKU": SKUS, "Item": SKUS})
    assert found == {
        ("sku", "SKU"): SURE, ("quantity", "Quantity"): SURE, ("cost", "Price"): SURE, ("list_price", "List Price"): SURE,
    }  # fmt: skip


def test_counts_that_are_no_stock_are_not_taken_for_it():
    for header in ("Min Order Qty", "Qty Per Case", "Stock Status", "Qty Reserved", "Incoming Qty", "Restock Date"):
        assert ("quantity", header) not in {key for key, how in said({"sku": SKUS, header: ["5"] * 4}).items() if how != GUESS}


def test_a_header_that_holds_only_a_part_of_a_name_is_a_guess_and_needs_fitting_values():
    assert said({"Carton Length": ["1", "2.5", "", "3"]}) == {("length", "Carton Length"): GUESS}
    assert said({"Carton Length": ["long", "short", "", ""]}) == {}
    assert said({"Carton Length": ["", "", "", ""]}) == {}


def test_a_needed_field_without_a_column_is_not_sure_and_others_may_stay_empty():
    matches = matching.propose(INVENTORY_FIELDS, ["Colour"], [["red"]])
    assert [match.field for match in matches] == [field.key for field in INVENTORY_FIELDS]
    assert {(match.column, match.how, match.words) for match in matches} == {(None, "none", "Not matched")}
    assert [match.field for match in matches if not match.sure] == ["sku"]


def test_a_column_of_valid_gtins_is_a_upc_whatever_its_header():
    assert said({"sku": SKUS, "c7": GTINS}) == {("sku", "sku"): SURE, ("upc", "c7"): ("looks", "Looks like a UPC (100% of 4 read)", True)}


def test_gtins_need_right_check_digits_and_enough_values():
    wrong = ["036000291453", "4006381333932", "73513538", "98412345678909"]
    assert ("upc", "c7") not in said({"sku": SKUS, "c7": wrong})
    assert ("upc", "c7") not in said({"sku": SKUS, "c7": [*GTINS[:2], "", ""]})
    mostly = [GTINS[n % 4] for n in range(19)] + ["none"]
    found = said({"sku": [f"A-{n}" for n in range(20)], "c7": mostly})
    assert found["upc", "c7"] == ("looks", "Looks like a UPC (95% of 20 read)", True)


def test_gtins_that_lost_their_leading_zero_still_look_like_one():
    assert said({"sku": SKUS, "c7": ["36000291452"] * 4})["upc", "c7"][0] == "looks"


def test_a_upc_header_over_other_values_is_told_and_wants_confirming():
    assert said({"upc": GTINS})["upc", "upc"] == ("header", "Header match, 100% look like a UPC", True)
    assert said({"upc": ["1", "2", "3", GTINS[0]]})["upc", "upc"] == ("header", "Header match, but only 25% look like a UPC", False)
    assert said({"upc": [""] * 4})["upc", "upc"] == SURE
    almost = [GTINS[n % 4] for n in range(999)] + ["x"]
    assert said({"upc": almost})["upc", "upc"][1] == "Header match, 99% look like a UPC"


def test_addresses_and_units_are_known_by_their_look():
    found = said({"c1": SKUS, "c2": PICTURES, "c3": ["lb", "LBS", "oz.", "kg"], "c4": ["in", "cm", "mm", "ft"]})
    assert found["images", "c2"] == ("looks", "Looks like a web address (3 read)", True)
    assert found["weight_unit", "c3"] == ("looks", "Looks like a unit (4 read)", True)
    assert found["dimension_unit", "c4"] == ("looks", "Looks like a unit (4 read)", True)


def test_what_a_merchant_needs_most_is_guessed_from_values_and_never_called_sure():
    found = said({"a": TITLES, "b": SKUS, "c": ["1", "20", "0", "7"], "d": ["1.50", "20.25", "3", "0.99"]})
    assert found == {("sku", "b"): GUESS, ("title", "a"): GUESS, ("quantity", "c"): GUESS, ("cost", "d"): GUESS}


def test_values_that_repeat_or_miss_are_no_guess_for_a_sku():
    assert said({"a": ["x", "x", "y", "z"]}) == {}
    assert said({"a": ["x", "", "y", "z"]}) == {}
    assert said({"a": ["x", "y", "", ""][:2]}) == {}


def test_numbered_images_follow_the_first():
    columns = {"image_1": PICTURES, "image_2": PICTURES, "Image 3": PICTURES, "Imagination": ["x"] * 4}
    assert said(columns) == {("images", "image_1"): SURE, ("images", "image_2"): SURE, ("images", "Image 3"): SURE}


def test_more_warehouses_than_a_mapping_may_have_are_not_proposed():
    found = said({"sku": SKUS, **{f"qty_wh{n}": ["1"] * 4 for n in range(101)}})
    assert found == {("sku", "sku"): SURE}
    assert len(said({"sku": SKUS, **{f"qty_wh{n}": ["1"] * 4 for n in range(100)}})) == 101


def test_quantities_by_warehouse_are_used_when_no_column_holds_their_total():
    found = said({"sku": SKUS, "qty_east": ["1", "2", "", "4"], "Stock WH2": ["1"] * 4, "min_qty": ["5"] * 4})
    assert found == {
        ("sku", "sku"): SURE,
        ("warehouses", "qty_east"): ("header", "One warehouse: East", True),
        ("warehouses", "Stock WH2"): ("header", "One warehouse: WH2", True),
    }
    total = said({"sku": SKUS, "qty_east": ["1"] * 4, "qty_west": ["1"] * 4, "qty_avail": ["2"] * 4})
    assert total == {("sku", "sku"): SURE, ("quantity", "qty_avail"): SURE}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Free Stock", "Reserved Stock"),
        ("Qty Sold", "Qty Committed"),
        ("Qty in Stock Now", "Qty in Transit"),
        ("Store Price", "Warehouse Cost"),
        ("Warehouse ID", "Location Number"),
    ],
)
def test_columns_that_are_no_places_are_never_summed(one, other):
    assert not [pair for pair in said({"sku": SKUS, one: ["1"] * 4, other: ["2"] * 4}) if pair[0] == "warehouses"]


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("qty_east", "East"),
        ("East Warehouse Qty", "East"),
        ("Stock WH1", "WH1"),
        ("NJ stock", "NJ"),
        ("Warehouse 1", "Warehouse 1"),
        ("DC 12", "DC 12"),
        ("Bestand Köln", "Koeln"),
        ("qty", ""),
        ("Colour", ""),
        ("min_qty_east", ""),
        ("Stock Status", ""),
        ("units in new york city ny", ""),
    ],
)
def test_the_warehouse_that_a_header_names(header, name):
    assert matching.warehouse_name(header) == name


def test_columns_of_the_previous_mapping_come_first():
    previous = {"fields": {"sku": {"columns": ["c1"]}, "upc": {"columns": ["c2"]}, "brand": {"fixed": "Acme"}}}
    found = said({"sku": SKUS, "c1": SKUS, "upc": GTINS, "c2": ["x"] * 4}, previous)
    assert found == {("sku", "c1"): SAME, ("upc", "c2"): SAME}


def test_a_column_of_the_previous_mapping_that_is_gone_is_looked_for_again():
    previous = {"fields": {"sku": {"columns": ["item"]}, "quantity": {"columns": ["qty_avail"]}}}
    found = said({"item": SKUS, "quantity_available": ["1"] * 4}, previous)
    assert found == {("sku", "item"): SAME, ("quantity", "quantity_available"): SURE}


def test_images_and_warehouses_of_the_previous_mapping_are_kept():
    previous = {
        "fields": {"images": {"columns": ["big", "small", "gone"]}},
        "warehouses": [{"name": "East", "column": "e"}, {"name": "Gone", "column": "w"}],
    }
    found = said({"small": PICTURES, "big": PICTURES, "e": ["1"] * 4, "image_3": PICTURES}, previous)
    assert found == {("images", "big"): SAME, ("images", "small"): SAME, ("warehouses", "e"): SAME}


def test_previous_rules_with_empty_parts_are_read():
    assert said({"sku": SKUS}, {"fields": None, "warehouses": None}) == {("sku", "sku"): SURE}
    assert said({"sku": SKUS}, {"fields": {"sku": {"columns": None}}}) == {("sku", "sku"): SURE}


def test_rows_shorter_than_the_header_and_no_rows_at_all_are_read():
    headers = ["sku", "qty", "upc"]
    for rows in ([], [["A"], [], ["B", "2", ""]]):
        matches = matching.propose(INVENTORY_FIELDS, headers, rows)
        assert {match.column: match.sure for match in matches if match.column} == dict.fromkeys(headers, True)


def test_tracking_files_are_matched_by_their_own_fields():
    columns = {"Order No": ["PO1"] * 4, "Tracking #": SKUS, "Ship Date": ["2026-11-05"] * 4, "Shipped Via": ["UPS"] * 4, "Qty": ["1"] * 4}
    assert said(columns, fields=SHIPMENT_FIELDS) == {
        ("order_reference", "Order No"): SURE, ("tracking_number", "Tracking #"): SURE, ("shipped_at", "Ship Date"): SURE,
        ("carrier", "Shipped Via"): SURE, ("quantity", "Qty"): SURE,
    }  # fmt: skip
    guessed = said({"PO": ["PO1"] * 4, "c2": ["1Z1", "1Z2", "1Z3", "1Z4"]}, fields=SHIPMENT_FIELDS)
    assert guessed == {("order_reference", "PO"): SURE, ("tracking_number", "c2"): GUESS}


def rules(columns, mark="."):
    rows = [list(cells) for cells in zip(*columns.values(), strict=True)]
    matches = matching.propose(INVENTORY_FIELDS, list(columns), rows)
    made = matching.rules_from(matches, list(columns), rows, mark)
    mapping.check_rules(made, list(columns))
    return made


def test_the_rules_of_a_proposal_can_be_used_as_they_are():
    made = rules({"sku": SKUS, "qty_east": ["1"] * 4, "qty_west": ["2"] * 4, "Weight (lbs)": ["1"] * 4, "Length cm": ["2"] * 4})
    assert made == {
        "fields": {
            "sku": {"columns": ["sku"], "steps": []},
            "weight": {"columns": ["Weight (lbs)"], "steps": []},
            "length": {"columns": ["Length cm"], "steps": []},
        },
        "warehouses": [{"name": "East", "column": "qty_east"}, {"name": "West", "column": "qty_west"}],
        "custom": [],
        "duplicates": "last",
        "weight_unit": "pound",
        "dimension_unit": "centimetre",
    }


def test_quantities_get_a_clean_up_only_where_it_helps():
    assert rules({"sku": SKUS, "qty": ["1", "10+", "", "3"]})["fields"]["quantity"]["steps"] == [{"do": "number"}]
    assert rules({"sku": SKUS, "qty": ["1", "1,000", "", "3"]})["fields"]["quantity"]["steps"] == []
    assert rules({"sku": SKUS, "qty": ["1", "call us", "", "3"]})["fields"]["quantity"]["steps"] == []
    warehouses = rules({"sku": [f"A-{n}" for n in range(20)], "qty_east": ["1"] * 20, "qty_west": ["2"] * 19 + ["10+"]})["warehouses"]
    assert warehouses == [
        {"name": "East", "column": "qty_east"},
        {"name": "West", "column": "qty_west", "steps": [{"do": "number"}]},
    ]


def test_the_separator_of_a_list_of_images_is_seen():
    both = "https://x.example/1.jpg{}https://x.example/2.jpg"
    for separator in ("|", ";", ",", " "):
        assert rules({"sku": SKUS, "images": [both.format(separator), "", "", ""]})["fields"]["images"]["separator"] == separator
    assert "separator" not in rules({"sku": SKUS, "images": PICTURES})["fields"]["images"]


def test_a_unit_column_stands_above_the_unit_in_a_header():
    made = rules({"sku": SKUS, "Weight (lbs)": ["1"] * 4, "weight_unit": ["kg"] * 4})
    assert "weight_unit" not in made
    assert made["fields"]["weight_unit"]["columns"] == ["weight_unit"]


@pytest.mark.parametrize(
    ("header", "what", "unit"),
    [
        ("Weight (lbs)", "weight", "pound"),
        ("weightkg", "weight", "kilogram"),
        ("Gewicht g", "weight", "gram"),
        ("length_in", "dimension", "inch"),
        ("Width mm", "dimension", "millimetre"),
        ("Weight", "weight", None),
        ("Weight (cm)", "weight", None),
        ("€", "weight", None),
    ],
)
def test_the_unit_that_a_header_names(header, what, unit):
    assert matching.unit_in(header, what) == unit


def test_three_levels_of_categories_keep_their_order():
    headers = ["sku", "category", "subcategory", "department"]
    found = {match.field: match.column for match in matching.propose(INVENTORY_FIELDS, headers, [["A", "Chairs", "Oak", "Home"]])}
    assert [found[f"category_{n}"] for n in (1, 2, 3)] == ["department", "category", "subcategory"]


@pytest.mark.parametrize(("value", "column"), [("2026-11-25", "shipped"), ("11/25/26", "shipped"), ("12", None), ("yes", None)])
def test_a_column_named_shipped_is_the_shipment_date_when_it_holds_dates(value, column):
    found = {match.field: match.column for match in matching.propose(SHIPMENT_FIELDS, ["po", "shipped"], [["P1", value]] * 4)}
    assert found["shipped_at"] == column


def test_a_column_of_moments_is_no_title():
    assert said({"sku": SKUS, "updated": ["2026-11-23 01:00:00", "2026-11-23 02:00:00", "2026-11-23 03:00:00", ""]}) == {
        ("sku", "sku"): SURE
    }


def test_names_made_to_take_long_do_not():
    with ends(10):
        hostile_names()


def hostile_names():
    for name in ("a " * 250, "aB" * 250, "Qty " * 120, "ﷺ" * 500, "#" * 500, "x1" * 250):
        said({name: ["1"] * 4, "sku": SKUS})
    said({f"column number {n}": ["1"] * 1_000 for n in range(2_000)})
