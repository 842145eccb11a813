"""Profile and workspace settings: what is kept, who may, and what a collision looks like."""

from __future__ import annotations

from typing import Any

import pytest

from portal.models import AuditLine, Merchant, Session, User
from tests.conftest import PASSWORD


def test_theme_and_zone_are_kept(client: Any, owner: User) -> None:
    assert client.send_form("/profile", {"theme": "light", "time_zone": "Asia/Tokyo"}).status_code == 303
    kept = User.get_by_id(owner.id)
    assert (kept.theme, kept.time_zone) == ("light", "Asia/Tokyo")


@pytest.mark.parametrize(
    ("fields", "words"), [({"theme": "neon"}, "Choose one of the themes."), ({"time_zone": "Mars/Base"}, "Choose a time zone")]
)
def test_what_is_not_on_the_list_is_refused_at_its_field(client: Any, owner: User, fields: dict[str, str], words: str) -> None:
    answer = client.send_form("/profile", fields)
    assert answer.status_code == 422 and words in answer.text and "Error: Profile" in answer.text
    assert User.get_by_id(owner.id).theme == "system"


def test_a_password_needs_the_current_one_and_must_be_hard_to_guess(client: Any, owner: User) -> None:
    for fields, words in (
        ({"current": "wrong", "new": "lanterns beneath the pier"}, "That is not your current password."),
        ({"current": PASSWORD, "new": "short"}, "Use at least 12 characters"),
        ({"current": PASSWORD, "new": "password12345"}, "too easy to guess"),
    ):
        answer = client.send_form("/profile/password", fields, page="/profile")
        assert answer.status_code == 422 and words in answer.text
        assert fields["new"] not in answer.text and PASSWORD not in answer.text
    assert User.get_by_id(owner.id).password_hash == owner.password_hash


def test_htmx_gets_only_the_form_back(client: Any) -> None:
    sent = client.form_values(client.get("/profile").text, "/profile/password") | {"current": "wrong", "new": "x"}
    answer = client.post("/profile/password", data=sent, headers={"HX-Request": "true"})
    assert answer.status_code == 422 and answer.text.lstrip().startswith('<form class="form" id="password"')


def test_the_new_password_works_and_the_old_one_does_not(app: Any, client: Any, owner: User) -> None:
    client.send_form("/profile/password", {"current": PASSWORD, "new": "lanterns beneath the pier"}, page="/profile")
    again = app.test_client()
    assert again.send_form("/sign-in", {"email": owner.email, "password": PASSWORD}).status_code == 422
    assert again.send_form("/sign-in", {"email": owner.email, "password": "lanterns beneath the pier"}).status_code == 303


def test_another_browser_can_be_signed_out_from_the_list(app: Any, client: Any, owner: User) -> None:
    elsewhere = app.test_client().sign_in(owner.email, PASSWORD)
    page = client.get("/profile")
    assert "2 browsers" in page.text
    assert client.send_form("/profile/sessions", page="/profile").status_code == 303
    assert (client.get("/profile").status_code, elsewhere.get("/profile").status_code) == (200, 302)


def test_nobody_signs_out_someone_else(client: Any, other_client: Any) -> None:
    theirs = Session.select().order_by(Session.id.desc()).get()
    sent = client.form_values(client.get("/profile").text, "/profile")
    answer = client.post("/profile/sessions", data={"csrf_token": sent["csrf_token"], "session": theirs.token_hash[:20]})
    assert answer.status_code == 404 and other_client.get("/profile").status_code == 200


def test_the_workspace_is_saved_with_a_line_in_the_audit_log(client: Any, merchant: Merchant, owner: User) -> None:
    fields = {"name": "  Harbor  &  Pine Ltd ", "time_zone": "Europe/Berlin", "auto_process": "y"}
    assert client.send_form("/settings", fields).status_code == 303
    kept = Merchant.get_by_id(merchant.id)
    assert (kept.name, kept.time_zone, kept.auto_process, kept.version) == ("Harbor & Pine Ltd", "Europe/Berlin", True, 2)
    line = AuditLine.select().where(AuditLine.action == "workspace.settings").get()
    assert line.who == owner.email and line.before == {"name": "Harbor & Pine", "time_zone": "UTC", "auto_process": False}
    assert line.after == {"name": "Harbor & Pine Ltd", "time_zone": "Europe/Berlin", "auto_process": True}


def test_saving_without_a_change_leaves_no_audit_line(client: Any) -> None:
    client.send_form("/settings")
    assert not AuditLine.select().where(AuditLine.action == "workspace.settings").exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": " "}, "Give the workspace a name"),
        ({"name": "x" * 121}, "1 to 120 characters"),
        ({"time_zone": "nope"}, "Choose a time zone"),
    ],
)
def test_workspace_values_that_cannot_be_are_refused_and_kept_on_the_page(client: Any, merchant: Merchant, fields: Any, words: str) -> None:
    answer = client.send_form("/settings", fields | {"auto_process": "y"})
    assert answer.status_code == 422 and words in answer.text and "checked" in answer.text
    assert Merchant.get_by_id(merchant.id).version == 1


def test_two_people_saving_at_once_see_each_other(app: Any, client: Any, merchant: Merchant, owner: User) -> None:
    mine = client.form_values(client.get("/settings").text, "/settings") | {"name": "Mine"}
    client.send_form("/settings", {"name": "Theirs"})
    answer = client.post("/settings", data=mine)
    assert answer.status_code == 409 and "Someone changed this while you edited" in answer.text
    assert f"{owner.email} saved at" in answer.text and "they have <b>Theirs</b>" in answer.text and 'value="Mine"' in answer.text
    assert Merchant.get_by_id(merchant.id).name == "Theirs"
    again = client.form_values(answer.text, "/settings")
    assert client.post("/settings", data=again).status_code == 303
    assert Merchant.get_by_id(merchant.id).name == "Mine"


def test_operators_read_the_settings_and_cannot_change_them(operator_client: Any, merchant: Merchant) -> None:
    page = operator_client.get("/settings")
    assert "An owner or an admin of this workspace can change these." in page.text and 'name="time_zone"' not in page.text
    token = operator_client.form_values(page.text, "/sign-out")["csrf_token"]
    answer = operator_client.post("/settings", data={"csrf_token": token, "name": "Taken", "time_zone": "UTC", "version": "1"})
    assert answer.status_code == 403 and "Ask an owner or an admin" in answer.text
    assert Merchant.get_by_id(merchant.id).name == "Harbor & Pine"


def test_settings_say_what_auto_process_does(client: Any) -> None:
    text = client.get("/settings").text
    assert "Auto Process Fulfillment Requests" in text and "each waits until a person sends it" in text
