"""New items of a source that are linked by themselves, once a run has brought them: the confident alone, or with products for the rest.

Only the new ones: what a person undid or took off is not linked again.
"""

from __future__ import annotations

from collections.abc import Sequence

from peewee import fn

from portal import audit, clock
from portal.catalogue import keys, linking, matching
from portal.errors import Invalid, Refused
from portal.models import AutomaticLinking, InventoryItem, Linking, Run, Source, database
from portal.models.runs import UNFINISHED
from portal.runs import WRITERS

MODES = {
    "": "Off: you link them",
    "confident": "Link those that are confident",
    "create": "Link those that are confident, and make products of those that match none",
}
WHO = linking.BY_ITSELF


def mode_of(source: Source) -> tuple[str, Sequence[str]]:
    """(key of MODES, the rules in their order)."""
    row = AutomaticLinking.get_or_none(AutomaticLinking.source == source.id)
    return ("", tuple(matching.RULES)) if row is None else (row.mode, row.rules)


def save(source: Source, mode: str, rules: Sequence[str], who: str, master_from: str | None = None) -> None:
    """Keep how new items of the source are linked. What it has now counts as seen. Raises Invalid ("mode", "rules", "master_from").

    `master_from`: what Master SKUs are made of, a key of keys.MASTERS; None leaves it as it is.
    """
    if master_from is not None and master_from not in keys.MASTERS:
        raise Invalid({"master_from": "Choose what the Master SKU is made of."})
    if mode not in MODES:
        raise Invalid({"mode": "Choose what becomes of new items."})
    if mode and (not rules or len(set(rules)) != len(rules) or not set(rules) <= set(matching.RULES)):
        raise Invalid({"rules": "Choose at least one rule, each once."})
    before, _ = mode_of(source)
    with database.atomic():
        kept = AutomaticLinking.get_or_none(AutomaticLinking.source == source.id)
        AutomaticLinking.delete().where(AutomaticLinking.source == source.id).execute()
        if mode:
            seen = kept.seen_item_id if kept is not None else _top()
            AutomaticLinking.create(
                source=source.id, mode=mode, rules=list(rules), seen_item_id=seen, changed_at=clock.now(), changed_by=who
            )  # fmt: skip
        if master_from is not None and master_from != source.master_from:
            Source.update(master_from=master_from).where(Source.id == source.id).execute()
            audit.write(
                source.merchant, who, "source.master_from", "source", source.public_id, before=source.master_from, after=master_from
            )  # fmt: skip
        audit.write(source.merchant, who, "source.automatic_linking", "source", source.public_id, before=before, after=mode)


def start_due() -> int:
    """Begin to link where new items came and nothing writes the source's stock; go on with what stopped by itself. How many began."""
    begun = 0
    for one in list(AutomaticLinking.select()):
        source = one.source
        writes = Run.select().where(Run.source == source.id, Run.state << UNFINISHED, Run.kind << WRITERS)
        if source.state != "live" or writes.exists() or (newest := _newest(one)) is None:
            continue
        try:
            with database.atomic():
                linking.begin(source.merchant, source, one.rules, WHO, then=one.mode, after=one.seen_item_id)
                AutomaticLinking.update(seen_item_id=newest).where(AutomaticLinking.source == source.id).execute()
        except Refused:  # another linking is under way, or stopped half-way: asked again in a minute
            begun += _resumed(linking.stuck(source.merchant))
            continue
        begun += 1
    return begun


def _resumed(stuck: Linking | None) -> bool:
    """Go on, a few times, with a linking of ours whose run failed. One that a person stopped waits for a person, as Products says."""
    run = linking.run_of(stuck) if stuck is not None else None
    if stuck is None or run is None or stuck.by != WHO or run.state != "failed" or stuck.counts.get("resumed", 0) >= linking.MOST_RESUMED:
        return False
    with database.atomic():
        Linking.update(counts={**stuck.counts, "resumed": stuck.counts.get("resumed", 0) + 1}).where(Linking.id == stuck.id).execute()
        linking.go_on(stuck, WHO)
    return True


def _newest(one: AutomaticLinking) -> int | None:
    """The newest item of the source behind those that were seen, None for none: then all that is there now counts as seen."""
    top = _top()
    found = InventoryItem.select(fn.MAX(InventoryItem.id)).where(InventoryItem.source == one.source_id, InventoryItem.id > one.seen_item_id)
    newest: int | None = found.scalar()
    if newest is None and top > one.seen_item_id:
        AutomaticLinking.update(seen_item_id=top).where(AutomaticLinking.source == one.source_id).execute()
    return newest


def _top() -> int:
    return int(InventoryItem.select(fn.COALESCE(fn.MAX(InventoryItem.id), 0)).scalar())
