"""A Shopify store through the product: its address, signing in with Shopify's own proof, locations to choose, test and sync."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from portal import accounts, clock, connections, file_choice, mappings, oauth, runs, sources, suppliers
from portal.connectors import shopify_oauth
from portal.errors import Invalid, Refused, SupplierError
from portal.models import (
    AuditLine,
    Connection,
    Exchange,
    Integration,
    InventoryItem,
    OauthGrant,
    Run,
    RunMessage,
    Session,
    Source,
)
from portal.records import Secret
from portal.suppliers.native_hosts import RULE
from tasks.work import HANDLERS
from tests.connecting import WHO, check, fresh, save, states
from tests.connectors.shopify_server import CLIENT, LEGACY, READ, SECRET, SHOP, Store, shopify, variant
from tests.test_native_hosts import ATTACKS, HARBOR
from tests.test_oauth import BACK, allow

pytest_plugins = ("tests.connected",)

TOKEN = {"shop": SHOP, "auth": "header", "locations": "all", "drafts": "skip"}
CODE = {"shop": SHOP, "auth": "code", "client_id": CLIENT, "scope": READ, "locations": "all", "drafts": "skip"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store, and a directory whose entry leads to it instead of to Shopify."""
    with shopify() as made:
        known = dict(suppliers._all())
        fixed = {key: text.replace("https://{shop}", made.base) for key, text in known["shopify"].fixed.items()}
        there = {**fixed, "plain_ok": "1", "download_host": "127.0.0.1"}
        known["shopify"] = replace(known["shopify"], fixed=there)
        monkeypatch.setattr(suppliers, "_all", lambda: known)
        yield made


@pytest.fixture
def source(chosen: Any, server: Store) -> Source:
    made: Source = chosen("shopify")
    return made


@pytest.fixture
def session(owner: Any) -> Session:
    found = accounts.session_for(accounts.open_session(owner))
    assert found is not None
    return found


# the address


ATTACKED = {name: typed.replace(HARBOR, SHOP).replace("platform.example", "myshopify.com") for name, typed in ATTACKS.items()}


def test_a_custom_domain_is_refused_before_anything_is_sent(source: Source, server: Store) -> None:
    for name, typed in ATTACKED.items():
        if typed.strip() == SHOP:  # a form takes blanks and line ends off; see the next test for what gets past it
            continue
        with pytest.raises(Invalid) as refused:
            save(source, {**CODE, "shop": typed}, client_secret=SECRET)
        assert refused.value.errors["shop"].startswith((RULE, "Use one line")), name
    assert server.asked == server.token_calls == [] and not connections.secrets_of(source)


@pytest.mark.parametrize(
    "typed", ["harbor-lamps", f"https://{SHOP.upper()}/admin", "https://admin.shopify.com/store/harbor-lamps/products"]
)
def test_the_forms_that_name_the_store_are_turned(source: Source, typed: str) -> None:
    kept = save(source, {**CODE, "shop": typed}, client_secret=SECRET)
    assert kept.connection.settings["shop"] == SHOP and kept.remarks == (f"{typed} was turned into {SHOP}.",)


def test_the_native_address_is_filled_in_on_the_page(client: Any, source: Source, server: Store) -> None:
    here = f"/sources/{source.public_id}/connection"
    answer = client.send_form(here, {**CODE, "shop": f"{SHOP}:8443", "client_secret": SECRET}, page=here)
    assert answer.status_code == 422 and f'value="{SHOP}"' in answer.text and "Avoid custom domains" in answer.text
    assert SECRET not in answer.text and server.token_calls == []


def test_an_address_that_got_in_another_way_gets_no_secret(server: Store) -> None:
    for shop in (f"{SHOP}\n", "evil.com", f"{SHOP}.evil.com", ""):
        with pytest.raises(SupplierError, match="not a host name"):
            shopify_oauth.judge_store({"shop": shop})
        settings = {**server.settings(shop=shop), "client_id": CLIENT, "scope": READ}
        for act in (
            lambda settings=settings: shopify_oauth.authorization(settings, BACK, "state", ""),
            lambda settings=settings: shopify_oauth.exchange(None, settings, Secret(SECRET), "code", "", BACK),  # type: ignore[arg-type]
        ):
            with pytest.raises(SupplierError, match="not a host name"):
                act()
    assert server.token_calls == []


# signing in


def begun(source: Source, session: Session) -> dict[str, str]:
    save(source, CODE, client_secret=SECRET)
    return allow(oauth.begin(fresh(source), session, BACK).address)


def test_signing_in_asks_with_commas_and_without_what_shopify_does_not_know(source: Source, session: Session) -> None:
    save(source, CODE, client_secret=SECRET)
    journey = oauth.begin(fresh(source), session, BACK)
    query = dict(parse_qsl(urlsplit(journey.address).query))
    assert query.keys() == {"client_id", "scope", "redirect_uri", "state"} and query["scope"] == READ
    assert journey.asked == ("read_products", "read_inventory", "read_locations") and SECRET not in journey.address


def test_the_whole_way_with_tokens_that_renew_themselves(
    source: Source, session: Session, server: Store, run_work: Callable[[], None]
) -> None:
    found = oauth.finish(source.merchant, session, begun(source, session), WHO)
    assert found.refused == () and server.token_calls[0]["expiring"] == "1" and "grant_type" not in server.token_calls[0]
    assert check(fresh(source), run_work).state == "finished" and set(states(source).values()) == {"passed"}
    OauthGrant.update(expires_at=clock.now() + timedelta(minutes=1)).execute()
    first, refreshes = OauthGrant.get().version, set(server.refreshes)
    assert oauth.TokenStore(fresh(source)).access().reveal() in server.good
    assert OauthGrant.get().version == first + 1 and server.token_calls[-1]["refresh_token"] in refreshes != server.refreshes
    server.good = set()  # it ended over there before its time
    assert check(fresh(source), run_work).state == "finished"
    told = repr([row for model in (Exchange, OauthGrant, AuditLine) for row in model.select().dicts()])
    assert not any(text in told for text in (SECRET, "shpca_", "shprt_"))


def test_a_dead_refresh_token_asks_a_person(source: Source, session: Session, server: Store, run_work: Callable[[], None]) -> None:
    oauth.finish(source.merchant, session, begun(source, session), WHO)
    server.refreshes, server.good = set(), set()
    run = check(fresh(source), run_work)
    assert (run.problem["code"], run.problem["act_at"]) == ("sign_in_ended", "sign_in") and states(source)["sign_in"] == "failed"
    assert OauthGrant.get().ended_at is not None


@pytest.mark.parametrize(
    "scopes, refused", [("read_products,write_inventory", ("read_locations",)), ("write_products,write_inventory,write_locations", ())]
)
def test_what_was_not_granted_is_said_and_writing_includes_reading(
    source: Source, session: Session, server: Store, scopes: str, refused: tuple[str, ...]
) -> None:
    server.scopes = scopes
    assert oauth.finish(source.merchant, session, begun(source, session), WHO).refused == refused


def test_a_second_sign_in_of_the_same_app_says_what_it_ends(client: Any, chosen: Any, server: Store, session: Session) -> None:
    first, second, other = (chosen("shopify", name=name) for name in ("Kestrel", "Harbor", "Quay"))
    oauth.finish(first.merchant, session, begun(first, session), WHO)
    save(second, CODE, client_secret=SECRET)
    save(other, {**CODE, "client_id": "another"}, client_secret=SECRET)
    assert oauth.begin(fresh(second), session, BACK).ends == ("Kestrel",)
    assert oauth.begin(fresh(other), session, BACK).ends == oauth.begin(fresh(first), session, BACK).ends == ()
    assert "This ends the sign-in of Kestrel" in client.get(f"/sources/{second.public_id}/sign-in").text
    OauthGrant.update(ended_at=clock.now()).execute()
    assert oauth.begin(fresh(second), session, BACK).ends == ()


def test_a_code_serves_once(source: Source, session: Session, server: Store) -> None:
    answer = begun(source, session)
    oauth.finish(source.merchant, session, answer, WHO)
    again = allow(oauth.begin(fresh(source), session, BACK).address)
    told = server.signed({**{key: value for key, value in again.items() if key != "hmac"}, "code": answer["code"]})
    with pytest.raises(SupplierError) as refused:
        oauth.finish(source.merchant, session, told, WHO)
    assert refused.value.problem.code == "sign_in_ended" and len(server.token_calls) == 2


def harmed(server: Store, answer: dict[str, str], harm: str) -> dict[str, str]:
    bare = {key: value for key, value in answer.items() if key != "hmac"}
    seconds = int(answer["timestamp"])
    changed = {
        "no hmac": bare, "empty hmac": {**bare, "hmac": ""}, "another secret": server.signed(bare, "another"),
        "another code": {**answer, "code": "stolen"}, "another name": {**answer, "extra": "1"},
        "no letters of hex": {**bare, "hmac": "é" * 64}, "too old": server.signed({**bare, "timestamp": str(seconds - 95)}),
        "too new": server.signed({**bare, "timestamp": str(seconds + 95)}), "no time": server.signed({**bare, "timestamp": "soon"}),
        "time of another script": server.signed({**bare, "timestamp": "١٢٣"}),
        "another store": server.signed({**bare, "shop": "evil.myshopify.com"}),
        "a store elsewhere": server.signed({**bare, "shop": "evil.com"}),
        "a line break": server.signed({**bare, "shop": f"{SHOP}\n"}),
        "no store": server.signed({k: v for k, v in bare.items() if k != "shop"}),
        "another state": server.signed({**bare, "state": "x" * 43}),
    }  # fmt: skip
    return changed[harm]


HARMS = (
    "no hmac", "empty hmac", "another secret", "another code", "another name", "no letters of hex", "too old", "too new", "no time",
    "time of another script", "another store", "a store elsewhere", "a line break", "no store", "another state",
)  # fmt: skip


def test_a_return_without_its_proof_is_refused_before_any_request(source: Source, session: Session, server: Store) -> None:
    for harm in HARMS:
        answer = harmed(server, begun(source, session), harm)
        with pytest.raises(Refused, match="Nothing was saved"):
            oauth.finish(source.merchant, session, answer, WHO)
        assert server.token_calls == [] and oauth.grant_of(source) is None, harm


def test_the_proof_is_the_one_that_shopify_publishes() -> None:
    """The example of shopify.dev, "Verify a request": secret hush."""
    told = {"code": "0907a61c0c8d55e99db179b68161bc00", "shop": "some-shop.myshopify.com", "timestamp": "1337178173", "signature": "old"}
    assert shopify_oauth.signature(Secret("hush"), told) == "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20"


@pytest.mark.parametrize("told, text", [
    ({"b": "2", "a": "1"}, "a=1&b=2"), ({"a": "x y&z=1"}, "a=x+y%26z%3D1"), ({"a": "ü"}, "a=%C3%BC"), ({"A": "1", "a": "2"}, "A=1&a=2"),
    ({"a": "", "hmac": "x", "signature": "y"}, "a="),
])  # fmt: skip
def test_the_proof_is_over_the_sorted_and_coded_rest(told: dict[str, str], text: str) -> None:
    assert shopify_oauth.signature(Secret("s"), told) == hmac.new(b"s", text.encode(), sha256).hexdigest()


def test_saving_leads_to_the_sign_in_and_the_way_back_to_a_test(
    client: Any, source: Source, server: Store, run_work: Callable[[], None]
) -> None:
    here = f"/sources/{source.public_id}"
    answer = client.send_form(f"{here}/connection", {**CODE, "client_secret": SECRET}, page=f"{here}/connection")
    assert answer.status_code == 303 and answer.headers["Location"] == f"{here}/sign-in"
    assert "http://localhost/oauth/return" in client.get(f"{here}/connection").text, "what must be registered over there"
    page = client.get(f"{here}/sign-in").text
    assert "read_inventory" in page and SECRET not in page
    (link,) = [unescape(one) for one in re.findall(r'id="leave-go" href="([^"]+)"', page)]
    back = client.get(f"/oauth/return?{urlencode(allow(link))}")
    assert back.status_code == 303 and back.headers["Location"] == f"{here}/connection/checks"
    run_work()
    assert set(states(source).values()) == {"passed"} and 'id="connection-sign-in"' in client.get(f"{here}/connection").text
    answer = client.send_form(f"{here}/connection", {}, page=f"{here}/connection")
    assert answer.headers["Location"] == f"{here}/connection/checks", "who is signed in is not sent there again"


def test_the_return_page_takes_nothing_that_is_said_twice(client: Any, server: Store) -> None:
    page = client.get("/oauth/return?state=a&state=b&code=c")
    assert page.status_code == 422 and "says something twice" in page.text and server.token_calls == []


# locations, test and sync


def gid(number: int) -> str:
    return f"gid://shopify/Location/{number}"


def test_locations_are_read_by_the_test_and_only_these_can_be_chosen(client: Any, source: Source, run_work: Callable[[], None]) -> None:
    chosen = {**TOKEN, "locations": "chosen"}
    with pytest.raises(Invalid) as refused:
        save(source, {**chosen, "places": gid(1)}, key=LEGACY)
    assert "Choose from the list" in refused.value.errors["places"]
    page = client.get(f"/sources/{source.public_id}/connection?typed=1&locations=chosen&auth=header").text
    assert "once the connection was tested" in page
    save(source, TOKEN, key=LEGACY)
    run = check(fresh(source), run_work)
    assert run.state == "finished", run.problem
    assert connections.find(source).choices == {"places": [{"value": gid(1), "label": "Main Street"}, {"value": gid(2), "label": "Harbor"}]}
    for places, words in (("", "Choose at least one"), (gid(7), "Choose from the list")):
        with pytest.raises(Invalid) as refused:
            save(fresh(source), {**chosen, "places": places})
        assert words in refused.value.errors["places"]
    save(fresh(source), {**chosen, "places": gid(2)})
    page = client.get(f"/sources/{source.public_id}/connection").text
    assert f'value="{gid(2)}" data-open checked' in page and f'value="{gid(1)}" data-open>' in page


def test_another_store_asks_for_the_key_again_and_forgets_what_belonged_to_the_first(chosen: Any) -> None:
    source = chosen("shopify")
    save(source, CODE, client_secret=SECRET)
    there = {"places": [{"value": gid(1), "label": "Main Street"}]}
    Connection.update(choices=there, trusted_key={"fingerprint": "x"}).execute()
    OauthGrant.create(source=source, sealed="x", expires_at=clock.now())
    with pytest.raises(Invalid) as refused:
        save(fresh(source), {**CODE, "shop": "another.myshopify.com"})
    assert "This is another server" in refused.value.errors["client_secret"]
    save(fresh(source), {**CODE, "shop": SHOP.upper()})
    assert connections.find(source).choices == there and oauth.grant_of(source) is not None
    save(fresh(source), {**CODE, "shop": "another.myshopify.com"}, client_secret=SECRET)
    assert connections.find(source).choices == {} and connections.find(source).trusted_key is None and oauth.grant_of(source) is None


def live(source: Source) -> Integration:
    """The source, mapped as its entry says and active."""
    integration = sources.integration(source, "get_inventory_primary")
    kept = file_choice.current(source, connections.find(source))
    file_choice.save(source, {}, kept.format, integration.version, WHO)
    integration = sources.integration(fresh(source), "get_inventory_primary")
    sample = mappings.sample_of(integration)
    assert sample is not None
    rules = mappings.first_rules(integration, sample, mappings.propose(integration, sample))
    mappings.save(integration, rules, sample.headers, WHO)
    Integration.update(enabled=True).where(Integration.id == integration.id).execute()
    Source.update(state="live").where(Source.id == source.id).execute()
    return sources.integration(fresh(source), "get_inventory_primary")


def test_a_sync_keeps_the_stock_of_each_location_and_knows_unknown_from_zero(
    source: Source, server: Store, run_work: Callable[[], None]
) -> None:
    server.variants = [variant(1, levels={1: 5, 2: 7}), variant(2, tracked=False), variant(3, levels={1: 0}), variant(4, sku=None)]
    server.version = "2027-01"
    save(source, TOKEN, key=LEGACY)
    check(fresh(source), run_work)
    integration = live(fresh(source))
    run = runs.start_sync(integration)
    runs.work_available(HANDLERS)
    run = Run.get_by_id(run.id)
    assert run.state == "finished", run.problem
    found = {item.sku: item.quantity for item in InventoryItem.select()}
    assert found == {"LAMP-0001": 12, "LAMP-0002": None, "LAMP-0003": 0, "gid://shopify/ProductVariant/4": 4}
    first = InventoryItem.get(InventoryItem.sku == "LAMP-0001")
    assert (json.loads(first.warehouses), first.title, first.cost) == ({"Main Street": 5, "Harbor": 7}, "Lamp 1", 25_000)
    told = {(row.level, row.text) for row in RunMessage.select().where(RunMessage.run == run.id)}
    assert any(level == "warning" and "2027-01 instead of 2026-10" in text for level, text in told)
    assert any("Of the variants 1 have no SKU" in text for _, text in told) and any("unknown, not 0" in text for _, text in told)
    assert LEGACY not in repr(list(Exchange.select().dicts()))
    server.places[2] = ("Harbor", False)
    run = runs.start_sync(integration)
    runs.work_available(HANDLERS)
    assert Run.get_by_id(run.id).state == "finished" and InventoryItem.get(InventoryItem.sku == "LAMP-0001").quantity == 5


def test_after_a_whole_read_only_what_changed_is_asked_for_and_nothing_goes_missing(
    source: Source, server: Store, run_work: Callable[[], None]
) -> None:
    server.variants = [variant(n, levels={1: 5}) for n in range(1, 6)]
    save(source, {**TOKEN, "delta": "since", "full_hours": "24"}, key=LEGACY)
    check(fresh(source), run_work)
    integration = live(fresh(source))
    told = []
    for _ in range(3):
        run = runs.start_sync(integration)
        runs.work_available(HANDLERS)
        run = Run.get_by_id(run.id)
        told.append((run.state, " ".join(row.text for row in RunMessage.select().where(RunMessage.run == run.id))))
        server.variants[1] |= {"levels": {1: 9}, "moved": {1: "2999-01-01T00:00:00Z"}}
        Run.update(started_at=clock.now() + timedelta(minutes=len(told))).where(Run.id == run.id).execute()
    assert [state for state, _ in told] == ["finished"] * 2 + ["no_change"], told
    assert "no whole list was accepted yet" in told[0][1] and "only for what changed since" in told[1][1]
    assert {item.sku: item.quantity for item in InventoryItem.select()} == {f"LAMP-{n:04}": 9 if n == 2 else 5 for n in range(1, 6)}
    assert [len(query) for query, _ in server.asked if "VariantsById" in query]
