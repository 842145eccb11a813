"""Signing in and out as a person meets it."""

from __future__ import annotations

from typing import Any

from portal.models import Session
from tests.conftest import PASSWORD


def test_a_wrong_password_keeps_the_email_and_clears_the_password(anonymous: Any, owner: Any) -> None:
    answer = anonymous.send_form("/sign-in", {"email": owner.email, "password": "wrong-but-typed"})
    assert answer.status_code == 422 and "Email and password do not match" in answer.text
    assert f'value="{owner.email}"' in answer.text and "wrong-but-typed" not in answer.text and "Error: Sign in" in answer.text


def test_the_email_is_found_whatever_its_case(anonymous: Any, owner: Any) -> None:
    assert anonymous.send_form("/sign-in", {"email": f"  {owner.email.upper()} ", "password": PASSWORD}).status_code == 303


def test_odd_input_is_only_a_wrong_password(anonymous: Any, owner: Any) -> None:
    for email in ("", "a\x00b", "x" * 5_000, "' OR 1=1 --", "ünï@example.com"):
        assert anonymous.send_form("/sign-in", {"email": email, "password": "p\x00" * 500}).status_code == 422


def test_htmx_gets_the_form_and_then_a_redirect(anonymous: Any, owner: Any) -> None:
    sent = anonymous.form_values(anonymous.get("/sign-in").text, "/sign-in") | {"email": owner.email}
    wrong = anonymous.post("/sign-in", data=sent | {"password": "no"}, headers={"HX-Request": "true"})
    assert wrong.status_code == 422 and wrong.text.lstrip().startswith('<div id="sign-in">')
    right = anonymous.post("/sign-in", data=sent | {"password": PASSWORD}, headers={"HX-Request": "true"})
    assert right.headers["HX-Redirect"] == "/"


def test_someone_signed_in_is_not_asked_again(client: Any) -> None:
    assert client.get("/sign-in?next=/help").headers["Location"] == "/help"


def test_signing_in_anew_ends_the_session_before(client: Any, owner: Any) -> None:
    sent = {"email": owner.email, "password": PASSWORD, "next": "/help"}
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    assert client.post("/sign-in", data=sent | {"csrf_token": token}).status_code == 303
    assert Session.select().count() == 1


def test_sign_out_ends_the_session_and_says_so(client: Any) -> None:
    answer = client.send_form("/sign-out", page="/help")
    assert Session.select().count() == 0
    assert "You are signed out" in client.get(answer.headers["Location"]).text


def test_sign_out_needs_a_post(client: Any) -> None:
    assert client.get("/sign-out").status_code == 405
    assert client.get("/help").status_code == 200


def test_a_first_visit_gets_a_form_cookie_and_the_form_needs_it(app: Any, owner: Any) -> None:
    with_cookie, without = app.test_client(), app.test_client()
    sent = with_cookie.form_values(with_cookie.get("/sign-in").text, "/sign-in") | {"email": owner.email, "password": PASSWORD}
    assert without.post("/sign-in", data=sent).status_code == 403
    assert without.post("/sign-in", data=sent | {"csrf_token": ""}).status_code == 403
    assert with_cookie.post("/sign-in", data=sent).status_code == 303


def test_a_disabled_person_is_told_nothing_special_and_is_out_at_once(client: Any, anonymous: Any, owner: Any) -> None:
    from portal import clock

    owner.disabled_at = clock.now()
    owner.save()
    assert client.get("/profile").status_code == 302
    assert "do not match" in anonymous.send_form("/sign-in", {"email": owner.email, "password": PASSWORD}).text
