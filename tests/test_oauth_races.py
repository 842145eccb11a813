"""Sign-ins that cross: a renewal that ends late, a connection that moves under a run, and servers that answer anything."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from portal import clock, connection_parts, connections, oauth, schedules, source_files
from portal.connectors.oauth import Tokens
from portal.errors import Refused, SupplierError
from portal.models import Integration, OauthGrant, Run, Session, Source, database
from portal.records import Secret
from tests.connecting import WHO, fresh, save
from tests.connectors.oauth_server import Oauth
from tests.test_oauth import BACK, allow, signed_in

pytest_plugins = ("tests.connected",)
from tests.test_oauth import server, session, source  # noqa: E402, F401 - fixtures


def moved(source: Source) -> None:  # noqa: F811
    """The connection leads to another server from now on."""
    save(source, {**connections.find(source).settings, "base": "http://localhost:1"}, client_secret="another-secret")


def ends(act: Callable[[], Any]) -> str:
    with pytest.raises(SupplierError) as refused:
        act()
    return refused.value.problem.code


def test_a_renewal_that_ends_after_the_connection_moved_brings_nothing_back(source: Source, session: Session, server: Oauth) -> None:  # noqa: F811
    signed_in(source, session)
    OauthGrant.update(expires_at=clock.now()).execute()
    server.delay, found = threading.Event(), []

    def renew() -> None:
        with database.connection_context():
            found.append(ends(lambda: oauth.TokenStore(source).access()))

    renewing = threading.Thread(target=renew)
    renewing.start()
    until = clock.now() + timedelta(seconds=20)
    while len(server.asked) < 2 and clock.now() < until:
        threading.Event().wait(0.02)
    moved(source)
    server.delay.set()
    renewing.join(30)
    assert found == ["sign_in_ended"] and oauth.grant_of(source) is None


def test_a_renewal_never_takes_the_place_of_a_newer_sign_in(source: Source, session: Session) -> None:  # noqa: F811
    signed_in(source, session)
    old = oauth.grant_of(source)
    assert old is not None
    signed_in(source, session)
    late = Tokens(Secret("late-access"), Secret("late-refresh"), datetime(2030, 1, 1), "")
    assert oauth._keep(source, late, old) is False
    assert oauth.TokenStore(source).access().reveal() != "late-access"


def test_a_run_that_was_opened_before_the_move_gets_no_token_of_the_new_sign_in(source: Source, session: Session) -> None:  # noqa: F811
    signed_in(source, session)
    store = oauth.TokenStore(source, connection_parts.whole_settings(source))
    access = store.access()
    settings = connections.find(source).settings
    moved(source)
    OauthGrant.create(source=source, sealed="", scope="", expires_at=clock.now() + timedelta(hours=1))
    assert ends(store.access) == ends(lambda: store.renewed(access)) == "sign_in_ended"
    assert settings["base"] != connections.find(source).settings["base"]


def test_a_connection_that_moved_while_a_person_signed_in_keeps_nothing(source: Source, session: Session, server: Oauth) -> None:  # noqa: F811
    answer = allow(oauth.begin(source, session, BACK).address)
    server.delay, found = threading.Event(), []

    def finish() -> None:
        with database.connection_context():
            with pytest.raises(Refused, match="was changed while"):
                oauth.finish(source.merchant, session, answer, WHO)
            found.append(True)

    finishing = threading.Thread(target=finish)
    finishing.start()
    until = clock.now() + timedelta(seconds=20)
    while not server.asked and clock.now() < until:
        threading.Event().wait(0.02)
    moved(source)
    server.delay.set()
    finishing.join(30)
    assert found == [True] and oauth.grant_of(source) is None


def test_what_a_token_server_repeats_of_our_request_is_not_told(source: Source, session: Session, server: Oauth) -> None:  # noqa: F811
    signed_in(source, session)
    refresh = next(iter(server.refreshes))
    OauthGrant.update(expires_at=clock.now()).execute()
    server.says = (400, {"error": "temporarily_unavailable", "error_description": f"refresh_token={refresh} was refused"})
    with pytest.raises(SupplierError) as refused:
        oauth.TokenStore(source).access()
    assert "was refused" in refused.value.problem.server_said and refresh not in repr(refused.value.problem)
    answer = allow(oauth.begin(source, session, BACK).address)
    server.says = (400, {"error": "slow_down", "error_description": f"code={answer['code']} was refused"})
    with pytest.raises(SupplierError) as refused:
        oauth.finish(source.merchant, session, answer, WHO)
    assert "was refused" in refused.value.problem.server_said and answer["code"] not in repr(refused.value.problem)


@pytest.mark.parametrize(
    "told",
    [
        {"error": {"code": "invalid_grant"}}, {"error": ["x"]}, {"error": 5, "error_description": {"a": 1}}, ["x"], "text", 5, None,
        {"access_token": 7}, {"access_token": "t", "token_type": ["Bearer"]}, {"access_token": ""}, {"access_token": "a\nb"},
    ],
)  # fmt: skip
def test_an_odd_answer_of_a_token_server_ends_in_words(source: Source, session: Session, server: Oauth, told: Any) -> None:  # noqa: F811
    answer = allow(oauth.begin(source, session, BACK).address)
    server.says = (400 if isinstance(told, dict) and "error" in told else 200, told)
    with pytest.raises(SupplierError):
        oauth.finish(source.merchant, session, answer, WHO)
    assert oauth.grant_of(source) is None


@pytest.mark.parametrize(
    ("told", "seconds"),
    [(60, 60), ("60", 60), ("3600.0", 3_600), (60.5, 60), (None, 3_600), ("²", 3_600), (-5, 3_600), (10**14, 315_360_000), ("soon", 3_600)],
)
def test_a_token_lasts_as_its_server_says_in_any_spelling(source: Source, session: Session, server: Oauth, told: Any, seconds: int) -> None:  # noqa: F811
    answer = allow(oauth.begin(source, session, BACK).address)
    server.says = (200, {"access_token": "t", "token_type": "bearer", "expires_in": told})
    oauth.finish(source.merchant, session, answer, WHO)
    grant = oauth.grant_of(source)
    assert grant is not None and abs((grant.expires_at - clock.now()).total_seconds() - seconds) < 30


def test_scheduled_runs_wait_for_the_sign_in(source: Source, session: Session) -> None:  # noqa: F811
    signed_in(source, session)
    due = clock.now() - timedelta(minutes=1)
    Source.update(state="live").where(Source.id == source.id).execute()
    mine = (Integration.source == source) & (Integration.kind == "get_inventory_primary")
    Integration.update(enabled=True, schedule={"every_minutes": 60}, next_run_at=due).where(mine).execute()
    OauthGrant.update(ended_at=clock.now()).execute()
    assert schedules.start_due() == 0 and not Run.select().exists()
    assert Integration.get(mine).next_run_at == due
    signed_in(fresh(source), session)
    assert schedules.start_due() == 1 and Integration.get(mine).next_run_at > clock.now()


@pytest.mark.parametrize("slug", ["rest-api", "shopify"])
def test_a_draft_from_a_file_is_asked_to_save_its_connection_before_a_sign_in(client: Any, merchant: Any, slug: str) -> None:
    more = '[connection]\nauth = "code"\n' + ('base = "https://api.kestrel.example"\n' if slug == "rest-api" else "")
    text = f'quayside = 1\nsupplier = "{slug}"\nname = "N"\nkind = "dropship_supplier"\n{more}'
    made = source_files.begin(merchant, text.encode(), "", True, WHO).source
    answer = client.get(f"/sources/{made.public_id}/sign-in")
    assert (
        answer.status_code == 422 and "Save the connection first" in answer.text and f"/sources/{made.public_id}/connection" in answer.text
    )
