"""Who asks: what a SOAP call carries beside its arguments."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, MutableMapping
from typing import Any

from lxml import etree
from zeep.ns import WSSE
from zeep.wsse.username import UsernameToken

from portal.records import Secret

_WORDS = {
    "wsse_text": "by WS-Security", "wsse_digest": "by WS-Security, as a digest", "basic": "by HTTP Basic", "arguments": "in the call",
}  # fmt: skip


class SoapAuth:
    """Signs calls. Settings: `auth` (none, wsse_text, wsse_digest, basic or arguments) and `user`; the secret `password`.

    `secrets` is shared with what masks them: a digest is added to it, as it proves who we are for some minutes.
    """

    def __init__(self, settings: Mapping[str, Any], secrets: MutableMapping[str, Secret]) -> None:
        self.kind, self.user = str(settings.get("auth") or "none"), str(settings.get("user") or "").strip()
        self.secrets = secrets

    def token(self) -> UsernameToken | None:
        """What goes into the header of the message (OASIS UsernameToken Profile 1.0); None where nothing does."""
        if self.kind not in ("wsse_text", "wsse_digest"):
            return None
        return UsernameToken(self.user, self._password(), use_digest=self.kind == "wsse_digest", zulu_timestamp=True)

    def hide(self, body: bytes) -> None:
        """Let the digest of this message be masked wherever it is told."""
        if self.kind != "wsse_digest":
            return
        root = etree.fromstring(body)
        for name in ("Password", "Nonce"):
            for one in root.iter(f"{{{WSSE}}}{name}"):
                self.secrets[f"wsse {name}"] = Secret(one.text or "")

    def headers(self) -> dict[str, str]:
        """What goes into the HTTP headers."""
        if self.kind != "basic":
            return {}
        return {"Authorization": "Basic " + b64encode(f"{self.user}:{self._password()}".encode()).decode()}

    def words(self) -> str:
        """How we sign in, for the merchant; no secret in it."""
        if self.kind == "none":
            return "Nothing is sent to sign in"
        return f"Asked as {self.user or 'nobody'}, {_WORDS.get(self.kind, '')}"

    def _password(self) -> str:
        return (self.secrets.get("password") or Secret("")).reveal()
