"""Channels that are connected to stores on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from portal import channels, connection_parts, connections
from portal.models import Channel, Connection, Merchant
from tests.channels.shops import KINDS, SETTINGS, Shop, at, serving_shop
from tests.connected import loopback  # noqa: F401
from tests.connecting import WHO


def connect(merchant: Merchant, shop: Shop, name: str = "Harbor store") -> Channel:
    """A channel as a merchant makes and connects it, its store moved to loopback."""
    channel = channels.add(merchant, name, shop.kind, at(-60), True, WHO)
    line = channels.line_of(channel)
    line.merchant = merchant
    values, secrets = SETTINGS[shop.kind]
    connections.save(line, values, secrets, connections.find(line).version, WHO)
    path = urlsplit(str(connection_parts.whole_settings(line)["base"])).path
    moved = {"base": f"{shop.base}{path}", "plain_ok": "1"}
    kept = Connection.get(Connection.source == line)
    Connection.update(settings={**kept.settings, **moved}).where(Connection.id == kept.id).execute()
    return channels.find(merchant, channel.public_id)


@pytest.fixture
def shops(loopback: Any, merchant: Merchant) -> Iterator[Callable[..., tuple[Any, Channel]]]:  # noqa: F811, ARG001
    """shops("shopify") -> (the store, the channel)."""
    with contextlib.ExitStack() as stack:

        def make(kind: str, **more: Any) -> tuple[Any, Channel]:
            shop = KINDS[kind]()
            for name, value in more.items():
                setattr(shop, name, value)
            return stack.enter_context(serving_shop(shop)), connect(merchant, shop)

        yield make
