"""An order comes in, once: by hand, from a file, by the API or from a channel. The same order again is the one we have.

typed ─▶ check ─▶ addresses ─▶ known number? same content: that one · other content: refused ─▶ order and lines ─▶ to be routed
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from peewee import IntegrityError

from portal import audit, clock
from portal.errors import Invalid, Refused
from portal.models import Merchant, Order, OrderLine, database
from portal.orders import addresses

CAME_BY = {"hand": "Typed in", "csv": "From a file", "api": "By the API", "shopify": "Shopify", "bigcommerce": "BigCommerce",
           "woocommerce": "WooCommerce"}  # fmt: skip
MOST_LINES = 500
LARGEST_QUANTITY = 1_000_000
LARGEST_AMOUNT = 10**15
LONGEST = {"number": 60, "reference": 60, "shipping_text": 120, "customer_reference": 60, "note": 500, "sku": 120, "title": 500}
LABELS = {
    "number": "Order number", "reference": "Channel reference", "shipping_text": "Shipping method",
    "customer_reference": "Customer reference", "note": "Note", "sku": "SKU", "title": "Title",
}  # fmt: skip

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True)
class NewLine:
    """One line. `sku`: a Master SKU. `price`: ten-thousandths each. `reference`: the channel's own id of the line."""

    sku: str
    quantity: int
    title: str = ""
    price: int | None = None
    reference: str = ""


@dataclass(frozen=True)
class NewOrder:
    """An order as it came. Addresses as `addresses.FIELDS` names them; `total` ten-thousandths; `ordered_at` naive UTC, None: now.

    `channel`: "" or the public id of the channel that it was pulled from; numbers are unique within one.
    """

    number: str
    lines: Sequence[NewLine]
    ship_to: dict[str, Any] = field(default_factory=dict)
    bill_to: dict[str, Any] = field(default_factory=dict)
    reference: str = ""
    channel: str = ""
    ordered_at: datetime | None = None
    shipping_text: str = ""
    customer_reference: str = ""
    note: str = ""
    currency: str = "USD"
    total: int | None = None


class OtherContent(Refused):
    """We have an order of that number, and it says something else: `.order`, `.differs` are the parts, in words."""

    def __init__(self, order: Order, differs: Sequence[str]) -> None:
        parts = ", ".join(differs)
        super().__init__(
            f"There is an order {order.number} already, and it differs in {parts}. Nothing was changed. "
            "Give this one another number, or change the order that is here."
        )  # fmt: skip
        self.order, self.differs = order, differs


def create(merchant: Merchant, new: NewOrder, who: str, came_by: str, document_id: int | None = None) -> tuple[Order, bool]:
    """(the order, whether it is new). The same order again gives the one that is here, whatever became of it.

    An address that cannot be shipped to puts the order on hold, with what to mend; it is kept all the same. Joins the transaction
    that is open. Raises Invalid ("number", "lines.0.quantity", …), OtherContent.
    """
    check(new)
    ship_to, problems = addresses.normalise(new.ship_to)
    bill_to = addresses.normalise(new.bill_to)[0]
    parts = content(new, ship_to, bill_to)
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    for _ in range(2):
        if (known := _known(merchant, new)) is not None:
            return _same(known, digest, parts), False
        try:
            with database.atomic():
                order = _write(merchant, new, who, came_by, document_id, ship_to, bill_to, problems, digest)
                audit.write(
                    merchant, who, "order.create", "order", order.public_id,
                    after={"number": order.number, "came_by": came_by, "lines": len(new.lines)},
                )  # fmt: skip
        except IntegrityError:  # the same number came in beside this one
            continue
        return order, True
    raise AssertionError(f"order {new.number!r} is neither there nor can it be made")


def _write(
    merchant: Merchant, new: NewOrder, who: str, came_by: str, document_id: int | None, ship_to: dict[str, str], bill_to: dict[str, str],
    problems: addresses.Problems, digest: str,
) -> Order:  # fmt: skip
    order = Order.create(
        merchant=merchant, came_by=came_by, channel=new.channel, number=new.number.strip(), reference=new.reference.strip(),
        state="on_hold" if problems else "open", ordered_at=new.ordered_at or clock.now(), ship_to=ship_to, bill_to=bill_to,
        shipping_text=new.shipping_text.strip(), customer_reference=new.customer_reference.strip(), note=new.note.strip(),
        currency=new.currency, total=new.total, problems=problems, content_hash=digest,
        document_id=document_id, added_by=who, changed_by=who,
    )  # fmt: skip
    rows = [
        {
            "order": order, "number": n, "sku": line.sku.strip(), "title": line.title.strip(), "reference": line.reference.strip(),
            "price": line.price, "quantity": line.quantity, "unrouted": line.quantity, "routed": 0, "cancelled": 0, "unroutable": "",
        }
        for n, line in enumerate(new.lines, 1)
    ]  # fmt: skip
    OrderLine.insert_many(rows).execute()
    return order


def _known(merchant: Merchant, new: NewOrder) -> Order | None:
    found: Order | None = Order.get_or_none(Order.merchant == merchant, Order.channel == new.channel, Order.number == new.number.strip())
    return found


def _same(known: Order, digest: str, parts: dict[str, Any]) -> Order:
    if known.content_hash == digest:
        return known
    lines = OrderLine.select().where(OrderLine.order == known).order_by(OrderLine.number)
    before: dict[str, Any] = {
        "lines": [[line.sku, line.quantity, line.price, line.title, line.reference] for line in lines],
        "ship-to address": known.ship_to, "bill-to address": known.bill_to, "channel reference": known.reference,
        "shipping method": known.shipping_text, "customer reference": known.customer_reference, "note": known.note,
        "currency": known.currency, "total": known.total,
    }  # fmt: skip
    differs = [name for name, value in before.items() if value != parts[name]]
    raise OtherContent(known, differs or ["what was changed here since it came"])


def content(new: NewOrder, ship_to: dict[str, str], bill_to: dict[str, str]) -> dict[str, Any]:
    """What an order says, by the names that a difference is told with; the moment it was ordered is not of it."""
    return {
        "lines": [[line.sku.strip(), line.quantity, line.price, line.title.strip(), line.reference.strip()] for line in new.lines],
        "ship-to address": ship_to, "bill-to address": bill_to, "channel reference": new.reference.strip(),
        "shipping method": new.shipping_text.strip(), "customer reference": new.customer_reference.strip(), "note": new.note.strip(),
        "currency": new.currency, "total": new.total,
    }  # fmt: skip


def check(new: NewOrder) -> None:
    """Raise Invalid for what no order can be. Keys: the names of NewOrder, "lines", "lines.0.sku", …"""
    errors: dict[str, str] = {}
    for name in ("number", "reference", "shipping_text", "customer_reference", "note"):
        if problem := _text_problem(name, getattr(new, name)):
            errors[name] = problem
    if not new.number.strip():
        errors["number"] = "Enter the order's number."
    if not re.fullmatch(r"[A-Z]{3}", new.currency):
        errors["currency"] = "Use the three letters of a currency, such as USD."
    if new.total is not None and not 0 <= new.total < LARGEST_AMOUNT:
        errors["total"] = "The total must be an amount from 0 up."
    if not new.lines:
        errors["lines"] = "An order needs at least one line."
    elif len(new.lines) > MOST_LINES:
        errors["lines"] = f"An order has at most {MOST_LINES} lines; this one has {len(new.lines):,}."
    for n, line in enumerate(new.lines[:MOST_LINES]):
        errors |= {f"lines.{n}.{name}": words for name, words in _line_problems(line).items()}
    if errors:
        raise Invalid(errors)


def _line_problems(line: NewLine) -> dict[str, str]:
    problems = {name: problem for name in ("sku", "title") if (problem := _text_problem(name, getattr(line, name)))}
    if not line.sku.strip():
        problems["sku"] = "Enter the SKU."
    if not 0 < line.quantity <= LARGEST_QUANTITY:
        problems["quantity"] = f"The quantity is {line.quantity:,}. It must be a whole number from 1 to {LARGEST_QUANTITY:,}."
    if line.price is not None and not 0 <= line.price < LARGEST_AMOUNT:
        problems["price"] = "The price must be an amount from 0 up."
    return problems


def _text_problem(name: str, text: str) -> str:
    if len(text.strip()) > LONGEST[name]:
        return f"{LABELS[name]} has {len(text.strip())} characters; {LONGEST[name]} at most."
    return f"{LABELS[name]} holds a line break or control character. Remove it." if _CONTROL.search(text.strip()) else ""
