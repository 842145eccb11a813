"""Reading the WSDL of a connection: kept, uploaded or anew by its address; the operation that is asked, and where calls go.

address ─▶ shelf ─▶ Contract ─▶ library        library ─▶ Contract        Contract ─▶ operation ─▶ endpoint
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from portal.connectors import problems
from portal.connectors.api_auth import refused
from portal.connectors.caller import Asked, Caller
from portal.connectors.soap_auth import SoapAuth
from portal.connectors.soap_files import LONGEST_FILE, Files, Shelf, origin, over_tls, unreadable
from portal.connectors.soap_wsdl import Contract, Operation, contract_of
from portal.connectors.steps import Steps

XML = {"Accept": "text/xml, application/soap+xml, application/xml, multipart/related"}


class Library(Protocol):
    """Where a connection's WSDL is kept, so that it is read once."""

    def kept(self) -> Files | None:
        """The WSDL in use."""

    def uploads(self) -> Mapping[str, bytes]:
        """Schemas that a person added to a WSDL that is read by address."""

    def keep(self, files: Files, outline: Mapping[str, Any]) -> str:
        """Keep what was read; what is other than before, in a sentence ("" when nothing, or nothing that matters)."""


class WsdlReader:
    """Settings: `wsdl_from` (address or upload), `wsdl`, `endpoint`, `wsdl_operation` (key or name).

    `own` asks the server that calls go to, with what signs them and the key that a person trusts; `elsewhere` any other, with neither.
    """

    def __init__(self, settings: Mapping[str, Any], library: Library, own: Caller, elsewhere: Caller, auth: SoapAuth) -> None:
        self.settings, self.library, self.own, self.elsewhere, self.auth = settings, library, own, elsewhere, auth

    @property
    def uploaded(self) -> bool:
        """Whether a person uploads the WSDL; then nothing of it is fetched."""
        return self._text("wsdl_from") == "upload"

    def contract(self) -> Contract:
        """The kept WSDL; read now where none is kept for this address. Raises SupplierError."""
        kept = self.library.kept()
        if kept is not None and (kept.uploaded if self.uploaded else kept.entry == self._text("wsdl")):
            return contract_of(kept)
        return self.anew(Steps())[0]

    def anew(self, steps: Steps) -> tuple[Contract, str, Steps]:
        """The WSDL from where it comes from, what changed about it, and the steps that no request has reported yet."""
        if self.uploaded:
            return self._of_upload(steps), "", steps
        entry = self._text("wsdl")
        same = not self._text("endpoint") or origin(entry) == origin(self._text("endpoint"))
        line, headers = (self.own, XML | self.auth.headers()) if same else (self.elsewhere, XML)
        reported = [steps if same else Steps()]

        def fetch(address: str) -> bytes:
            answer = line.ask(Asked("GET", address, headers=headers), steps=reported[0], limit=LONGEST_FILE)
            reported[0] = Steps()
            if not answer.good:
                raise refused(answer, line, self.auth.user)
            return answer.body

        contract = Contract(Shelf(entry, self.library.uploads(), fetch))
        return contract, self.library.keep(contract.files, contract.outline()), Steps() if same else steps

    def _of_upload(self, steps: Steps) -> Contract:
        kept = self.library.kept()
        if kept is None or not kept.uploaded:
            with steps.step("folder"):
                body = "You chose to upload it: the WSDL, and the schemas (XSD) that it imports, or a zip of them."
                raise problems.question("The WSDL is still to come", body, "Upload the WSDL", "wsdl")
        contract = contract_of(kept)
        self.library.keep(contract.files, contract.outline())
        return contract

    def chosen(self, contract: Contract) -> Operation:
        """The operation that is asked. Raises SupplierError not_set_up while it is to choose, protocol_error for one that cannot be."""
        key = self._text("wsdl_operation")
        operation = contract.operation(key)
        if not key:
            body = f"The WSDL has {len(contract.operations):,} operations. Choose the one that tells the stock."
            raise problems.question("Which operation tells the stock?", body, "Choose the operation", "operation")
        if operation is None:
            there = problems.some(sorted({one.name for one in contract.operations.values()}), 4)
            body = f"The WSDL has no {key.rpartition(':')[2][:40]} any more. It has: {there}."
            raise problems.question("The chosen operation is gone", body, "Choose the operation", "operation")
        if operation.unusable:
            raise unreadable(f"{operation.name}: {operation.unusable}")
        return operation

    def endpoint(self, operation: Operation) -> str:
        """Where calls go: as typed, else what the WSDL says, when that is the server that the WSDL itself came from.

        Raises SupplierError not_set_up where a person has to say it.
        """
        typed, said = self._text("endpoint"), over_tls(operation.endpoint, self._text("wsdl"))
        if typed:
            return typed
        usable = said.startswith(("http://", "https://"))
        if usable and not self.uploaded and origin(said)[1] == origin(self._text("wsdl"))[1]:
            return said
        if usable:
            body = f"The WSDL says {said[:80]}. If the supplier's service is there, enter it as its address."
        elif said:
            body = f"The WSDL says “{said[:40]}”, which is no address. Ask the supplier for the service's address."
        else:
            body = "The WSDL names no address. Ask the supplier for it."
        raise problems.question("Where do the calls go?", f"{body} We sent nothing there.", "Enter the address", "connection")

    def _text(self, key: str) -> str:
        return str(self.settings.get(key) or "").strip()
