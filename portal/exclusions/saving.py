"""Making, changing, pausing and deleting exclusion rules. Each change queues the run that applies it.

A deleted rule's row stays, hidden, for what the journal says of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from portal import audit, clock
from portal.errors import Invalid, NotFound, Refused, Stale
from portal.exclusions import performing, rules
from portal.models import Exclusion, ExclusionSku, Merchant, Run, Source, bulk, database
from portal.models.runs import UNFINISHED

MOST_RULES = 100
CHUNK = 10_000


def listing(merchant: Merchant) -> list[Exclusion]:
    """The merchant's rules in the order in which they are asked."""
    return list(Exclusion.select().where(Exclusion.merchant == merchant, Exclusion.state != "deleted").order_by(Exclusion.id))


def find(merchant: Merchant, public_id: str) -> Exclusion:
    """The merchant's rule of that id. Raises NotFound."""
    found = Exclusion.get_or_none(Exclusion.merchant == merchant, Exclusion.public_id == public_id, Exclusion.state != "deleted")
    if found is None:
        raise NotFound("exclusion rule")
    return found


def create(merchant: Merchant, source: Source | None, name: str, typed: Mapping[str, Any], who: str) -> Exclusion:
    """A rule, and the run that applies it. Raises Invalid ("name", "groups", "g0c0" …)."""
    named, definition = _read(merchant, None, name, typed)
    with database.atomic():
        made = _made(merchant, source, named, "rule", definition, who)
        performing.start(made, "all", who)
    return made


def change(rule: Exclusion, source: Source | None, name: str, typed: Mapping[str, Any], version: int, who: str) -> Exclusion:
    """Another name, source or conditions. Of a list of SKUs only the name. Raises Invalid, Stale."""
    merchant = rule.merchant
    named, definition = _read(merchant, rule, name, typed)
    if rule.kind == "skus":
        definition, source = rule.definition, rule.source
    told = {"name": named, "source": source.id if source else None, "definition": definition}
    with database.atomic():
        fresh = _write(rule, {"name": named, "source": source, "definition": definition}, version, who)
        audit.write(merchant, who, "exclusion.change", "exclusion", rule.public_id, before=_told(rule), after=told)
        if rule.kind != "skus" and (definition, fresh.source_id) != (rule.definition, rule.source_id):
            wide = rule.source_id != fresh.source_id
            fresh.source = None if wide else fresh.source  # items of both sources are judged anew
            performing.start(fresh, "all", who)
    return Exclusion.get_by_id(rule.id)


def pause(rule: Exclusion, on: bool, who: str) -> Exclusion:
    """Turn the rule off for a while, or on again. What no other rule keeps out comes back. Raises Refused where it is so already."""
    state = "on" if on else "paused"
    with database.atomic():
        if rule.state == state:
            raise Refused(f"“{rule.name}” is {state} already. Nothing was changed.")
        fresh = _write(rule, {"state": state}, rule.version, who)
        audit.write(rule.merchant, who, f"exclusion.{'resume' if on else 'pause'}", "exclusion", rule.public_id)
        performing.start(fresh, _walk(fresh) if on else "kept", who)
    return fresh


def delete(rule: Exclusion, who: str) -> Run:
    """The rule goes; what no other rule keeps out comes back, by the run that this queues. Raises Stale."""
    with database.atomic():
        fresh = _write(rule, {"state": "deleted"}, rule.version, who)
        audit.write(rule.merchant, who, "exclusion.delete", "exclusion", rule.public_id, before=_told(rule))
        return performing.start(fresh, "kept", who)


def apply_again(rule: Exclusion, who: str) -> Run:
    """Apply the rule once more, where its run was stopped or failed. Raises Refused while one is under way."""
    with database.atomic():
        if run_state(rule) in UNFINISHED:
            raise Refused("The rule is being applied already. Wait for its end.")
        return performing.start(rule, _walk(rule) if rule.state == "on" else "kept", who)


def exclude_skus(merchant: Merchant, source: Source, skus: Iterable[str], who: str, name: str = "") -> Exclusion:
    """A rule that keeps out these SKUs of a source, also those that it does not have now; set-wise, a million if need be.

    May be called inside a transaction. Raises Invalid where there is none. The run that applies it is queued.
    """
    with database.atomic():
        made = _list_of(merchant, source, name, who)
        left = iter(dict.fromkeys(one[:120] for one in skus if one))
        while some := list(islice(left, CHUNK)):
            bulk.insert("exclusion_sku", ("exclusion_id", "source_id", "sku"), [(made.id, source.id, sku) for sku in some])
        return _listed(made, who)


def exclude_items(merchant: Merchant, chosen: str, values: Iterable[Any], who: str, name: str = "") -> Exclusion:
    """A rule that keeps out the SKUs of the merchant's items `i` that a SQL condition chooses, of whatever sources. See exclude_skus."""
    with database.atomic():
        made = _list_of(merchant, None, name, who)
        bulk.run(
            f"""INSERT INTO exclusion_sku (exclusion_id, source_id, sku)
            SELECT ?, i.source_id, i.sku FROM inventory_item i WHERE i.merchant_id = ? AND {chosen}""",
            (made.id, merchant.id, *values),
        )
        return _listed(made, who)


def skus_of(rule: Exclusion) -> int:
    """How many SKUs a list names."""
    return int(ExclusionSku.select().where(ExclusionSku.exclusion == rule.id).count())


def run_of(rule: Exclusion) -> Run | None:
    """The run that applies its latest change."""
    return Run.get_or_none(Run.id == rule.run_id) if rule.run_id is not None else None


def run_state(rule: Exclusion) -> str:
    """The state of that run, "" for none."""
    run = run_of(rule)
    return "" if run is None else str(run.state)


def _list_of(merchant: Merchant, source: Source | None, name: str, who: str) -> Exclusion:
    named = _free_name(merchant, rules.name_of(name or f"SKUs chosen {clock.now():%d %b %Y, %H:%M}"))
    return _made(merchant, source, named, "skus", {}, who)


def _free_name(merchant: Merchant, name: str) -> str:
    """The name, or the first of it with a number behind that no rule has: items show it."""
    rows: Any = Exclusion.select(Exclusion.name).where(Exclusion.merchant == merchant, Exclusion.state != "deleted").tuples()
    taken, named, number = {one.casefold() for (one,) in rows}, name, 1
    while named.casefold() in taken:
        number += 1
        ending = f" ({number})"
        named = name[: rules.LONGEST_NAME - len(ending)] + ending
    return named


def _listed(made: Exclusion, who: str) -> Exclusion:
    if not skus_of(made):
        raise Invalid({"skus": "Choose at least one SKU. Nothing was excluded."})
    performing.start(made, "list", who)
    return made


def _read(merchant: Merchant, rule: Exclusion | None, name: str, typed: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    errors: dict[str, str] = {}
    named, definition = "", dict[str, Any]()
    try:
        named = rules.name_of(name)
        others = [one for one in listing(merchant) if rule is None or one.id != rule.id]
        if any(one.name.casefold() == named.casefold() for one in others):
            errors["name"] = f"You have a rule called “{named}” already. Items show the name, so use another."
        if rule is None and sum(one.kind == "rule" for one in others) >= MOST_RULES:
            errors["name"] = f"You have {MOST_RULES} rules with conditions, which is the most. Change one, or delete one first."
    except Invalid as refused:
        errors |= refused.errors
    if rule is None or rule.kind != "skus":
        try:
            definition = rules.read(typed)
        except Invalid as refused:
            errors |= refused.errors
    if errors:
        raise Invalid(errors)
    return named, definition


def _made(merchant: Merchant, source: Source | None, name: str, kind: str, definition: Mapping[str, Any], who: str) -> Exclusion:
    now = clock.now()
    made = Exclusion.create(
        merchant=merchant, source=source, name=name, kind=kind, definition=dict(definition), made_by=who, made_at=now, changed_by=who,
        changed_at=now,
    )  # fmt: skip
    audit.write(merchant, who, "exclusion.create", "exclusion", made.public_id, after=_told(made))
    return made


def _write(rule: Exclusion, columns: Mapping[str, Any], version: int, who: str) -> Exclusion:
    told = {**columns, "version": Exclusion.version + 1, "changed_at": clock.now(), "changed_by": who}
    mine = (Exclusion.id == rule.id) & (Exclusion.version == version) & (Exclusion.state != "deleted")
    if not Exclusion.update(told).where(mine).execute():
        fresh = Exclusion.get_by_id(rule.id)
        raise Stale(fresh.changed_by, fresh.changed_at)
    return Exclusion.get_by_id(rule.id)


def _walk(rule: Exclusion) -> str:
    return "list" if rule.kind == "skus" else "all"


def _told(rule: Exclusion) -> dict[str, Any]:
    said = rules.said(rule.definition) if rule.kind == "rule" else "a list of SKUs"
    return {"name": rule.name, "source": rule.source_id, "kind": rule.kind, "means": said}
