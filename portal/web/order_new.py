"""An order typed in by hand: a form of several lines that works without scripts.

lines.0.sku=HX-1 · lines.0.quantity=3 · lines.0.price=4.90 · lines.0.title=… ; empty lines are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, g, url_for
from htmx_flask import request
from wtforms import StringField

import tasks
from portal import orders
from portal.errors import Invalid, Refused
from portal.fields import LARGEST_QUANTITY
from portal.mapping.amounts import Unfit, money_reader
from portal.orders import NewLine, NewOrder, addresses, intake
from portal.web import guards
from portal.web.order_page import AddressForm
from portal.web.render import render, saved
from portal.web.typed import TypedErrors, whole_number

blueprint = Blueprint("order_new", __name__)

PARTS = ("sku", "quantity", "title", "price")
LABELS = {"sku": "SKU", "quantity": "Quantity", "title": "Title", "price": "Price each"}
LINES, MORE, MOST_TYPED = 3, 5, 100

Lines = list[dict[str, str]]


class OrderForm(AddressForm):
    """The order beside its lines."""

    number = StringField("Order number", description="Yours, or the one of your channel. Used once")
    shipping_text = StringField("Shipping method", description="As your channel calls it, such as Ground")
    customer_reference = StringField("Customer reference")
    note = StringField("Note", description="Goes with each request")
    currency = StringField("Currency", default="USD", description="Three letters, of the prices below")


@blueprint.get("/orders/new")
@guards.signed_in
def add() -> Response:
    """An empty order."""
    return _page(OrderForm(), [{}] * LINES)


@blueprint.post("/orders/new")
@guards.signed_in
@guards.once
def create() -> Response:
    """Take the order in; with the button for more lines only show more of them."""
    form, lines = OrderForm.read(), _typed_lines()
    if "more" in request.form:
        return _page(form, (lines + [{}] * MORE)[:MOST_TYPED], 422)
    try:
        new, problems = _read(form, lines), addresses.normalise(form.typed())[1]
        _check(new, lines)
        if problems and "keep" not in request.form:
            return _page(form.show(problems), lines, 422, may_keep=True)
        order, fresh = orders.create(g.merchant, new, g.user.email, "hand")
    except Invalid as error:
        return _refused(form, lines, error)
    except orders.OtherContent as error:
        return _page(form.refuse(Invalid({"number": str(error)})), lines, 422, known=error.order)
    except Refused as error:
        return _page(form.refuse(error), lines, 422)
    tasks.ring_if_it_works()
    words = "Order added." if fresh else "This order was here already, with the same content. Nothing was added twice."
    return saved(url_for("order.show", order_id=order.public_id), words)


def _typed_lines() -> Lines:
    """The lines as typed, in their order, at most MOST_TYPED."""
    numbers = sorted({whole_number(name.split(".")[1]) for name in request.form if re.fullmatch(r"lines\.\d+\.\w+", name)})
    found = [{part: request.form.get(f"lines.{n}.{part}", "")[:1000] for part in PARTS} for n in numbers[:MOST_TYPED]]
    return found or [{}] * LINES


def _filled(lines: Lines) -> list[tuple[int, dict[str, str]]]:
    return [(n, line) for n, line in enumerate(lines) if any(text.strip() for text in line.values())]


def _read(form: OrderForm, lines: Lines) -> NewOrder:
    """The order that was typed. Raises Invalid with the place of the line in the form."""
    errors: dict[str, str] = {}
    read: list[NewLine] = []
    for n, line in _filled(lines):
        words = _line_problems(line)
        errors |= {f"lines.{n}.{part}": text for part, text in words.items()}
        if not words:
            price = line["price"].strip()
            read.append(NewLine(line["sku"].strip(), int(line["quantity"].strip()), line["title"], _money(price) if price else None))
    if not _filled(lines):
        errors["lines.0.sku"] = "An order needs at least one line: enter a SKU and a quantity."
    if errors:
        raise Invalid(errors)
    texts: dict[str, Any] = {name: (form[name].data or "").strip() for name in ("shipping_text", "customer_reference", "note")}
    return NewOrder(
        form.number.data or "", read, dict(form.typed()), currency=(form.currency.data or "").strip().upper() or "USD", **texts
    )  # fmt: skip


def _line_problems(line: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a typed line: part -> words."""
    problems: dict[str, str] = {}
    if not line["sku"].strip():
        problems["sku"] = "Enter the SKU of this line."
    typed = line["quantity"].strip()
    if whole_number(typed, 0) < 1 or whole_number(typed) > LARGEST_QUANTITY:
        problems["quantity"] = f"“{typed[:20]}” is no quantity. Enter a whole number from 1 up." if typed else "Enter how many."
    if line["price"].strip():
        try:
            _money(line["price"].strip())
        except Unfit as error:
            problems["price"] = f"“{line['price'].strip()[:20]}”: {error.reason[:1].lower()}{error.reason[1:]}."
    return problems


def _money(text: str) -> int | None:
    return money_reader(".")(text)


def _check(new: NewOrder, lines: Lines) -> None:
    """As `intake.check`, with the lines counted as in the form. Raises Invalid."""
    try:
        intake.check(new)
    except Invalid as error:
        places = [n for n, _ in _filled(lines)]
        raise Invalid({_placed(key, places): words for key, words in error.errors.items()}) from error


def _placed(key: str, places: Sequence[int]) -> str:
    if not key.startswith("lines."):
        return key
    _, number, part = key.split(".")
    return f"lines.{places[int(number)]}.{part}"


def _refused(form: OrderForm, lines: Lines, error: Invalid) -> Response:
    at_lines = {key.removeprefix("lines."): words for key, words in error.errors.items() if key.startswith("lines.")}
    form.refuse(Invalid({key: words for key, words in error.errors.items() if not key.startswith("lines.")}))
    return _page(form, lines, 422, at_lines=at_lines)


def _page(
    form: Any, lines: Sequence[Mapping[str, str]], status: int = 200, *, at_lines: Mapping[str, str] | None = None, known: Any = None,
    may_keep: bool = False,
) -> Response:  # fmt: skip
    errors = TypedErrors([*form.problems(), *((f"lines-{key.replace('.', '-')}", words) for key, words in (at_lines or {}).items())])
    return render(
        "orders/new.html", "orders/_new.html", status, form=form, lines=lines, at_lines=at_lines or {}, known=known, errors=errors,
        may_keep=may_keep, parts=LABELS, most=MOST_TYPED,
    )  # fmt: skip
