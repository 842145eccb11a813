"""Pages and fragments, filters, forms, assets and the notice after a save."""

from __future__ import annotations

import gzip
import re
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from flask import g
from wtforms import BooleanField, RadioField, SelectField, StringField

from portal import clock
from portal.errors import Forbidden, Invalid, NotFound, Refused, Stale
from portal.web import filters
from portal.web.forms import LedgerForm, VersionedForm
from portal.web.rights import RIGHT_OF

NOW = datetime(2026, 11, 25, 9, 12)


@pytest.fixture
def page(app: Any, owner: Any, merchant: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A request in which templates can be rendered; 09:12 UTC."""
    monkeypatch.setattr(clock, "now", lambda: NOW)
    with app.test_request_context("/"):
        g.user, g.merchant, g.session = owner, merchant, None
        yield app


def shown(app: Any, template: str, **context: Any) -> str:
    return str(app.jinja_env.from_string(template).render(**context))


@pytest.mark.parametrize(
    ("headers", "whole"),
    [({}, True), ({"HX-Request": "true"}, False), ({"HX-Request": "true", "HX-Boosted": "true"}, True),
     ({"HX-Request": "true", "HX-History-Restore-Request": "true"}, True)],
)  # fmt: skip
def test_htmx_gets_the_fragment_and_everyone_else_the_page(client: Any, headers: dict[str, str], whole: bool) -> None:
    answer = client.get("/settings", headers=headers)
    assert ("<!doctype html>" in answer.text) is whole
    assert "HX-Request" in answer.headers["Vary"] and 'id="workspace"' in answer.text


def test_a_save_says_so_once_on_the_next_page(client: Any) -> None:
    client.send_form("/profile", {"theme": "dark"})
    assert "Saved " in client.get("/profile").text
    assert "Saved " not in client.get("/profile").text


def test_an_old_notice_is_not_shown(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.send_form("/profile", {"theme": "dark"})
    later = clock.now() + timedelta(minutes=5)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert "Saved " not in client.get("/profile").text


def test_htmx_is_sent_on_by_a_header(client: Any) -> None:
    sent = client.form_values(client.get("/profile").text, "/profile")
    answer = client.post("/profile", data=sent, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == "/profile" and "Location" not in answer.headers


def test_a_missing_page_says_the_same_for_every_path(client: Any) -> None:
    one, two = client.get("/inventory/aaa"), client.get("/no/such?x=1")
    assert one.status_code == 404 and one.data == two.data and "It may have been deleted, or the link is wrong." in one.text


def test_an_error_inside_a_page_lands_in_its_notice_place(client: Any) -> None:
    answer = client.get("/inventory/aaa", headers={"HX-Request": "true"})
    assert answer.headers["HX-Retarget"] == "#page-notice" and answer.headers["HX-Reswap"] == "innerHTML"
    assert "<!doctype html>" not in answer.text and "data-focus" in answer.text


@pytest.mark.parametrize(
    ("error", "status", "words"),
    [
        (NotFound("x"), 404, "This page is not here"),
        (
            Forbidden("Only an owner of this workspace can do this."),
            403,
            "Only an owner of this workspace can do this. Nothing was changed.",
        ),
        (Refused("A sync is already running."), 409, "A sync is already running."),
        (Invalid({"name": "Give it a name."}), 422, "Give it a name. Nothing was saved."),
        (Stale("ana@example.com", NOW), 409, "ana@example.com saved this at"),
    ],
)
def test_each_refusal_of_the_domain_has_its_page(
    own_app: Any, owner: Any, monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, words: str
) -> None:
    def view() -> None:
        raise error

    monkeypatch.setitem(RIGHT_OF, "refuses", "see")
    own_app.add_url_rule("/refuses", "refuses", view)
    from tests.conftest import PASSWORD

    browser = own_app.test_client().sign_in(owner.email, PASSWORD)
    for headers in ({}, {"HX-Request": "true"}):
        answer = browser.get("/refuses", headers=headers)
        assert answer.status_code == status and words in answer.text


def test_a_stale_form_gives_back_what_was_typed_but_no_secret(own_app: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def view() -> None:
        raise Stale("ana@example.com", NOW)

    monkeypatch.setitem(RIGHT_OF, "stale", "see")
    own_app.add_url_rule("/stale", "stale", view, methods=["POST"])
    from tests.conftest import PASSWORD

    browser = own_app.test_client().sign_in(owner.email, PASSWORD)
    token = browser.form_values(browser.get("/help").text, "/sign-out")["csrf_token"]
    typed = {"host": "sftp.<northwind>.example", "password": "hush-hush", "private_key": "BEGIN", "version": "3", "csrf_token": token}
    answer = browser.post("/stale", data=typed)
    assert "sftp.&lt;northwind&gt;.example" in answer.text
    assert "hush-hush" not in answer.text and "BEGIN" not in answer.text


def test_numbers_money_and_sizes() -> None:
    assert [filters.number(n) for n in (None, 0, 999, 48210)] == ["–", "0", "999", "48,210"]
    assert [filters.plural(n, "item") for n in (0, 1, 48210)] == ["0 items", "1 item", "48,210 items"]
    assert filters.plural(2, "entry") == "2 entries" and filters.plural(2, "person", "people") == "2 people"
    assert [filters.money(n) for n in (None, 0, 125_000, 12_345_678, 105_000, 1, -25_000)] == [
        "–", "0.00", "12.50", "1,234.5678", "10.50", "0.0001", "-2.50",
    ]  # fmt: skip
    assert filters.money(12_345_500) == "1,234.55" and filters.money(12_345_000, "USD") == "USD 1,234.50"
    assert [filters.size(n) for n in (None, 1, 512, 4_200, 31_000_000, 999_600, 2_100_000_000)] == [
        "–", "1 byte", "512 bytes", "4.2 kB", "31 MB", "1.0 MB", "2.1 GB",
    ]  # fmt: skip
    assert [filters.seconds(n) for n in (0.24, 9.99, 41, 59.7, 372, 360, 7320, 7200)] == [
        "0.2 s", "10.0 s", "41 s", "1 min", "6 min 12 s", "6 min", "2 h 2 min", "2 h",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (timedelta(seconds=5), "now"), (timedelta(minutes=6), "6 min ago"), (timedelta(minutes=59, seconds=50), "1 h ago"),
        (timedelta(hours=2), "2 h ago"), (timedelta(hours=26), "1 day ago"), (timedelta(days=3), "3 days ago"),
        (timedelta(days=30), "26 Oct 2026"), (-timedelta(minutes=24), "in 24 min"), (-timedelta(seconds=20), "in a moment"),
        (-timedelta(days=2), "in 2 days"),
    ],
)  # fmt: skip
def test_times_read_as_people_say_them(page: Any, ago: timedelta, words: str) -> None:
    text = str(filters.when(NOW - ago))
    assert f">{words}</time>" in text and 'title="' in text


def test_times_are_in_the_persons_zone_else_the_workspaces(page: Any) -> None:
    g.merchant.time_zone = "America/New_York"
    assert ">25 Nov 2026, 04:12</time>" in str(filters.moment(NOW)) and "EST" in str(filters.moment(NOW))
    g.user.time_zone = "Asia/Kathmandu"
    assert ">25 Nov 2026, 14:57</time>" in str(filters.moment(NOW)) and 'datetime="2026-11-25T09:12:00+00:00"' in str(filters.moment(NOW))
    assert ">14:57</time>" in str(filters.clock_time(NOW)) and filters.saved_now() == "Saved 14:57"
    g.user.time_zone = "Gone/Away"
    assert "EST" in str(filters.moment(NOW))
    assert filters.when(None) == "–" and filters.moment(None, "never") == "never"


def test_browsers_are_named_as_people_name_them() -> None:
    chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0 Safari/537.36"
    assert filters.browser(chrome) == "Chrome on Linux"
    assert filters.browser("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18 Safari/604.1") == "Safari on iPhone"
    assert filters.browser("") == "Unknown browser"


class Sample(VersionedForm):
    name = StringField("Name", description="Only you see it")
    kind = RadioField("Type", choices={"a": "One", "b": "Two"})
    size = SelectField("Size", choices={"s": "Small"})
    on = BooleanField("Switch")


def test_a_field_has_its_label_hint_error_and_their_links(page: Any) -> None:
    form = Sample(data={"name": "<b>", "kind": "a"}).refuse(
        Invalid({"name": "Use another name.", "kind": "Choose one.", "elsewhere": "No room."})
    )
    text = shown(
        page,
        "{{ m.error_summary(form) }}{{ m.field(form.name, optional=true, mono=true, maxlength=80) }}{{ m.field(form.kind) }}",
        form=form,
    )
    assert 'aria-describedby="name-hint name-error"' in text and 'aria-invalid="true"' in text and 'maxlength="80"' in text
    assert 'value="&lt;b&gt;"' in text and "(optional)" in text and 'class="form-control id"' in text
    assert '<a href="#name">Use another name.</a>' in text and '<a href="#kind-0">Choose one.</a>' in text and "<li>No room.</li>" in text
    assert 'tabindex="-1" data-focus' in text and "3 things need another look" in text and "required" not in text


def test_stale_keeps_mine_shows_theirs_and_lets_the_next_save_through(page: Any) -> None:
    form = Sample(formdata=None, data={"name": "Mine", "version": "3"})
    form.keep(Stale("ana@example.com", NOW), 4, {"name": "Theirs", "on": False})
    text = shown(page, "{{ m.error_summary(form) }}{{ form.version }}{{ form.name }}", form=form)
    assert "ana@example.com saved at" in text and "they have <b>Theirs</b>" in text and "Switch" not in text
    assert 'value="Mine"' in text and 'name="version" type="hidden" value="4"' in text


@pytest.mark.parametrize(("sent", "read"), [("3", 3), ("", 0), ("-1", 0), ("٣", 0), ("9" * 30, 0), ("1; DROP", 0)])
def test_a_version_that_was_tampered_with_matches_no_row(sent: str, read: int) -> None:
    assert Sample(data={"version": sent}).version_read() == read


def test_general_errors_of_other_kinds_go_to_the_top(page: Any) -> None:
    assert LedgerForm().refuse(Refused("Not now.")).problems() == [("", "Not now.")]


def test_the_flow_strip_says_in_words_what_it_shows(page: Any) -> None:
    assert 'aria-label="Inventory on, orders failing, shipments not offered"' in shown(page, '{{ m.flow("on", "bad", "none") }}')


def test_notices_status_menu_pager_and_empty_are_whole(page: Any) -> None:
    text = shown(
        page,
        '{{ m.status("held") }}{{ m.status("syncing", "Syncing 62%") }}'
        '{{ m.notice("hold", "We held this feed", "Nothing was removed.", act="Decide", act_at="/x") }}'
        '{{ m.notice("bad", "They refused", said="530 <no>", reference="7F3K-22") }}'
        '{% call m.empty("Nothing yet", "Why") %}<a href="/a">Go</a>{% endcall %}'
        '{% call m.menu("menu-1", "Actions for Northwind") %}<a href="/b">Edit</a>{% endcall %}'
        '{{ m.pager("/n", "/p", "#items", "Page 2") }}{{ m.progress(3, 10, "Rows") }}{{ m.progress(0, none, "Rows") }}',
    )
    assert "Held for review" in text and "Syncing 62%" in text and "530 &lt;no&gt;" in text and "7F3K-22" in text
    assert 'popovertarget="menu-1"' in text and 'id="menu-1" popover' in text and 'aria-label="Actions for Northwind"' in text
    assert 'hx-target="#items"' in text and 'rel="next"' in text and 'max="10" value="3"' in text


def test_a_saved_secret_is_never_written_out(page: Any) -> None:
    form = Sample(data={"name": "hunter2-secret"})
    text = shown(page, '{{ m.secret(form.name, "Saved 3 Nov, ends in ..4f2a") }}', form=form)
    assert "Saved 3 Nov, ends in ..4f2a" in text and "Replace" in text and "hunter2-secret" not in text


def test_the_theme_is_set_by_the_server(client: Any) -> None:
    assert "data-bs-theme" not in client.get("/help").text
    client.send_form("/profile", {"theme": "dark"})
    assert '<html lang="en" data-bs-theme="dark">' in client.get("/help").text


def test_assets_are_packed_once_and_kept_for_a_year(client: Any, anonymous: Any) -> None:
    text = client.get("/help").text
    found = re.findall(r'(?:href|src)="(/assets/[^"#]+)', text)
    assert len(set(found)) >= 7
    for path in sorted(set(found)):
        whole, packed = anonymous.get(path), anonymous.get(path, headers={"Accept-Encoding": "gzip, br"})
        assert whole.status_code == 200 and "immutable" in whole.headers["Cache-Control"] and "Set-Cookie" not in whole.headers
        assert gzip.decompress(packed.data) == whole.data and packed.headers["Content-Encoding"] == "gzip"
        assert "Accept-Encoding" in packed.headers["Vary"]
    fonts = next(path for path in found if path.endswith("fonts.css"))
    for font in re.findall(r"url\(([^)]+)\)", anonymous.get(fonts).text):
        answer = anonymous.get(font)
        assert answer.status_code == 200 and answer.headers["Content-Type"] == "font/ttf" and len(answer.data) > 40_000


def test_the_first_load_of_a_page_stays_light(client: Any, anonymous: Any) -> None:
    text = client.get("/help").text
    sizes = [len(anonymous.get(path, headers={"Accept-Encoding": "gzip"}).data) for path in set(re.findall(r'"(/assets/[^"#]+)', text))]
    fonts = anonymous.get(re.findall(r'"(/assets/[^"]+fonts\.css)"', text)[0]).text
    sizes += [len(anonymous.get(path, headers={"Accept-Encoding": "gzip"}).data) for path in re.findall(r"url\(([^)]+)\)", fonts)]
    assert sum(sizes) + len(gzip.compress(text.encode())) < 150_000


def test_no_path_reaches_the_disk_through_assets(anonymous: Any) -> None:
    for path in ("../app.py", "..%2fapp.py", "quayside/../../app.py", "/etc/passwd", "theme.css"):
        assert anonymous.get(f"/assets/{path}").status_code in (302, 404)


def test_downloads_are_attachments_that_cannot_run(app: Any) -> None:
    from portal.web.render import download

    with app.test_request_context("/"):
        answer = download(b"a,b", 'Ünï "x"\\.csv')
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="_n_ _x__.csv"; filename*=UTF-8')
    assert "sandbox" in answer.headers["Content-Security-Policy"]


def test_people_without_a_name_or_zone_still_get_pages(page: Any) -> None:
    g.user, g.merchant = None, SimpleNamespace(time_zone="")
    assert filters.zone().key == "UTC"
