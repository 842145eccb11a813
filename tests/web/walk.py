"""Walks the URL map: every rule, every method, with objects of one merchant or of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from werkzeug.routing import Rule

from portal import api_tokens, sources
from portal.models import TABLES, Document, FormToken, InventoryItem, Merchant, OrderFile, Run, Session, Shipment, database
from tests.ordered import ask, place

MISSING = "a" * 22  # shaped as an id, and nobody's
# parts of addresses that name an object
IDS = (
    "source_id",
    "run_id",
    "item_id",
    "order_id",
    "request_id",
    "order_file_id",
    "shipment_id",
    "token_id",
)
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
BOOKKEEPING = (Session, FormToken)  # when it was seen, and which form was sent: not the merchant's data


@dataclass(frozen=True)
class Belongings:
    """One merchant's object ids, by the name of the URL part that takes them."""

    source_id: str
    run_id: str
    item_id: str
    order_id: str
    request_id: str
    order_file_id: str
    shipment_id: str
    token_id: str
    others: dict[str, str] = field(default_factory=dict)

    def values(self, rule: Rule, extra: dict[str, str]) -> dict[str, str]:
        """What to put into the rule: ids of these belongings, and `extra` for the parts that are no ids."""
        ids = {name: getattr(self, name) for name in IDS}
        return {name: extra[name] if name in extra else ids[name] for name in rule.arguments}


NOTHING = Belongings(*[MISSING] * len(IDS))


def belongings(merchant: Merchant, name: str = "Kestrel Outdoor") -> Belongings:
    """A live source with its integrations, a finished run with a file, one item, an order with a request that waits, and a shipment."""
    source = sources.create(merchant, name, "dropship_supplier", "owner")
    source.supplier, source.state = "sftp-file", "live"
    source.setup_done = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    source.save()
    kinds = {kind: sources.add_integration(source, kind, "owner") for kind in sources.INTEGRATION_KINDS}
    run = Run.create(
        merchant=merchant,
        source=source,
        integration=kinds["get_inventory_primary"],
        number=1,
        kind="inventory",
        state="finished",
        stage="done",
    )
    document = Document.create(merchant=merchant, source=source, run_id=run.id, name="stock.csv", size=4, sha256="0" * 64)
    Run.update(document_id=document.id).where(Run.id == run.id).execute()
    item = InventoryItem.create(merchant=merchant, source=source, sku="KS-00194", content_hash=1, last_run_id=run.id, last_row=2)
    order = place(merchant, [("KS-00194", 2)])
    request = ask(order, source, state="unprocessed")
    file = OrderFile.create(merchant=merchant, name="orders.csv", stored_name="orders/gone", size=4, sha256="0" * 64)
    parcel = Shipment.create(
        merchant=merchant, source=source, state="unmatched", reference="77", tracking_number="T-1", tracking_key="T1", came_by="file"
    )  # fmt: skip
    token, _ = api_tokens.make(merchant, "Till", ["orders:read"], None, "90", "owner")
    ids = (source, run, item, order, request, file, parcel, token)
    return Belongings(*[one.public_id for one in ids])


def rules(app: Any, with_ids: bool | None = None) -> list[Rule]:
    """Every rule for people but assets; `with_ids` picks those that name an object (or those that do not)."""
    people = {name for name, view in app.view_functions.items() if not getattr(view, "is_for_machines", False)}
    found = [rule for rule in app.url_map.iter_rules() if rule.endpoint in people - {"assets.show"}]
    if with_ids is None:
        return found
    return [rule for rule in found if bool(set(IDS) & set(rule.arguments)) is with_ids]


def methods(rule: Rule) -> list[str]:
    """The methods of the rule that a person uses."""
    return sorted(set(rule.methods or ()) - {"HEAD", "OPTIONS"})


def address(app: Any, rule: Rule, values: dict[str, str]) -> str:
    """The path of `rule` with `values`."""
    assert app.view_functions[rule.endpoint]
    built = rule.build(values, append_unknown=False)
    assert built is not None
    return str(built[1])


def everything(but: tuple[Any, ...] = BOOKKEEPING) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, for comparing before and after."""
    state = {}
    with database.connection_context() if database.is_closed() else database.atomic():
        for table in TABLES:
            if table not in but:
                state[table.__name__] = sorted(table.select().tuples(), key=repr)
    return state
