"""Every kind of ugly feed gives its rows or its named refusal, quickly and in little memory."""

from __future__ import annotations

import json
import resource
from dataclasses import asdict, replace

import pytest

from portal import feeds
from portal.errors import FAILURE_CODES, SupplierError
from portal.records import FeedFormat
from tests.endless import ends
from tests.feeds import corpus

CASES = list(corpus.cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_ugly_feed(tmp_path, case):
    path = tmp_path / "feed.bin"
    path.write_bytes(case.content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with ends():
        refused(path, case) if case.code else read(path, case)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000
    assert [one.name for one in tmp_path.iterdir()] == ["feed.bin"]


def refused(path, case):
    with pytest.raises(SupplierError) as caught:
        form = replace(feeds.detect(path).format, **case.change) if case.change.get("kind") is None else FeedFormat(**case.change)
        with feeds.open_rows(path, form) as reader:
            list(reader)
    problem = caught.value.problem
    assert problem.code == case.code
    assert len(problem.headline) < 60 and len(problem.body.split()) < 40 and problem.act


def read(path, case):
    found = feeds.detect(path)
    for name, value in case.format.items():
        assert getattr(found.format, name) == value, found.said
    assert len(found.warnings) >= case.warns
    form = FeedFormat(**json.loads(json.dumps(asdict(replace(found.format, **case.change)))))
    assert form == replace(found.format, **case.change)
    feeds.check_format(form)
    with feeds.open_rows(path, form) as reader:
        rows = list(reader)
        assert reader.bytes_read <= reader.size
    good = [row for row in rows if not any(problem.fatal for problem in row.problems)]
    assert [row.cells for row in good] == [list(one) for one in case.rows]
    assert len(rows) - len(good) == case.aside
    assert case.headers is None or reader.headers == list(case.headers)
    assert [row.number for row in rows] == sorted({row.number for row in rows})
    headers, first = feeds.preview(path, form, 3)
    assert headers == reader.headers
    assert first == rows[:3]


def test_the_corpus_is_large_and_its_codes_are_known():
    assert len(CASES) >= 60
    assert len({case.name for case in CASES}) == len(CASES)
    assert {case.code for case in CASES} - {""} <= FAILURE_CODES
