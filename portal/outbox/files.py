"""Files at a server with folders, by the rule set that was measured: 150 kills, no duplicate, none lost, none half-read.

uploading, temp name saved ─▶ write ─▶ size ─▶ uploaded, only if the token is still ours ─▶ rename
after any doubt: temp there ─▶ rename · temp gone ─▶ sent
"""

from __future__ import annotations

from typing import Any

from portal import clock, failpoints
from portal.connectors import problems
from portal.connectors.dropping import DropsFiles
from portal.errors import Problem, SupplierError
from portal.models import SubmissionPart
from portal.outbox import settle, witnesses
from portal.outbox.claim import Hold, LostClaim
from portal.outbox.leaving import leaving, parts_of


def deliver(hold: Hold, server: DropsFiles) -> None:
    """Bring a held submission as far as it goes now, and settle it. Raises SupplierError after settling where the server is at fault."""
    try:
        if hold.purpose == "look":
            _look(hold, server)
        elif hold.submission.witness == "list":
            _write_in_place(hold, server)
        else:
            if hold.submission.state != "uploaded":
                _upload(hold, server)
            _rename(hold, server)
    except SupplierError as error:
        _settle_failure(hold, error)
        raise
    except LostClaim:
        _leave_nothing(hold, server)
        raise


def temp_begin(reference: str) -> str:
    """How the temporary names of a submission begin, whoever wrote them."""
    return f".{''.join(letter if letter.isalnum() or letter in '-_' else '-' for letter in reference)}."


def _upload(hold: Hold, server: DropsFiles) -> None:
    failpoints.reach("sending-claimed")
    parts, begin = parts_of(hold.submission), temp_begin(hold.submission.reference)
    before = [(part.folder, part.temp_name) for part in parts if part.temp_name]
    for part in parts:
        part.temp_name = f"{begin}{hold.token}{f'.{part.place}' if len(parts) > 1 else ''}.part"
    places = {part.folder: _place(server, part.folder) for part in parts}  # reached and signed in, before anything counts as leaving
    for part in parts:
        hold.say(f"Writing {part.size:,} bytes to {places[part.folder]} as {part.temp_name}")
    leaving(hold, parts, "uploading")
    failpoints.reach("sending-leaving")
    if hold.submission.tries > 1:
        _clear_before(hold, server, before, frozenset(part.temp_name for part in parts))
    for part in parts:
        _write(server, part, part.temp_name)
    failpoints.reach("sending-written")
    hold.say("The server has all of it, still under its temporary name")
    hold.save(state="uploaded")  # only if the token is still ours: else another worker has cleared what we wrote
    failpoints.reach("sending-uploaded")


def _clear_before(hold: Hold, server: DropsFiles, before: list[tuple[str, str]], mine: frozenset[str]) -> None:
    """Take away what earlier claims left unfinished: by name what we know of, and what the folder lists."""
    old = [name for folder, name in before if server.discard(_place(server, folder), name)]
    for folder in sorted({folder for folder, _ in before}):
        old += server.clear(_place(server, folder), temp_begin(hold.submission.reference), ".part", mine)
    if old:
        hold.say(f"Cleared {len(old)} unfinished {'file' if len(old) == 1 else 'files'} of an earlier try")


def _write(server: DropsFiles, part: SubmissionPart, name: str) -> None:
    there = server.write(_place(server, part.folder), name, bytes(part.content))
    if there != part.size:
        raise problems.cut_upload(part.name, there, part.size)


def _rename(hold: Hold, server: DropsFiles) -> None:
    parts = parts_of(hold.submission)
    for part in parts:
        if part.state == "sent":
            continue
        place = _place(server, part.folder)
        hold.check()  # a person may have decided meanwhile that it is sent again
        ended = server.rename(place, part.temp_name, part.name)
        failpoints.reach("sending-renamed")
        if ended == "taken" and server.sizes(place).get(part.name) != part.size:
            _taken(hold, part, place)
            return
        if ended == "taken":  # their server was stopped between giving the new name and taking the old one away
            server.clear(place, part.temp_name, ".part")
        if ended == "gone" and hold.submission.witness == "cleaned" and server.sizes(place).get(part.name) != part.size:
            _cleaned(hold, part, place)
            return
        hold.say(_SAID[ended].format(temp=part.temp_name, name=part.name, place=place))
        if len(parts) > 1:
            SubmissionPart.update(state="sent").where(SubmissionPart.id == part.id).execute()
            hold.save()
    names = ", ".join(part.name for part in parts)
    settle.sent(hold, f"Delivered as {names}")
    failpoints.reach("sending-sent")
    if hold.submission.tries > 1:
        for part in parts:
            _clear_after(hold, server, part)


_SAID = {
    "done": "Renamed {temp} to {name} in {place}",
    "gone": "{temp} is not in {place} any more: it had its final name before, so they have {name}",
    "taken": "{name} is in {place} with all its bytes: it had been delivered before",
}


def _clear_after(hold: Hold, server: DropsFiles, part: SubmissionPart) -> None:
    """What stalled workers left. It is sent already, so that trouble here is only a step of the story."""
    try:
        server.clear(_place(server, part.folder), temp_begin(hold.submission.reference), ".part")
    except SupplierError as error:
        hold.say(f"Old temporary files were not cleared: {error.problem.headline}")
        hold.keep()


def _taken(hold: Hold, part: SubmissionPart, place: str) -> None:
    words = Problem(
        "refused", "Another file has its name", f"{place} holds a {part.name} of another size. Ours is there as {part.temp_name}, not yet "
        "under its name, and theirs was not touched.",
    )  # fmt: skip
    settle.check_needed(hold, words, f"Another file is called {part.name}. Move it away, then look again.")


def _cleaned(hold: Hold, part: SubmissionPart, place: str) -> None:
    words = Problem("file_missing", "It is gone without a trace", f"Neither {part.temp_name} nor {part.name} is in {place} any more.")
    since = hold.submission.unknown_at or clock.now()
    if clock.now() - since < witnesses.LONGEST_DOUBT:
        settle.not_sent(hold, words, state="uploaded", unknown_at=since)
    else:
        settle.check_needed(hold, words, "Their server clears temporary files away, so that it may have been taken or thrown away.")


def _write_in_place(hold: Hold, server: DropsFiles) -> None:
    """A server that cannot rename: written under its name, once. After a doubt only the whole file in the list proves it."""
    parts = parts_of(hold.submission)
    if hold.was_left:
        _compare_list(hold, server, parts)
        return
    failpoints.reach("sending-claimed")
    _reach(server, parts)
    for part in parts:
        hold.say(f"Writing {part.size:,} bytes to {_place(server, part.folder)} as {part.name}")
    leaving(hold, parts, "uploading")
    failpoints.reach("sending-leaving")
    for part in parts:
        _write(server, part, part.name)
        failpoints.reach("sending-written")
    settle.sent(hold, f"Written whole as {', '.join(part.name for part in parts)}")


def _compare_list(hold: Hold, server: DropsFiles, parts: list[SubmissionPart]) -> None:
    for part in parts:
        place = _place(server, part.folder)
        size = server.sizes(place).get(part.name)
        if size != part.size:
            there = f"{size:,} of {part.size:,} bytes are there" if size is not None else "it is not in the list"
            words = Problem("file_missing", "It is not there whole", f"{part.name} in {place}: {there}. Nothing was written again.")
            settle.check_needed(hold, words, f"Writing {part.name} began, and {there}: they may have taken it, whole or not.")
            return
    settle.sent(hold, "The whole file is in their list: it had been delivered before", outcome="found")


def _look(hold: Hold, server: DropsFiles) -> None:
    """A person asks again. Nothing is written; a temporary file that lies there finished gets its name."""
    parts = parts_of(hold.submission)
    if hold.submission.witness != "list" and all(part.temp_name for part in parts):
        sizes = {part.id: server.sizes(_place(server, part.folder)) for part in parts}
        if all(sizes[part.id].get(part.temp_name, 0) == part.size or part.state == "sent" for part in parts):
            _rename(hold, server)
            return
    _compare_list(hold, server, parts)


def _settle_failure(hold: Hold, error: SupplierError) -> None:
    """The line or the server failed: while nothing has its name the supplier has nothing; else the next look tells."""
    row, problem = hold.submission, error.problem
    if row.witness == "list" and row.left_at is not None and row.state == "uploading":
        settle.not_sent(hold, problem, state="uploading", wait=error.wait)  # the next one compares the list, and writes nothing
        return
    if hold.purpose == "look":
        settle.looked(hold, None, f"We could not look: {problem.headline}")
        return
    if row.state != "uploaded":
        settle.not_sent(hold, problem, wait=error.wait)
        return
    since = row.unknown_at or clock.now()
    if clock.now() - since >= witnesses.LONGEST_DOUBT and problem.code in ("permission_denied", "folder_missing"):
        settle.check_needed(hold, problem, "Their server lets us neither look nor rename, so we cannot tell.")
        return
    settle.not_sent(hold, problem, state="uploaded", wait=error.wait, unknown_at=since)


def _leave_nothing(hold: Hold, server: DropsFiles) -> None:
    """This worker had lost its claim: what it wrote under names of its own is taken away, if another one does not go by them."""
    ours = {part.temp_name for part in parts_of(hold.submission)}
    for part in parts_of(hold.submission):
        try:
            begin = f"{temp_begin(hold.submission.reference)}{hold.token}"
            server.clear(_place(server, part.folder), begin, ".part", frozenset(ours))
        except SupplierError:
            hold.say("What this worker had written could not be cleared away")
    hold.say("Another worker had taken over, so this one stopped. It renamed nothing.")
    hold.keep(outcome="unclear", ended_at=clock.now())


def _reach(server: DropsFiles, parts: list[SubmissionPart]) -> None:
    """See that the server and its folders are there, before anything is written down as leaving."""
    for folder in sorted({part.folder for part in parts}):
        server.sizes(_place(server, folder))


def _place(server: Any, folder: str) -> str:
    place: str = server.place_of(folder)
    return place
