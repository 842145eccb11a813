"""A relay between us and a server in which one thing goes wrong, and a count of what a test left behind."""

from __future__ import annotations

import contextlib
import gc
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import LOOPBACK, free_port

LONGEST = 20.0  # seconds that one line may live


@dataclass(frozen=True)
class Fault:
    """What goes wrong. `kind`: none, refuse (nobody listens), reset (at once), slow (nothing is ever said), cut or broken (a clean or a
    rude end once `after` bytes came from the server), swallow (the server hears us, its answers are lost), say (`says` instead of it).
    It happens on the first `times` lines, then none does.
    """

    kind: str
    after: int = 0
    says: bytes = b""
    times: int = 1_000


@dataclass
class Relay:
    """A running relay. `heard`: what the server was told, a line each."""

    port: int = 0
    heard: list[bytearray] = field(default_factory=list)


@contextlib.contextmanager
def faulty(target: int, fault: Fault) -> Iterator[Relay]:
    """A loopback port that leads to `target` with the fault on every line. All its threads and sockets are gone afterwards."""
    made = Relay()
    if fault.kind == "refuse":
        made.port = free_port()
        yield made
        return
    ending, lines = threading.Event(), []
    with socket.create_server((LOOPBACK, 0), backlog=50) as listener:
        listener.settimeout(0.05)
        made.port = listener.getsockname()[1]

        def accept() -> None:
            while not ending.is_set():
                with contextlib.suppress(TimeoutError):
                    opened, _ = listener.accept()
                    lines.append(threading.Thread(target=_line, args=(opened, target, fault, made, ending), name="fault line"))
                    lines[-1].start()

        thread = threading.Thread(target=accept, name="fault relay")
        thread.start()
        try:
            yield made
        finally:
            ending.set()
            for one in (thread, *lines):
                one.join(10)


def _line(client: socket.socket, target: int, fault: Fault, made: Relay, ending: threading.Event) -> None:
    heard = bytearray()
    made.heard.append(heard)
    if len(made.heard) > fault.times:
        fault = Fault("none")
    with contextlib.suppress(OSError), client:
        if fault.kind == "reset":
            _rudely(client)
        elif fault.kind == "slow":
            _until(ending, client)
        elif fault.kind == "say":
            _say(client, fault.says, heard)
        else:
            with socket.create_connection((LOOPBACK, target)) as server:
                if _pass_on(client, server, fault, heard, ending) and fault.kind == "broken":
                    _rudely(client)


def _until(ending: threading.Event, client: socket.socket) -> None:
    """Take what comes and say nothing, until the other side or the test ends."""
    while not ending.is_set():
        if select.select([client], [], [], 0.05)[0] and not client.recv(65_536):
            return


def _rudely(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _say(client: socket.socket, says: bytes, heard: bytearray) -> None:
    """One HTTP answer after the whole request."""
    client.settimeout(5)
    while not _is_whole(heard):
        piece = client.recv(65_536)
        if not piece:
            return
        heard += piece
    client.sendall(says)


def _is_whole(request: bytearray) -> bool:
    head, found, body = request.partition(b"\r\n\r\n")
    length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    return bool(found) and len(body) >= length


def _pass_on(client: socket.socket, server: socket.socket, fault: Fault, heard: bytearray, ending: threading.Event) -> bool:
    """Both ways until one side ends. True when it was cut."""
    left, ends = fault.after if fault.kind in ("cut", "broken") else 1 << 60, time.monotonic() + LONGEST
    open_ends = {client: server, server: client}
    while left > 0 and server in open_ends and not ending.is_set() and time.monotonic() < ends:
        for ready in select.select(list(open_ends), [], [], 0.05)[0]:
            piece = ready.recv(min(left, 65_536) if ready is server else 65_536)
            other = open_ends[ready]
            if ready is server:
                left -= len(piece)
            else:
                heard += piece
            if not piece:
                del open_ends[ready]
                if fault.kind != "swallow":
                    with contextlib.suppress(OSError):
                        other.shutdown(socket.SHUT_WR)
                elif ready is server:
                    _until(ending, client)
                    return False
            elif not (fault.kind == "swallow" and ready is server):
                other.sendall(piece)
    return left <= 0


@dataclass(frozen=True)
class Left:
    """What a process holds: threads, open sockets, and files in a folder."""

    threads: tuple[str, ...]
    sockets: int
    files: tuple[str, ...]


def held(folder: Path) -> Left:
    """What this process holds now."""
    sockets = 0
    for one in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets += str(one.readlink()).startswith("socket:")
    names = tuple(sorted(f"{one.name} {one.ident}" for one in threading.enumerate()))
    return Left(names, sockets, tuple(sorted(one.name for one in folder.iterdir())))


def settled(folder: Path, before: Left, seconds: float = 3.0) -> Left:
    """What it holds once that is no more than before, or after so long."""
    ends = time.monotonic() + seconds
    while True:
        now = held(folder)
        fine = set(now.threads) <= set(before.threads) and now.sockets <= before.sockets and now.files == before.files
        if fine or time.monotonic() > ends:
            return now
        gc.collect()
        time.sleep(0.02)
