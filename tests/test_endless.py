"""The limit on what must end can fail."""

from __future__ import annotations

import pytest

from tests.endless import Endless, ends


def test_who_goes_on_without_an_end_is_ended_and_who_ends_is_left_alone() -> None:
    with pytest.raises(Endless), ends(0.05):
        while True:
            pass
    with ends(0.05):
        pass
