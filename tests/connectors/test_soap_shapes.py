"""Shapes that messages take in the wild: headers, rounds, references, attachments, both versions' faults; and what a schema says. Pure."""

from __future__ import annotations

from typing import Any

import pytest
from lxml import etree

from portal.connectors import soap_answers, soap_arguments, soap_parcels
from portal.connectors.caller import Answer
from portal.connectors.soap_files import Shelf, over_tls, sort_uploads
from portal.connectors.soap_schema import shaped
from portal.connectors.soap_wsdl import Contract, contract_of, differences
from portal.errors import SupplierError
from portal.records import Secret

WSDL = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/"
  xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t"><types>
  <x:schema targetNamespace="urn:t" elementFormDefault="qualified" {more}>{types}
    <x:element name="Ask"><x:complexType>{ask}</x:complexType></x:element>
    <x:element name="Told"><x:complexType>{told}</x:complexType></x:element>
    <x:element name="Auth"><x:complexType><x:sequence><x:element name="User" type="x:string"/><x:element name="Token" type="x:string"/>
      </x:sequence></x:complexType></x:element>
  </x:schema></types>
  <message name="In"><part name="body" element="t:Ask"/></message><message name="Out"><part name="body" element="t:Told"/></message>
  <message name="Head"><part name="auth" element="t:Auth"/></message>
  <portType name="P"><operation name="Go"><input message="t:In"/><output message="t:Out"/></operation></portType>
  <binding name="B" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="Go"><soap:operation soapAction="go" style="document"/>
      <input><soap:header message="t:Head" part="auth" use="literal"/><soap:body use="literal"/></input>
      <output><soap:body use="literal"/></output></operation></binding>
  <service name="S"><port name="Port" binding="t:B"><soap:address location="http://x.example/"/></port></service></definitions>"""
NONE = "<x:sequence/>"


def contract(ask: str = NONE, told: str = NONE, types: str = "", more: str = "") -> Contract:
    text = WSDL.replace("{ask}", ask).replace("{told}", told).replace("{types}", types).replace("{more}", more)
    return contract_of(sort_uploads([("t.wsdl", text.encode())]))


def message(made: Contract, values: dict[str, list[str]]) -> str:
    """The call as text, without what declares its namespaces."""
    operation = made.operation("Go")
    assert operation is not None
    body, headers = made.message(operation, values, "http://x.example/", None)
    assert headers["SOAPAction"] == '"go"'
    root = etree.fromstring(body)
    for one in root.iter():
        one.tag = etree.QName(one).localname
    etree.cleanup_namespaces(root)
    return etree.tostring(root).decode()


def paths(made: Contract) -> dict[str, dict[str, Any]]:
    operation = made.operation("Go")
    assert operation is not None
    return {one["path"]: one for one in soap_arguments.arguments_of(operation.takes)}


def test_credentials_in_a_header_of_the_service() -> None:
    made = contract()
    assert set(paths(made)) == {"soap:Header.auth.User", "soap:Header.auth.Token"} and not paths(made)["soap:Header.auth.User"]["required"]
    text = message(made, {"soap:Header.auth.User": ["ana"], "soap:Header.auth.Token": ["t"]})
    assert "<Header><Auth><User>ana</User><Token>t</Token></Auth></Header><Body><Ask/></Body>" in text
    assert "<Header>" not in message(made, {})


def test_a_sequence_that_repeats_as_a_whole_is_filled_round_by_round() -> None:
    pair = '<x:element name="key" type="x:string"/><x:element name="value" type="x:string"/>'
    made = contract(f'<x:sequence maxOccurs="unbounded">{pair}</x:sequence>')
    assert paths(made)["key"]["repeated"]
    text = message(made, {"key": ["a", "b"], "value": ["1", "2"]})
    assert "<Ask><key>a</key><value>1</value><key>b</key><value>2</value></Ask>" in text


def test_a_choice_takes_the_one_that_is_filled_in() -> None:
    made = contract('<x:choice><x:element name="sku" type="x:string"/><x:element name="upc" type="x:string"/></x:choice>')
    assert all(one["choice"] and not one["required"] for path, one in paths(made).items() if "Header" not in path)
    assert "<Ask><upc>036</upc></Ask>" in message(made, {"upc": ["036"]})


def test_attributes_groups_and_texts_with_attributes() -> None:
    types = """<x:group name="G"><x:sequence><x:element name="inner" type="x:int" minOccurs="0"/></x:sequence></x:group>
      <x:attributeGroup name="A"><x:attribute name="lang" type="x:language" use="required"/></x:attributeGroup>
      <x:complexType name="Money"><x:simpleContent><x:extension base="x:decimal"><x:attribute name="currency" type="x:string"/>
      </x:extension></x:simpleContent></x:complexType>"""
    made = contract(
        '<x:sequence><x:group ref="t:G"/><x:element name="price" type="t:Money"/></x:sequence><x:attributeGroup ref="t:A"/>', types=types
    )
    known = paths(made)
    assert (known["inner"]["kind"], known["price"]["kind"], known["@lang"]["required"]) == ("number", "number", True)
    text = message(made, {"inner": ["5"], "price": ["9.50"], "price.@currency": ["EUR"], "@lang": ["de"]})
    assert '<Ask lang="de"><inner>5</inner><price currency="EUR">9.50</price></Ask>' in text


def test_the_schema_of_xml_itself_is_ours_and_is_never_fetched() -> None:
    made = contract(
        '<x:sequence><x:element name="a" type="x:string"/></x:sequence><x:attribute ref="xml:lang"/>',
        types='<x:import namespace="http://www.w3.org/XML/1998/namespace" schemaLocation="http://www.w3.org/2001/xml.xsd"/>',
    )
    assert "@lang" in paths(made)


def test_a_wsdl_behind_a_tls_proxy_names_itself_by_http() -> None:
    entry = "https://ws.example:8443/stock?wsdl"
    assert over_tls("http://ws.example/stock.xsd", entry) == "https://ws.example:8443/stock.xsd"
    for other in ("http://ws.example:81/x.xsd", "http://other.example/x.xsd", "https://ws.example/x.xsd"):
        assert over_tls(other, entry) == other
    assert over_tls("http://ws.example/x.xsd", "http://ws.example/x.wsdl") == "http://ws.example/x.xsd"
    asked: list[str] = []
    shelf = Shelf(entry, {}, lambda address: asked.append(address) or b"<x/>")  # type: ignore[func-returns-value]
    assert shelf.take("http://ws.example/stock.xsd#part") == b"<x/>" and asked == ["https://ws.example:8443/stock.xsd"]


# answers

E11, E12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"


def answer(inner: str, kind: str = "text/xml", space: str = E11) -> Answer:
    text = (
        f'<e:Envelope xmlns:e="{space}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" xmlns:t="urn:t"><e:Header><x/></e:Header>'
        f"<e:Body>{inner}</e:Body></e:Envelope>"
    )
    return Answer(200, {"Content-Type": kind}, text.encode(), "http://x.example/")


def test_an_old_services_references_are_followed() -> None:
    inner = (
        '<t:Told><items><item href="#1"/><item href="#2"/><item href="#gone"/></items></t:Told>'
        '<multiRef id="1" i:type="t:Item"><sku i:type="x:string">A</sku><of href="#2"/></multiRef>'
        '<multiRef id="2"><sku>B</sku><back href="#2"/></multiRef>'
    )
    message = soap_answers.opened(answer(inner), [])
    rows = soap_answers.rows(message, "items.item")
    assert rows is not None and rows[0]["sku"] == "A" and rows[0]["of"]["sku"] == "B" and rows[1]["sku"] == "B"


def test_references_that_unfold_without_an_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soap_answers, "MOST_COPIED", 2_000)
    pairs = "".join(f'<m id="{n}"><a href="#{n + 1}"/><a href="#{n + 1}"/></m>' for n in range(40))
    with pytest.raises(SupplierError) as refused:
        soap_answers.opened(answer(f'<t:Told><a href="#0"/></t:Told>{pairs}'), [])
    assert "without an end" in refused.value.problem.body


def test_of_an_answer_with_attachments_the_first_part_is_read() -> None:
    whole = answer("<t:Told><a>1</a></t:Told>")
    body = (
        b"--b\r\nContent-Type: application/xop+xml\r\n\r\n" + whole.body + b"\r\n--b\r\nContent-Type: image/png\r\n\r\n\x89PNG\r\n--b--\r\n"
    )
    told = Answer(200, {"content-type": 'multipart/related; type="application/xop+xml"; boundary="b"'}, body, "http://x.example/")
    assert soap_answers.opened(told, []) == {"a": "1"}
    with pytest.raises(SupplierError):
        soap_answers.opened(Answer(200, {"content-type": "multipart/related"}, body, "http://x.example/"), [])


@pytest.mark.parametrize(
    ("inner", "space", "code", "permanent"),
    [
        ("<e:Fault><faultcode>e:Client</faultcode><faultstring>Bad s3cret</faultstring></e:Fault>", E11, "protocol_error", True),
        ("<e:Fault><faultcode>e:Client.Authentication</faultcode><faultstring>No</faultstring></e:Fault>", E11, "protocol_error", True),
        ("<e:Fault><faultcode>wsse:FailedAuthentication</faultcode><faultstring>No</faultstring></e:Fault>", E11, "sign_in_refused", True),
        ("<e:Fault><faultcode>e:Server</faultcode><faultstring>Login failed for ana</faultstring></e:Fault>", E11, "sign_in_refused", True),
        ("<e:Fault><e:Code><e:Value>e:Receiver</e:Value></e:Code><e:Reason><e:Text>Later</e:Text></e:Reason></e:Fault>", E12,
         "http_status", False),
        ("<e:Fault><e:Code><e:Value>e:Sender</e:Value><e:Subcode><e:Value>t:Bad</e:Value></e:Subcode></e:Code><e:Reason>"
         "<e:Text>No s3cret</e:Text></e:Reason></e:Fault>", E12, "protocol_error", True),
        ("<e:Fault/>", E11, "http_status", False),
    ],
)  # fmt: skip
def test_faults_of_both_versions(inner: str, space: str, code: str, permanent: bool) -> None:
    with pytest.raises(SupplierError) as fault:
        soap_answers.opened(answer(inner, space=space), [Secret("s3cret")])
    assert (fault.value.problem.code, fault.value.permanent) == (code, permanent) and "s3cret" not in fault.value.problem.server_said


def test_an_empty_body_is_an_empty_message_and_nil_is_no_value() -> None:
    assert soap_answers.opened(answer(""), []) == {}
    told = '<x:sequence><x:element name="row" maxOccurs="unbounded"><x:complexType><x:sequence>'
    told += '<x:element name="n" type="x:int" nillable="true"/>'
    operation = contract(told=f"{told}</x:sequence></x:complexType></x:element></x:sequence>").operation("Go")
    assert operation is not None
    message = shaped(soap_answers.opened(answer('<t:Told><row><n i:nil="true"/></row></t:Told>'), []), operation.gives)
    assert message == {"row": [{"n": ""}]} and soap_answers.rows(message, "row") == [{"n": ""}]


def test_rows_carry_what_they_stand_in_and_plain_texts_become_rows() -> None:
    message = {"store": "7", "lists": [{"name": "a", "sku": ["1", "2"]}, {"name": "b", "sku": []}]}
    assert soap_answers.rows(message, "lists.sku") == [
        {"value": "1", "parent": {"store": "7", "name": "a"}}, {"value": "2", "parent": {"store": "7", "name": "a"}},
    ]  # fmt: skip
    assert soap_answers.rows(message, "lists[?name=='a']") == [{"name": "a", "sku": ["1", "2"]}]
    assert soap_answers.rows(message, "") == [message] and soap_answers.rows(message, "gone") == []
    assert soap_answers.leads_nowhere(message, "gone.x") == "store, lists" and soap_answers.leads_nowhere({}, "gone") == ""


@pytest.mark.parametrize(
    ("message", "found"),
    [
        ({"r": {"code": "0"}}, None), ({"r": {"code": "OK"}}, None), ({"r": {"code": ""}}, None), ({}, None),
        ({"r": {"code": "9", "text": "Busy"}}, "9, Busy"), ({"r": [{"code": "0"}, {"code": "3"}]}, "3"),
        ({"ServiceMessageArray": {"ServiceMessage": {"code": "999", "description": "x", "severity": "Error"}}}, "999: x"),
        ({"ServiceMessageArray": {"ServiceMessage": [{"code": "999", "description": "x", "severity": "Warning"}]}}, None),
        ({"ServiceMessageArray": ""}, None),
    ],
)  # fmt: skip
def test_an_error_inside_a_success(message: Any, found: str | None) -> None:
    at = "r[].code" if isinstance(message.get("r"), list) else "r.code"
    error = soap_answers.business_error(message, at, ["0", "ok"], [])
    assert (error.problem.server_said if isinstance(error, SupplierError) else error) == found


def test_what_changed_between_two_readings() -> None:
    one, two = ({"key": name, "name": name, "arguments": [{"path": "a", "required": False}]} for name in ("Go", "Stop"))
    other = {**one, "arguments": [{"path": "a", "required": True}, {"path": "b", "required": False}]}
    assert differences({"operations": [one, two]}, {"operations": [other]}, "Go") == ["gone: Stop", "Go now needs a"]
    assert differences({"operations": [one]}, {"operations": [one, two]}, "Go") == ["new: Stop"]
    assert differences({"operations": [one]}, {"operations": [one]}, "") == []


def test_arguments_as_a_suppliers_file_writes_them() -> None:
    told = soap_arguments.written("a = 1\n\nid = <user>\np=<password>\nb = <b>\nb = two\nnothing\nc =\n")
    assert told == {
        "a": {"from": "value", "lines": ["1"]},
        "id": {"from": "user"},
        "p": {"from": "password"},
        "b": {"from": "value", "lines": ["<b>", "two"]},
    }
    assert soap_arguments.resolved(told, {"user": "ana"}) == {"a": ["1"], "id": ["ana"], "b": ["<b>", "two"]}


def test_two_notifications_of_one_order_are_two_parcels_of_it() -> None:
    def told(number: str) -> dict[str, Any]:
        package = {
            "SalesOrderArray": {"SalesOrder": {"ShipmentArray": {"Shipment": {"PackageArray": {"Package": {"trackingNumber": number}}}}}}
        }
        return {"purchaseOrderNumber": "FR-1", "purchaseOrderShippedInFull": "true", **package}

    said: list[str] = []
    one, two = (
        {"OrderShipmentNotificationArray": {"OrderShipmentNotification": many}} for many in ([told("1Z1")], [told("1Z1"), told("1Z2")])
    )
    assert [row["sku"] for row in soap_parcels.rows(one, [], True, lambda words, _: said.append(words))] == [""], "all of the order"
    assert soap_parcels.rows(two, [], True, lambda words, _: said.append(words)) == []
    assert len(said) == 2 and "do not tell what is in parcel 1Z2" in said[1]
