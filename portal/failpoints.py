"""Named points at which a fault test kills this process. Without FAILPOINT in the environment each one costs a comparison."""

from __future__ import annotations

import os
import signal

POINTS = ("fetch-done", "staged-chunk", "planned", "guarded", "applied-chunk", "removals", "finishing")
OF_SENDING = (
    "sending-claimed", "sending-leaving", "sending-written", "sending-uploaded", "sending-renamed", "sending-sent", "sending-answered",
    "sending-canceling", "sending-canceled",
)  # fmt: skip
OF_OTHER_RUNS = (
    "silenced-chunk", "putting-away", "indexing-chunk", "delivery-kept", "delivery-stored", "shipments-chunk", "gathered-chunk",
    "bulk-chunk", "exclusion-chunk", "room-chunk", "export-chunk", "erasure-chunk", "closing-chunk",
)  # fmt: skip
OF_CHANNELS = (
    "channel-leaving", "channel-connected", "channel-answered", "push-leaving", "push-connected", "push-answered",
)  # fmt: skip
OF_ALERTS = ("alert-claimed", "alert-sent")
OF_OPERATION = ("backup-part",)

_name, _, _number = os.environ.get("FAILPOINT", "").partition(":")
_left = int(_number or 1)


def reach(name: str) -> None:
    """Die at once, as by SIGKILL, when FAILPOINT is `name:n` and this is the n-th time the point is reached."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
