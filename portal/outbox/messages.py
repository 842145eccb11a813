"""What leaves by e-mail and by webhook: the whole message, made of the order lines once. Pure but for the clock that is handed in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from html import escape
from typing import Any

import orjson

from portal.errors import Refused
from portal.order_mapping import PDF, OrderFile

SHOWN = (("po_number", "PO number"), ("sku", "SKU"), ("title", "Title"), ("quantity", "Quantity"), ("ship_name", "Ship to"),
         ("ship_city", "City"), ("ship_postal", "Postal code"), ("ship_country", "Country"), ("shipping_code", "Ship by"))  # fmt: skip
MOST_IN_THE_BODY = 200


def mail(
    lines: Sequence[Mapping[str, Any]], files: Sequence[OrderFile], *, sender: str, to: str, reference: str, name: str, at: datetime,
    test: bool,
) -> OrderFile:  # fmt: skip
    """The message: a table to read and the order file beside it. `at` with its zone. Raises Refused for an unusable address."""
    numbers = list(dict.fromkeys(str(line["po_number"]) for line in lines))
    made = EmailMessage(policy=SMTP)
    try:
        made["From"] = Address(display_name=name, addr_spec=sender)
        made["To"] = [Address(addr_spec=one) for one in addresses(to)]
    except (ValueError, IndexError) as error:
        raise Refused(f"“{to}” is no list of e-mail addresses. Change it under How orders leave.") from error
    what = f"Order {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} orders, {numbers[0]} to {numbers[-1]}"
    made["Subject"] = f"{'[TEST, do not ship] ' if test else ''}{what}"
    made["Date"] = format_datetime(at)
    digest = hashlib.sha256(f"{reference}:{at.isoformat()}".encode()).hexdigest()[:32]
    made["Message-ID"] = f"<{digest}@{sender.rpartition('@')[2]}>"
    made["X-Order-Reference"] = "".join(letter for letter in reference if letter.isascii() and letter.isprintable())
    noun = "order file is" if len(files) == 1 and files[0].content_type != PDF else "order is" if len(files) == 1 else "files are"
    made.set_content(f"{what}. The {noun} attached.\r\n")
    made.add_alternative(_html(what, lines, test), subtype="html")
    for one in files:
        kind, _, sub = one.content_type.partition(";")[0].partition("/")
        made.add_attachment(one.content, maintype=kind or "application", subtype=sub or "octet-stream", filename=one.name)
    return OrderFile(f"{reference}.eml", "message/rfc822", made.as_bytes())


def addresses(text: str) -> list[str]:
    """The addresses of a typed list, separated by commas."""
    return [address for _, address in getaddresses([text]) if address]


def webhook(lines: Sequence[Mapping[str, Any]], *, reference: str, test: bool) -> OrderFile:
    """One request as JSON: {"type", "reference", "test", "data": {fields of the order, "lines": [...]}}; money as decimal text."""
    own = ("line_number", "sku", "upc", "mpn", "title", "quantity", "unit_cost", "line_total")
    first = {key: _plain(key, value) for key, value in lines[0].items() if key not in own}
    told = {
        "type": "fulfillment_request.sent", "reference": reference, "test": test,
        "data": {**first, "lines": [{key: _plain(key, line.get(key)) for key in own} for line in lines]},
    }  # fmt: skip
    return OrderFile(f"{reference}.json", "application/json", orjson.dumps(told, option=orjson.OPT_INDENT_2))


def _plain(key: str, value: Any) -> Any:
    if key in ("unit_cost", "line_total") and value is not None:
        return f"{value / 10_000:.4f}"
    return value.isoformat() if isinstance(value, date) else value


def _html(what: str, lines: Sequence[Mapping[str, Any]], test: bool) -> str:
    used = [(key, label) for key, label in SHOWN if any(line.get(key) not in (None, "") for line in lines)]
    head = "".join(f'<th align="left">{escape(label)}</th>' for _, label in used)
    cells = [[escape(str(line.get(key) or "")) for key, _ in used] for line in lines[:MOST_IN_THE_BODY]]
    rows = "".join(f"<tr><td>{'</td><td>'.join(row)}</td></tr>" for row in cells)
    more = f"<p>And {len(lines) - MOST_IN_THE_BODY} more lines in the file.</p>" if len(lines) > MOST_IN_THE_BODY else ""
    banner = "<p><b>This is a test. Do not ship anything.</b></p>" if test else ""
    table = f"<table border='1' cellpadding='4'><tr>{head}</tr>{rows}</table>"
    return f"<html><body>{banner}<p>{escape(what)}</p>{table}{more}</body></html>\n"
