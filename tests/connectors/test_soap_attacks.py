"""WSDLs and answers that mean harm, or are broken: refused in words, and nobody else hears from us."""

from __future__ import annotations

import contextlib
import io
import random
import re
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from portal.connectors import network, soap_answers, soap_files, web_line
from portal.connectors.answers import Unreadable
from portal.connectors.caller import Answer
from portal.connectors.network import Guard
from portal.connectors.soap_files import Files, sort_uploads
from portal.connectors.soap_schema import shaped
from portal.connectors.soap_wsdl import contract_of
from portal.errors import SupplierError
from tests.connectors.faults import listening
from tests.connectors.soaping import Asking, Shelf
from tests.connectors.web_server import Web, web
from tests.servers import LOOPBACK

STOCK = Path(__file__).parent / "soap"
WSDL = (STOCK / "stock.wsdl").read_text()
TYPES = {f"types/{name}": (STOCK / "types" / name).read_bytes() for name in ("stock.xsd", "shared.xsd")}
OK = "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
ENVELOPE = '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>{}</e:Body></e:Envelope>'
LAUGHS = "<!DOCTYPE x [<!ENTITY a 'ha'>" + "".join(f"<!ENTITY {chr(98 + n)} '{f'&{chr(97 + n)};' * 10}'>" for n in range(9)) + "]>"


def said(text: str | bytes, head: str = OK) -> bytes:
    body = text.encode() if isinstance(text, str) else text
    return head.format(len(body)).encode() + body


@pytest.fixture
def elsewhere() -> Iterator[Web]:
    """Another server, which must never hear from us."""
    with web(said("<secret/>")) as made:
        yield made


def uploaded(text: str = WSDL, **more: bytes) -> Files:
    return sort_uploads([("stock.wsdl", text.encode()), *TYPES.items(), *more.items()])


def kept(text: str = WSDL, endpoint: str = "http://127.0.0.1:1/stock") -> Shelf:
    return Shelf(uploaded(text.replace("ENDPOINT", endpoint)))


def reading(wsdl: str, tmp_path: Path, **settings: object) -> str:
    """The words that a WSDL at this address is refused with."""
    problem = Asking(wsdl, **settings).refused(tmp_path)
    return f"{problem.headline}. {problem.body}"


DOCTYPES = {
    "a file": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>',
    "an address": '<!DOCTYPE x SYSTEM "http://127.0.0.1:{port}/evil.dtd">',
    "a parameter": '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:{port}/evil.dtd"> %p;]>',
    "laughs": LAUGHS,
}


@pytest.mark.parametrize("kind", DOCTYPES)
@pytest.mark.parametrize("place", ["wsdl", "schema", "upload", "answer"])
def test_a_document_type_is_refused_wherever_it_stands(tmp_path: Path, elsewhere: Web, kind: str, place: str) -> None:
    evil = DOCTYPES[kind].replace("{port}", str(elsewhere.port))
    if place == "upload":
        with pytest.raises(SupplierError) as refused:
            uploaded(evil + WSDL.partition("?>")[2])
        words = refused.value.problem.body
    elif place == "answer":
        with web(said(evil + ENVELOPE.format("<x>&e;</x>"))) as server:
            words = Asking(library=kept(), wsdl_from="upload", endpoint=server.link("/stock")).refused(tmp_path).body
    elif place == "wsdl":
        with web(said(evil + WSDL.partition("?>")[2])) as server:
            words = reading(server.link("/stock.wsdl"), tmp_path)
    else:
        with web(said(WSDL), said(evil + TYPES["types/stock.xsd"].decode().partition("?>")[2])) as server:
            words = reading(server.link("/stock.wsdl"), tmp_path)
    assert "document type" in words or "cannot be read" in words
    assert elsewhere.heard == []


@pytest.mark.parametrize(
    "location",
    ["http://127.0.0.1:{port}/x.xsd", "http://169.254.169.254/latest/x.xsd", "//127.0.0.1:{port}/x.xsd", "file:///etc/passwd",
     "/etc/passwd", "ftp://127.0.0.1:{port}/x.xsd", "http://[::1]:{port}/x.xsd", "https://127.0.0.1/x.xsd"],
)  # fmt: skip
@pytest.mark.parametrize("how", ["schema", "wsdl"])
def test_imports_lead_to_no_other_server_and_to_no_file(tmp_path: Path, elsewhere: Web, location: str, how: str) -> None:
    to = location.replace("{port}", str(elsewhere.port))
    text = WSDL.replace("types/stock.xsd", to)
    if how == "wsdl":
        text = WSDL.replace("<wsdl:types>", f'<wsdl:import namespace="urn:x" location="{to}"/><wsdl:types>')
    with web(said(text), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") as server:
        words = reading(server.link("/stock.wsdl"), tmp_path)
    assert elsewhere.heard == [] and "root:" not in words
    assert "read only from its own server" in words or location == "/etc/passwd"
    with pytest.raises(SupplierError) as refused:
        contract_of(uploaded(text))
    assert "is not among the uploaded files" in refused.value.problem.body or "own server" in refused.value.problem.body


def test_a_schema_of_another_server_may_be_uploaded(tmp_path: Path, elsewhere: Web) -> None:
    text = WSDL.replace("types/stock.xsd", f"http://127.0.0.1:{elsewhere.port}/schemas/stock.xsd")
    added = {f"https://uploaded.invalid/{name.removeprefix('types/')}": content for name, content in TYPES.items()}
    with web(said(text)) as server:
        one = Asking(server.link("/stock.wsdl"), library=Shelf(uploads=added), wsdl_operation="")
        assert one.check()["folder"] == "question" and one.problem is not None and one.problem.act == "Choose the operation", one.problem
    assert elsewhere.heard == []


def test_neither_the_wsdl_nor_a_call_follows_a_redirect(tmp_path: Path, elsewhere: Web) -> None:
    head = f"HTTP/1.1 307 Elsewhere\r\nLocation: {elsewhere.link('/stock.wsdl')}\r\nContent-Length: 0\r\n\r\n"
    with web(head.encode()) as server:
        assert "sends us elsewhere" in reading(server.link("/stock.wsdl"), tmp_path)
        problem = Asking(library=kept(), wsdl_from="upload", endpoint=server.link("/stock"), auth="basic").refused(tmp_path)
    assert problem.headline == "The server sends us elsewhere" and elsewhere.heard == []


def test_calls_go_only_where_a_person_or_the_wsdls_own_server_says(tmp_path: Path, elsewhere: Web) -> None:
    other = elsewhere.link("/stock", host="localhost")
    with web(said(WSDL.replace("ENDPOINT", other)), said(TYPES["types/stock.xsd"]), said(TYPES["types/shared.xsd"])) as server:
        one = Asking(server.link("/stock.wsdl"))
        assert one.check()["folder"] == "question" and one.problem is not None and other in one.problem.body
    assert "We sent nothing there" in Asking(library=kept(endpoint=other), wsdl_from="upload").refused(tmp_path).body
    assert "[Endpoint URL]" in Asking(library=kept(endpoint="[Endpoint URL]"), wsdl_from="upload").refused(tmp_path).body
    assert elsewhere.heard == []


def test_the_guard_keeps_private_addresses_closed(tmp_path: Path, elsewhere: Web) -> None:
    closed = Guard.from_config("")
    problems = [
        Asking(elsewhere.link("/stock.wsdl"), guard=closed).refused(tmp_path),
        Asking(library=kept(), wsdl_from="upload", endpoint=elsewhere.link(), guard=closed).refused(tmp_path),
    ]
    assert {one.code for one in problems} == {"address_refused"} and elsewhere.heard == []


def test_a_huge_wsdl_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with web(said("<x>" + "a" * (soap_files.LONGEST_FILE + 10))) as server:
        assert Asking(server.link("/stock.wsdl")).refused(tmp_path).code == "too_large"
    monkeypatch.setattr(soap_files, "MOST_FILES", 2)
    with pytest.raises(SupplierError) as refused:
        uploaded()
    assert refused.value.problem.headline == "The WSDL is too large"


def test_a_chain_of_imports_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that invents one more import in each schema."""
    monkeypatch.setattr(soap_files, "MOST_FILES", 12)
    schema = (
        '<schema xmlns="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:{0}">'
        '<import namespace="urn:{1}" schemaLocation="{1}.xsd"/></schema>'
    )
    first = WSDL.replace('namespace="urn:quayside:stock" schemaLocation="types/stock.xsd"', 'namespace="urn:0" schemaLocation="0.xsd"')
    with web(said(first), *(said(schema.format(n, n + 1)) for n in range(40))) as server:
        assert "too large" in reading(server.link("/stock.wsdl"), tmp_path)
        assert len(server.heard) <= 14


def test_circular_imports_are_read_once_each() -> None:
    xsd = TYPES["types/shared.xsd"].decode()
    back = xsd.replace("<xsd:simpleType", '<xsd:include schemaLocation="stock.xsd"/><xsd:simpleType', 1)
    text = WSDL.replace("<wsdl:types>", '<wsdl:import namespace="urn:quayside:stock" location="stock.wsdl"/><wsdl:types>')
    files = sort_uploads(
        [("stock.wsdl", text.encode()), ("types/stock.xsd", TYPES["types/stock.xsd"]), ("types/shared.xsd", back.encode())]
    )
    assert {one.name for one in contract_of(files).operations.values()} == {"ListStock", "GetStock"}


def nested(name: str, kind: str, first: str, wrap: str = "{}") -> str:
    """Forty definitions, each of which holds the one before twice."""
    inner = [first, *(f'<xsd:{kind} ref="t:{name}{n}"/>' * 2 for n in range(39))]
    return "".join(f'<xsd:{kind} name="{name}{n}">{wrap.format(one)}</xsd:{kind}>' for n, one in enumerate(inner))


GROUPS = nested("g", "group", '<xsd:element name="z"/>', "<xsd:sequence>{}</xsd:sequence>")
HARMS = {
    "groups in groups": GROUPS,
    "a group that holds itself": '<xsd:group name="g"><xsd:sequence><xsd:group ref="t:g"/></xsd:sequence></xsd:group>',
    "groups in a base": GROUPS + '<xsd:complexType name="X"><xsd:group ref="t:g39"/></xsd:complexType><xsd:complexType name="Y">'
    '<xsd:complexContent><xsd:extension base="t:X"><xsd:sequence/></xsd:extension></xsd:complexContent></xsd:complexType>',
    "a base of its own": '<xsd:complexType name="X"><xsd:complexContent><xsd:extension base="t:X"/></xsd:complexContent></xsd:complexType>',
    "attributes": nested("a", "attributeGroup", '<xsd:attribute name="z"/>'),
}  # fmt: skip


@pytest.mark.parametrize("kind", HARMS)
def test_a_schema_that_unfolds_without_an_end_is_refused_at_once(kind: str) -> None:
    evil = TYPES["types/stock.xsd"].decode().replace("<xsd:element", HARMS[kind] + "<xsd:element", 1)
    files = sort_uploads(
        [("stock.wsdl", WSDL.encode()), ("types/stock.xsd", evil.encode()), ("types/shared.xsd", TYPES["types/shared.xsd"])]
    )
    with pytest.raises(SupplierError) as refused:
        contract_of(files)
    assert "without an end" in refused.value.problem.body


def test_an_operation_that_is_too_large_is_not_usable(tmp_path: Path) -> None:
    pairs = ((n, "".join(f'<xsd:element name="{name}" type="t:L{n - 1}"/>' for name in "abcd")) for n in range(1, 12))
    types = "".join(f'<xsd:complexType name="L{n}"><xsd:sequence>{four}</xsd:sequence></xsd:complexType>' for n, four in pairs)
    evil = (
        TYPES["types/stock.xsd"]
        .decode()
        .replace('<xsd:element name="productId" type="xsd:string"/>', '<xsd:element name="p" type="t:L11"/>')
    )
    types += '<xsd:complexType name="L0"><xsd:sequence/></xsd:complexType>'
    evil = evil.replace("<xsd:element", types + "<xsd:element", 1)
    files = sort_uploads(
        [("stock.wsdl", WSDL.encode()), ("types/stock.xsd", evil.encode()), ("types/shared.xsd", TYPES["types/shared.xsd"])]
    )
    found = contract_of(files).operations
    assert "too large" in found["Stock11:GetStock"].unusable and not found["Stock11:ListStock"].unusable
    one = Asking(library=Shelf(files), wsdl_from="upload", wsdl_operation="GetStock", arguments={}, endpoint="http://127.0.0.1:1/")
    assert "too large" in one.refused(tmp_path).body


def test_a_type_that_holds_itself_ends() -> None:
    inner = '<xsd:sequence><xsd:element name="code" type="xsd:string"/><xsd:element name="in" type="t:Place" minOccurs="0"/>'
    xsd = TYPES["types/shared.xsd"].decode().replace('<xsd:sequence><xsd:element name="code" type="xsd:string"/>', inner)
    files = sort_uploads([("stock.wsdl", WSDL.encode()), ("types/stock.xsd", TYPES["types/stock.xsd"]), ("types/shared.xsd", xsd.encode())])
    lists = contract_of(files).operations["Stock11:ListStock"].outline()["lists"]
    assert [one["path"] for one in lists] == ["items.item", "items.item.place"]


OOPS = "HTTP/1.1 500 Oops\r\nContent-Length: {}\r\nRetry-After: 400\r\n\r\n"
FAULT = "<e:Fault><faultcode>e:Client</faultcode><faultstring>No</faultstring></e:Fault>"
ANSWERS = {
    "a web page as a fault": (OOPS, "<html><h1>Runtime Error</h1></html>", "http_status"),
    "a web page as a success": (OK, "<html><body>Sign in</body></html>", "protocol_error"),
    "no XML": (OK, '{"error": true}', "protocol_error"),
    "nothing": (OK, "", "protocol_error"),
    "another XML": (OK, "<rss/>", "protocol_error"),
    "an envelope without a body": (OK, ENVELOPE.replace("<e:Body>{}</e:Body>", ""), "protocol_error"),
    "cut XML": (OK, ENVELOPE.format("<x>1</x>")[:-20], "protocol_error"),
    "a fault that says success": (OK, ENVELOPE.format(FAULT), "protocol_error"),
    "401": ("HTTP/1.1 401 No\r\nContent-Length: {}\r\n\r\n", "no", "sign_in_refused"),
    "403": ("HTTP/1.1 403 No\r\nContent-Length: {}\r\n\r\n", "no", "http_status"),
    "404": ("HTTP/1.1 404 No\r\nContent-Length: {}\r\n\r\n", "<html>", "http_status"),
}  # fmt: skip


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_answer_that_is_none_is_told_in_words(tmp_path: Path, kind: str) -> None:
    head, body, code = ANSWERS[kind]
    with web(said(body, head)) as server:
        problem = Asking(library=kept(), wsdl_from="upload", endpoint=server.link("/stock")).refused(tmp_path)
    assert problem.code == code and len(problem.headline) < 60 and problem.body


def test_a_cut_body_and_silence_are_no_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.connectors.waits.back_off", lambda *_: 0.0)
    whole = said(ENVELOPE.format("<x/>"))
    with web(whole[:-9]) as server:
        assert Asking(library=kept(), wsdl_from="upload", endpoint=server.link("/stock")).refused(tmp_path).code in (
            "cut_download",
            "connection_lost",
        )
    monkeypatch.setattr(web_line, "IO_SECONDS", 0.3)
    monkeypatch.setattr(web_line, "HEADERS_SECONDS", 0.4)
    monkeypatch.setattr(network, "IO_SECONDS", 0.3)
    with listening(lambda _: time.sleep(2)) as port:
        problem = Asking(library=kept(), wsdl_from="upload", endpoint=f"http://{LOOPBACK}:{port}/stock").refused(tmp_path)
    assert problem.code == "timed_out"


@pytest.mark.parametrize(
    ("status", "body", "step"), [("404 Gone", "", "folder"), ("200 OK", "<html/>", "folder"), ("401 No", "", "sign_in")]
)
def test_a_wsdl_that_does_not_come_fails_where_it_belongs(status: str, body: str, step: str) -> None:
    with web(said(body, f"HTTP/1.1 {status}\r\nContent-Length: {{}}\r\n\r\n")) as server:
        one = Asking(server.link("/stock.wsdl"), auth="basic")
        states = one.check()
    passed = dict.fromkeys(("address", "port", "identity"), "passed")
    assert states == passed | ({"folder": "failed"} if step == "folder" else {}), "what no step reports belongs to the sign-in"
    assert one.problem is not None and (one.problem.code == "sign_in_refused") == (step == "sign_in")


def test_a_password_does_not_go_over_plain_http(tmp_path: Path, elsewhere: Web) -> None:
    one = Asking(library=kept(), wsdl_from="upload", endpoint=elsewhere.link("/stock"), auth="wsse_text", plain_ok="")
    assert one.refused(tmp_path).code == "plain_not_allowed" and elsewhere.heard == []


# uploads


def zipped(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return made.getvalue()


def test_a_zip_and_several_files_are_the_same() -> None:
    inside = {"stock.wsdl": WSDL.encode(), **TYPES, "__MACOSX/._stock.wsdl": b"junk", "readme.txt": b"hello"}
    assert sort_uploads([("all.zip", zipped(**inside))]).digest == uploaded().digest
    flat = sort_uploads([("stock.wsdl", WSDL.encode()), *((name.removeprefix("types/"), content) for name, content in TYPES.items())])
    assert len(contract_of(flat).operations) == 4, "a file is found by its name when its folder is lost"


@pytest.mark.parametrize(
    "files, words",
    [
        ([("x.wsdl", b"hello")], "not XML"),
        ([("x.wsdl", b"<html><body/></html>")], "no WSDL"),
        ([("x.xsd", TYPES["types/shared.xsd"])], "no WSDL"),
        ([("x.wsdl", b'<description xmlns="http://www.w3.org/ns/wsdl"/>')], "WSDL 2.0"),
        ([("a.wsdl", WSDL.encode()), ("b.wsdl", WSDL.encode())], "several WSDLs: a.wsdl, b.wsdl"),
        ([("x.zip", b"PK\x03\x04broken")], "cannot be opened"),
        ([("stock.wsdl", WSDL.encode())], "stock.xsd, which is not among"),
    ],
)
def test_an_upload_that_is_no_wsdl_is_told_in_words(files: list[tuple[str, bytes]], words: str) -> None:
    with pytest.raises(SupplierError) as refused:
        contract_of(sort_uploads(files))
    assert words in refused.value.problem.body


def test_a_zip_bomb_and_names_that_lead_out_are_harmless(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SupplierError) as refused:
        sort_uploads([("bomb.zip", zipped(**{"x.xsd": b"0" * (soap_files.LONGEST_ALL + 1)}))])
    assert refused.value.problem.headline == "The WSDL is too large"
    files = sort_uploads(
        [("evil.zip", zipped(**{"../../etc/stock.wsdl": WSDL.encode(), **{f"/etc/{name}": one for name, one in TYPES.items()}}))]
    )
    assert all(".." not in name for name in files.files) and len(contract_of(files).operations) == 4


def test_a_kept_wsdl_is_the_same_after_packing() -> None:
    files = uploaded()
    again = Files.unpacked(files.packed())
    assert again == files and again.digest == files.digest
    assert contract_of(again) is contract_of(files), "it is parsed once"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_an_operation_whose_type_is_nowhere_is_told_and_not_usable() -> None:
    old = (STOCK / "old.wsdl").read_bytes().replace(b'name="count" type="x:int"', b'name="count" type="o:Nowhere"')
    with pytest.raises(SupplierError) as refused:
        contract_of(sort_uploads([("old.wsdl", old)]))
    assert "None of its operations (list)" in refused.value.problem.body
    found = contract_of(uploaded(WSDL.replace('element="t:GetStock"', 'element="t:Nowhere"'))).operations
    assert {one.name for one in found.values() if not one.unusable} == {"ListStock"}
    assert "in none of the schemas" in found[":GetStock"].unusable and found[":GetStock"].outline()["arguments"] == []


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_mutated_wsdls_and_answers_end_in_words() -> None:
    """Whatever is broken about them: a sentence, or something usable; in no time."""
    chance = random.Random(4)
    sources = [{"stock.wsdl": WSDL.encode(), **TYPES}, {"old.wsdl": (STOCK / "old.wsdl").read_bytes()}]
    usable = 0
    for _ in range(150):
        files = dict(chance.choice(sources))
        name = chance.choice(list(files))
        files[name] = mutated(files[name], chance)
        try:
            usable += len(contract_of(sort_uploads(list(files.items()))).outline()["operations"])
        except SupplierError as error:
            assert error.problem.headline and len(error.problem.body.split()) < 60
    assert usable, "some stay usable"
    inner = "<r><code>0</code><items><item id='1'><sku>1</sku></item><item href='#1'/></items></r>"
    gives = contract_of(uploaded()).operations["Stock11:ListStock"].gives
    for _ in range(400):
        told = Answer(200, {"Content-Type": "text/xml"}, mutated(ENVELOPE.format(inner).encode(), chance), "http://x.example/")
        with contextlib.suppress(SupplierError, Unreadable):
            message = shaped(soap_answers.opened(told, []), gives)
            soap_answers.business_error(message, "code", ["0"], [])
            soap_answers.rows(message, "items.item")


def mutated(content: bytes, chance: random.Random) -> bytes:
    changed, words = bytearray(content), re.findall(rb"[\w:#/.-]{2,}", content)
    for _ in range(chance.randint(1, 3)):
        at, values = chance.randrange(len(changed)), list(re.finditer(rb'"[^"]*"', bytes(changed)))
        if values and chance.random() < 0.6:
            one = chance.choice(values)
            changed[one.start() : one.end()] = b'"' + chance.choice(words) + b'"'
        elif chance.random() < 0.5:
            changed[at] = chance.randrange(256)
        else:
            del changed[at : at + chance.randint(1, 50)]
    return bytes(changed)
