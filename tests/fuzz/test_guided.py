"""The files that guided fuzzing kept are read as rows or named refusals; and a loop led by coverage finds what blind chance would not."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz import guided
from tests.fuzz.covering import Blocks

DEEP = """
def target(content):
    "Fails only for content that begins with four letters, each asked after the one before."
    if content[:1] == b"s":
        if content[1:2] == b"k":
            if content[2:3] == b"u":
                if content[3:4] == b";":
                    raise KeyError("found")
    return None
"""


def exploring(led: bool) -> tuple[guided.Exploring, Blocks]:
    blocks, names = Blocks(), {}
    names["_blocks"] = blocks.hits
    exec(blocks.instrumented(DEEP, "deep"), names)
    take = blocks.take if led else (lambda: frozenset())
    found = guided.Exploring(names["target"], take, seed=3)
    found.files = [b"xxxxxxxx"]
    return found, blocks


def tries_until_found(led: bool, most: int) -> int:
    explored, _ = exploring(led)
    for tries in range(most):
        try:
            explored.try_file(explored.next_file())
        except KeyError:
            return tries
    return most


def test_coverage_leads_to_what_chance_does_not_find(monkeypatch):
    monkeypatch.setattr(guided, "TOKENS", (b"s", b"k", b"u", b";"))
    assert tries_until_found(True, 20_000) < 20_000
    assert tries_until_found(False, 20_000) == 20_000


def test_every_branch_of_instrumented_code_is_a_block():
    _, blocks = exploring(True)
    assert len(blocks.names) == 1 + 4 * 2  # the function, and both ways of each question
    source = ast.parse(DEEP)
    assert ast.get_docstring(source.body[0]) is not None


KEPT = sorted(guided.KEPT.glob("*.bin"))


def test_the_kept_files_are_rows_or_named_refusals(tmp_path):
    target = guided.target_of(tmp_path / "feed.bin")
    for path in KEPT:
        target(path.read_bytes())
    assert len(KEPT) > 20 and sum(path.stat().st_size for path in KEPT) < 1_000_000


@pytest.mark.timeout(120)
def test_a_short_run_reaches_more_than_the_seeds_and_finds_nothing(tmp_path):
    command = [sys.executable, "-m", "tests.fuzz.guided", "--child", str(tmp_path), "--minutes", "0.1", "--seed", "5"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    told = [json.loads(line) for line in ended.stdout.splitlines()]
    assert ended.returncode == 0, ended.stderr[-2_000:]
    assert [line for line in told if "finding" in line] == []
    blocks = told[-1]["blocks"]
    assert blocks["of"] > blocks["reached"] > blocks["seeds"] > 1_000
