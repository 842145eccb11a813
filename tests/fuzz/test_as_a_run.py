"""Every ugly feed, read as a run reads it, gives the rows that the reader gives, the second time too."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portal import feeds
from portal.intake import reading
from tests.feeds import corpus
from tests.fuzz import as_a_run

CASES = {case.name: case for case in corpus.cases() if not case.code and len(case.content) < 200_000}


@pytest.mark.parametrize("name", CASES)
def test_a_run_reads_what_the_reader_reads(tmp_path, name):
    path = tmp_path / "feed.bin"
    path.write_bytes(CASES[name].content)
    form = replace(feeds.detect(path).format, **CASES[name].change)
    assert as_a_run.tried(path, form) in ("imported", "no SKU")


def test_a_record_of_several_rows_would_be_seen(tmp_path, monkeypatch):
    """Two lines that a quote inside a value joins are one record and two rows."""
    path = tmp_path / "feed.csv"
    path.write_bytes(CASES["inches"].content.rpartition(b"A8")[0])
    form = feeds.detect(path).format
    assert as_a_run.tried(path, form) == "imported"

    def careless(self, records, numbers, digests, _base):
        return zip(digests, self.reader.rows_of(records, numbers)[1], strict=False)

    monkeypatch.setattr(reading.Reading, "_rows_of", careless)
    with pytest.raises(AssertionError, match="differs"):
        as_a_run.tried(path, form)
