"""`flask --app app` verbs of billing: plans and prices, who is on which, invoices, and what was paid."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from portal import accounts
from portal.billing import invoices, money, offers, sheet
from portal.billing.invoices import Standing
from portal.commands import as_json, tell, told_plainly
from portal.errors import Invalid
from portal.models import BillingPlan
from portal.plans import DIMENSIONS

BY = "the operator"


@click.command("plans")
@as_json
def plans(json_only: bool) -> None:
    """Every plan with its price and limits, and what owners asked for."""
    with told_plainly(json_only):
        found, asked = offers.listing(), offers.requests()
        told = {
            "plans": [_plan(one) for one in found],
            "requests": [{"merchant": one.merchant.name, "plan": one.plan.slug, "by": one.by, "at": one.at} for one in asked],
        }
        lines = [f"{one.slug}: {one.name}, {money.told(one.price, one.currency)} {one.currency} a month, {one.change}" for one in found]
        lines += [f"{one.merchant.name} asks for {one.plan.slug} ({one.by})" for one in asked]
        tell(told, "\n".join(lines) or "No plan is set up.", json_only)


@click.command("plan-set")
@click.argument("slug")
@click.option("--name", required=True)
@click.option("--price", required=True, help="Of a month, such as 29.90.")
@click.option("--currency", required=True, help="Three letters, such as USD.")
@click.option("--change", type=click.Choice(list(offers.CHANGES)), default="request", show_default=True, help="How an owner comes to it.")
@click.option("--limit", "limits", multiple=True, metavar="WHAT=NUMBER", help=f"What it holds; of {', '.join(DIMENSIONS)}. Repeat.")
@as_json
def plan_set(slug: str, name: str, price: str, currency: str, change: str, limits: tuple[str, ...], json_only: bool) -> None:
    """Make a plan or change it. Another price counts from today for who holds it; other limits from the next time it is given."""
    with told_plainly(json_only):
        made = offers.save(slug, name, price, currency, dict(_limit(one) for one in limits), change)
        tell(_plan(made), f"{made.name}: {money.told(made.price, made.currency)} {made.currency} a month.", json_only)


@click.command("plan-give")
@click.argument("workspace")
@click.argument("slug")
@as_json
def plan_give(workspace: str, slug: str, json_only: bool) -> None:
    """Put a workspace on a plan from today on; what its owner asked for is settled by that."""
    with told_plainly(json_only):
        merchant = accounts.find_merchant(workspace)
        made = offers.assign(merchant, offers.find(slug), BY)
        told = {"merchant": merchant.public_id, "plan": slug, "since": made.since}
        tell(told, f"{merchant.name} is on {made.name} since {made.since}.", json_only)


@click.command("plan-decline")
@click.argument("workspace")
@as_json
def plan_decline(workspace: str, json_only: bool) -> None:
    """Decline what an owner asked for."""
    with told_plainly(json_only):
        merchant = accounts.find_merchant(workspace)
        done = offers.settle(merchant, "declined", BY)
        tell({"declined": done}, f"Declined for {merchant.name}." if done else f"{merchant.name} asks for nothing.", json_only)


@click.command("billing-set")
@click.argument("changes", nargs=-1, metavar="NAME=TEXT...")
@as_json
def billing_set(changes: tuple[str, ...], json_only: bool) -> None:
    """How invoices are issued: issuer, how_to_pay, prefix, tax_label, tax_rate, due_days. Without changes: as it stands."""
    with told_plainly(json_only):
        now = invoices.save_settings(dict(_pair(one) for one in changes)) if changes else invoices.settings()
        told = {name: getattr(now, name) for name in invoices.SETTINGS} | {"next_number": now.next_number}
        tell(told, "\n".join(f"{name}: {value}" for name, value in told.items()), json_only)


@click.command("invoice-issue")
@click.option("--merchant", "workspace", help="Name or id of one workspace; else all.")
@click.option("--line", "lines", multiple=True, metavar="WORDS=AMOUNT", help="An invoice by hand, for one workspace. Repeat.")
@click.option("--currency", help="Of an invoice by hand.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Months that are over by then; today, where it is not given.")
@as_json
def invoice_issue(workspace: str | None, lines: tuple[str, ...], currency: str | None, until: Any, json_only: bool) -> None:
    """Issue what is due of months that are over (the worker does so every hour), or an invoice by hand."""
    with told_plainly(json_only):
        merchant = accounts.find_merchant(workspace) if workspace else None
        if lines:
            if merchant is None or not currency:
                raise Invalid({"merchant": "An invoice by hand needs --merchant and --currency."})
            made = [invoices.issue_lines(merchant, currency.upper(), [_pair(one) for one in lines], BY)]
        else:
            made = invoices.issue_due(merchant, _day(until))
        found = invoices.standings(made)
        tell({"issued": [_invoice(one) for one in found]}, "\n".join(map(_said, found)) or "Nothing was due.", json_only)


@click.command("invoices")
@click.option("--merchant", "workspace", help="Name or id of one workspace; else all.")
@click.option("--state", type=click.Choice(list(invoices.WORDS)), help="Only those that stand so.")
@as_json
def listed(workspace: str | None, state: str | None, json_only: bool) -> None:
    """Invoices and credit notes, the newest first, at most 200."""
    with told_plainly(json_only):
        found = invoices.listing(accounts.find_merchant(workspace) if workspace else None)
        chosen = [one for one in found if state in (None, one.state)]
        tell({"invoices": [_invoice(one) for one in chosen]}, "\n".join(map(_said, chosen)) or "There is none.", json_only)


@click.command("invoice-paid")
@click.argument("number")
@click.option("--not", "not_paid", is_flag=True, help="It was not paid after all.")
@click.option("--note", default="", help="Such as the date of the transfer; the merchant sees it.")
@as_json
def invoice_paid(number: str, not_paid: bool, note: str, json_only: bool) -> None:
    """Mark an invoice as paid."""
    with told_plainly(json_only):
        found = invoices.of_name(number)
        invoices.mark(found, not not_paid, note, BY)
        tell(_invoice(invoices.standing(found)), _said(invoices.standing(found)), json_only)


@click.command("invoice-credit")
@click.argument("number")
@click.option("--reason", required=True, help="Stands on the credit note.")
@as_json
def invoice_credit(number: str, reason: str, json_only: bool) -> None:
    """Take an invoice back by a credit note."""
    with told_plainly(json_only):
        made = invoices.standing(invoices.credit(invoices.of_name(number), reason, BY))
        tell(_invoice(made), f"{made.invoice.name} takes back {number}.", json_only)


@click.command("invoice-pdf")
@click.argument("number")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json
def invoice_pdf(number: str, file: Path, json_only: bool) -> None:
    """Write an invoice as a PDF."""
    with told_plainly(json_only):
        content = sheet.pdf(invoices.of_name(number))
        file.write_bytes(content)
        tell({"file": str(file), "size": len(content)}, f"{number} is in {file}.", json_only)


def _plan(one: BillingPlan) -> dict[str, Any]:
    return {"slug": one.slug, "name": one.name, "price": one.price, "currency": one.currency, "limits": one.limits, "change": one.change}


def _invoice(one: Standing) -> dict[str, Any]:
    it = one.invoice
    return {
        "number": it.name, "merchant": it.merchant.name, "month": it.month, "currency": it.currency, "net": it.net, "tax": it.tax,
        "total": it.total, "issued": it.issued_on, "due": it.due_on, "state": one.state,
    }  # fmt: skip


def _said(one: Standing) -> str:
    it = one.invoice
    amount = f"{money.told(it.total, it.currency)} {it.currency}"
    return f"{it.name}: {it.merchant.name}, {amount}, issued {it.issued_on}, {invoices.WORDS[one.state].lower()}"


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.rpartition("=") if text.count("=") != 1 else text.partition("=")
    if not sign:
        raise Invalid({"changes": f"“{text}” is not of the form NAME=VALUE."})
    return name, value


def _limit(text: str) -> tuple[str, int]:
    name, value = _pair(text)
    if not (value.isascii() and value.isdigit()):
        raise Invalid({"limits": f"“{text}”: enter a whole number, such as skus=10000."})
    return name, int(value)


def _day(until: Any) -> date | None:
    return until.date() if until is not None else None


COMMANDS = [
    plans, plan_set, plan_give, plan_decline, billing_set, invoice_issue, listed, invoice_paid, invoice_credit, invoice_pdf,
]  # fmt: skip
