"""May a listing go for good? Not before the shop that knows it was told 0 units: what merely disappears, shops go on selling."""

from __future__ import annotations

from portal.models import Channel, Listing

ZERO = ("ended", "paused")
"""States in which a listing is offered with 0 units."""


def why_not_yet(listing: Listing) -> str:
    """What must happen first, in a sentence; "" where nothing stands in the way."""
    told = listing.store_quantity if listing.push_state == "doubt" else listing.pushed_quantity
    if told is not None:
        if told == 0:
            return ""
        units = f"{told:,} unit{'s' * (told != 1)}"
        return f"The store was told {units} and not yet 0. {_first(listing)} and the next push tells it 0."
    channel: Channel = Channel.get_by_id(listing.channel_id)
    if channel.shown_at is None or channel.shown_at <= listing.created_at:
        return ""  # no file that anybody has named it
    if listing.state in ZERO and channel.shown_at >= listing.changed_at:
        return ""
    how = "the shop fetches the feed" if channel.kind == "feed" else "the file is downloaded, and given to the shop"
    return f"The file that the shop has still offers it. {_first(listing)} and once {how} it is told 0."


def _first(listing: Listing) -> str:
    return "It has ended," if listing.state == "ended" else "It is paused," if listing.state == "paused" else "End it first,"
