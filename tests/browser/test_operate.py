"""The operator's page as it is seen: light, dark and narrow, nothing serious for axe, nothing sideways."""

from __future__ import annotations

from pathlib import Path

import pytest

from portal import accounts
from portal.models import User
from portal.operation import lead, notes, presence
from tests.browser.conftest import axe_problems, sideways

pytestmark = pytest.mark.one_database


def test_the_page_is_seen_well_in_light_in_dark_and_on_a_telephone(open_page, site, owner, tmp_path):
    User.update(is_staff=True).where(User.id == owner.id).execute()
    presence.show("worker", 2)
    lead.hold(presence.me())
    notes.write(notes.BACKUP, folder="/srv/backups/quayside-20261127T190000Z", bytes=2_000_000)
    assert accounts.find_user(owner.email).is_staff
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390), ("light", 320)):
        page = open_page(scheme=scheme, width=width)
        page.goto("/operate")
        assert page.locator("h1").inner_text() == "Installation"
        assert axe_problems(page) == [] and sideways(page) == 0, (scheme, width)
        page.screenshot(path=str(Path(tmp_path) / f"operate-{scheme}-{width}.png"), full_page=True)
    page.evaluate("document.documentElement.style.fontSize = '200%'")
    assert sideways(page) == 0
