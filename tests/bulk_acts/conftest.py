"""A source whose first feed is in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from portal.models import Source
from tests.bulk_acts.doing import synced
from tests.feed_of import Feed


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    made = Feed(make_source())
    synced(made, 6)
    return made
