"""A feed comes in through the whole product from servers that are not ours: OpenSSH's sshd and vsftpd."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from portal import connections, file_choice, mappings, runs
from portal.models import Integration, InventoryItem, Run, Source
from tests.connecting import WHO, check, fresh, save, sftp_values, trust
from tests.servers import LOOPBACK, SystemUser, sshd, vsftpd

pytest_plugins = ("tests.connected",)

DELIVERED = {("NW-10442", 14, 99_500), ("NW-10443", 0, 120_000), ("NW-10444", 212, 11_000)}


def synced(source: Source, run_work: Any) -> Run:
    """Pick the file, map it as proposed, and perform one sync."""
    source = fresh(source)
    chosen = file_choice.current(source, connections.find(source))
    choice = {"folder": "out", "match": chosen.match, "pattern": chosen.pattern}
    integration = file_choice.save(source, choice, chosen.format, file_choice.integration_of(source).version, WHO)
    sample = mappings.sample_of(integration)
    assert sample is not None
    rules = mappings.proposed_rules(sample, mappings.propose(integration, sample))
    mappings.save(integration, rules, sample.headers, WHO)
    run = runs.start_sync(Integration.get_by_id(integration.id), started_by=WHO)
    run_work()
    return Run.get_by_id(run.id)


def stock(source: Source) -> set[tuple[str, int, int]]:
    items = InventoryItem.select().where((InventoryItem.source == source) & (InventoryItem.merchant == source.merchant))
    return {(item.sku, item.quantity, item.cost) for item in items}


def key_pair(folder: Path, passphrase: str) -> tuple[str, str]:
    """(public line, private text) of an ed25519 key made by OpenSSH."""
    place = folder / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(place)], check=True)
    return place.with_suffix(".pub").read_text(), place.read_text()


@pytest.mark.parametrize("way", ["password", "ed25519", "passphrase", "our_key"])
def test_openssh_delivers_a_feed(chosen: Any, run_work: Any, user: SystemUser, tmp_path: Path, way: str) -> None:
    source = chosen("sftp-file")
    auth, public, secrets = way, "", {}
    if way == "password":
        secrets = {"password": user.password}
    elif way == "our_key":
        public = connections.make_key_pair(source, "our_key", WHO)
    else:
        phrase = "open sesame" if way == "passphrase" else ""
        auth, (public, private) = "private_key", key_pair(tmp_path, phrase)
        secrets = {"private_key": private} | ({"passphrase": phrase} if phrase else {})
    with sshd(user, authorized=[public] if public else []) as server:
        save(source, sftp_values(server, auth=auth), **secrets)
        check(source, run_work)
        trust(source)
        check(source, run_work)
        run = synced(source, run_work)
    assert (run.state, run.counts["new"]) == ("finished", 3), run.problem
    assert stock(source) == DELIVERED


def test_vsftpd_delivers_a_feed_over_explicit_ftps_with_session_reuse(chosen: Any, run_work: Any, user: SystemUser, authority: Any) -> None:
    source = chosen("ftp-file")
    with vsftpd(user, authority.issue(LOOPBACK, self_signed=True)) as server:
        values = {"host": LOOPBACK, "port": str(server.port), "user": user.name, "security": "explicit", "folder": "out"}
        save(source, values, password=user.password)
        check(source, run_work)
        trust(source)
        check(source, run_work)
        run = synced(source, run_work)
    assert (run.state, run.counts["new"]) == ("finished", 3), run.problem
    assert stock(source) == DELIVERED
