"""Who collects the money. One that is real for whoever runs this by themselves: an invoice, and an operator who says that it was paid."""

from __future__ import annotations

from typing import Protocol

from portal.models import BillingSettings, Invoice


class Provider(Protocol):
    """A way of collecting what an invoice asks for. Another one is a class with these, and a choice in `current`."""

    words: str

    def issued(self, invoice: Invoice) -> None:
        """Told of each invoice and credit note, in the transaction that issues it. Must not wait for anybody."""

    def how_to_pay(self, settings: BillingSettings) -> str:
        """What stands on an invoice: how and where to pay."""


class Manual:
    """Paid by transfer or as the operator says; the operator marks what came."""

    words = "By invoice"

    def issued(self, invoice: Invoice) -> None:
        """Nothing is to be told to anybody: the invoice is on the page of its merchant."""

    def how_to_pay(self, settings: BillingSettings) -> str:
        """As the operator wrote it."""
        return settings.how_to_pay


def current() -> Provider:
    """The provider of this installation."""
    return Manual()
