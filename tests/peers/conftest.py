"""The browser's fixtures, for peers that are met in one."""

from tests.browser.conftest import chromium, open_page, page, site

__all__ = ["chromium", "open_page", "page", "site"]
