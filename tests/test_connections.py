"""What is saved of a connection, what is not accepted, and what never leaks."""

from __future__ import annotations

from typing import Any

import pytest

from portal import clock, connections
from portal.errors import Invalid, NotFound, Stale
from portal.models import AuditLine, Connection
from tests.connecting import CANARY, WHO, save

pytest_plugins = ("tests.connected",)


def test_a_password_is_sealed_and_only_hinted_at(chosen: Any) -> None:
    source = chosen("sftp-file")
    save(source, {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}, password=CANARY)
    row = connections.secrets_of(source)["password"]
    assert CANARY not in row.sealed and row.hint == f"ends in ..{CANARY[-4:]}" and row.saved_by == WHO


def test_the_end_of_a_short_password_is_not_shown(chosen: Any) -> None:
    source = chosen("sftp-file")
    save(source, {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}, password="hunter2hunter2")
    assert connections.secrets_of(source)["password"].hint == ""


def test_an_empty_password_keeps_the_saved_one_and_a_typed_one_replaces_it(chosen: Any) -> None:
    source = chosen("sftp-file")
    values = {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}
    save(source, values, password=CANARY)
    first = connections.secrets_of(source)["password"].sealed
    save(source, {**values, "user": "acme02"}, password="")
    assert connections.secrets_of(source)["password"].sealed == first
    save(source, values, password="another")
    assert connections.secrets_of(source)["password"].sealed != first


def test_a_saved_password_does_not_follow_to_another_server(chosen: Any) -> None:
    source = chosen("sftp-file")
    values = {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}
    save(source, values, password=CANARY)
    with pytest.raises(Invalid) as refused:
        save(source, {**values, "host": "sftp.evil.example"})
    assert "another server" in refused.value.errors["password"]
    save(source, {**values, "host": "SFTP.northwind.example."})


def test_another_way_to_sign_in_erases_the_unused_secret(chosen: Any) -> None:
    source = chosen("sftp-file")
    values = {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}
    save(source, values, password=CANARY)
    key = "-----BEGIN OPENSSH PRIVATE KEY-----\r\nabc\r\n-----END OPENSSH PRIVATE KEY-----"
    save(source, {**values, "auth": "private_key"}, private_key=key, passphrase="one")
    assert set(connections.secrets_of(source)) == {"private_key", "passphrase"}
    save(source, {**values, "auth": "private_key"}, private_key=key)
    assert set(connections.secrets_of(source)) == {"private_key"}, "the old passphrase went with the old key"


def test_our_key_pair_seals_its_private_half(chosen: Any) -> None:
    source = chosen("sftp-file")
    values = {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "our_key"}
    with pytest.raises(Invalid, match="Make the key pair first"):
        save(source, values)
    public = connections.make_key_pair(source, "our_key", WHO)
    assert public.startswith("ssh-ed25519 ") and "PRIVATE" not in connections.secrets_of(source)["our_key"].sealed
    save(source, values)
    assert connections.find(source).settings["our_key"] == public
    with pytest.raises(NotFound):
        connections.make_key_pair(source, "password", WHO)


def test_an_old_page_cannot_overwrite(chosen: Any) -> None:
    source = chosen("sftp-file")
    values = {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}
    version = connections.find(source).version
    connections.save(source, values, {"password": CANARY}, version, "ana@harbor.example")
    with pytest.raises(Stale) as stale:
        connections.save(source, {**values, "user": "other"}, {"password": "lost"}, version, WHO)
    assert stale.value.who == "ana@harbor.example"
    assert connections.find(source).settings["user"] == "acme01"


def test_another_host_forgets_the_trusted_key(chosen: Any) -> None:
    source = chosen("sftp-file")
    values = {"host": "sftp.northwind.example", "port": "22", "user": "acme01", "auth": "password"}
    save(source, values, password=CANARY)
    key = {"key_type": "ssh-ed25519", "fingerprint": "SHA256:x", "how": "compared", "by": WHO, "at": clock.now().isoformat()}
    Connection.update(trusted_key=key).execute()
    save(source, {**values, "folder": "/out"})
    assert connections.find(source).trusted_key == key
    save(source, {**values, "port": "2222"})
    assert connections.find(source).trusted_key is None


def test_audit_lines_hold_no_secret_and_no_access_key_of_a_link(chosen: Any) -> None:
    source = chosen("http-file")
    save(source, {"url": f"https://files.northwind.example/stock.csv?key={CANARY}", "auth": "none"})
    lines = [str(line.after) for line in AuditLine.select()]
    assert any("files.northwind.example/stock.csv" in line for line in lines)
    assert not any(CANARY in line for line in lines)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("sftp://sftp.northwind.example", "sftp.northwind.example"),
        ("sftp.northwind.example/out", "sftp.northwind.example"),
        ("acme01@sftp.northwind.example", "sftp.northwind.example"),
        ("sftp.northwind.example:2222", "port in its own field"),
        ("not a host", "without a scheme"),
        ("//[::x]/", "without a scheme"),
        ("", "Enter the host"),
        ("a" * 300 + ".example", "Enter only"),
        ("bad\x00host", "ordinary characters"),
    ],
)
def test_a_host_is_a_name_alone(chosen: Any, typed: str, words: str) -> None:
    source = chosen("sftp-file")
    with pytest.raises(Invalid) as refused:
        save(source, {"host": typed, "port": "22", "user": "acme01", "auth": "password"}, password=CANARY)
    assert words in refused.value.errors["host"] and set(refused.value.errors) == {"host"}


@pytest.mark.parametrize("typed", ["0", "65536", "22a", "-1", "", "٢٢", "999999999999"])
def test_a_port_is_a_number_from_1_to_65535(chosen: Any, typed: str) -> None:
    source = chosen("sftp-file")
    with pytest.raises(Invalid) as refused:
        save(source, {"host": "sftp.northwind.example", "port": typed, "user": "acme01", "auth": "password"}, password=CANARY)
    assert set(refused.value.errors) == {"port"}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("ftp://files.example/stock.csv", "Only http and https"),
        ("files.example/stock.csv", "Begin with https://"),
        ("https://ana:secret@files.example/stock.csv", "out of the link"),
        ("https:///stock.csv", "no server name"),
        ("https://files.example:99999/stock.csv", "no server name"),
        ("javascript:alert(1)", "Begin with https://"),
        ("https://[abc]/stock.csv", "no server name"),
        ("file:///etc/passwd", "Only http and https"),
    ],
)
def test_a_link_is_http_or_https_without_a_sign_in(chosen: Any, typed: str, words: str) -> None:
    source = chosen("http-file")
    with pytest.raises(Invalid) as refused:
        save(source, {"url": typed, "auth": "none"})
    assert words in refused.value.errors["url"]


def test_a_google_sheets_link_is_converted_and_said(chosen: Any) -> None:
    source = chosen("http-file")
    key = "1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms"
    saved = save(source, {"url": f"https://docs.google.com/spreadsheets/d/{key}/edit?usp=sharing#gid=7", "auth": "none"})
    assert saved.connection.settings["url"] == f"https://docs.google.com/spreadsheets/d/{key}/export?format=csv&gid=7"
    assert saved.remarks == ("The share link of your Google Sheet was turned into its CSV link.",)


@pytest.mark.parametrize("name", ["X Api Key", "Key:\r\nHost", "Host", "Content-Length", "ключ", ""])
def test_a_header_name_is_a_token_that_is_not_ours(chosen: Any, name: str) -> None:
    source = chosen("http-file")
    with pytest.raises(Invalid) as refused:
        save(source, {"url": "https://files.example/a.csv", "auth": "header", "header_name": name}, header_value=CANARY)
    assert set(refused.value.errors) == {"header_name"}


def test_a_sign_in_is_not_sent_over_plain_http(chosen: Any) -> None:
    source = chosen("http-file")
    with pytest.raises(Invalid) as refused:
        save(source, {"url": "http://files.example/a.csv", "auth": "basic", "user": "ana"}, password=CANARY)
    assert "https" in refused.value.errors["url"]


def test_plain_ftp_needs_its_tick(chosen: Any) -> None:
    source = chosen("ftp-file")
    values = {"host": "ftp.northwind.example", "security": "plain", "port": "21", "user": "acme01"}
    with pytest.raises(Invalid) as refused:
        save(source, values, password=CANARY)
    assert set(refused.value.errors) == {"plain_ok"}
    assert save(source, {**values, "plain_ok": True}, password=CANARY).connection.settings["plain_ok"] is True


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("PuTTY-User-Key-File-3: ssh-ed25519", "PuTTY key"),
        ("ssh-ed25519 AAAA me", "public half"),
        ("abc", "BEGIN"),
        ("x" * 30_000, "longer"),
    ],
)
def test_a_private_key_of_the_wrong_kind_is_told(chosen: Any, typed: str, words: str) -> None:
    source = chosen("sftp-file")
    with pytest.raises(Invalid) as refused:
        save(source, {"host": "h.example", "port": "22", "user": "acme01", "auth": "private_key"}, private_key=typed)
    assert words in refused.value.errors["private_key"] and typed not in refused.value.errors["private_key"]
