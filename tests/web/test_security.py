"""Headers, cookies, sessions and forms: on every route, by walking the URL map."""

from __future__ import annotations

import re
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from portal import accounts, clock, create_app, receipts
from portal.models import Session, SignInAttempt
from portal.web import guards
from portal.web.render import go
from portal.web.rights import RIGHT_OF
from tests.conftest import PASSWORD
from tests.web.test_tenants import ENTRIES
from tests.web.walk import UNSAFE, address, belongings, everything, methods, rules

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
)


def paths(app: Any, merchant: Any) -> list[tuple[Any, str]]:
    own = belongings(merchant)
    return [(rule, address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {})))) for rule in rules(app)]


def check_headers(answer: Any, where: str) -> None:
    policy = answer.headers["Content-Security-Policy"]
    assert policy == POLICY or ("sandbox" in policy and "attachment" in answer.headers["Content-Disposition"]), where
    assert answer.headers["X-Content-Type-Options"] == "nosniff", where
    assert answer.headers["Referrer-Policy"] == "same-origin", where
    assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", where
    assert answer.headers["X-Frame-Options"] == "DENY", where
    assert "Strict-Transport-Security" not in answer.headers, where
    if "/assets/" not in where:
        assert answer.headers["Cache-Control"] == "no-store", where
        assert "HX-Request" in answer.headers["Vary"], where


def test_every_answer_carries_the_headers(app: Any, client: Any, merchant: Any) -> None:
    stranger = app.test_client()
    for rule, path in paths(app, merchant):
        if "GET" in methods(rule):
            check_headers(client.get(path), path)
            check_headers(client.get(path, headers={"HX-Request": "true"}), path)
        check_headers(stranger.get(path), path)
        check_headers(client.post(path), path)


def test_errors_and_assets_carry_them_too(app: Any, client: Any) -> None:
    app.testing = False
    asset = re.search(r'href="(/assets/[^"]+theme\.css)"', client.get("/help").text)
    assert asset
    for path, status in (("/nowhere", 404), (asset[1], 200), ("/assets/nowhere.css", 404)):
        answer = client.get(path)
        assert answer.status_code == status
        check_headers(answer, path)
    wrong_way = client.post("/help", data={"csrf_token": csrf(client)})
    too_much = client.post("/settings", data=b"x" * 2_500_000, content_type="application/x-www-form-urlencoded")
    assert (wrong_way.status_code, too_much.status_code) == (405, 413)
    assert "GET" in wrong_way.headers["Allow"] and "up to 2 MB" in too_much.text
    check_headers(wrong_way, "405")
    check_headers(too_much, "413")


def test_production_sends_hsts_and_host_cookies_over_https_only(config: Any, owner: Any) -> None:
    from dataclasses import replace

    strict = create_app(replace(config, production=True, public_url="https://portal.example", proxies=1)).test_client()
    page = strict.get("/sign-in", base_url="https://portal.example")
    assert page.headers["Strict-Transport-Security"].startswith("max-age=31536000")
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert token
    answer = strict.post(
        "/sign-in", data={"email": owner.email, "password": PASSWORD, "csrf_token": token[1]}, base_url="https://portal.example"
    )
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith("__Host-quayside_session="))
    assert "Secure" in cookie and "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie and "Domain" not in cookie


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(anonymous: Any, owner: Any) -> None:
    anonymous.get("/sign-in")
    answer = anonymous.send_form("/sign-in", {"email": owner.email, "password": PASSWORD})
    for line in answer.headers.getlist("Set-Cookie"):
        assert "HttpOnly" in line and "SameSite=Lax" in line and "Domain" not in line, line


@pytest.mark.parametrize("how", ["missing", "other session", "wrong origin", "wrong referer", "cross-site", "null origin"])
def test_no_unsafe_request_works_unless_our_own_page_sent_it(app: Any, client: Any, other_client: Any, merchant: Any, how: str) -> None:
    own = csrf(client)
    fields = {"missing": {}, "other session": {"csrf_token": csrf(other_client)}}.get(how, {"csrf_token": own})
    headers = {
        "wrong origin": {"Origin": "https://evil.example"},
        "wrong referer": {"Referer": "https://evil.example/sources"},
        "cross-site": {"Sec-Fetch-Site": "cross-site"},
        "null origin": {"Origin": "null"},
    }.get(how, {})
    places = [(rule, path, method) for rule, path in paths(app, merchant) for method in methods(rule) if method in UNSAFE]
    before = everything()
    assert len(places) >= 6
    for rule, path, method in places:
        answer = client.open(path, method=method, data=fields, headers=headers)
        assert answer.status_code == 403 and "could not tell that this came from you" in answer.text, f"{method} {rule.rule}"
    assert everything() == before


def test_the_token_may_come_in_the_header(client: Any) -> None:
    token = csrf(client)
    answer = client.post("/profile", data={"theme": "dark", "time_zone": ""}, headers={"X-CSRF-Token": token, "Origin": "http://localhost"})
    assert answer.status_code == 303


GIVES_OUT_A_STATE = ("signing_in.leave", "approvals.leave")
"""Pages with a plain link to another host (CSP form-action forbids a form), which must carry a one-use state that we keep."""

GIVES_OUT_A_FILE = ("channel_files.csv",)
"""A shop may have that file from then on, which is noted: a listing that it has goes only once it was told 0 units."""


@pytest.mark.both_databases
def test_reading_never_writes(app: Any, client: Any, merchant: Any) -> None:
    places = paths(app, merchant)
    before = everything()
    for rule, path in places:
        if "GET" in methods(rule) and rule.endpoint not in (*GIVES_OUT_A_STATE, *GIVES_OUT_A_FILE):
            assert client.get(path).status_code < 500, rule.rule
            client.head(path)
            client.get(path, headers={"HX-Request": "true"})
    assert everything() == before


def test_signing_in_never_keeps_a_cookie_that_was_there_before(app: Any, owner: Any) -> None:
    victim = app.test_client()
    victim.set_cookie("quayside_session", "chosen-by-someone-else")
    answer = victim.send_form("/sign-in", {"email": owner.email, "password": PASSWORD})
    assert "quayside_session=" in answer.headers["Set-Cookie"] and "chosen-by-someone-else" not in answer.headers["Set-Cookie"]
    assert Session.select().count() == 1
    first = victim.get_cookie("quayside_session").value
    victim.delete_cookie("quayside_session")
    victim.send_form("/sign-in", {"email": owner.email, "password": PASSWORD})
    assert victim.get_cookie("quayside_session").value != first


def test_only_the_hash_of_a_token_is_kept(client: Any) -> None:
    token = client.get_cookie("quayside_session").value
    assert all(token not in str(row) for rows in everything(but=()).values() for row in rows)


def test_a_token_is_worth_nothing_after_sign_out(app: Any, client: Any) -> None:
    token = client.get_cookie("quayside_session").value
    answer = client.send_form("/sign-out", page="/help")
    assert answer.status_code == 303 and '"storage"' in answer.headers["Clear-Site-Data"]
    again = app.test_client()
    again.set_cookie("quayside_session", token)
    assert again.get("/profile").status_code == 302


def test_sessions_end_after_12_idle_hours_and_after_7_days(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()

    def later(**span: float) -> int:
        monkeypatch.setattr(clock, "now", lambda: start + timedelta(**span))
        return int(client.get("/profile").status_code)

    assert later(hours=11, minutes=59) == 200
    assert later(hours=24) == 302
    monkeypatch.undo()
    for hours in range(11, 168, 11):
        assert later(hours=hours) == 200
    assert later(days=7, seconds=1) == 302


def test_a_new_password_ends_every_other_session(app: Any, client: Any, owner: Any) -> None:
    elsewhere = app.test_client().sign_in(owner.email, PASSWORD)
    fields = {"current": PASSWORD, "new": "lanterns beneath the pier"}
    assert client.send_form("/profile/password", fields, page="/profile").status_code == 303
    assert (client.get("/profile").status_code, elsewhere.get("/profile").status_code) == (200, 302)


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example", "javascript:alert(1)", "/\t/evil.example", "", "a"],
)
def test_sign_in_leads_nowhere_else(anonymous: Any, owner: Any, wanted: str) -> None:
    answer = anonymous.send_form("/sign-in", {"email": owner.email, "password": PASSWORD, "next": wanted})
    assert answer.headers["Location"] == "/"


def test_sign_in_leads_back_to_the_page_asked_for(anonymous: Any, owner: Any) -> None:
    asked = anonymous.get("/inventory?q=a%26b")
    page = anonymous.get(asked.headers["Location"])
    sent = anonymous.form_values(page.text, "/sign-in") | {"email": owner.email, "password": PASSWORD}
    assert anonymous.post("/sign-in", data=sent).headers["Location"] == "/inventory?q=a%26b"


def test_guessing_is_stopped_the_same_way_for_known_and_unknown_emails(app: Any, owner: Any) -> None:
    answers = {}
    for email in (owner.email, "nobody@nowhere.example"):
        guesser = app.test_client()
        answers[email] = [guesser.send_form("/sign-in", {"email": email, "password": "wrong"}) for _ in range(7)]
        assert [answer.status_code for answer in answers[email]] == [422] * 7
        assert "do not match" in answers[email][4].text and "Too many tries" in answers[email][5].text
    assert app.test_client().send_form("/sign-in", {"email": owner.email, "password": PASSWORD}).status_code == 422
    shown = [plain(answer.text, email) for email, found in answers.items() for answer in found[5:6]]
    assert shown[0] == shown[1]
    assert SignInAttempt.select().count() >= 10


def test_a_throttled_person_may_try_again_after_15_minutes(anonymous: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(6):
        anonymous.send_form("/sign-in", {"email": owner.email, "password": "wrong"})
    later = clock.now() + timedelta(minutes=16)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert anonymous.send_form("/sign-in", {"email": owner.email, "password": PASSWORD}).status_code == 303


def test_unknown_emails_cost_the_same_work(anonymous: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from portal import passwords

    verified = []
    real = passwords.hasher

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def verify(self, hashed: str, password: str) -> bool:
            verified.append(hashed)
            return bool(real.verify(hashed, password))

    monkeypatch.setattr(passwords, "hasher", Counting())
    for email in (owner.email, "nobody@nowhere.example"):
        anonymous.send_form("/sign-in", {"email": email, "password": "wrong"})
    assert len(verified) == 2


def test_the_same_form_sent_twice_is_done_once(client: Any, merchant: Any) -> None:
    sent = client.form_values(client.get("/settings").text, "/settings") | {"name": "Harbor"}
    first, second = client.post("/settings", data=sent), client.post("/settings", data=sent)
    assert [first.status_code, second.status_code] == [303, 303] and first.headers["Location"] == second.headers["Location"]
    saved = next(row for row in everything()["Merchant"] if merchant.public_id in row)
    assert 2 in saved, "the second click must not save another version"


def test_a_second_click_waits_for_the_first_ones_answer(own_app: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    @guards.once
    def slow() -> Any:
        calls.append(1)
        time.sleep(0.4)
        return go(f"/done/{len(calls)}")

    monkeypatch.setitem(RIGHT_OF, "slow", "see")
    own_app.add_url_rule("/slow", "slow", slow, methods=["POST"])
    client = own_app.test_client().sign_in(owner.email, PASSWORD)
    fields = {"csrf_token": csrf(client), "form_token": "one"}
    cookie = client.get_cookie("quayside_session").value

    def click(_: int) -> str:
        twin = own_app.test_client()
        twin.set_cookie("quayside_session", cookie)
        return str(twin.post("/slow", data=fields).headers["Location"])

    with ThreadPoolExecutor(3) as pool:
        assert set(pool.map(click, range(3))) == {"/done/1"}
    assert len(calls) == 1
    assert client.post("/slow", data=fields | {"form_token": "two"}).headers["Location"] == "/done/2"


def test_a_claim_left_by_a_killed_process_is_taken_over(owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert receipts.claim(owner, "t") and not receipts.claim(owner, "t")
    assert receipts.outcome(owner, "t") == (True, None)
    later = clock.now() + timedelta(seconds=31)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert receipts.claim(owner, "t")
    receipts.settle(owner, "t", "/x")
    later += timedelta(seconds=31)
    assert not receipts.claim(owner, "t") and receipts.outcome(owner, "t") == (True, "/x")


def test_a_failure_before_the_session_is_read_still_has_our_page(config: Any) -> None:
    from portal.web import build

    def down() -> bool:
        raise OSError("no database at db.internal")

    app = build(config, open_database=down, close_database=lambda: None)
    answer = app.test_client().get("/sign-in")
    assert answer.status_code == 500 and "it is our fault" in answer.text and "db.internal" not in answer.text
    assert "Nothing was changed" in answer.text and '<a class="btn btn-primary" href="/sign-in">Try again</a>' in answer.text
    sent = app.test_client().post("/sign-in").text
    assert "The last step may not be" in sent and "Try again" not in sent
    check_headers(answer, "500")


def test_a_form_that_was_refused_can_be_mended_and_sent_again(client: Any) -> None:
    sent = client.form_values(client.get("/settings").text, "/settings")
    assert client.post("/settings", data=sent | {"name": ""}).status_code == 422
    assert client.post("/settings", data=sent | {"name": "Harbor"}).status_code == 303


def test_a_session_that_ended_in_the_middle_of_a_form_leads_back_to_it(app: Any, client: Any, owner: Any) -> None:
    sent = client.form_values(client.get("/settings").text, "/settings")
    Session.delete().execute()
    large = sent | {"name": "x" * 100_001}  # what fits is carried along: test_session_end.py
    answer = client.post("/settings", data=large, headers={"Referer": "http://localhost/settings?from=menu"})
    assert answer.status_code == 303
    page = client.get(answer.headers["Location"])
    assert "Your session ended" in page.text and "What you saved is kept" in page.text
    back = client.form_values(page.text, "/sign-in") | {"email": owner.email, "password": PASSWORD}
    assert client.post("/sign-in", data=back).headers["Location"] == "/settings?from=menu"
    Session.delete().execute()
    part = client.post("/settings", data=sent, headers={"HX-Request": "true", "HX-Current-URL": "http://localhost/settings"})
    assert part.status_code == 401 and part.headers["HX-Redirect"].startswith("/sign-in?next=/settings")


def test_delicate_acts_ask_for_the_password_again(client: Any, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start = clock.now()
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(minutes=11))
    wrong = client.send_form("/prove", {"password": "wrong", "next": "/settings"})
    assert wrong.status_code == 422 and "That is not your password" in wrong.text
    assert client.send_form("/prove", {"password": PASSWORD, "next": "/settings"}).headers["Location"] == "/settings"
    assert accounts.proved_recently(Session.select().order_by(Session.id.desc()).get())


def test_our_mistakes_are_logged_under_a_code_and_told_without_details(
    config: Any, owner: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(config)

    def broken() -> str:
        raise KeyError("a secret detail")

    monkeypatch.setitem(RIGHT_OF, "broken", "see")
    app.add_url_rule("/broken", "broken", broken)
    from tests.browserless import Browser

    app.test_client_class = Browser
    page = app.test_client().sign_in(owner.email, PASSWORD).get("/broken")
    code = re.search(r"[0-9A-F]{4}-[0-9A-F]{2}", page.text)
    assert page.status_code == 500 and code and code[0] in caplog.text
    assert "a secret detail" in caplog.text and "a secret detail" not in page.text
    check_headers(page, "500")


def csrf(client: Any) -> str:
    return str(client.form_values(client.get("/help").text, "/sign-out")["csrf_token"])


def plain(text: str, email: str) -> str:
    return re.sub(r'value="[^"]*"', "", text.replace(email, "EMAIL"))
