"""FTP and FTPS against vsftpd, and against servers that are not what they should be."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from portal.connectors import ftp_session, tls
from portal.connectors.tls import Identity, read_certificate
from portal.errors import SupplierError
from tests.connectors.conftest import checks, fetch, left_nothing, refused
from tests.connectors.faults import cutting, cutting_data, listening
from tests.servers import LOOPBACK, Authority, Server, SystemUser, free_port, vsftpd

FEED = b"sku,qty\r\n" + b"".join(b"A-%06d,%d\r\n" % (n, n % 50) for n in range(40_000))
WAYS = ("explicit", "implicit", "plain")


@pytest.fixture(scope="module")
def servers(user: SystemUser, authority: Authority) -> Iterator[dict[str, Server]]:
    """One vsftpd for each way; those with TLS insist on `require_ssl_reuse`."""
    user.put("out/stock_1.csv", b"old", 1_700_000_000)
    user.put("out/stock_2.csv", FEED, 1_700_000_600)
    user.put("out/stock_3.csv.part", b"unfinished", 1_700_009_000)
    user.put("out/deep/x", b"")
    good = authority.issue(LOOPBACK)
    with vsftpd(user, good) as explicit, vsftpd(user, good, implicit=True) as implicit, vsftpd(user) as plain:
        yield {"explicit": explicit, "implicit": implicit, "plain": plain}


@pytest.fixture
def server(servers: dict[str, Server], trusted: Authority) -> Server:
    """The one with explicit TLS, whose authority this machine trusts."""
    return servers["explicit"]


def settings(server: Server, way: str = "explicit", **more: object) -> dict[str, object]:
    return {"port": server.port, "user": server.user.name, "security": way, **({"plain_ok": True} if way == "plain" else {}), **more}


def password(server: Server) -> dict[str, str]:
    return {"password": server.user.password}


def trust(seen: dict) -> dict[str, str]:
    """What is kept of a certificate once the merchant confirmed it."""
    return {key: seen["identity"].facts[key] for key in ("key_type", "fingerprint")}


def heard(server: Server) -> list[str]:
    """The commands that a vsftpd has written down."""
    return re.findall(r'FTP command: Client "[^"]*", "(\w+)', server.said())


# the good ways


@pytest.mark.parametrize("way", WAYS)
def test_each_way_passes_all_five_checks(connect, servers, trusted, way):
    server = servers[way]
    seen = checks(connect("ftp", settings(server, way), password(server)), "out")
    assert [check.state for check in seen.values()] == ["passed"] * 5
    assert seen["sign_in"].detail == f"Signed in as {server.user.name}"
    assert seen["folder"].detail == "3 files in /out" and seen["folder"].facts["folders"] == ["deep"]
    assert seen["port"].facts["our_address"] == "127.0.0.1"
    if way == "plain":
        assert seen["identity"].detail == "Plain FTP: nothing proves who answers"
    else:
        assert seen["identity"].detail.startswith("TLSv1.") and seen["identity"].facts["names"] == [LOOPBACK]
        assert seen["identity"].facts["issuer"] == "CN=Quayside test authority"


@pytest.mark.parametrize("way", WAYS)
def test_the_newest_finished_match_is_fetched_whole(connect, servers, trusted, tmp_path, way):
    connector = connect("ftp", settings(servers[way], way), password(servers[way]))
    steps: list[tuple[int, int | None]] = []
    got = connector.fetch("out", "newest", "stock_*.csv*", tmp_path / "feed", 10**9, lambda done, total: steps.append((done, total)), 0.1)
    assert (tmp_path / "feed").read_bytes() == FEED
    assert (got.name, got.size, got.sha256) == ("stock_2.csv", len(FEED), hashlib.sha256(FEED).hexdigest())
    assert got.remote_path == "/out/stock_2.csv" and got.modified and got.modified.minute == 23
    assert max(b[0] - a[0] for a, b in zip(steps, steps[1:], strict=False)) <= 262_144
    assert steps[-1] == (len(FEED), len(FEED))


def test_the_server_does_insist_on_the_session_and_a_client_without_it_is_told(connect, server, monkeypatch):
    """The saboteur of session reuse: without it vsftpd refuses the data line, in words that help."""

    def without_session(identity: Identity, raw: socket.socket, control: socket.socket) -> ssl.SSLSocket:
        return identity.context.wrap_socket(raw, server_hostname=identity.host, suppress_ragged_eofs=False)

    monkeypatch.setattr(Identity, "wrap_beside", without_session)
    with pytest.raises(SupplierError) as caught:
        connect("ftp", settings(server), password(server)).listing("out")
    problem = caught.value.problem
    assert (problem.code, caught.value.permanent) == ("tls_refused", True)
    assert "encryption of the data channel" in problem.body and "reuse" in problem.server_said
    assert "no password" not in problem.body, "it was sent, encrypted"


def test_a_server_without_session_reuse_works_as_well(connect, user, authority, trusted, tmp_path):
    with vsftpd(user, authority.issue(LOOPBACK), reuse=False) as server:
        assert fetch(connect("ftp", settings(server), password(server)), tmp_path / "feed", "out").size == len(FEED)


# plain only after the tick


@pytest.mark.parametrize("tick", [None, False, "", "false", "0"])
def test_plain_ftp_without_the_tick_connects_to_nobody(connect, servers, tick):
    server = servers["plain"]
    before = server.said()
    seen = checks(connect("ftp", settings(server, "plain", plain_ok=tick), password(server)))
    assert [(name, check.state) for name, check in seen.items()] == [("address", "failed")]
    assert seen["address"].problem and seen["address"].problem.code == "plain_not_allowed"
    assert server.said() == before, "nobody came"


def test_encryption_is_never_given_up_for_a_server_that_has_none(connect, servers):
    server = servers["plain"]
    before = len(heard(server))
    problem = checks(connect("ftp", settings(server, plain_ok=True), password(server)))["identity"].problem
    assert problem and problem.code == "tls_refused" and "no encryption on this port" in problem.body and "sent no password" in problem.body
    assert heard(server)[before:] in (["AUTH"], ["AUTH", "QUIT"]), "neither user nor password"
    assert refused(connect("ftp", settings(server, "implicit"), password(server))) == "tls_refused"
    assert "USER" not in heard(server)[before:]


def test_a_server_that_insists_on_encryption_is_told_from_a_wrong_password(connect, server):
    before = len(heard(server))
    problem = checks(connect("ftp", settings(server, "plain"), password(server)))["sign_in"].problem
    assert problem and problem.code == "tls_refused" and "only lets users in over TLS" in problem.body
    assert "PASS" not in heard(server)[before:] and "sent no password" in problem.body


# N9: certificates


def _certificates(authority: Authority, folder: Path) -> dict[str, Path]:
    return {
        "expired": authority.issue(LOOPBACK, from_day=-30, to_day=-1),
        "not yet begun": authority.issue(LOOPBACK, from_day=3, to_day=30),
        "wrong name": authority.issue("ftp.hosting.example"),
        "wrong address": authority.issue("127.0.0.9"),
        "self-signed": authority.issue(LOOPBACK, self_signed=True),
        "unknown authority": Authority(folder, "Somebody else").issue(LOOPBACK),
        "expired and unknown": Authority(folder, "Somebody else").issue(LOOPBACK, from_day=-30, to_day=-1),
    }


BAD = {
    "expired": ("certificate_ended", "failed", "Their certificate ended on"),
    "not yet begun": ("certificate_ended", "failed", "Their certificate starts only on"),
    "wrong name": ("certificate_name", "failed", "It is for ftp.hosting.example, not 127.0.0.1."),
    "wrong address": ("certificate_name", "failed", "It is for 127.0.0.9, not 127.0.0.1."),
    "self-signed": ("certificate_untrusted", "question", "It was issued by CN=127.0.0.1."),
    "unknown authority": ("certificate_untrusted", "question", "It was issued by CN=Somebody else."),
    "expired and unknown": ("certificate_ended", "failed", "Their certificate ended on"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_certificate_stops_before_the_user_name(connect, user, trusted, tmp_path, case):
    code, state, words = BAD[case]
    with vsftpd(user, _certificates(trusted, tmp_path)[case]) as server:
        seen = checks(connect("ftp", settings(server, plain_ok=True), password(server)))
        assert list(seen) == ["address", "port", "identity"]
        problem = seen["identity"].problem
        assert problem and (problem.code, seen["identity"].state) == (code, state)
        assert words in f"{problem.headline} {problem.body}"
        assert set(heard(server)) <= {"AUTH", "QUIT"}, "neither user nor password reached the server"
        assert user.name not in server.said()


def test_without_the_check_a_bad_certificate_would_get_the_user_name(connect, user, trusted, tmp_path, monkeypatch):
    """Sabotage of N9: what the test above reads in the log does appear when no certificate is checked."""

    def blind() -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    monkeypatch.setattr(tls, "_verifying_context", blind)
    with vsftpd(user, _certificates(trusted, tmp_path)["wrong name"]) as server:
        checks(connect("ftp", settings(server, plain_ok=True), password(server)))
        assert "USER" in heard(server) and user.name in server.said()


def test_a_bad_certificate_with_implicit_tls_is_told_the_same_way(connect, user, trusted, tmp_path):
    with vsftpd(user, trusted.issue("ftp.hosting.example"), implicit=True) as server:
        assert refused(connect("ftp", settings(server, "implicit"), password(server))) == "certificate_name"
        assert user.name not in server.said()


def test_a_confirmed_certificate_is_trusted_and_a_changed_one_gets_nothing(connect, user, trusted, tmp_path):
    port, certificates = free_port(), _certificates(trusted, tmp_path)
    with vsftpd(user, certificates["self-signed"], port=port) as first:
        question = checks(connect("ftp", settings(first), password(first)))
        assert question["identity"].problem and question["identity"].problem.body.count(question["identity"].facts["fingerprint"]) == 1
        connector = connect("ftp", settings(first), password(first), trust(question))
        seen = checks(connector, "out")["folder"]
        assert seen.state == "passed", seen.problem
        assert fetch(connector, tmp_path / "feed", "out").size == len(FEED), "the data line is held to the same certificate"
        connector.close()
    good = trusted.issue(LOOPBACK)
    for other in (certificates["unknown authority"], good):  # a certificate the machine trusts does not outrank the confirmed one
        with vsftpd(user, other, port=port) as second:
            seen = checks(connector)
            assert list(seen) == ["address", "port", "identity"]
            assert seen["identity"].problem and seen["identity"].problem.code == "host_key_changed"
            assert seen["identity"].facts["trusted_fingerprint"] == trust(question)["fingerprint"] != seen["identity"].facts["fingerprint"]
            assert set(heard(second)) <= {"AUTH", "QUIT"} and user.name not in second.said()


def test_a_confirmed_certificate_still_ends(connect, user, trusted, tmp_path):
    ended = trusted.issue(LOOPBACK, from_day=-30, to_day=-1, self_signed=True)
    der = ssl.PEM_cert_to_DER_cert(ended.read_text()[ended.read_text().index("-----BEGIN CERTIFICATE") :])
    with vsftpd(user, ended) as server:
        trusted_key = {"key_type": "certificate", "fingerprint": read_certificate(der).fingerprint}
        assert refused(connect("ftp", settings(server), password(server), trusted_key)) == "certificate_ended"
        assert user.name not in server.said()


def test_a_trusted_host_key_does_not_vouch_for_a_certificate(connect, user, authority):
    with vsftpd(user, authority.issue(LOOPBACK, self_signed=True)) as server:
        seen = checks(connect("ftp", settings(server), password(server)))
        trusted_key = {**trust(seen), "key_type": "ssh-ed25519"}
        assert refused(connect("ftp", settings(server), password(server), trusted_key)) == "certificate_untrusted"


# signing in, folders, files


def test_a_wrong_password_is_named_permanent_and_tried_once(connect, server):
    before = len(heard(server))
    with pytest.raises(SupplierError) as caught:
        connect("ftp", settings(server), {"password": "wrong"}).listing("")
    problem = caught.value.problem
    assert (problem.code, caught.value.permanent) == ("sign_in_refused", True)
    assert server.user.name in problem.body and problem.server_said.startswith("530")
    assert "the server you trusted" in problem.body
    assert heard(server)[before:].count("PASS") == 1


@pytest.mark.parametrize("typed", ["qs\r\nDELE out/stock_2.csv", "qs\n", "qs\0"])
def test_a_line_break_in_user_or_password_is_not_sent(connect, server, typed):
    before = len(heard(server))
    assert refused(connect("ftp", {**settings(server), "user": typed}, {"password": "x"})) == "sign_in_refused"
    assert refused(connect("ftp", settings(server), {"password": typed})) == "sign_in_refused"
    assert set(heard(server)[before:]) <= {"AUTH", "QUIT"}


def test_a_missing_folder_names_the_folders_that_exist(connect, server):
    connector = connect("ftp", settings(server), password(server))
    problem = checks(connector, "outbound")["folder"].problem
    assert (
        problem and problem.code == "folder_missing" and "/out" in problem.body and problem.headline == "The folder /outbound is not there"
    )
    assert [entry.name for entry in connector.listing("out/deep")] == ["x"], "the session goes on after a mistyped folder"


def test_an_empty_folder_has_no_files(connect, server, tmp_path):
    server.user.put("empty/x", b"").unlink()
    connector = connect("ftp", settings(server), password(server))
    assert connector.listing("empty") == []
    with pytest.raises(SupplierError) as caught:
        fetch(connector, tmp_path / "feed", "empty")
    assert caught.value.problem.code == "file_missing" and "It holds no files" in caught.value.problem.body


def test_no_match_says_what_is_there(connect, server, tmp_path):
    connector = connect("ftp", settings(server), password(server))
    with pytest.raises(SupplierError) as caught:
        fetch(connector, tmp_path / "feed", "out", "exact", "STOCK_2.csv")
    assert caught.value.problem.code == "file_missing" and "stock_2.csv" in caught.value.problem.body
    assert left_nothing(tmp_path / "feed")


def test_a_file_that_may_not_be_read_says_so(connect, server, tmp_path):
    server.user.put("locked/stock.csv", b"x").chmod(0)
    with pytest.raises(SupplierError) as caught:
        fetch(connect("ftp", settings(server), password(server)), tmp_path / "feed", "locked")
    assert caught.value.problem.code in ("permission_denied", "file_missing") and left_nothing(tmp_path / "feed")


@pytest.mark.parametrize("name", [b"Lagerbestand f\xc3\xbcr alle.csv", b"Lagerbestand f\xfcr alle.csv", b" [1] & 100%.csv"])
def test_odd_names_are_listed_and_fetched(connect, server, tmp_path, name):
    place = server.user.put(f"odd{name.hex()}/plain.csv", b"x")
    place.rename(os.fsdecode(bytes(place.parent) + b"/" + name))
    connector = connect("ftp", settings(server), password(server))
    shown = name.decode("utf-8" if b"\xc3" in name else "latin-1")
    assert [entry.name for entry in connector.listing(place.parent.name)] == [shown]
    assert fetch(connector, tmp_path / "feed", place.parent.name).size == 1
    assert fetch(connector, tmp_path / "feed", place.parent.name, "exact", shown).name == shown


def test_a_file_over_the_limit_is_not_fetched(connect, server, tmp_path):
    before = len(heard(server))
    with pytest.raises(SupplierError) as caught:
        fetch(connect("ftp", settings(server), password(server)), tmp_path / "feed", "out", limit=1_000)
    assert caught.value.problem.code == "too_large" and left_nothing(tmp_path / "feed")
    assert "RETR" not in heard(server)[before:]


def test_a_file_that_grows_between_two_looks_waits_for_the_next_try(connect, server, tmp_path):
    path = server.user.put("grow/stock.csv", b"a" * 1000)

    def grow(_done: int, _total: int | None) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(SupplierError) as caught:
        connect("ftp", settings(server), password(server)).fetch("grow", "exact", "stock.csv", tmp_path / "feed", 10**9, grow, 0.2)
    assert (caught.value.problem.code, caught.value.permanent) == ("file_growing", False)
    assert "from 1,000 to 1,004 bytes" in caught.value.problem.body and left_nothing(tmp_path / "feed")


@pytest.mark.parametrize("way", ["explicit", "plain"])
@pytest.mark.parametrize("how", ["rewritten in place", "replaced", "appended to", "shortened"])
def test_a_file_changed_while_it_is_read_is_never_a_mix(connect, servers, trusted, tmp_path, way, how):
    path = servers[way].user.put("mix/stock.csv", b"a" * 3_000_000, 1_700_000_000)
    changed = []

    def change(done: int, _total: int | None) -> None:
        if not done or changed:
            return
        changed.append(done)
        if how == "replaced":
            servers[way].user.put("mix/other", b"b" * 3_000_000)
            path.with_name("other").replace(path)
            return
        with path.open("ab" if how == "appended to" else "r+b") as file:
            if how == "shortened":
                file.truncate(1_500_000)
            else:
                file.write(b"b" * 3_000_000)

    with pytest.raises(SupplierError) as caught:
        connector = connect("ftp", settings(servers[way], way), password(servers[way]))
        connector.fetch("mix", "exact", "stock.csv", tmp_path / "feed", 10**9, change, 0.0)
    assert caught.value.problem.code in ("file_growing", "cut_download") and not caught.value.permanent
    assert changed and left_nothing(tmp_path / "feed")


def test_stopping_in_the_middle_leaves_no_file_and_the_connector_is_of_use_again(connect, server, tmp_path):
    class Stop(Exception):
        pass

    def stop(done: int, _total: int | None) -> None:
        if done > 200_000:
            raise Stop

    server.user.put("long/stock.csv", FEED * 20, 1_700_000_000)
    connector = connect("ftp", settings(server), password(server))
    with pytest.raises(Stop):
        connector.fetch("long", "exact", "stock.csv", tmp_path / "feed", 10**9, stop, 0.0)
    assert left_nothing(tmp_path / "feed")
    assert [entry.name for entry in connector.listing("out/deep")] == ["x"], "no answer is taken for the answer to something else"


# N3: cut lines


def _try(connector: object, into: Path, whole: bytes, folder: str) -> str:
    """Fetch once: the code of what went wrong, "" for the whole file; anything between is a failure of the test."""
    try:
        got = fetch(connector, into, folder)  # type: ignore[arg-type]
    except SupplierError as error:
        assert not error.permanent, error.problem
        assert left_nothing(into)
        return error.problem.code
    assert into.read_bytes() == whole
    Path(got.path).unlink()
    return ""


@pytest.mark.parametrize("way", ["explicit", "plain"])
@pytest.mark.parametrize("rudely", [False, True])
def test_a_cut_data_line_never_leaves_a_part_of_the_file(connect, servers, trusted, tmp_path, way, rudely):
    server, whole = servers[way], FEED[:60_000]
    server.user.put("cut/stock.csv", whole, 1_700_000_000)
    row = whole.index(b"\r\n", 30_000) + 2
    points = [0, 1, 9, 5_000, 16_384, row - 1, row, 45_000, 59_000, 59_999]
    for k in points:
        with cutting_data(1, k, rudely) as asked:
            code = _try(connect("ftp", settings(server, way), password(server)), tmp_path / "feed", whole, "cut")
        assert len(asked) == 2, "a listing, then the file"
        assert code in ("cut_download", "connection_lost"), k
    with cutting_data(1, 10**9, rudely):
        assert _try(connect("ftp", settings(server, way), password(server)), tmp_path / "feed", whole, "cut") == ""


def test_a_cut_says_how_much_came(connect, servers, tmp_path):
    server = servers["plain"]
    server.user.put("cut/stock.csv", FEED[:60_000], 1_700_000_000)
    with cutting_data(1, 31_000), pytest.raises(SupplierError) as caught:
        fetch(connect("ftp", settings(server, "plain"), password(server)), tmp_path / "feed", "cut")
    assert caught.value.problem.headline == "The file stopped at 31 kB of 60 kB"
    assert "31,000 of 60,000 bytes came" in caught.value.problem.body


def test_a_cut_listing_is_not_taken_for_a_short_folder(connect, server):
    for n in range(60):
        server.user.put(f"many/stock_{n:02}.csv", b"x", 1_700_000_000)
    for k in (0, 1, 700, 3_500):
        with cutting_data(0, k), pytest.raises(SupplierError) as caught:
            connect("ftp", settings(server), password(server)).listing("many")
        assert (caught.value.problem.code, caught.value.permanent) == ("connection_lost", False), k


def test_a_reset_plain_listing_is_not_taken_for_a_short_folder(connect, servers):
    """A plain listing that ends cleanly too early cannot be told from a short one: it has no length. A file that is
    older than the last one is then refused by the feed's guard; a reset is seen here.
    """
    server = servers["plain"]
    server.user.put("many/stock.csv", b"x", 1_700_000_000)
    with cutting_data(0, 40, rudely=True), pytest.raises(SupplierError) as caught:
        connect("ftp", settings(server, "plain"), password(server)).listing("many")
    assert (caught.value.problem.code, caught.value.permanent) == ("connection_lost", False)


@pytest.mark.parametrize("way", ["explicit", "plain"])
def test_a_cut_control_line_never_leaves_a_file(connect, servers, trusted, tmp_path, way):
    server, whole = servers[way], FEED[:60_000]
    server.user.put("cut/stock.csv", whole, 1_700_000_000)
    for k in range(0, 3_600, 240) if way != "plain" else range(0, 900, 60):
        with cutting(server.port, k) as port:
            code = _try(connect("ftp", {**settings(server, way), "port": port}, password(server)), tmp_path / "feed", whole, "cut")
        assert code in ("", "connection_lost", "protocol_error", "cut_download"), k


# servers that are not what they should be


@dataclass
class Script:
    """A small FTP server. `says` answers by command ("" and an argument kept), beyond the usual; `heard` is what came.

    RETR sends `content` and "226"; LIST and MLSD send `listing`. With `tls`, AUTH TLS is accepted.
    """

    says: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b"sku,qty\r\nA,1\r\n"
    listing: bytes = b"-rw-r--r-- 1 u g 14 Nov 20 2024 stock.csv\r\n"
    tls: ssl.SSLContext | None = None
    heard: list[str] = field(default_factory=list)

    usual = {
        "USER": "331 Password?", "PASS": "230 Welcome", "PBSZ": "200 OK", "PROT": "200 OK", "TYPE": "200 OK", "CWD": "250 OK",
        "PWD": '257 "/"', "SIZE": "213 14", "MDTM": "213 20241120084200", "AUTH": "234 Go on", "QUIT": "221 Bye",
    }  # fmt: skip

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        """Yields the port."""
        with listening(self._serve) as port:
            yield port

    def _serve(self, line: socket.socket) -> None:
        with socket.create_server((LOOPBACK, 0)) as data:
            data.settimeout(5)
            _say(line, self.says.get("GREETING", "220 Ready"))
            while command := _read_line(line):
                self.heard.append(command)
                verb = command.split()[0].upper()
                answer = {**self.usual, **self.says}.get(verb) or self._passive(verb, data)
                _say(line, answer)
                if verb == "AUTH" and answer.startswith("234") and self.tls:
                    line = self.tls.wrap_socket(line, server_side=True)
                if answer.startswith("150"):
                    self._send(data, self.content if verb == "RETR" else self.listing)
                    _say(line, "226 Done")

    def _passive(self, verb: str, data: socket.socket) -> str:
        if verb == "PASV":
            return f"227 Entering ({LOOPBACK.replace('.', ',')},{data.getsockname()[1] // 256},{data.getsockname()[1] % 256})"
        known = ("RETR", "LIST") + (("MLSD",) if "MLST" in self.says.get("FEAT", "") else ())
        return "150 Here it comes" if verb in known else "502 Not known"

    def _send(self, data: socket.socket, content: bytes) -> None:
        opened, _ = data.accept()
        with opened:
            opened.sendall(content)


def _say(line: socket.socket, answer: str) -> None:
    line.sendall(answer.encode() + b"\r\n")


def _read_line(line: socket.socket) -> str:
    """One command, byte by byte, so that what follows AUTH stays in the socket for TLS."""
    got = b""
    while not got.endswith(b"\n"):
        piece = line.recv(1)
        if not piece:
            return ""
        got += piece
    return got.decode().strip()


@pytest.fixture
def scripted(connect: Callable[..., object]) -> Iterator[Callable[..., object]]:
    """scripted(script, way="plain"): a connector to it."""
    with contextlib.ExitStack() as running:

        def make(script: Script, way: str = "plain") -> object:
            port = running.enter_context(script.running())
            return connect("ftp", {"port": port, "user": "acme01", "security": way, "plain_ok": way == "plain"}, {"password": "canary-9f"})

        yield make


def server_side(certificate: Path, old: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if old:
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    return context


def test_the_script_itself_delivers(scripted, tmp_path):
    script = Script()
    assert fetch(scripted(script), tmp_path / "feed").size == 14
    assert (tmp_path / "feed").read_bytes() == script.content


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TLS 1.0 is what is tested
@pytest.mark.parametrize("way", ["explicit", "implicit"])
def test_a_server_with_old_tls_only_is_refused(connect, trusted, way):
    old = server_side(trusted.issue(LOOPBACK), old=True)
    with listening(lambda line: old.wrap_socket(line, server_side=True).close()) as port:
        script = Script(tls=old)
        with script.running() as scripted_port:
            at = {"port": port if way == "implicit" else scripted_port, "user": "acme01", "security": way}
            problem = checks(connect("ftp", at, {"password": "canary-9f"}))["identity"].problem
    assert problem and problem.code == "tls_refused" and "older than 1.2" in problem.body
    assert script.heard in ([], ["AUTH TLS"])


def test_a_server_that_leaves_the_files_unencrypted_gets_none_opened(scripted, trusted):
    script = Script({"PROT": "536 Not here"}, tls=server_side(trusted.issue(LOOPBACK)))
    problem = checks(scripted(script, "explicit"))["sign_in"].problem
    assert problem and problem.code == "tls_refused" and "encrypts the sign-in but not the files" in problem.body
    assert "no password" not in problem.body, "it went out before the server said so"
    assert not {"PASV", "LIST", "RETR"} & {command.split()[0] for command in script.heard}


def test_a_data_line_that_is_not_encrypted_after_all_is_not_read(scripted, trusted, tmp_path):
    script = Script(tls=server_side(trusted.issue(LOOPBACK)))  # it says 200 to PROT P and sends plain bytes
    with pytest.raises(SupplierError) as caught:
        scripted(script, "explicit").listing("")
    assert caught.value.problem.code in ("connection_lost", "tls_refused")


def test_answers_smuggled_in_before_the_encryption_count_for_nothing(scripted, trusted):
    script = Script({"AUTH": "234 Go on\r\n230 You are in", "USER": "530 No"}, tls=server_side(trusted.issue(LOOPBACK)))
    assert refused(scripted(script, "explicit")) == "sign_in_refused"


def test_plain_ftp_proves_nobody_when_the_password_is_wrong(scripted):
    problem = checks(scripted(Script({"PASS": "530 Login incorrect"})))["sign_in"].problem
    assert problem and problem.code == "sign_in_refused" and "trusted" not in problem.body


def test_a_password_that_went_out_before_the_server_wanted_encryption_is_not_denied(scripted):
    problem = checks(scripted(Script({"PASS": "530 TLS is required here"})))["sign_in"].problem
    assert problem and problem.code == "tls_refused" and "no password" not in problem.body


@pytest.mark.parametrize(
    ("says", "code", "permanent", "words"),
    [
        ({"PASS": "530 Account locked after 3 failed logins"}, "user_locked", True, "stopped trying"),
        ({"PASS": "530 Password canary-9f is wrong"}, "sign_in_refused", True, "***"),
        ({"PASS": "332 Which account?"}, "sign_in_refused", True, "asks for an account"),
        ({"USER": "421 Too many connections"}, "connection_lost", False, "421 Too many connections"),
        ({"USER": "nonsense"}, "protocol_error", False, "not in the language of FTP"),
        ({"TYPE": "504 Never"}, "protocol_error", False, "504 Never"),
        ({"PASV": "502 Active only"}, "protocol_error", True, "no passive mode"),
        ({"GREETING": "220-Hello\r\n" * 600 + "220 Ready"}, "protocol_error", False, "not in the language of FTP"),
        ({"PASV": "227 Entering passive mode"}, "protocol_error", False, ""),
        ({"PASV": "227 Entering (127,0,0,1,0,22)"}, "protocol_error", False, "fetch from port 22"),
        ({"LIST": "550 Permission denied"}, "permission_denied", True, "550 Permission denied"),
        ({"CWD": "550 No such folder"}, "folder_missing", True, "see no folders"),
        ({"RETR": "550 Permission denied"}, "permission_denied", True, "may not read"),
        ({"RETR": "550 Gone"}, "file_missing", False, "We try again"),
        ({"RETR": "451 Disk trouble"}, "connection_lost", False, "451 Disk trouble"),
        ({"SIZE": "213 20"}, "cut_download", False, "14 of 20 bytes"),
        ({"SIZE": "213 9"}, "file_growing", False, ""),
    ],
)
def test_what_a_server_answers_is_put_into_words(scripted, tmp_path, says, code, permanent, words):
    with pytest.raises(SupplierError) as caught:
        fetch(scripted(Script(says)), tmp_path / "feed", "out" if "CWD" in says else "")
    problem = caught.value.problem
    assert (problem.code, caught.value.permanent) == (code, permanent)
    assert words in f"{problem.headline} {problem.body} {problem.server_said}"
    assert "canary-9f" not in repr(problem) and left_nothing(tmp_path / "feed")


@pytest.mark.parametrize(
    "says", [{"SIZE": "502 No"}, {"MDTM": "502 No"}, {"SIZE": "500 ?", "MDTM": "500 ?"}, {"USER": "230 No password needed"}]
)
def test_a_server_that_knows_less_still_delivers(scripted, tmp_path, says):
    got = fetch(scripted(Script(says)), tmp_path / "feed")
    assert got.size == 14 and got.modified and got.modified.year == 2024


def test_a_server_with_machine_listings_is_asked_for_those(scripted, tmp_path):
    listing = b"type=file;size=14;modify=20241120084200; stock.csv\r\ntype=cdir; .\r\n"
    script = Script({"FEAT": "211-Features\r\n MLST size*;modify*;\r\n UTF8\r\n211 End", "OPTS": "501 Always on"}, listing=listing)
    assert fetch(scripted(script), tmp_path / "feed").name == "stock.csv"
    assert "MLSD" in script.heard and "LIST" not in script.heard


@pytest.mark.parametrize("host", ["10,0,0,8", "127,0,0,9", "169,254,169,254", "8,8,8,8"])
def test_a_data_address_elsewhere_is_ignored(scripted, tmp_path, host):
    """A15: PASV to another host, the way a hostile server makes its client knock at inner doors."""
    script = Script()
    straight = script._passive
    script._passive = lambda verb, data: straight(verb, data).replace("127,0,0,1", host)  # type: ignore[method-assign]
    assert fetch(scripted(script), tmp_path / "feed").size == 14


def test_a_closed_data_port_says_which(scripted):
    port = free_port()
    with pytest.raises(SupplierError) as caught:
        scripted(Script({"PASV": f"227 Entering (127,0,0,1,{port // 256},{port % 256})"})).listing("")
    problem = caught.value.problem
    assert problem.code == "port_closed" and problem.headline == f"Nothing answers on port {port}"


@pytest.mark.parametrize("way", ["explicit", "plain"])
def test_another_kind_of_server_is_no_ftp_server(scripted, way):
    problem = checks(scripted(Script({"GREETING": "SSH-2.0-OpenSSH_9.2"}), way))["identity"].problem
    assert problem and problem.code == "protocol_error" and problem.headline == "This is not an FTP server"


@pytest.mark.parametrize("way", ["explicit", "implicit"])
def test_the_other_kind_of_tls_is_not_waited_for_without_end(connect, servers, trusted, monkeypatch, way):
    monkeypatch.setattr(ftp_session, "IO_SECONDS", 0.5)
    other = servers["implicit" if way == "explicit" else "explicit"]
    problem = checks(connect("ftp", settings(other, way), password(other)))["identity"].problem
    assert problem and problem.code == ("timed_out" if way == "explicit" else "tls_refused")


def test_nothing_is_left_running_or_open(connect, server):
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    connect("ftp", settings(server), password(server)).close()
    threads, files = set(threading.enumerate()), opened()
    for _ in range(3):
        connector = connect("ftp", settings(server), password(server))
        connector.listing("")
        connector.close()
        connector.close()
        refused(connect("ftp", {**settings(server), "port": free_port()}, password(server)))
        refused(connect("ftp", {**settings(server), "host": "localhost"}, password(server)))
    assert set(threading.enumerate()) == threads and opened() <= files
