"""A row becomes our fields, or is set aside with every reason."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import mapping
from portal.errors import Invalid, SupplierError
from portal.fields import INVENTORY_COLUMNS, INVENTORY_FIELDS
from portal.records import CellProblem, Row

HEADERS = ["item", "name", "qty", "cost", "upc", "weight", "east", "west", "colour", "pic1", "pic2", "note"]


def mapped(cells, mark=".", **rules):
    """The values by column (None: set aside) and the problems of one row; `fields` gets the SKU by itself."""
    fields = {"sku": {"columns": ["item"]}, **rules.pop("fields", {})}
    rules = {"fields": fields, **rules}
    mapping.check_rules(rules, HEADERS)
    row = Row(2, [cells.get(header, "") for header in HEADERS])
    values, problems = mapping.compile_rules(rules, HEADERS, mark)(row)
    return (dict(zip(INVENTORY_COLUMNS, values, strict=True)) if values else None), problems


def value(key, text, mark=".", column="note", steps=(), **rules):
    """What one cell becomes in one field."""
    values, problems = mapped({"item": "A", column: text}, mark, fields={key: {"columns": [column], "steps": list(steps)}}, **rules)
    return (values[key] if values else "SET ASIDE"), [problem.reason for problem in problems]


def test_values_come_in_the_order_of_the_columns_ready_for_the_database():
    values, problems = mapped(
        {"item": " A-1 ", "name": "Bolt", "qty": "1,200", "cost": "$1,234.50", "upc": "036000291452", "weight": "1.5", "colour": "red"},
        fields={
            "title": {"columns": ["name"]},
            "quantity": {"columns": ["qty"]},
            "cost": {"columns": ["cost"]},
            "upc": {"columns": ["upc"]},
            "weight": {"columns": ["weight"]},
            "condition": {"fixed": "New"},
        },
        weight_unit="pound",
        custom=[{"name": "Colour", "columns": ["colour"]}],
    )
    assert problems == []
    assert {key: given for key, given in values.items() if given is not None} == {
        "sku": "A-1", "title": "Bolt", "quantity": 1200, "cost": 12_345_000, "upc": "036000291452", "weight": 15_000,
        "weight_unit": "pound", "condition": "New", "custom": '{"Colour":"red"}',
    }  # fmt: skip


def test_every_field_can_be_mapped():
    headers = [field.key for field in INVENTORY_FIELDS]
    texts = {
        "identifier": "A1",
        "text": "words",
        "gtin": "4006381333931",
        "quantity": "5",
        "money": "1.25",
        "measure": "2",
        "images": "https://x/1.jpg",
    }
    cells = [{"weight_unit": "lb", "dimension_unit": "cm"}.get(field.key) or texts[field.kind] for field in INVENTORY_FIELDS]
    rules = {"fields": {key: {"columns": [key]} for key in headers}}
    mapping.check_rules(rules, headers)
    values, problems = mapping.compile_rules(rules, headers)(Row(2, cells))
    assert problems == []
    assert None not in values[: len(INVENTORY_FIELDS)]


def test_all_problems_of_a_row_are_told():
    values, problems = mapped(
        {"item": "", "qty": "2.5", "cost": "call us", "upc": "036000291453"},
        fields={"quantity": {"columns": ["qty"]}, "cost": {"columns": ["cost"]}, "upc": {"columns": ["upc"]}},
    )
    assert values is None
    assert problems == [
        CellProblem("sku", "item", "", "No SKU"),
        CellProblem("quantity", "qty", "2.5", "Not a whole number of units"),
        CellProblem("cost", "cost", "call us", "Not a number"),
        CellProblem("upc", "upc", "036000291453", "Its check digit is wrong", fatal=False),
    ]


def test_problems_of_the_reader_set_the_row_aside():
    rules = {"fields": {"sku": {"columns": ["item"]}}}
    surplus = CellProblem("", "", "A · b", "13 cells where the file has 12 columns")
    values, problems = mapping.compile_rules(rules, HEADERS)(Row(2, ["A"] * 13, (surplus,)))
    assert (values, problems) == (None, [surplus])
    noted = CellProblem("", "name", "x", "An empty character (NUL), left out", fatal=False)
    values, problems = mapping.compile_rules(rules, HEADERS)(Row(2, ["A"] * 12, (noted,)))
    assert values[0] == "A"
    assert problems == [noted]


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("A-1", "A-1", None),
        ("  A-1\t", "A-1", None),
        ('="00123"', "00123", None),
        ("A\u200b1", "A1", None),
        ("1E5", "1E5", None),
        ("#12", "#12", None),
        ("A+B", "A+B", None),
        ("x" * 120, "x" * 120, None),
        ("", "SET ASIDE", "No SKU"),
        ('=""', "SET ASIDE", "No SKU"),
        ("\u200b", "SET ASIDE", "No SKU"),
        ("1.23457E+11", "SET ASIDE", "A spreadsheet has shortened this number (E+)"),
        ("1,2E+11", "SET ASIDE", "A spreadsheet has shortened this number (E+)"),
        ("#N/A", "SET ASIDE", "A spreadsheet's error message, not a value"),
        ("#REF!", "SET ASIDE", "A spreadsheet's error message, not a value"),
        ("x" * 121, "SET ASIDE", "Longer than 120 characters"),
        ("A\nB", "SET ASIDE", "Holds a line break or a control character"),
        ("A\ufffdB", "SET ASIDE", "Holds letters that this encoding cannot read"),
    ],
)
def test_skus(text, expected, reason):
    values, problems = mapped({"item": text})
    assert (values["sku"] if values else "SET ASIDE") == expected
    assert [problem.reason for problem in problems] == ([reason] if reason else [])


def test_a_step_cannot_hide_a_shortened_sku():
    values, problems = mapped({"item": "1.2E+11"}, fields={"sku": {"columns": ["item"], "steps": [{"do": "prefix", "text": "AC-"}]}})
    assert values is None
    assert "shortened" in problems[0].reason


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("5", 5, None),
        ("0", 0, None),
        ("", None, None),
        ("2.0", 2, None),
        ("1,000", 1000, None),
        ("10000000", 10_000_000, None),
        ("10000001", "SET ASIDE", "More than 10,000,000 units"),
        ("9" * 39, "SET ASIDE", "More than 10,000,000 units"),
        ("9" * 5000, "SET ASIDE", "Not a number"),
        ("2.5", "SET ASIDE", "Not a whole number of units"),
        ("2.00001", "SET ASIDE", "Not a whole number of units"),
        ("-1", "SET ASIDE", "Below zero"),
        ("5-", "SET ASIDE", "Below zero"),
        ("(5)", "SET ASIDE", "Below zero"),
        ("10+", "SET ASIDE", "Not a number"),
        ("In stock", "SET ASIDE", "Not a number"),
        ("1E+3", "SET ASIDE", "A spreadsheet has shortened this number (E+)"),
        ("1.000,0", "SET ASIDE", "Written with the other decimal mark than the one set for this file"),
    ],
)
def test_quantities(text, expected, reason):
    assert value("quantity", text) == (expected, [reason] if reason else [])


@pytest.mark.parametrize(
    ("text", "mark", "expected"),
    [
        ("12.5", ".", 125_000),
        ("$1,234.50", ".", 12_345_000),
        ("1.234,56 €", ",", 12_345_600),
        ("1 234,56", ",", 12_345_600),
        ("CHF 1'234.50", ".", 12_345_000),
        ("12.50 USD", ".", 125_000),
        ("kr 9,50", ",", 95_000),
        (".99", ".", 9_900),
        ("5.", ".", 50_000),
        ("0.00005", ".", 1),
        ("0", ".", 0),
        ("N/A", ".", None),
        ("-", ".", None),
        ("12,50", ".", "SET ASIDE"),
        ("1.234.5", ".", "SET ASIDE"),
        ("-3", ".", "SET ASIDE"),
        ("($3.00)", ".", "SET ASIDE"),
        ("free", ".", "SET ASIDE"),
        ("1e9", ".", "SET ASIDE"),
        ("1000000001", ".", "SET ASIDE"),
        ("٣.٥", ".", 35_000),
    ],
)
def test_money(text, mark, expected):
    got, reasons = value("cost", text, mark)
    assert got == expected
    assert bool(reasons) == (expected == "SET ASIDE")


@pytest.mark.parametrize(
    ("text", "expected", "reason"),
    [
        ("036000291452", "036000291452", None),
        ("4006381333931", "4006381333931", None),
        ("73513537", "73513537", None),
        ("98412345678908", "98412345678908", None),
        ("0-36000-29145-2", "036000291452", None),
        ('="036000291452"', "036000291452", None),
        ("'036000291452", "036000291452", None),
        ("36000291452", "036000291452", "Its leading zero was missing and was put back"),
        ("36000291453", None, "Not 8, 12, 13 or 14 digits"),
        ("036000291453", None, "Its check digit is wrong"),
        ("3.60003E+11", None, "A spreadsheet has shortened this number (E+)"),
        ("000000000000", None, "Only zeros"),
        ("12345", None, "Not 8, 12, 13 or 14 digits"),
        ("ABC", None, "Not a number of 8, 12, 13 or 14 digits"),
        ("n/a", None, "No number"),
        ("", None, None),
    ],
)
def test_gtins_are_proved_repaired_or_left_out_and_never_cost_the_row(text, expected, reason):
    assert value("upc", text) == (expected, [reason] if reason else [])


@pytest.mark.parametrize(
    ("text", "unit", "expected", "reason"),
    [
        ("1.5", "pound", 15_000, None),
        ("500 g", "kilogram", 5_000, None),
        ("2lb", "pound", 20_000, None),
        ("16 oz.", "pound", 10_000, None),
        ("2 lb", "", None, "Names its unit, but no unit is set to convert it to"),
        ("2 cm", "pound", None, "Not a number"),
        ("heavy", "pound", None, "Not a number"),
        ("-2", "pound", None, "Below zero"),
        ("99999999", "pound", None, "More than 10,000,000"),
    ],
)
def test_measures_are_left_out_when_they_are_none(text, unit, expected, reason):
    assert value("weight", text, weight_unit=unit) == (expected, [reason] if reason else [])


def test_a_unit_stands_only_beside_a_measure():
    rules = {"fields": {"weight": {"columns": ["weight"]}}, "weight_unit": "pound", "dimension_unit": "inch"}
    assert mapped({"item": "A", "weight": "2"}, **rules)[0]["weight_unit"] == "pound"
    assert mapped({"item": "A"}, **rules)[0]["weight_unit"] is None
    assert mapped({"item": "A"}, **rules)[0]["dimension_unit"] is None


def test_units_are_read_by_their_usual_names():
    for text, expected in (("LBS", "pound"), ("kg.", "kilogram"), ("Ounces", "ounce"), ("stone", None)):
        values, _ = mapped(
            {"item": "A", "weight": "1", "note": text}, fields={"weight": {"columns": ["weight"]}, "weight_unit": {"columns": ["note"]}}
        )
        assert values["weight_unit"] == expected


def test_long_text_is_cut_and_noted_and_long_identifiers_are_left_out():
    assert value("title", "x" * 501) == ("x" * 500, ["Longer than 500 characters; the rest was left out"])
    assert value("title", "x" * 501, steps=[{"do": "trim"}])[0] == "x" * 500
    assert value("mpn", "x" * 121) == (None, ["Longer than 120 characters"])
    values, problems = mapped({"item": "A", "note": "x" * 10_000_000}, fields={"description": {"columns": ["note"]}})
    assert len(values["description"]) == 50_000
    assert len(problems[0].value) == 200


def test_images_from_columns_and_from_lists():
    fields = {"images": {"columns": ["pic1", "pic2"], "separator": "|"}}
    values, problems = mapped({"item": "A", "pic1": "https://x/1.jpg | https://x/2.jpg|", "pic2": "https://x/1.jpg|3.jpg"}, fields=fields)
    assert json.loads(values["images"]) == ["https://x/1.jpg", "https://x/2.jpg"]
    assert [(problem.column, problem.value, problem.fatal) for problem in problems] == [("pic2", "3.jpg", False)]
    assert mapped({"item": "A"}, fields=fields)[0]["images"] is None
    steps = [{"do": "prefix", "text": "https://cdn.example/"}]
    assert value("images", "3.jpg", steps=steps) == ('["https://cdn.example/3.jpg"]', [])
    addresses = "|".join(f"https://x.example/{n:04}/{'y' * 900}.jpg" for n in range(50))
    values, problems = mapped({"item": "A", "pic1": addresses}, fields=fields)
    assert len(values["images"]) <= 20_000
    assert json.loads(values["images"])[0].startswith("https://x.example/0000/")
    assert problems


def test_warehouses_are_summed_and_kept_by_name():
    warehouses = [{"name": "West", "column": "west"}, {"name": "East", "column": "east", "steps": [{"do": "number"}]}]
    values, _ = mapped({"item": "A", "east": "10+", "west": "5"}, warehouses=warehouses)
    assert (values["quantity"], values["warehouses"]) == (15, '{"East":10,"West":5}')
    values, _ = mapped({"item": "A", "west": "5"}, warehouses=warehouses)
    assert (values["quantity"], values["warehouses"]) == (5, '{"West":5}')
    values, _ = mapped({"item": "A"}, warehouses=warehouses)
    assert (values["quantity"], values["warehouses"]) == (None, None)
    values, _ = mapped({"item": "A", "east": "1", "qty": "9"}, warehouses=warehouses, fields={"quantity": {"columns": ["qty"]}})
    assert (values["quantity"], values["warehouses"]) == (9, '{"East":1}')
    values, problems = mapped({"item": "A", "east": "-1", "west": "x"}, warehouses=warehouses)
    assert values is None
    assert [(problem.field, problem.column) for problem in problems] == [("quantity", "east"), ("quantity", "west")]
    values, problems = mapped({"item": "A", "east": "9000000", "west": "9000000"}, warehouses=warehouses)
    assert values is None


def test_custom_fields_are_canonical_json():
    custom = [
        {"name": "Size", "columns": ["name"]},
        {"name": 'Co"lour', "columns": ["colour"], "fallback": "plain"},
        {"name": "By", "fixed": "us"},
    ]
    values, _ = mapped({"item": "A", "name": "Größe\n2"}, custom=custom)
    assert values["custom"] == '{"By":"us","Co\\"lour":"plain","Size":"Größe\\n2"}'
    assert json.loads(values["custom"]) == {"By": "us", 'Co"lour': "plain", "Size": "Größe\n2"}


def test_fallback_stands_for_empty_values_only():
    fields = {"brand": {"columns": ["name"], "fallback": "Acme"}, "cost": {"columns": ["cost"], "fallback": "1.50"}}
    values, _ = mapped({"item": "A"}, ",", fields=fields)
    assert (values["brand"], values["cost"]) == ("Acme", 15_000)
    values, problems = mapped({"item": "A", "cost": "x"}, fields=fields)
    assert values is None


def test_a_file_without_a_mapped_column_is_refused_by_name():
    fields = {"sku": {"columns": ["item"]}, "quantity": {"columns": ["qty_avail"]}}
    custom = [{"name": "C", "columns": ["colour", "item"]}]
    rules = {"fields": fields, "warehouses": [{"name": "E", "column": "east"}], "custom": custom}
    assert mapping.needed_columns(rules) == ["item", "qty_avail", "colour", "east"]
    with pytest.raises(SupplierError) as caught:
        mapping.compile_rules(rules, ["item", "quantity_available", "colour", "east"])
    problem = caught.value.problem
    assert problem.code == "columns_missing"
    assert problem.body == "The file has no “qty_avail”. Unused columns: “quantity_available”. We kept your stock as it was."


def test_columns_that_moved_are_followed():
    rules = {"fields": {"sku": {"columns": ["item"]}, "title": {"columns": ["name"]}}}
    values, _ = mapping.compile_rules(rules, ["name", "new", "item"])(Row(2, ["Bolt", "x", "A"]))
    assert (values[0], values[INVENTORY_COLUMNS.index("title")]) == ("A", "Bolt")


PLAIN = st.one_of(st.none(), st.integers(-(2**60), 2**60), st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8))


@given(st.lists(PLAIN, min_size=3, max_size=3), st.lists(PLAIN, min_size=3, max_size=3))
def test_equal_values_have_equal_hashes_and_others_not(one, other):
    def kinds(values):
        return [None if value is None else str(value) for value in values]

    same = kinds(one) == kinds(other)
    assert (mapping.content_hash(tuple(one)) == mapping.content_hash(tuple(other))) == same
    assert -(2**63) <= mapping.content_hash(tuple(one)) < 2**63


def test_separators_inside_values_do_not_move_a_hash():
    assert mapping.content_hash(("a\x1fb", None)) != mapping.content_hash(("a", "b\x1f"))


def test_the_hash_is_the_same_in_another_process():
    values = ("A-1", "Größe", None, 5, -1)
    code = f"from portal.mapping import content_hash; print(content_hash({values!r}))"
    root = Path(__file__).resolve().parents[1]
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=True
        )
        assert int(done.stdout) == mapping.content_hash(values) == 2_651_206_580_490_048_627


def test_rules_that_cannot_be_used_are_told_by_field():
    cases = [
        ({}, {"sku": "Choose the column that holds your Inventory SKU"}),
        ({"fields": {"sku": {"columns": ["nope"]}}}, {"sku": "The file has no column “nope”"}),
        ({"fields": {"sku": {"columns": ["item"], "fallback": "x"}}}, {"sku": "Each item needs its own SKU, so it cannot be a fixed text"}),
        ({"cost": {}}, {"cost": "Choose the column that holds your Cost"}),
        ({"cost": {"fixed": " "}}, {"cost": "Type the value that every item gets"}),
        ({"cost": {"fixed": "dear"}}, {"cost": "“dear” cannot be Cost: not a number"}),
        ({"upc": {"fixed": "123"}}, {"upc": "“123” cannot be UPC / EAN: not 8, 12, 13 or 14 digits"}),
        ({"nope": {"columns": ["item"]}}, {"nope": "There is no such field"}),
        ({"title": {"columns": ["name"], "steps": [{"do": "explode"}]}}, {"title": "Choose a change from the list"}),
        ({"title": {"columns": ["name"], "steps": [{"do": "replace", "find": ""}]}}, {"title": "Replace text: fill in “find”"}),
    ]
    for typed, expected in cases:
        rules = typed if "fields" in typed or not typed else {"fields": {"sku": {"columns": ["item"]}, **typed}}
        with pytest.raises(Invalid) as caught:
            mapping.check_rules(rules, HEADERS)
        assert caught.value.errors == expected


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("duplicates", "any"),
        ("weight_unit", "inch"),
        ("dimension_unit", "pound"),
        ("warehouses", [{"name": "", "column": "east"}]),
        ("warehouses", [{"name": "E", "column": "nope"}]),
        ("warehouses", [{"name": "E", "column": "east"}, {"name": "e", "column": "west"}]),
        ("custom", [{"name": "x" * 81, "columns": ["note"]}]),
        ("custom", [{"name": "C", "columns": []}]),
        ("custom", [{"columns": ["note"]}]),
        ("custom", "text"),
    ],
)
def test_other_parts_of_rules_are_checked_too(key, given):
    with pytest.raises(Invalid) as caught:
        mapping.check_rules({"fields": {"sku": {"columns": ["item"]}}, key: given}, HEADERS)
    assert list(caught.value.errors) == [key]


def test_a_tally_counts_what_a_mapping_does_to_a_sample():
    rules = {"fields": {"sku": {"columns": ["item"]}, "quantity": {"columns": ["qty"]}, "upc": {"columns": ["upc"]}}}
    cells = [("A", "1", ""), ("", "2", ""), ("A", "3", "036000291453"), ("B", "x", ""), ("C", "1", "036000291452"), ("", "y", "")]
    rows = [Row(n, [{"item": a, "qty": b, "upc": c}.get(header, "") for header in HEADERS]) for n, (a, b, c) in enumerate(cells, 2)]
    counted = mapping.tally(mapping.compile_rules(rules, HEADERS), iter(rows))
    assert (counted.rows, counted.ok, counted.set_aside, counted.duplicates) == (6, 3, 3, 1)
    assert counted.duplicate_examples == [(4, "A")]
    assert counted.filled["quantity"] == 3
    assert counted.filled["upc"] == 1
    assert [(one.reason, one.outcome, one.count, one.examples) for one in counted.of("quantity")] == [
        ("Not a number", "row set aside", 2, [(5, "x"), (7, "y")])
    ]
    assert [(one.outcome, one.count) for one in counted.of("upc")] == [("value left out", 1)]
    assert mapping.sentences(counted.of("sku"), counted.rows) == ["2 of 6 rows: No SKU. Row set aside."]
    assert mapping.tally(mapping.compile_rules(rules, HEADERS), iter(rows), limit=2).rows == 2


@pytest.mark.parametrize(
    ("policy", "used", "items", "aside"), [("sum", 3, 2, 0), ("first", 2, 2, 1), ("last", 2, 2, 1), ("set_aside", 1, 1, 2)]
)
def test_a_tally_counts_what_the_policy_makes_of_rows_that_share_a_sku(policy, used, items, aside):
    rows = [Row(n, [sku if header == "item" else "" for header in HEADERS]) for n, sku in enumerate(("A1", "A2", "A1"), 2)]
    mapper = mapping.compile_rules({"fields": {"sku": {"columns": ["item"]}}}, HEADERS)
    counted = mapping.tally(mapper, rows, duplicates=policy)
    assert (counted.ok, counted.items, counted.set_aside, counted.duplicates) == (used, items, aside, 1)
