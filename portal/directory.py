"""The Supplier Directory as a merchant sees it: search it, and choose the supplier of a source."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from portal import clock, config, setup_steps, sources, suppliers, webhooks
from portal.errors import Invalid, Refused
from portal.models import Connection, Integration, SealedSecret, ServiceDescription, Source, database
from portal.suppliers import Supplier

GENERIC = "Connect something else"  # the category of entries that are a method, not a company
LONGEST_SEARCH = 100
BY_FILE = frozenset({"sftp", "ftp", "http", "upload"})  # protocols


@dataclass(frozen=True)
class Kind:
    """A part of the directory: its key in an address, its heading, and the categories of its entries."""

    key: str
    heading: str
    categories: frozenset[str] = frozenset()


PRACTICE = Kind("practice", "To practise", frozenset({"Demo"}))
STORES = Kind("stores", "Stores and platforms", frozenset({"Store platforms"}))
WAREHOUSES = Kind("warehouses", "Warehouses and inventory systems", frozenset({"Warehouses and fulfillment", "Inventory systems"}))
SUPPLIERS = Kind("suppliers", "Suppliers", frozenset({"Dropship suppliers", "Promotional products", "Apparel"}))
FILES = Kind("files", "Connect something else by a file")
APIS = Kind("apis", "Connect something else by an API or webhook")
KINDS = (PRACTICE, STORES, SUPPLIERS, WAREHOUSES, FILES, APIS)
SUPPORTS = {"orders": "Send Orders", "shipments": "Get Shipments"}
"""What not every entry supports, in the words of its integration."""


def demo_account() -> Path | None:
    """Where the demo supplier writes its sign-in; None where it never runs."""
    settings = config.current()
    return settings.demo_account_file if settings.demo else None


def find(slug: str) -> Supplier:
    """One entry, its demo values filled in while the demo runs. Raises NotFound."""
    return suppliers.find(slug, demo_account())


def runs_here(supplier: Supplier) -> bool:
    """False for a demo supplier that is not running now."""
    return not supplier.needs_demo or bool(suppliers.read_account(demo_account()))


def search(text: str = "", method: str = "", kind: str = "", supports: str = "") -> list[Supplier]:
    """Entries whose name, summary, methods, categories or region hold every word of `text`, and that fit what else is given.

    `kind`: the key of one of KINDS. `supports`: a key of SUPPORTS. Raises KeyError for what no entry could support.
    """
    words = _folded(text[:LONGEST_SEARCH]).split()
    found = [one for one in suppliers.listing(demo_account()) if all(word in _searchable(one) for word in words)]
    if method:
        found = [one for one in found if method in one.methods]
    if supports:
        found = [one for one in found if one.supports[supports]]
    return [one for one in found if not kind or kind_of(one).key == kind]


def kind_of(supplier: Supplier) -> Kind:
    """The part of the directory where the entry stands."""
    if is_generic(supplier):
        return FILES if supplier.protocol in BY_FILE else APIS
    return next((kind for kind in KINDS if kind.categories.intersection(supplier.categories)), SUPPLIERS)


def in_kinds(entries: Iterable[Supplier]) -> list[tuple[Kind, list[Supplier]]]:
    """The entries under their headings, in directory order; a heading without an entry is left out."""
    held: dict[Kind, list[Supplier]] = {kind: [] for kind in KINDS}
    for one in entries:
        held[kind_of(one)].append(one)
    return [(kind, found) for kind, found in held.items() if found]


def methods() -> list[str]:
    """Every method that an entry offers, in directory order."""
    return list(dict.fromkeys(method for one in suppliers.listing(demo_account()) for method in one.methods))


def is_generic(supplier: Supplier) -> bool:
    """Whether the entry is a way to connect anybody ("SFTP file"), not one company."""
    return GENERIC in supplier.categories


def replaced(source: Source, supplier: Supplier) -> str:
    """The name of the supplier whose connection choosing `supplier` would erase, "" when nothing would be."""
    if source.supplier in ("", supplier.slug) or not Connection.select().where(Connection.source == source).exists():
        return ""
    return find(source.supplier).name


def select(source: Source, slug: str, confirmed: bool, version: int, who: str) -> Supplier:
    """Make `slug` the supplier of the source, with its three integrations and an untested connection.

    Another supplier than before erases the connection, its credentials and the set-up steps after it.
    Raises Invalid until the account is confirmed, Refused for a source that is live, Stale, NotFound.
    """
    supplier = find(slug)
    _may_select(source, supplier, confirmed)
    with database.atomic():
        if source.supplier != slug:
            _erase_connection(source)
        columns = {"supplier": slug, "account_confirmed_at": source.account_confirmed_at if source.supplier == slug else None}
        columns["account_confirmed_at"] = columns["account_confirmed_at"] or clock.now()
        fresh = sources.change(source, version, who, "source.supplier", **columns)
        _create_parts(fresh, supplier, who)
        setup_steps.mark(fresh, "supplier")
    return supplier


def _may_select(source: Source, supplier: Supplier, confirmed: bool) -> None:
    if source.state != "draft" and source.supplier != supplier.slug:
        raise Refused("This source is active, so it keeps its supplier. Add another source for another supplier.")
    if not runs_here(supplier):
        raise Refused(f"{supplier.name} is not running. It runs while the portal runs in demo mode.")
    if not confirmed:
        whom = "this source" if is_generic(supplier) else supplier.name
        raise Invalid({"confirmed": f"Confirm you have an account with {whom} to go on."})


def _erase_connection(source: Source) -> None:
    webhooks.forget(source)
    for table in (Connection, SealedSecret, ServiceDescription, Integration):
        table.delete().where(table.source == source).execute()
    setup_steps.reopen(source, "supplier")


def _create_parts(source: Source, supplier: Supplier, who: str) -> None:
    for kind in [one for one in sources.INTEGRATION_KINDS if one not in sources.OPTIONAL_KINDS]:
        sources.add_integration(source, kind, who)
    Integration.update(enabled=True).where(Integration.source == source, Integration.kind == "get_inventory_primary").execute()
    if not Connection.select().where(Connection.source == source).exists():
        Connection.create(source=source, settings=_defaults(supplier), changed_by=who)
    if supplier.protocol == "soap" and not ServiceDescription.select().where(ServiceDescription.source == source).exists():
        ServiceDescription.create(source=source)  # here, so that looking at its pages writes nothing


def _defaults(supplier: Supplier) -> dict[str, str]:
    return {one.key: one.default for one in supplier.settings if one.default and not one.secret and one.kind != "check"}


def _searchable(supplier: Supplier) -> str:
    parts: Sequence[str] = (
        supplier.name,
        supplier.summary,
        supplier.region,
        *supplier.methods,
        *supplier.categories,
        kind_of(supplier).heading,
    )
    return _folded(" ".join(parts))


def _folded(text: str) -> str:
    """Lower case, accents off: "Café" finds "cafe"."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
