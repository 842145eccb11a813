"""The first five named checks, reported while they happen. Fetching goes the same way and reports to nobody."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from portal.connectors import problems
from portal.connectors.network import Guard, Target, our_address
from portal.errors import SupplierError
from portal.records import Check

# These wait for the merchant's answer; they are not faults.
_QUESTIONS = frozenset({"host_key_unknown", "certificate_untrusted", "not_set_up"})


@dataclass
class Finding:
    """What one check found out: a sentence for the merchant, and facts for the page."""

    detail: str = ""
    facts: dict[str, Any] = field(default_factory=dict)


class Steps:
    """Reports each step as running, then as passed, failed or question with the seconds it took."""

    def __init__(self, report: Callable[[Check], None] | None = None) -> None:
        self._listener = report

    def _report(self, check: Check) -> None:
        if self._listener:
            self._listener(check)

    @contextmanager
    def step(self, name: str) -> Iterator[Finding]:
        """One named check around the work that it is about. The failure is reported and goes on."""
        found, start = Finding(), time.monotonic()
        self._report(Check(name, "running"))
        try:
            yield found
        except SupplierError as error:
            state = "question" if error.problem.code in _QUESTIONS else "failed"
            self._report(Check(name, state, time.monotonic() - start, found.detail, error.problem, found.facts))
            raise
        self._report(Check(name, "passed", time.monotonic() - start, found.detail, None, found.facts))


def resolve(steps: Steps, guard: Guard, host: str, port: int) -> Target:
    """Check 1: the name's addresses, all of them judged."""
    with steps.step("address") as found:
        target = guard.resolve(host, port)
        addresses = [str(address) for address in target.addresses]
        found.detail = problems.some(addresses, 3)
        found.facts.update(host=target.host, addresses=addresses)
    return target


@contextmanager
def reaching(steps: Steps, target: Target) -> Iterator[Finding]:
    """Check 2 around opening the socket. It tells the address we come from, for the supplier's firewall."""
    with steps.step("port") as found:
        found.facts.update(port=target.port, our_address=our_address(target.addresses[0]))
        yield found
        found.detail = f"Port {target.port} answers. We come from {found.facts['our_address']}"
