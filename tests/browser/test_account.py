"""Signing in, profile and settings in a real browser, with scripts and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from portal.models import Session
from tests.browser.conftest import axe_problems, focused, keyboard_on
from tests.conftest import PASSWORD

pytestmark = pytest.mark.one_database


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_sign_in_leads_back_to_the_page_asked_for(open_page: Callable[..., Page], owner: Any, script: bool) -> None:
    page = open_page(script=script, signed_in=False)
    page.goto("/settings")
    assert page.title() == "Sign in – Quayside"
    page.get_by_label("Email").fill(owner.email)
    page.get_by_label("Password", exact=True).fill("wrong")
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Email and password do not match")
    if script:
        keyboard_on(page, "error-summary")
    expect(page.get_by_label("Email")).to_have_value(owner.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_the_workspace_is_changed_and_the_page_says_when(open_page: Callable[..., Page], script: bool) -> None:
    page = open_page(script=script)
    page.goto("/settings")
    page.get_by_label("Workspace name").fill("")
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_role("alert")).to_contain_text("Give the workspace a name")
    if script:
        keyboard_on(page, "error-summary")
    page.get_by_role("link", name="Give the workspace a name").click()
    assert page.url.endswith("#name")
    page.get_by_label("Workspace name").fill("Harbor & Pine Ltd")
    page.get_by_label("Auto Process Fulfillment Requests").check()
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator(".notice.ok")).to_contain_text("Saved ")
    expect(page.get_by_label("Auto Process Fulfillment Requests")).to_be_checked()
    expect(page.locator(".reading")).to_contain_text("Harbor & Pine Ltd")


def test_two_browsers_editing_the_same_form_see_each_other(open_page: Callable[..., Page]) -> None:
    mine, theirs = open_page(), open_page(script=False)
    mine.goto("/settings")
    theirs.goto("/settings")
    theirs.get_by_label("Workspace name").fill("Theirs")
    theirs.get_by_role("button", name="Save settings").click()
    mine.get_by_label("Workspace name").fill("Mine")
    mine.get_by_role("button", name="Save settings").click()
    expect(mine.locator("#error-summary")).to_contain_text("Someone changed this while you edited")
    expect(mine.locator("#error-summary")).to_contain_text("they have Theirs")
    expect(mine.get_by_label("Workspace name")).to_have_value("Mine")
    keyboard_on(mine, "error-summary")
    mine.get_by_role("button", name="Save settings").click()
    expect(mine.locator(".notice.ok")).to_contain_text("Saved ")


def test_the_theme_is_kept_on_the_server_and_there_is_no_flash(page: Page) -> None:
    page.goto("/profile")
    page.get_by_label("Dark").check()
    page.get_by_role("button", name="Save look and time").click()
    expect(page.locator(".notice.ok")).to_contain_text("Saved ")
    assert page.locator("html").get_attribute("data-bs-theme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 19)"


def test_a_system_in_the_dark_gets_the_dark_theme_without_asking(open_page: Callable[..., Page]) -> None:
    page = open_page(scheme="dark")
    page.goto("/help")
    assert page.locator("html").get_attribute("data-bs-theme") is None
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 22, 19)"


def test_the_fonts_and_the_icons_arrive(page: Page) -> None:
    page.goto("/help")
    page.evaluate("document.fonts.ready")
    assert page.evaluate("[...document.fonts].filter(font => font.status === 'loaded').length") == 2
    assert page.evaluate("document.querySelector('nav .icon').getBoundingClientRect().width") == 16


@pytest.mark.parametrize("script", [True, False], ids=["script", "plain"])
def test_a_form_whose_session_ended_survives_the_sign_in(open_page: Callable[..., Page], script: bool, owner: Any, merchant: Any) -> None:
    page = open_page(script=script)
    page.goto("/settings")
    page.get_by_label("Workspace name").fill("Half “typed” & kept")
    Session.delete().execute()
    page.get_by_role("button", name="Save settings").click()
    expect(page.get_by_text("Your session ended")).to_be_visible()
    if script:
        assert axe_problems(page) == []
    page.get_by_label("Email").fill(owner.email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Your form is still here")
    if script:
        assert axe_problems(page) == []
    page.get_by_role("button", name="Save what you typed").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")
    expect(page.get_by_label("Workspace name")).to_have_value("Half “typed” & kept")


def test_a_double_click_saves_once(page: Page, merchant: Any) -> None:
    page.goto("/settings")
    page.get_by_label("Workspace name").fill("Twice")
    page.get_by_role("button", name="Save settings").dblclick()
    expect(page.locator(".notice.ok")).to_contain_text("Saved ")
    assert type(merchant).get_by_id(merchant.id).version == 2


def test_on_a_phone_the_menu_opens_without_a_script(open_page: Callable[..., Page]) -> None:
    page = open_page(script=False, width=390, height=844)
    page.goto("/help")
    settings = page.get_by_role("link", name="Settings")
    expect(settings).to_be_hidden()
    page.get_by_text("Menu", exact=True).click()
    settings.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Settings")


def test_sign_out_works_without_a_script_and_back_shows_nothing(plain_page: Page) -> None:
    plain_page.goto("/settings")
    plain_page.get_by_role("button", name="Sign out").click()
    expect(plain_page.get_by_text("You are signed out")).to_be_visible()
    plain_page.go_back()
    expect(plain_page.get_by_role("heading", level=1)).to_have_text("Sign in")


def test_the_slash_key_goes_to_the_search_box_unless_switched_off(page: Page, make_source: Any) -> None:
    make_source()
    page.goto("/sources")
    page.keyboard.press("/")
    expect(page.locator("input[type=search]")).to_be_focused()
    page.goto("/profile")
    page.get_by_label("Go to the search box").uncheck()
    page.get_by_role("button", name="Save look and time").click()
    expect(page.locator(".notice.ok")).to_contain_text("Saved ")
    page.goto("/sources")
    page.keyboard.press("/")
    assert focused(page) == "BODY"


def test_a_server_that_does_not_answer_is_said_and_the_form_stays(page: Page) -> None:
    page.goto("/settings")
    page.get_by_label("Workspace name").fill("Half typed")
    page.context.set_offline(True)
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator("#request-failed")).to_contain_text("Quayside did not answer")
    keyboard_on(page, "request-failed")
    expect(page.get_by_label("Workspace name")).to_have_value("Half typed")
    page.context.set_offline(False)
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator(".notice.ok")).to_contain_text("Saved ")
    page.watched.problems.clear()  # Chromium's own words for being offline


def test_an_error_inside_a_page_is_told_at_its_top_with_the_keyboard_on_it(page: Page) -> None:
    page.goto("/settings")
    page.evaluate("document.querySelector('#workspace [name=csrf_token]').value = 'gone'")
    page.get_by_role("button", name="Save settings").click()
    expect(page.locator("#request-failed")).to_contain_text("could not tell that this came from you")
    keyboard_on(page, "request-failed")


def test_a_typed_password_can_be_looked_at_where_a_script_runs(open_page: Callable[..., Page]) -> None:
    page, plain = open_page(signed_in=False), open_page(signed_in=False, script=False)
    plain.goto("/sign-in")
    expect(plain.locator("#password-show")).to_be_hidden()
    page.goto("/sign-in")
    page.get_by_label("Password", exact=True).fill("seen")
    page.get_by_role("button", name="Show password").click()
    assert page.locator("#password").get_attribute("type") == "text"
    page.get_by_role("button", name="Hide password").click()
    assert page.locator("#password").get_attribute("type") == "password"
