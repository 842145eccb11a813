"""The seven checks against OpenSSH and vsftpd: in order, one at a time, and nothing sent to a stranger."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from portal import clock, connection_checks, connections, documents, file_choice, refused_sign_ins, runs, setup_steps
from portal import config as installation
from portal.errors import Forbidden, Refused, SupplierError
from portal.models import TABLES, Run
from portal.records import FeedFormat
from tests.connecting import CANARY, STOCK, WHO, check, fresh, save, sftp_values, states, trust
from tests.servers import LOOPBACK, SystemUser, free_port, sshd, vsftpd

pytest_plugins = ("tests.connected",)


def test_the_host_key_is_asked_about_before_any_credential_is_sent(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=user.password)
        run = check(source, run_work)
        assert states(source) == {
            "address": "passed", "port": "passed", "identity": "question",
            "sign_in": "not_tried", "folder": "not_tried", "sample": "not_tried", "understand": "not_tried",
        }  # fmt: skip
        assert run.state == "warnings" and run.problem["code"] == "host_key_unknown"
        connection = connections.find(source)
        assert connection.offered_key["fingerprint"] == server.fingerprints["ssh-ed25519"]
        assert connection.state == "untested" and connection.trusted_key is None
        assert "for user" not in server.said().lower().replace("userauth", ""), "the server never heard of a user"
        assert setup_steps.next_step(fresh(source)) == "connection"


def test_all_seven_checks_pass_and_the_sample_is_kept(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=user.password)
        check(source, run_work)
        trust(source)
        run = check(source, run_work)
    assert set(states(source).values()) == {"passed"} and run.state == "finished"
    connection = connections.find(source)
    assert connection.state == "ok" and connection.tested_at is not None
    assert connection.trusted_key["how"] == "compared" and connection.trusted_key["by"] == WHO
    assert [one["name"] for one in connection.listing] == ["readme.md", "stock_2026-11-25.csv", "stock_2026-11-24.csv"]
    picked = file_choice.current(source, connection)
    assert picked.sample.name == "stock_2026-11-25.csv" and picked.sample.origin == "sample"
    assert documents.path_of(picked.sample).read_bytes() == STOCK
    assert (picked.match, picked.pattern, picked.format.delimiter) == ("newest", "stock_*.csv", ",")
    assert setup_steps.next_step(fresh(source)) == "file"


@pytest.mark.parametrize("way", ["our_key", "private_key"])
def test_signing_in_with_keys(chosen: Any, run_work: Any, user: SystemUser, tmp_path: Any, way: str) -> None:
    source = chosen("sftp-file")
    if way == "our_key":
        public, secrets = connections.make_key_pair(source, "our_key", WHO), {}
    else:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-f", str(tmp_path / "key")], check=True)
        public, secrets = (tmp_path / "key.pub").read_text(), {"private_key": (tmp_path / "key").read_text(), "passphrase": "open sesame"}
    with sshd(user, authorized=[public]) as server:
        save(source, sftp_values(server, auth=way), **secrets)
        check(source, run_work)
        trust(source, "first_use")
        check(source, run_work)
    assert set(states(source).values()) == {"passed"}
    assert connections.find(source).trusted_key["how"] == "first_use"


def test_a_wrong_password_stops_at_signing_in_and_is_tried_three_times_an_hour_at_most(
    chosen: Any, run_work: Any, user: SystemUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=CANARY)
        check(source, run_work)
        trust(source)
        for _ in range(3):
            run = check(source, run_work)
            assert run.problem["code"] == "sign_in_refused" and states(source)["sign_in"] == "failed"
        for _ in range(2):
            run = check(source, run_work)
            assert run.problem["code"] == "sign_in_paused" and "60 minutes" in run.problem["body"]
        other = chosen("sftp-file", "Northwind again")
        save(other, sftp_values(server), password="a guess")
        assert check(other, run_work).problem["code"] == "sign_in_paused", "the limit is the host's, not the source's"
        assert server.said().count("Failed password") == 3
        real = clock.now
        monkeypatch.setattr(clock, "now", lambda: real() + timedelta(minutes=61))
        save(source, sftp_values(server), password=user.password)
        check(source, run_work)
    assert set(states(source).values()) == {"passed"}
    assert connections.find(source).state == "ok"


def test_a_changed_host_key_sends_nothing_and_only_an_owner_replaces_it(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source, port = chosen("sftp-file"), free_port()
    with sshd(user, port=port) as server:
        save(source, sftp_values(server), password=user.password)
        check(source, run_work)
        trust(source)
        check(source, run_work)
    old = connections.find(source).trusted_key
    with sshd(user, port=port) as server:
        run = check(source, run_work)
        assert run.problem["code"] == "host_key_changed" and states(source)["identity"] == "failed"
        assert "userauth-request" not in server.said(), "nothing was sent"
        connection = connections.find(source)
        assert connection.trusted_key == old and connection.offered_key["fingerprint"] != old["fingerprint"]
        for how, owner in (("compared", False), ("first_use", True)):
            with pytest.raises(Forbidden):
                trust(source, how, as_owner=owner)
        trust(source, as_owner=True)
        check(source, run_work)
    assert set(states(source).values()) == {"passed"}
    assert connections.find(source).offered_key is None


def test_trusting_needs_the_key_that_was_shown(chosen: Any) -> None:
    source = chosen("sftp-file")
    with pytest.raises(Refused):
        connections.trust_key(source, "SHA256:x", "compared", WHO)


def test_a_missing_folder_shows_what_is_there_instead(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server, folder="outgoing"), password=user.password)
        check(source, run_work)
        trust(source)
        run = check(source, run_work)
    assert run.problem["code"] == "folder_missing" and states(source)["folder"] == "failed"
    assert {one["name"] for one in connections.find(source).listing} >= {"out", "empty"}
    assert setup_steps.may_open(fresh(source), "file"), "the folder is chosen on the file page"


def test_a_folder_without_a_feed_leaves_the_file_open(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server, folder="empty"), password=user.password)
        check(source, run_work)
        trust(source)
        run = check(source, run_work)
        assert run.state == "finished" and states(source)["sample"] == "not_tried"
        check(source, run_work, {"folder": "out", "match": "newest", "pattern": "stock_*.csv"})
    assert set(states(source).values()) == {"passed"}


def test_no_matching_file_fails_at_the_sample(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=user.password)
        check(source, run_work)
        trust(source)
        run = check(source, run_work, {"folder": "out", "match": "exact", "pattern": "gone.csv"})
    assert run.problem["code"] == "file_missing" and states(source)["sample"] == "failed"
    assert connections.find(source).state == "ok", "the connection itself works"


@pytest.mark.parametrize(
    ("values", "code", "at"), [({"host": "no-such-host.invalid"}, "host_unknown", "address"), ({}, "port_closed", "port")]
)
def test_the_first_failure_stops_the_rest(chosen: Any, run_work: Any, values: dict[str, str], code: str, at: str) -> None:
    source = chosen("sftp-file")
    typed = {"host": LOOPBACK, "port": str(free_port()), "user": "acme01", "auth": "password", **values}
    save(source, typed, password=CANARY)
    run = check(source, run_work)
    assert run.problem["code"] == code and run.state == "failed"
    seen = states(source)
    assert seen[at] == "failed" and set(list(seen.values())[list(seen).index(at) + 1 :]) == {"not_tried"}
    assert connections.find(source).state == "broken"


def test_private_addresses_are_closed_unless_opened(chosen: Any, run_work: Any, loopback: Any) -> None:
    source = chosen("sftp-file")
    save(source, {"host": LOOPBACK, "port": "22", "user": "acme01", "auth": "password"}, password=CANARY)
    installation.use(replace(loopback, egress_allow=""))
    assert check(source, run_work).problem["code"] == "address_refused"


def test_demo_ports_are_open_in_demo_mode_only(loopback: Any) -> None:
    closed = installation.use(replace(loopback, egress_allow="", demo=False))
    with pytest.raises(SupplierError):
        connections.guard().resolve(LOOPBACK, closed.demo_sftp_port)
    opened = installation.use(replace(closed, demo=True))
    assert connections.guard().resolve(LOOPBACK, opened.demo_sftp_port).port == opened.demo_sftp_port
    with pytest.raises(SupplierError):
        connections.guard().resolve(LOOPBACK, 22)


def test_saving_while_a_test_runs_makes_that_test_end(chosen: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=user.password)
        run = connection_checks.start(source, WHO)
        claimed = runs.claim()
        assert claimed is not None and claimed.id == run.id
        save(source, sftp_values(server, folder="empty"), password=user.password)
        runs.perform(claimed, {"connection_check": connection_checks.perform})
    assert Run.get_by_id(run.id).state == "stopped"
    assert connections.find(source).checks == [], "results of old settings were not written"


def test_a_newer_test_replaces_an_older_one(chosen: Any, run_work: Any) -> None:
    source = chosen("sftp-file")
    save(source, {"host": LOOPBACK, "port": str(free_port()), "user": "acme01", "auth": "password"}, password=CANARY)
    first, second = connection_checks.start(source, WHO), connection_checks.start(source, WHO)
    assert Run.get_by_id(first.id).state == "stopped"
    run_work()
    assert connection_checks.latest(connections.find(source)).id == second.id


def test_ftps_with_session_reuse_and_a_self_signed_certificate_confirmed_once(
    chosen: Any, run_work: Any, user: SystemUser, authority: Any
) -> None:
    source = chosen("ftp-file")
    with vsftpd(user, authority.issue(LOOPBACK, self_signed=True)) as server:
        values = {"host": LOOPBACK, "security": "explicit", "port": str(server.port), "user": user.name, "folder": "/out"}
        save(source, values, password=user.password)
        run = check(source, run_work)
        assert run.problem["code"] == "certificate_untrusted" and states(source)["identity"] == "question"
        assert user.password not in server.said() and user.name not in server.said()
        pairs = next(one.facts for one in connection_checks.read_back(connections.find(source)) if one.name == "identity")[
            "fingerprint_pairs"
        ]
        assert connections.is_same_key(connections.find(source), pairs.lower())
        trust(source)
        check(source, run_work)
    assert set(states(source).values()) == {"passed"}, connections.find(source).checks


def test_the_letter_says_what_happened_and_no_secret(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=CANARY)
        check(source, run_work)
        trust(source)
        check(source, run_work)
    text = connection_checks.letter(connections.find(source))
    for part in ("Sign in", f"User: {user.name}", f"Our address: {LOOPBACK}", "UTC", f"Port: {server.port}"):
        assert part in text
    assert CANARY not in text


def test_no_table_ever_holds_the_secret_in_the_open(chosen: Any, run_work: Any, user: SystemUser, caplog: Any, tmp_path: Any) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=CANARY)
        check(source, run_work)
        trust(source)
        check(source, run_work)
    for table in TABLES:
        for row in table.select().tuples():
            assert CANARY not in repr(row), table.__name__
    assert CANARY not in caplog.text
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in written if CANARY.encode() in path.read_bytes()]


# opening for a sync


def test_open_for_before_anything_was_set_up(make_source: Any, loopback: Any) -> None:
    with pytest.raises(SupplierError) as error, connections.open_for(make_source()):
        pytest.fail("entered")
    assert error.value.problem.code == "not_set_up" and error.value.permanent


def test_open_for_counts_what_the_supplier_refused(chosen: Any, run_work: Any, user: SystemUser) -> None:
    source = chosen("sftp-file")
    with sshd(user) as server:
        save(source, sftp_values(server), password=CANARY)
        check(source, run_work)
        trust(source)
        for code in ("sign_in_refused",) * 3 + ("sign_in_paused",):
            with pytest.raises(SupplierError) as error, connections.open_for(source) as connector:
                connector.listing("out")
            assert error.value.problem.code == code
    assert len(connections.find(source).refused_sign_ins) == refused_sign_ins.MOST


# uploads


@pytest.mark.parametrize(
    ("content", "name", "code", "at"),
    [(STOCK, "stock.csv", None, None), (b"<!doctype html><title>Sign in</title>", "stock.csv", "html_page", "understand")],
)
def test_an_upload_has_two_checks(
    chosen: Any, run_work: Any, tmp_path: Any, content: bytes, name: str, code: str | None, at: str | None
) -> None:
    source = chosen("file-upload")
    (tmp_path / "sent").write_bytes(content)
    with (tmp_path / "sent").open("rb") as stream:
        documents.store_upload(source, stream, name)
    run = check(source, run_work)
    assert list(states(source)) == ["sample", "understand"]
    assert (run.problem or {}).get("code") == code
    if code is None:
        assert set(states(source).values()) == {"passed"} and setup_steps.next_step(fresh(source)) == "file"
        saved = file_choice.save(source, {}, FeedFormat(), file_choice.integration_of(source).version, WHO)
        assert saved.settings["format"]["delimiter"] == ","
    else:
        assert states(source)[at] == "failed" and setup_steps.next_step(fresh(source)) == "connection"


def test_an_upload_check_without_an_upload(chosen: Any, run_work: Any) -> None:
    source = chosen("file-upload")
    assert check(source, run_work).problem["code"] == "file_missing"
