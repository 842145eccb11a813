"""A real Chromium on the real portal: web server and worker in threads of the test, the database a file.

Each module says `pytestmark = pytest.mark.one_database`. A content-policy violation or a script error on any page fails its test.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import waitress.server
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from portal import accounts, runs
from portal.models import database
from portal.web import guards
from tasks import work

expect.set_options(timeout=20_000)  # a loaded machine takes more than the five seconds that are usual
NARROW = 500
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Chromium says these by itself: an answer of 4xx to htmx is part of how forms work here.
EXPECTED = ("Failed to load resource: the server responded with a status of 4", "Response Status Error Code 4")


@dataclass
class Site:
    """The running portal. `address` is its root, without the last slash."""

    app: Any
    address: str

    def url(self, path: str) -> str:
        return self.address + path


@dataclass
class Watched:
    """What went wrong on a page while a test used it."""

    problems: list[str] = field(default_factory=list)
    paused: bool = False

    def console(self, message: Any) -> None:
        if not self.paused and message.type == "error" and not message.text.startswith(EXPECTED):
            self.problems.append(message.text)

    def script_error(self, error: Any) -> None:
        self.problems.append(f"script error: {error}")


@pytest.fixture
def site(app: Any, request: pytest.FixtureRequest) -> Iterator[Site]:
    """The portal on a free loopback port, answering until the test ends."""
    assert request.node.get_closest_marker("one_database"), "mark the module with pytest.mark.one_database"
    app.testing = False  # errors become pages, as they do for people
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = waitress.server.create_server(app, sockets=[listener], threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    yield Site(app, f"http://127.0.0.1:{listener.getsockname()[1]}")
    server.close()
    thread.join(10)


@pytest.fixture
def worker(site: Site) -> Iterator[None]:
    """A worker beside the site: does each queued run within a fifth of a second."""
    stop = threading.Event()

    def loop() -> None:
        while not stop.wait(0.2):
            with database.connection_context():
                runs.work_available(work.HANDLERS)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    yield
    stop.set()
    thread.join(30)
    assert not thread.is_alive(), "the worker did not stop"


@pytest.fixture
def open_page(chromium: Browser, site: Site, owner: Any) -> Iterator[Callable[..., Page]]:
    """open_page(script=True, scheme="light", width=1280, height=800, signed_in=True): a page of its own browser profile."""
    watched: list[Watched] = []
    contexts = []

    def make(script: bool = True, scheme: str = "light", width: int = 1280, height: int = 800, signed_in: bool = True) -> Page:
        context = chromium.new_context(
            java_script_enabled=script, color_scheme=scheme, viewport={"width": width, "height": height}, base_url=site.address
        )
        context.set_default_timeout(15_000)
        if signed_in:
            with site.app.test_request_context():
                name = guards.cookie_name("session")
            context.add_cookies([{"name": name, "value": accounts.open_session(owner), "url": site.address}])
        page, watch = context.new_page(), Watched()
        page.on("console", watch.console)
        page.on("pageerror", watch.script_error)
        page.watched = watch
        contexts.append(context)
        watched.append(watch)
        return page

    yield make
    for context in contexts:
        context.close()
    assert [problem for watch in watched for problem in watch.problems] == []


@pytest.fixture
def page(open_page: Callable[..., Page]) -> Page:
    """The owner's page, scripts on."""
    return open_page()


@pytest.fixture
def plain_page(open_page: Callable[..., Page]) -> Page:
    """The owner's page in a browser with JavaScript off."""
    return open_page(script=False)


def axe_problems(page: Page) -> list[str]:
    """What axe-core finds serious or critical on the page as it is now: "rule: where". With PICTURES=folder a picture is kept there.

    A window under 500 px is judged with AXE=all only (`make both`): its page is the one that was judged wide, and axe takes long.
    """
    if os.environ.get("PICTURES"):
        _keep(page, Path(os.environ["PICTURES"]))
    if os.environ.get("AXE") != "all" and page.viewport_size and page.viewport_size["width"] < NARROW:
        return []
    page.watched.paused = True  # axe measures with styles of its own, which the policy blocks and reports
    found = Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]})
    page.watched.paused = False
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found.response["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def _keep(page: Page, folder: Path) -> None:
    shown = "-".join(part for part in urlsplit(page.url).path.split("/") if part and len(part) < 20) or "start"
    test = os.environ.get("PYTEST_CURRENT_TEST", "").partition("::")[2].partition("[")[0].removeprefix("test_")[:40]
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    stem = f"{shown}-{test}-{'dark' if dark else 'light'}-{page.evaluate('innerWidth')}"
    picture(page, str(folder / f"{stem}-{len(list(folder.glob(f'{stem}-*')))}.png"))


def sideways(page: Page) -> int:
    """Pixels that the page is wider than its window; 0 is right."""
    return int(page.evaluate("Math.max(0, document.documentElement.scrollWidth - window.innerWidth)"))


WAYS = (("light", 1280), ("dark", 1280), ("light", 390), ("light", 320))


def each_way(page: Page, ways: Sequence[tuple[str, int]] = WAYS) -> Iterator[str]:
    """The page as it is now in other colours and widths, one after the other, and as it was in the end; the name of each."""
    for scheme, width in ways:
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # no colour is on its way to another
        page.set_viewport_size({"width": width, "height": 800})
        yield f"{scheme}-{width}"
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 800})


def focused(page: Page) -> str:
    """Id (or tag) of the element that has the keyboard."""
    return str(page.evaluate("document.activeElement.id || document.activeElement.tagName"))


def keyboard_on(page: Page, element_id: str) -> None:
    """Wait until the element has the keyboard: after a swap htmx gives it back some 20 ms later, when the page has settled."""
    expect(page.locator(f"#{element_id}")).to_be_focused(timeout=3_000)


def picture(page: Page, path: str, whole: bool = True) -> None:
    """A screenshot that injects no style of its own, which the content policy would block."""
    page.screenshot(path=path, full_page=whole, caret="initial", animations="allow")
