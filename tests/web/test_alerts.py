"""Alerts on the screens: what fires first, answering with and without htmx, rules, the webhook, and each person's choice."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Library

from portal import accounts, clock
from portal import config as installation
from portal.alerts import evaluate, rules
from portal.models import (
    Alert,
    AlertSettings,
    AlertWish,
    AnswerProblem,
    Channel,
    Integration,
    Merchant,
    RunningProcess,
    SendingStop,
    Source,
    User,
)
from portal.web import alerts as pages
from tests.alerts.noted import ended, live, problem
from tests.conftest import PASSWORD
from tests.connectors.json_server import JsonAnswers, serving
from tests.servers import LOOPBACK

HTMX = {"HX-Request": "true"}


def post(client: Any, path: str, fields: dict[str, Any] | None = None) -> Any:
    """Send a form of ours as if the page had it so."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get("/profile").text)
    assert token
    return client.post(path, data={"csrf_token": token[1], **(fields or {})})


def words(text: str) -> str:
    return unescape(" ".join(re.sub(r"<[^>]+>", " ", text).split()))


@pytest.fixture
def source(make_source: Callable[..., Source]) -> Source:
    made = make_source("Kestrel", state="live")
    AnswerProblem.create(merchant=made.merchant, source=made, cause="file", words="Too many.")
    evaluate.evaluate()
    return made


def test_the_list_and_the_count_beside_it_and_the_way_to_where_it_is_mended(client: Any, source: Source) -> None:
    page = client.get("/alerts").text
    assert "1 answer of Kestrel could not be used" in page and "No order was changed by it." in words(page)
    assert 'href="/requests/answers"' in page
    assert "Alerts 1 open" in words(client.get("/sources").text)
    alert = Alert.get()
    assert client.get(f"/alerts/{alert.public_id}/mending").headers["Location"] == "/requests/answers"
    shown = words(client.get(f"/alerts/{alert.public_id}").text)
    assert "Action needed since" in shown and "Nobody by message" in shown


@pytest.mark.parametrize("htmx", [{}, HTMX])
def test_it_is_acknowledged_snoozed_and_opened_again(client: Any, source: Source, htmx: dict[str, str]) -> None:
    alert = Alert.get()
    at = f"/alerts/{alert.public_id}"
    for act, sent, state in (
        ("acknowledgement", {}, "acknowledged"), ("snooze", {"how": "day"}, "snoozed"), ("waking", {}, "firing"),
        ("snooze", {"how": "change"}, "snoozed"),
    ):  # fmt: skip
        answer = client.send_form(f"{at}/{act}", sent, page=at, headers=htmx)
        assert (answer.headers.get("HX-Redirect") or answer.headers["Location"]) == "/alerts"
        assert Alert.get().state == state
    assert "Nothing needs you" in client.get("/alerts").text
    assert "until it changes" in words(client.get("/alerts?view=snoozed").text)
    assert "Choose for how long" in words(client.get(post(client, f"{at}/snooze", {"how": "week"}).headers["Location"]).text)
    Alert.update(state="resolved", resolved_at=clock.now(), ended="gone").execute()
    assert post(client, f"{at}/acknowledgement").status_code == 409
    assert "It is over" in words(client.get("/alerts?view=ended").text)


def test_a_fragment_is_given_to_htmx_and_a_page_to_everybody_else(client: Any, source: Source) -> None:
    assert client.get("/alerts", headers=HTMX).text.startswith('<div id="alerts"')
    assert "<html" in client.get("/alerts").text


def test_every_place_of_an_act_leads_to_a_page_that_opens(client: Any, source: Source, merchant: Merchant) -> None:
    assert set(pages.PLACES) == set(rules.ACTS)
    one = live(source)
    run = ended(one, "failed", problem=problem("columns_missing"))
    channel = Channel.create(merchant=merchant, name="Harbor Shop", kind="csv")
    staff_only = {"installation"}
    strange = {
        "held",
        "columns",
        "sign_in",
        "host_key",
        "checks",
        "connection",
        "channel",
        "sending",
        "push",
    }  # need more than a row: see test_tenants
    for place in set(rules.ACTS) - staff_only - strange:
        Alert.update(facts={"place": place, "run": run.public_id}, channel=channel).execute()
        answer = client.get(client.get(f"/alerts/{Alert.get().public_id}/mending").headers["Location"])
        assert answer.status_code == 200, place


def test_a_reader_sees_all_and_answers_nothing(app: Any, source: Source, merchant: Merchant) -> None:
    accounts.create_user(merchant, "rea@harbor.example", PASSWORD, role="reader")
    reader = app.test_client().sign_in("rea@harbor.example", PASSWORD)
    page = reader.get("/alerts").text
    assert "could not be used" in page and "Acknowledge" not in page
    assert post(reader, f"/alerts/{Alert.get().public_id}/acknowledgement").status_code == 403
    assert reader.get("/alerts/rules").status_code == 200 and reader.get("/alerts/webhook").status_code == 403
    assert reader.get("/profile/alerts").status_code == 200


def test_a_rule_is_turned_off_and_its_limit_changed(client: Any, source: Source) -> None:
    page = words(client.get("/alerts/rules").text)
    assert all(rule.title in page for key, rule in rules.RULES.items() if key != "backup_old") and "Backup old" not in page
    assert client.get("/alerts/rules/edit?rule=backup_old").status_code == 404
    form = {"rule": "shipment_overdue", "on": "y", "over": "7", "quiet": "24", "left_out": [source.public_id], "version": "0"}
    assert post(client, "/alerts/rules/edit", form).status_code == 303
    assert AlertSettings.get().rules == {"shipment_overdue": {"over": 7, "quiet": 24, "not": [source.public_id]}}
    assert "7 days" in words(client.get("/alerts/rules").text)
    assert post(client, "/alerts/rules/edit", form).status_code == 409  # somebody saved since
    bad = post(client, "/alerts/rules/edit", form | {"over": "8", "quiet": "x", "version": "2"})
    assert bad.status_code == 422 and "Choose one of the limits." in bad.text
    assert post(client, "/alerts/rules/edit", {**form, "rule": "nonsense"}).status_code == 404
    assert post(client, "/alerts/rules/edit", form | {"left_out": ["a" * 22], "version": "2"}).status_code == 422


def test_each_person_chooses_and_is_told_what_they_get(client: Any, owner: User, source: Source) -> None:
    page = words(client.get("/profile/alerts").text)
    assert "No e-mail leaves this installation" in page
    form = {
        "action": "digest",
        "warning": "none",
        "news": "none",
        "hour": "7",
        "version": str(AlertWish.get(AlertWish.user == owner).version),
    }
    assert post(client, "/profile/alerts", form).status_code == 303
    assert AlertWish.get(AlertWish.user == owner).hour == 7
    assert post(client, "/profile/alerts", form).status_code == 409
    assert post(client, "/profile/alerts", form | {"action": "pigeon"}).status_code == 422
    assert "What I am told" in client.get("/profile").text


def test_the_webhook_is_set_its_secret_shown_once_and_a_test_posted(client: Any, source: Source) -> None:
    got: list[tuple[dict[str, str], str]] = []

    class Door(JsonAnswers):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            got.append((dict(self.headers), self.heard()))
            self.say(204, None)

    from dataclasses import replace

    installation.use(replace(installation.current(), egress_allow=LOOPBACK))
    assert post(client, "/alerts/webhook/tests").status_code == 422
    with serving(Door) as port:
        form = {"hook_url": f"http://{LOOPBACK}:{port}/a", "hook_level": "news", "version": "0"}
        assert post(client, "/alerts/webhook", form).status_code == 303
        answer = post(client, "/alerts/webhook/secret")
        secret = re.search(r"whsec_[A-Za-z0-9+/=]+", answer.text)
        assert secret and answer.headers["Cache-Control"] == "no-store"
        assert secret[0] not in client.get("/alerts/webhook").text
        assert "Taken" in words(client.get(post(client, "/alerts/webhook/tests").headers["Location"]).text)
    ((headers, body),) = got
    assert Library(secret[0]).verify(body, headers)["type"] == "test"
    refused = post(client, "/alerts/webhook", {"hook_url": "https://10.0.0.8/a", "hook_level": "news", "version": "3"})
    assert refused.status_code == 422 and "https://10.0.0.8/a" in refused.text


def test_pages_say_when_the_worker_is_gone_since_it_cannot(client: Any, source: Source) -> None:
    assert "No worker runs" in words(client.get("/alerts").text) and "No worker is there" not in client.get("/sources").text
    row = RunningProcess.create(name="worker:here:1", kind="worker", host="here", pid=1)
    for ago, said in ((60, False), (200, True)):
        RunningProcess.update(seen_at=clock.now() - timedelta(seconds=ago)).where(RunningProcess.name == row.name).execute()
        assert ("No worker is there since" in words(client.get("/sources").text)) is said
    assert "No worker runs" not in client.get("/alerts").text


def test_words_from_outside_are_only_words(client: Any, make_source: Callable[..., Source]) -> None:
    made = make_source("<b>Kestrel</b>", state="live")
    SendingStop.create(source=made, why="<script>x</script>")
    Integration.get_or_create(source=made, kind="send_orders")
    evaluate.evaluate()
    page = client.get("/alerts").text
    assert "<script>x" not in page and "&lt;b&gt;Kestrel" in page
