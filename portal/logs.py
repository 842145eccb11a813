"""Log lines of a process. A net below the `Secret` type: what looks like a credential is blotted out, in tracebacks too.

As text, or as one JSON object a line with the ids of the request and of the run that wrote it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

NOISY = ("huey", "waitress", "paramiko", "asyncssh", "urllib3")
IN_ADDRESS = re.compile(r"(\w+://[^\s/:@]*):[^\s/@]+@")
NAMES = r"password|passphrase|secret|authorization|token|api[_-]?key"
AFTER_NAME = re.compile(rf"(?i)(\b(?:{NAMES})[\"']?\s*[=:]\s*)(\"[^\"]*\"|'[^']*'|(?:basic |bearer )?\S+)")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
FIELDS = ("method", "route", "status", "ms", "kind", "state", "code")
"""What a line may carry beside its words (`extra=`): names and numbers only."""

_ids: dict[str, ContextVar[str]] = {name: ContextVar(f"{name}_id", default="") for name in ("request", "run")}


@contextmanager
def of(kind: str, name: str) -> Iterator[None]:
    """Lines of this thread inside the block carry the id `name` of the "request" or "run"."""
    before = _ids[kind].set(name)
    try:
        yield
    finally:
        _ids[kind].reset(before)


def begin_request(name: str) -> None:
    """Lines of this thread carry that request's id from now on; "" ends it."""
    _ids["request"].set(name)


def ids() -> dict[str, str]:
    """The ids that a line written now would carry."""
    return {kind: found for kind, place in _ids.items() if (found := place.get())}


class Blotting(logging.Formatter):
    """Formats a line and takes credentials out of it."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line, as it may be shown to anybody who reads logs."""
        return blotted(super().format(record))


class AsJson(logging.Formatter):
    """One JSON object a line, each text of it without credentials."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line: at, level, logger, message, pid, then what there is of request, run, FIELDS and traceback."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        told: dict[str, Any] = {"at": at, "level": record.levelname, "logger": record.name, "message": blotted(record.getMessage())}
        told |= {"pid": record.process, **ids()}
        told |= {name: _plain(getattr(record, name)) for name in FIELDS if hasattr(record, name)}
        if record.exc_info:
            told["traceback"] = blotted(self.formatException(record.exc_info))
        return json.dumps(told, ensure_ascii=False)


def blotted(text: str) -> str:
    """`text` with passwords in addresses, values after words such as password= and private keys replaced by ***."""
    text = PRIVATE_KEY.sub("*** private key ***", text)
    return AFTER_NAME.sub(r"\1***", IN_ADDRESS.sub(r"\1:***@", text))


def to_stderr(form: str = "text") -> None:
    """Send this process's log lines to standard error as `form`; chatty libraries only from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    text = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    handler.setFormatter(AsJson() if form == "json" else Blotting(text))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=form == "json")
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float) else blotted(str(value))
