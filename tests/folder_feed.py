"""A live source that reads a folder of a real SFTP server, and the supplier who puts files there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from portal import directory, runs
from portal.connectors import folders
from portal.models import Connection, Integration, Run, RunFile, RunMessage, Source
from tests.connecting import WHO, fresh, save, sftp_values
from tests.feed_of import FORMAT, HANDLERS, Feed, text_of
from tests.servers import Server

NOON = 1_764_072_000  # the supplier's clock: seconds at which a file was written, far in the past


class FolderFeed(Feed):
    """Get Inventory Primary of such a source. `folder`: below the user's home, of this feed alone."""

    def __init__(self, source: Source, server: Server, folder: str, **settings: Any) -> None:
        directory.select(source, "sftp-file", True, source.version, WHO)
        source = fresh(source)
        self.server, self.folder = server, folder
        save(source, {**sftp_values(server), "folder": folder}, password=server.user.password)
        key = {"key_type": "ssh-ed25519", "fingerprint": server.fingerprints["ssh-ed25519"]}
        Connection.update(trusted_key=key, state="ok").where(Connection.source == source).execute()
        Source.update(state="live").where(Source.id == source.id).execute()
        self.source = Source.get_by_id(source.id)
        self.integration = Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary")
        self.integration.settings = {"folder": folder, "match": "all", "pattern": "stock*.csv", "format": FORMAT, **settings}
        self.integration.save()
        self.map()
        self.put("keep", b"")
        (self.home / "keep").unlink()

    @property
    def home(self) -> Path:
        """The folder, as the supplier sees it."""
        return self.server.user.home / self.folder

    def put(self, name: str, rows: Sequence[Sequence[Any]] | bytes, minute: float = 0) -> None:
        """The supplier writes a file at noon and so many minutes."""
        content = rows if isinstance(rows, bytes) else text_of(rows)
        self.server.user.put(f"{self.folder}/{name}", content, NOON + 60 * minute)

    def names(self, below: str = "") -> list[str]:
        """The files that are there now."""
        return sorted(path.name for path in (self.home / below).iterdir() if path.is_file())

    def set(self, **policies: Any) -> None:
        """Change policies of the integration."""
        fresh_one = Integration.get_by_id(self.integration.id)
        fresh_one.policies = {**fresh_one.policies, **policies}
        fresh_one.save()

    def choose(self, **settings: Any) -> None:
        """Change what the file page chose."""
        fresh_one = Integration.get_by_id(self.integration.id)
        fresh_one.settings = {**fresh_one.settings, **settings}
        fresh_one.save()

    def run(self, handlers: Any = HANDLERS, **settings: Any) -> Run:
        """Run Sync, as the worker does it; the run as it ended or waits."""
        started = runs.start_sync(Integration.get_by_id(self.integration.id), started_by=WHO, settings=settings or None)
        runs.work_available(handlers)
        return Run.get_by_id(started.id)


def files_of(run: Run) -> list[tuple[str, str, str]]:
    """(name, kind, act) of each file of a run."""
    return [(row.path.rpartition("/")[2], row.kind, row.act) for row in RunFile.select().where(RunFile.run == run.id).order_by(RunFile.id)]


def story(run: Run) -> str:
    """Everything the run said."""
    return "\n".join(row.text for row in RunMessage.select().where(RunMessage.run == run.id).order_by(RunMessage.id))


def no_waiting(monkeypatch: Any) -> None:
    """Files are looked at twice without a pause."""
    monkeypatch.setattr(folders, "wait", lambda *_: None)
