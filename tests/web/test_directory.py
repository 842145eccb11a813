"""The Supplier Directory as a page: what a search finds, and what it says when it finds nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portal import connections, suppliers
from portal.models import Source
from tests.connecting import fresh, save
from tests.web.setting_up import path

pytest_plugins = ("tests.connected",)

SAMPLES = Path(__file__).parents[1] / "suppliers"
FILES = {
    "google-sheets": ({"url": "https://docs.google.com/spreadsheets/d/1x2y3z4w/export?format=csv&gid=0"}, {}),
    "dropbox-file": ({"url": "https://www.dropbox.com/scl/fi/a1b2/stock.csv?rlkey=c3d4&dl=1"}, {}),
    "edi-846-sftp": ({"host": "edi.kestrel.example", "port": "22", "user": "4711", "auth": "password"}, {"password": "sample"}),
}
"""What a merchant types for the entries whose samples are files; a sheet's link in the form in which it is kept."""


@pytest.mark.parametrize("asked, count", [("q=google", "2 of "), ("method=FTPS", "1 of "), ("q=sftp", " of ")])
def test_a_way_to_connect_anybody_that_fits_is_a_match(client: Any, make_source: Callable[..., Source], asked: str, count: str) -> None:
    page = client.get(path(make_source(), f"/suppliers?{asked}")).text
    assert count in page and "No supplier matches" not in page


def test_a_search_that_fits_nothing_says_so_and_offers_every_way(client: Any, make_source: Callable[..., Source]) -> None:
    page = client.get(path(make_source(), "/suppliers?q=nothwind")).text
    assert "No supplier matches “nothwind”" in page and "0 of " in page
    assert all(slug in page for slug in ("select-sftp-file", "select-ftp-file", "select-http-file", "select-file-upload"))


def test_an_entry_made_from_documentation_takes_what_its_sample_has(client: Any, chosen: Callable[..., Source]) -> None:
    made = sorted(one for one in Path(suppliers.__file__).parent.glob("*.toml") if one.read_text("utf-8").startswith("# Facts: "))
    for slug in [one.stem for one in made]:
        source, (values, secrets) = chosen(slug, name=slug), FILES.get(slug) or _typed(slug)
        page = client.get(path(source, "/connection"))
        assert page.status_code == 200 and all(f'name="{key}"' in page.text for key in values | secrets), slug
        save(source, values, **secrets)
        settings = connections.find(fresh(source)).settings
        assert {key: str(settings[key]) for key in values} == values, f"{slug} keeps what was typed"


@pytest.mark.parametrize("asked, count, kept, gone", [
    ("kind=stores", "11 of ", "Stores and platforms", "part-suppliers"),
    ("supports=shipments", "12 of ", "with Get Shipments", "part-warehouses"),
    ("kind=files&method=File+link", "3 of ", "under “Connect something else by a file”", "part-apis"),
    ("kind=nonsense&supports=inventory&method=x", " entries", "part-stores", "Show all"),
])  # fmt: skip
def test_filters_are_plain_addresses_and_say_what_they_left(
    client: Any, make_source: Any, asked: str, count: str, kept: str, gone: str
) -> None:
    page = client.get(path(make_source(), f"/suppliers?{asked}")).text
    assert count in page and kept in page and gone not in page


def test_filters_that_fit_nothing_offer_every_way(client: Any, make_source: Callable[..., Source]) -> None:
    page = client.get(path(make_source(), "/suppliers?kind=warehouses&supports=shipments")).text
    assert "No supplier matches these filters" in page and "select-sftp-file" in page and "select-rest-api" in page


def _typed(slug: str) -> tuple[dict[str, str], dict[str, str]]:
    sample = json.loads((SAMPLES / slug / "get_inventory.json").read_text("utf-8"))
    return sample["settings"], sample["secrets"]
