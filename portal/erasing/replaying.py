"""After a restore: everything that was erased since the backup is erased once more, before anybody can see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from portal import audit, clock, closing
from portal.erasing import persons, scrubbing, tombstones, users
from portal.models import Erasure, Merchant

Again = Callable[[Merchant, Mapping[str, Any]], Any]
KINDS: dict[str, Again] = {"person": persons.again, "user": users.again, "merchant": closing.again}


def replay(*places: Path) -> int:
    """Do again what the tombstones of this machine and of these folders tell, where the database does not know of it; how often."""
    with scrubbing.scrubbed():
        return sum(_done_again(line) for line in tombstones.known(*places))


def _done_again(line: Mapping[str, Any]) -> bool:
    merchant = Merchant.get_or_none(Merchant.public_id == line["merchant"])
    if merchant is None:
        return False
    row = Erasure.get_or_none(Erasure.merchant == merchant, Erasure.public_id == line.get("erasure", ""))
    if row is not None and row.state == "done":
        return False
    counts = dict(KINDS[line["kind"]](merchant, line) or {})
    if line["kind"] != "merchant":
        _remember(merchant, row, line, counts)
    return True


def _remember(merchant: Merchant, row: Erasure | None, line: Mapping[str, Any], counts: dict[str, int]) -> None:
    now, marks = clock.now(), {name: line[name] for name in ("hashes", "orders", "user") if name in line}
    done = {"state": "done", "sealed": None, "counts": counts, "done_at": now}
    if row is not None:
        Erasure.update(done).where(Erasure.id == row.id).execute()
    else:
        Erasure.create(merchant=merchant, public_id=line["erasure"], kind=line["kind"], marks=marks, made_by="restore", made_at=now, **done)
    audit.write(merchant, "restore", "workspace.person_erased", "erasure", line["erasure"], after=counts)
