"""Private keys for signing in over SSH: reading the merchant's, making ours."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from portal.connectors import problems
from portal.records import Secret

if TYPE_CHECKING:
    import paramiko


def new_key_pair(comment: str = "quayside") -> tuple[str, str]:
    """A fresh Ed25519 pair: the private key as OpenSSH PEM text (a secret), and the public line to hand out."""
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
    return _open_text(key), f"{public} {comment}"


def public_line(private_text: str, comment: str = "quayside") -> str:
    """The public line of an unencrypted private key. Raises SupplierError key_unreadable."""
    key = read_key(Secret(private_text))
    return f"{key.get_name()} {key.get_base64()} {comment}"


def read_key(text: Secret, passphrase: Secret | None = None) -> paramiko.PKey:
    """An Ed25519, ECDSA or RSA key in OpenSSH or PEM form. Raises SupplierError key_unreadable saying why."""
    import paramiko  # loaded only where a server is spoken to: it takes a tenth of a second

    key = _load(_tidy(text.reveal()), passphrase)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return paramiko.Ed25519Key.from_private_key(io.StringIO(_open_text(key)))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return paramiko.ECDSAKey.from_private_key(io.StringIO(_open_text(key)))
    if isinstance(key, rsa.RSAPrivateKey):
        return paramiko.RSAKey.from_private_key(io.StringIO(_open_text(key)))
    raise problems.key_unreadable("It is of a kind that servers no longer take. Use an Ed25519, ECDSA or RSA key.")


def _tidy(text: str) -> bytes:
    lines = [line.strip() for line in text.strip().splitlines()]
    if lines and lines[0].startswith("PuTTY-User-Key-File"):
        raise problems.key_unreadable("It is a PuTTY key. In PuTTYgen, choose Conversions, Export OpenSSH key, and paste that.")
    if lines and lines[0].startswith(("ssh-", "ecdsa-")):
        raise problems.key_unreadable("This is the public half. Paste the private key, from -----BEGIN to -----END.")
    if not lines or not lines[0].startswith("-----BEGIN "):
        raise problems.key_unreadable("It does not begin with -----BEGIN. Paste the whole text of the key file.")
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def _load(text: bytes, passphrase: Secret | None) -> object:
    password = passphrase.reveal().encode() if passphrase else None
    read = serialization.load_ssh_private_key if b"BEGIN OPENSSH" in text else serialization.load_pem_private_key
    try:
        return read(text, password)
    except (TypeError, ValueError, UnsupportedAlgorithm) as error:
        raise problems.key_unreadable(_why(str(error), text, password)) from None


def _why(said: str, text: bytes, password: bytes | None) -> str:
    locked = b"ENCRYPTED" in text or "password" in said.lower()
    if password is None and locked:
        return "It is protected by a passphrase. Enter the passphrase too."
    if password is not None and "not encrypted" in said:
        return "It has no passphrase. Leave the passphrase empty."
    if password is not None:
        return "The passphrase does not open it, or a part of the text is missing."
    return "A part of the text is missing or changed. Paste it from -----BEGIN to -----END."


def _open_text(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    form = serialization.PrivateFormat.OpenSSH
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
