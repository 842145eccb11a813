"""A connector moves bytes: one module per protocol, every socket through `network.Guard`.

resolve ─ connect ─ identity ─ sign in ─ folder      (checks 1 to 5 of the connection test)
                                        └ fetch ─ `.part` ─ fsync ─ rename
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

from portal.records import Check, Exchange, Fetched, FileEntry, Secret

if TYPE_CHECKING:
    from portal.connectors.api_auth import TokenSource
    from portal.connectors.network import Guard
    from portal.connectors.sending import Found, Sent, Witness
    from portal.connectors.soap_reading import Library

Progress = Callable[[int, int | None], None]


class Connector(Protocol):
    """One supplier's server, reached when first needed. Not safe for use by two threads at once.

    Every method raises SupplierError and nothing else that is expected. A credential leaves only after
    the server's identity is the trusted one: an SSH host key by `trusted_key`, a TLS certificate by the
    system's authorities or by `trusted_key`.
    """

    def check(self, report: Callable[[Check], None], folder: str) -> list[FileEntry]:
        """Checks 1 to 5 (address, port, identity, sign_in, folder) in order on a fresh connection.

        `report` gets each Check as "running", then as passed, failed or question; the first failure is
        raised and ends the list, so later checks are never reported. A question (an SSH host key or a
        certificate nobody vouches for) has the facts {"key_type", "fingerprint"}; keep those two as
        `trusted_key` once the merchant confirmed them. Returns what is in `folder`.
        """

    def listing(self, folder: str) -> list[FileEntry]:
        """Files and folders in `folder`, as the server orders them. A file link has exactly one entry."""

    def fetch(
        self, folder: str, match: str, pattern: str, into: Path, limit_bytes: int, progress: Progress, settle_seconds: float = 5.0
    ) -> Fetched:
        """Bring one file to the local path `into` (written as `into` + ".part", then renamed).

        `match`: "newest" takes the newest file whose name fits the glob `pattern`, "exact" the file of
        that name; a file link ignores both. The file must stand still for `settle_seconds` (two looks),
        else file_growing. `progress(bytes so far, bytes in all or None)` is called at least each 256 kB,
        and about each second while waiting; what it raises stops the fetch and leaves no file behind.
        """

    @property
    def witness(self) -> Witness:
        """How a sent document is found again at the supplier."""

    def send(self, operation: str, document: bytes, reference: str) -> Sent:
        """Hand a document over once, and say how that ended (sending.OUTCOMES). A send is never repeated here, whatever comes.

        Raises SupplierError not_set_up where this connection has no such operation; nothing left then.
        """

    def find(self, reference: str, since: str = "") -> Found | None:
        """The document with our reference at the supplier; None when its list does not hold it. What that proves, `witness` says.

        `since`: ISO 8601 UTC, from when it can be there. Raises SupplierError where it cannot be looked for.
        """

    def close(self) -> None:
        """End the connection. Safe to call twice."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


class Unchanged(Exception):
    """The server says that the file is the one we have (304)."""


@runtime_checkable
class Conditional(Protocol):
    """A connector of one file that is fetched only if it changed: `fetch` then raises Unchanged. `asked` says which file it is."""

    asked: str

    def unless(self, etag: str, modified: datetime | None) -> None:
        """What we have of the file. `modified` naive UTC."""


PROTOCOLS: Mapping[str, tuple[str, str]] = {
    "sftp": ("portal.connectors.sftp", "SftpConnector"),
    "ftp": ("portal.connectors.ftp", "FtpConnector"),
    "http": ("portal.connectors.http", "HttpConnector"),
    "rest": ("portal.connectors.rest", "RestConnector"),
    "soap": ("portal.connectors.soap", "SoapConnector"),
    "shopify": ("portal.connectors.shopify", "ShopifyConnector"),
}
"""The module and class of each protocol: loaded when first opened, so that what reads no server starts without its libraries."""
TELLS = frozenset({"rest", "shopify", "soap"})
"""Protocols whose single requests are worth a line each."""


def open_connector(
    protocol: str, settings: Mapping[str, Any], secrets: Mapping[str, Secret], *, guard: Guard, trusted_key: Mapping[str, Any] | None,
    record: Callable[[Exchange], None] | None = None, tokens: TokenSource | None = None, library: Library | None = None,
) -> Connector:  # fmt: skip
    """A connector for `protocol` (a key of PROTOCOLS; an upload has no server). Opens no socket yet.

    `settings` and `secrets` follow the keys of the supplier's TOML, its fixed ones among them; `record` is told each exchange of
    the protocols in TELLS, `tokens` give theirs where a person signed in by OAuth2, and `library` keeps the WSDL of a SOAP service.
    Raises KeyError for another protocol.
    """
    more: dict[str, Any] = {"record": record} if record and protocol in TELLS else {}
    more |= {"tokens": tokens} if protocol in ("rest", "shopify") else {"library": library} if protocol == "soap" else {}
    module, name = PROTOCOLS[protocol]
    made: Connector = getattr(import_module(module), name)(settings, secrets, guard=guard, trusted_key=trusted_key, **more)
    return made
