"""The Supplier Directory as a page: what a search finds, and what it says when it finds nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.models import Source
from tests.web.setting_up import path


@pytest.mark.parametrize("asked, count", [("q=google", "1 of "), ("method=FTPS", "1 of "), ("q=sftp", " of ")])
def test_a_way_to_connect_anybody_that_fits_is_a_match(client: Any, make_source: Callable[..., Source], asked: str, count: str) -> None:
    page = client.get(path(make_source(), f"/suppliers?{asked}")).text
    assert count in page and "No supplier matches" not in page


def test_a_search_that_fits_nothing_says_so_and_offers_every_way(client: Any, make_source: Callable[..., Source]) -> None:
    page = client.get(path(make_source(), "/suppliers?q=nothwind")).text
    assert "No supplier matches “nothwind”" in page and "0 of " in page
    assert all(slug in page for slug in ("select-sftp-file", "select-ftp-file", "select-http-file", "select-file-upload"))
