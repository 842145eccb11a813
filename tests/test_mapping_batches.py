"""The function made for whole feeds gives what the mapping of single rows gives, whatever the rules and whatever stands in the cells."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from portal import mapping
from portal.errors import Invalid
from portal.fields import INVENTORY_COLUMNS, INVENTORY_FIELDS
from portal.mapping.compiling import BETWEEN
from portal.mapping.generating import compile_batches, copy_line
from portal.records import CellProblem, Row

HEADERS = ["item", "a", "b", 'c"]; import os #', "d{0}"]
SNIPPETS = [
    "", " ", "A-1", "  A-1 ", "A+1", "1.2E+11",
    "1.234567890123E+12", "10442.0", "3600029145", '="007"', "#N/A", "#12", "Größe  L", "x\ny", "a\x1fb", "back\\slash", "tab\there",
    "\u200bA", "A\ufffdB", "\0", "x" * 61, "x" * 256, "x" * 501, "5", "0", "007", "12.50", "12,50", ".99", "0.00", "1.00001",
    "1,234.50", "$12.00",
    "-3", "-3.00", "+1.25", "10+", "<5", "In stock", "out of stock", "n/a", "2.5", "99999999", "1000000001.00", "9999999.99",
    "٣.٥٥", "٣", " 7 ", "1_0.00",
    "036000291452", "4006381333931", "96385074", "00000000", "000000000000", "36000291452", "4006381333932", "+006381333931",
    "0-36000-29145-2", "3 lb", "2 in", "lb", "Kg.", "https://x/1.jpg", "http://x/y z", "HTTPS://X/1.JPG", "https://x/1.jpg|https://x/2.jpg",
    'https://x/"q".jpg', "red", "RED ", "{v0}", "None", "%s",
]  # fmt: skip
TEXTS = st.sampled_from(SNIPPETS) | st.text(max_size=8) | st.from_regex(r"[0-9]{1,5}[.,][0-9]{1,3}", fullmatch=True)
COLUMNS = st.lists(st.sampled_from(HEADERS), min_size=1, max_size=2, unique=True)


def step(do: str, **choices: Any) -> Any:
    """Steps of one kind, each parameter drawn from its choices."""
    return st.fixed_dictionaries({"do": st.just(do)} | {name: st.sampled_from(values) for name, values in choices.items()})


STEPS = st.one_of(
    step("trim", to=["upper"]),
    step("case", to=["upper", "lower", "title"]),
    step("prefix", text=["A", "'{c}", '"', "\\", " x ", "1"]),
    step("suffix", text=["A", "'{c}", '"', "\\", " x ", "1"]),
    step("replace", find=["A", "-", ".", "\\"], **{"with": ["", "E+", "'"]}),
    step("split", separator=[" ", "-", "|"], nth=["1", "2", "-1"]),
    step("left", count=["1", "4", "9"]),
    step("right", count=["1", "4", "9"]),
    step("pad", length=["3", "12", "13"]),
    step("number", in_stock=["3"]),
    step("convert", **{"from": ["pound"], "to": ["gram"]}),
    step("zeros", length=["8", "12", "14"]),
    step("digits"),
    step("errors"),
    step("table", pairs=[[["red", "rot"], ["5", "6"]]], otherwise=["keep", "empty"]),
)
FALLBACKS = {"quantity": "4", "money": "1.5", "measure": "2", "gtin": "4006381333931", "images": "https://x/f.jpg"}


@st.composite
def rule(draw: Any, key: str, kind: str) -> dict[str, Any]:
    """A rule of one field that `check_rules` may accept."""
    made: dict[str, Any] = {"columns": draw(COLUMNS), "steps": draw(st.lists(STEPS, max_size=3))}
    if key != "sku" and draw(st.booleans()):
        unit = "inch" if key == "dimension_unit" else "lb"
        text = unit if kind == "unit" else FALLBACKS.get(kind, "fall'back")
        made |= {"columns": [], "steps": [], "fixed": text} if draw(st.integers(0, 3)) == 0 else {"fallback": text}
    if kind == "images" and draw(st.booleans()):
        made["separator"] = "|"
    return made


@st.composite
def rules(draw: Any) -> dict[str, Any]:
    """Rules of a few fields, sometimes with warehouses, fields of one's own and units."""
    kinds = {field.key: field.kind for field in INVENTORY_FIELDS}
    chosen = draw(st.lists(st.sampled_from([key for key in kinds if key != "sku"]), max_size=7, unique=True))
    made: dict[str, Any] = {"fields": {key: draw(rule(key, kinds[key])) for key in draw(st.permutations(["sku", *chosen]))}}
    if made["fields"].get("quantity", {}).get("columns") and draw(st.booleans()):
        made["warehouse_rows"] = {"columns": draw(COLUMNS), "steps": draw(st.lists(STEPS, max_size=1))}
    elif draw(st.booleans()):
        steps = draw(st.lists(STEPS, max_size=1))
        made["warehouses"] = [{"name": 'Ea"st', "column": "a", "steps": steps}, {"name": "West", "column": "b"}]
    if draw(st.booleans()):
        made["custom"] = [{"name": "Colour {}", "columns": ["d{0}"]}, {"name": "Kind", "columns": [], "fixed": "'k'"}]
    made |= {"weight_unit": draw(st.sampled_from([None, "gram"])), "dimension_unit": draw(st.sampled_from([None, "inch"]))}
    return made


ROWS = st.lists(st.lists(TEXTS, min_size=5, max_size=5), min_size=1, max_size=6)
NOTED = CellProblem("", "a", "x", "noted", fatal=False)


def assert_same(made: dict[str, Any], mark: str, once: list[Row]) -> None:
    """Both mappings of the rows, read twice so that what is remembered is used, are the same."""
    rows = [(n + 100, row) for n, row in enumerate(once * 2)]
    expected, troubled = [], []
    single = mapping.compile_rules(made, HEADERS, mark)
    for record, row in rows:
        values, problems = single(row)
        if problems:
            troubled.append((record, row))
        else:
            expected.append((record, (row.number, 1, mapping.content_hash(values), *values)))
    for stamp in (None, 7):
        staged, entered, left = [], [], []
        compile_batches(made, HEADERS, mark, stamp)(rows, staged, entered, left)
        assert left == troubled
        assert entered == [(record, row[0], row[3]) for record, row in expected]
        if stamp is None:
            assert staged == [row for _, row in expected]
        else:
            assert [read_back(line) for line in staged] == [told((stamp, *row)) for _, row in expected]


@settings(max_examples=200, deadline=None)
@given(rules(), ROWS, st.sampled_from([".", ","]), st.booleans())
def test_whole_batches_give_what_single_rows_give(made, cells, mark, noted):
    try:
        mapping.check_rules(made, HEADERS)
    except Invalid:
        assume(False)
    assert_same(made, mark, [Row(n, list(row), (NOTED,) if noted and n == 0 else ()) for n, row in enumerate(cells)])


ONE_STEP: list[list[dict[str, Any]]] = [
    [], [{"do": "trim"}], [{"do": "case", "to": "upper"}], [{"do": "case", "to": "lower"}], [{"do": "case", "to": "title"}],
    [{"do": "prefix", "text": "1"}], [{"do": "suffix", "text": " x "}],
    [{"do": "replace", "find": "+", "with": ""}], [{"do": "split", "separator": " ", "nth": "1"}],
    [{"do": "left", "count": "3"}, {"do": "trim"}], [{"do": "number"}], [{"do": "convert", "from": "pound", "to": "gram"}],
    [{"do": "table", "pairs": [["red", "5"]], "otherwise": "keep"}],
]  # fmt: skip


@pytest.mark.parametrize("field", INVENTORY_FIELDS, ids=lambda field: field.key)
def test_each_field_reads_each_text_alike_with_each_step(field):
    rows = [Row(n, [text if field.key == "sku" else f"A{n}", text, "", "", ""]) for n, text in enumerate(SNIPPETS)]
    column = "item" if field.key == "sku" else "a"
    for steps in ONE_STEP:
        for mark in (".", ","):
            made = {"fields": {"sku": {"columns": ["item"]}} | {field.key: {"columns": [column], "steps": steps}}, "weight_unit": "gram"}
            mapping.check_rules(made, HEADERS)
            assert_same(made, mark, rows)


def told(row: tuple[Any, ...]) -> list[str | None]:
    return [None if value is None else str(value) for value in row]


def read_back(line: str) -> list[str | None]:
    """A line of COPY as Postgres reads it: NULL for nothing, and a backslash before what is meant to the letter."""
    assert "\n" not in line
    parts, part, letters = [], "", iter(line)
    for letter in letters:
        if letter == "\\":
            following = next(letters)
            part += {"n": "\n", "r": "\r"}.get(following, following)
        elif letter == BETWEEN:
            parts.append(part)
            part = ""
        else:
            part += letter
    return [one or None for one in [*parts, part]]


@given(st.lists(st.none() | st.text(min_size=1) | st.integers(), min_size=1))
def test_a_line_for_postgres_says_every_value(values):
    assert read_back(copy_line(values)) == told(tuple(values))


def test_texts_of_rules_and_headers_are_never_code():
    headers = ["__import__('os')", '"""', "{c}", "\\"]
    made = {
        "fields": {
            "sku": {"columns": ["__import__('os')"], "steps": [{"do": "prefix", "text": '"+exit()+"'}, {"do": "suffix", "text": "\\"}]},
            "title": {"columns": ['"""'], "fallback": "{exit()}"},
            "condition": {"fixed": "'; exit()"},
        },
        "custom": [{"name": '"]; exit() #', "columns": ["{c}"]}],
    }
    mapping.check_rules(made, headers)
    staged: list[Any] = []
    compile_batches(made, headers)([(1, Row(2, ["A", "", "red", ""]))], staged, [], [])
    values = dict(zip(INVENTORY_COLUMNS, staged[0][3:], strict=True))
    assert (values["sku"], values["title"], values["condition"]) == ('"+exit()+"A\\', "{exit()}", "'; exit()")
    assert values["custom"] == '{"\\"]; exit() #":"red"}'
