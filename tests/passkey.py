"""An authenticator in software: makes passkeys and signs with them, rightly or as an attacker would."""

from __future__ import annotations

import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

PRESENT, VERIFIED, ATTESTED = 1, 4, 64


@dataclass
class Key:
    """A passkey of one person at one site. `uses` counts on with each signature unless `counts` is false."""

    site: str
    origin: str
    handle: bytes = b""
    counts: bool = True
    uses: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    secret: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def make(self, options: str, **but: Any) -> str:
        """What a browser answers to the options of making one."""
        told = json.loads(options)
        self.handle = base64url_to_bytes(told["user"]["id"])
        numbers = self.secret.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        data = self._data(ATTESTED, but) + bytes(16) + struct.pack(">H", len(self.id)) + self.id + cose
        sealed = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client("webauthn.create", told["challenge"], but)
        return self._answer({"clientDataJSON": client, "attestationObject": sealed})

    def sign(self, options: str, **but: Any) -> str:
        """What a browser answers to the options of signing in. `but`: challenge, origin, site, verified, handle, uses, id, secret."""
        told = json.loads(options)
        if self.counts:
            self.uses += 1
        data, client = self._data(0, but), self._client("webauthn.get", told["challenge"], but)
        secret = but.get("secret", self.secret)
        signature = secret.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        handle = but.get("handle", self.handle)
        return self._answer({"clientDataJSON": client, "authenticatorData": data, "signature": signature, "userHandle": handle}, but)

    def _data(self, flags: int, but: dict[str, Any]) -> bytes:
        flags |= PRESENT | (VERIFIED if but.get("verified", True) else 0)
        return hashlib.sha256(but.get("site", self.site).encode()).digest() + struct.pack(">BI", flags, but.get("uses", self.uses))

    def _client(self, kind: str, challenge: str, but: dict[str, Any]) -> bytes:
        told = {"type": kind, "challenge": but.get("challenge", challenge), "origin": but.get("origin", self.origin), "crossOrigin": False}
        return json.dumps(told).encode()

    def _answer(self, parts: dict[str, bytes], but: dict[str, Any] | None = None) -> str:
        name = bytes_to_base64url((but or {}).get("id", self.id))
        response = {key: bytes_to_base64url(part) for key, part in parts.items() if part}
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}})
