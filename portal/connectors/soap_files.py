"""A WSDL with every schema that it leads to, kept together: from its own server, or from what a person uploaded.

entry ─▶ import ─▶ import …   each once, each bounded, none from anywhere else
"""

from __future__ import annotations

import hashlib
import io
import posixpath
import re
import zipfile
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import orjson
from lxml import etree

from portal.connectors import problems
from portal.errors import SupplierError

MOST_FILES = 100
LONGEST_FILE = 5_000_000
LONGEST_ALL = 20_000_000
"""Bytes. The largest WSDLs in use have a few megabytes."""
UPLOADED = "https://uploaded.invalid/"
"""Stands for the folder that uploaded files lie in, so that their relative imports can be followed; no server has this name."""

WSDL = "http://schemas.xmlsoap.org/wsdl/"
XSD = "http://www.w3.org/2001/XMLSchema"
_XML_XSD = b"""<schema xmlns="http://www.w3.org/2001/XMLSchema"
  targetNamespace="http://www.w3.org/XML/1998/namespace"><attribute name="lang" type="language"/>
  <attribute name="space" type="NCName"/><attribute name="base" type="anyURI"/><attribute name="id" type="ID"/>
  <attributeGroup name="specialAttrs"><attribute ref="xml:base"/><attribute ref="xml:lang"/><attribute ref="xml:space"/>
  <attribute ref="xml:id"/></attributeGroup></schema>"""
_OURS: dict[str, bytes] = {
    f"{scheme}://www.w3.org/{year}/xml.xsd": _XML_XSD for scheme in ("http", "https") for year in ("2001", "2001/03", "2005/08", "2009/01")
}
_ENCODING = "http://schemas.xmlsoap.org/soap/encoding/"
_ENCODED = "".join(
    f'<x:complexType name="{name}"><x:simpleContent><x:extension base="x:{name}"/></x:simpleContent></x:complexType>'
    for name in ("string", "int", "integer", "long", "short", "decimal", "float", "double", "boolean", "date", "dateTime", "base64Binary")
)
_OURS[_ENCODING] = f"""<x:schema xmlns:x="{XSD}" xmlns:t="{_ENCODING}" targetNamespace="{_ENCODING}">
  <x:attribute name="arrayType" type="x:string"/><x:attribute name="offset" type="x:string"/><x:attribute name="root" type="x:boolean"/>
  <x:group name="Array"><x:sequence><x:any minOccurs="0" maxOccurs="unbounded" processContents="lax"/></x:sequence></x:group>
  <x:complexType name="Array"><x:group ref="t:Array" minOccurs="0"/><x:attribute ref="t:arrayType"/></x:complexType>
  {_ENCODED}</x:schema>""".encode()
"""The schemas that others name by address, in our own words: XML's attributes, and SOAP's old encoding. Nothing of them is fetched."""


@dataclass(frozen=True)
class Files:
    """A WSDL and what it imports: address -> bytes. `entry` is the address of the WSDL itself."""

    entry: str
    files: Mapping[str, bytes]

    @property
    def digest(self) -> str:
        """The same for the same contents under the same addresses."""
        known = hashlib.sha256(self.entry.encode())
        for address, content in sorted(self.files.items()):
            known.update(f"\0{address}\0{len(content)}\0".encode() + content)
        return known.hexdigest()

    @property
    def uploaded(self) -> bool:
        """Whether a person uploaded it."""
        return self.entry.startswith(UPLOADED)

    def packed(self) -> str:
        """All of it as one text, for keeping."""
        texts = {address: b64encode(content).decode() for address, content in self.files.items()}
        return b64encode(zlib.compress(orjson.dumps({"entry": self.entry, "files": texts}))).decode()

    @classmethod
    def unpacked(cls, text: str) -> Files:
        """What `packed` made."""
        kept = orjson.loads(zlib.decompress(b64decode(text)))
        return cls(kept["entry"], {address: b64decode(content) for address, content in kept["files"].items()})


class Shelf:
    """Hands out the files of a WSDL by address, and nothing else: what was kept, and what `fetch` may bring from the entry's own server.

    `taken` holds what was asked for. Raises SupplierError.
    """

    def __init__(self, entry: str, kept: Mapping[str, bytes], fetch: Callable[[str], bytes] | None = None) -> None:
        self.entry, self.kept, self._fetch = entry, kept, fetch
        self.taken: dict[str, bytes] = {}
        self._whole = False

    def gather(self) -> Files:
        """Take the WSDL and everything that it leads to; from then on nothing else is taken."""
        waiting = [self.entry]
        while waiting and not self._whole:
            address = waiting.pop(0)
            for one in _led_to(self.take(address)):
                there = over_tls(urljoin(address, one).partition("#")[0], self.entry)
                if there not in self.taken and there not in waiting and there not in _OURS:
                    waiting.append(there)
        self._whole = True
        return self.whole()

    def take(self, address: str) -> bytes:
        """The bytes of one file, once fetched always the same."""
        address = over_tls(address.partition("#")[0], self.entry)
        if address in self.taken:
            return self.taken[address]
        content = _OURS.get(address)
        if content is None:
            content = self._found(address)
            self._keep(address, content)
        return content

    def whole(self) -> Files:
        """All that was taken."""
        return Files(self.entry, dict(self.taken))

    def _found(self, address: str) -> bytes:
        if self._whole:
            raise missing(address, self.entry)
        if address in self.kept:
            return self.kept[address]
        own = self._fetch is not None and origin(address) == origin(self.entry)
        alike = [content for kept, content in self.kept.items() if base_name(kept) == base_name(address)]
        if not own and len(alike) == 1:
            return alike[0]
        if own and self._fetch is not None:
            return self._fetch(address)
        raise missing(address, self.entry)

    def _keep(self, address: str, content: bytes) -> None:
        if len(self.taken) >= MOST_FILES or sum(map(len, self.taken.values())) + len(content) > LONGEST_ALL:
            raise too_much()
        refuse_unsafe(content, base_name(address))
        self.taken[address] = content


def _led_to(content: bytes) -> Iterator[str]:
    """The places that a WSDL or a schema imports from, as they stand in it."""
    root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    tags = [f"{{{WSDL}}}import", *(f"{{{XSD}}}{name}" for name in ("import", "include", "redefine"))]
    for one in root.iter(*tags):
        if place := one.get("location") if one.tag == tags[0] else one.get("schemaLocation"):
            yield str(place).strip()


def origin(address: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of an address: what makes a server the same one."""
    try:
        parts = urlsplit(address)
        return parts.scheme, (parts.hostname or "").casefold(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", "", None


def over_tls(address: str, entry: str) -> str:
    """The address; by https where the WSDL came so and names its own host by http, as one does that stands behind a TLS proxy."""
    there, here = urlsplit(address), urlsplit(entry)
    if (there.scheme, here.scheme) != ("http", "https") or there.netloc.casefold() != (here.hostname or "").casefold():
        return address
    return urlunsplit(there._replace(scheme="https", netloc=here.netloc))


def base_name(address: str) -> str:
    """The last part of an address, without its query."""
    return unquote(posixpath.basename(urlsplit(address).path)) if "://" in address else posixpath.basename(address)


def refuse_unsafe(content: bytes, name: str) -> None:
    """Raises SupplierError where the bytes are no XML, or XML with a document type (which could name files and addresses, or explode)."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(content, parser)
    except (etree.XMLSyntaxError, ValueError, RecursionError):
        web = b"<html" in content[:2_000].lower()
        what = "A web page came instead." if web else "It is not XML, or it was cut."
        raise unreadable(f"{name or 'The WSDL'} cannot be read. {what}") from None
    if root.getroottree().docinfo.doctype:
        raise unreadable(f"{name or 'The WSDL'} has a document type (DTD), which we never read. No WSDL needs one.")


def gathered(uploads: Sequence[tuple[str, bytes]]) -> dict[str, bytes]:
    """The files of an upload by address: WSDLs and XSDs as they are, or in a zip with its folders. Raises SupplierError."""
    files: dict[str, bytes] = {}
    if sum(len(content) for _, content in uploads) > LONGEST_ALL:
        raise too_much()
    for name, content in uploads:
        files |= _unzipped(name, content) if content[:4] == b"PK\x03\x04" else {_tidy(name): content}
    if len(files) > MOST_FILES or sum(map(len, files.values())) > LONGEST_ALL or any(len(one) > LONGEST_FILE for one in files.values()):
        raise too_much()
    for name, content in files.items():
        refuse_unsafe(content, name)
    return {UPLOADED + name: content for name, content in files.items()}


def sort_uploads(uploads: Sequence[tuple[str, bytes]]) -> Files:
    """An uploaded WSDL with its schemas. The WSDL that no other imports is the entry. Raises SupplierError."""
    placed = gathered(uploads)
    return Files(_entry(placed), placed)


def parted(uploads: Sequence[tuple[str, bytes]], operations: Sequence[str]) -> list[Files | None]:
    """[the WSDL with none of those operations, the WSDL with each] of an upload that may hold all, each with all of the schemas.

    Raises SupplierError as `sort_uploads` does, also where several have none, or the same.
    """
    placed = gathered(uploads)
    wsdls = {address: content for address, content in placed.items() if _Root.of(content).tag == f"{{{WSDL}}}definitions"}
    kinds = {address: next((name for name in operations if _offers(content, name)), "") for address, content in wsdls.items()}
    found: list[Files | None] = []
    for wanted in ("", *operations):
        rest = {address: content for address, content in placed.items() if kinds.get(address, wanted) == wanted}
        found.append(Files(_entry(rest), rest) if wanted in kinds.values() else None)
    if not wsdls:
        _entry(placed)  # says what it is instead
    return found


def _offers(wsdl: bytes, operation: str) -> bool:
    said = rb"<(?:[\w.-]+:)?operation\b[^>]*\bname\s*=\s*[\"']" + re.escape(operation.encode()) + rb"[\"']"
    return re.search(said, wsdl) is not None


def _unzipped(name: str, content: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [one for one in archive.infolist() if _wanted(one.filename)]
            if len(members) > MOST_FILES or sum(one.file_size for one in members) > LONGEST_ALL:
                raise too_much()
            return {_tidy(one.filename): _member(archive, one) for one in members}
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise unreadable(f"{name} is a zip that cannot be opened: it is broken, or locked by a password.") from error


def _member(archive: zipfile.ZipFile, one: zipfile.ZipInfo) -> bytes:
    with archive.open(one) as opened:
        content = opened.read(LONGEST_FILE + 1)  # what the zip says of its own sizes may be untrue
    if len(content) > LONGEST_FILE:
        raise too_much()
    return content


def _wanted(name: str) -> bool:
    return name.lower().endswith((".wsdl", ".xsd", ".xml")) and not posixpath.basename(name).startswith(".") and "__MACOSX" not in name


def _tidy(name: str) -> str:
    """The path inside the uploaded folder; nothing leads out of it."""
    path = posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/")
    return path or "file"


@dataclass(frozen=True)
class _Root:
    """What the beginning of a file tells: its tag, what it imports as a WSDL, and whether it names a service."""

    tag: str
    imports: tuple[str, ...]
    serves: bool

    @classmethod
    def of(cls, content: bytes) -> _Root:
        root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
        imports = (str(one.get("location")) for one in root.iterfind(f"{{{WSDL}}}import") if one.get("location"))
        return cls(str(root.tag), tuple(imports), root.find(f"{{{WSDL}}}service") is not None)


def _entry(files: Mapping[str, bytes]) -> str:
    roots = {address: _Root.of(content) for address, content in files.items()}
    wsdls = {address: root for address, root in roots.items() if root.tag == f"{{{WSDL}}}definitions"}
    if not wsdls:
        if any(root.tag == "{http://www.w3.org/ns/wsdl}description" for root in roots.values()):
            raise unreadable("This is WSDL 2.0, which no supplier's tools agree on. Ask for the WSDL 1.1.")
        raise unreadable("Among the files is no WSDL. It begins with definitions; the others, with schema, are what it imports.")
    led_to = {urljoin(address, one) for address, root in wsdls.items() for one in root.imports}
    tops = [address for address in wsdls if address not in led_to] or list(wsdls)
    with_service = [address for address in tops if wsdls[address].serves] or tops
    if len(with_service) > 1:
        names = problems.some(sorted(base_name(one) for one in with_service), 4)
        raise unreadable(f"These are several WSDLs: {names}. Upload the one for stock, with its schemas.")
    return with_service[0]


# in words


def unreadable(words: str) -> SupplierError:
    """A WSDL that is none, or that we cannot use."""
    return problems.protocol_error("The WSDL cannot be read", f"{words} Nothing was used.", permanent=True)


def too_much() -> SupplierError:
    """More than a WSDL ever needs."""
    body = f"With its schemas it has more than {MOST_FILES} files or {problems.size(LONGEST_ALL)}. Nothing was used."
    return problems.protocol_error("The WSDL is too large", body, permanent=True)


def missing(address: str, entry: str) -> SupplierError:
    """A file that the WSDL imports, from where we do not fetch."""
    name, host = base_name(address) or "a file", urlsplit(address).hostname or ""
    if entry.startswith(UPLOADED):
        body = f"The WSDL imports {name}, which is not among the uploaded files. Upload it with the others."
    else:
        body = (
            f"The WSDL imports {name} from {host or 'a place that is no server'}, and we read only from its own server. Upload that file."
        )
    return problems.protocol_error("A schema of the WSDL is missing", body, permanent=True)
