"""What comes to a webhook's address: taken once and kept, or refused with a small answer; never a 500, never another merchant's."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import peewee
import pytest

import tasks
from portal import clock, config, documents, hook_limits, receiving, vault, webhooks
from portal.models import Document, Exchange, Source, WebhookDelivery, WebhookSeen
from portal.receiving import ACCEPTED
from tests.connecting import WHO
from tests.hooked import Sender, answer_of

FORM = {"content-type": "application/x-www-form-urlencoded"}
STOCK = b'[{"sku": "NW-1", "qty": 4}]'


@pytest.fixture(autouse=True)
def no_refusals() -> None:
    hook_limits.refusals.forget()


@pytest.fixture
def sender(anonymous: Any, make_source: Callable[..., Source]) -> Sender:
    return Sender(anonymous, make_source())


def later(monkeypatch: pytest.MonkeyPatch, **gone: float) -> None:
    """Move our clock, not the sender's."""
    moved = clock.now() + timedelta(**gone)
    monkeypatch.setattr(clock, "now", lambda: moved)


def test_a_delivery_is_kept_whole_before_it_is_answered(sender: Sender) -> None:
    answer = sender.send(STOCK, "msg_1")
    assert answer_of(answer) == (202, "accepted") and answer.headers["Content-Type"] == "application/json"
    (kept,) = sender.deliveries()
    assert (kept.state, kept.kind, kept.event_id, kept.signed_with, kept.status) == ("waiting", "inventory", "msg_1", "current", 202)
    assert documents.path_of(kept.document).read_bytes() == STOCK and kept.document.name.endswith(".json")
    assert kept.document.erase_at is None, "it is not erased by age before it was read"
    (exchange,) = Exchange.select().where(Exchange.source == sender.source)
    assert (exchange.method, exchange.status, exchange.request) == ("POST in", 202, STOCK.decode())
    assert answer.headers.getlist("Set-Cookie") == []
    assert (answer.headers["X-Content-Type-Options"], answer.headers["Cache-Control"]) == ("nosniff", "no-store")


def test_the_page_never_shows_the_token_or_signature_of_a_delivery(sender: Sender) -> None:
    token = webhooks.token_of(sender.hook)
    headers = {**sender.signed(STOCK), "Authorization": "Bearer canary-1", "X-Api-Key": "canary-2", "Cookie": "quayside_session=canary-3"}
    assert answer_of(sender.post(STOCK, headers)) == (202, "accepted")
    (kept,) = sender.deliveries()
    told = json.dumps([kept.headers, kept.head, kept.reason])
    assert "canary" not in told and headers["webhook-signature"] not in told
    assert ["webhook-signature", "***"] in kept.headers and token not in told
    stored = [row for table in (WebhookDelivery, Exchange, Document) for row in table.select().tuples()]
    assert token not in repr(stored) and token not in sender.hook.token_hash + sender.hook.sealed_token


# malformed, late, foreign: each answered as stated (RELIABILITY A14), none a 500

ODD: dict[str, tuple[Callable[[Sender], Any], tuple[int, str]]] = {
    "no header at all": (lambda s: s.post(STOCK, {}), (400, "headers")),
    "no signature": (lambda s: s.post(STOCK, {**s.signed(STOCK), "webhook-signature": ""}), (400, "headers")),
    "garbage signature": (lambda s: s.post(STOCK, {**s.signed(STOCK), "webhook-signature": "garbage"}), (401, "signature")),
    "signature in latin-1": (lambda s: s.post(STOCK, {**s.signed(STOCK), "webhook-signature": "v1,gr\xf6\xdfe"}), (401, "signature")),
    "no id": (lambda s: s.post(STOCK, {**s.signed(STOCK), "webhook-id": ""}), (400, "headers")),
    "timestamp in words": (lambda s: s.post(STOCK, {**s.signed(STOCK), "webhook-timestamp": "today"}), (400, "headers")),
    "timestamp of 5,000 digits": (lambda s: s.post(STOCK, {**s.signed(STOCK), "webhook-timestamp": "9" * 5_000}), (400, "headers")),
    "another secret": (lambda s: s.post(STOCK, s.signed(STOCK, secret="whsec_" + "A" * 32)), (401, "signature")),
    "six minutes old": (lambda s: s.post(STOCK, s.signed(STOCK, at=time.time() - 360)), (400, "timestamp")),
    "six minutes ahead": (lambda s: s.post(STOCK, s.signed(STOCK, at=time.time() + 360)), (400, "timestamp")),
    "four minutes old": (lambda s: s.post(STOCK, s.signed(STOCK, at=time.time() - 240)), (202, "accepted")),
    "four minutes ahead": (lambda s: s.post(STOCK, s.signed(STOCK, at=time.time() + 240)), (202, "accepted")),
    "body encoded anew": (lambda s: s.post(json.dumps(json.loads(STOCK), indent=1).encode(), s.signed(STOCK)), (401, "signature")),
    "body of 10 MB": (lambda s: s.post(b"x" * 10_000_000, s.signed(STOCK)), (413, "too_large")),
    "body of a byte too many": (lambda s: s.post(b" " * 1_000_001, s.signed(b" " * 1_000_001)), (413, "too_large")),
    "no body": (lambda s: s.send(b""), (400, "empty")),
    "only white space": (lambda s: s.send(b" \r\n\t "), (400, "empty")),
    "body that is no text": (lambda s: s.send(b"\xff\xfe\x00\x80\x00"), (202, "accepted")),
    "broken JSON": (lambda s: s.send(b'{"sku": '), (202, "accepted")),
    "JSON of 100,000 brackets": (lambda s: s.send(b"[" * 100_000), (202, "accepted")),
    "an XML bomb": (lambda s: s.send(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'), (202, "accepted")),
    "no content type": (lambda s: s.post(STOCK, {**s.signed(STOCK), "content-type": ""}), (202, "accepted")),
    "content type that is none": (lambda s: s.post(STOCK, {**s.signed(STOCK), "content-type": "gr\xf6\xdfe;;;=\x7f"}), (202, "accepted")),
    "broken multipart": (lambda s: s.post(STOCK, {**s.signed(STOCK), "content-type": "multipart/form-data"}), (202, "accepted")),
    "a form of 5,000 fields": (lambda s: s.send(b"a=1&" * 5_000, **FORM), (202, "accepted")),
    "a form of broken escapes": (lambda s: s.send(b"%ZZ=%&=&%ff=%", **FORM), (202, "accepted")),
    "htmx headers": (lambda s: s.post(STOCK, {**s.signed(STOCK), "HX-Request": "true", "Origin": "https://x.example"}), (202, "accepted")),
    "an address of nobody": (lambda s: s.post(STOCK, s.signed(STOCK), path="/hooks/" + "A" * 43), (404, "unknown")),
    "half an address": (lambda s: s.post(STOCK, s.signed(STOCK), path=s.path[:-1]), (404, "unknown")),
    "an address in other letters": (lambda s: s.post(STOCK, s.signed(STOCK), path="/hooks/" + "ö" * 43), (404, "unknown")),
    "an address with a zero byte": (lambda s: s.post(STOCK, s.signed(STOCK), path="/hooks/" + "%00" * 43), (404, "unknown")),
    "a kind that is not taken": (lambda s: s.post(STOCK, s.signed(STOCK), below="/shipments"), (404, "unknown")),
    "a kind that there is not": (lambda s: s.post(STOCK, s.signed(STOCK), below="/orders"), (404, "unknown")),
    "another method": (lambda s: s.client.get(s.path), (405, "use_post")),
    "another method for nobody": (lambda s: s.client.get("/hooks/" + "A" * 43), (405, "use_post")),
}  # fmt: skip


def test_each_odd_request_is_answered_as_stated(sender: Sender) -> None:
    wrong = {name: found for name in ODD if (found := _answered(sender, name)) != ODD[name][1]}
    assert wrong == {}


def _answered(sender: Sender, name: str) -> tuple[int, str]:
    act, answer = ODD[name]
    hook_limits.refusals.forget()
    WebhookDelivery.delete().execute()
    found = answer_of(act(sender))
    kept = sender.deliveries()
    assert [one.state for one in kept] == ({202: ["waiting"], 404: [], 405: []}.get(answer[0], ["refused"])), (
        f"{name}: refusals are shown to the merchant"
    )
    assert all(one.reason and one.document is None for one in kept if one.state == "refused"), name
    return found


def test_unknown_addresses_tell_nothing(sender: Sender) -> None:
    """An address of nobody, one cut short and one of a deleted source are byte for byte the same."""
    path, headers = sender.path, sender.signed(STOCK)
    Source.update(state="deleted").where(Source.id == sender.source.id).execute()
    answers = [sender.post(STOCK, headers, path=one) for one in (path, "/hooks/" + "A" * 43, "/hooks/x")]
    assert {one.status_code for one in answers} == {404} and len({one.data for one in answers}) == 1
    assert (
        len({tuple(sorted((name, value) for name, value in one.headers if name not in ("Date", "X-Request-ID"))) for one in answers}) == 1
    )
    assert max(len(one.data) for one in answers) < 60


def replayed(sender: Sender, times: int) -> None:
    """A signed delivery that comes so many times has one effect."""
    token, headers = webhooks.token_of(sender.hook), sender.signed(STOCK, "msg_1")
    assert answer_of(sender.post(STOCK, headers)) == (202, "accepted")
    replay = receiving.Request(headers, "203.0.113.7", lambda _: STOCK)
    answers = [receiving.receive(token, "inventory", replay) for _ in range(times - 1)]
    assert {(one.status, one.code, one.fresh) for one in answers} == {(202, "accepted", False)} and len(answers) == times - 1
    (kept,) = sender.deliveries()
    assert kept.repeats == times - 1 and Document.select().count() == 1 and Exchange.select().count() == 1


@pytest.mark.one_database
def test_a_replay_has_no_second_effect(sender: Sender) -> None:
    replayed(sender, 1_000)


SABOTAGES: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], type[Exception]]] = {
    "ids are not looked up": (lambda patch: patch.setattr(receiving, "_again", lambda *_: False), peewee.IntegrityError),
    "ids are not remembered": (lambda patch: patch.setattr(WebhookSeen, "create", lambda **_: None), ValueError),
    "a repeat is not counted": (lambda patch: patch.setattr(receiving, "_again", _found_and_forgotten), AssertionError),
    "the answer says that it is new": (lambda patch: patch.setattr(receiving, "ACCEPTED", replace(ACCEPTED, fresh=True)), AssertionError),
}
"""What each takes away, and how the replays then end: refused by the unique index, kept a second time, counted wrongly."""


def _found_and_forgotten(source: Source, kind: str, event: str, digest: str) -> bool:
    return bool(WebhookSeen.select().where(WebhookSeen.source == source).exists())


@pytest.mark.parametrize("sabotage", SABOTAGES)
def test_sabotage_of_the_replays_is_noticed(sender: Sender, monkeypatch: pytest.MonkeyPatch, sabotage: str) -> None:
    sabotaged, ends = SABOTAGES[sabotage]
    sabotaged(monkeypatch)
    with pytest.raises(ends):
        replayed(sender, 5)


def test_an_id_is_remembered_for_three_days(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now()
    sender.send(STOCK, "msg_1")
    for gone, kept in ((timedelta(days=2, hours=23), 1), (timedelta(days=3, minutes=1), 2)):
        monkeypatch.setattr(clock, "now", lambda moment=at + gone: moment)
        assert answer_of(sender.post(STOCK, sender.signed(STOCK, "msg_1", at=time.time() + gone.total_seconds()))) == (202, "accepted")
        assert len(sender.deliveries()) == kept
    assert WebhookSeen.select().count() == 1


def test_two_that_come_at_once_are_one(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, real = sender.signed(STOCK, "msg_1"), documents.spool

    def meanwhile(*values: Any) -> Any:
        monkeypatch.setattr(documents, "spool", real)
        assert answer_of(sender.post(STOCK, headers)) == (202, "accepted")
        return real(*values)

    monkeypatch.setattr(documents, "spool", meanwhile)
    assert answer_of(sender.post(STOCK, headers)) == (202, "accepted")
    (kept,) = sender.deliveries()
    files = [path for path in config.current().spool_dir.rglob("*") if path.is_file()]
    assert (kept.repeats, len(files)) == (1, 1), "the second one's file is gone"


def test_without_ids_only_the_same_as_the_last_is_a_repeat(anonymous: Any, make_source: Any) -> None:
    import hashlib
    import hmac

    sender = Sender(anonymous, make_source(), signature="hmac", header_name="X-Sig", prefix="sha256=")

    def sent(body: bytes) -> tuple[int, str]:
        digest = hmac.new(sender.secret.encode(), body, hashlib.sha256).hexdigest()
        return answer_of(sender.post(body, {"x-sig": f"sha256={digest}"}))

    assert [sent(body) for body in (b'{"qty":5}', b'{"qty":5}', b'{"qty":4}', b'{"qty":5}')] == [(202, "accepted")] * 4
    assert [(one.head, one.repeats) for one in sender.deliveries()] == [('{"qty":5}', 1), ('{"qty":4}', 0), ('{"qty":5}', 0)]
    assert answer_of(sender.post(b"x", {"x-sig": "sha1=00"})) == (401, "signature")


def test_one_tenants_address_does_not_take_what_another_signed(anonymous: Any, make_source: Any, other_merchant: Any) -> None:
    ours, theirs = Sender(anonymous, make_source()), Sender(anonymous, make_source("Theirs", of=other_merchant))
    assert answer_of(ours.post(STOCK, theirs.signed(STOCK))) == (401, "signature")
    assert answer_of(theirs.post(STOCK, theirs.signed(STOCK, "msg_1"))) == (202, "accepted")
    assert answer_of(ours.post(STOCK, ours.signed(STOCK, "msg_1"))) == (202, "accepted"), "ids of another source are not ours"
    assert [one.merchant_id for one in ours.deliveries("waiting")] == [ours.source.merchant_id]
    with pytest.raises(vault.VaultError):
        vault.unseal(theirs.source.merchant, theirs.source.public_id, "webhook secret", ours.hook.sealed_secret)


def test_two_secrets_while_one_is_replaced(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    old = sender.secret
    webhooks.make_secret(sender.source, 24, WHO)
    assert sender.secret != old
    assert answer_of(sender.send([{"sku": "A"}], secret=old)) == (202, "accepted")
    assert answer_of(sender.send([{"sku": "B"}])) == (202, "accepted")
    assert [one.signed_with for one in sender.deliveries()] == ["old", "current"] and sender.hook.old_used_at is not None
    later(monkeypatch, hours=24, seconds=1)
    at = time.time() + 24 * 3600
    assert answer_of(sender.post(STOCK, sender.signed(STOCK, at=at, secret=old))) == (401, "signature")
    assert answer_of(sender.post(STOCK, sender.signed(STOCK, at=at))) == (202, "accepted")


def test_the_old_secret_can_be_ended_at_once(sender: Sender) -> None:
    old = sender.secret
    webhooks.make_secret(sender.source, 168, WHO)
    webhooks.end_old(sender.source, WHO)
    assert answer_of(sender.post(STOCK, sender.signed(STOCK, secret=old))) == (401, "signature")
    older = sender.secret
    webhooks.make_secret(sender.source, 0, WHO)
    assert answer_of(sender.post(STOCK, sender.signed(STOCK, secret=older))) == (401, "signature")


def test_a_third_secret_ends_the_first(sender: Sender) -> None:
    first = sender.secret
    webhooks.make_secret(sender.source, 24, WHO)
    second = sender.secret
    webhooks.make_secret(sender.source, 24, WHO)
    codes = [answer_of(sender.send([{"n": n}], secret=one))[0] for n, one in enumerate((first, second, sender.secret))]
    assert codes == [401, 202, 202]


def test_woocommerces_greeting_is_answered_and_is_no_delivery(anonymous: Any, make_source: Any) -> None:
    sender = Sender(anonymous, make_source(), signature="woocommerce")
    answer = sender.post(b"webhook_id=2", FORM)
    assert answer_of(answer) == (200, "accepted")
    assert [one.state for one in sender.deliveries()] == ["ping"] and Document.select().count() == 0
    assert answer_of(sender.post(b'{"id": 1}', {"content-type": "application/json"})) == (400, "headers")


def test_without_a_secret_nothing_is_taken(anonymous: Any, make_source: Any) -> None:
    sender = Sender(anonymous, make_source(), signature="shopify")
    headers = {"x-shopify-hmac-sha256": "AAAA", "x-shopify-webhook-id": "1"}
    assert answer_of(sender.post(STOCK, headers)) == (401, "signature")
    assert "no signing secret" in sender.deliveries()[0].reason


def test_acknowledgements_and_shipments_have_addresses_of_their_own(anonymous: Any, make_source: Any) -> None:
    sender = Sender(anonymous, make_source(), acknowledgements=True, shipments=True)
    for below, told in (("/acknowledgements", {"po": "1"}), ("/shipments", {"po": "1", "tracking": "Z"}), ("", {"sku": "A"})):
        assert answer_of(sender.send(told, "msg_same", below)) == (202, "accepted")
    kept = sender.deliveries("kept", "waiting")
    assert [(one.kind, one.state) for one in kept] == [("acknowledgement", "kept"), ("shipment", "kept"), ("inventory", "waiting")]


def test_fields_of_a_form_are_kept_as_one_json_object(sender: Sender) -> None:
    sender.send(b"sku=NW+1&qty=4&tag=a&tag=b&note=", **FORM)
    (kept,) = sender.deliveries()
    assert json.loads(documents.path_of(kept.document).read_bytes()) == {"sku": "NW 1", "qty": "4", "tag": ["a", "b"], "note": ""}
    assert kept.head.startswith("sku=NW+1") and kept.document.name.endswith(".json")


# nobody fills the disk, nobody guesses


def test_a_sender_of_refused_requests_is_slowed_and_leaves_no_more_lines(sender: Sender) -> None:
    for _ in range(hook_limits.MOST_REFUSED):
        assert answer_of(sender.post(STOCK, {})) == (400, "headers")
    slowed = sender.post(STOCK, {})
    assert answer_of(slowed) == (429, "too_many") and slowed.headers["Retry-After"] == "60"
    assert answer_of(sender.post(STOCK, {}, path="/hooks/" + "B" * 43)) == (429, "too_many"), "it learns nothing about addresses either"
    assert len(sender.deliveries()) == hook_limits.MOST_REFUSED
    assert answer_of(sender.send(STOCK)) == (202, "accepted"), "what is signed is taken, also behind the same proxy"


def test_guessed_addresses_are_answered_alike_and_slowed(anonymous: Any, app: Any) -> None:
    codes = [anonymous.post(f"/hooks/{n:043}", data=b"x").status_code for n in range(hook_limits.MOST_REFUSED + 5)]
    assert codes == [404] * hook_limits.MOST_REFUSED + [429] * 5
    assert WebhookDelivery.select().count() == 0


def test_refusals_are_counted_for_each_sender_and_within_a_window() -> None:
    counted = hook_limits.Refusals()
    assert [counted.note("1.2.3.4", now=0.0) for _ in range(hook_limits.MOST_REFUSED + 1)][-2:] == [False, True]
    assert not counted.note("5.6.7.8", now=0.0) and not counted.note("1.2.3.4", now=hook_limits.WINDOW + 1)
    assert hook_limits.network_of("2001:db8:1:2:3:4:5:6") == hook_limits.network_of("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert [hook_limits.network_of(one) for one in ("::ffff:1.2.3.4", "1.2.3.4", "", "unix")] == ["1.2.3.4", "1.2.3.4", "", "unix"]
    for n in range(hook_limits.MOST_SENDERS + 10):
        counted.note(str(n))
    assert len(counted._of) == hook_limits.MOST_SENDERS


def test_only_the_newest_refusals_are_kept(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "KEPT_REFUSALS", 5)
    for _ in range(9):
        sender.post(STOCK, {})
    assert len(sender.deliveries()) == 5


@pytest.mark.parametrize(
    ("limit", "value", "words"),
    [("MOST_WAITING", 2, "wait already"), ("MOST_A_MINUTE", 2, "within a minute"), ("MOST_BYTES", 2 * len(STOCK) + 1, "MB of deliveries")],
)
def test_a_source_has_a_quota(sender: Sender, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, words: str) -> None:
    monkeypatch.setattr(hook_limits, limit, value)
    answers = [sender.send(STOCK, f"msg_q{n}") for n in range(3)]
    assert [answer_of(one) for one in answers] == [(202, "accepted"), (202, "accepted"), (429, "too_many")]
    assert answers[2].headers["Retry-After"] == "60" and words in sender.deliveries("refused")[0].reason
    assert not WebhookSeen.select().where(WebhookSeen.delivery.not_in(sender.deliveries("waiting"))).exists(), "it may come again later"


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), peewee.OperationalError("database is locked")])
def test_what_cannot_be_kept_is_not_answered_as_taken(sender: Sender, monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    real, headers = documents.spool, sender.signed(STOCK, "msg_1")

    def full(*_: Any) -> None:
        raise problem

    monkeypatch.setattr(documents, "spool", full)
    answer = sender.post(STOCK, headers)
    assert answer_of(answer) == (503, "try_later") and answer.headers["Retry-After"] == "30" and sender.deliveries() == []
    monkeypatch.setattr(documents, "spool", real)
    assert answer_of(sender.post(STOCK, headers)) == (202, "accepted") and len(sender.deliveries()) == 1


def test_the_file_is_on_the_disk_before_the_row_and_the_row_before_the_answer(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    real = receiving.failpoints.reach

    def reach(name: str) -> None:
        rows, files = WebhookDelivery.select().count(), [one for one in config.current().spool_dir.rglob("*") if one.is_file()]
        order.append(f"{name}: {rows} rows, {[one.read_bytes() == STOCK for one in files]}")
        real(name)

    monkeypatch.setattr(receiving.failpoints, "reach", reach)
    assert answer_of(sender.send(STOCK)) == (202, "accepted")
    assert order == ["delivery-kept: 0 rows, [True]", "delivery-stored: 1 rows, [True]"]


def test_times_of_secrets_are_real_moments(sender: Sender) -> None:
    assert isinstance(sender.hook.show_until, datetime) and sender.hook.show_until > clock.now()
    assert webhooks.revealed(sender.hook, WHO) == sender.secret and webhooks.revealed(sender.hook, "somebody@else.example") == ""
    webhooks.conceal(sender.source)
    assert webhooks.revealed(sender.hook, WHO) == ""


def test_a_doorbell_that_is_out_of_order_loses_nothing(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    def stuck() -> None:
        raise sqlite3.OperationalError("database is locked")

    monkeypatch.setattr(tasks, "ring", stuck)
    assert answer_of(sender.send(STOCK)) == (202, "accepted") and len(sender.deliveries("waiting")) == 1
