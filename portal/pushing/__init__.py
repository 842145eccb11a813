"""Price and quantity of a channel's listings go to its store: only what differs, each once or read back, held where it looks wrong.

due ─▶ match (their id by Listing SKU) ─▶ weigh (guard: what would fall to 0 or leap waits for a person) ─▶ push ─▶ journal
"""

STATES = {
    "": "Not sent yet",
    "sent": "The store has it",
    "missing": "Not in the store",
    "twice": "Several in the store",
    "refused": "Refused by the store",
    "held": "Held for you",
    "doubt": "Looked at once more",
}
"""How a listing stands with its store."""
OUTCOMES = {
    "": "Under way", "sent": "Taken", "refused": "Refused", "not_sent": "Did not arrive", "unknown": "No whole answer came",
}  # fmt: skip
"""Of one send in the journal; "" also where the worker died with it."""
