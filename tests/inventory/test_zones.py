"""The order of SKUs in pieces: none left out, none twice, and a piece without a hit is not walked through."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from portal.inventory import browse, finding, paging, search_index, zones
from portal.inventory.paging import SORTS, Scope
from portal.models import Source, bulk
from tests.feed_of import Feed

LETTERS = ("A", "B", "a", "0", "-", "Ä", "é", "\ud7ff", "\ue000", "\U0010ffff", "日")


@pytest.fixture
def feed(make_source: Callable[..., Source]) -> Feed:
    return Feed(make_source())


def fill(feed: Feed, skus: list[str], brand: Callable[[str], str] = lambda _: "Kestrel") -> None:
    feed.sync([[sku, f"Lamp {n}", brand(sku), 1, "1.50"] for n, sku in enumerate(skus)])
    search_index.catch_up()


def pieces(feed: Feed, downwards: bool = False, after: str = "", begins: tuple[str, ...] = ()) -> list[str] | None:
    place = (after, 0) if after else None
    return zones.of(Scope((feed.source.id,), "", SORTS["sku"], downwards, place, begins))


def test_pieces_are_as_long_as_what_their_skus_share(feed: Feed) -> None:
    fill(feed, ["BL-01", "BL-02", "KE-10", "KE-11", "KP-1", "Z"])
    assert pieces(feed) == ["BL-0", "K", "Z"]
    assert pieces(feed, begins=("K",)) == ["KE-1", "KP-1"]
    assert pieces(feed, True) == ["Z", "K", "BL-0"]
    assert pieces(feed, after="KE-11") == ["K", "Z"] and pieces(feed, True, after="KE-10") == ["KE-10", "BL-0"]
    assert pieces(feed, begins=("Z",)) is None  # it is no longer than that
    assert zones.of(Scope((feed.source.id,), "", SORTS["cost"], True)) is None
    assert zones.of(Scope((), "", SORTS["sku"], False)) is None


def test_every_sku_is_in_one_piece_whatever_its_letters(feed: Feed) -> None:
    rng = random.Random(7)
    skus = sorted({"x" + "".join(rng.choices(LETTERS, k=rng.randrange(2, 6))) for _ in range(60)})
    fill(feed, skus)
    known = sorted(feed.items())
    for downwards in (False, True):
        for after in ("", *rng.sample(known, 10)):
            found = pieces(feed, downwards, after, ("x",))
            left = [sku for sku in known if not after or (sku <= after if downwards else sku >= after)]
            assert found is not None and found == sorted(found, reverse=downwards)
            assert [sum(sku.startswith(piece) for piece in found) for sku in left] == [1] * len(left)


def test_a_word_that_stands_late_in_the_order_is_not_walked_to(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    skus = [f"{start}-{n:04}" for start in ("BL", "HA", "KE", "NO", "TA") for n in range(60)]
    fill(feed, skus, lambda sku: {"TA": "Tamarack", "HA": "Harbor"}.get(sku[:2], "Kestrel"))
    walked, real = [0], paging._window

    def window(*asked: Any) -> Any:
        found = real(*asked)
        walked[0] += len(found)
        return found

    monkeypatch.setattr(paging, "_window", window)
    for name, value in {"FEW": 20, "PROBE": (4, 6), "NEAR": 30, "WALK": (10, 20)}.items():
        monkeypatch.setattr(finding, name, value)
    monkeypatch.setattr(browse, "PAGE_SIZE", 10)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    page = browse.search(feed.source.merchant, query="tamarack")
    assert [item.sku for item in page.items] == skus[-60:-50] and walked[0] < 80
    walked[0] = 0
    page = browse.search(feed.source.merchant, query="tamarack", cursor=page.next_cursor)
    assert [item.sku for item in page.items] == skus[-50:-40] and walked[0] < 30
    walked[0] = 0
    page = browse.search(feed.source.merchant, query="harbor", cursor=browse._write_cursor("n", "sku", (10**9, skus[118])))
    assert [item.sku for item in page.items] == skus[119:120] and walked[0] < 80


@pytest.mark.parametrize("start", ["Æ-", "ÆR-"])
def test_pieces_that_the_index_cannot_tell_apart_are_not_cut_down_to_single_skus(
    feed: Feed, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    skus = [f"{first}{n:03}" for first in ("TA-", start) for n in range(150)]
    fill(feed, skus, lambda sku: "Lumen" if sku < "TA-1" else "Harbor" if sku < "TA-149" or sku[0] == "T" else f"Kestrel {sku}")
    asked, real = [0], search_index.hits

    def hits(*given: Any) -> Any:
        asked[0] += 1
        return real(*given)

    monkeypatch.setattr(search_index, "hits", hits)
    for name, value in {"FEW": 20, "PROBE": (4, 6), "NEAR": 30, "WALK": (10, 20), "MOST_TRIED": 6}.items():
        monkeypatch.setattr(finding, name, value)
    monkeypatch.setattr(browse, "PAGE_SIZE", 10)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)
    page = browse.search(feed.source.merchant, query="lumen", cursor=browse._write_cursor("n", "sku", (10**9, "TA-097")))
    assert [item.sku for item in page.items] == ["TA-098", "TA-099"] and asked[0] <= 6 + 3
    asked[0] = 0
    page = browse.search(feed.source.merchant, query="kestrel", cursor=browse._write_cursor("n", "sku", (10**9, f"{start}139")))
    assert [item.sku for item in page.items] == [f"{start}{n}" for n in range(140, 150)] and asked[0] <= 6 + 3
