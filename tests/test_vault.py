"""A sealed credential opens in its own place only, and only with the installation's key."""

from __future__ import annotations

import json
import logging

import pytest

from portal import accounts, vault
from portal.models import Merchant, SealedSecret, Source, Webhook
from portal.vault import VaultError


@pytest.fixture
def sealed(merchant: Merchant) -> str:
    return vault.seal(merchant, "source1", "password", "s3cret wörd")


def test_a_sealed_text_opens_in_its_own_place(merchant, sealed):
    assert vault.unseal(merchant, "source1", "password", sealed).reveal() == "s3cret wörd"
    assert "s3cret" not in sealed
    assert vault.seal(merchant, "source1", "password", "s3cret wörd") != sealed


def test_a_secret_shows_itself_nowhere(merchant, sealed):
    secret = vault.unseal(merchant, "source1", "password", sealed)
    assert "s3cret" not in f"{secret} {secret!r} {[secret]}"
    with pytest.raises(TypeError):
        json.dumps(secret)


@pytest.mark.parametrize(("source", "field"), [("source2", "password"), ("source1", "passphrase")])
def test_it_does_not_open_for_another_source_or_field(merchant, sealed, source, field):
    with pytest.raises(VaultError, match="belongs to another place"):
        vault.unseal(merchant, source, field, sealed)


def test_it_does_not_open_for_another_merchant_even_with_that_merchants_data_key(merchant, other_merchant, sealed):
    with pytest.raises(VaultError):
        vault.unseal(other_merchant, "source1", "password", sealed)
    other_merchant.data_key = merchant.data_key
    with pytest.raises(VaultError):
        vault.unseal(other_merchant, "source1", "password", sealed)


def test_every_single_changed_letter_is_noticed(merchant, sealed):
    for place, letter in enumerate(sealed):
        changed = sealed[:place] + ("A" if letter != "A" else "B") + sealed[place + 1 :]
        if place == len(sealed) - sealed.count("=") - 1:
            continue  # the last letter of base64 may hold unused bits
        with pytest.raises(VaultError):
            vault.unseal(merchant, "source1", "password", changed)


@pytest.mark.parametrize("text", ["", "v1", "v1.", "v2.AAAA", "v1.!!!!", "v1.AAAA", "plain password"])
def test_what_was_never_sealed_is_refused_without_being_quoted(merchant, text):
    with pytest.raises(VaultError) as refused:
        vault.unseal(merchant, "source1", "password", text)
    assert len(text) < 6 or text not in str(refused.value)


def test_the_key_file_is_private_and_is_not_made_twice(tmp_path):
    path = tmp_path / "deep" / "secret.key"
    vault.load(path)
    first = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    vault.load(path)
    assert path.read_bytes() == first
    assert [entry.name for entry in path.parent.iterdir()] == ["secret.key"]


def test_a_key_file_that_others_can_read_is_reported(tmp_path, caplog):
    path = tmp_path / "secret.key"
    vault.load(path)
    path.chmod(0o644)
    with caplog.at_level(logging.WARNING):
        vault.load(path)
    assert "chmod 600" in caplog.text


@pytest.mark.parametrize("content", ["", "# nothing\n", "too short\n", "AAAA\n"])
def test_a_broken_key_file_is_named(tmp_path, content):
    path = tmp_path / "secret.key"
    path.write_text(content)
    with pytest.raises(VaultError, match="secret.key"):
        vault.load(path)


def test_the_wrong_key_is_noticed_at_the_start(merchant, tmp_path):
    vault.check(vault.current())
    with pytest.raises(VaultError, match="put the right key file back"):
        vault.check(vault.load(tmp_path / "another.key"))


def test_rotation_keeps_every_secret_and_every_running_process_working(merchant, make_source, tmp_path):
    source = make_source()
    sealed = vault.seal(merchant, source.public_id, "password", "s3cret")
    SealedSecret.create(source=source, field="password", sealed=sealed)
    running, operator = vault.current(), vault.load(vault.current().path)
    assert vault.rotate(operator) == 1
    fresh = Merchant.get_by_id(merchant.id)
    assert fresh.data_key != merchant.data_key
    assert running.unseal(fresh, source.public_id, "password", sealed).reveal() == "s3cret"
    assert running.unseal(merchant, source.public_id, "password", sealed).reveal() == "s3cret"
    assert vault.drop_unused(operator) == 1 and len(vault.load(operator.path).key_ids) == 1
    assert vault.verify(vault.load(operator.path)) == (1, [])


def test_a_rotation_that_was_cut_off_can_be_repeated(merchant, other_merchant):
    operator = vault.load(vault.current().path)
    before = other_merchant.data_key
    vault.rotate(operator)
    Merchant.update(data_key=before).where(Merchant.id == other_merchant.id).execute()  # as if it was killed before this one
    assert vault.verify(operator)[1] == []
    vault.rotate(operator)
    vault.drop_unused(operator)
    assert vault.verify(vault.load(operator.path))[1] == [] and len(vault.load(operator.path).key_ids) == 1


def test_keys_still_needed_are_not_dropped(merchant):
    operator = vault.load(vault.current().path)
    before = merchant.data_key
    vault.rotate(operator)
    Merchant.update(data_key=before).where(Merchant.id == merchant.id).execute()
    assert vault.drop_unused(operator) == 0


def test_a_workspace_made_by_a_process_of_before_uses_the_newest_key(merchant):
    running = vault.current()
    vault.rotate(vault.load(running.path))
    made = accounts.create_merchant("Late")
    assert running.key_of(made.data_key) == vault.load(running.path).key_ids[0]


def test_verify_opens_webhooks_too(merchant, make_source):
    one, other = make_source("First"), make_source("Second")
    field = vault.WEBHOOK_FIELDS
    sealed = [vault.seal(merchant, one.public_id, name, "one") for name in field]
    Webhook.create(source=one, token_hash="1" * 64, sealed_token=sealed[0], sealed_secret=sealed[1])
    assert vault.verify(vault.current()) == (2, [])
    Webhook.create(source=other, token_hash="2" * 64, sealed_token=sealed[0])
    assert other.public_id in vault.verify(vault.current())[1][0]


def test_verify_names_a_secret_that_was_moved(merchant, make_source):
    first, second = make_source("First"), make_source("Second")
    SealedSecret.create(source=first, field="password", sealed=vault.seal(merchant, first.public_id, "password", "one"))
    row = SealedSecret.create(source=second, field="password", sealed=vault.seal(merchant, first.public_id, "password", "one"))
    opened, problems = vault.verify(vault.current())
    assert opened == 1 and len(problems) == 1 and second.public_id in problems[0]
    assert Source.get_by_id(row.source_id) == second
