"""Where raw files lie: in the folder, and where RAW_FILES names a bucket also there, so that every machine finds them.

adopted ─▶ folder ─▶ bucket ─▶ row          another machine: row ─▶ not in its folder ─▶ brought from the bucket, once
"""

from __future__ import annotations

import secrets
from pathlib import Path

from portal import config
from portal.connectors import bucket

KEPT_HERE_HOURS = 24
"""So long a copy stays in the folder of a machine where a bucket has the file."""


def in_bucket() -> bool:
    """Whether a bucket keeps them."""
    return bool(config.current().raw_files)


def keep(name: str) -> None:
    """A file lies whole in the folder; bring it where all machines find it. Raises SupplierError while the bucket is away."""
    if in_bucket():
        bucket.put(config.current(), name, _here(name))


def found(name: str) -> Path:
    """Where the file of that name lies on this machine; it is brought there first if need be. The path exists unless it is nowhere."""
    path = _here(name)
    if in_bucket() and not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        try:
            if bucket.get(config.current(), name, part):
                part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    return path


def erase(name: str) -> None:
    """The file is needed no more, anywhere. Raises SupplierError while the bucket is away."""
    if in_bucket():
        bucket.remove(config.current(), name)
    _here(name).unlink(missing_ok=True)


def _here(name: str) -> Path:
    return config.current().spool_dir / name
