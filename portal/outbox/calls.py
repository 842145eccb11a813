"""Orders by a supplier's API, by SOAP or into its store: once, and where nobody saw how it ended, by what their side proves.

claimed ─▶ send ─▶ sent · refused · not sent (later) · unknown ─▶ look ─▶ exactly one: sent · none or several: by the witness
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Protocol

from portal import failpoints
from portal.connectors.answers import Unreadable
from portal.connectors.sending import Cancels, Found, Sent, TellsLines
from portal.errors import Problem, SupplierError
from portal.outbox import settle, witnesses
from portal.outbox.claim import Hold, LostClaim
from portal.outbox.leaving import leaving, parts_of
from portal.outbox.ways import Way

BLAMED = ("sign_in_refused", "sign_in_ended", "key_refused", "user_locked", "sign_in_paused", "plain_not_allowed", "permission_denied")


TAKEN_BEFORE = 409
"""Something with this reference is there already, they say."""


class Sends(Protocol):
    """What hands a document over, and may be able to look for it: a connector, a webhook's poster or a post office."""

    def send(self, operation: str, document: bytes, reference: str) -> Sent:
        """Hand it over once; see connectors.sending.Sends."""

    def find(self, reference: str, since: str = "") -> Found | None:
        """Look for it; see connectors.sending.Sends."""


def deliver(hold: Hold, server: Sends, way: Way) -> None:
    """Do what is next for a held submission, and settle it. Raises SupplierError after settling where nobody can be reached."""
    row = hold.submission
    repeats = row.witness in ("key", "promise")
    if row.state == "uploading" and row.unknown_at is None:
        words = Problem("connection_lost", "The worker ended while it was sending", "Whether they have it nobody saw.")
        _unknown(hold, way, words)
    elif hold.purpose == "look" and (row.witness in witnesses.LOOKS or row.state == "check_needed" or not repeats):
        _look(hold, server, way)
    else:
        if hold.purpose == "look":
            hold.purpose = "try"
            hold.keep(kind="try")
        _send(hold, server, way)


def _send(hold: Hold, server: Sends, way: Way) -> None:
    row = hold.submission
    failpoints.reach("sending-claimed")
    (part,) = parts_of(row)
    hold.say(f"Sending {part.size:,} bytes as {row.reference}" + (", the same as before" if row.unknown_at else ""))
    earlier = row.left_at
    leaving(hold, [part], "uploading")
    failpoints.reach("sending-leaving")
    try:
        ended = server.send("send_orders", bytes(part.content), row.reference)
    except SupplierError as error:  # only for what cannot be sent at all: nothing left
        settle.not_sent(hold, error.problem, left_at=earlier, wait=error.wait)
        raise
    failpoints.reach("sending-answered")
    _settle(hold, ended, server, way, earlier)


def _settle(hold: Hold, ended: Sent, server: Sends, way: Way, earlier: object) -> None:
    row, problem = hold.submission, ended.problem or _NO_WORDS
    doubted = row.unknown_at is not None
    try:
        if ended.outcome == "sent":
            number = f", their number {ended.their_id}" if ended.their_id else ""
            if not _is_other(hold, server, way, ended.their_id, ended.answer):
                settle.sent(hold, f"{_TOOK.get(row.transport, 'They took it')}{number}", their_id=ended.their_id)
        elif ended.outcome == "refused" and doubted and row.witness in witnesses.LOOKS:
            hold.say(f"They refused it: {problem.server_said or problem.headline}. It may be there from before, so we look.")
            _unknown(hold, way, problem)
        elif ended.outcome == "refused" and doubted:
            settle.check_needed(hold, problem, "They refused it the second time. It may be with them from the first.")
        elif ended.outcome == "refused":
            settle.refused(hold, problem)
        elif ended.outcome == "not_sent":
            if doubted and row.witness in witnesses.LOOKS:
                settle.not_sent(hold, problem, state="uploading")
            else:
                settle.not_sent(hold, problem, left_at=earlier)
        elif ended.status == TAKEN_BEFORE and earlier is None and not doubted:
            settle.check_needed(hold, problem, _NOT_OURS)
        else:
            _unknown(hold, way, problem)
    except LostClaim:
        hold.say("Another worker had taken over, so what this answer says was not written.")
        hold.keep(outcome="unclear")
        raise
    if ended.outcome == "not_sent":
        raise SupplierError(problem, permanent=problem.code in BLAMED)


def _unknown(hold: Hold, way: Way, problem: Problem) -> None:
    settle.unknown(hold, problem, settle=way.settle, window=way.window)


def _look(hold: Hold, server: Sends, way: Way) -> None:
    row = hold.submission
    since = ((row.left_at or row.created_at) - timedelta(minutes=5)).isoformat(timespec="seconds") + "Z"  # their clock may be behind ours
    hold.say(f"Looking in their list for {row.reference}")
    hold.save()
    try:
        found = server.find(row.reference, since)
    except SupplierError as error:
        settle.looked(hold, None, f"We could not look: {error.problem.headline}. {error.problem.body}".strip(), settle=way.settle)
        return
    if found is None:
        settle.looked(hold, 0, f"They list nothing with {row.reference}", settle=way.settle)
    elif found.count > 1:
        settle.looked(hold, found.count, f"They list {found.count} with {row.reference}", settle=way.settle)
    elif not _is_other(hold, server, way, found.their_id, found.answer):
        number = f", as their {found.their_id}" if found.their_id else ""
        settle.looked(hold, 1, f"They list it{number}: it had arrived", their_id=found.their_id, settle=way.settle)


def _is_other(hold: Hold, server: Sends, way: Way, their_id: str, answer: object) -> bool:
    """Whether they took other lines than were sent. Their order is then canceled there, or a person is asked: both are settled here.

    Where the lines are to be read and do not come, nobody saw what they took: that is settled by the witness, as any doubt.
    Raises LostClaim: whoever holds it now looks for it, and compares in turn.
    """
    if way.taken is None:
        return False
    if way.taken.path and isinstance(server, TellsLines):
        hold.save()
        try:
            answer = server.lines(their_id)
        except SupplierError as error:
            problem = replace(error.problem, body=f"They took it, and its lines could not be read. {error.problem.body}".strip())
            if hold.purpose == "look":
                settle.looked(hold, None, f"{problem.headline}. {problem.body}", settle=way.settle)
            else:
                _unknown(hold, way, problem)
            return True
    (part,) = parts_of(hold.submission)
    try:
        told = way.taken.differences(bytes(part.content), answer)
    except Unreadable as error:  # a document that was made before the supplier's layout was what it is now
        hold.say(f"{error}, so that what they took was not compared")
        return False
    if told == []:
        return False
    hold.check()
    theirs = f"Their order {their_id}" if their_id else "Their order"
    if told is None:
        problem = Problem("protocol_error", f"{theirs} does not tell its lines", "Whether they took what was sent nobody saw.")
        settle.check_needed(hold, problem, f"{theirs} has to be compared with what was sent.", their_id=their_id[:200])
        return True
    problem = Problem("refused", "They took other lines than were sent", f"{'; '.join(told)}.")
    why = _canceled(hold, server, way, their_id, f"{problem.headline}. {problem.body}")
    if why:
        settle.check_needed(hold, problem, f"{theirs} has other lines than were sent, and {why}", their_id=their_id[:200])
    else:
        body = f"{problem.body} {theirs} was canceled there, so that nothing of it ships."
        settle.refused(hold, replace(problem, body=body), said="They say that it is canceled", their_id=their_id[:200])
    return True


def _canceled(hold: Hold, server: Sends, way: Way, their_id: str, words: str) -> str:
    """Cancel their order; "" once they say that it is, else why it may not be."""
    if way.taken is None or not way.taken.cancels or not isinstance(server, Cancels):
        hold.say(words)
        return "it cannot be canceled from here."
    hold.say(f"{words} We ask them to cancel it")
    hold.save()
    failpoints.reach("sending-canceling")
    try:
        server.cancel(their_id)
    except SupplierError as error:
        return f"we asked them to cancel it, and {error.problem.headline[:1].lower()}{error.problem.headline[1:]}."
    failpoints.reach("sending-canceled")
    return ""


_NOT_OURS = "They say that they have an order with this reference, and nothing of ours had left before: it may be somebody else's."
_TOOK = {"email": "The mail server took it on, which does not prove that they read it", "webhook": "Their address took it"}
_NO_WORDS = Problem("protocol_error", "It may have arrived", "We do not know how it ended.")
