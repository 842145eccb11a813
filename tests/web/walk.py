"""Walks the URL map: every rule, every method, with objects of one merchant or of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from werkzeug.routing import Rule

from portal import api_tokens, channels, clock, config, directory, sources, webhooks
from portal.billing import invoices, offers
from portal.models import (
    TABLES,
    Alert,
    BulkAct,
    BulkItem,
    ChannelOrder,
    ChannelPush,
    Connection,
    Document,
    Exclusion,
    FormToken,
    InventoryItem,
    Linking,
    Listing,
    ListingBatch,
    Merchant,
    OrderFile,
    Product,
    ProductLink,
    Run,
    Session,
    SetAsideRow,
    Shipment,
    Source,
    Submission,
    SubmissionMember,
    SubmissionPart,
    User,
    WorkspaceExport,
    database,
)
from tests.ordered import ask, place

CHEAP = {"match": "any", "groups": [{"match": "all", "conditions": [{"field": "cost", "op": "less", "value": 50_000}]}]}
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
    "channel_id",
    "store_order_id",
    "product_id",
    "linking_id",
    "listing_id",
    "batch_id",
    "exclusion_id",
    "alert_id",
    "act_id",
    "invoice_id",
    "user_id",
    "export_id",
)
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
SUPPLIERS = {
    "hooks": "webhook", "soap": "soap-service", "signing_in": "rest-api", "approvals": "woocommerce", "store_apps": "bigcommerce",
    "connections.upload_second": "file-upload",
}  # fmt: skip
"""What a page of that blueprint or endpoint is about: the supplier of a second source."""

OTHER_SETTINGS = {
    "rest-api": {
        "base": "https://api.kestrel.example", "auth": "code", "authorize_url": "https://api.kestrel.example/authorize", "client_id": "app",
        "token_url": "https://api.kestrel.example/token", "path": "/stock", "form": "json", "paging": "none",
    },
    "woocommerce": {"store_url": "https://shop.kestrel.example"},
    "bigcommerce": {"approval": "bigcommerce", "store_hash": "abc123", "client_id": "app"},
}  # fmt: skip
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
    channel_id: str
    store_order_id: str
    product_id: str
    linking_id: str
    listing_id: str
    batch_id: str
    exclusion_id: str
    alert_id: str
    act_id: str
    invoice_id: str
    user_id: str
    export_id: str
    others: dict[str, dict[str, str]] = field(default_factory=dict)

    def values(self, rule: Rule, extra: dict[str, str]) -> dict[str, str]:
        """What to put into the rule: ids of these belongings, and `extra` for the parts that are no ids.

        `others`, by endpoint or blueprint: ids of the objects that such pages are about.
        """
        others = self.others.get(str(rule.endpoint), self.others.get(str(rule.endpoint).partition(".")[0], {}))
        known = {name: getattr(self, name) for name in IDS} | {"token": "t" * 43} | extra | others
        return {name: known[name] for name in rule.arguments}


NOTHING = Belongings(*[MISSING] * len(IDS))


def belongings(merchant: Merchant, name: str = "Kestrel Outdoor") -> Belongings:
    """A live source with its parts, a finished run with a file, an item, an order with a request in doubt, a shipment; others beside it."""
    source = sources.create(merchant, name, "dropship_supplier", "owner")
    source.supplier, source.state = "sftp-file", "live"
    source.setup_done = ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    source.save()
    Connection.create(source=source)
    kinds = {kind: sources.add_integration(source, kind, "owner") for kind in sources.INTEGRATION_KINDS}
    run, dry = (
        Run.create(
            merchant=merchant, source=source, integration=kinds["get_inventory_primary"], number=number, kind=kind, state="finished",
            stage="done", finished_at=clock.now(), checkpoint={} if number == 1 else {"would": "no_change"},
        )
        for number, kind in enumerate(("inventory", "dry_run"), 1)
    )  # fmt: skip
    document = Document.create(
        merchant=merchant, source=source, run_id=run.id, name="stock.csv", size=4, sha256="0" * 64, stored_name=stored()
    )  # fmt: skip
    Run.update(document_id=document.id).where(Run.id == run.id).execute()
    SetAsideRow.create(
        run=run, row_number=2, problems=[{"column": "sku", "value": "", "code": "required", "reason": "It has no SKU."}], cells=["", "4"]
    )
    item = InventoryItem.create(merchant=merchant, source=source, sku="KS-00194", content_hash=1, last_run_id=run.id, last_row=2)
    order = place(merchant, [("KS-00194", 2)])
    request = ask(order, source, state="processing", sending="check_needed")
    submission = in_doubt(request)
    bad = [{"row": 2, "cells": ["", "4"], "words": "It has no order number."}]
    file, taken = (
        OrderFile.create(
            merchant=merchant, name="orders.csv", stored_name="orders/gone", size=4, sha256="0" * 64, headers=["number", "qty"], bad=bad,
            state=state,
        )
        for state in ("read", "taken")
    )  # fmt: skip
    parcel = Shipment.create(
        merchant=merchant, source=source, state="unmatched", reference="77", tracking_number="T-1", tracking_key="T1", came_by="file"
    )  # fmt: skip
    token, _ = api_tokens.make(merchant, "Till", ["orders:read"], None, "90", "owner")
    product = Product.create(merchant=merchant, sku="KS-00194", title="Work lamp")
    ProductLink.create(item=item, product=product, source=source, rule="hand")
    counts = {"confident": 0, "unmatched": 1}
    linking, done = (
        Linking.create(merchant=merchant, state=state, rules=["sku"], counts=counts, applied_at=clock.now())
        for state in ("ready", "applied")
    )
    act, acted = (
        BulkAct.create(
            merchant=merchant, act="delete", state=state, by="owner", chosen_at=clock.now(), applied_at=clock.now(),
            counts={"chosen": 1, "done": 1},
        )
        for state in ("ready", "done")
    )  # fmt: skip
    BulkItem.create(act=act, item_id=item.id)
    plan = offers.save("starter", "Starter", "29.00", "USD", {"skus": 1_000}, "immediate")
    offers.assign(merchant, offers.save("growth", "Growth", "99.00", "USD", {}, "request"), "owner")
    invoice = invoices.issue_lines(merchant, plan.currency, [("Set-up", "10.00")], "owner")
    others = {key: {"source_id": beside(merchant, name, slug).public_id} for key, slug in SUPPLIERS.items()}
    others |= {
        "linking.confirm_undo": {"linking_id": done.public_id}, "bulk_acts.confirm_undo": {"act_id": acted.public_id},
        "dry_runs.plan": {"run_id": dry.public_id}, "dry_runs.csv": {"run_id": dry.public_id},
        "order_files.show": {"order_file_id": taken.public_id}, "sending.document": {"submission_id": submission.public_id},
    }  # fmt: skip
    channel = channels.add(merchant, name, "woocommerce", clock.now(), True, "owner")
    told = {"ref": "77", "number": "77", "state": "take", "lines": [], "changed": "2026-11-27T06:00:00", "placed": "2026-11-27T06:00:00"}
    waits = ChannelOrder.create(channel=channel, ref="77", number="77", state="waiting", why="It has no SKU.", told={"whole": told})
    held = {
        "zero": 1,
        "moves": 0,
        "live": 2,
        "run": 1,
        "left_by": "",
        "samples": {"zero": [["KS-00194", MISSING, "Lamp", 3, 0, None, None]]},
    }
    counts = {"listings": 2, "differ": 1}
    ChannelPush.create(channel=channel, state="on", looked={"counts": counts}, looked_at=clock.now(), held=held)
    outlet = channels.add(merchant, f"Feed of {name}"[:80], "feed", clock.now(), False, "owner")
    listed = Listing.create(channel=outlet, product=product, sku="KS-00194")
    ready, made = (
        ListingBatch.create(channel=outlet, merchant=merchant, state=state, counts={"create": 1, "samples": {}}, applied_at=clock.now())
        for state in ("ready", "applied")
    )
    at = {"channel_id": outlet.public_id}
    others |= dict.fromkeys(("listings", "listing_rules", "listing_batches", "channel_files"), at)
    others["listing_batches.undo"] = {**at, "batch_id": made.public_id}
    alert = Alert.create(
        merchant=merchant, rule="server_silent", object_key=f"source {source.id}", source=source, level="warning", headline="It fails",
        body="Stock stays as it last came.",
    )  # fmt: skip
    rule = Exclusion.create(merchant=merchant, name=f"Cheap {name}"[:80], definition=CHEAP)
    mate = User.create(merchant=merchant, email=f"mate-{name}-{merchant.id}@x.example".replace(" ", ""), password_hash="!", role="reader")
    taken_along = WorkspaceExport.create(merchant=merchant, ends_at=clock.now(), state="gone")
    ids = (
        source, run, item, order, request, file, parcel, token, channel, waits, product, linking, listed, ready, rule, alert, act,
        invoice, mate, taken_along,
    )  # fmt: skip
    return Belongings(*[one.public_id for one in ids], others=others)


def stored() -> str:
    """A raw file on the disk; its name there."""
    folder = config.current().spool_dir
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "stock.csv").write_bytes(b"sku\n")
    return "stock.csv"


def in_doubt(request: Any) -> Submission:
    """What left of the request, of which nobody knows whether it arrived."""
    now, how = clock.now(), {"transport": "sftp", "witness": "rename", "reference": "000001", "state": "check_needed"}
    made = Submission.create(merchant=request.merchant_id, source=request.source_id, unknown_at=now, left_at=now, **how)
    SubmissionMember.create(submission=made, request=request, generation=request.generation)
    SubmissionPart.create(submission=made, place=0, name="orders.csv", content_type="text/csv", content=b"po\n", size=3, sha256="0" * 64)
    return made


def beside(merchant: Merchant, name: str, slug: str) -> Source:
    """A live source of that supplier."""
    made = sources.create(merchant, f"{slug} {name}"[:80].strip(), "dropship_supplier", "owner")
    directory.select(made, slug, True, made.version, "owner")
    made = Source.get_by_id(made.id)
    made.state, made.setup_done = "live", ["supplier", "connection", "file", "inventory", "orders", "shipments", "skus", "review"]
    made.save()
    if slug in OTHER_SETTINGS:
        Connection.update(settings=OTHER_SETTINGS[slug]).where(Connection.source == made).execute()
    if slug == "webhook":
        webhooks.saved(made, {}, {"signing": "standard"}, "owner")
    sources.add_integration(made, "get_inventory_secondary", "owner")
    return made


def rules(app: Any, with_ids: bool | None = None) -> list[Rule]:
    """Every rule for people but assets; `with_ids` picks those that name an object (or those that do not)."""
    marks = ("is_for_machines", "is_for_staff")  # tests/support walks what is for staff
    people = {name for name, view in app.view_functions.items() if not any(getattr(view, mark, False) for mark in marks)}
    found = [rule for rule in app.url_map.iter_rules() if rule.endpoint in people - {"assets.show", "staff.sign_in"}]
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
