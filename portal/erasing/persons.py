"""A customer is erased: asked for by a person, done by a run, remembered by marks that find them again in a restored database."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from portal import audit, clock, failpoints, runs, vault
from portal.erasing import blanking, finding, scrubbing, tombstones
from portal.erasing.terms import Terms
from portal.errors import Invalid, Refused
from portal.exporting import exports
from portal.models import Erasure, Merchant, Order, User, database

KIND = "erasure"
FIELD = "erasure"
OPEN = "{number} is not finished: its address is needed to ship it. Let it ship, or cancel it, first. Nothing was erased."
LONGEST_REASON = 200


def start(actor: User, typed: str, chosen: Sequence[str], reason: str, address: str = "") -> Erasure:
    """Let a run erase the person of the chosen orders (public ids), out of those that what was typed finds.

    Raises Invalid ("typed", "reason"), Refused while one of the orders is not finished.
    """
    merchant, reason = actor.merchant, " ".join(reason.split())[:LONGEST_REASON]
    found = [order for order in finding.orders(merchant, typed) if order.public_id in set(chosen)]
    errors = {} if found or "@" in typed else {"typed": "Nothing was chosen. Tick the orders of this person."}
    if not reason:
        errors["reason"] = "Say why, such as “asked for by e-mail on 3 March”. Do not name the person."
    if errors:
        raise Invalid(errors)
    told = finding.of(found)
    if told.open:
        raise Refused(OPEN.format(number=next(order.number for order in found if order.public_id in told.open)))
    terms = told.terms
    if "@" in typed:
        terms.add({"email": typed})
    with database.atomic():
        row = Erasure.create(merchant=merchant, kind="person", reason=reason, made_by=actor.email, made_at=clock.now())
        known = {name: sorted(getattr(terms, name)) for name in ("emails", "phones", "names", "lines")}
        known["orders"] = [order.public_id for order in found]
        sealed = vault.seal(merchant, row.public_id, FIELD, json.dumps(known))
        marks = {"hashes": [vault.current().mark(merchant, one) for one in terms.known_by()], "orders": known["orders"]}
        Erasure.update(sealed=sealed, marks=marks).where(Erasure.id == row.id).execute()
        runs.start(None, KIND, merchant=merchant, started_by=actor.email, settings={"erasure": row.public_id})
        told_of = {"orders": len(found), "reason": reason}
        audit.write(merchant, actor.email, "workspace.erase_person", "erasure", row.public_id, after=told_of, address=address)
    return row


def perform(work: Any) -> runs.Outcome:
    """Run handler: erase, then forget whom. Cut off in the middle it begins again, which changes nothing that is done."""
    row = Erasure.get(Erasure.merchant == work.merchant, Erasure.public_id == work.run.settings["erasure"])
    if row.sealed is None:
        return runs.Outcome("no_change")
    known = json.loads(vault.unseal(work.merchant, row.public_id, FIELD, row.sealed).reveal())
    tombstones.keep(
        at=clock.now().isoformat(), kind="person", merchant=work.merchant.public_id, erasure=row.public_id, **row.marks
    )  # before the first row: a database that is restored from in between is cleaned too
    work.stage("erase", unit="rows")
    done = 0

    def told() -> None:
        nonlocal done
        done += 1
        work.progress(done)
        failpoints.reach("erasure-chunk")

    terms = Terms(set(known["emails"]), set(known["phones"]), set(known["names"]), set(known["lines"]))
    orders = list(Order.select().where(Order.merchant == work.merchant, Order.public_id << known["orders"]))
    if again := finding.of(orders).open:
        raise Refused(OPEN.format(number=next(order.number for order in orders if order.public_id in again)))
    with scrubbing.scrubbed():
        counts = blanking.erase(work.merchant, orders, terms, told)
        with work.transaction():
            counts["exports"] = exports.erase_all(work.merchant)
            finish(row, counts, work.run.started_by)
    work.say("The person is erased. Numbers, units and money stay, and who did what when.")
    return runs.Outcome("finished", counts=dict(+counts))


def finish(row: Erasure, counts: Mapping[str, int], who: str) -> None:
    """Forget whom it was. Inside the caller's transaction."""
    kept = {name: number for name, number in counts.items() if number}
    Erasure.update(state="done", sealed=None, counts=kept, done_at=clock.now()).where(Erasure.id == row.id).execute()
    audit.write(row.merchant, who, "workspace.person_erased", "erasure", row.public_id, after=kept)


def again(merchant: Merchant, line: Mapping[str, Any]) -> Counter[str]:
    """Erase what a line of the tombstones is of, in a database that was restored from before it; what was erased."""
    hashes = frozenset(line["hashes"])
    blind = Terms(hashes=hashes, mark=lambda text: vault.current().mark(merchant, text))
    named = set(line["orders"])
    orders = [one for one in finding.each_order(merchant) if one.public_id in named or blind.of(one.ship_to) or blind.of(one.bill_to)]
    terms = finding.of(orders).terms
    terms.hashes, terms.mark = hashes, blind.mark
    return blanking.erase(merchant, orders, terms, lambda: None)


def listing(merchant: Merchant) -> list[Erasure]:
    """The newest erasures."""
    return list(Erasure.select().where(Erasure.merchant == merchant).order_by(Erasure.id.desc()).limit(50))
