"""A session that ends before a form is saved: the sign-in page carries what was typed, and the form comes back."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from portal import suppliers
from portal.models import Merchant, Session, Source
from portal.web import unsent
from tests.conftest import PASSWORD

OURS = {"Origin": "http://localhost", "Referer": "http://localhost/settings?from=menu"}
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/settings"}


def carried(text: str) -> dict[str, Any]:
    """What a sign-in page carries, {} for nothing."""
    found = re.search(r'name="unsent" value="([^"]*)"', text)
    return json.loads(html.unescape(found[1])) if found else {}


def signed_in_again(client: Any, page: str, email: str) -> Any:
    return client.post("/sign-in", data=client.form_values(page, "/sign-in") | {"email": email, "password": PASSWORD})


def typed_settings(client: Any, name: str = "Half “typed” & <kept>\nin two lines") -> dict[str, str]:
    """The settings form with a name typed, and the session gone."""
    sent = client.form_values(client.get("/settings").text, "/settings") | {"name": name}
    Session.delete().execute()
    return sent


def lasting(path: str = "/settings", fields: Any = (("name", "Harbor"),), **more: Any) -> str:
    return json.dumps({"path": path, "fields": list(fields), **more})


@pytest.mark.parametrize("headers", [OURS, OURS | HTMX], ids=["plain", "htmx"])
def test_what_was_typed_comes_back_after_the_sign_in_and_is_saved(client: Any, owner: Any, merchant: Any, headers: Any) -> None:
    sent = typed_settings(client, "Harbor “&” <Pine>")
    page = client.post("/settings", data=sent, headers=headers)
    assert page.status_code == 401 and "Your session ended" in page.text and "<h1" in page.text and "HX-Redirect" not in page.headers
    assert page.headers.get("HX-Retarget") == ("body" if "HX-Request" in headers else None)
    assert "hx-post" not in page.text  # the next page is a whole one
    back = signed_in_again(client, page.text, owner.email)
    assert back.status_code == 200 and "Your form is still here" in back.text and "“Settings”" in back.text
    way = "/settings" if "HX-Request" in headers else "/settings?from=menu"
    assert f'href="{way}">Open the page without it</a>' in back.text and "need typing again" not in back.text
    again = client.form_values(back.text, "/settings")
    assert {k: v for k, v in again.items() if "token" not in k} == {k: v for k, v in sent.items() if "token" not in k}
    assert again["csrf_token"] != sent["csrf_token"] and again["form_token"] != sent["form_token"]
    assert client.post("/settings", data=again).status_code == 303
    assert Merchant.get_by_id(merchant.id).name == "Harbor “&” <Pine>"


def test_a_wrong_password_on_the_way_loses_nothing(client: Any, owner: Any) -> None:
    page = client.post("/settings", data=typed_settings(client), headers=OURS)
    wrong = client.post("/sign-in", data=client.form_values(page.text, "/sign-in") | {"email": owner.email, "password": "wrong"})
    assert wrong.status_code == 422 and carried(wrong.text) == carried(page.text) != {}
    assert "Your form is still here" in signed_in_again(client, wrong.text, owner.email).text


def test_no_secret_and_no_file_is_ever_carried(client: Any, owner: Any, make_source: Callable[..., Source]) -> None:
    source = make_source(supplier="sftp-file")
    names = {key for one in suppliers.listing() for key in one.secret_keys} | {"new_password", "API_Token", "client_secret", "x_passphrase"}
    assert {"password", "private_key", "header_value"} <= names
    sent: dict[str, Any] = dict.fromkeys(names, "hush-hush") | {"host": "ftp.example.com", "csrf_token": "hush-hush"}
    sent["feed"] = (io.BytesIO(b"hush-hush"), "feed.csv")
    Session.delete().execute()
    page = client.post(f"/sources/{source.public_id}/connection", data=sent, headers=OURS, content_type="multipart/form-data")
    assert "hush-hush" not in page.text and carried(page.text)["fields"] == [["host", "ftp.example.com"]]
    back = signed_in_again(client, page.text, owner.email).text
    assert "Passwords and keys need typing again" in back and "The file needs choosing again" in back and "“Connection”" in back


def test_what_a_stranger_writes_into_the_sign_in_form_is_checked_again(client: Any, anonymous: Any, owner: Any, app: Any) -> None:
    with app.test_request_context("/sign-in"):
        held = unsent.unpacked(lasting(fields=[["name", "Harbor"], ["password", "x"], ["csrf_token", "x"]]))
        assert held is not None and held.fields == [("name", "Harbor")] and held.secrets
        for path in (
            "https://evil.example/", "//evil.example/settings", "/\\evil.example", "/nowhere", "/runs", "/sign-out", "/sign-in",
            "/sources/x/deletion", "/runs/x/stop", "javascript:alert(1)", "settings", "",
        ):  # fmt: skip
            assert unsent.unpacked(lasting(path)) is None, path
        for text in (
            "",
            "[]",
            "{",
            "3",
            "null",
            '{"path":"/settings"}',
            lasting(fields=[["a"]]),
            lasting(fields=[["a", 1]]),
            "[" * 90_000,
            '{"path":"/settings","fields":[["name","\\ud800"]]}',
        ):
            assert unsent.unpacked(text) is None, text[:40]
        assert unsent.unpacked(lasting(fields=[["name", "x" * 100_001]])) is None
    page = anonymous.get("/sign-in").text
    sent = anonymous.form_values(page, "/sign-in") | {"email": owner.email, "password": PASSWORD}
    assert anonymous.post("/sign-in", data=sent | {"unsent": lasting("//evil.example/settings")}).headers["Location"] == "/"


def test_a_link_or_another_site_cannot_fill_in_a_form(client: Any, anonymous: Any) -> None:
    assert carried(anonymous.get("/sign-in", query_string={"unsent": lasting()}).text) == {}
    sent = typed_settings(client)
    for headers in ({}, {"Origin": "https://evil.example"}, {"Origin": "null"}, OURS | {"Sec-Fetch-Site": "cross-site"}):
        answer = client.post("/settings", data=sent, headers=headers)
        assert answer.status_code == 303 and "Harbor" not in answer.text, headers


def test_somebody_of_another_workspace_gets_the_usual_404(client: Any, other_owner: Any, make_source: Callable[..., Source]) -> None:
    path = f"/sources/{make_source(supplier='sftp-file').public_id}/connection"
    Session.delete().execute()
    page = client.post(path, data={"host": "ftp.example.com"}, headers=OURS)
    back = signed_in_again(client, page.text, other_owner.email)
    assert "Northwind" not in back.text
    assert client.post(path, data=client.form_values(back.text, path)).status_code == 404


def test_nothing_typed_and_decisions_only_lead_back_to_their_page(client: Any) -> None:
    Session.delete().execute()
    for path, sent in (
        ("/settings", {"csrf_token": "x", "version": "1"}),
        ("/runs/abc/stop", {"why": "late"}),
        ("/sources/a/deletion", {"name": "b"}),
    ):
        assert client.post(path, data=sent, headers=OURS).status_code == 303


def test_the_names_and_decisions_are_pages_that_exist(app: Any) -> None:
    posts = {rule.endpoint for rule in app.url_map.iter_rules() if "POST" in (rule.methods or ())}
    assert set(unsent.NAMES) <= posts and posts >= unsent.DECISIONS and not set(unsent.NAMES) & unsent.DECISIONS
