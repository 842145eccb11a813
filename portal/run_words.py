"""What each kind of run is called, goes through and counts, in words."""

from __future__ import annotations

from collections.abc import Mapping

from portal.sources import INTEGRATION_KINDS, INVENTORY_KINDS

STAGES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "inventory": (("fetch", "Download"), ("parse", "Read"), ("plan", "Compare"), ("guard", "Check"), ("apply", "Apply")),
    "dry_run": (("fetch", "Download"), ("parse", "Read"), ("plan", "Compare"), ("guard", "Check")),
    "accept_removals": (("apply", "Apply"),),
    "revert": (("revert", "Take back"),),
    "edit": (),
    "fixed_rows": (("apply", "Take in"),),
    "silence": (("silence", "Apply the rule"),),
    "connection_check": (("check", "Test the connection"),),
    "remove_inventory": (("remove", "Remove"),),
    "delete_source": (("delete", "Delete"),),
    "purge_source": (("purge", "Erase"),),
    "linking": (("match", "Match"), ("judge", "Compare titles"), ("link", "Link"), ("create", "Create products"), ("undo", "Take back")),
    "bulk_act": (("gather", "Choose"), ("act", "Change"), ("undo", "Take back"), ("let_in", "Let in what waits")),
    "listing_batch": (("look", "Look"), ("list", "List"), ("undo", "Take back")),
    "exclusion": (("judge", "Judge the items"), ("let_in", "Let in what has room")),
    "room": (("let_in", "Let in what has room"),),
    "send_orders": (("send", "Send"),),
    "get_shipments": (("fetch", "Download"), ("parse", "Read and record")),
    "get_acknowledgements": (("fetch", "Download"), ("parse", "Read and record")),
    "channel_orders": (("pull", "Pull orders"),),
    "channel_tracking": (("tell", "Tell tracking numbers"),),
    "workspace_export": (("write", "Write"),),
    "push_listings": (("match", "Find in the store"), ("weigh", "Compare"), ("push", "Send")),
    "erasure": (("erase", "Erase"),),
}

TITLES = {
    "inventory": "Get Inventory",
    "dry_run": "Dry run",
    "accept_removals": "Accept removals",
    "revert": "Revert",
    "edit": "Change by hand",
    "fixed_rows": "Mended rows",
    "silence": "No feed for too long",
    "connection_check": "Connection test",
    "remove_inventory": "Remove Inventory",
    "delete_source": "Delete Source",
    "purge_source": "Erase a deleted source",
    "linking": "Link to products",
    "listing_batch": "List products on a channel",
    "bulk_act": "Many items at once",
    "exclusion": "Inventory Exclusion",
    "room": "Room in the plan",
    "send_orders": "Send Orders",
    "get_shipments": "Get Shipments",
    "get_acknowledgements": "Get Acknowledgements",
    "channel_orders": "Pull orders of a channel",
    "channel_tracking": "Tracking numbers to a channel",
    "workspace_export": "Export everything",
    "push_listings": "Units and prices to a store",
    "erasure": "Erase a person",
}
FILTERS = {kind: INTEGRATION_KINDS[kind] for kind in INVENTORY_KINDS} | {kind: TITLES[kind] for kind in TITLES if kind != "inventory"}
"""The kinds that a list of runs can be narrowed to."""

CAUSES = {
    "person": "by {who}",
    "schedule": "by schedule",
    "first_sync": "as the first sync by {who}",
    "upload": "after a file upload by {who}",
    "delivery": "as a delivery came",
    "command": "from the command line",
    "system": "by Quayside",
}
KEPT_LABELS = (
    ("excluded", "Excluded by your rules"),
    ("included", "No longer excluded"),
    ("let_in", "Came in from waiting"),
    ("no_room", "Wait for room in the plan"),
    ("over", "In beyond what the plan holds"),
)
COUNT_LABELS = (
    ("rows", "Rows read"),
    ("new", "New"),
    ("changed", "Changed"),
    ("unchanged", "Unchanged"),
    ("missing", "Missing"),
    ("zeroed", "Went to 0"),
    ("back", "Back again"),
    ("archived", "Archived"),
    ("unknown", "Not in your inventory"),
    ("set_aside", "Set aside"),
    ("noted", "Values left out"),
    ("replaced", "Replaced by a later file"),
    ("held", "Held back"),
    *KEPT_LABELS,
)
PLANNED_LABELS = (
    ("rows", "Rows read"),
    ("add", "Would be added"),
    ("change", "Would change"),
    ("zero", "Would go to 0"),
    ("missing", "Missing"),
    ("back", "Would be back"),
    ("unchanged", "Unchanged"),
    ("set_aside", "Set aside"),
    ("noted", "Values left out"),
    ("waits", "Would wait for you"),
    ("excluded", "Would be excluded by your rules"),
    ("included", "Would no longer be excluded"),
    ("no_room", "Would wait for room in the plan"),
)
SENDING_LABELS = (
    ("collected", "Requests put in line"),
    ("sent", "Sent"),
    ("check_needed", "Check needed"),
    ("rejected", "Refused by the supplier"),
    ("later", "Tried again later"),
)
SHIPMENT_LABELS = (
    ("rows", "Rows read"),
    ("new", "New shipments"),
    ("more", "More of known ones"),
    ("corrected", "Tracking numbers corrected"),
    ("known", "Known already"),
    ("unmatched", "Wait for you"),
    ("doubtful", "Numbers that look wrong"),
    ("set_aside", "Set aside"),
    ("noted", "Values left out"),
)
ANSWER_LABELS = (
    ("rows", "Rows read"),
    ("accepted", "Units accepted"),
    ("canceled", "Units canceled"),
    ("known", "Requests already answered so"),
    ("problems", "Wait for you"),
    ("set_aside", "Set aside"),
    ("noted", "Values left out"),
)
PULL_LABELS = (
    ("read", "Changed orders read"),
    ("taken", "Taken"),
    ("known", "Here already"),
    ("differs", "Changed in the store since"),
    ("waiting", "Wait for you"),
)
TELL_LABELS = (
    ("told", "Told"),
    ("failed", "Refused by the store"),
    ("unknown", "May have arrived"),
    ("waiting", "Tried again later"),
    ("dropped", "Nothing to tell"),
)
PUSH_LABELS = (
    ("listings", "Listings"),
    ("differ", "Would be changed"),
    ("sent", "Sent"),
    ("unchanged", "The store had it so"),
    ("refused", "Refused by the store"),
    ("missing", "Not in the store"),
    ("twice", "Several in the store"),
    ("held", "Held for you"),
    ("doubt", "Looked at once more later"),
)
BULK_LABELS = (
    ("chosen", "Chosen"),
    ("done", "Changed"),
    ("already", "Were so already"),
    ("held", "Have open requests"),
    ("ruled", "Kept out by another rule"),
    ("let_in", "Waited, and came in"),
    ("gone", "Not here any more"),
    ("back", "Taken back"),
    ("kept", "Changed since, left alone"),
)
LISTING_LABELS = (
    ("products", "Products looked at"),
    ("create", "Can be listed"),
    ("no_price", "Without a price"),
    ("listed", "Listed already"),
    ("clash", "Listing SKU is taken"),
    ("long", "Listing SKU is too long"),
    ("made", "Listed"),
    ("passed_over", "Passed over"),
    ("taken_back", "Taken back"),
    ("kept", "Kept, as a person or the store touched them"),
    ("gone", "Gone before"),
)
LABELS = {
    "workspace_export": (("rows", "Rows written"),),
    "listing_batch": LISTING_LABELS,
    "dry_run": PLANNED_LABELS, "send_orders": SENDING_LABELS, "get_shipments": SHIPMENT_LABELS, "get_acknowledgements": ANSWER_LABELS,
    "channel_orders": PULL_LABELS, "channel_tracking": TELL_LABELS, "push_listings": PUSH_LABELS,
    "bulk_act": BULK_LABELS,
    "exclusion": KEPT_LABELS, "room": KEPT_LABELS,
}  # fmt: skip
"""Of kinds that count other things than Get Inventory."""

ALWAYS_SHOWN = ("rows", "new", "changed", "unchanged", "missing", "set_aside")
