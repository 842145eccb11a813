"""The egress guard: what it keeps closed, what an operator opens, and what it says when nothing answers."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
from collections.abc import Iterator

import pytest

from portal.connectors import open_connector
from portal.connectors.network import Guard, is_public
from portal.errors import SupplierError
from portal.records import Secret
from tests.servers import free_port

# 80 odd ways to write an address that must stay closed. Some are no name to the resolver; none may connect.
_WRITTEN = """
127.0.0.1 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1 0177.1 017700000001 0x7F.0x0.0x0.0x1
00000177.0.0.1 127.0.0.1. localhost localhost. LOCALHOST ip6-localhost 0.0.0.0 0 0x0 00 0.0.0.1 ::1 [::1] ::1%lo 0:0:0:0:0:0:0:1
:: [::] ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:7f00:1 [::ffff:127.0.0.1] ::ffff:0:127.0.0.1 64:ff9b::127.0.0.1 64:ff9b::7f00:1
64:ff9b:1::7f00:1 2002:7f00:1:: 2002:7f00:0001::1 2001:0:7f00:1:: 2001:0000:4136:e378:8000:63bf:80ff:fffe fe80::1 fe80::1%lo
fe80::5efe:127.0.0.1 2001:470::5efe:7f00:1 2001:470::200:5efe:7f00:1 fd00::1 fc00::1 fd00:ec2::254 fec0::1 ff02::1 ff0e::1 100::1
2001:db8::1 2001:10::1 2001:20::1 3fff::1 5f00::1 10.0.0.8 10.255.255.255 172.16.0.1 172.31.255.254 192.168.0.1 192.168.255.255
3232235521 0xa000008 169.254.169.254 169.254.1.1 2852039166 0xA9FEA9FE 0251.0376.0251.0376 ::ffff:169.254.169.254 100.64.0.1
100.100.100.200 100.127.255.255 192.0.0.1 192.0.0.192 192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 192.88.99.1
224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 168.63.129.16 127。0。0。1 １２７.0.0.1 ①②⑦.0.0.1 127.0.0.1%00
http://127.0.0.1 user@127.0.0.1 127.0.0.1/ 127.0.0.1\\x ::ffff:10.0.0.8 ::10.0.0.8 64:ff9b::10.0.0.8 2002:0a00:0008::
"""
ODD = _WRITTEN.split()


@contextlib.contextmanager
def counting() -> Iterator[tuple[int, list[str]]]:
    """A port that listens on every IPv4 and IPv6 address of this machine and writes down who connects."""
    seen: list[str] = []
    with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as listener:
        listener.settimeout(0.1)
        ending = threading.Event()

        def accept() -> None:
            while not ending.is_set():
                with contextlib.suppress(TimeoutError):
                    opened, place = listener.accept()
                    seen.append(place[0])
                    opened.close()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1], seen
        finally:
            ending.set()
            thread.join()


def test_there_are_enough_odd_forms():
    assert len(set(ODD)) >= 80


def test_no_form_of_a_closed_address_is_connected_to():
    with counting() as (port, seen):
        for form in ODD:
            with pytest.raises(SupplierError) as caught:
                Guard().connect(form, port, 2)
            assert caught.value.problem.code in ("address_refused", "host_unknown"), form
            assert caught.value.permanent or caught.value.problem.code == "host_unknown", form
        assert seen == []
        socket.create_connection(("127.0.0.1", port)).close()
    assert seen, "the listener does see a connection that is made"


@pytest.mark.parametrize("protocol", ["sftp", "ftp", "http"])
def test_no_protocol_gets_around_the_guard(protocol):
    with counting() as (port, seen):
        for form in ODD:
            host = f"[{form}]" if ":" in form and "/" not in form and "[" not in form else form
            settings = {"host": form, "port": port, "user": "acme01", "url": f"http://{host}:{port}/feed.csv"}
            secrets = {"password": Secret("canary")}
            with open_connector(protocol, settings, secrets, guard=Guard(), trusted_key=None) as connector:
                with pytest.raises(SupplierError) as caught:
                    connector.listing("")
            assert caught.value.problem.code in ("address_refused", "host_unknown", "protocol_error"), form
        assert seen == []


def test_a_name_with_one_closed_address_is_refused_whole(monkeypatch):
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 22)) for address in ("93.184.216.34", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: answers)
    with pytest.raises(SupplierError) as caught:
        Guard().resolve("mixed.example", 22)
    assert caught.value.problem.code == "address_refused"
    assert caught.value.problem.headline == "127.0.0.1 is inside this server's network"
    assert "mixed.example" in caught.value.problem.body


def test_a_name_that_changes_its_answer_is_asked_once_and_the_judged_address_is_used(monkeypatch):
    port, asked = free_port(), []

    def rebinding(name: str, *_args: object, **_named: object) -> list[object]:
        asked.append(name)
        address = "93.184.216.34" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    target = Guard().resolve("rebind.example", port)
    dialled = []
    monkeypatch.setattr(socket.socket, "connect", lambda _self, place: dialled.append(place))
    Guard().open(target).close()
    assert asked == ["rebind.example"] and dialled == [("93.184.216.34", port)]


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001:81b::200e", "223.255.255.1"])
def test_ordinary_addresses_are_public(address):
    assert is_public(ipaddress.ip_address(address))


def test_our_own_public_address_is_refused(monkeypatch):
    monkeypatch.setattr("portal.connectors.network.our_address", lambda address: str(address))
    with pytest.raises(SupplierError) as caught:
        Guard().resolve("8.8.8.8", 22)
    assert caught.value.problem.code == "address_refused"


@pytest.mark.parametrize(
    ("allow", "host", "port", "opens"),
    [
        ("10.1.0.0/16", "10.1.2.3", 22, True),
        ("10.1.0.0/16", "10.2.2.3", 22, False),
        ("192.168.4.7:22", "192.168.4.7", 22, True),
        ("192.168.4.7:22", "192.168.4.7", 23, False),
        ("192.168.4.7:22", "192.168.4.8", 22, False),
        (" 10.0.0.0/8:990 , 172.16.0.5 ", "172.16.0.5", 21, True),
        ("fd00::/8", "fd00::5", 22, True),
        ("[fd00::5]:22", "fd00::5", 22, True),
        ("[fd00::5]:22", "fd00::5", 21, False),
        ("127.0.0.1", "::ffff:127.0.0.1", 22, False),
        ("", "127.0.0.1", 22, False),
    ],
)
def test_an_operator_opens_exactly_what_is_written(allow, host, port, opens):
    guard = Guard.from_config(allow)
    if opens:
        assert [str(address) for address in guard.resolve(host, port).addresses] == [host]
        return
    with pytest.raises(SupplierError) as caught:
        guard.resolve(host, port)
    assert caught.value.problem.code == "address_refused"


def test_the_demo_supplier_opens_only_its_own_ports():
    guard = Guard.from_config("", [("127.0.0.1", 8022)])
    assert guard.resolve("127.0.0.1", 8022).port == 8022
    with pytest.raises(SupplierError):
        guard.resolve("127.0.0.1", 8023)


@pytest.mark.parametrize("entry", ["10.0.0.0/40", "10.0.0.5/8", "example.com", "10.0.0.1:0", "10.0.0.1:99999", "[fd00::1", "10.0.0.1:ssh"])
def test_an_entry_that_cannot_be_read_is_named(entry):
    with pytest.raises(ValueError, match="EGRESS_ALLOW") as caught:
        Guard.from_config(f"10.1.0.0/16,{entry}")
    assert entry in str(caught.value)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_that_is_none_is_refused(port):
    with pytest.raises(SupplierError) as caught:
        Guard.from_config("127.0.0.1").resolve("127.0.0.1", port)
    assert caught.value.problem.code == "port_closed"


def test_a_closed_port_says_where_we_come_from(guard):
    port = free_port()
    with pytest.raises(SupplierError) as caught:
        guard.connect("127.0.0.1", port)
    problem = caught.value.problem
    assert (problem.code, problem.headline, caught.value.permanent) == ("port_closed", f"Nothing answers on port {port}", False)
    assert "Ask them to allow 127.0.0.1" in problem.body


def test_a_server_that_does_not_answer_times_out(guard):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        place = listener.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(place)
        with pytest.raises(SupplierError) as caught:
            guard.connect(place[0], place[1], 0.5)
        for one in waiting:
            one.close()
    assert (caught.value.problem.code, caught.value.permanent) == ("timed_out", False)


@pytest.mark.parametrize(("number", "permanent"), [(socket.EAI_NONAME, True), (socket.EAI_AGAIN, False)])
def test_an_unknown_host_is_told_from_a_name_service_that_is_down(monkeypatch, number, permanent):
    def fail(*_args: object, **_named: object) -> None:
        raise socket.gaierror(number, "no")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(SupplierError) as caught:
        Guard().resolve("sftp.nortwind.example", 22)
    assert (caught.value.problem.code, caught.value.permanent) == ("host_unknown", permanent)
    assert "sftp.nortwind.example" in caught.value.problem.headline


@pytest.mark.parametrize(
    "host", ["", "  ", "a" * 300 + ".example", "a..b", "-", "ftp://x.example", "x y.example", "\u0000", "user@host.example"]
)
def test_what_is_no_name_is_an_unknown_host(host):
    with pytest.raises(SupplierError) as caught:
        Guard().resolve(host, 22)
    assert caught.value.problem.code == "host_unknown"


def test_a_second_server_address_is_tried_when_the_first_is_closed(monkeypatch, guard):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in ("127.0.0.9", "127.0.0.1")]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_named: both)
        with Guard.from_config("127.0.0.0/8").connect("two.example", port) as opened:
            assert opened.getpeername()[0] == "127.0.0.1"
