"""What is told leaves once: e-mail over a real SMTP server, webhooks that the reference library verifies, digests, workers that die."""

from __future__ import annotations

import email
import email.policy
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook as Library

from portal import accounts, clock, failpoints, vault
from portal.alerts import evaluate, leaving, listing, settings, wishes
from portal.config import Config
from portal.errors import Invalid, Stale
from portal.models import Alert, AlertMessage, AlertSettings, AlertWish, AnswerProblem, Merchant, Source, User
from tests.alerts.noted import HOUR, MINUTE, NOW, Time, look, only, told
from tests.conftest import PASSWORD
from tests.outbox.mail_server import Mail
from tests.servers import LOOPBACK
from tests.together import eight_at_once


@pytest.fixture
def source(time: Time, make_source: Callable[..., Source], owner: User) -> Source:
    made = make_source("Kestrel <Outdoor>", state="live")
    answer(made)
    return made


def answer(source: Source) -> AnswerProblem:
    return AnswerProblem.create(merchant=source.merchant, source=source, cause="file", words="Too many.")


def settle() -> None:
    AnswerProblem.update(settled_at=NOW).execute()


def read(document: bytes) -> Any:
    return email.message_from_bytes(document, policy=email.policy.SMTP)


def test_one_well_formed_message_says_what_happened_what_did_not_and_where_to_go(source: Source, mailing: Mail, time: Time) -> None:
    assert time.passes(MINUTE) == 1
    assert time.passes(MINUTE) == 0
    (document,) = mailing.accepted
    message, link = read(document), f"https://portal.example/alerts/{only().public_id}/mending"
    assert (message["To"], message["From"]) == ("owner@harbor.example", "Quayside <alerts@portal.example>")
    assert message["Subject"] == "Action needed: 1 answer of Kestrel <Outdoor> could not be used"
    assert message["List-Unsubscribe"] == "<https://portal.example/profile/alerts>"
    plain, html = (message.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert "No order was changed by it." in plain and f"See the answers: {link}" in plain and "end these e-mails" in plain
    assert "Kestrel &lt;Outdoor&gt;" in html and f'href="{link}"' in html
    assert not message.defects and told() == [("fired", "sent")]


def test_its_end_is_told_to_those_who_were_told_of_it(source: Source, mailing: Mail, time: Time, member: User) -> None:
    wishes.save(member, dict.fromkeys(("action", "warning", "news"), "none"), 8, 0)
    time.passes(MINUTE)
    settle()
    time.passes(MINUTE)
    assert time.passes(5 * MINUTE) == 1
    first, last = map(read, mailing.accepted)
    assert (last["To"], last["Subject"]) == (first["To"], "Ended: 1 answer of Kestrel <Outdoor> could not be used")
    assert last["Message-ID"] != first["Message-ID"] and "This is over." in last.get_body(("plain",)).get_content()


def test_what_waits_for_one_person_is_one_message(source: Source, mailing: Mail, time: Time, make_source: Any) -> None:
    for n in range(60):
        answer(make_source(f"Source {n}", state="live"))
    assert time.passes(MINUTE) == 61
    (document,) = mailing.accepted
    assert read(document)["Subject"] == "61 alerts, Harbor & Pine"
    assert "And 11 more: https://portal.example/alerts" in read(document).get_body(("plain",)).get_content()


def test_who_sends_at_once_sends_one_message(source: Source, mailing: Mail, time: Time) -> None:
    look(NOW)
    assert sum(eight_at_once(lambda: leaving.send_due(NOW))) == 1
    assert len(mailing.accepted) == 1


def test_two_workers_that_look_and_send_at_once_send_once(source: Source, mailing: Mail, time: Time) -> None:
    def both() -> None:
        evaluate.evaluate(NOW)
        leaving.send_due(NOW)

    eight_at_once(both)
    leaving.send_due(NOW)
    assert (len(mailing.accepted), told()) == (1, [("fired", "sent")])


@pytest.mark.parametrize(("point", "arrived"), [("alert-claimed", 0), ("alert-sent", 1)])
def test_a_worker_that_dies_before_it_noted_the_send_leaves_a_message_that_is_never_sent_again(
    source: Source, mailing: Mail, time: Time, monkeypatch: pytest.MonkeyPatch, point: str, arrived: int
) -> None:
    class Killed(BaseException):
        pass

    def reach(name: str) -> None:
        if name == point:
            raise Killed

    look(NOW)
    with monkeypatch.context() as patch:
        patch.setattr(failpoints, "reach", reach)
        with pytest.raises(Killed):
            leaving.send_due(NOW)
    for later in (MINUTE, leaving.LOST, HOUR):
        time.passes(later)
    assert (len(mailing.accepted), told()) == (arrived, [("fired", "unknown")])
    settle()
    time.passes(MINUTE)
    time.passes(5 * MINUTE)
    assert told() == [("fired", "unknown"), ("resolved", "sent")]  # they may have been told, so its end is told, too


SEND = """
from portal import open_installation
from portal.alerts import leaving
from portal.models import database
open_installation()
with database.connection_context():
    leaving.send_due()
"""


def test_a_process_that_is_killed_between_the_send_and_its_mark_leaves_one_message(
    source: Source, mailing: Mail, time: Time, db: str, config: Config
) -> None:
    look(NOW)
    told_it = {
        "DATA_DIR": str(config.data_dir), "DATABASE_URL": db, "EGRESS_ALLOW": LOOPBACK, "DEMO": "0", "FAILPOINT": "alert-sent:1",
        "SMTP_HOST": LOOPBACK, "SMTP_PORT": str(mailing.port), "SMTP_SECURITY": "plain", "SMTP_FROM": "alerts@portal.example",
    }  # fmt: skip
    assert subprocess.run([sys.executable, "-c", SEND], env={**os.environ, **told_it}, timeout=60).returncode == -signal.SIGKILL
    assert (len(mailing.accepted), told()) == (1, [("fired", "sending")])
    leaving.send_due(clock.now() + 365 * 24 * HOUR)
    assert (len(mailing.accepted), told()) == (1, [("fired", "unknown")])


@pytest.mark.parametrize("breaks_at", ["helo", "rcpt", "data"])
def test_what_did_not_leave_for_sure_is_tried_again_later(source: Source, mailing: Mail, time: Time, breaks_at: str) -> None:
    mailing.breaks_at = breaks_at
    assert time.passes(MINUTE) == 0
    assert told() == [("fired", "waiting")]
    mailing.breaks_at = ""
    assert time.passes(timedelta(seconds=59)) == 0
    assert time.passes(timedelta(seconds=1)) == 1


@pytest.mark.parametrize(("breaks_at", "arrived"), [("body", 0), ("accepted", 1)])
def test_what_may_have_arrived_is_not_sent_again(source: Source, mailing: Mail, time: Time, breaks_at: str, arrived: int) -> None:
    mailing.breaks_at = breaks_at
    time.passes(MINUTE)
    mailing.breaks_at = ""
    for _ in range(5):
        time.passes(HOUR)
    assert (len(mailing.accepted), told()) == (arrived, [("fired", "unknown")])


def test_a_mail_server_that_is_away_is_asked_once_for_all_and_given_up_in_the_end(
    source: Source, mailing: Mail, time: Time, merchant: Merchant
) -> None:
    for n in range(5):
        accounts.create_user(merchant, f"owner{n}@harbor.example", PASSWORD, role="owner")
    mailing.breaks_at = "helo"
    time.passes(MINUTE)
    assert mailing.seen == 1
    for _ in range(40):
        time.passes(HOUR)
    assert {state for _, state in told()} == {"refused"}


def test_what_is_no_longer_so_is_not_told(source: Source, mailing: Mail, time: Time) -> None:
    look(NOW)
    listing.acknowledge(only(), "ana")
    assert time.passes(MINUTE) == 0
    assert (mailing.accepted, told()) == ([], [("fired", "dropped")])


def test_a_cool_down_keeps_what_came_back_from_being_told_too_soon(source: Source, mailing: Mail, time: Time) -> None:
    time.passes(MINUTE)
    for settled in (NOW, None):
        AnswerProblem.update(settled_at=settled).execute()
        time.passes(MINUTE)
        time.passes(5 * MINUTE)
    assert [read(one)["Subject"].split(":")[0] for one in mailing.accepted] == ["Action needed", "Ended"]
    time.passes(5 * HOUR)
    assert len(mailing.accepted) == 2
    time.passes(HOUR)
    assert len(mailing.accepted) == 3


def test_people_without_a_mail_server_or_a_seat_are_told_nothing(source: Source, time: Time, owner: User, mailing: Mail) -> None:
    look(NOW)
    User.update(disabled_at=NOW).where(User.id == owner.id).execute()
    assert (leaving.send_due(NOW), mailing.accepted, told()) == (0, [], [("fired", "dropped")])


def test_a_digest_once_a_day_at_the_persons_hour_in_their_zone(source: Source, mailing: Mail, time: Time, owner: User) -> None:
    User.update(time_zone="America/New_York").where(User.id == owner.id).execute()
    owner = User.get_by_id(owner.id)
    wishes.save(owner, dict.fromkeys(("action", "warning", "news"), "digest"), 10, 0)
    assert AlertWish.get().digest_at == datetime(2026, 11, 25, 15)  # 10:00 in New York
    time.passes(timedelta(minutes=59))
    assert mailing.accepted == []
    time.passes(MINUTE)
    (first,) = mailing.accepted
    assert read(first)["Subject"] == "Today: 1 open alert, Harbor & Pine"
    settle()
    for _ in range(23):
        time.passes(HOUR)
    assert len(mailing.accepted) == 1
    time.passes(HOUR)
    assert read(mailing.accepted[1])["Subject"] == "Today: no open alerts, Harbor & Pine"
    assert "Ended: 1 answer" in read(mailing.accepted[1]).get_body(("plain",)).get_content()
    time.passes(24 * HOUR)
    assert len(mailing.accepted) == 2  # nothing to tell


def test_digests_that_eight_workers_make_at_once_are_one(source: Source, mailing: Mail, time: Time, owner: User) -> None:
    wishes.save(owner, dict.fromkeys(("action", "warning", "news"), "digest"), 15, 0)
    time.now += HOUR
    eight_at_once(lambda: (evaluate.evaluate(time.now), leaving.send_due(time.now)))
    leaving.send_due(time.now)
    assert len(mailing.accepted) == 1


def test_wishes_are_judged_and_two_windows_do_not_overwrite_each_other(source: Source, owner: User, member: User) -> None:
    with pytest.raises(Invalid) as refused:
        wishes.save(owner, {"action": "pigeon", "warning": "none"}, 24, 0)
    assert set(refused.value.errors) == {"action", "news", "hour"}
    wishes.save(owner, dict.fromkeys(("action", "warning", "news"), "none"), 8, 0)
    with pytest.raises(Stale):
        wishes.save(owner, dict.fromkeys(("action", "warning", "news"), "digest"), 8, 0)
    assert (wishes.of(owner).action, wishes.of(member).version) == ("none", 0)


def test_a_webhook_is_verified_by_the_reference_library_and_told_once(
    source: Source, hook: dict[str, Any], time: Time, owner: User
) -> None:
    wishes.save(owner, dict.fromkeys(("action", "warning", "news"), "none"), 8, 0)
    library = Library(hook["secret"])
    time.passes(MINUTE)
    settle()
    time.passes(MINUTE)
    time.passes(5 * MINUTE)
    kinds = []
    for headers, body in hook["got"]:
        assert library.verify(body, headers) == json.loads(body)
        kinds.append(json.loads(body)["type"])
    assert kinds == ["alert.firing", "alert.resolved"]
    data = json.loads(hook["got"][0][1])["data"]
    assert (data["rule"], data["level"], data["source"]) == ("answers_unused", "action", "Kestrel <Outdoor>")
    assert len({headers["webhook-id"] for headers, _ in hook["got"]}) == 2
    assert AlertSettings.get().hook_said == "Taken."
    with pytest.raises(Exception, match="(?i)signature"):
        library.verify(hook["got"][0][1].replace("action", "news"), hook["got"][0][0])


@pytest.mark.parametrize(("status", "state"), [(500, "unknown"), (400, "refused"), (401, "waiting")])
def test_a_webhook_that_does_not_take_it(source: Source, hook: dict[str, Any], time: Time, owner: User, status: int, state: str) -> None:
    wishes.save(owner, dict.fromkeys(("action", "warning", "news"), "none"), 8, 0)
    hook["status"] = status
    time.passes(MINUTE)
    assert (len(hook["got"]), told()) == (1, [("fired", state)])
    time.passes(MINUTE)
    assert len(hook["got"]) == (2 if state == "waiting" else 1)


@pytest.mark.parametrize(
    "address", ["", "ftp://hooks.example/a", "https://", "https://10.0.0.8/alerts", "https://u:p@hooks.example/", "http://127.0.0.1:0/"]
)
def test_an_address_is_judged_before_it_is_kept(config: Any, merchant: Merchant, address: str) -> None:
    if not address:
        settings.save_hook(merchant, "", "action", 0, "owner")
        return
    with pytest.raises(Invalid) as refused:
        settings.save_hook(merchant, address, "action", 0, "owner")
    assert "hook_url" in refused.value.errors


def test_the_secret_is_sealed_and_opens_only_there(hook: dict[str, Any], merchant: Merchant, other_merchant: Merchant) -> None:
    sealed = AlertSettings.get().hook_secret
    assert hook["secret"] not in str(sealed)
    with pytest.raises(vault.VaultError):
        vault.unseal(other_merchant, *vault.ALERT_PLACE, str(sealed))
    assert vault.verify(vault.current())[0] >= 1
    assert Alert.select().count() == 0 and AlertMessage.select().count() == 0
