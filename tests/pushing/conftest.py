"""A merchant with one source, listings on a connected store, and the store's shelves on loopback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portal.listings import rules as listing_rules
from portal.models import Channel, ChannelPush, InventoryItem, Listing, Merchant, Run
from portal.pushing import settings
from tests.channels.conftest import shops  # noqa: F401
from tests.channels.shelves import ware
from tests.connected import loopback  # noqa: F401
from tests.connecting import WHO
from tests.listings.goods import RULES, goods, listed


class Shopkeeper:
    """A channel with `count` listings LAMP-1 … of 10 units that cost 10.00, so are offered at 13.00; the store has 10 of each."""

    def __init__(self, shop: Any, channel: Channel, run_work: Callable[[], None], source: Any, count: int) -> None:
        self.shop, self.channel, self.run_work, self.source = shop, channel, run_work, source
        listing_rules.save(channel, listing_rules.judged(RULES | {"ending": "-1"}), channel.version, WHO)
        for n in range(1, count + 1):
            made = goods(channel.merchant, f"LAMP-{n}", (source, {"quantity": 10, "cost": 100_000}))
            listed(channel, made)
            shop.shelves.wares.append(ware(n, f"LAMP-{n}", 10, "13.00"))

    @property
    def push(self) -> ChannelPush:
        return settings.of(self.channel)

    def of(self, n: int) -> Listing:
        return Listing.get(Listing.channel == self.channel.id, Listing.sku == f"LAMP-{n}")

    def stock(self, n: int, units: int, **more: Any) -> None:
        mine = InventoryItem.sku == f"LAMP-{n}-{self.source.id}"
        InventoryItem.update(quantity=units, **more).where(mine).execute()

    def guarded_from(self, least: int) -> None:
        """So few listings are enough to be held."""
        ChannelPush.update(least=least).where(ChannelPush.channel == self.channel.id).execute()

    def look(self) -> Run:
        settings.start(self.channel, WHO, look=True)
        return self.done()

    def on(self) -> Run:
        self.look()
        settings.switch(self.channel, True, WHO)
        return self.send()

    def send(self) -> Run:
        settings.send_now(self.channel, WHO)
        return self.done()

    def done(self) -> Run:
        self.run_work()
        return Run.select().where(Run.kind == "push_listings").order_by(Run.id.desc()).get()

    def has(self, n: int) -> tuple[int, str]:
        found: tuple[int, str] = self.shop.shelves.has(f"LAMP-{n}")
        return found

    def wrote(self) -> list[tuple[str, str, Any]]:
        """What the store was told since this was asked last."""
        told, self.shop.shelves.wrote[:] = list(self.shop.shelves.wrote), []
        return told


@pytest.fixture
def keeper(shops: Any, run_work: Any, make_source: Any, merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Shopkeeper]:  # noqa: F811, ARG001
    """keeper("shopify", 3) -> its listings and its store; nothing was sent yet, and waits are short."""
    for name in ("portal.pushing.batches.wait", "portal.connectors.goods_shopify.wait", "portal.connectors.caller.wait"):
        monkeypatch.setattr(name, lambda *_: None)

    def make(kind: str = "woocommerce", count: int = 3) -> Shopkeeper:
        shop, channel = shops(kind)
        return Shopkeeper(shop, channel, run_work, make_source(state="live"), count)

    return make


__all__ = ["keeper", "loopback", "shops"]
