"""Billing as an owner sees it, and as an operator runs it from the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from portal import accounts
from portal.billing import invoices, offers
from portal.models import Invoice, UsageDay
from tests.conftest import PASSWORD


@pytest.fixture
def verb(app: Any, merchant: Any) -> Any:
    def run(*words: str, code: int = 0) -> Any:
        answer = app.test_cli_runner().invoke(args=[*words, "--json"])
        assert answer.exit_code == code, answer.output
        return json.loads(answer.output)

    return run


def test_an_operator_sets_plans_and_an_owner_changes_and_asks(client: Any, verb: Any, merchant: Any) -> None:
    page = client.get("/billing").text
    assert "No plan is set up here" in page and "nothing is charged" in page
    verb("plan-set", "starter", "--name", "Starter", "--price", "29.90", "--currency", "USD", "--change", "immediate", "--limit", "users=0")
    verb("plan-set", "growth", "--name", "Growth", "--price", "99", "--currency", "USD")
    verb("plan-set", "house", "--name", "House", "--price", "0", "--currency", "USD", "--change", "closed")
    page = client.get("/billing").text
    assert "Change to Starter" in page and "Ask for Growth" in page and "Ask the operator" in page and "You use more than it holds" in page
    page = client.get("/billing/change?plan=starter").text
    assert "29.90 USD a month" in page and "People: 1 used" in page and "never stopped" in page
    assert client.send_form("/billing/change", page="/billing/change?plan=starter").status_code == 303
    page = client.get("/billing").text
    assert "You are on Starter from today" in page and "Your plan" in page
    client.send_form("/billing/change", page="/billing/change?plan=growth")
    assert "You asked for Growth" in client.get("/billing").text and offers.held(merchant).name == "Starter"
    assert [one["plan"] for one in verb("plans")["requests"]] == ["growth"]
    client.send_form("/billing/request/end", page="/billing")
    assert verb("plans")["requests"] == []
    client.send_form("/billing/change", page="/billing/change?plan=growth")
    assert verb("plan-decline", merchant.name)["declined"]
    client.send_form("/billing/change", page="/billing/change?plan=growth")
    verb("plan-give", merchant.name, "growth")
    UsageDay.create(merchant=merchant, day="2026-10-03", counted=1_234, excluded=0, archived=0, waiting=5)
    assert "1,234" in client.get("/billing").text
    assert "Growth since" in client.get("/billing").text and verb("plans")["requests"] == []
    assert "You are on Growth already" in client.get("/billing/change?plan=growth").text
    assert client.get("/billing/change?plan=nothing").status_code == 404


def test_details_are_kept_and_refused_with_what_was_typed(client: Any, merchant: Any) -> None:
    answer = client.send_form("/billing/details", {"name": "Harbor & Pine Ltd", "email": "not one"})
    assert answer.status_code == 422 and "Enter an address such as" in answer.text and "Harbor &amp; Pine Ltd" in answer.text
    part = client.send_form("/billing/details", {"email": "not one"}, headers={"HX-Request": "true"})
    assert part.status_code == 422 and part.text.lstrip().startswith("<form")
    assert client.send_form("/billing/details", {"name": "Harbor & Pine Ltd", "email": "bills@harbor.example"}).status_code == 303
    assert invoices.details(merchant).email == "bills@harbor.example"


def test_invoices_are_issued_paid_taken_back_and_downloaded(client: Any, verb: Any, merchant: Any, tmp_path: Path) -> None:
    verb("billing-set", "issuer=Quay GmbH", "tax_rate=19", "tax_label=VAT", "how_to_pay=IBAN DE00")
    made = verb("invoice-issue", "--merchant", merchant.name, "--currency", "usd", "--line", "Set-up=100.00")["issued"][0]
    assert (made["number"], made["total"], made["state"]) == ("INV-00001", 11_900, "open")
    page = client.get("/billing").text
    where = re.search(r"/billing/invoices/[a-z0-9]+", page)[0]  # type: ignore[index]
    page = client.get(where).text
    assert "119.00" in page and "VAT 19 %" in page and "Open" in page
    pdf = client.get(f"{where}/file.pdf")
    assert pdf.data.startswith(b"%PDF") and "attachment" in pdf.headers["Content-Disposition"]
    assert "Set-up,100.00" in client.get(f"{where}/lines.csv").text and "INV-00001" in client.get("/billing/invoices.csv").text
    assert verb("invoice-paid", "INV-00001", "--note", "Transfer")["state"] == "paid"
    assert "Marked by the operator" in client.get(where).text
    assert verb("invoice-paid", "INV-00001", "--not")["state"] == "open"
    assert verb("invoice-credit", "INV-00001", "--reason", "Twice")["total"] == -11_900
    assert "Taken back by INV-00002" in client.get(where).text
    assert [one["state"] for one in verb("invoices")["invoices"]] == ["credit", "credited"]
    assert verb("invoices", "--state", "paid")["invoices"] == [] and verb("invoice-issue")["issued"] == []
    assert verb("invoice-pdf", "INV-00002", str(tmp_path / "note.pdf"))["size"] > 1_000
    for wrong in (
        ("invoice-paid", "INV-9"),
        ("invoice-issue", "--line", "x=1"),
        ("plan-give", merchant.name, "none"),
        ("billing-set", "x"),
    ):
        verb(*wrong, code=4)
    assert Invoice.select().count() == 2


def test_who_may_not_see_bills_does_not(app: Any, client: Any, merchant: Any) -> None:
    accounts.create_user(merchant, "desk@harbor.example", PASSWORD, role="operator")
    desk = app.test_client().sign_in("desk@harbor.example", PASSWORD)
    assert desk.get("/billing").status_code == 403 and 'href="/billing"' not in desk.get("/inventory").text
    assert 'href="/billing"' in client.get("/inventory").text
