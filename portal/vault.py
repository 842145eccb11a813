"""Seal and open credentials: installation key ─▶ merchant's data key ─▶ one sealed text per source and field."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from portal.models import (
    AlertSettings,
    Authenticator,
    Channel,
    FeedLink,
    Merchant,
    SealedSecret,
    Source,
    StaffPerson,
    User,
    Webhook,
    database,
)
from portal.records import Secret

Owner = Merchant | StaffPerson
"""Whose data key seals: a merchant's, or that of one of the support staff, who belong to none."""

KEY_BYTES = 32
NONCE_BYTES = 12
FORM = "v1"
WEBHOOK_FIELDS = ("webhook address", "webhook secret")
FEED_FIELD = "feed link"
STAFF_FIELD = "authenticator"
ALERT_PLACE = ("alerts", "webhook secret")
"""Where the secret of the webhook for alerts is sealed to."""
WRAPPED_FOR = b"quayside data key"
HEADING = "# Quayside: the key that seals credentials. Keep a copy apart from the database; without it they are lost.\n"

log = logging.getLogger(__name__)


class VaultError(Exception):
    """A sealed text or a key that cannot be opened. The message names the place, never the content."""


class Vault:
    """The installation's keys from one file: the first seals, any of them opens."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._keys = _read(path)

    def new_data_key(self) -> str:
        """A fresh data key for a merchant, wrapped by the first key of the file as it is now."""
        return self._wrap(secrets.token_bytes(KEY_BYTES))

    def rewrap(self, wrapped: str) -> str:
        """The same data key, wrapped by the first key of the file. Raises VaultError."""
        return self._wrap(self._unwrap(wrapped))

    def seal(self, merchant: Owner, source: str, field: str, text: str) -> str:
        """Encrypt `text` for this merchant, source (public id) and field; it opens nowhere else."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = AESGCM(self._unwrap(merchant.data_key)).encrypt(nonce, text.encode(), _place(merchant, source, field))
        return f"{FORM}.{_encode(nonce + sealed)}"

    def unseal(self, merchant: Owner, source: str, field: str, sealed: str) -> Secret:
        """The text again. Raises VaultError when it was altered or belongs to another merchant, source or field."""
        raw = _decode(sealed, parts=2)
        key = AESGCM(self._unwrap(merchant.data_key))
        try:
            text = key.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], _place(merchant, source, field))
        except (InvalidTag, ValueError) as problem:
            raise VaultError(f"The sealed {field} of source {source} was altered or belongs to another place") from problem
        return Secret(text.decode())

    def mark(self, merchant: Merchant, text: str) -> str:
        """A keyed hash of `text`, the same for this merchant however often the installation's key is rotated; it tells nothing of it."""
        return hmac.new(self._unwrap(merchant.data_key), b"quayside mark|" + text.encode(), hashlib.sha256).hexdigest()

    def marks(self, text: str) -> list[str]:
        """Keyed hashes of `text` by each key of the installation, the one that seals first."""
        return [hmac.new(key, b"quayside device|" + text.encode(), hashlib.sha256).hexdigest() for key in self._keys.values()]

    def key_of(self, wrapped: str) -> str:
        """The id of the installation key that wrapped this data key."""
        return wrapped.split(".")[1] if wrapped.count(".") == 2 else ""

    @property
    def key_ids(self) -> list[str]:
        """Ids of the keys in the file, the sealing one first. An id tells nothing about the key."""
        return list(self._keys)

    def _wrap(self, data_key: bytes) -> str:
        self._keys = _read(self.path)
        key_id, key = next(iter(self._keys.items()))
        nonce = secrets.token_bytes(NONCE_BYTES)
        return f"{FORM}.{key_id}.{_encode(nonce + AESGCM(key).encrypt(nonce, data_key, WRAPPED_FOR))}"

    def _unwrap(self, wrapped: str) -> bytes:
        key_id, raw = self.key_of(wrapped), _decode(wrapped, parts=3)
        if key_id not in self._keys:  # the file may have been rotated since this process began
            self._keys = _read(self.path)
        if key_id not in self._keys:
            raise VaultError(
                f"{self.path} does not hold the key {key_id} that sealed this workspace's credentials; put the right key file back"
            )
        try:
            return AESGCM(self._keys[key_id]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], WRAPPED_FOR)
        except (InvalidTag, ValueError) as problem:
            raise VaultError("A workspace's data key was altered") from problem


_current: Vault | None = None


def load(path: Path) -> Vault:
    """The vault of that key file, which is made (32 random bytes, mode 0600) when it is missing. Raises VaultError."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _make(path, HEADING + _new_key_line())
    if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        log.warning("%s can be read by others on this machine; chmod 600 it", path)
    return Vault(path)


def use(vault: Vault) -> Vault:
    """Make this the vault of the process and return it."""
    global _current
    _current = vault
    return vault


def current() -> Vault:
    """The vault of the process. Raises VaultError before `use` was called."""
    if _current is None:
        raise VaultError("No key was loaded in this process")
    return _current


def new_data_key() -> str:
    """`Vault.new_data_key` of the current vault."""
    return current().new_data_key()


def seal(merchant: Owner, source: str, field: str, text: str) -> str:
    """`Vault.seal` of the current vault."""
    return current().seal(merchant, source, field, text)


def unseal(merchant: Owner, source: str, field: str, sealed: str) -> Secret:
    """`Vault.unseal` of the current vault. Raises VaultError."""
    return current().unseal(merchant, source, field, sealed)


def rotate(vault: Vault) -> int:
    """Put a new key first in the file and wrap every merchant's data key with it; how many. Safe to stop and repeat.

    Older keys stay in the file until `drop_unused`, so that processes and backups of the moment before still open.
    """
    kept = vault.path.read_text(encoding="utf-8").removeprefix(HEADING)
    _replace(vault.path, HEADING + _new_key_line() + kept)
    count = 0
    for merchant in Merchant.select(Merchant.id, Merchant.data_key):
        Merchant.update(data_key=vault.rewrap(merchant.data_key)).where(Merchant.id == merchant.id).execute()
        count += 1
    for person in StaffPerson.select(StaffPerson.id, StaffPerson.data_key):
        StaffPerson.update(data_key=vault.rewrap(person.data_key)).where(StaffPerson.id == person.id).execute()
    return count


def drop_unused(vault: Vault) -> int:
    """Take keys out of the file that no data key needs any more; how many. The first one always stays."""
    fresh = Vault(vault.path)
    wrapped = [one.data_key for table in (Merchant, StaffPerson) for one in table.select(table.data_key)]
    needed = {fresh.key_of(one) for one in wrapped} | {fresh.key_ids[0]}
    lines = [_encode(key) for key_id, key in fresh._keys.items() if key_id in needed]
    _replace(vault.path, HEADING + "".join(f"{line}\n" for line in lines))
    vault._keys = _read(vault.path)
    return len(fresh.key_ids) - len(lines)


def verify(vault: Vault) -> tuple[int, list[str]]:
    """Open every data key and every sealed secret; how many opened, and a sentence for each that did not."""
    opened, problems = 0, []
    for merchant in Merchant.select():
        try:
            vault._unwrap(merchant.data_key)
        except VaultError as problem:
            problems.append(f"Workspace {merchant.public_id}: {problem}")
            continue
        for source, field, sealed in _sealed_of(merchant):
            try:
                vault.unseal(merchant, source, field, sealed)
                opened += 1
            except VaultError as problem:
                problems.append(f"Workspace {merchant.public_id}: {problem}")
    for person in StaffPerson.select():
        try:
            vault.unseal(person, person.public_id, STAFF_FIELD, person.sealed_key)
            opened += 1
        except VaultError as problem:
            problems.append(f"Support staff {person.email}: {problem}")
    return opened, problems


def prove(vault: Vault, merchant: Merchant) -> int:
    """Open the merchant's data key, and one of its secrets where it has any; 1 when one was opened. Raises VaultError."""
    vault._unwrap(merchant.data_key)
    for source, field, sealed in _sealed_of(merchant):
        vault.unseal(merchant, source, field, sealed)
        return 1
    return 0


def _sealed_of(merchant: Merchant) -> Iterator[tuple[str, str, str]]:
    """(source or channel, field, sealed text) of each credential of the merchant, and of each webhook's and feed's address and secrets."""
    for row in SealedSecret.select(SealedSecret, Source).join(Source).where(Source.merchant == merchant):
        yield row.source.public_id, row.field, row.sealed
    address, secret = WEBHOOK_FIELDS
    for hook in Webhook.select(Webhook, Source).join(Source).where(Source.merchant == merchant):
        for field, sealed in ((address, hook.sealed_token), (secret, hook.sealed_secret), (secret, hook.sealed_old)):
            if sealed:
                yield hook.source.public_id, field, sealed
    for link in FeedLink.select(FeedLink, Channel).join(Channel).where(Channel.merchant == merchant):
        yield link.channel.public_id, FEED_FIELD, link.sealed_token
    for app in Authenticator.select(Authenticator, User).join(User).where(User.merchant == merchant):
        yield app.user.public_id, "authenticator", app.sealed
    for told in AlertSettings.select().where(AlertSettings.merchant == merchant, AlertSettings.hook_secret.is_null(False)):
        yield *ALERT_PLACE, told.hook_secret or ""


def check(vault: Vault) -> None:
    """Prove at start that the file's keys open this database's data keys. Raises VaultError."""
    with database.connection_context():
        newest = Merchant.select().order_by(Merchant.id.desc()).first()
    if newest is not None:
        vault._unwrap(newest.data_key)


def _place(merchant: Owner, source: str, field: str) -> bytes:
    parts = (merchant.public_id, source, field)
    if any("|" in part for part in parts):
        raise VaultError("A source id or field name holds a | character")
    return "|".join(parts).encode()


def _read(path: Path) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key = base64.b64decode(line.strip(), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
            raise VaultError(f"Line {number} of {path} is not {KEY_BYTES} bytes in base64")
        keys[hashlib.sha256(b"quayside key id" + key).hexdigest()[:8]] = key
    if not keys:
        raise VaultError(f"{path} holds no key")
    return keys


def _new_key_line() -> str:
    return _encode(secrets.token_bytes(KEY_BYTES)) + "\n"


def _make(path: Path, text: str) -> None:
    """Write a whole file in one step; another process that made it first wins."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        log.info("%s was made by another process", path)
    finally:
        draft.unlink()


def _replace(path: Path, text: str) -> None:
    _draft(path, text).replace(path)


def _draft(path: Path, text: str) -> Path:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(text: str, parts: int) -> bytes:
    pieces = text.split(".")
    if len(pieces) != parts or pieces[0] != FORM:
        raise VaultError("A sealed text has an unknown form")
    try:
        return base64.b64decode(pieces[-1], validate=True)
    except binascii.Error as problem:
        raise VaultError("A sealed text was altered") from problem
