"""The Supplier Directory as a merchant sees it: search it, and choose the supplier of a source."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from portal import clock, config, setup_steps, sources, suppliers, webhooks
from portal.errors import Invalid, Refused
from portal.models import Connection, Integration, SealedSecret, ServiceDescription, Source, database
from portal.suppliers import Supplier

GENERIC = "Connect something else"  # the category of entries that are a method, not a company
LONGEST_SEARCH = 100


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


def search(text: str = "", method: str = "") -> list[Supplier]:
    """Entries whose name, summary, methods, categories or region hold every word of `text`, and that offer `method`."""
    words = _folded(text[:LONGEST_SEARCH]).split()
    found = suppliers.listing(demo_account())
    return [one for one in found if (not method or method in one.methods) and all(word in _searchable(one) for word in words)]


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


def _defaults(supplier: Supplier) -> dict[str, str]:
    return {one.key: one.default for one in supplier.settings if one.default and not one.secret and one.kind != "check"}


def _searchable(supplier: Supplier) -> str:
    parts: Sequence[str] = (supplier.name, supplier.summary, supplier.region, *supplier.methods, *supplier.categories)
    return _folded(" ".join(parts))


def _folded(text: str) -> str:
    """Lower case, accents off: "Café" finds "cafe"."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).casefold()
