"""The browser's fixtures, for peers that are met in one."""

from tests.browser.conftest import open_page, page, site

__all__ = ["open_page", "page", "site"]
