"""Support staff look at a workspace as its people do: read-only, for 30 minutes, told to them. Only the merchant lets them change things.

reason and ticket ─▶ view (30 min) ─▶ every act refused ── unless the merchant's owner gave a grant that has not ended
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from portal import audit, clock, people
from portal.errors import Invalid, Refused
from portal.models import (
    Alert,
    Channel,
    FulfillmentRequest,
    InventoryItem,
    Merchant,
    Order,
    Product,
    Run,
    Shipment,
    Source,
    StaffPerson,
    SupportGrant,
    SupportView,
    User,
    database,
)  # fmt: skip
from portal.support.fixing import Why

LASTS = timedelta(minutes=30)
GRANTS = {"1": ("1 hour", timedelta(hours=1)), "8": ("8 hours", timedelta(hours=8)), "24": ("24 hours", timedelta(hours=24)),
          "168": ("7 days", timedelta(days=7))}  # fmt: skip
READS, WRITES = "support", "support_writer"


def begin(person: StaffPerson, merchant: Merchant, reason: Why) -> SupportView:
    """Look at this workspace from now on, and at no other."""
    now = clock.now()
    with database.atomic():
        _end_all(person)
        view = SupportView.create(
            staff=person, merchant=merchant, reason=reason.reason, ticket=reason.ticket, begun_at=now, ends_at=now + LASTS
        )  # fmt: skip
        audit.write(merchant, person.email, "support.view", "merchant", merchant.public_id, after={**reason.told(), "minutes": 30})
    return view


def of(person: StaffPerson) -> SupportView | None:
    """What the person looks at now, with its merchant; None for nothing."""
    rows = SupportView.select(SupportView, Merchant).join(Merchant).where(SupportView.staff == person, *_open())
    found: SupportView | None = rows.order_by(SupportView.id.desc()).first()
    if found is not None:
        found.staff = person
    return found


def note_refused(person: StaffPerson, view: SupportView | None, values: Mapping[str, str], asked: tuple[str, str, str]) -> None:
    """Say in a merchant's audit log that support asked for a page of it without a view that is open. `asked`: endpoint, method, address.

    Whose it is, is known by an id in the page's address (`values`), else by the view that ran out last.
    """
    merchant = _whose(values)
    if merchant is None and view is None:
        late = SupportView.select(SupportView, Merchant).join(Merchant).where(SupportView.staff == person, SupportView.ended_at.is_null())
        last: SupportView | None = late.order_by(SupportView.id.desc()).first()
        merchant = last.merchant if last is not None else None
    if merchant is not None and (view is None or view.merchant_id != merchant.id):
        people.note_refusal(_visiting(person, merchant, READS), *asked)


_NAMED: Mapping[str, Any] = {
    "source_id": Source, "run_id": Run, "order_id": Order, "request_id": FulfillmentRequest, "shipment_id": Shipment,
    "item_id": InventoryItem, "product_id": Product, "channel_id": Channel, "user_id": User, "alert_id": Alert,
}  # fmt: skip


def _whose(values: Mapping[str, str]) -> Merchant | None:
    """The merchant of the first object that is named, whoever asks."""
    for name, table in _NAMED.items():
        if name in values:
            rows: Any = Merchant.select().where(Merchant.id << table.select(table.merchant).where(table.public_id == values[name]))
            found: Merchant | None = rows.first()
            if found is not None:
                return found
    return None


def end(person: StaffPerson) -> None:
    """Look no more."""
    _end_all(person)


def at(merchant: Merchant) -> list[SupportView]:
    """Who of the support staff looks at the workspace now."""
    rows = SupportView.select(SupportView, StaffPerson).join(StaffPerson).where(SupportView.merchant == merchant, *_open())
    return list(rows.order_by(SupportView.id))


def visitor(view: SupportView) -> User:
    """Somebody for the pages of the workspace: in no table, with the rights of a view, and its person's address as name."""
    return _visiting(view.staff, view.merchant, WRITES if grant(view.merchant) is not None else READS)


def _visiting(person: StaffPerson, merchant: Merchant, role: str) -> User:
    return User(public_id="", merchant=merchant, email=person.email, password_hash="", role=role, is_staff=False)


def grant(merchant: Merchant) -> SupportGrant | None:
    """What lets support change things for the merchant now."""
    living = (SupportGrant.merchant == merchant) & SupportGrant.ended_at.is_null() & (SupportGrant.ends_at > clock.now())
    found: SupportGrant | None = SupportGrant.select().where(living).order_by(SupportGrant.ends_at.desc()).first()
    return found


def allow(actor: User, how_long: str) -> SupportGrant:
    """Let support change things for so long, a key of GRANTS, in place of what was allowed before. Raises Invalid."""
    if how_long not in GRANTS:
        raise Invalid({"how_long": "Choose for how long."})
    now, (words, length) = clock.now(), GRANTS[how_long]
    with database.atomic():
        _end_grants(actor)
        made = SupportGrant.create(merchant=actor.merchant, given_by=actor.email, given_at=now, ends_at=now + length)
        audit.write(actor.merchant, actor.email, "support.grant", "merchant", actor.merchant.public_id, after={"for": words})
    return made


def forbid(actor: User) -> None:
    """Let support change nothing from now on. Raises Refused where nothing was allowed."""
    with database.atomic():
        if not _end_grants(actor):
            raise Refused("Support may change nothing here already.")
        audit.write(actor.merchant, actor.email, "support.grant_end", "merchant", actor.merchant.public_id)


def _end_grants(actor: User) -> int:
    living = (SupportGrant.merchant == actor.merchant) & SupportGrant.ended_at.is_null() & (SupportGrant.ends_at > clock.now())
    return int(SupportGrant.update(ended_at=clock.now(), ended_by=actor.email).where(living).execute())


def _end_all(person: StaffPerson) -> None:
    now = clock.now()
    for view in SupportView.select(SupportView, Merchant).join(Merchant).where(SupportView.staff == person, *_open()):
        SupportView.update(ended_at=now).where(SupportView.id == view.id).execute()
        audit.write(view.merchant, person.email, "support.view_end", "merchant", view.merchant.public_id)


def _open() -> tuple[object, object]:
    return SupportView.ended_at.is_null(), SupportView.ends_at > clock.now()
