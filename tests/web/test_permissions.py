"""What each role may do: the table, held to every view by real requests; and no page offers what its reader may not do."""

from __future__ import annotations

from html.parser import HTMLParser
from importlib import import_module
from typing import Any

import pytest

from portal import accounts, roles
from portal.models import AuditLine, User, database
from portal.web import permissions
from portal.web.permissions import FINDERS, SAFE_METHODS, right_of
from portal.web.rights import RIGHT_OF
from tests.conftest import PASSWORD
from tests.web.test_tenants import ENTRIES
from tests.web.walk import IDS, NOTHING, address, belongings, everything, methods, rules

UNCHANGED_BY_READERS = {
    "account.end_others", "account.end_session", "account.save_email", "account.save_password", "account.save_profile",
    "alert_settings.save_mine", "auth.prove", "auth.sign_out",
    "passkeys.make", "passkeys.options", "passkeys.remove", "two_step.new_codes", "two_step.turn_off", "two_step.turn_on",
}  # fmt: skip
REFUSED = "Your role does not include this"


def guarded(app: Any) -> list[tuple[Any, str]]:
    """Every (rule, method) that a signed-in person can ask for."""
    closed = [rule for rule in rules(app) if not getattr(app.view_functions[rule.endpoint], "is_public", False)]
    return [(rule, method) for rule in closed for method in methods(rule)]


@pytest.fixture
def people(merchant: Any) -> dict[str, User]:
    return {role: accounts.create_user(merchant, f"{role}@harbor.example", PASSWORD, role=role) for role in roles.ROLES}


def test_every_view_has_a_right_and_every_line_a_view(app: Any) -> None:
    found = {rule.endpoint for rule, _ in guarded(app)}
    for endpoint in sorted(found):
        right_of(endpoint)  # says which line is missing
    assert set(RIGHT_OF) == found, "take the line of a view that is gone out of portal/web/rights.py"
    for line in RIGHT_OF.values():
        assert set([line] if isinstance(line, str) else line) <= set(roles.RIGHTS)


def test_a_view_without_a_right_opens_for_nobody_and_says_which_line_is_missing(own_app: Any, owner: Any) -> None:
    own_app.add_url_rule("/forgotten", "parts.forgotten", lambda: "open")
    with pytest.raises(permissions.NoRight, match='"parts.forgotten": "see"'):
        test_every_view_has_a_right_and_every_line_a_view(own_app)
    client = own_app.test_client().sign_in(owner.email, PASSWORD)
    with pytest.raises(permissions.NoRight):
        client.get("/forgotten")
    own_app.testing = False
    answer = client.get("/forgotten")
    assert answer.status_code == 500 and "open" not in answer.text


def test_what_may_be_refused_can_be_looked_up_first(app: Any) -> None:
    for rule, method in guarded(app):
        if not all(roles.may(role, right_of(rule.endpoint, method)) for role in roles.ROLES):
            missing = {name for name in rule.arguments if name.endswith("_id")} - set(FINDERS)
            assert not missing, f"add {missing} to FINDERS in portal/web/permissions.py"
    assert set(IDS) <= set(FINDERS)


@pytest.mark.one_database
def test_every_role_gets_every_view_that_the_table_gives_it_and_no_other(own_app: Any, merchant: Any, people: dict[str, User]) -> None:
    own = belongings(merchant)
    places = [(rule, method, address(own_app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {})))) for rule, method in guarded(own_app)]
    clients = {role: own_app.test_client().sign_in(user.email, PASSWORD) for role, user in people.items()}
    tokens = {role: client.form_values(client.get("/help").text, "/sign-out")["csrf_token"] for role, client in clients.items()}
    for rule, _ in guarded(own_app):
        own_app.view_functions[rule.endpoint] = lambda **_: ("", 204)
    for role, client in clients.items():
        for rule, method, path in places:
            answer = client.open(path, method=method, data=None if method == "GET" else {"csrf_token": tokens[role]})
            expected = 204 if roles.may(role, right_of(rule.endpoint, method)) else 403
            assert answer.status_code == expected, f"{role}: {method} {rule.rule} answered {answer.status_code}"
            assert expected == 204 or (REFUSED in answer.text and "/team/roles" in answer.text)


def test_the_table_says_what_was_promised(app: Any) -> None:
    """The matrix above takes its answers from the table; what the table must hold stands here once more."""
    acts = [(rule, method) for rule, method in guarded(app) if method not in SAFE_METHODS]
    assert {rule.endpoint for rule, method in acts if roles.may("reader", right_of(rule.endpoint, method))} == UNCHANGED_BY_READERS
    for rule, method in guarded(app):
        right = right_of(rule.endpoint, method)
        assert roles.may("owner", right), "an owner may do everything"
        if any(word in rule.rule for word in ("/removal", "/deletion", "/restoration")):
            wanted = {"closing": "see" if method == "GET" else "owners", "passkeys": "self"}.get(rule.endpoint.partition(".")[0], "delete")
            assert right == wanted, rule.rule  # owners delete a workspace, before the eyes of all; a passkey is one's own
        if any(word in rule.rule for word in ("/secret", "/host-key", "/api-tokens", "/sign-in", "/approval", "/wsdl")):
            assert right == "credentials", rule.rule
    for right, holders in {
        "operate": ["owner", "admin", "operator"], "credentials": ["owner", "admin"], "delete": ["owner", "admin"],
        "see": ["owner", "admin", "operator", "reader"], "people": ["owner", "admin"], "owners": ["owner"],
    }.items():  # fmt: skip
        assert roles.holders(right) == holders
    for endpoint, right in {
        "connections.save": "credentials", "sending_ways.save": "credentials", "sources.run_sync": "operate", "runs.accept": "operate",
        "order_new.create": "operate", "products.add": "operate", "mappings.save_inventory": "configure", "setup.activate": "configure",
        "auto_process.of_source": "configure", "settings.save": "configure", "reverts.start": "operate", "requests.process_one": "operate",
    }.items():  # fmt: skip
        assert right_of(endpoint, "POST") == right


def test_not_ones_own_is_missing_for_every_role_and_refusals_are_only_of_ones_own(app: Any, other_merchant: Any, people: Any) -> None:
    theirs, client = belongings(other_merchant), app.test_client().sign_in(people["reader"].email, PASSWORD)
    token = client.form_values(client.get("/help").text, "/sign-out")["csrf_token"]
    before = everything()
    for rule in rules(app, with_ids=True):
        for method in methods(rule):
            fields = None if method == "GET" else {"csrf_token": token}
            ways = [address(app, rule, whose.values(rule, ENTRIES.get(rule.endpoint, {}))) for whose in (theirs, NOTHING)]
            answers = [client.open(path, method=method, data=fields) for path in ways]
            assert [one.status_code for one in answers] == [404, 404], f"{method} {rule.rule}"
            assert answers[0].data == answers[1].data
    assert everything() == before, "nothing is noted of a thing that is not there"


def test_a_refusal_says_who_may_and_is_noted_once(app: Any, merchant: Any, people: Any, make_source: Any) -> None:
    source, client = make_source(), app.test_client().sign_in(people["operator"].email, PASSWORD)
    page = client.get(f"/sources/{source.public_id}/deletion")
    assert page.status_code == 403 and REFUSED in page.text and "not part of your role here, Operator" in page.text
    assert "Ask an owner or an admin, such as owner@harbor.example. Nothing was changed." in page.text
    part = client.get(f"/sources/{source.public_id}/deletion", headers={"HX-Request": "true"})
    assert part.status_code == 403 and part.headers["HX-Retarget"] == "#page-notice" and "Ask an owner" in part.text
    lines = list(AuditLine.select().where(AuditLine.action == "access.refused"))
    assert [(line.who, line.after["page"]) for line in lines] == [("operator@harbor.example", "danger.deletion")]


def test_the_table_of_roles_is_a_page_made_from_the_same_table(app: Any, people: Any) -> None:
    for user in people.values():
        text = app.test_client().sign_in(user.email, PASSWORD).get("/team/roles").text
        for right, words in roles.RIGHTS.items():
            row = text.split(f'id="right-{right}"')[1].split("</tr>")[0]
            assert words in row and row.count("Yes") == len(roles.holders(right)) and row.count("No") == 4 - row.count("Yes")


def test_a_role_counts_from_the_next_request(app: Any, people: Any) -> None:
    client = app.test_client().sign_in(people["operator"].email, PASSWORD)
    assert client.get("/orders/new").status_code == 200
    User.update(role="reader").where(User.id == people["operator"].id).execute()
    assert client.get("/orders/new").status_code == 403
    User.update(role="no such role").where(User.id == people["operator"].id).execute()
    assert client.get("/sources").status_code == 403


def test_members_of_before_are_admins_now(owner: User, operator: User) -> None:
    User.update(role="member").where(User.id == operator.id).execute()
    import_module("portal.migrations.0040_people").up(None, database)
    assert (User.get_by_id(operator.id).role, User.get_by_id(owner.id).role) == ("admin", "owner")


class Offers(HTMLParser):
    """Every (method, address) that a page offers: links, forms and htmx."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: set[tuple[str, str]] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        got = dict(attrs)
        if tag == "form":
            self.found.add(((got.get("method") or "get").upper(), got.get("action") or ""))
        for name, method in (("href", "GET"), ("hx-get", "GET"), ("hx-post", "POST")):
            if got.get(name) and tag != "link":
                self.found.add((method, str(got[name])))


@pytest.mark.one_database
def test_no_page_offers_what_its_reader_may_not_do(app: Any, merchant: Any, people: Any) -> None:
    own, adapter = belongings(merchant), app.url_map.bind("localhost")
    wrong: set[tuple[str, str, str]] = set()
    for role in ("operator", "reader"):
        client = app.test_client().sign_in(people[role].email, PASSWORD)
        for rule, method in guarded(app):
            if method != "GET" or not roles.may(role, right_of(rule.endpoint)):
                continue
            answer = client.get(address(app, rule, own.values(rule, ENTRIES.get(rule.endpoint, {}))))
            if answer.status_code != 200 or answer.mimetype != "text/html":
                continue
            for how, there in Offers(answer.text).found:
                if there.startswith("/") and not there.startswith("/assets/"):
                    endpoint, _ = adapter.match(there.split("?")[0].split("#")[0], how)
                    if endpoint != "auth.sign_in" and not roles.may(role, right_of(endpoint, how)):
                        wrong.add((role, rule.endpoint, f"{how} {endpoint}"))
    assert not wrong, "\n".join(map(str, sorted(wrong)))
