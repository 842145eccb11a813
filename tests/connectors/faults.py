"""Lines that break: a TCP relay that cuts, and listeners that say something other than expected."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

from tests.servers import LOOPBACK


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
def cutting(target: int, after: int) -> Iterator[int]:
    """A relay to a loopback port that closes the line once `after` bytes came from the server. Yields its port."""

    def relay(client: socket.socket) -> None:
        with socket.create_connection((LOOPBACK, target)) as server:
            up = threading.Thread(target=_pump, args=(client, server), daemon=True)
            up.start()
            left = after
            while left > 0 and (piece := server.recv(min(left, 65_536))):
                client.sendall(piece)
                left -= len(piece)
            for end in (client, server):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
            up.join(5)

    with listening(relay) as port:
        yield port


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while piece := source.recv(65_536):
            sink.sendall(piece)
        sink.shutdown(socket.SHUT_WR)
