"""Titles against each other, and identifiers as they are compared: pure."""

from __future__ import annotations

import pytest

from portal.catalogue import judging, keys


@pytest.mark.parametrize(
    ("title", "size"),
    [
        ("hex bolt", 1), ("hex bolt, pack of 12", 12), ("hex bolt 12-pack", 12), ("hex bolt 12 ct", 12), ("case of 6 mugs", 6),
        ("mug x24", 24), ("mug 24 pcs", 24), ("5/8 bolt", 1), ("nikon d500", 1), ("wd-40 spray", 1), ("box of 100", 100),
    ],
)  # fmt: skip
def test_the_pack_size_is_what_the_title_says(title: str, size: int) -> None:
    assert judging.pack_size(title) == size


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ("Work lamp, 20 W", "WORK LAMP 20W LED", "confident"),
        ("Work lamp", "Work lamp 4-pack", "pack"),
        ("Camping tent, two persons", "Espresso machine with grinder", "far"),
        ("", "Espresso machine", "confident"),
        (None, None, "confident"),
        ("Größe L Café", "grosse l cafe", "confident"),
        ("Lamp", "Torch", "confident"),
    ],
)
def test_titles_are_judged(ours: str | None, theirs: str | None, verdict: str) -> None:
    assert judging.verdict(ours, theirs) == verdict


def test_identifiers_are_brought_to_one_form() -> None:
    assert keys.gtin("036000291452") == "00036000291452" and keys.gtin(None) == "" == keys.shown("")
    for code in ("036000291452", "4006381333931", "96385074", "10036000291459"):
        assert keys.shown(keys.gtin(code)) == code
    assert keys.mpn("AB-12/3.4", " Makita ") == keys.mpn("ab 1234", "MAKITA") == "ab1234|makita"
    assert keys.mpn("AB", "") == keys.mpn("- -", "Makita") == keys.mpn(None, "Makita") == ""
