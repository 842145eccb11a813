"""What becomes of a file at the supplier after it was read: left, moved, renamed or deleted. Only after its run was accepted.

It is tried apart from the run, again after a while, and never fails it: the file counts as read whatever comes of it.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

from portal import clock, connections, failpoints
from portal.connectors.folders import FolderConnector, Look
from portal.errors import Later, SupplierError
from portal.leases import LONGEST_MESSAGE
from portal.models import Integration, Run, RunFile, RunMessage, database

log = logging.getLogger(__name__)

ACTS = {"leave": "Leave it where it is", "move": "Move it to a folder", "rename": "Give its name an ending", "delete": "Delete it"}
LONGEST_FOLDER, LONGEST_SUFFIX = 500, 40
RETRY_MINUTES = (5, 30, 120, 720)  # after the first, second … failure; then it is given up
HELD_MINUTES = 10  # how long one worker may take before another tries
MOST_AT_ONCE = 500
REFUSALS = ("permission_denied", "protocol_error", "file_missing", "too_large")  # of one file; anything else concerns the server
_DONE = {"move": "Moved to {}", "rename": "Renamed to {}", "delete": "Deleted at the supplier"}
_VERBS = {"move": "move", "rename": "rename", "delete": "delete"}


@dataclass(frozen=True)
class Rule:
    """The rule of one integration. `folder`: seen from the folder of the file, or absolute; for "move". `suffix`: for "rename"."""

    act: str = "leave"
    folder: str = ""
    suffix: str = ""


def rule(integration: Integration) -> Rule:
    """The integration's rule: the default, or what its policies say."""
    return Rule(**((integration.policies or {}).get("after_read") or {}))


def kept(typed: Mapping[str, str]) -> dict[str, str]:
    """What of the typed rule is kept; {} is the default."""
    act = typed.get("after_act", "leave")
    if act == "leave":
        return {}
    detail = {"move": ("folder", "after_folder"), "rename": ("suffix", "after_suffix")}.get(act)
    return {"act": act} | ({detail[0]: typed.get(detail[1], "").strip()} if detail else {})


def errors(typed: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with a typed rule, by field."""
    act, folder, suffix = typed.get("after_act", "leave"), typed.get("after_folder", "").strip(), typed.get("after_suffix", "").strip()
    if act not in ACTS:
        return {"after_act": "Choose what becomes of the file."}
    if act == "move":
        here = posixpath.normpath(folder) if folder else "."
        if here == "." or not folder.isprintable() or "\\" in folder or len(folder) > LONGEST_FOLDER:
            return {"after_folder": "Enter another folder than the file's own, such as done or /archive/stock."}
    if act == "rename" and (not suffix or "/" in suffix or "\\" in suffix or not suffix.isprintable() or len(suffix) > LONGEST_SUFFIX):
        return {"after_suffix": "Enter an ending such as .read, without folders."}
    return {}


def settle_due(run: Run | None = None) -> int:
    """Act on files of accepted runs whose time has come, of one run or of all; how many were tried. Raises no SupplierError."""
    due = RunFile.select(RunFile.integration).join(Run).where(_due(), Run.accepted == True)  # noqa: E712
    if run is not None:
        due = due.where(RunFile.run == run.id)
    return sum(_settle(Integration.get_by_id(row.integration_id), run) for row in list(due.distinct()))


def wording(file: RunFile) -> str:
    """What became of a file at the supplier, "" when nothing is done there. Its run must have been accepted."""
    return str(file.act_said) if file.act_said else {"waiting": "Waits to be put away", "done": "Put away"}.get(file.act, "")


def _due() -> Any:
    return (RunFile.act == "waiting") & (RunFile.act_at <= clock.now())


def _settle(integration: Integration, run: Run | None) -> int:
    files, now = _taken(integration, run), rule(integration)
    if not files:
        return 0
    if now.act == "leave" or integration.source.state == "deleted":
        RunFile.update(act="", act_at=None).where(RunFile.id << [file.id for file in files]).execute()
        return 0
    left = list(files)
    try:
        with connections.open_for(integration.source) as connector:
            while left and isinstance(connector, FolderConnector):
                _put_away(connector, now, left[0])
                del left[0]
            RunFile.update(act="", act_at=None).where(RunFile.id << [file.id for file in left]).execute()  # no folders any more
    except Later as wait:
        RunFile.update(act_at=wait.until).where(RunFile.id << [file.id for file in left]).execute()
    except SupplierError as error:  # the server cannot be reached: the same for each file that was not tried yet
        for file in left:
            _failed(file, now, error)
    return len(files)


def _taken(integration: Integration, run: Run | None) -> list[RunFile]:
    """Files whose time has come, ours for HELD_MINUTES: whoever comes meanwhile finds none, and when we die it is tried again."""
    query = RunFile.select(RunFile, Run).join(Run).where(_due(), RunFile.integration == integration, Run.accepted == True)  # noqa: E712
    if run is not None:
        query = query.where(RunFile.run == run.id)
    mine = []
    for file in query.order_by(RunFile.id).limit(MOST_AT_ONCE):
        until = clock.now() + timedelta(minutes=HELD_MINUTES)
        if RunFile.update(act_at=until).where(_due(), RunFile.id == file.id).execute():
            file.act_at = until
            mine.append(file)
    return sorted(mine, key=lambda file: (file.run_id, file.kind == "marker", file.place))


def _put_away(connector: FolderConnector, now: Rule, file: RunFile) -> None:
    """One file. A supplier's refusal is kept with the file and told in the run."""
    seen = Look(file.size, file.modified)
    try:
        target = None if now.act == "delete" else _target(connector, now, file)
        if target != (file.put_to or None):  # before the act, so that one who comes after our death knows what we did
            RunFile.update(put_to=target or "").where(RunFile.id == file.id).execute()
        failpoints.reach("putting-away")
        found = connector.put_away(file.path, seen, target)
        failpoints.reach("putting-away")
        if found == "gone" and target is not None and connector.look_at(target) == seen:
            found = "done"  # moved before the worker died
    except SupplierError as error:
        if error.problem.code not in REFUSALS:
            raise
        _failed(file, now, error)
        return
    said = _DONE[now.act].format(target) if found == "done" else _LEFT[found]
    RunFile.update(act="done" if found == "done" else "left", act_at=None, act_said=said[:300]).where(RunFile.id == file.id).execute()
    if found == "changed":
        _say(file, f"{_name(file)} changed after we read it, so we did not {_VERBS[now.act]} it.")


_LEFT = {"changed": "Left alone: it changed after we read it", "gone": "It was gone already"}


def _target(connector: FolderConnector, now: Rule, file: RunFile) -> str:
    """A free path for the file: its own name, or with the time it was changed at where that is taken."""
    folder, name = posixpath.split(file.path)
    if file.put_to and connector.look_at(file.put_to) == Look(file.size, file.modified):
        return str(file.put_to)
    where = posixpath.normpath(posixpath.join(folder, now.folder)) if now.act == "move" else folder
    name += now.suffix if now.act == "rename" else ""
    stem, dot, ending = name.rpartition(".")
    stamp = (file.modified or clock.now()).strftime("%Y%m%d-%H%M%S")
    tries = (name, *(f"{stem}-{stamp}{more}{dot}{ending}" if stem else f"{name}-{stamp}{more}" for more in ("", "-2", "-3", "-4")))
    for tried in tries:
        if connector.look_at(posixpath.join(where, tried)) is None:
            return posixpath.join(where, tried)
    return posixpath.join(where, f"{name}-{clock.now():%Y%m%d-%H%M%S-%f}")


def _failed(file: RunFile, now: Rule, error: SupplierError) -> None:
    """Try again later, or give up; the run's story tells the first failure and the last."""
    problem, tries = error.problem, file.act_tries + 1
    reason = problem.body if problem.code == "permission_denied" else problem.server_said or problem.headline
    words = f"We could not {_VERBS[now.act]} {_name(file)}: {reason.rstrip('.')}."
    columns: dict[str, Any] = {"act_tries": tries, "act_said": words[:300]}
    last = tries > len(RETRY_MINUTES)
    if last:
        columns |= {"act": "failed", "act_at": None}
    else:
        columns |= {"act": "waiting", "act_at": clock.now() + timedelta(minutes=RETRY_MINUTES[tries - 1])}
    RunFile.update(columns).where(RunFile.id == file.id).execute()
    if tries == 1 or last:
        again = "" if last else f" We try again at {_local(file, columns['act_at'])}."
        _say(file, f"{words} We read it once and will not read it again.{again}")
    log.info("run %s: a file could not be put away (%s)", file.run.public_id, problem.code)


def _local(file: RunFile, moment: Any) -> str:
    return str(moment.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(file.run.merchant.time_zone)).strftime("%H:%M"))


def _name(file: RunFile) -> str:
    return posixpath.basename(file.path)


def _say(file: RunFile, text: str) -> None:
    with database.atomic():
        RunMessage.create(run=file.run_id, level="warning", text=text[:LONGEST_MESSAGE], at=clock.now())
