"""The states of a fulfillment request, their words, and which act each one allows. Pure."""

from __future__ import annotations

STATES = {
    "unprocessed": "Unprocessed",
    "processing": "Processing",
    "processed": "Processed",
    "acknowledged": "Acknowledged",
    "failed": "Failed",
    "canceled": "Canceled",
    "voided": "Voided",
    "too_long": "PO/FR # Exceeds Max Length",
    "duplicate": "Duplicate PO/FR #",
}
SHIPPED = {"awaiting": "Awaiting Shipment", "partial": "Partially Shipped", "shipped": "Shipped", "canceled": "Canceled"}
SENDING = {
    "": "Not sent",
    "waiting": "Waiting to be sent",
    "claimed": "Sending",
    "uploading": "Sending",
    "uploaded": "Sending",
    "sent": "Sent",
    "confirmed": "Sent, and answered",
    "rejected": "Refused by the supplier",
    "check_needed": "Check needed",
    "cancelled": "Withdrawn before sending",
}
ENDED = ("canceled", "voided")
SENT = ("processed", "acknowledged")
FLAGGED = ("too_long", "duplicate")

MAY = {
    "process": ("unprocessed", "failed", *FLAGGED),
    "send": ("processing",),
    "acknowledge": SENT,
    "cancel": SENT,
    "void": ("unprocessed", "processing", "failed", *FLAGGED, *SENT),
    "ship": ("processing", *SENT),
    "renumber": ("unprocessed", "failed", *FLAGGED),
}
"""act -> the states in which it may be done. A void after sending needs the supplier's word; a shipment may come before our own sending
was confirmed, as the supplier then has it."""


def may(act: str, state: str) -> bool:
    """Whether `act` (a key of MAY) may be done in `state`."""
    return state in MAY[act]
