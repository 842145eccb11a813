"""The parts of a running installation: web, worker, scheduler, demo supplier, or all of them under one launcher."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from peewee import InterfaceError, OperationalError

from portal import accounts, config, create_app, launcher, logs, migrations, open_installation, tracing, vault
from portal.config import Config
from portal.errors import Invalid, Refused
from portal.models import database
from portal.operation import secure

PROGRAM = Path(__file__).resolve().parents[1] / "app.py"
WEB_THREADS = 8
LONGEST_START = 60.0  # seconds until the web process must answer
CANNOT_START = 2
CANNOT_LISTEN = 3


def main(arguments: list[str]) -> int:
    """Run one part, or all of them. The exit code: 0 ended on request, 2 cannot start, 3 cannot listen."""
    logs.to_stderr(config.log_format())
    os.umask(0o077)  # whatever is written is for this user alone
    if "--child" in arguments:
        launcher.end_with_the_launcher()
    part = next((word for word in arguments if not word.startswith("-")), "all")
    if part not in PARTS:
        return refuse(f"There is no part named {part}. The parts are {', '.join(PARTS)}.")
    try:
        return PARTS[part](config.read())
    except (ValueError, vault.VaultError, Invalid, Refused) as problem:
        return refuse(f"Quayside cannot start. {problem}")
    except (OperationalError, InterfaceError) as problem:
        return refuse(f"Quayside cannot start. The database did not answer: {str(problem).strip().splitlines()[0]}")


def run_all(settings: Config) -> int:
    """Prepare the installation, then keep web, worker and demo supplier running until SIGINT or SIGTERM."""
    if problem := listening_problem(settings):
        return refuse(problem, CANNOT_LISTEN)
    open_installation(settings)
    secure.require(settings)
    say(how_to_sign_in(settings, prepare(settings)))
    web, *others = children(settings)
    tree = launcher.Tree([web, *others])
    try:
        tree.start()
        if not answers(settings, tree, web):
            return 0 if tree.ending.is_set() else web.code() or CANNOT_START
        say(f"Quayside is ready at {address(settings)}")
        if settings.demo:
            say("To practise, choose Demo Distributor in the Supplier Directory. DEMO=0 leaves it out.")
        say("Stop all of it with Ctrl-C.")
        tree.keep()
    finally:
        tree.end()
    return 0


def web_server(settings: Config, app: Any) -> Any:
    """The server of the pages, listening. What a proxy says of who asks reaches `app` only where PROXIES says that there is one."""
    from waitress import create_server

    return create_server(
        app, host=settings.host, port=settings.port, threads=WEB_THREADS, ident=None, clear_untrusted_proxy_headers=not settings.proxies,
        max_request_body_size=settings.max_feed_bytes + 1_000_000, url_scheme="https" if settings.production else "http",
    )  # fmt: skip


def run_web(settings: Config) -> int:
    """Serve the pages; on SIGTERM or SIGINT finish the requests in hand first."""
    tracing.begin_reporting(settings, "web")
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    try:
        server = web_server(settings, create_app(settings))
    except OSError as problem:
        return refuse(_listening_words(settings, problem), CANNOT_LISTEN)
    server.run()
    return 0


def run_worker(settings: Config) -> int:
    """Do the runs; on SIGTERM or SIGINT give those in hand back first."""
    from tasks import worker

    tracing.begin_reporting(settings, "worker")
    open_installation(settings)
    secure.require(settings, serves=False)
    require_up_to_date(settings)
    return worker.main(settings)


def run_scheduler(settings: Config) -> int:
    """Keep the clock without doing runs, for an installation of several machines; on SIGTERM or SIGINT give it back first."""
    from tasks import keeper

    tracing.begin_reporting(settings, "scheduler")
    open_installation(settings)
    secure.require(settings, serves=False)
    require_up_to_date(settings)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    return keeper.main(settings, ending)


def require_up_to_date(settings: Config) -> None:
    """In production raise Refused while the database lacks scripts of this version: runs would fail at what is not there yet."""
    if not settings.production:  # `make run` has brought it up to date before it starts the others
        return
    with database.connection_context():
        pending = migrations.pending()
    if pending:
        raise Refused(f"The database is not up to date: {len(pending)} scripts are still to run. Run: flask --app app migrate")


def run_demo(settings: Config) -> int:
    """Run the demo supplier; never in production."""
    if settings.production:
        return refuse("The demo supplier does not run with PRODUCTION=1.")
    from portal import demo_supplier

    return demo_supplier.main(settings)


PARTS = {"all": run_all, "web": run_web, "worker": run_worker, "scheduler": run_scheduler, "demo": run_demo}


def children(settings: Config) -> list[launcher.Child]:
    """The programs of the tree, the web process first."""
    program = [sys.executable, str(PROGRAM)]
    made = [launcher.Child(name, [*program, name, "--child"]) for name in ("web", "worker")]
    if settings.demo:
        made.append(launcher.Child("demo", [*program, "demo", "--child"], most_deaths=3))
    return made


def prepare(settings: Config) -> str | None:
    """Bring the database up to date and make the first owner; the password to print, if one was made up."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with migrations.alone():
        migrations.apply()
        vault.check(vault.current())
        return accounts.ensure_owner(settings)


def how_to_sign_in(settings: Config, password: str | None) -> str:
    """The sentence for the terminal. A password that was made up is said this once."""
    if password:
        return f"Sign in as {settings.owner_email} with the password {password} (shown only this once)."
    return "Sign in with your email and password. Forgotten: .venv/bin/flask --app app set-password EMAIL"


def answers(settings: Config, tree: launcher.Tree, web: launcher.Child) -> bool:
    """Wait until the sign-in page answers; False when the web process ended or a signal came first."""
    host = _host_to_reach(settings)
    deadline = time.monotonic() + LONGEST_START
    while time.monotonic() < deadline and web.code() is None and not tree.ending.wait(0.1):
        connection = http.client.HTTPConnection(host, settings.port, timeout=5)
        try:
            connection.request("GET", "/sign-in")
            return connection.getresponse().status < 500
        except OSError:
            continue
        finally:
            connection.close()
    return False


def listening_problem(settings: Config) -> str:
    """Why the portal cannot listen where the settings say, or "". Asked before anything is started."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as problem:
        return _listening_words(settings, problem)
    return ""


def address(settings: Config) -> str:
    """Where a browser on this machine finds the portal."""
    host = _host_to_reach(settings)
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"


def say(*lines: str) -> None:
    """Print for the person who started it, at once."""
    print("\n".join(lines), flush=True)


def refuse(words: str, code: int = CANNOT_START) -> int:
    """Say why not, on standard error; the exit code."""
    print(logs.blotted(words), file=sys.stderr, flush=True)
    return code


def _host_to_reach(settings: Config) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)


def _listening_words(settings: Config, problem: OSError) -> str:
    if isinstance(problem, PermissionError):
        return f"This user may not listen on port {settings.port}. Choose a port above 1023: PORT=8001 make run"
    if isinstance(problem, socket.gaierror) or problem.errno == 99:
        return f"HOST={settings.host} is not an address of this machine. Start with HOST=127.0.0.1"
    return f"Port {settings.port} on {settings.host} is in use. Stop the other program, or choose another port: PORT=8001 make run"


def _leave(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        # Ctrl-C and then the launcher ask the same; who takes too long is ended by force. Not SIG_IGN: Python complains of one on its way
        signal.signal(number, lambda *_: None)
    sys.exit(0)  # waitress finishes the requests in hand and returns
