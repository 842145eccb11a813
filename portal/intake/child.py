"""`python -m portal.intake.child FD`: waits on a socket for jobs and reads each in a process of its own. See `Reading`.

portal ─▶ this process ─▶ a keeper for each job ─▶ the reader, with little memory, time and no network. What it finds goes straight to
the portal through the job's own socket; the keeper says last how the reader ended, and ends it when nobody listens any more.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import resource
import select
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict
from typing import Any, BinaryIO, NoReturn

from portal.errors import Problem, SupplierError
from portal.intake import frames, looks
from portal.intake.job import Job
from portal.intake.reading import Reading

_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_PR_SET_PDEATHSIG = 1
LARGEST_FILE = 10 << 30
BUFFER = 1 << 20
SELDOM = 100_000


def serve(control: socket.socket) -> None:
    """Take job sockets from the portal until it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the portal, which then closes our sockets
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # keepers are not waited for
    while True:
        message, passed, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        for handle in passed:
            if os.fork() == 0:
                control.close()
                _keep(socket.socket(fileno=handle))
            os.close(handle)


def _keep(job: socket.socket) -> NoReturn:
    """Start the reader of one job, wait for its end or for the portal to hang up, and say how it ended."""
    _end_with_parent()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    reader = os.fork()
    if reader == 0:
        os._exit(_read(job))
    handle, waiting = os.pidfd_open(reader), select.poll()
    waiting.register(handle, select.POLLIN)
    waiting.register(job, select.POLLHUP | select.POLLERR)
    ended = {found for found, _ in waiting.poll()}
    if handle not in ended:
        os.kill(reader, signal.SIGKILL)
    _, status = os.waitpid(reader, 0)
    if handle in ended:
        with suppress(BrokenPipeError), job.makefile("wb") as out:  # who heard enough has hung up
            frames.write(out, "status", os.waitstatus_to_exitcode(status))
    os._exit(0)


def _read(job: socket.socket) -> int:
    """The reader: one job in, frames out."""
    _end_with_parent()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    source: BinaryIO = job.makefile("rb")
    out: BinaryIO = job.makefile("wb", BUFFER)  # type: ignore[assignment]
    asked = json.loads(source.read(int.from_bytes(source.read(4), "little")))
    look = asked.get("look")
    limits = look or asked
    limit(limits["memory"], limits["seconds"])
    gc.freeze()
    gc.set_threshold(SELDOM, 50, 50)  # rows come and go by the thousand, and hold no circles

    def emit(kind: str, value: Any) -> None:
        frames.write(out, kind, value)

    try:
        if look:
            looks.answer(look, emit)
        else:
            Reading(Job(**asked), emit).run()
    except SupplierError as error:
        emit("refused", (asdict(error.problem), error.permanent))
    except MemoryError:
        emit("refused", (asdict(too_much_memory()), True))
    except Exception:  # noqa: BLE001 - this process ends here; the log says why
        sys.excepthook(*sys.exc_info())
        return 1
    return 0


def limit(memory: int, seconds: int) -> None:
    """No more memory, processor time or file size than that for this process; no network, where the system lets us give it up."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWUSER | _CLONE_NEWNET)  # refused in many containers; the other limits stand


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def too_much_memory() -> Problem:
    """The file needs more memory than reading may take."""
    body = "It would take more memory than one file may. We stopped reading and used none of it. Your stock is as it was."
    return Problem("reading_stopped", "The file is too complex to read", body, "Review the feed", "file")


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
