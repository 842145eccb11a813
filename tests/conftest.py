"""The fixtures every test may ask for. `--database sqlite|postgres|both` chooses where database tests run."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck
from hypothesis import settings as examples
from peewee import logger as peewee_log

from portal import accounts, passwords, vault
from portal import config as settings
from portal.config import Config
from portal.connectors import folders, http
from portal.models import Merchant, Source, User, connect, database
from portal.models.database import SQLITE_PRAGMAS
from tests import canary, turns
from tests.browserless import Browser
from tests.databases import Databases, close_database

CHROMIUM = "/usr/bin/chromium"
CHROMIUM_ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
examples.register_profile("no time is asserted", deadline=None, suppress_health_check=[HealthCheck.too_slow])
examples.load_profile("no time is asserted")
PASSWORD = "kites over the harbour"  # of every user the fixtures make


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "where database tests run: by turns (the default: tests/turns.py), on one, or everything on both"
    parser.addoption("--database", choices=("turns", "sqlite", "postgres", "both"), default="turns", help=words)
    parser.addoption("--canaries", action="store_true", help="at the end look for planted secrets in all that the tests left")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """With --canaries: look through everything that the tests left for a planted secret, after the last of them."""
    if not session.config.getoption("--canaries") or hasattr(session.config, "workerinput"):
        return
    lines, count = canary.left_behind(session.config._tmp_path_factory.getbasetemp())  # type: ignore[attr-defined]
    print(*lines, f"\n{count:,} files of this run read, {len(lines):,} with a planted secret", sep="\n")
    if lines or not count:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    words = "one_database(both_for_canaries=False): run on one database only (a slow or browser test), or on both with --canaries"
    config.addinivalue_line("markers", words)
    config.addinivalue_line("markers", "both_databases: never by turns (a walk over all pages)")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "db" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("--database")
    names = list(turns.DATABASES) if chosen in ("both", "turns") else [chosen]
    marker = metafunc.definition.get_closest_marker("one_database")
    if marker and not (marker.kwargs.get("both_for_canaries") and metafunc.config.getoption("--canaries")):
        names = names[:1]
    metafunc.parametrize("db", names, indirect=True, ids=names)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: the collector of circles need not look through it all the time (a sixth of the whole)."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--database") == "turns" and not config.getoption("--canaries"):
        turns.leave_out(config, items)


@pytest.fixture(scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    made = Databases(tmp_path_factory.mktemp("databases"))
    yield made
    made.stop(request.config.getoption("--canaries"))


@pytest.fixture(scope="session")
def sealed_by_tests(request: pytest.FixtureRequest) -> Iterator[canary.Sealed]:
    """With --canaries: what tests seal."""
    real, watched = vault.Vault.seal, canary.Sealed()
    if request.config.getoption("--canaries"):
        vault.Vault.seal = watched.watching(real)  # type: ignore[method-assign]
    yield watched
    vault.Vault.seal = real  # type: ignore[method-assign]


@pytest.fixture
def db(
    request: pytest.FixtureRequest, databases: Databases, tmp_path: Path, sealed_by_tests: canary.Sealed, caplog: pytest.LogCaptureFixture
) -> Iterator[str]:
    """A connected, empty database with all tables; the value is its address."""
    url = databases.sqlite(tmp_path / "portal.db") if request.param == "sqlite" else databases.postgres()
    connect(url)
    database.connect()
    sealed_by_tests.begin()
    yield url
    if request.config.getoption("--canaries") and not request.node.name.startswith(canary.MEANT):
        close_database()  # what a test did to its connections is over
        connect(url)
        database.connect()
        log = "\n".join(record.getMessage() for when in ("setup", "call") for record in caplog.get_records(when))
        hits = canary.left_by_a_test(tmp_path, log, sealed_by_tests.secrets())
        close_database()
        assert not hits, "\n".join(map(str, hits[:20]))
    close_database()


@pytest.fixture(autouse=True, scope="session")
def quick_hashes() -> None:
    """Argon2id at its lowest cost: its strength is the library's to test, its 0.2 s would be ours to wait."""
    passwords.hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_disks() -> None:
    """No test cuts the power: in this process SQLite waits for no disk. Processes of their own do as ever."""
    SQLITE_PRAGMAS["synchronous"] = "off"


@pytest.fixture(autouse=True, scope="session")
def short_looks() -> None:
    """A file that may still be growing is looked at twice, 5 s apart: here 0.5 s, in processes of their own as ever."""
    real = folders.wait

    def wait(seconds: float, progress: Any, announced: int | None) -> None:
        real(seconds / 10, progress, announced)

    folders.wait = http.wait = wait


@pytest.fixture
def config(db: str, tmp_path: Path) -> Config:
    """Settings of a fresh installation in a temporary folder, its key made and in use."""
    made = settings.use(settings.read({"DATA_DIR": str(tmp_path), "DATABASE_URL": db, "DEMO": "0"}))
    vault.use(vault.load(made.secret_key_file))
    return made


@pytest.fixture
def merchant(config: Config) -> Merchant:
    return accounts.create_merchant("Harbor & Pine")


@pytest.fixture
def owner(merchant: Merchant) -> User:
    return accounts.create_user(merchant, "owner@harbor.example", PASSWORD, role="owner")


@pytest.fixture
def member(merchant: Merchant) -> User:
    """An admin, who is not the owner."""
    return accounts.create_user(merchant, "member@harbor.example", PASSWORD, role="admin")


@pytest.fixture
def operator(merchant: Merchant) -> User:
    return accounts.create_user(merchant, "operator@harbor.example", PASSWORD, role="operator")


@pytest.fixture
def other_merchant(config: Config) -> Merchant:
    return accounts.create_merchant("Other shop")


@pytest.fixture
def other_owner(other_merchant: Merchant) -> User:
    return accounts.create_user(other_merchant, "owner@other.example", PASSWORD, role="owner")


@pytest.fixture(scope="session")
def built() -> dict[str, Any]:
    """What `app` keeps of one test for the next: routes and compiled templates are most of a short web test's time."""
    return {}


@pytest.fixture
def app(config: Config, built: dict[str, Any]) -> Any:
    """The whole web application on the test's database. One is built in each test process: who changes it takes `own_app`."""
    if "app" not in built:
        made = _application(config)
        built.update(app=made, config=dict(made.config))
    made = built["app"]
    made.config.clear()
    made.config.update(built["config"], PORTAL=config)
    return made


@pytest.fixture
def own_app(config: Config) -> Any:
    """An application for this test alone, to which it may add a page."""
    return _application(config)


def _application(config: Config) -> Any:
    from portal import create_app

    made = create_app(config)
    made.testing = True
    made.test_client_class = Browser
    return made


@pytest.fixture
def anonymous(app: Any) -> Browser:
    """A client that is not signed in."""
    return app.test_client()


@pytest.fixture
def client(app: Any, owner: User) -> Browser:
    """A client in which the owner of `merchant` is signed in."""
    return app.test_client().sign_in(owner.email, PASSWORD)


@pytest.fixture
def member_client(app: Any, member: User) -> Browser:
    return app.test_client().sign_in(member.email, PASSWORD)


@pytest.fixture
def operator_client(app: Any, operator: User) -> Browser:
    return app.test_client().sign_in(operator.email, PASSWORD)


@pytest.fixture
def other_client(app: Any, other_owner: User) -> Browser:
    """A client in which the owner of `other_merchant` is signed in."""
    return app.test_client().sign_in(other_owner.email, PASSWORD)


@pytest.fixture
def make_source(merchant: Merchant) -> Callable[..., Source]:
    """make_source(name="Northwind", kind="dropship_supplier", of=merchant, **columns): a source, with columns set as given."""
    from portal import sources

    def make(name: str = "Northwind", kind: str = "dropship_supplier", of: Merchant | None = None, **columns: Any) -> Source:
        source = sources.create(of or merchant, name, kind, "owner@harbor.example")
        for column, value in columns.items():
            setattr(source, column, value)
        if columns:
            source.save()
        return source

    return make


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The one Chromium of a test process: Playwright starts once in each."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def counting() -> Callable[..., Any]:
    """`with counting() as queries`: the statements that peewee executes meanwhile, in this process."""

    @contextmanager
    def count() -> Iterator[list[str]]:
        seen: list[str] = []
        listener = logging.Handler(logging.DEBUG)
        listener.emit = lambda record: seen.append(str(record.msg))  # type: ignore[method-assign]
        before = peewee_log.level
        peewee_log.setLevel(logging.DEBUG)
        peewee_log.addHandler(listener)
        try:
            yield seen
        finally:
            peewee_log.removeHandler(listener)
            peewee_log.setLevel(before)

    return count


@pytest.fixture
def run_work(config: Config) -> Callable[[], None]:
    """run_work(): do every queued run here and now, as the worker would."""
    from portal import runs
    from tasks import work

    def do() -> None:
        runs.work_available(work.HANDLERS)

    return do
