"""Sending a document once, and looking afterwards whether it arrived. Nothing here ever sends twice.

send ─▶ sent │ refused │ not_sent │ unknown        unknown ─▶ (settle) find ─▶ Found: it arrived │ None: what that proves, the witness says
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from portal.connectors import problems
from portal.connectors.steps import Steps
from portal.errors import Problem, SupplierError
from portal.records import Check

if TYPE_CHECKING:
    from portal.connectors.caller import Answer

log = logging.getLogger(__name__)

OUTCOMES = {
    "sent": "The supplier has it, and said so",
    "refused": "The supplier has read it and will not take it as it is: sending the same again cannot help",
    "not_sent": "The supplier does not have it for sure: it may be sent again by whoever decides that",
    "unknown": "It left, and no whole answer came: only the supplier's own list can tell",
}
PROOFS = {
    "unique": "The supplier takes a reference once only: a second send of it is refused there",
    "listed": "An order that is not in its list after the settling time did not arrive",
    "key": "The supplier keeps the key that each send carries, and takes the same key once within its window",
    "nothing": "It has no list that can be searched for our reference: a person has to ask",
}


@dataclass(frozen=True)
class Sent:
    """How a send ended. `outcome`: a key of OUTCOMES. `their_id`: the supplier's own name of it, "" where it gave none.

    `problem` says what happened unless it was sent; `answer` is what the supplier said, as plain values, for comparing it with what was
    sent (None where nothing readable came). `status`: of the answer of a web server, 0 where none came or it says nothing more.
    """

    outcome: str
    reference: str
    their_id: str = ""
    problem: Problem | None = None
    answer: Any = None
    status: int = 0


@dataclass(frozen=True)
class Found:
    """A document of ours as the supplier lists it. `count`: how many there are; more than one means that it arrived twice."""

    reference: str
    their_id: str
    answer: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1


@dataclass(frozen=True)
class Witness:
    """How one can see at the supplier whether a document with our reference arrived.

    `path`, `query` with {reference} (and {since}: the moment from which it can be there, ISO 8601 UTC), `items` and `field` as paths;
    `field` leads to our reference, or to a list that holds it; `id` to their own name. Whatever the server filters by, only an item
    whose `field` is our reference to the letter counts. `proves`: a key of PROOFS. `settle_seconds`: what it may take to be listed.
    `key`: the header that carries our reference where it proves "key", and `window_seconds` how long they know it again. `gone`: a path
    that is true in what does not count any more, as an order that was canceled.
    """

    path: str = ""
    query: str = ""
    items: str = ""
    field: str = ""
    id: str = "id"
    proves: str = "nothing"
    settle_seconds: int = 0
    key: str = ""
    window_seconds: int = 0
    gone: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Witness:
        """The witness among the settings of an operation; one that proves nothing where there is none."""
        return cls(**(settings.get("witness") or {}))


class Sends(Protocol):
    """What a connector does that can send."""

    @property
    def witness(self) -> Witness:
        """How a document is found again."""

    def send(self, operation: str, document: bytes, reference: str) -> Sent:
        """Hand over the document once, and say how that ended. Never repeats, not even after a refused sign-in.

        Raises SupplierError only for what cannot be sent at all (the operation is not set up); nothing left then.
        """

    def find(self, reference: str, since: str = "") -> Found | None:
        """The document with our reference at the supplier, None when it is not there (what that proves: `witness.proves`).

        Raises SupplierError where it cannot be looked for, and where the list did not come whole.
        """


@runtime_checkable
class TellsLines(Protocol):
    """A connector that can read the lines of an order that a supplier accepted."""

    def lines(self, their_id: str) -> Mapping[str, Any]:
        """{"lines": [their lines]} of their order of that id. Raises SupplierError where they did not come whole."""


@runtime_checkable
class Cancels(Protocol):
    """A connector that can take back what a supplier accepted."""

    def cancel(self, their_id: str) -> None:
        """Cancel their order of that id; once this returns, they said that it is canceled. May be asked again.

        Raises SupplierError where that is not certain, or cannot be asked for.
        """


class SendsNothing:
    """For connectors that only read: both say so by name."""

    witness = Witness()

    def send(self, operation: str, document: bytes, reference: str) -> Sent:  # noqa: ARG002
        """Raises SupplierError not_set_up."""
        raise cannot("send", type(self).__name__.removesuffix("Connector").upper())

    def find(self, reference: str, since: str = "") -> Found | None:  # noqa: ARG002
        """Raises SupplierError not_set_up."""
        raise cannot("find", type(self).__name__.removesuffix("Connector").upper())


_HEADLINES = {"send": "Nothing can be sent this way", "find": "What was sent cannot be looked for", "cancel": "It cannot be canceled there"}


def cannot(act: str, how: str) -> SupplierError:
    """This connection can neither send nor look for what was sent, nor cancel it. `act`: send, find or cancel."""
    headline = _HEADLINES[act]
    done = "canceled" if act == "cancel" else "sent"
    body = f"The connection ({how}) has no such operation. Nothing was {done}. Choose another way for orders on the source's page."
    return SupplierError(Problem("not_set_up", headline, body, "Edit connection", "connection"), permanent=True)


NEVER_TAKEN = frozenset({301, 307, 308, 401, 403, 407})
"""Answers after which the document was not taken: it belongs elsewhere, or we may not."""
NOT_KNOWN = frozenset({408, 409, 425, 429})
"""Answers of failure after which it may lie there: it was cut, something like it is there, or the limit was told behind its door."""


def outcome_of(status: int, not_taken: Collection[int] = ()) -> str:
    """How a send ended, by the status of the answer (RELIABILITY 4.3): only what is certain counts as refused or not sent.

    `not_taken`: further statuses of which this supplier's documentation says that nothing was done.
    """
    if 200 <= status < 300:
        return "sent"
    if status in NEVER_TAKEN or status in not_taken:
        return "not_sent"
    if 400 <= status < 500 and status not in NOT_KNOWN:
        return "refused"
    return "unknown"


class TooLate(SupplierError):
    """Raised in the last moment before anything is written (Caller.leaving): what was looked at is too old to be sent upon."""

    def __init__(self, why: str) -> None:
        super().__init__(problems.protocol_error("Nothing was sent", f"Too much time went by before {why}.").problem)


def once(ask: Callable[[Steps], Answer], ended: Callable[[Answer], Sent], reference: str, host: str) -> Sent:
    """Ask, and judge the answer by `ended`. Once the server was reached nothing is raised: what failed then, also of ours, is not known.

    `ask` gives the one request these steps. Before the server was reached a SupplierError is a document that was not sent.
    """
    line: list[str] = []
    try:
        return ended(ask(Steps(lambda check: _note_line(line, check))))
    except TooLate as error:
        return Sent("not_sent", reference, problem=error.problem)
    except SupplierError as error:
        if not line:
            return Sent("not_sent", reference, problem=error.problem)
    except Exception as error:
        if not line:
            raise
        log.error("How the send of %s ended cannot be told: %s", reference, type(error).__name__)  # its text may hold what was sent
    return Sent("unknown", reference, problem=not_known(host))


def _note_line(line: list[str], check: Check) -> None:
    """Note that the server was reached: from then on a document may have left."""
    if check.name == "identity" and check.state == "passed":
        line.append(check.name)


def not_known(host: str) -> Problem:
    """The send whose end nobody saw."""
    body = f"We do not know whether {host} has it, so we do not send it again. Look for the order there, or let us look."
    return problems.protocol_error("It may have arrived", body).problem
