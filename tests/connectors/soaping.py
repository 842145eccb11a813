"""Short words for the tests of SOAP: a connector with a library in memory, and everything that it told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portal.connectors.network import Guard
from portal.connectors.soap import SoapConnector
from portal.connectors.soap_files import Files
from portal.errors import SupplierError
from portal.records import Check, Exchange, Secret
from tests.servers import LOOPBACK

PASSWORD = "k3y <of> the & test"
ALL = {"status": {"from": "value", "lines": ["all"]}}


class Shelf:
    """A library that forgets with the test."""

    def __init__(self, files: Files | None = None, uploads: Mapping[str, bytes] | None = None) -> None:
        self.files, self.added, self.outline = files, dict(uploads or {}), None
        self.kept_times = 0

    def kept(self) -> Files | None:
        return self.files

    def uploads(self) -> Mapping[str, bytes]:
        return self.added

    def keep(self, files: Files, outline: Any) -> str:
        self.files, self.outline, self.kept_times = files, outline, self.kept_times + 1
        return ""


class Asking:
    """A SOAP connector to a WSDL, and what it told."""

    def __init__(
        self, wsdl: str = "", library: Shelf | None = None, guard: Guard | None = None, secret: str = PASSWORD, **settings: Any
    ) -> None:
        usual = {
            "wsdl_from": "address", "wsdl": wsdl, "auth": "none", "user": "ana", "plain_ok": "1", "wsdl_operation": "ListStock",
            "arguments": ALL, "items": "items.item", "errors_at": "result.code", "errors_good": "0, OK",
        }  # fmt: skip
        self.exchanges: list[Exchange] = []
        self.checks: list[Check] = []
        self.library = library or Shelf()
        self.connector = SoapConnector(
            usual | settings, {"password": Secret(secret)} if secret else {}, guard=guard or Guard.from_config(LOOPBACK), trusted_key=None,
            library=self.library, record=self.exchanges.append,
        )  # fmt: skip

    def check(self) -> dict[str, str]:
        """The state of each check that came to an end, by name; failures are in `problem`."""
        self.problem = None
        try:
            self.connector.check(self.checks.append, "")
        except SupplierError as error:
            self.problem = error.problem
        return {one.name: one.state for one in self.checks if one.state != "running"}

    def detail(self, name: str) -> str:
        return next(one.detail for one in reversed(self.checks) if one.name == name and one.state != "running")

    def fetch(self, folder: Path, limit: int = 10**7) -> list[Any]:
        into = folder / "items.jsonl"
        fetched = self.connector.fetch("", "newest", "*", into, limit, lambda *_: None)
        assert fetched.size == into.stat().st_size and fetched.name == "items.jsonl"
        return [json.loads(line) for line in into.read_bytes().splitlines()]

    def refused(self, folder: Path) -> Any:
        """The problem that fetching ends with; no file is left."""
        try:
            self.fetch(folder)
        except SupplierError as error:
            assert list(folder.iterdir()) == []
            return error.problem
        raise AssertionError("nothing was refused")
