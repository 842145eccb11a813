"""Lines that break: a TCP relay that cuts, and listeners that say something other than expected."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from portal.connectors.network import Guard
from tests.servers import LOOPBACK

NEVER = 10**12


@contextlib.contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[int]:
    """A loopback port; `serve` gets each connection in a thread of its own. Yields the port."""
    with socket.create_server((LOOPBACK, 0), backlog=50) as listener:
        ending = threading.Event()

        def accept() -> None:
            while not ending.is_set():
                with contextlib.suppress(OSError):
                    opened, _ = listener.accept()
                    threading.Thread(target=one, args=(opened,), daemon=True).start()

        def one(opened: socket.socket) -> None:
            with contextlib.suppress(OSError), opened:
                serve(opened)

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ending.set()
            with contextlib.suppress(OSError), socket.create_connection(listener.getsockname(), 1):
                pass
            thread.join(5)


@contextlib.contextmanager
def cutting(target: int, after: int, rudely: bool = False) -> Iterator[int]:
    """A relay to a loopback port that closes the line once `after` bytes came from the server. Yields its port.

    `rudely`: with a reset, as a firewall or a dying machine does, not with a clean end.
    """

    def relay(client: socket.socket) -> None:
        with socket.create_connection((LOOPBACK, target)) as server:
            cut = _relay(client, server, after)
            if cut and rudely:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    with listening(relay) as port:
        yield port


@contextlib.contextmanager
def cutting_data(which: int, after: int, rudely: bool = False) -> Iterator[list[int]]:
    """FTP's data lines go through relays, and the `which`-th (from 0) is cut after so many bytes. Yields the data ports asked for."""
    straight, asked = Guard.companion, []
    with contextlib.ExitStack() as relays, pytest.MonkeyPatch.context() as patch:

        def companion(guard: Guard, beside: socket.socket, port: int, timeout: float = 15.0) -> socket.socket:
            left = after if len(asked) == which else NEVER
            asked.append(port)
            return straight(guard, beside, relays.enter_context(cutting(port, left, rudely)), timeout)

        patch.setattr(Guard, "companion", companion)
        yield asked


def _relay(client: socket.socket, server: socket.socket, left: int) -> bool:
    """Both ways, until the server closes or `left` bytes came from it. True when it had more to say."""
    open_ends = {client: server, server: client}
    while left > 0 and server in open_ends:
        for ready in select.select(list(open_ends), [], [])[0]:
            piece = ready.recv(min(left, 65_536) if ready is server else 65_536)
            left -= len(piece) if ready is server else 0
            if piece:
                open_ends[ready].sendall(piece)
            else:
                open_ends.pop(ready).shutdown(socket.SHUT_WR)
    return left <= 0
