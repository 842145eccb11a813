"""The pages of a webhook: from the directory to stock that comes by itself, the secret, the test event, the deliveries. No JavaScript."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

import tasks
from portal import clock, deliveries, hook_limits, webhooks
from portal.inventory import roles
from portal.models import AuditLine, Document, InventoryItem, Run, Source
from tests.connecting import WHO
from tests.hooked import Sender, answer_of
from tests.web.setting_up import fresh, integration, path, select

STOCK = [
    {"item_no": "NW-10442", "title": "Tarp, 3 x 4 m", "qty_avail": 14, "cost": "9.95"},
    {"item_no": "NW-10443", "title": "Tent peg", "qty_avail": 0, "cost": "12.00"},
]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hook_limits.refusals.forget()
    monkeypatch.setattr(deliveries, "PACE", timedelta(0))


class Program(Sender):
    """The supplier's program, told by a person what the pages showed: an address and a secret."""

    def __init__(self, client: Any, source: Source, page: str) -> None:
        self.client, self.source = client, source
        self._path = copied(page, "address-1").partition("//localhost")[2]
        self._secret = copied(page, "secret")

    @property
    def path(self) -> str:
        return self._path

    @property
    def secret(self) -> str:
        return self._secret


def copied(page: str, id: str) -> str:
    found = re.search(rf'<pre id="{id}"[^>]*>([^<]*)</pre>', page)
    assert found, id
    return html.unescape(found[1])


@pytest.fixture
def connected(client: Any, make_source: Callable[..., Source]) -> Source:
    """A draft whose connect form was saved as it stood."""
    source = make_source()
    select(client, source, "webhook")
    answer = client.send_form(path(source, "/connection"), {"act": "test"})
    assert (answer.status_code, answer.headers["Location"]) == (303, path(source, "/webhook")), answer.text
    return fresh(source)


def test_from_the_directory_to_stock_that_comes_by_itself(client: Any, anonymous: Any, connected: Source, run_work: Any) -> None:
    source, page = connected, client.get(path(connected, "/webhook")).text
    assert "Waiting for the first delivery" in page and "Look again" in page and "suppliers cannot reach the address" in page
    program = Program(anonymous, source, page)
    assert program.secret.startswith("whsec_") and len(program.path) == len("/hooks/") + 43
    assert answer_of(program.send(STOCK, secret="whsec_" + "A" * 43 + "=")) == (401, "signature")
    refused = client.get(path(source, "/webhook")).text
    assert "We refused it" in refused and "The signature does not fit" in refused and "NW-10442" in refused
    assert "Use the newest stock delivery" not in refused
    assert answer_of(program.send(STOCK)) == (202, "accepted")
    page = client.get(path(source, "/webhook")).text
    assert "It came, and its signature fits" in page and "Tarp, 3 x 4 m" in page and "hx-trigger" not in page

    assert client.send_form(path(source, "/connection/checks"), page=path(source, "/webhook")).status_code == 303
    run_work()
    checks = client.get(path(source, "/connection/checks")).text
    assert "All 2 checks passed" in checks and "There is no server to ask" in checks
    for step, fields in (("/file", {}), ("/mapping/inventory", {"do": "save"}), ("/mapping/orders", {"do": "save"}),
                         ("/mapping/shipments", {"use": "no", "do": "save"}), ("/skus", {"do": "save"})):  # fmt: skip
        answer = client.send_form(path(source, step), fields)
        assert answer.status_code == 303, (step, answer.text)
    review = client.get(path(source, "/review")).text
    assert "The supplier sends to us" in review and "each delivery is read as it comes" in review and "A webhook only receives" in review
    assert client.send_form(path(source, "/review")).status_code == 303
    tasks.do_runs.call_local()
    assert {one.sku: one.quantity for one in InventoryItem.select()} == {"NW-10442": 14, "NW-10443": 0}

    program.send([{"item_no": "NW-10442", "title": "Tarp, 3 x 4 m", "qty_avail": 3, "cost": "9.95"}])
    program.send({"item_no": "NW-10444", "title": "Work lamp", "qty_avail": 8, "cost": "1.10"})
    tasks.do_runs.call_local()
    assert {one.sku: one.quantity for one in InventoryItem.select()} == {"NW-10442": 3, "NW-10443": 0, "NW-10444": 8}
    run = Run.select().order_by(Run.id.desc()).first()
    assert "as a delivery came" in client.get(f"/runs/{run.public_id}").text
    listed = client.get(path(source, "/deliveries")).text
    assert f"Run {run.number}" in listed and listed.count("Read again the delivery") == 3 and "Refused" in listed
    assert "See the deliveries" in client.get(path(source, "/integrations")).text
    assert "As deliveries come" in client.get(path(source, "/settings")).text
    assert "The supplier sends by itself" in client.get(path(source, "/integrations/get_inventory_primary/schedule")).text


def test_the_secret_is_shown_once_and_to_who_made_it(client: Any, member_client: Any, connected: Source, monkeypatch: Any) -> None:
    secret = copied(client.get(path(connected, "/webhook")).text, "secret")
    assert secret in client.get(path(connected, "/webhook")).text, "a page that is loaded again has not lost it"
    assert secret not in member_client.get(path(connected, "/webhook")).text
    answer = client.send_form(path(connected, "/webhook/secret/copied"), page=path(connected, "/webhook"))
    assert answer.status_code == 303
    for each in ("/webhook", "/webhook/secret", "/deliveries", "/connection", "/webhook/event"):
        assert secret not in client.get(path(connected, each), follow_redirects=True).text
    assert secret not in repr(list(AuditLine.select().tuples()))
    webhooks.make_secret(connected, 24, WHO)
    fresh_secret = copied(client.get(path(connected, "/webhook")).text, "secret")
    moved = clock.now() + timedelta(minutes=16)
    monkeypatch.setattr(clock, "now", lambda: moved)
    assert fresh_secret not in client.get(path(connected, "/webhook")).text, "nor is it left open"


def test_replacing_the_secret(client: Any, connected: Source) -> None:
    before = webhooks.good_secrets(webhooks.find(connected), clock.now())[0][1].reveal()
    form = path(connected, "/webhook/secret")
    answer = client.send_form(form, {"whose": "ours", "hours": "24"})
    assert answer.headers["Location"] == path(connected, "/webhook")
    page = client.get(path(connected, "/webhook")).text
    after = copied(page, "secret")
    assert after != before and "The secret before is also good until" in page and "Nothing signed with it has come since" in page
    assert [name for name, _ in webhooks.good_secrets(webhooks.find(connected), clock.now())] == ["current", "old"]
    assert client.send_form(path(connected, "/webhook/secret/ending"), page=path(connected, "/webhook")).status_code == 303
    assert "also good until" not in client.get(path(connected, "/webhook")).text
    for fields, words in (
        ({"whose": "theirs", "secret": ""}, "Enter the signing secret"),
        ({"whose": "theirs", "secret": "whsec_!"}, "and then base64"),
        ({"whose": "ours", "hours": "9"}, "Choose how long"),
    ):
        answer = client.send_form(form, fields)
        assert answer.status_code == 422 and words in answer.text and "whsec_!" not in answer.text
    assert client.send_form(form, {"whose": "theirs", "secret": "whsec_" + "QUJD" * 8, "hours": "0"}).status_code == 303
    assert "Entered" in client.get(path(connected, "/webhook")).text


def test_a_sender_with_a_secret_of_its_own_asks_for_that(client: Any, make_source: Any) -> None:
    source = make_source()
    select(client, source, "webhook")
    client.send_form(path(source, "/connection"), {"act": "test", "signature": "shopify"})
    page = client.get(path(source, "/webhook")).text
    assert "There is no secret yet" in page and "client secret of your app" in page and 'id="secret"' not in page
    form = path(source, "/webhook/secret")
    assert 'name="hours"' not in client.get(form).text and 'value="ours"' not in client.get(form).text
    assert client.send_form(form, {"secret": "shpss_0123456789abcdef"}).status_code == 303
    assert [name for name, _ in webhooks.good_secrets(webhooks.find(source), clock.now())] == ["current"]
    answer = client.send_form(form, {"whose": "ours", "hours": "24"})
    assert answer.status_code == 422 and "Enter the client secret" in answer.text


def test_another_kind_of_signature_takes_another_secret(client: Any, connected: Source) -> None:
    before = copied(client.get(path(connected, "/webhook")).text, "secret")
    typed = {"act": "test", "signature": "hmac", "header_name": "X-Sig", "encoding": "hex", "signs": "body"}
    client.send_form(path(connected, "/connection"), typed)
    page = client.get(path(connected, "/webhook")).text
    assert "counts no longer" in page and "HMAC-SHA256" in page
    after = copied(page, "secret")
    assert after != before and re.fullmatch(r"[0-9a-f]{64}", after)


def test_what_is_typed_is_judged(client: Any, connected: Source) -> None:
    hmac = {"act": "test", "signature": "hmac", "header_name": "X-Sig", "encoding": "hex", "signs": "body"}
    for fields, words in (
        ({"signs": "time"}, "Enter the header that holds the time"),
        ({"header_name": "not a header"}, "Enter only the header"),
        ({"id_header": "Cookie"}, "We set Cookie ourselves"),
        ({"holds": "half"}, "Choose one of the options"),
    ):
        answer = client.send_form(path(connected, "/connection"), {**hmac, **fields})
        assert answer.status_code == 422 and words in answer.text, fields


def test_what_a_delivery_holds_is_the_feeds_policy(client: Any, connected: Source) -> None:
    assert roles.feed_of(integration(connected)) == "delta" and webhooks.holds(connected) == "partial"
    client.send_form(path(connected, "/connection"), {"act": "test", "holds": "full"})
    assert roles.feed_of(integration(connected)) == "full"
    roles.save_feed(integration(connected), "delta", integration(connected).version, WHO)  # on the page of policies
    page = client.get(path(connected, "/connection")).text
    assert re.search(r'<input checked[^>]*value="partial"', page), "the form shows it as it is now"


def test_other_kinds_have_addresses_once_they_are_ticked(client: Any, anonymous: Any, connected: Source) -> None:
    program = Program(anonymous, connected, client.get(path(connected, "/webhook")).text)
    assert answer_of(program.send({"po": 1}, below="/shipments")) == (404, "unknown")
    client.send_form(path(connected, "/connection"), {"act": "test", "shipments": "1", "acknowledgements": "1"})
    page = client.get(path(connected, "/webhook")).text
    assert copied(page, "address-3").endswith("/shipments") and copied(page, "address-2").endswith("/acknowledgements")
    assert answer_of(program.send({"po": 1}, below="/shipments")) == (202, "accepted")
    page = client.get(path(connected, "/deliveries")).text
    assert "Nothing of it was recorded" in page and "1 delivery is kept until you turn on what reads it" in page
    assert "Use the newest stock delivery" not in client.get(path(connected, "/webhook")).text, "a shipment is no sample of stock"


def test_leaving_out_and_reading_again(client: Any, anonymous: Any, connected: Source) -> None:
    program = Program(anonymous, connected, client.get(path(connected, "/webhook")).text)
    program.send({"test": True})
    page, form = client.get(path(connected, "/deliveries")).text, path(connected, "/deliveries")
    assert "1 delivery waits for a run, which begins once the source is active" in page and "Leave out the delivery of" in page
    answer = client.send_form(form)
    assert answer.status_code == 303 and "Left out" in client.get(form).text
    assert client.send_form(form).status_code == 303 and "waits for a run" in client.get(form).text
    answer = client.send_form(form, {"leave_out": "nobody's"})
    assert answer.status_code == 404


def test_signatures_that_do_not_fit_are_told_on_the_sources_page(client: Any, anonymous: Any, connected: Source) -> None:
    program = Program(anonymous, connected, client.get(path(connected, "/webhook")).text)
    for _ in range(4):
        assert program.send(STOCK, secret="whsec_" + "A" * 44).status_code == 401
    page = client.get(path(connected)).text
    assert "We refused 4 events from Northwind" in page and f'href="{path(connected, "/webhook/secret")}"' in page
    program.send(STOCK)
    assert "We refused" not in client.get(path(connected)).text


def test_another_supplier_takes_the_address_back(client: Any, anonymous: Any, connected: Source) -> None:
    program = Program(anonymous, connected, client.get(path(connected, "/webhook")).text)
    assert answer_of(program.send(STOCK)) == (202, "accepted")
    select(client, connected, "file-upload")
    assert answer_of(program.send(STOCK)) == (404, "unknown") and program.deliveries() == []
    assert [one.erase_at <= clock.now() for one in Document.select().where(Document.source == connected)] == [True]
    select(client, connected, "webhook")
    assert not webhooks.exists(connected)


def test_a_source_without_a_webhook_has_no_such_page(client: Any, make_source: Any) -> None:
    source = make_source()
    select(client, source, "file-upload")
    for each in ("/webhook", "/webhook/event", "/webhook/secret", "/deliveries"):
        assert client.get(path(source, each)).status_code == 404


def test_what_came_is_shown_without_being_trusted(client: Any, anonymous: Any, connected: Source) -> None:
    program = Program(anonymous, connected, client.get(path(connected, "/webhook")).text)
    program.send(b"<script>alert(1)</script>\x00\xff", **{"X-Odd": "<b>bold</b>", "content-type": "text/<i>html</i>"})
    for each in ("/webhook", "/deliveries", "/exchanges"):
        page = client.get(path(connected, each)).text
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page and "<b>bold" not in page and "<i>html" not in page
    fragment = client.get(path(connected, "/webhook/event"), headers={"HX-Request": "true"}).text
    assert fragment.lstrip().startswith('<section id="event"')


def test_waiting_for_another(client: Any, anonymous: Any, connected: Source) -> None:
    program = Program(anonymous, connected, client.get(path(connected, "/webhook")).text)
    program.send({"n": 1}, "msg_first")
    page = client.get(path(connected, "/webhook")).text
    link = html.unescape(re.search(r'id="event-another" href="([^"]+)"', page)[1])  # type: ignore[index]
    assert "Waiting for another delivery" in client.get(link).text
    program.send({"n": 2}, "msg_second")
    assert "msg_second" in client.get(link).text
