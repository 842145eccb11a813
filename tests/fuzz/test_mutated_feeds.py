"""Mutated feeds over every format are rows or a named refusal, within 30 s and 1 GiB each. `make fuzz` reads 10,000."""

from __future__ import annotations

import pytest

from tests.fuzz import campaign, reading
from tests.fuzz.mutations import mutated

FILES = 500


@pytest.mark.timeout(280)
def test_mutated_feeds_are_rows_or_named_refusals():
    found = campaign.run(FILES)
    assert found.findings == []
    assert found.files == FILES
    assert found.peak_kb < reading.MEMORY // 1024
    assert len(found.seen) > 8
    assert found.seen["rows"] > FILES // 5


def test_a_seed_makes_the_same_file():
    assert mutated(7) == mutated(7)
    assert mutated(7) != mutated(8)


def test_a_failure_would_be_seen(tmp_path, monkeypatch, capsys):
    def broken(path, form):
        raise KeyError("sku")

    monkeypatch.setattr(reading, "outcome", broken)
    reading.read(1, tmp_path / "feed.bin", reading.Counter())
    assert "KeyError" in capsys.readouterr().out
