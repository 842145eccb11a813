"""How gunicorn serves the portal: what `flask --app app web` starts. Sizes and the address come from its command line."""

from __future__ import annotations

from typing import Any

from prometheus_client import multiprocess

from portal import config as settings
from portal import logs, tracing

timeout = 120  # seconds that an upload of the largest file may take between two bytes
graceful_timeout = 25
keepalive = 65  # longer than proxies keep theirs
worker_tmp_dir = "/dev/shm"  # noqa: S108 - heartbeat files, which a slow disk must not stop
forwarded_allow_ips = ""  # PROXIES says whom to believe
secure_scheme_headers: dict[str, str] = {}
umask = 0o077
accesslog = None


def on_starting(_server: Any) -> None:
    """Log lines of the master and of every process that it forks, in the form of LOG_FORMAT."""
    logs.to_stderr(settings.log_format())


def post_fork(_server: Any, _worker: Any) -> None:
    """Reports and spans are sent by a thread, which a fork does not take along."""
    tracing.begin_reporting(settings.read(), "web")


def child_exit(_server: Any, worker: Any) -> None:
    """What a process that is gone was doing counts no longer; what it counted stays."""
    multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]
