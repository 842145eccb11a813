"""Our own SSH key pairs: the private half is sealed at once, the public line goes to the supplier."""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from portal.records import Secret

COMMENT = "quayside"


def make() -> tuple[Secret, str]:
    """A fresh Ed25519 pair: the private key in OpenSSH's form, and the public line for authorized_keys."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return Secret(private.decode()), f"{public.decode()} {COMMENT}"


def fingerprint(public_line: str) -> str:
    """ "SHA256:" and the digest of a public line, as ssh-keygen -l shows it."""
    blob = base64.b64decode(public_line.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
