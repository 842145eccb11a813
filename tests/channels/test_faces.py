"""What the entries of the directory say of a store as a channel. Pure."""

from __future__ import annotations

import pytest

from portal import suppliers
from portal.channels import KINDS
from portal.connectors import stores
from portal.suppliers import channels


@pytest.mark.parametrize("slug", KINDS)
def test_a_store_is_connected_to_sell_without_what_only_stock_needs(slug: str) -> None:
    supplier = suppliers.find(slug)
    face = channels.as_channel(supplier)
    assert slug in stores.KINDS and face.steps != supplier.steps and not face.operations
    assert {one.key for one in face.settings} <= supplier.setting_keys and not {"locations", "allow"} & face.setting_keys
    assert supplier.fixed.keys() <= face.whole({}).keys()


def test_a_channel_with_a_slip_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="a.toml: channel: steps is missing"):
        channels.read("a.toml", {})
    with pytest.raises(ValueError, match="unknown key 'stepps'"):
        channels.read("a.toml", {"stepps": ["x"]})
    with pytest.raises(ValueError, match="'shoppe', which is no setting"):
        channels.check("a.toml", channels.read("a.toml", {"steps": ["x"], "leave_out": ["shoppe"]}), frozenset({"shop"}))
    with pytest.raises(ValueError, match="sftp-file is no channel"):
        channels.as_channel(suppliers.find("sftp-file"))


def test_amounts_and_moments_are_read_as_stores_write_them() -> None:
    assert [stores.amount(told) for told in ("19.99", 12.5, "1e400", "NaN", None, "x")] == [199_900, 125_000, None, None, None, None]
    told = ("2026-11-27T12:00:00Z", "2026-11-27T14:00:00+02:00", "Fri, 27 Nov 2026 12:00:00 +0000", "2026-11-27T12:00:00")
    assert {str(stores.moment(one)) for one in told} == {"2026-11-27 12:00:00"} and stores.moment("soon") is stores.moment(None) is None
