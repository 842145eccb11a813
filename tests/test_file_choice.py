"""Which file is read and how: from the listing and the sample alone."""

from __future__ import annotations

import pytest

from portal import connections, file_choice, setup_steps
from portal.errors import Invalid, Stale
from portal.models import Integration, Source
from portal.records import FeedFormat
from tests.connecting import WHO, fresh

pytest_plugins = ("tests.connected",)


def pick(source: Source, form: FeedFormat | None = None, **choice: str) -> Integration:
    typed = {"folder": "out", "match": "newest", "pattern": "stock_*.csv", **choice}
    return file_choice.save(source, typed, form or FeedFormat(), file_choice.integration_of(source).version, WHO)


def test_the_choice_and_every_detection_are_kept(sampled: Source) -> None:
    saved = pick(sampled, FeedFormat(delimiter=";", decimal_mark=",", header_row=0))
    assert {key: saved.settings[key] for key in ("folder", "match", "pattern")} == {
        "folder": "out",
        "match": "newest",
        "pattern": "stock_*.csv",
    }
    assert saved.settings["format"]["delimiter"] == ";" and saved.settings["format"]["header_row"] == 0
    assert setup_steps.next_step(fresh(sampled)) == "inventory"
    assert file_choice.current(sampled, connections.find(sampled)).format == FeedFormat(delimiter=";", decimal_mark=",", header_row=0)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"pattern": "gone_*.csv"}, "gone_*.csv"),
        ({"pattern": "stock_2026-11-24.csv", "match": "exact"}, "the rows below come from stock_2026-11-25.csv"),
        ({"pattern": "../stock.csv"}, "without folders"),
        ({"pattern": ""}, "Enter a file name"),
        ({"pattern": "x" * 300}, "Enter a file name"),
    ],
)
def test_a_choice_that_means_another_file_than_the_one_shown_is_not_saved(sampled: Source, choice: dict[str, str], words: str) -> None:
    with pytest.raises(Invalid) as refused:
        pick(sampled, **choice)
    assert words in refused.value.errors["pattern"]


def test_options_that_no_file_can_be_read_with_are_named(sampled: Source) -> None:
    with pytest.raises(Invalid) as refused:
        pick(sampled, FeedFormat(delimiter="ab", encoding="klingon", header_row=-1))
    assert set(refused.value.errors) == {"delimiter", "encoding", "header_row"}
    assert file_choice.preview(sampled, FeedFormat(encoding="klingon")).problem is not None


def test_the_preview_reads_the_sample_only(sampled: Source) -> None:
    seen = file_choice.preview(sampled, FeedFormat())
    assert list(seen.headers) == ["item_no", "qty_avail", "cost"] and [row.cells[0] for row in seen.rows][-1] == "NW-10444"
    assert list(file_choice.preview(sampled, FeedFormat(header_row=0)).headers) == ["Column 1", "Column 2", "Column 3"]


def test_an_old_file_page_cannot_overwrite(sampled: Source) -> None:
    version = file_choice.integration_of(sampled).version
    pick(sampled)
    with pytest.raises(Stale):
        file_choice.save(sampled, {"folder": "out", "match": "newest", "pattern": "stock_*.csv"}, FeedFormat(), version, WHO)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("stock_2026-11-25_0900.csv", "stock_*.csv"), ("stock.csv", "stock.csv"), ("20261125.txt", "*.txt"), ("INV-00194", "INV-*"),
        ("feed v2 2026.11.25.csv", "feed v2 *.csv"),
    ],
)  # fmt: skip
def test_a_pattern_is_proposed_from_the_name(name: str, pattern: str) -> None:
    assert file_choice.propose_pattern(name) == pattern
