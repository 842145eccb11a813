"""How orders leave for a source: the transport, the witness that belongs to it, and where to.

Send Orders' settings ("leave_by": the connection, e-mail or a webhook) and the supplier's own TOML ─▶ Way
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from portal import connections, order_calls, order_setup
from portal.connectors.sending import Witness
from portal.connectors.taken import Taken
from portal.errors import NotFound, Refused
from portal.models import Integration, Source
from portal.outbox import witnesses
from portal.suppliers import Supplier

FILES = ("sftp", "ftp")
CALLS = ("rest", "soap", "shopify")
LEAVE_BY = {
    "": "By the connection of this source",
    "email": "By e-mail",
    "webhook": "By webhook: we post each order to an address of theirs, signed",
    "pull": "They fetch them from us, by our API",
}


@dataclass(frozen=True)
class Way:
    """`transport`: a value of Submission.transport; `witness`: a key of witnesses.KINDS; `proof`: how a call is found again.

    `folder`: where files go, or the addresses of e-mail, or the address of a webhook; `one_each`: each request leaves by itself.
    `settings`: those of Send Orders. `layout`: of the order document that the supplier's API takes. `taken`: how the lines that they took
    are compared with those that were sent, None where their answer does not tell them.
    """

    transport: str
    witness: str
    folder: str = ""
    one_each: bool = False
    proof: Witness = field(default_factory=Witness)
    settings: Mapping[str, Any] = field(default_factory=dict)
    layout: Mapping[str, Any] = field(default_factory=dict)
    taken: Taken | None = None

    @property
    def settle(self) -> int:
        """Seconds that it may take until an order is listed."""
        return self.proof.settle_seconds

    @property
    def window(self) -> timedelta:
        """How long they know our key again."""
        return timedelta(seconds=self.proof.window_seconds) if self.proof.window_seconds else witnesses.KEPT_FOR


def of(source: Source, integration: Integration) -> Way:
    """How orders leave for the source. Raises Refused where its method cannot take any."""
    settings = integration.settings
    leave_by = str(settings.get("leave_by") or "")
    if leave_by:
        return _other(leave_by, settings)
    try:
        supplier = connections.supplier_of(source)
    except NotFound:
        raise Refused("This source has no supplier yet. Choose its supplier and connect it first.") from None
    if not supplier.supports["orders"]:
        raise Refused(f"{supplier.cannot['orders']} {_OTHERWISE}")
    if supplier.protocol in FILES:
        folder = order_setup.place(source, integration)
        return Way(supplier.protocol, _file_witness(settings), folder, _one_each(integration), settings=settings)
    if supplier.protocol in CALLS:
        return _call(supplier, integration, settings)
    raise Refused(f"{supplier.name} takes no orders by its connection. {_OTHERWISE}")


_OTHERWISE = "Or choose another way under How orders leave."


def _call(supplier: Supplier, integration: Integration, settings: Mapping[str, Any]) -> Way:
    """As the supplier's file says, or as the merchant does. Raises Refused before that was said."""
    operation, kind = supplier.operations.get("send_orders"), order_calls.kind_of(supplier)
    call = order_calls.call_of(integration)
    if words := order_calls.missing(integration):
        raise Refused(f"{words} {_OTHERWISE} Nothing was sent.")
    if operation is None and not kind:
        raise Refused(f"{supplier.name} takes no orders by its connection. {_OTHERWISE}")
    proof = Witness(**(operation.witness if operation else order_calls.witness_of(kind, call)))
    taken = Taken(**operation.taken) if operation and operation.taken else None
    layout = order_setup.layout_of(integration)
    return Way(supplier.protocol, proof.proves, one_each=True, proof=proof, settings=settings, layout=layout, taken=taken)


def _other(leave_by: str, settings: Mapping[str, Any]) -> Way:
    if leave_by == "webhook":
        witness = "promise" if settings.get("takes_id_once") else "nothing"
        return Way("webhook", witness, str(settings.get("webhook_url") or ""), one_each=True, settings=settings)
    if leave_by == "email":
        return Way("email", "nothing", str(settings.get("email_to") or ""), settings=settings)
    return Way("pull", "answer", one_each=True, settings=settings)


def _file_witness(settings: Mapping[str, Any]) -> str:
    chosen = str(settings.get("witness") or "rename")
    return chosen if chosen in witnesses.FILES else "rename"


def _one_each(integration: Integration) -> bool:
    """A file for each request, where its name is made of the PO number and of no number of its own."""
    name = str(order_setup.layout_of(integration).get("file_name", ""))
    return "{po}" in name and "{number}" not in name
