"""Share links of Google Sheets, in the forms that people copy."""

from __future__ import annotations

import pytest

from portal.connectors.google_sheets import csv_link, is_sheet

KEY = "1AbCdEfGhIjKlMnOpQrStUvWxYz_0123456789-abcde"
EXPORT = f"https://docs.google.com/spreadsheets/d/{KEY}/export?format=csv"
PUBLISHED = "https://docs.google.com/spreadsheets/d/e/2PACX-1vAbC_d/pub"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        (f"https://docs.google.com/spreadsheets/d/{KEY}/edit?usp=sharing", EXPORT),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/edit#gid=0", EXPORT + "&gid=0"),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/edit?gid=81#gid=81", EXPORT + "&gid=81"),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/edit?gid=1#gid=2", EXPORT + "&gid=2"),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/view", EXPORT),
        (f"https://docs.google.com/spreadsheets/d/{KEY}", EXPORT),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/", EXPORT),
        (f"http://docs.google.com/spreadsheets/d/{KEY}/copy", EXPORT),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/htmlview?gid=7", EXPORT + "&gid=7"),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/edit#gid=7&range=A1:B2", EXPORT + "&gid=7"),
        (f"https://docs.google.com/spreadsheets/u/0/d/{KEY}/edit", EXPORT),
        (f"https://docs.google.com/a/acme.example/spreadsheets/d/{KEY}/edit#gid=3", EXPORT + "&gid=3"),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/export?format=xlsx&gid=4", EXPORT + "&gid=4"),
        (f"https://docs.google.com/spreadsheets/d/{KEY}/export?format=tsv", EXPORT.replace("csv", "tsv")),
        (f"https://spreadsheets.google.com/ccc?key={KEY}", EXPORT),
        (f"  https://docs.google.com/spreadsheets/d/{KEY}/edit  ", EXPORT),
        (f"{PUBLISHED}html?gid=5&single=true", PUBLISHED + "?gid=5&single=true&output=csv"),
        (f"{PUBLISHED}?output=csv", PUBLISHED + "?output=csv"),
        (f"{PUBLISHED}html", PUBLISHED + "?output=csv"),
    ],
)
def test_a_share_link_becomes_a_csv_link(link, expected):
    assert csv_link(link) == expected
    assert csv_link(expected) == expected and is_sheet(expected)


@pytest.mark.parametrize(
    "link",
    [
        "https://example.com/feed.csv",
        f"https://docs.google.com.evil.example/spreadsheets/d/{KEY}/edit",
        f"https://evil.example/docs.google.com/spreadsheets/d/{KEY}/edit",
        f"https://docs.google.com/document/d/{KEY}/edit",
        f"https://docs.google.com/spreadsheets/d/{KEY}/gviz/tq?tqx=out:csv",
        "https://docs.google.com/spreadsheets/",
        f"ftp://docs.google.com/spreadsheets/d/{KEY}/edit",
    ],
)
def test_other_links_stay_as_they_are(link):
    assert csv_link(link) == link
