"""How far a list behind an API has been read: pages, and items of those that are expected."""

from __future__ import annotations

from typing import Any

from portal.connectors.spool import Progress


class ListReader:
    """A connector that reads a list page by page. What it counts is items, not bytes.

    `pages` and `items` read so far, `expected` items and `expected_pages` where the supplier tells them; `called` is what a page is
    here. `say` takes a line for the run's story, such as a wait that the server asked for.
    """

    called = "page"

    pages = 0
    items = 0
    expected: int | None = None
    expected_pages: int | None = None
    first: Any = None
    """The first answer as plain values, secrets masked: what a person may look at to find the items."""

    def say(self, text: str, level: str = "info") -> None:
        """Replaced by whoever wants to hear. `level`: info or warning."""

    def story(self) -> str:
        """What was read, in words."""
        return f"{self.items:,} items {'on' if self.called == 'page' else 'in'} {self.pages:,} {self.called}{'s' * (self.pages != 1)}"

    def follow(self, progress: Progress) -> Progress:
        """Begin to count. What comes back may be called at any time, with anything: it tells `progress` items and expected items.

        Whoever waits or receives calls it at least each second; what `progress` raises ends the reading.
        """
        self.pages, self.items, self.expected, self.expected_pages = 0, 0, None, None

        def tell(_done: int = 0, _total: int | None = None) -> None:
            progress(self.items, self.expected)

        return tell

    def turn(self, items: int, expected: int | None = None, expected_pages: int | None = None) -> None:
        """One more page was read, with so many items; what it told of the whole list, None for nothing."""
        self.pages, self.items = self.pages + 1, self.items + items
        self.expected = self.expected if expected is None else expected
        self.expected_pages = self.expected_pages if expected_pages is None else expected_pages
