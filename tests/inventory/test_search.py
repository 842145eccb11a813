"""Searching is the same as a plain filter over all items, whatever the index knows by then, on both databases."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from portal import clock
from portal.inventory import browse, finding, queries, search_index
from portal.models import InventoryItem, Merchant, Source, bulk

STARTS = ("NW-", "nw-", "Ae", "KP/0", "Ä", "00", "100%", "a_b", 'q"', "日本")
WORDS = (
    "ridge", "Tarp", "GRÖSSE", "größe", "grosse", "café", "CAFE", "1/2", "3", "mm", "x", "100%", "wool_mix", "a\\b", 'say "hi"', "日本語",
    "İstanbul", "straße", "STRASSE", "ﬁne", "naïve", "Ångström", "été,", "l'eau", "--", "e-bike",
)  # fmt: skip
BRANDS = ("Kestrel", "Harbor & Pine", "Ærø", "", None)
UPCS = ("036000291452", "0036000291452", "00036000291452", "4006381333931", "40063813", None, None)
ASKED = (
    "", "nw-", "NW-00", "n", "Ä", "ä", "kp/", "ridge", "tarp ridge", "grosse", "cafe", "1/2 mm", "3 mm", "x", "100%", "wool_mix", "l_mix",
    "a\\b", 'hi"', "日本", "日本語", "istanbul", "strasse", "fine", "naive", "angstrom", "ete", "l'eau", "--", "e-b", "aerø", "foo",
    "036000291452", "36000291452", "4 006381 333931", "40063813", "nobody has this", "NW-0001, NW-0002; nw-0003", "%", "_", "%%%", "___",
    "\\\\\\", "'''", '"""', "NW-0001\x00", "e\u0301te\u0301", "\ue000\ue000\ue001", "OR", "AND NOT ridge*", "tarp" * 60, "a " * 300,
)  # fmt: skip


@pytest.fixture(autouse=True)
def short_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small numbers, so that a few hundred items take every way that a million take."""
    monkeypatch.setattr(finding, "FEW", 12)
    monkeypatch.setattr(finding, "PROBE", (3, 5))
    monkeypatch.setattr(finding, "NEAR", 30)
    monkeypatch.setattr(finding, "SOON", 1)
    monkeypatch.setattr(finding, "WALK", (7, 20))
    monkeypatch.setattr(finding, "STRIDE", 25)
    monkeypatch.setattr(finding, "MANY", 25)
    monkeypatch.setattr(finding, "BARE", (6, 11))
    monkeypatch.setattr(search_index, "CHUNK", 17)
    monkeypatch.setattr(search_index, "LARGEST_CHUNK", 40)
    monkeypatch.setattr(search_index, "SMALLEST_CHUNK", 5)
    monkeypatch.setattr(search_index, "MOST_BEHIND", 60)
    monkeypatch.setattr(browse, "PAGE_SIZE", 9)
    monkeypatch.setattr(bulk, "PAUSE_SECONDS", 0)


class Catalogue:
    """Items of two sources of one merchant and of a stranger, edited at random past every layer."""

    def __init__(self, sources: list[Source], rng: random.Random) -> None:
        self.sources, self.rng = sources, rng

    def values(self) -> dict[str, Any]:
        rng = self.rng
        return {
            "title": rng.choice([None, " ".join(rng.choices(WORDS, k=rng.randrange(1, 5)))]),
            "brand": rng.choice(BRANDS), "upc": rng.choice(UPCS),
            "mpn": rng.choice([None, "", rng.choice(STARTS) + str(rng.randrange(30)), "x"]),
        }  # fmt: skip

    def add(self, count: int) -> None:
        for _ in range(count):
            source = self.rng.choice(self.sources)
            sku = f"{self.rng.choice(STARTS)}{self.rng.randrange(3_000):04}"
            if InventoryItem.select().where(InventoryItem.source == source, InventoryItem.sku == sku).exists():
                continue
            rng, now = self.rng, clock.now()
            InventoryItem.create(
                merchant=source.merchant, source=source, sku=sku, content_hash=1, last_run_id=1, last_row=1,
                quantity=rng.choice([None, 0, 0, 3, 3, 7, rng.randrange(100)]), cost=rng.choice([None, 10_000, rng.randrange(10**6)]),
                archived_at=now if rng.random() < 0.1 else None, missing_since=now if rng.random() < 0.1 else None, **self.values(),
            )  # fmt: skip

    def edit(self) -> None:
        """A few of everything that happens to items."""
        some = [row.id for row in InventoryItem.select(InventoryItem.id)]
        for item in self.rng.sample(some, len(some) // 10):
            InventoryItem.update(**self.values()).where(InventoryItem.id == item).execute()
        for item in self.rng.sample(some, len(some) // 20):
            InventoryItem.update(quantity=self.rng.randrange(50), changed_at=clock.now()).where(InventoryItem.id == item).execute()
        doomed = [*self.rng.sample(some, len(some) // 20), *some[-3:]]  # the last ids too, which SQLite gives to the next items
        InventoryItem.delete().where(InventoryItem.id << doomed).execute()
        self.add(len(doomed))


def plain(text: str) -> str:
    """An independent writing of what letters are alike."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if unicodedata.combining(letter) == 0 or not "\u0300" <= letter <= "\u036f").casefold()


def number_of(code: str) -> str:
    return code.lstrip("0") if re.fullmatch(r"[0-9]{8,14}", code) else ""


def meant(item: InventoryItem, asked: str) -> bool:
    """The rule as a person would say it."""
    text = asked.replace("\0", " ").strip()[: queries.LONGEST]
    if not text:
        return True
    tokens = [token for token in re.split(r"[\s,;]+", text) if token]
    for code in [" ".join(text.split()), *tokens]:
        if {code, code.lower(), code.upper()} & {item.sku, item.mpn}:
            return True
    upc = (item.upc or "").lstrip("0")
    if upc and upc in [number_of(code) for code in [re.sub(r"[\s-]", "", text), *tokens]]:
        return True
    words = [plain(word.strip(",;")).strip() for word in text.split()]
    if not [word for word in words if word]:
        return False
    if all(len(word) < 3 for word in words):
        whole = " ".join(text.split())
        return begins(item.sku, whole) or begins(item.mpn or "", whole)
    every = [plain(value or "") for value in (item.sku, item.mpn, item.title, item.brand)]
    return all(any(word in value for value in every) for word in words)


def begins(code: str, asked: str) -> bool:
    if len(asked) <= 4 and len(code) >= len(asked):
        return all(one in (other, other.lower(), other.upper()) for one, other in zip(code, asked, strict=False))
    return code.startswith((asked, asked.upper(), asked.lower()))


KEYS: dict[str, Callable[[InventoryItem], Any]] = {
    "sku": lambda item: (item.sku, item.id),
    "quantity": lambda item: (item.quantity is None, -(item.quantity or 0), -item.id),
    "cost": lambda item: (item.cost is None, -(item.cost or 0), -item.id),
    "changed": lambda item: (-item.changed_at.timestamp(), -item.id),
}
STOCK: dict[str, Callable[[InventoryItem], bool]] = {
    "": lambda item: item.archived_at is None,
    "in": lambda item: item.archived_at is None and (item.quantity or 0) > 0,
    "out": lambda item: item.archived_at is None and item.quantity == 0,
    "missing": lambda item: item.archived_at is None and item.missing_since is not None,
    "archived": lambda item: item.archived_at is not None,
}


def expected(merchant: Merchant, source: Source | None, asked: str, stock: str, sort: str) -> list[str]:
    """SKUs by a plain loop over every item."""
    mine = [item for item in InventoryItem.select() if item.merchant_id == merchant.id and (source is None or item.source_id == source.id)]
    found = [item for item in sorted(filter(STOCK[stock], mine), key=KEYS[sort]) if meant(item, asked)]
    if sort == "sku" and asked and not re.search(r"[\s,;\0]", asked):  # SKUs that begin so come first
        found.sort(key=lambda item: not begins(item.sku, asked))
    return [(item.sku, item.source_id) for item in found]


def every_page(merchant: Merchant, **asked: Any) -> Iterator[browse.Page]:
    cursor = ""
    while True:
        page = browse.search(merchant, cursor=cursor, **asked)
        yield page
        cursor = page.next_cursor
        if not cursor:
            return


def check(merchant: Merchant, source: Source | None, asked: str, stock: str, sort: str) -> None:
    pages = list(every_page(merchant, source=source, query=asked, stock=stock, sort=sort))
    exact = [(item.sku, item.source_id) for item in pages[0].exact]
    found = [(item.sku, item.source_id) for page in pages for item in page.items]
    right = expected(merchant, source, asked, stock, sort)
    assert found == [sku for sku in right if sku not in exact], (asked, stock, sort)
    assert set(exact) <= set(right) and not any(page.exact for page in pages[1:])
    assert all(len(page.items) == browse.PAGE_SIZE for page in pages[:-1])
    cursor, back = pages[-1].previous_cursor, [pages[-1]]
    while cursor:
        back.insert(0, browse.search(merchant, source=source, query=asked, stock=stock, sort=sort, cursor=cursor))
        cursor = back[0].previous_cursor
    assert [(item.sku, item.source_id) for page in back for item in page.items] == found
    assert [(item.sku, item.source_id) for item in back[0].exact] == exact


@pytest.fixture
def catalogue(make_source: Callable[..., Source], other_merchant: Merchant) -> Catalogue:
    sources = [make_source(), make_source("Second"), make_source("Stranger", of=other_merchant)]
    return Catalogue(sources, random.Random(5))


@pytest.mark.parametrize("seed", range(4))
def test_a_search_finds_what_a_plain_filter_finds_whatever_the_index_knows(catalogue: Catalogue, merchant: Merchant, seed: int) -> None:
    rng = catalogue.rng = random.Random(seed)
    catalogue.add(150)
    for turn in range(6):
        if turn % 3:
            left = [rng.randrange(1, 6)]
            search_index.catch_up(leave=lambda left=left: left.append(left.pop() - 1) or left[0] < 0)
        if turn == 5:
            search_index.catch_up()
            assert not search_index.waiting()
        for asked in rng.sample(ASKED, 12) + [rng.choice(WORDS) for _ in range(3)]:
            source = rng.choice([None, *catalogue.sources[:2]])
            check(merchant, source, asked, rng.choice(list(STOCK)), rng.choice(list(KEYS)))
        catalogue.edit()


@pytest.mark.parametrize("asked", ASKED)
def test_every_kind_of_search_is_right_with_the_index_and_without(catalogue: Catalogue, merchant: Merchant, asked: str) -> None:
    catalogue.add(120)
    for _ in range(2):
        check(merchant, None, asked, "", "sku")
        check(merchant, catalogue.sources[0], asked, "out", "quantity")
        search_index.catch_up()
