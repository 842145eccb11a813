"""A13: attacks on signing in at a supplier, each as one line of a table: refused, nothing saved, nothing asked where nothing may be.

`pytest -s tests/test_oauth_attacks.py` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from html import unescape
from re import search
from typing import Any
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit, urlunsplit

import pytest

from portal import clock, connections, oauth, vault
from portal.connectors import oauth as connector_oauth
from portal.errors import Invalid
from portal.models import Connection, OauthGrant, OauthRequest, SealedSecret, Session, Source
from portal.web import signing_in
from tests.conftest import PASSWORD
from tests.connecting import fresh, save
from tests.connectors.oauth_server import CLIENT, SECRET, Oauth, oauth_server
from tests.test_oauth import allow

pytest_plugins = ("tests.connected",)
pytestmark = pytest.mark.one_database
ISSUER = "https://accounts.kestrel.example"


@dataclass
class Scene:
    """A signed-in owner, a source that is about to sign in, its server, and another server that must hear nothing."""

    client: Any
    other_client: Any
    anonymous: Any
    source: Source
    server: Oauth
    elsewhere: Oauth
    monkeypatch: pytest.MonkeyPatch
    extra: dict[str, str] = field(default_factory=dict)

    def address(self) -> str:
        """Where the page before leaving leads."""
        page = self.client.get(f"/sources/{self.source.public_id}/sign-in").text
        found = search(r'id="leave-go" href="([^"]+)"', page)
        assert found, page
        return unescape(found[1])

    def answer(self) -> dict[str, str]:
        """What the supplier sends back once the person allowed it."""
        return allow(self.address())

    def back(self, query: Any, client: Any = None) -> int:
        """The browser comes back; the status of the answer."""
        text = query if isinstance(query, str) else urlencode(query)
        return int((client or self.client).get(f"/oauth/return?{text}").status_code)

    def settings(self, **changed: Any) -> None:
        Connection.update(settings={**connections.find(self.source).settings, **changed}).where(Connection.source == self.source).execute()


@pytest.fixture
def scene(client: Any, other_client: Any, anonymous: Any, chosen: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with oauth_server() as server, oauth_server() as elsewhere:
        source = chosen("rest-api")
        save(source, {
            "base": server.base, "auth": "code", "authorize_url": f"{server.base}/authorize", "token_url": f"{server.base}/token",
            "client_id": CLIENT, "scope": "read_stock", "path": "/items", "items": "data", "form": "json", "paging": "none",
            "plain_ok": "1",
        }, client_secret=SECRET)  # fmt: skip
        yield Scene(client, other_client, anonymous, fresh(source), server, elsewhere, monkeypatch)


# one function an attack: what the browser is answered


def changed(**put: Any) -> Callable[[Scene], int]:
    """The return with some of its values put, or taken away by None."""
    return lambda scene: scene.back({name: text for name, text in {**scene.answer(), **put}.items() if text is not None})


def of_state(change: Callable[[str], str]) -> Callable[[Scene], int]:
    def attack(scene: Scene) -> int:
        answer = scene.answer()
        return scene.back({**answer, "state": change(answer["state"])})

    return attack


def used_twice(scene: Scene) -> int:
    answer = scene.answer()
    assert scene.back(answer) == 303
    OauthGrant.delete().execute()
    scene.server.asked.clear()
    return scene.back(answer)


def too_late(scene: Scene) -> int:
    answer, later = scene.answer(), clock.now() + oauth.STATE_LASTS + timedelta(seconds=1)
    with scene.monkeypatch.context() as patch:
        patch.setattr(clock, "now", lambda: later)
        return scene.back(answer)


def in_another_session(scene: Scene) -> int:
    answer = scene.answer()
    again = scene.client.application.test_client().sign_in("owner@harbor.example", PASSWORD)
    return scene.back(answer, again)


def twice_in_the_query(name: str) -> Callable[[Scene], int]:
    def attack(scene: Scene) -> int:
        answer = scene.answer()
        return scene.back(f"{urlencode(answer)}&{name}={answer[name]}")

    return attack


def of_a_deleted_source(scene: Scene) -> int:
    answer = scene.answer()
    Source.update(state="deleted").execute()
    try:
        return scene.back(answer)
    finally:
        Source.update(state="draft").execute()


def after_the_client_was_changed(scene: Scene) -> int:
    answer = scene.answer()
    kept = connections.find(scene.source).settings
    save(scene.source, {**kept, "client_id": "another"}, client_secret=SECRET)
    try:
        return scene.back(answer)
    finally:
        save(scene.source, kept, client_secret=SECRET)


def code_of_another_journey(scene: Scene) -> int:
    """Code injection: a code that was made for another state, whose verifier is another one."""
    first, second = scene.answer(), scene.answer()
    return scene.back({**second, "code": first["code"]})


def by_post(scene: Scene) -> int:
    return int(scene.client.post("/oauth/return", data=scene.answer()).status_code)


def with_another_address(**put: str | None) -> Callable[[Scene], int]:
    """The way there is altered in the address bar: what the supplier then remembers is not what we say."""

    def attack(scene: Scene) -> int:
        parts = urlsplit(scene.address())
        query = {name: text for name, text in {**dict(parse_qsl(parts.query)), **put}.items() if text is not None}
        return scene.back(allow(urlunsplit(parts._replace(query=urlencode(query)))))

    return attack


def issuer(told: str | None) -> Callable[[Scene], int]:
    def attack(scene: Scene) -> int:
        scene.settings(issuer=ISSUER)
        try:
            return changed(iss=told)(scene)
        finally:
            scene.settings(issuer="")

    return attack


def told_by_the_token_server(*answer: Any) -> Callable[[Scene], int]:
    """The token address answers (status, body, headers) instead of what it should."""

    def attack(scene: Scene) -> int:
        scene.server.says = answer
        try:
            return scene.back(scene.answer())
        finally:
            scene.server.says = ()

    return attack


def sent_elsewhere(scene: Scene) -> int:
    return told_by_the_token_server(307, {}, {"Location": f"{scene.elsewhere.base}/token"})(scene)


def token(**put: Any) -> Callable[[Scene], int]:
    """An answer of success whose token cannot be used."""
    whole = {"access_token": "a", "token_type": "Bearer", "expires_in": 60, **put}
    return told_by_the_token_server(200, {name: value for name, value in whole.items() if value is not None})


@dataclass(frozen=True)
class Attack:
    """What is tried, the statuses that refuse it, and how often the token server may be asked."""

    act: Callable[[Scene], int]
    asked: int = 0
    refused: tuple[int, ...] = (422,)


RETURNS: dict[str, Attack] = {
    "no state": Attack(changed(state=None)),
    "an empty state": Attack(changed(state="")),
    "a state that nobody made": Attack(changed(state="x" * 43)),
    "a state cut short": Attack(of_state(lambda text: text[:-1])),
    "a state in capitals": Attack(of_state(str.upper)),
    "a state and a blank": Attack(of_state(lambda text: text + " ")),
    "a state and a zero byte": Attack(of_state(lambda text: text + "\x00")),
    "a state of 50,000 characters": Attack(of_state(lambda text: text * 1_200)),
    "a state that was used": Attack(used_twice),
    "a state after ten minutes": Attack(too_late),
    "another session of the same person": Attack(in_another_session),
    "another merchant": Attack(lambda scene: scene.back(scene.answer(), scene.other_client)),
    "nobody signed in": Attack(lambda scene: scene.back(scene.answer(), scene.anonymous), refused=(302, 303)),
    "by POST": Attack(by_post, refused=(405, 403)),
    "the state twice": Attack(twice_in_the_query("state")),
    "the code twice": Attack(twice_in_the_query("code")),
    "a source that was deleted": Attack(of_a_deleted_source),
    "a client that was changed meanwhile": Attack(after_the_client_was_changed),
    "no code": Attack(changed(code=None)),
    "an empty code": Attack(changed(code="")),
    "declined, with a code": Attack(changed(error="access_denied")),
    "a guessed code": Attack(changed(code="guessed"), asked=1),
    "a code of another journey": Attack(code_of_another_journey, asked=1),
    "a code and a line break": Attack(changed(code="x\r\nHost: evil.example"), asked=1),
    "another challenge": Attack(with_another_address(code_challenge="A" * 43), asked=1),
    "another return address": Attack(with_another_address(redirect_uri="http://localhost/oauth/return/"), asked=1),
    "another server's name": Attack(issuer("https://evil.example")),
    "no server's name": Attack(issuer(None)),
    "a server's name and a slash": Attack(issuer(ISSUER + "/")),
    "a server's name in capitals": Attack(issuer(ISSUER.upper())),
    "sent elsewhere for the token": Attack(sent_elsewhere, asked=1),
    "a web page for a token": Attack(told_by_the_token_server(200, "<html>"), asked=1),
    "a list for a token": Attack(told_by_the_token_server(200, [1]), asked=1),
    "a fault for a token": Attack(told_by_the_token_server(500, {"error": "x"}), asked=1),
    "an error of success": Attack(told_by_the_token_server(200, {"error": "invalid_grant"}), asked=1),
    "no token": Attack(token(access_token=None), asked=1),
    "a token that is no text": Attack(token(access_token={"a": 1}), asked=1),
    "a token with a line break": Attack(token(access_token="a\r\nX-Evil: 1"), asked=1),
    "a token of another kind": Attack(token(token_type="mac"), asked=1),
    "a token of 9,000 characters": Attack(token(access_token="a" * 9_000), asked=1),
}  # fmt: skip


def performed(scene: Scene, attack: Attack) -> str:
    """What is wrong after the attack, "" when it was refused as it must be."""
    scene.server.asked.clear()
    OauthGrant.delete().execute()
    status = attack.act(scene)
    found = [] if status in attack.refused else [f"answered {status}"]
    found += [f"asked {len(scene.server.asked)} times"] if len(scene.server.asked) != attack.asked else []
    found += ["saved a grant"] if OauthGrant.select().exists() else []
    found += ["asked elsewhere"] if scene.elsewhere.asked else []
    return ", ".join(found)


def test_every_return_that_is_not_ours_is_refused_and_saves_nothing(scene: Scene) -> None:
    table = {name: performed(scene, attack) for name, attack in RETURNS.items()}
    print()
    for name, wrong in table.items():
        print(f"{name:<40} {wrong or 'refused'}")
    assert len(table) >= 40 and not {name: wrong for name, wrong in table.items() if wrong}
    assert scene.back(scene.answer()) == 303 and OauthGrant.select().count() == 1, "the right way still works"


@pytest.mark.parametrize(
    ("guard", "names"),
    [
        ("once", ["a state that was used"]),
        ("session", ["another session of the same person"]),
        ("late", ["a state after ten minutes"]),
        ("issuer", ["another server's name", "no server's name"]),
        ("twice", ["the code twice"]),
        ("usable", ["a token with a line break"]),
    ],
)
def test_each_guard_is_seen_when_it_is_gone(scene: Scene, guard: str, names: list[str]) -> None:
    """Sabotage: without a guard its attacks are no longer refused."""
    scene.monkeypatch.setattr(*SABOTAGE[guard], raising=False)
    assert all(performed(scene, RETURNS[name]) for name in names)


def test_without_the_merchants_own_look_up_the_vault_still_refuses(scene: Scene) -> None:
    scene.monkeypatch.setattr(oauth, "_taken", _loose("session", "merchant"))
    with pytest.raises(vault.VaultError, match="belongs to another place"):
        performed(scene, RETURNS["another merchant"])
    assert not OauthGrant.select().exists() and scene.server.asked == []


# addresses that are typed, and where the portal itself leads to

HOSTS = {
    "a user before the host": ("https://api.kestrel.example@evil.example/token", "Take the user"),
    "a user and a password": ("https://a:b@evil.example/token", "Take the user"),
    "a backslash": ("https://api.kestrel.example\\@evil.example/token", "no spaces"),
    "a blank": ("https://api.kestrel.example /token", "no spaces"),
    "no scheme": ("//evil.example/token", "Begin with https://"),
    "a script": ("javascript:alert(1)", "Begin with https://"),
    "a script with slashes": ("javascript://evil.example/%0aalert(1)", "Only http and https"),
    "data": ("data:text/html,x", "Begin with https://"),
    "a file": ("file:///etc/passwd", "Only http and https"),
    "open http": ("http://api.kestrel.example/token", "https link"),
    "a query": ("https://api.kestrel.example/token?next=//evil.example", "question mark"),
    "a fragment": ("https://api.kestrel.example/token#x", "question mark"),
    "port 0": ("https://api.kestrel.example:0/token", "no server name"),
    "no port": ("https://api.kestrel.example:port/token", "no server name"),
    "a line break": ("https://api.kestrel.example/\r\nHost: evil.example", "ordinary characters"),
    "an empty label": ("https://api..example/token", "no server name"),
    "a comma": ("https://api.example,evil.example/token", "no server name"),
}  # fmt: skip


@pytest.mark.parametrize("field", ["authorize_url", "token_url", "base"])
def test_no_odd_address_is_saved(scene: Scene, field: str) -> None:
    before = connections.find(scene.source).settings
    for name, (typed, words) in HOSTS.items():
        fine = {"base": "https://api.kestrel.example", "authorize_url": "https://api.kestrel.example/a"}
        fine |= {"token_url": "https://api.kestrel.example/t", "plain_ok": ""}
        with pytest.raises(Invalid) as refused:
            save(scene.source, {**before, **fine, field: typed}, client_secret=SECRET)
        assert words in refused.value.errors[field], (name, refused.value.errors)
    assert connections.find(scene.source).settings == before and SealedSecret.select().count() == 1


NEXT = [
    "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "http:evil.example",
    "javascript:alert(1)", "/%09/evil.example", "/\t/evil.example", "/\n//evil.example", " //evil.example", "evil.example",
    "http://localhost@evil.example", "/..//evil.example", "//localhost.evil.example/sources", "%2f%2fevil.example",
]  # fmt: skip


def test_signing_in_here_leads_nowhere_else(scene: Scene) -> None:
    for wanted in NEXT:
        browser = scene.client.application.test_client()
        answer = browser.send_form(f"/sign-in?{urlencode({'next': wanted})}", {"email": "owner@harbor.example", "password": PASSWORD})
        there = urljoin("http://localhost/sign-in", answer.headers["Location"].replace("\\", "/"))
        assert answer.status_code == 303 and urlsplit(there).netloc == "localhost", (wanted, answer.headers["Location"])


def _loose(*also: str) -> Callable[..., OauthRequest]:
    """`oauth._taken` without some of its conditions."""

    def taken(merchant: Any, session: Session, state: str) -> OauthRequest:
        mine = OauthRequest.state_hash == oauth._hash(state)
        kept = {
            "session": OauthRequest.session_hash == session.token_hash, "once": OauthRequest.used_at.is_null(),
            "late": OauthRequest.ends_at > clock.now(),
        }  # fmt: skip
        for name, condition in kept.items():
            mine = mine & condition if name not in also else mine
        found = OauthRequest.get_or_none(mine)
        if found is None or ("merchant" not in also and Source.get_by_id(found.source_id).merchant_id != merchant.id):
            raise oauth.Refused("no")
        OauthRequest.update(used_at=clock.now()).where(OauthRequest.id == found.id).execute()
        return found

    return taken


SABOTAGE: dict[str, tuple[Any, str, Any]] = {
    "once": (oauth, "_taken", _loose("once")),
    "session": (oauth, "_taken", _loose("session")),
    "late": (oauth, "_taken", _loose("late")),
    "issuer": (connector_oauth, "judge", lambda *_: None),
    "twice": (signing_in, "any", lambda _: False),
    "usable": (connector_oauth, "_usable", lambda _: True),
}
