"""New items of a source that are linked by themselves, once a run has brought them: the confident alone, or with products for the rest.

Only the new ones: what a person undid or took off is not linked again.
"""

from __future__ import annotations

from collections.abc import Sequence

from peewee import fn

from portal import audit, clock
from portal.catalogue import linking, matching
from portal.errors import Invalid, Refused
from portal.models import AutomaticLinking, InventoryItem, Run, Source, database
from portal.models.runs import UNFINISHED

MODES = {
    "": "Off: you link them",
    "confident": "Link those that are confident",
    "create": "Link those that are confident, and make products of those that match none",
}
WHO = "Quayside"


def mode_of(source: Source) -> tuple[str, Sequence[str]]:
    """(key of MODES, the rules in their order)."""
    row = AutomaticLinking.get_or_none(AutomaticLinking.source == source.id)
    return ("", tuple(matching.RULES)) if row is None else (row.mode, row.rules)


def save(source: Source, mode: str, rules: Sequence[str], who: str) -> None:
    """Keep how new items of the source are linked. What it has now counts as seen. Raises Invalid ("mode", "rules")."""
    if mode not in MODES:
        raise Invalid({"mode": "Choose what becomes of new items."})
    if mode and (not rules or len(set(rules)) != len(rules) or not set(rules) <= set(matching.RULES)):
        raise Invalid({"rules": "Choose at least one rule, each once."})
    before, _ = mode_of(source)
    with database.atomic():
        kept = AutomaticLinking.get_or_none(AutomaticLinking.source == source.id)
        AutomaticLinking.delete().where(AutomaticLinking.source == source.id).execute()
        if mode:
            seen = kept.seen_item_id if kept is not None else _newest(source.id)
            AutomaticLinking.create(
                source=source.id, mode=mode, rules=list(rules), seen_item_id=seen, changed_at=clock.now(), changed_by=who
            )  # fmt: skip
        audit.write(source.merchant, who, "source.automatic_linking", "source", source.public_id, before=before, after=mode)


def start_due() -> int:
    """Begin to link where new items came and no run of the source is under way; how many began."""
    begun = 0
    for one in list(AutomaticLinking.select()):
        source, newest = one.source, _newest(one.source_id)
        moving = Run.select().where(Run.source == source.id, Run.state << UNFINISHED).exists()
        if newest <= one.seen_item_id or moving or source.state != "live":
            continue
        try:
            with database.atomic():
                linking.begin(source.merchant, source, one.rules, WHO, then=one.mode, after=one.seen_item_id)
                AutomaticLinking.update(seen_item_id=newest).where(AutomaticLinking.source == source.id).execute()
        except Refused:  # another linking is under way, or waits for a person: asked again in a minute
            continue
        begun += 1
    return begun


def _newest(source_id: int) -> int:
    return int(InventoryItem.select(fn.COALESCE(fn.MAX(InventoryItem.id), 0)).where(InventoryItem.source == source_id).scalar())
