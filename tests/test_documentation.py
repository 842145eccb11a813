"""What the README and the pages beside it point to is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "tests").rglob("*.md"))]


def anchors(page: Path) -> set[str]:
    """The parts of a page that a link may name, as GitHub makes them from its headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in found}


def lost(page: Path) -> list[str]:
    """Links of the page within the repository that lead nowhere."""
    links = [link for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")) if "://" not in link]
    pairs = [(link, (page.parent / link.partition("#")[0]) if link[0] != "#" else page) for link in links]
    return [link for link, file in pairs if not file.exists() or ("#" in link and link.partition("#")[2] not in anchors(file))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    assert lost(page) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    page = tmp_path / "a.md"
    page.write_text("# One thing\n[a](#one-thing) [b](#another) [c](b.md) [d](https://a.example/)", "utf-8")
    assert lost(page) == ["#another", "b.md"]
