"""The WSDL of a source that is a SOAP service: uploaded or read by address, kept whole, and its changes told.

upload ─▶ packed        test ─▶ read (connectors.soap) ─▶ packed + outline ─▶ pages
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import orjson
from peewee import IntegrityError

from portal import audit, clock, setup_steps
from portal.connection_parts import mark_untested, supplier_of
from portal.connectors.soap_files import LONGEST_ALL as LONGEST_ALL
from portal.connectors.soap_files import UPLOADED, Files, gathered, parted, sort_uploads
from portal.errors import NotFound, Stale
from portal.models import Connection, ServiceDescription, Source, database
from portal.order_calls import ORDERS_AT

PROTOCOL = "soap"


def find(source: Source) -> ServiceDescription:
    """The row of the source, made when it is first needed. Raises NotFound for a source that is no SOAP service."""
    if supplier_of(source).protocol != PROTOCOL:
        raise NotFound("service description")
    found: ServiceDescription | None = ServiceDescription.get_or_none(ServiceDescription.source == source)
    if found is not None:
        return found
    with suppress(IntegrityError), database.atomic():  # another request may make it first
        ServiceDescription.create(source=source)
    made: ServiceDescription = ServiceDescription.get(ServiceDescription.source == source)
    return made


def settings_of(source: Source) -> dict[str, Any]:
    """The open settings of the source's connection."""
    return dict(Connection.get(Connection.source == source).settings)


def operations(row: ServiceDescription) -> list[dict[str, Any]]:
    """What the WSDL offers, [] until it was read."""
    return list(row.outline.get("operations", []))


def operation_of(row: ServiceDescription, key: str) -> dict[str, Any] | None:
    """The operation of that key, or of that bare name in the first port that has it."""
    known = operations(row)
    return next((one for one in known if one["key"] == key), None) or next((one for one in known if one["name"] == key), None)


def kept_files(row: ServiceDescription) -> list[tuple[str, int]]:
    """Name and bytes of each kept file: of the WSDL in use, of those for orders and shipments where they are others, then added schemas."""
    packed = [text for text in (row.packed, row.orders_packed, row.shipments_packed, row.extra) if text]
    return [(name.removeprefix(UPLOADED), len(content)) for text in packed for name, content in Files.unpacked(text).files.items()]


OWN = {
    "send_orders": (ORDERS_AT, "orders_wsdl", "orders_packed"),
    "get_shipments": ("shipments_endpoint", "shipments_wsdl", "shipments_packed"),
}
"""Where another service than the one that tells the stock does it: the settings with its address and that of its WSDL, our column."""


def own_operation(source: Source, kind: str) -> str:
    """The operation by which a service of its own does `kind`; "" where the service that tells the stock does."""
    supplier, where = supplier_of(source), OWN.get(kind)
    operation = supplier.operations.get(kind)
    return str(operation.texts.get("wsdl_operation", "")) if operation and where and where[0] in supplier.setting_keys else ""


def own_operations(source: Source) -> dict[str, str]:
    """{kind: operation} of those that a service of its own does."""
    return {kind: operation for kind in OWN if (operation := own_operation(source, kind))}


def upload(source: Source, uploads: Sequence[tuple[str, bytes]], who: str) -> None:
    """Take a WSDL with its schemas; for a WSDL that is read by address, only schemas that it imports from elsewhere.

    The connection is untested afterwards. Raises SupplierError where nothing can be made of it.
    """
    row, by_address = find(source), settings_of(source).get("wsdl_from") == "address"
    packed, known = dict[str, str](), list[Files]()
    if by_address:
        known = [Files("", gathered(uploads))]
        packed = {"extra": known[0].packed()}
    elif own := own_operations(source):
        stock, *theirs = parted(uploads, list(own.values()))
        known = [one for one in (stock, *theirs) if one]
        packed = {"packed": stock.packed(), "digest": ""} if stock else {}
        packed |= {OWN[kind][2]: one.packed() for kind, one in zip(own, theirs, strict=True) if one}
    else:
        known = [sort_uploads(uploads)]
        packed = {"packed": known[0].packed(), "digest": ""}
    names = sorted({name for one in known for name in one.files})[:20]
    with database.atomic():
        _update(row, who, **packed)
        mark_untested(source)
        setup_steps.reopen(source, "connection")
        audit.write(source.merchant, who, "service_description.upload", "source", source.public_id, before=None, after={"files": names})


def forget(source: Source) -> None:
    """Drop what was kept: the source has another supplier."""
    ServiceDescription.delete().where(ServiceDescription.source == source).execute()


class Shelf:
    """The kept WSDL of one source, for a connector (soap.Library); that of its own service where one does the `operation`."""

    def __init__(self, source: Source, operation: str = "get_inventory") -> None:
        self.source = source
        self.column = OWN[operation][2] if own_operation(source, operation) else ""

    def kept(self) -> Files | None:
        """The WSDL in use; None before there was one."""
        row = find(self.source)
        packed = getattr(row, self.column or "packed")
        return Files.unpacked(packed) if packed else None

    def uploads(self) -> Mapping[str, bytes]:
        """Schemas that a person added."""
        extra = find(self.source).extra
        return Files.unpacked(extra).files if extra else {}

    def keep(self, files: Files, outline: Mapping[str, Any]) -> str:
        """Keep what was read. What the service changed about it is told as a sentence, and stays on the source's pages."""
        from portal.connectors.soap_wsdl import differences  # zeep is loaded where a WSDL is read

        row = find(self.source)
        if self.column:
            if getattr(row, self.column) != (packed := files.packed()):
                ServiceDescription.update({self.column: packed}).where(ServiceDescription.id == row.id).execute()
            return ""
        if row.digest == files.digest and row.outline:
            ServiceDescription.update(read_at=clock.now()).where(ServiceDescription.id == row.id).execute()
            return ""
        clauses = differences(row.outline, outline, str(row.call.get("operation") or "")) if row.outline else []
        words = f"The WSDL is another than before: {'; '.join(clauses)}" if clauses else ""
        plain = orjson.loads(orjson.dumps(outline))
        told = {"changes": words, "changes_at": clock.now()} if words else {}
        _update(row, row.changed_by, packed=files.packed(), digest=files.digest, outline=plain, read_at=clock.now(), **told)
        return words


def write_call(row: ServiceDescription, call: Mapping[str, Any], version: int, who: str) -> None:
    """Keep what is asked of the service. Raises Stale."""
    same = (ServiceDescription.id == row.id) & (ServiceDescription.version == version)
    if not ServiceDescription.update(_stamped(who, call=dict(call), changes="", changes_at=None)).where(same).execute():
        fresh = ServiceDescription.get_by_id(row.id)
        raise Stale(fresh.changed_by or "A test of the connection", fresh.changed_at)


def _update(row: ServiceDescription, who: str, **columns: Any) -> None:
    ServiceDescription.update(_stamped(who, **columns)).where(ServiceDescription.id == row.id).execute()


def _stamped(who: str, **columns: Any) -> dict[str, Any]:
    return {**columns, "version": ServiceDescription.version + 1, "changed_at": clock.now(), "changed_by": who}
