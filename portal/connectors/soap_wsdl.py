"""A WSDL read by zeep: which operations there are, what each takes and gives, and the message of a call.

Files ─▶ zeep's Document ─▶ Contract ─▶ outline (plain values, for pages) and envelope (for a call)
"""

from __future__ import annotations

import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

import zeep.exceptions
from lxml import etree
from zeep import Client, Settings
from zeep.transports import Transport
from zeep.wsdl import Document
from zeep.wsdl.bindings.soap import Soap12Binding, SoapBinding
from zeep.wsse.username import UsernameToken

from portal.connectors import problems, soap_send
from portal.connectors.soap_arguments import HEADER, arguments_of, filled
from portal.connectors.soap_files import WSDL, Files, Shelf, unreadable
from portal.connectors.soap_schema import Part, Schemas, columns_of, leaves, repeated
from portal.errors import SupplierError

KEPT = 8
warnings.filterwarnings("ignore", category=UserWarning, module=r"zeep\.wsdl")  # what it leaves out: see _left_out
_SETTINGS = Settings(strict=True, raw_response=True, forbid_dtd=True, forbid_entities=True, force_https=False)
_FAULTS = (
    zeep.exceptions.Error, etree.LxmlError, AttributeError, AssertionError, IndexError, KeyError, NotImplementedError, RecursionError,
    RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What zeep raises for a WSDL that it cannot use: it looks for little and trips over the rest."""


class Line(Transport):
    """What zeep reads and sends by. It opens nothing: files come from a Shelf, and a call is only held, for our own line to send."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.held: tuple[bytes, dict[str, str]] | None = None

    def load(self, url: Any) -> bytes:
        """The bytes of a WSDL or schema."""
        return self._shelf.take(str(url))

    def post(self, _address: str, message: bytes, headers: Mapping[str, str]) -> None:
        """Hold the message of a call."""
        self.held = message, dict(headers)

    def get(self, *_: Any) -> Any:
        """No binding that we offer asks by GET."""
        raise RuntimeError("only SOAP calls are made")

    def __del__(self) -> None:
        """There is no session to close."""


@dataclass(frozen=True)
class Operation:
    """One operation of one port. `version`: 1.1 or 1.2; `endpoint`: the address in the WSDL, which may be none at all."""

    name: str
    port: str
    version: str
    endpoint: str
    words: str
    takes: Part
    gives: Part
    unusable: str = ""

    @property
    def key(self) -> str:
        """What it is chosen by."""
        return f"{self.port}:{self.name}"

    def outline(self) -> dict[str, Any]:
        """For pages: plain values, JSON-safe."""
        lists = [{"path": path, "columns": columns_of(part)} for path, part in repeated(self.gives)]
        return {
            "key": self.key, "name": self.name, "port": self.port, "version": self.version, "endpoint": self.endpoint,
            "words": self.words, "unusable": self.unusable, "answer": self.gives.name, "lists": lists,
            "arguments": [] if self.unusable else arguments_of(self.takes),
        }  # fmt: skip


class Contract:
    """A WSDL that was read. Raises SupplierError where it cannot be."""

    def __init__(self, shelf: Shelf) -> None:
        try:
            self.files = shelf.gather()
            self._schemas = Schemas(self.files.files)
            if self._schemas.endless():
                raise unreadable("Its schemas unfold without an end.")
            self._document = Document(shelf.entry, cast(Any, Line(shelf)), settings=_SETTINGS)  # its annotation wants the class
            self._documented = dict(_documentation(self.files))
            self._bindings = dict(self._ports())
            self.operations = {one.key: one for port, found in self._bindings.items() for one in self._operations(port, *found)}
        except SupplierError:
            raise
        except _FAULTS as error:
            raise unreadable(_words_of(error)) from error
        lost = [name for name in self._documented if name not in {one.name for one in self.operations.values()}]
        if not self.operations:
            named = f" ({problems.some(lost, 3)})" if lost else ""
            raise unreadable(f"None of its operations{named} is called by SOAP, or they need types that are in none of its schemas.")
        self.operations |= {one.key: one for one in map(_left_out, lost)}

    def operation(self, key: str) -> Operation | None:
        """The operation of that key, or of that bare name in the first port that has it; None when there is none."""
        return self.operations.get(key) or next((one for one in self.operations.values() if one.name == key), None)

    def outline(self) -> dict[str, Any]:
        """All operations, for pages."""
        return {"operations": [one.outline() for one in self.operations.values()]}

    def message(
        self, operation: Operation, values: Mapping[str, list[str]], address: str, token: UsernameToken | None,
        document: Mapping[str, Any] | None = None,
    ) -> tuple[bytes, dict[str, str]]:  # fmt: skip
        """The body and the headers of a call with these arguments (path -> texts), and with a document in the schema's own shape.

        Raises SupplierError not_set_up where they misfit.
        """
        if unknown := sorted(set(values) - {path for path, _, _ in leaves(operation.takes)}):
            raise _does_not_take(operation, unknown)
        binding, line = self._bindings[operation.port][0], Line(Shelf(self.files.entry, {}))
        client = Client(self._document, transport=line, settings=_SETTINGS, wsse=token)
        try:
            given = filled(operation.takes, binding.get(operation.name).input.body, values)
            given = soap_send.merged(given, document or {})
            headers = given.pop(HEADER, None)
            if headers:
                given["_soapheaders"] = headers
            client.create_service(binding.name.text, address)[operation.name](**given)
        except _FAULTS as error:
            raise _cannot_build(operation, error) from error
        assert line.held is not None
        return line.held

    def _ports(self) -> Iterator[tuple[str, tuple[SoapBinding, str]]]:
        for service in self._document.services.values():
            for port in service.ports.values():
                if isinstance(port.binding, SoapBinding):
                    yield port.name, (port.binding, str((port.binding_options or {}).get("address") or ""))

    def _operations(self, port: str, binding: SoapBinding, address: str) -> Iterator[Operation]:
        version = "1.2" if isinstance(binding, Soap12Binding) else "1.1"
        for name, found in binding.all().items():
            self._schemas.begin()
            takes, gives = self._message(found, found.input), self._message(found, found.output)
            why = "It is too large for us: its schema unfolds to more parts than we read." if self._schemas.used_up else ""
            yield Operation(name, port, version, address.strip(), self._documented.get(name, ""), takes, gives, why)

    def _message(self, operation: Any, message: Any) -> Part:
        abstract = getattr(message, "abstract", None)
        parts = list(abstract.parts.items()) if abstract is not None else []
        headers = dict(message.header.type.elements) if parts and message.header is not None else {}
        bodies = [(name, one) for name, one in parts if name not in headers]
        roots = [self._part(name, one) for name, one in bodies]
        whole = roots[0] if operation.style == "document" and len(roots) == 1 else Part(operation.name, kind="group", parts=tuple(roots))
        if not headers:
            return whole
        heads = tuple(self._renamed(name, one) for name, one in headers.items())
        return Part(whole.name, kind="group", parts=(*whole.parts, Part(HEADER, required=False, kind="group", parts=heads)))

    def _part(self, name: str, one: Any) -> Part:
        if one.element is not None:
            return self._schemas.of_element(one.element.qname.text)
        return self._schemas.of_type(name, one.type.qname.text)

    def _renamed(self, name: str, element: Any) -> Part:
        part = self._schemas.of_element(element.qname.text)
        return Part(name, required=False, kind=part.kind, options=part.options, parts=part.parts)


_read: OrderedDict[str, Contract] = OrderedDict()
_reading = threading.Lock()


def contract_of(files: Files) -> Contract:
    """The contract of a kept WSDL; the last few stay parsed. Raises SupplierError."""
    digest = files.digest
    with _reading:
        if digest in _read:
            _read.move_to_end(digest)
            return _read[digest]
    made = Contract(Shelf(files.entry, files.files))
    with _reading:
        _read[digest] = made
        while len(_read) > KEPT:
            _read.popitem(last=False)
    return made


def differences(before: Mapping[str, Any], after: Mapping[str, Any], key: str) -> list[str]:
    """What is other about a WSDL, in clauses: operations gone and new, and the arguments of the operation `key`."""
    was, now = ({one["key"]: one for one in outline.get("operations", [])} for outline in (before, after))
    found = []
    if gone := sorted(one["name"] for name, one in was.items() if name not in now):
        found.append(f"gone: {problems.some(gone, 4)}")
    if new := sorted(one["name"] for name, one in now.items() if name not in was):
        found.append(f"new: {problems.some(new, 4)}")
    if key in was and key in now:
        left, right = ({one["path"]: one["required"] for one in side[key]["arguments"]} for side in (was, now))
        name = now[key]["name"]
        if lost := [path for path in left if path not in right]:
            found.append(f"{name} no longer takes {problems.some(lost, 4)}")
        if needs := [path for path, needed in right.items() if needed and not left.get(path)]:
            found.append(f"{name} now needs {problems.some(needs, 4)}")
    return found


def _documentation(files: Files) -> Iterator[tuple[str, str]]:
    """Each operation, and what the WSDL says about it, which zeep does not keep."""
    for content in files.files.values():
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
        for one in root.iterfind(f"{{{WSDL}}}portType/{{{WSDL}}}operation"):
            found = one.find(f"{{{WSDL}}}documentation")
            yield str(one.get("name")), "" if found is None else " ".join("".join(found.itertext()).split())[:200]


def _left_out(name: str) -> Operation:
    """An operation that zeep leaves out with a warning."""
    why = "It needs a type that is in none of the schemas, or it is not called by SOAP."
    return Operation(name, "", "1.1", "", "", Part(name), Part(name), why)


def _words_of(error: Exception) -> str:
    """A fault of reading as a sentence. A library's text names parts of the WSDL, never a secret: none was used yet."""
    if isinstance(error, RecursionError):
        return "Its parts are nested without an end."
    said = str(getattr(error, "message", "") or error).split(" Available ")[0]
    return problems.quoted(f"Our reader stopped at: {said or type(error).__name__}").rstrip(".") + "."


def _does_not_take(operation: Operation, unknown: list[str]) -> SupplierError:
    body = f"It does not take {problems.some(unknown, 4)}: the WSDL is another than when they were chosen. Nothing was sent."
    return problems.question(f"The arguments of {operation.name[:24]} do not fit", body, "Choose the arguments", "operation")


def _cannot_build(operation: Operation, error: Exception) -> SupplierError:
    """zeep looks whether what is needed is there before anything is sent."""
    path = ".".join(str(one) for one in getattr(error, "path", ()) or ())
    said = str(getattr(error, "message", "") or error)
    body = f"{problems.quoted(said)[:120].rstrip('.')}{f' ({path})' if path else ''}. Nothing was sent."
    return problems.question(f"The arguments of {operation.name[:24]} do not fit", body, "Choose the arguments", "operation")
