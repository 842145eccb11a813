"""SFTP against OpenSSH's own server."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from portal.connectors import sftp
from portal.errors import SupplierError
from tests.connectors.conftest import checks, fetch, left_nothing, refused
from tests.connectors.faults import cutting
from tests.servers import Server, SystemUser, free_port, sshd

CUTS = 200 if "KILLS" in os.environ else 40
FEED = b"sku,qty\r\n" + b"".join(b"A-%06d,%d\r\n" % (n, n % 50) for n in range(40_000))


def private_text(key: object, passphrase: bytes | None = None, form: str = "OpenSSH") -> str:
    lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), lock).decode()  # type: ignore[attr-defined]


def public_text(key: object) -> str:
    public = key.public_key()  # type: ignore[attr-defined]
    return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()


KEYS = {
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "ecdsa": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(public_exponent=65537, key_size=2048),
}
OURS = sftp.new_key_pair()


@pytest.fixture(scope="module")
def server(user: SystemUser) -> Iterator[Server]:
    user.put("out/stock_1.csv", b"old", 1_700_000_000)
    user.put("out/stock_2.csv", FEED, 1_700_000_600)
    user.put("out/stock_3.csv.part", b"unfinished", 1_700_009_000)
    user.put("out/deep/x", b"")
    with sshd(user, authorized=[*map(public_text, KEYS.values()), OURS[1]]) as running:
        yield running


def settings(server: Server, **more: object) -> dict[str, object]:
    return {"port": server.port, "user": server.user.name, **more}


def trust(server: Server, key_type: str = "ssh-ed25519") -> dict[str, str]:
    return {"key_type": key_type, "fingerprint": server.fingerprints[key_type]}


def test_first_contact_asks_about_the_host_key_and_sends_no_user_name(connect, server):
    seen = checks(connect("sftp", settings(server), {"password": server.user.password}))
    assert [(name, check.state) for name, check in seen.items()] == [("address", "passed"), ("port", "passed"), ("identity", "question")]
    assert seen["identity"].facts["fingerprint"] == server.fingerprints["ssh-ed25519"]
    assert seen["identity"].facts["key_type"] == "ssh-ed25519"
    assert server.user.name not in server.said()


def test_a_password_signs_in_and_all_five_checks_pass(connect, server):
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    seen = checks(connector, "out")
    assert [check.state for check in seen.values()] == ["passed"] * 5
    assert seen["identity"].detail.startswith("SSH-2.0-OpenSSH")
    assert seen["sign_in"].detail == f"Signed in as {server.user.name}"
    assert seen["folder"].detail == f"3 files in {server.user.home}/out"
    assert seen["port"].facts["our_address"] == "127.0.0.1"


def test_the_newest_finished_match_is_fetched_whole(connect, server, tmp_path):
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    steps: list[tuple[int, int | None]] = []
    got = connector.fetch("out", "newest", "stock_*.csv*", tmp_path / "feed", 10**9, lambda done, total: steps.append((done, total)), 0.1)
    assert (tmp_path / "feed").read_bytes() == FEED
    assert (got.name, got.size, got.sha256) == ("stock_2.csv", len(FEED), hashlib.sha256(FEED).hexdigest())
    assert got.remote_path == f"{server.user.home}/out/stock_2.csv"
    assert max(b[0] - a[0] for a, b in zip(steps, steps[1:], strict=False)) <= 262_144
    assert steps[-1] == (len(FEED), len(FEED))


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("passphrase", [None, "rosebud über"])
def test_the_merchants_own_key_signs_in(connect, server, kind, passphrase):
    text = private_text(KEYS[kind], passphrase.encode() if passphrase else None)
    secrets = {"private_key": text, **({"passphrase": passphrase} if passphrase else {})}
    assert checks(connect("sftp", settings(server, auth="private_key"), secrets, trust(server)), "out")["folder"].state == "passed"


@pytest.mark.parametrize("form", ["PKCS8", "TraditionalOpenSSL"])
def test_a_key_in_pem_form_signs_in(connect, server, form):
    secrets = {"private_key": private_text(KEYS["rsa"], b"pass", form).replace("\n", "\r\n"), "passphrase": "pass"}
    assert checks(connect("sftp", settings(server, auth="private_key"), secrets, trust(server)))["sign_in"].state == "passed"


def test_our_key_pair_signs_in(connect, server):
    assert checks(connect("sftp", settings(server, auth="our_key"), {"our_key": OURS[0]}, trust(server)))["sign_in"].state == "passed"
    assert sftp.public_line(OURS[0]) == OURS[1]


def test_a_wrong_password_is_named_and_permanent(connect, server):
    connector = connect("sftp", settings(server), {"password": "wrong"}, trust(server))
    with pytest.raises(SupplierError) as caught:
        connector.listing("")
    assert (caught.value.problem.code, caught.value.permanent) == ("sign_in_refused", True)
    assert server.user.name in caught.value.problem.body


def test_a_key_that_is_not_on_the_list_is_named_by_its_fingerprint(connect, server):
    private, _ = sftp.new_key_pair()
    connector = connect("sftp", settings(server, auth="our_key"), {"our_key": private}, trust(server))
    problem = checks(connector)["sign_in"].problem
    assert problem and problem.code == "key_refused" and "SHA256:" in problem.body


@pytest.mark.parametrize(
    ("secrets", "word"),
    [
        ({"private_key": private_text(KEYS["ed25519"], b"right"), "passphrase": "wrong"}, "passphrase does not open"),
        ({"private_key": private_text(KEYS["ed25519"], b"right")}, "Enter the passphrase"),
        ({"private_key": private_text(KEYS["rsa"], b"right", "PKCS8")}, "Enter the passphrase"),
        ({"private_key": private_text(KEYS["rsa"], b"right", "PKCS8"), "passphrase": "wrong"}, "passphrase does not open"),
        ({"private_key": private_text(KEYS["ed25519"]), "passphrase": "needless"}, "no passphrase"),
        ({"private_key": "PuTTY-User-Key-File-3: ssh-ed25519\n"}, "PuTTY"),
        ({"private_key": public_text(KEYS["ed25519"])}, "public half"),
        ({"private_key": "hello"}, "-----BEGIN"),
        ({"private_key": ""}, "-----BEGIN"),
        ({"private_key": private_text(KEYS["ed25519"])[:120]}, "missing or changed"),
    ],
)
def test_an_unreadable_key_says_what_is_wrong_with_it(connect, server, secrets, word):
    problem = checks(connect("sftp", settings(server, auth="private_key"), secrets, trust(server)))["sign_in"].problem
    assert problem and problem.code == "key_unreadable" and word in problem.body


def test_a_missing_folder_names_the_folders_that_exist(connect, server):
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    problem = checks(connector, "outbound")["folder"].problem
    assert problem and problem.code == "folder_missing" and f"{server.user.home}/out" in problem.body
    assert [entry.name for entry in connector.listing("out/deep")] == ["x"], "the session goes on after a mistyped folder"


def test_a_folder_that_may_not_be_read_says_so(connect, server):
    server.user.put("locked/x", b"").parent.chmod(0)
    with pytest.raises(SupplierError) as caught:
        connect("sftp", settings(server), {"password": server.user.password}, trust(server)).listing("locked")
    assert caught.value.problem.code == "permission_denied"


def test_names_that_are_not_utf8_are_listed_and_fetched(connect, server, tmp_path):
    place = server.user.put("old/plain.csv", b"x")
    place.rename(os.fsdecode(bytes(place.parent) + b"/Lagerbestand_f\xfcr_alle.csv"))
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    assert [entry.name for entry in connector.listing("old")] == ["Lagerbestand_für_alle.csv"]
    assert fetch(connector, tmp_path / "feed", "old").size == 1


def test_no_match_says_what_is_there(connect, server, tmp_path):
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    with pytest.raises(SupplierError) as caught:
        fetch(connector, tmp_path / "feed", "out", "exact", "STOCK_2.csv")
    assert caught.value.problem.code == "file_missing" and "stock_2.csv" in caught.value.problem.body
    assert left_nothing(tmp_path / "feed")


def test_a_file_over_the_limit_is_not_fetched(connect, server, tmp_path):
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    with pytest.raises(SupplierError) as caught:
        fetch(connector, tmp_path / "feed", "out", limit=1_000)
    assert caught.value.problem.code == "too_large" and left_nothing(tmp_path / "feed")


def test_a_file_that_grows_between_two_looks_waits_for_the_next_try(connect, server, tmp_path):
    path = server.user.put("grow/stock.csv", b"a" * 1000)
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))

    def grow(_done: int, _total: int | None) -> None:
        with path.open("ab") as file:
            file.write(b"more")

    with pytest.raises(SupplierError) as caught:
        connector.fetch("grow", "exact", "stock.csv", tmp_path / "feed", 10**9, grow, 0.2)
    assert (caught.value.problem.code, caught.value.permanent) == ("file_growing", False)
    assert left_nothing(tmp_path / "feed")


@pytest.mark.parametrize("how", ["rewritten in place", "replaced", "appended to", "shortened"])
def test_a_file_changed_while_it_is_read_is_old_or_refused_and_never_a_mix(connect, server, tmp_path, how):
    """N4. A file put in its place meanwhile leaves the one that is open as it was."""
    path = server.user.put("mix/stock.csv", b"a" * 3_000_000, 1_700_000_000)
    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    changed = []

    def change(done: int, _total: int | None) -> None:
        if not done or changed:
            return
        changed.append(done)
        if how == "replaced":
            server.user.put("mix/other", b"b" * 3_000_000)
            path.with_name("other").replace(path)
            return
        with path.open("ab" if how == "appended to" else "r+b") as file:
            if how == "shortened":
                file.truncate(1_500_000)
            else:
                file.write(b"b" * 3_000_000)

    try:
        connector.fetch("mix", "exact", "stock.csv", tmp_path / "feed", 10**9, change, 0.0)
    except SupplierError as error:
        assert error.problem.code in ("file_growing", "cut_download") and not error.permanent
        assert left_nothing(tmp_path / "feed")
    else:
        assert how == "replaced" and set((tmp_path / "feed").read_bytes()) == {ord("a")}
    assert changed


def test_stopping_in_the_middle_leaves_no_file(connect, server, tmp_path):
    class Stop(Exception):
        pass

    def stop(done: int, _total: int | None) -> None:
        if done > 200_000:
            raise Stop

    connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
    with pytest.raises(Stop):
        connector.fetch("out", "exact", "stock_2.csv", tmp_path / "feed", 10**9, stop, 0.0)
    assert left_nothing(tmp_path / "feed")


# N8: six ways in which the identity is not the trusted one


CASES = {
    "same type, another key": (["ed25519"], ["ed25519"], "ssh-ed25519"),
    "trusted type gone, weaker offered": (["ed25519"], ["rsa"], "ssh-ed25519"),
    "trusted type gone, other curve": (["ed25519"], ["ecdsa"], "ssh-ed25519"),
    "trusted ecdsa, ed25519 offered": (["ecdsa"], ["ed25519"], "ecdsa-sha2-nistp256"),
    "trusted rsa, another rsa": (["rsa"], ["rsa"], "ssh-rsa"),
    "all keys are new": (["ed25519", "rsa"], ["ed25519", "rsa"], "ssh-rsa"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_changed_host_key_stops_before_any_credential(connect, user, case):
    before, after, trusted_type = CASES[case]
    port = free_port()
    with sshd(user, before, port=port) as first:
        trusted_key = trust(first, trusted_type)
        connector = connect("sftp", settings(first), {"password": user.password}, trusted_key)
        assert checks(connector)["sign_in"].state == "passed", "the trusted key's type is asked for first"
        connector.close()
    with sshd(user, after, port=port) as second:
        seen = checks(connector)
        assert seen["identity"].problem and seen["identity"].problem.code == "host_key_changed"
        assert seen["identity"].facts["fingerprint"] in second.fingerprints.values()
        assert seen["identity"].facts["trusted_fingerprint"] == trusted_key["fingerprint"]
        assert "sign_in" not in seen
        said = second.said()
        assert "kex" in said.lower(), "the log tells what arrives"
        assert "userauth" not in said and user.name not in said, "neither user nor password reached the server"


def test_a_trusted_certificate_does_not_vouch_for_a_host_key(connect, server):
    trusted_key = {"key_type": "certificate", "fingerprint": server.fingerprints["ssh-ed25519"]}
    assert refused(connect("sftp", settings(server), {"password": server.user.password}, trusted_key)) == "host_key_changed"


# servers that are not what they should be


def test_a_server_without_passwords_says_so(connect, user):
    with sshd(user, extra="PasswordAuthentication no") as server:
        problem = checks(connect("sftp", settings(server), {"password": user.password}, trust(server)))["sign_in"].problem
    assert problem and problem.code == "sign_in_refused" and "publickey" in problem.body


def test_an_old_server_is_said_to_be_old(connect, user):
    with sshd(user, extra="KexAlgorithms diffie-hellman-group14-sha1\nCiphers 3des-cbc") as server:
        problem = checks(connect("sftp", settings(server), {"password": user.password}))["identity"].problem
    assert problem and problem.code == "protocol_error" and "too old" in problem.headline


@pytest.mark.parametrize("ended_first", [False, True])
def test_a_shell_without_files_says_so(connect, user, monkeypatch, ended_first):
    def late(channel):
        for _ in range(500):
            if channel.closed:
                break
            time.sleep(0.01)
        return client(channel)

    client = paramiko.SFTPClient
    if ended_first:
        monkeypatch.setattr(paramiko, "SFTPClient", late)
    with sshd(user, extra="ForceCommand /bin/false") as server:
        problem = checks(connect("sftp", settings(server), {"password": user.password}, trust(server)))["sign_in"].problem
    assert problem and problem.headline == "This user has no file access"


def test_a_line_that_is_cut_anywhere_never_leaves_a_file(connect, server, tmp_path):
    """N3: the line ends after k bytes, from the greeting to the last byte; at 200 places in `make faults`."""
    server.user.put("cut/stock.csv", FEED[:60_000], 1_700_000_000)
    whole = 60_000 + 9_000
    for k in range(100, whole, whole // CUTS):
        with cutting(server.port, k) as port:
            connector = connect("sftp", {**settings(server), "port": port}, {"password": server.user.password}, trust(server))
            try:
                got = fetch(connector, tmp_path / "feed", "cut")
            except SupplierError as error:
                assert not error.permanent, (k, error.problem)
                assert error.problem.code in ("connection_lost", "protocol_error", "cut_download"), (k, error.problem)
                assert left_nothing(tmp_path / "feed"), k
            else:
                assert (tmp_path / "feed").read_bytes() == FEED[:60_000], k
                Path(got.path).unlink()
            connector.close()


def test_without_the_comparison_the_server_would_hear_the_user(connect, user, monkeypatch):
    """Sabotage of N8: what the tests above read in the log does appear when no key is compared."""
    monkeypatch.setattr(sftp.SftpConnector, "_compare", lambda *_: None)
    with sshd(user, ["ed25519"]) as server:
        trusted_key = {"key_type": "ssh-ed25519", "fingerprint": "SHA256:of-another-server"}
        connect("sftp", settings(server), {"password": user.password}, trusted_key).listing("")
        assert "userauth" in server.said() and user.name in server.said()


def test_a_handshake_that_broke_leaves_no_timer(connect, server):
    before = set(threading.enumerate())
    with cutting(server.port, 60) as port:
        assert refused(connect("sftp", settings(server) | {"port": port}, {"password": server.user.password}, trust(server))) == (
            "connection_lost"
        )
    ends = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < ends:
        time.sleep(0.05)
    assert not set(threading.enumerate()) - before


def test_nothing_is_left_running(connect, server):
    before = set(threading.enumerate())
    for _ in range(5):
        connector = connect("sftp", settings(server), {"password": server.user.password}, trust(server))
        connector.listing("")
        connector.close()
        refused(connect("sftp", settings(server), {"password": "wrong"}, trust(server)))
    ends = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < ends:
        time.sleep(0.05)
    assert not set(threading.enumerate()) - before
