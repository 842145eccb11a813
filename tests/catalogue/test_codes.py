"""Codes as they are typed, and what spreadsheet programs did to them: told and offered, never mended unasked."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.catalogue import codes, keys
from portal.models import bulk


@pytest.mark.parametrize(
    ("typed", "value", "offer"),
    [
        ("", "", ""),
        (" 036000291452 ", "036000291452", ""),
        ("0-36000-29145-2", "036000291452", ""),
        ("4006381333931", "4006381333931", ""),
        ("36000291452", "", "036000291452"),  # its zero is lost
        ("4.006381333931E+12", "", "4006381333931"),  # a number, with every digit
        ("4.00638E+12", "", ""),  # its digits are cut
        ("4,00638e+12", "", ""),
        ("036000291453", "", ""),
        ("0000000000000", "", ""),
        ("K-1", "", ""),
    ],
)
def test_a_typed_upc_is_kept_offered_or_refused_with_why(typed: str, value: str, offer: str) -> None:
    found = codes.gtin(typed)
    assert (found.value, found.offer) == (value, offer) and bool(found.problem) == (not value and bool(typed))
    assert not offer or codes.gtin(offer) == codes.Judged(offer)


def test_a_typed_mpn_is_kept_to_the_letter_unless_it_was_cut() -> None:
    assert [codes.mpn(one).value for one in (" AB-1 ", "5E3", "1E", "E+5", "2024/1")] == ["AB-1", "5E3", "1E", "E+5", "2024/1"]
    assert "cut its digits" in codes.mpn("1.23457E+11").problem and codes.mpn("1.234567E+6").offer == "1234567"
    assert keys.mpn("1.23457E+11", "Makita") == "", "many part numbers look like this one"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(st.sampled_from("0123456789.,eE+- A\u0663"), max_size=9))
def test_sql_tells_a_cut_code_as_python_does(merchant: object, text: str) -> None:
    told = bulk.one(f"SELECT {keys.cut_sql('t.code')} FROM (SELECT CAST(? AS VARCHAR) AS code) t", [text])[0]
    assert bool(told) == codes.is_cut(text)
