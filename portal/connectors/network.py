"""The egress guard: the one place that opens outbound sockets.

A name is resolved once, every address it has is judged, and the socket goes to a judged address, so a
second answer of the name service changes nothing. TLS keeps the name.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from portal.connectors import problems
from portal.errors import SupplierError

CONNECT_SECONDS = 15.0
IO_SECONDS = 30.0

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# IANA special-purpose registry (IPv4), plus multicast, the class E rest and Azure's host address.
_CLOSED_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24",
        "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
)  # fmt: skip

# Only 2000::/3 is ever given to public hosts; inside it these are special or carry an IPv4 address.
_OPEN_V6 = ipaddress.IPv6Network("2000::/3")
_CLOSED_V6 = tuple(ipaddress.IPv6Network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"))


def is_public(address: Address) -> bool:
    """Whether an address belongs to the open internet. IPv4 inside IPv6 in any form does not."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _CLOSED_V4)
    carries_v4 = (int(address) >> 32) & 0xFFFFFFFF in (0x00005EFE, 0x02005EFE)
    return address in _OPEN_V6 and not carries_v4 and not any(address in network for network in _CLOSED_V6)


@dataclass(frozen=True)
class Opening:
    """A network that the operator opened; `port` None opens every port."""

    network: Network
    port: int | None = None

    def covers(self, address: Address, port: int) -> bool:
        """Whether this opening lets a connection to `address` and `port` through."""
        return address.version == self.network.version and address in self.network and self.port in (None, port)


@dataclass(frozen=True)
class Target:
    """A host whose every address was judged. Only `Guard.open` connects to it."""

    host: str
    port: int
    addresses: tuple[Address, ...]


@dataclass(frozen=True)
class Guard:
    """Judges every address before a socket goes there."""

    openings: tuple[Opening, ...] = ()

    @classmethod
    def from_config(cls, egress_allow: str, extra: Iterable[tuple[str, int]] = ()) -> Guard:
        """`egress_allow` is the EGRESS_ALLOW text; `extra` are single (address, port) pairs. Raises ValueError naming the entry."""
        entries = [text.strip() for text in egress_allow.split(",") if text.strip()]
        pairs = [Opening(ipaddress.ip_network(address), port) for address, port in extra]
        return cls(tuple([_opening(text) for text in entries] + pairs))

    def resolve(self, host: str, port: int) -> Target:
        """Look the name up once and judge every address it has. Raises host_unknown, address_refused or port_closed."""
        name = tidy_host(host)
        if not 1 <= port <= 65535:
            raise problems.port_unusable(port)
        addresses = _look_up(name, port)
        for address in addresses:
            self._judge(address, port, name)
        return Target(name, port, addresses)

    def open(self, target: Target, timeout: float = CONNECT_SECONDS) -> socket.socket:
        """Connect to the first of the judged addresses that answers. Raises port_closed or timed_out."""
        failures = []
        for address in target.addresses:
            try:
                return _dial(address, target.port, timeout)
            except OSError as error:
                failures.append((error, str(address)))
        raise _worst(failures, target, timeout)

    def connect(self, host: str, port: int, timeout: float = CONNECT_SECONDS) -> socket.socket:
        """Resolve, judge and connect in one go."""
        return self.open(self.resolve(host, port), timeout)

    def companion(self, beside: socket.socket, port: int, timeout: float = CONNECT_SECONDS) -> socket.socket:
        """A second socket to the very address that `beside` is connected to, for FTP's data. Low ports are refused."""
        address = ipaddress.ip_address(beside.getpeername()[0].partition("%")[0])
        if not 1024 <= port <= 65535:
            raise problems.protocol_error("The server named an odd data port", f"It asked us to fetch from port {port}. We did not.")
        try:
            return _dial(address, port, timeout)
        except OSError as error:
            raise _worst([(error, str(address))], Target(str(address), port, (address,)), timeout) from error

    def _judge(self, address: Address, port: int, host: str) -> None:
        if any(opening.covers(address, port) for opening in self.openings):
            return
        if not is_public(address) or our_address(address) == str(address):
            raise problems.address_refused(str(address), host)


def tidy_host(host: str) -> str:
    """A host without blanks, brackets and the root's dot. Raises host_unknown for what cannot be a name."""
    name = host.strip()
    if name.startswith("[") and name.endswith("]"):
        name = name[1:-1]
    if re.search(r"[\s/\\@?#\x00-\x1f]|:.*//", name) or not name:
        raise problems.host_unusable(name, "Enter only the name, such as sftp.example.com, without a scheme, user or path.")
    return name.rstrip(".") or name


def our_address(address: Address) -> str:
    """The address of ours that a connection to `address` would come from, "" when there is no way. Sends nothing."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _opening(text: str) -> Opening:
    address, port = text, None
    bracketed = re.fullmatch(r"\[(.+)\](?::(\d+))?", text)
    plain = re.fullmatch(r"([^:]+):(\d+)", text)
    if match := bracketed or plain:
        address, port = match[1], int(match[2]) if match[2] else None
    try:
        network = ipaddress.ip_network(address)
    except ValueError as error:
        raise ValueError(
            f"EGRESS_ALLOW: {text!r} is not a network such as 10.1.0.0/16 or an address such as 192.168.4.7:22 ({error})"
        ) from error
    if port is not None and not 1 <= port <= 65535:
        raise ValueError(f"EGRESS_ALLOW: {text!r} has a port outside 1 to 65535")
    return Opening(network, port)


def _look_up(name: str, port: int) -> tuple[Address, ...]:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise problems.host_unknown(name, temporary=error.errno == socket.EAI_AGAIN) from error
    except UnicodeError as error:
        raise problems.host_unusable(name, "A part of it is empty, too long, or has letters that names cannot have.") from error
    texts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return tuple(ipaddress.ip_address(text) for text in texts)


LINES_KNOWN = 8
_lines: dict[int, deque[tuple[int, Any, Any]]] = {}
"""Of each thread the lines that it opened last: file number, own address, theirs. The two addresses tell whether it is still that line."""


_hung_up: set[int] = set()


def picks_up() -> None:
    """This thread begins to talk with a server: that we hung up on one before is over."""
    _hung_up.discard(threading.get_ident())


def was_cut() -> bool:
    """Whether we hung up on what this thread talks with, so that its end is no failure of the server."""
    return threading.get_ident() in _hung_up


def hang_up(thread: int) -> int:
    """Cut the lines that a thread has open, so that what it waits for there ends with an error; how many. Called by another thread."""
    cut = 0
    _hung_up.add(thread)
    for number, ours, theirs in list(_lines.get(thread, ())):
        try:
            copy = os.dup(number)
        except OSError:  # closed meanwhile
            continue
        try:
            line = socket.socket(fileno=copy)
        except OSError:  # another file has the number by now
            os.close(copy)
            continue
        with line, suppress(OSError):
            if (line.getsockname(), line.getpeername()) == (ours, theirs):
                line.shutdown(socket.SHUT_RDWR)
                cut += 1
    return cut


def _dial(address: Address, port: int, timeout: float) -> socket.socket:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.settimeout(timeout)
        opened.connect((str(address), port))
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        with suppress(OSError):  # they hung up at once: nothing is left to cut
            line = (opened.fileno(), opened.getsockname(), opened.getpeername())
            _lines.setdefault(threading.get_ident(), deque(maxlen=LINES_KNOWN)).append(line)
    except BaseException:
        opened.close()
        raise
    return opened


def _worst(failures: list[tuple[OSError, str]], target: Target, timeout: float) -> SupplierError:
    """Of several addresses' failures the one that tells most: refused, then no answer, then no way."""
    for error, address in failures:
        if isinstance(error, ConnectionRefusedError):
            return problems.port_closed(target.port, our_address(ipaddress.ip_address(address)))
    for error, address in failures:
        if isinstance(error, TimeoutError):
            ours = our_address(ipaddress.ip_address(address))
            return problems.timed_out(target.host, timeout, f"reaching port {target.port}", ours)
    if any(isinstance(error, ConnectionResetError) for error, _ in failures):
        return problems.connection_lost(target.host, "taking our call")
    error, address = failures[0]
    return problems.no_way(target.port, address, errno.errorcode.get(error.errno or 0, type(error).__name__))
