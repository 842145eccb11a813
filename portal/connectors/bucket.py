"""An S3-compatible bucket that the operator named (RAW_FILES): put, get and remove a file by its key. Not for merchants' addresses.

The package minio signs and sends; it is loaded only where a bucket is set. The address is the operator's own, so no guard judges it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from portal.config import Config
from portal.errors import Problem, Refused, SupplierError

GONE = ("NoSuchKey", "NoSuchBucket")
BODY = "We keep files in a store of our own, and it did not answer. Nothing was lost; we try again by ourselves."


def put(settings: Config, name: str, path: Path) -> None:
    """Store the file as `name`; what is there under that name is the same file. Raises SupplierError while the store is away."""
    _asked(lambda: _client(settings).fput_object(*_place(settings, name), str(path)))


def get(settings: Config, name: str, path: Path) -> bool:
    """Bring the file to `path`; False where the store has none. Raises SupplierError while the store is away."""
    return _asked(lambda: _client(settings).fget_object(*_place(settings, name), str(path)))


def remove(settings: Config, name: str) -> None:
    """Take the file out of the store; nothing where it has none. Raises SupplierError while the store is away."""
    _asked(lambda: _client(settings).remove_object(*_place(settings, name)))


def _asked(act: Any) -> bool:
    from minio.error import MinioException, S3Error
    from urllib3.exceptions import HTTPError

    try:
        act()
    except S3Error as error:
        if error.code in GONE:
            return False
        raise _away(error.code or "an error") from error
    except (MinioException, HTTPError, OSError) as error:
        raise _away(type(error).__name__) from error
    return True


def _away(why: str) -> SupplierError:
    return SupplierError(Problem("file_store", "The store of files did not answer", f"{BODY} (It said {why}.)"), permanent=False)


def _place(settings: Config, name: str) -> tuple[str, str]:
    parts = urlsplit(settings.raw_files)
    prefix = parts.path.strip("/")
    return parts.netloc, f"{prefix}/{name}" if prefix else name


def _client(settings: Config) -> Any:
    return _made(settings.s3_endpoint, settings.s3_region, settings.s3_access_key, settings.s3_secret_key_file)


@lru_cache(maxsize=4)
def _made(endpoint: str, region: str, access_key: str, secret_file: Path | None) -> Any:
    try:
        import urllib3
        from minio import Minio
    except ImportError as missing:
        raise Refused("RAW_FILES names a bucket, but the package minio is missing. Install requirements-production.lock.") from missing
    parts = urlsplit(endpoint)
    secret = secret_file.read_text("utf-8").strip() if secret_file else None
    patience = urllib3.PoolManager(timeout=urllib3.Timeout(connect=5, read=60), maxsize=8, retries=urllib3.Retry(2, backoff_factor=0.2))
    return Minio(
        parts.netloc, access_key=access_key or None, secret_key=secret, region=region or None, secure=parts.scheme == "https",
        http_client=patience,
    )  # fmt: skip
