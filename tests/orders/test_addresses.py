"""Addresses as people write them, brought to one form; what is wrong is said, and nothing typed is lost."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.orders.addresses import FIELDS, in_lines, normalise

GOOD = {"name": "Ada Byron", "address_1": "12 Harbor Rd", "city": "Portland", "state": "Maine", "postal": "04101", "country": "USA"}


def problems(**changed):
    return {one["field"]: one["words"] for one in normalise({**GOOD, **changed})[1]}


def test_each_part_gives_the_other():
    address, wrong = normalise(GOOD)
    assert not wrong and address == {
        "name": "Ada Byron", "first_name": "Ada", "last_name": "Byron", "address_1": "12 Harbor Rd", "city": "Portland",
        "state": "Maine", "state_code": "ME", "postal": "04101", "country": "United States", "country_code": "US",
    }  # fmt: skip
    coded = {"state": "", "state_code": "us-me", "country": "", "country_code": "us"}
    other, wrong = normalise({**GOOD, "name": None, "first_name": "Ada", "last_name": "Byron", **coded})
    assert not wrong and other == address


@pytest.mark.parametrize(
    ("typed", "code"),
    [("uk", "GB"), ("Great Britain", "GB"), ("Deutschland", "DE"), ("DEU", "DE"), ("840", "US"), ("Côte d'Ivoire", "CI"),
    ("cote d'ivoire", "CI"),      ("ESPAÑA", "ES"), ("South Korea", "KR")],
)  # fmt: skip
def test_countries_by_the_names_people_use(typed, code):
    assert normalise({"country": typed})[0]["country_code"] == code


@pytest.mark.parametrize(
    ("country", "state", "code"),
    [("CA", "québec", "QC"), ("CA", "Quebec", "QC"), ("AU", "New South Wales", "NSW"), ("AU", "nsw", "NSW"), ("US", "dc", "DC"),
     ("IT", "Roma", "RM"),      ("US", "Puerto Rico", "PR"), ("US", "ae", "AE"), ("US", "Armed Forces Pacific", "AP")],
)  # fmt: skip
def test_states_by_name_and_code_without_their_accents(country, state, code):
    address, wrong = normalise({**GOOD, "country": country, "state": state, "postal": "04101"})
    assert address["state_code"] == code and "state" not in {one["field"] for one in wrong}


@pytest.mark.parametrize(
    ("changed", "field", "said"),
    [
        ({"country": "Atlantis"}, "country", "“Atlantis” is no country we know"),
        ({"country": "USA", "country_code": "CA"}, "country", "Country is United States, but the code CA is Canada"),
        ({"country": ""}, "country_code", "Country is missing"),
        ({"state": "Mayne"}, "state", "“Mayne” is no state of United States we know"),
        ({"state": ""}, "state", "State is missing: mail in United States needs it"),
        ({"state": "Maine", "state_code": "NH"}, "state", "State is Maine, but the code NH is New Hampshire"),
        ({"postal": "4101"}, "postal", "a spreadsheet may have dropped the zero in front"),
        ({"postal": "O4101"}, "postal", "A US ZIP code has 5 digits"),
        ({"postal": ""}, "postal", "Postal code is missing"),
        ({"address_1": " \t"}, "address_1", "Address line 1 is missing"),
        ({"city": None}, "city", "City is missing"),
        ({"name": ""}, "name", "Name is missing"),
        ({"address_2": "x" * 121}, "address_2", "has 121 characters; 120 at most"),
    ],
)
def test_what_is_wrong_is_said_once_and_at_its_field(changed, field, said):
    found = problems(**changed)
    assert set(found) == {field} and said in found[field]


@pytest.mark.parametrize("code", ["USA", "840", "us"])
def test_a_longer_code_of_a_country_is_no_problem(code):
    address, wrong = normalise({**GOOD, "country": "", "country_code": code})
    assert address["country_code"] == "US" and not wrong


def test_a_company_needs_no_person_and_some_countries_no_state_or_code():
    assert not problems(name="", company="Byron & Co.")
    assert not problems(country="Germany", state="", postal="10115", city="Berlin")
    assert not problems(country="Hong Kong", state="", postal="")


@pytest.mark.parametrize(
    ("country", "typed", "kept"), [("CA", "k1a0b1", "K1A 0B1"), ("GB", "sw1a1aa", "SW1A 1AA"), ("US", "041012213", "04101-2213")]
)
def test_postal_codes_get_their_usual_spelling(country, typed, kept):
    address, wrong = normalise({"country": country, "postal": typed})
    assert address["postal"] == kept and "postal" not in {one["field"] for one in wrong}


def test_a_label_has_no_empty_lines():
    assert in_lines(normalise(GOOD)[0]) == ["Ada Byron", "12 Harbor Rd", "Portland ME 04101", "United States"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # the lists of countries are read in the first
@given(st.dictionaries(st.sampled_from(sorted(FIELDS)), st.one_of(st.none(), st.text(max_size=300), st.integers())))
def test_no_input_breaks_it_and_a_second_time_changes_nothing(given_address):
    once, wrong = normalise(given_address)
    again, same = normalise(once)
    assert again == once and same == wrong
    assert all(text == " ".join(text.split()) and text for text in once.values())
