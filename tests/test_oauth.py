"""Signing in at a supplier by OAuth2: once, by this session, for this source; tokens are renewed once and never told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from urllib.request import HTTPErrorProcessor, build_opener

import pytest

from portal import accounts, clock, connections, oauth
from portal.errors import Invalid, Refused, SupplierError
from portal.models import AuditLine, Exchange, OauthGrant, OauthRequest, Session, Source
from tests.connecting import check, fresh, save, states
from tests.connectors.oauth_server import CLIENT, SECRET, Oauth, oauth_server
from tests.together import eight_at_once

pytest_plugins = ("tests.connected",)
BACK = "http://localhost/oauth/return"
WHO = "ana@harbor.example"


@pytest.fixture
def server() -> Iterator[Oauth]:
    with oauth_server() as made:
        yield made


@pytest.fixture
def source(chosen: Any, server: Oauth) -> Source:
    made: Source = chosen("rest-api")
    values = {
        "base": server.base, "auth": "code", "authorize_url": f"{server.base}/authorize", "token_url": f"{server.base}/token",
        "client_id": CLIENT, "scope": "read_stock write_orders", "path": "/items", "items": "data", "form": "json", "paging": "none",
        "plain_ok": "1",
    }  # fmt: skip
    save(made, values, client_secret=SECRET)
    return fresh(made)


@pytest.fixture
def session(owner: Any) -> Session:
    found = accounts.session_for(accounts.open_session(owner))
    assert found is not None
    return found


class Stay(HTTPErrorProcessor):
    def http_response(self, request: Any, response: Any) -> Any:
        return response


def allow(address: str) -> dict[str, str]:
    """A person follows the link and allows it; the query that comes back."""
    answer = build_opener(Stay).open(address, timeout=10)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def signed_in(source: Source, session: Session) -> oauth.Granted:
    return oauth.finish(source.merchant, session, allow(oauth.begin(source, session, BACK).address), WHO)


def test_the_whole_way_and_what_was_not_granted(source: Source, session: Session, server: Oauth, run_work: Callable[[], None]) -> None:
    first = check(source, run_work)
    assert first.problem["act_at"] == "sign_in" and states(source)["sign_in"] == "failed"
    journey = oauth.begin(source, session, BACK)
    assert journey.host == "127.0.0.1" and journey.asked == ("read_stock", "write_orders")
    found = oauth.finish(source.merchant, session, allow(journey.address), WHO)
    assert (found.granted, found.refused) == (("read_stock",), ("write_orders",))
    assert check(source, run_work).state == "finished" and set(states(source).values()) == {"passed"}
    grant = oauth.grant_of(source)
    assert grant is not None and grant.granted_by == WHO
    told = repr([row for model in (Exchange, OauthGrant, OauthRequest, AuditLine) for row in model.select().dicts()])
    assert SECRET not in told and "access-" not in told and "refresh-" not in told and journey.address.split("state=")[1][:40] not in told


@pytest.mark.parametrize("harm", ["none", "other", "used", "late", "session", "merchant", "denied", "code"])
def test_a_return_that_is_not_ours_changes_nothing(
    source: Source, session: Session, server: Oauth, harm: str, monkeypatch: pytest.MonkeyPatch, make_source: Any, owner: Any
) -> None:
    server.deny = harm == "denied"
    answer = allow(oauth.begin(source, session, BACK).address)
    merchant = source.merchant
    if harm == "none":
        answer.pop("state")
    if harm == "other":
        answer["state"] = "x" * 43
    if harm == "used":
        oauth.finish(merchant, session, answer, WHO)
        OauthGrant.delete().execute()
    if harm == "late":
        later = clock.now() + oauth.STATE_LASTS + timedelta(seconds=1)
        monkeypatch.setattr(clock, "now", lambda: later)
    if harm == "session":
        other = accounts.session_for(accounts.open_session(owner))
        assert other is not None
        session = other
    if harm == "merchant":
        merchant = accounts.create_merchant("Another")
    if harm == "code":
        answer["code"] = "guessed"
    with pytest.raises((Refused, SupplierError)):
        oauth.finish(merchant, session, answer, WHO)
    assert oauth.grant_of(source) is None
    assert len(server.asked) == (harm in ("used", "code"))


def test_another_issuer_is_refused_before_the_code_is_sent(source: Source, session: Session, server: Oauth) -> None:
    values = connections.find(source).settings | {"issuer": "https://accounts.kestrel.example"}
    save(source, values, client_secret=SECRET)
    for named in ({"iss": "https://evil.example"}, {}):
        answer = allow(oauth.begin(fresh(source), session, BACK).address) | named
        with pytest.raises(Refused, match="Another server"):
            oauth.finish(source.merchant, session, answer, WHO)
    assert server.asked == []


def test_tokens_are_renewed_early_and_the_new_pair_is_stored_before_it_is_used(source: Source, session: Session, server: Oauth) -> None:
    signed_in(source, session)
    store = oauth.TokenStore(fresh(source))
    first = store.access().reveal()
    assert first in server.good and len(server.asked) == 1
    OauthGrant.update(expires_at=clock.now() + timedelta(minutes=4)).execute()
    second = store.access().reveal()
    assert second != first and second in server.good and OauthGrant.get().version == 2
    assert store.access().reveal() == second and len(server.asked) == 2


def test_a_token_that_is_refused_in_the_middle_is_renewed_once(
    source: Source, session: Session, server: Oauth, run_work: Callable[[], None]
) -> None:
    signed_in(source, session)
    server.good = set()  # revoked over there, though not ended by its time
    assert check(source, run_work).state == "finished"
    assert [one["grant_type"] for one in server.asked] == ["authorization_code", "refresh_token"]


def test_a_dead_refresh_token_asks_a_person_and_is_not_tried_again(source: Source, session: Session, server: Oauth) -> None:
    signed_in(source, session)
    server.refreshes = set()
    OauthGrant.update(expires_at=clock.now()).execute()
    for _ in range(2):
        with pytest.raises(SupplierError) as refused:
            oauth.TokenStore(source).access()
        assert (refused.value.problem.code, refused.value.problem.act_at) == ("sign_in_ended", "sign_in") and refused.value.permanent
    assert len(server.asked) == 2 and OauthGrant.get().ended_at is not None
    signed_in(source, session)
    assert oauth.TokenStore(source).access().reveal() in server.good


def test_a_sign_in_and_a_saved_secret_never_go_to_another_server(source: Source, session: Session, server: Oauth) -> None:
    signed_in(source, session)
    settings = connections.find(source).settings
    pending = allow(oauth.begin(source, session, BACK).address)
    for field in ("base", "token_url"):
        with pytest.raises(Invalid) as refused:
            save(source, {**settings, field: "http://localhost:1/elsewhere"})
        assert "another server" in refused.value.errors["client_secret"] and oauth.grant_of(source) is not None
    save(source, {**settings, "token_url": "http://localhost:1/elsewhere"}, client_secret="another-secret")
    assert oauth.grant_of(source) is None
    with pytest.raises(Refused):
        oauth.finish(source.merchant, session, pending, WHO)


def test_a_server_that_is_away_ends_nothing(source: Source, session: Session, server: Oauth) -> None:
    signed_in(source, session)
    OauthGrant.update(expires_at=clock.now()).execute()
    settings = connections.find(source).settings
    save(source, {**settings, "token_url": "http://127.0.0.1:1/token"}, client_secret=SECRET)
    with pytest.raises(SupplierError) as refused:
        oauth.TokenStore(fresh(source)).access()
    assert not refused.value.permanent
    grant = OauthGrant.get()
    assert grant.ended_at is None and grant.refreshing_until is None


def test_eight_at_once_renew_once(source: Source, session: Session, server: Oauth) -> None:
    signed_in(source, session)
    OauthGrant.update(expires_at=clock.now()).execute()
    server.delay = threading.Event()
    held = threading.Timer(0.5, server.delay.set)
    found = eight_at_once(lambda: oauth.TokenStore(source).access().reveal(), held.start)
    assert set(found) == server.good and len(found) == 8
    assert [one["grant_type"] for one in server.asked] == ["authorization_code", "refresh_token"]


def test_a_lease_that_a_killed_process_left_ends_by_itself(source: Source, session: Session, server: Oauth) -> None:
    signed_in(source, session)
    OauthGrant.update(expires_at=clock.now(), refreshing_until=clock.now() - timedelta(seconds=1)).execute()
    assert oauth.TokenStore(source).access().reveal() in server.good
