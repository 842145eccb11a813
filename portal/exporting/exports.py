"""Exports of a workspace: asked for by an owner, written by a run, kept for 7 days, erased with their days.

asked for ─▶ run: a zip beside the raw files, under a name of ours ─▶ ready ─▶ downloaded, each time noted ─▶ erased
"""

from __future__ import annotations

import hashlib
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from portal import audit, clock, config, failpoints, raw_files, runs
from portal.errors import NotFound, Refused
from portal.exporting import writing
from portal.models import Merchant, Run, User, WorkspaceExport, database
from portal.models.fields import new_public_id
from portal.models.runs import UNFINISHED

KIND = "workspace_export"
KEPT = timedelta(days=7)
FOLDER = "exports-"
"""How the folders of exports below the spool folder begin; what lies there is no orphan of a feed."""
FASTER_THAN_SMALL = 6  # of zlib's levels


def start(actor: User, with_files: bool, address: str = "") -> WorkspaceExport:
    """Let a run write everything of the actor's workspace. Raises Refused while one is being written."""
    merchant = actor.merchant
    with database.atomic():
        Merchant.update(version=Merchant.version).where(Merchant.id == merchant.id).execute()  # two at once wait for one another
        if Run.select().where(Run.merchant == merchant, Run.kind == KIND, Run.state << UNFINISHED).exists():
            raise Refused("An export is being written. It is listed here once it is ready.")
        made = WorkspaceExport.create(
            merchant=merchant, with_files=int(with_files), made_by=actor.email, made_at=clock.now(), ends_at=clock.now() + KEPT
        )
        runs.start(None, KIND, merchant=merchant, started_by=actor.email, settings={"export": made.public_id})
        told = {"raw files": with_files}
        audit.write(merchant, actor.email, "workspace.export", "export", made.public_id, after=told, address=address)
    return made


def perform(work: Any) -> runs.Outcome:
    """Run handler: write the zip whole before anybody can have it. Interrupted it is written anew, as rows changed since."""
    made = find(work.merchant, work.run.settings["export"])
    name = f"{FOLDER}{work.merchant.public_id}/{new_public_id()}"
    path = config.current().spool_dir / name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{made.public_id}.part")
    work.stage("write", unit="rows")
    done = 0

    def told(count: int) -> None:
        nonlocal done
        done += count
        work.progress(done)
        failpoints.reach("export-chunk")

    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED, allowZip64=True, compresslevel=FASTER_THAN_SMALL) as zipped:
            counts = writing.write(zipped, work.merchant, bool(made.with_files), told)
        part.chmod(0o600)
        part.replace(path)
    except runs.Stopped:
        WorkspaceExport.update(state="failed").where(WorkspaceExport.id == made.id).execute()
        raise
    finally:
        part.unlink(missing_ok=True)
    raw_files.keep(name)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with work.transaction():
        columns = {"state": "ready", "stored_name": name, "size": path.stat().st_size, "sha256": digest, "counts": counts}
        WorkspaceExport.update(**columns, ends_at=clock.now() + KEPT).where(WorkspaceExport.id == made.id).execute()
    work.say(f"Everything was written. It can be downloaded for {KEPT.days} days.")
    return runs.Outcome("finished", counts={"rows": sum(counts.values())})


def listing(merchant: Merchant) -> list[WorkspaceExport]:
    """The newest exports, ended ones too; one whose run ended without it says so."""
    found = list(WorkspaceExport.select().where(WorkspaceExport.merchant == merchant).order_by(WorkspaceExport.id.desc()).limit(20))
    writes = Run.select().where(Run.merchant == merchant, Run.kind == KIND, Run.state << UNFINISHED).exists()
    for one in found:
        if one.state == "making" and not writes:
            one.state = "failed"
    return found


def find(merchant: Merchant, public_id: str) -> WorkspaceExport:
    """The merchant's export of that id. Raises NotFound."""
    made = WorkspaceExport.get_or_none(WorkspaceExport.merchant == merchant, WorkspaceExport.public_id == public_id)
    if made is None:
        raise NotFound("export")
    made.merchant = merchant
    return made


def take(made: WorkspaceExport, actor: User, address: str = "") -> Path:
    """Where its bytes lie, for a person who downloads it, which is noted. Raises NotFound once it is not kept any more."""
    if made.state != "ready" or made.stored_name is None or made.ends_at <= clock.now():
        raise NotFound("export")
    path = raw_files.found(made.stored_name)
    if not path.is_file():
        raise NotFound("export")
    with database.atomic():
        WorkspaceExport.update(downloads=WorkspaceExport.downloads + 1).where(WorkspaceExport.id == made.id).execute()
        audit.write(made.merchant, actor.email, "workspace.export_downloaded", "export", made.public_id, address=address)
    return path


def erase(made: WorkspaceExport) -> None:
    """Its bytes go; its line stays."""
    if made.stored_name is not None:
        raw_files.erase(made.stored_name)
    WorkspaceExport.update(state="gone", stored_name=None).where(WorkspaceExport.id == made.id).execute()


def erase_all(merchant: Merchant) -> int:
    """Take away every export that is kept, as something in it was erased; how many."""
    kept = list(WorkspaceExport.select().where(WorkspaceExport.merchant == merchant, WorkspaceExport.stored_name.is_null(False)))
    for made in kept:
        erase(made)
    return len(kept)


def erase_old() -> int:
    """Erase the exports whose days are over; how many."""
    old = list(WorkspaceExport.select().where(WorkspaceExport.ends_at <= clock.now(), WorkspaceExport.stored_name.is_null(False)))
    for made in old:
        erase(made)
    return len(old)
