"""Orders by e-mail and by webhook, over the whole way; and the journal that outlives a database."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pypdf
import pytest

from portal import config as installation
from portal import hook_signatures
from portal.models import FulfillmentRequest, Integration, Order, SendingStop, Source, Submission, SubmissionPart
from portal.outbox import journal, others, stops
from portal.records import Secret
from tests.connectors.json_server import JsonAnswers, serving
from tests.outbox.mail_server import Mail, mail_server
from tests.outgoing import due_now, send, states, submissions, tries, turn_on, wants
from tests.servers import LOOPBACK

pytestmark = pytest.mark.one_database  # the files' and the pages' tests go over both


@pytest.fixture
def source(config: Any, app: Any, make_source: Callable[..., Source]) -> Source:  # noqa: ARG001 - it sets the settings, too
    installation.use(replace(config, egress_allow=LOOPBACK))
    made = make_source("Harbor", supplier="file-upload", state="live")
    Integration.get_or_create(source=made, kind="send_orders")
    return made


@pytest.fixture
def mail(source: Source) -> Iterator[Mail]:
    with mail_server() as running:
        now = installation.current()
        installation.use(replace(now, smtp_host=LOOPBACK, smtp_port=running.port, smtp_security="plain", smtp_from="orders@shop.example"))
        turn_on(source, leave_by="email", email_to="desk@harbor.example, two@harbor.example")
        yield running


def test_an_order_leaves_as_a_message_with_its_file_and_the_bytes_are_those_kept(source: Source, mail: Mail) -> None:
    (one,) = wants(source, "10442")
    assert send(source).counts == {"collected": 1, "sent": 1}
    (taken,) = mail.accepted
    kept = bytes(SubmissionPart.get(SubmissionPart.submission == submissions(source)[0]).content)
    assert taken == kept
    message = email.message_from_bytes(taken, policy=email.policy.SMTP)
    assert (message["To"], message["Subject"]) == ("desk@harbor.example, two@harbor.example", "Order 10442")
    (file,) = message.iter_attachments()
    assert file.get_filename().endswith(".csv") and "10442" in file.get_content()
    assert "<td>10442</td>" in message.get_body(("html",)).get_content()
    assert states(one) == [("processed", "sent")]


@pytest.mark.parametrize(("attach", "endings"), [("sheet", [".pdf"]), ("both", [".csv", ".pdf"])])
def test_a_message_may_carry_a_pdf(source: Source, mail: Mail, attach: str, endings: list[str]) -> None:
    turn_on(source, leave_by="email", email_to="desk@harbor.example", email_attach=attach)
    wants(source, "10442")
    assert send(source).counts == {"collected": 1, "sent": 1}
    files = list(email.message_from_bytes(mail.accepted[0], policy=email.policy.SMTP).iter_attachments())
    assert ["." + one.get_filename().rpartition(".")[2] for one in files] == endings
    sheet = pypdf.PdfReader(io.BytesIO(files[-1].get_content())).pages[0].extract_text()
    assert (files[-1].get_content_type(), "Purchase order 10442" in sheet) == ("application/pdf", True)


def test_a_letter_that_no_pdf_can_show_holds_the_order_back_and_says_which(source: Source, mail: Mail) -> None:
    turn_on(source, leave_by="email", email_to="desk@harbor.example", email_attach="sheet")
    (one,) = wants(source, "10442")
    order = Order.get_by_id(one.order_id)
    Order.update(ship_to={**order.ship_to, "name": "山田"}).where(Order.id == order.id).execute()
    send(source)
    assert mail.accepted == [] and states(one)[0][0] == "failed"
    assert "cannot show “山”" in FulfillmentRequest.get_by_id(one.id).said


@pytest.mark.parametrize("breaks_at", ["helo", "mail", "rcpt", "data"])
def test_what_broke_before_the_first_byte_of_the_message_is_sent_again_by_itself(source: Source, mail: Mail, breaks_at: str) -> None:
    (one,) = wants(source, "10442")
    mail.breaks_at = breaks_at
    assert send(source).state == "failed"
    assert states(one) == [("processing", "waiting")]
    mail.breaks_at = ""
    due_now(source)
    send(source)
    assert (len(mail.accepted), states(one)) == (1, [("processed", "sent")])
    assert tries(submissions(source)[0]) == [("try", "not_sent"), ("try", "sent")]


@pytest.mark.parametrize(("breaks_at", "accepted"), [("body", 0), ("accepted", 1)])
def test_what_broke_after_it_is_never_sent_again_by_itself(source: Source, mail: Mail, breaks_at: str, accepted: int) -> None:
    (one,) = wants(source, "10442")
    mail.breaks_at = breaks_at
    assert send(source).state == "warnings"
    mail.breaks_at = ""
    due_now(source)
    send(source)
    assert (len(mail.accepted), states(one)) == (accepted, [("processing", "check_needed")])


@pytest.mark.parametrize(
    ("step", "line", "becomes"),
    [
        ("rcpt", "550 no such user", ("failed", "rejected")),
        ("body", "554 spam", ("failed", "rejected")),
        ("rcpt", "451 try later", ("processing", "waiting")),
        ("body", "452 full", ("processing", "waiting")),
    ],
)
def test_the_servers_own_word_decides(source: Source, mail: Mail, step: str, line: str, becomes: tuple[str, str]) -> None:
    (one,) = wants(source, "10442")
    mail.answers[step] = line
    send(source)
    assert (states(one), mail.accepted) == ([becomes], [])


@pytest.fixture
def hook(source: Source) -> Iterator[dict[str, Any]]:
    """An address of a supplier's: what it got, and how it answers."""
    told: dict[str, Any] = {"got": [], "status": 204, "cut": 0}

    class Door(JsonAnswers):
        def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
            body = self.heard()
            told["got"].append((dict(self.headers), body.encode()))
            if told["cut"]:
                told["cut"] -= 1
                self.close_connection = True
                return
            self.say(told["status"], None)

    with serving(Door) as port:
        told["url"] = f"http://{LOOPBACK}:{port}/orders"
        told["secret"] = others.make_secret(source, "owner@harbor.example")
        yield told


def test_a_webhook_is_signed_as_standard_webhooks_says(source: Source, hook: dict[str, Any]) -> None:
    turn_on(source, leave_by="webhook", webhook_url=hook["url"])
    wants(source, "10442", "10443")
    assert send(source).counts == {"collected": 2, "sent": 2}
    for headers, body in hook["got"]:
        known = {name.lower(): value for name, value in headers.items()}
        scheme, at = hook_signatures.Scheme("standard"), float(known["webhook-timestamp"])
        assert hook_signatures.verify(scheme, [("now", Secret(hook["secret"]))], known, body, at)
        signed = f"{known['webhook-id']}.{known['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(hook["secret"].removeprefix("whsec_"))
        assert known["webhook-signature"] == "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    told = json.loads(hook["got"][0][1])
    assert (told["reference"], told["data"]["po_number"], told["data"]["lines"][0]["quantity"]) == ("10442", "10442", 3)
    assert len({headers["webhook-id"] for headers, _ in hook["got"]}) == 2


def test_a_swallowed_answer_is_asked_about_unless_they_promised_to_take_an_id_once(source: Source, hook: dict[str, Any]) -> None:
    turn_on(source, leave_by="webhook", webhook_url=hook["url"])
    (first,) = wants(source, "1")
    hook["cut"] = 1
    send(source)
    due_now(source)
    send(source)
    assert (len(hook["got"]), states(first)) == (1, [("processing", "check_needed")])
    turn_on(source, leave_by="webhook", webhook_url=hook["url"], takes_id_once=True)
    (second,) = wants(source, "2")
    hook["cut"] = 1
    send(source)
    due_now(source)
    send(source)
    ids = [headers["webhook-id"] for headers, _ in hook["got"][1:]]
    assert (len(ids), len(set(ids)), states(second)) == (2, 1, [("processed", "sent")])


def test_a_refused_webhook_is_refused_and_no_secret_stands_in_what_is_kept(source: Source, hook: dict[str, Any]) -> None:
    turn_on(source, leave_by="webhook", webhook_url=hook["url"])
    (one,) = wants(source, "1")
    hook["status"] = 422
    send(source)
    assert states(one) == [("failed", "rejected")]
    assert hook["secret"] not in repr(list(Submission.select().dicts())) + repr(list(Integration.select().dicts()))


# the journal


def restored(*requests: FulfillmentRequest) -> None:
    """As if a backup from before these requests left had been put back, and this process started anew."""
    Submission.delete().execute()
    ids = [one.id for one in requests]
    FulfillmentRequest.update(state="processing", sending="", sent_at=None).where(FulfillmentRequest.id << ids).execute()
    journal.forget()


def test_after_a_restore_nothing_is_sent_by_itself_and_what_had_left_opens_as_check_needed(
    source: Source, mail: Mail, app: Any
) -> None:  # fmt: skip
    turn_on(source, {"file_name": "po_{po}.csv"}, leave_by="email", email_to="desk@harbor.example")
    gone = wants(source, *(f"PO-{n}" for n in range(3)))
    send(source)
    assert len(mail.accepted) == 1
    restored(*gone)
    (later,) = wants(source, "PO-later")
    run = send(source)
    assert (run.state, len(mail.accepted), states(later)) == ("warnings", 1, [("processing", "")])
    assert "older than what was sent" in run.problem["body"]
    said = app.test_cli_runner().invoke(args=["sending", "status"]).output
    assert "Sending is off" in said
    assert json.loads(app.test_cli_runner().invoke(args=["sending", "on", "--json"]).output)["on"] is True
    send(source)
    assert states(*gone) == [("processing", "check_needed")] * 3
    assert (len(mail.accepted), states(later)) == (2, [("processed", "sent")])
    assert SendingStop.select().count() == 0


def test_a_submission_that_waited_in_the_backup_and_left_afterwards_is_not_sent_again(source: Source, mail: Mail) -> None:
    (one,) = wants(source, "PO-1")
    send(source)
    columns = {"state": "waiting", "tries": 0, "left_at": None, "sent_at": None, "next_at": None}
    Submission.update(columns).where(Submission.source == source).execute()
    FulfillmentRequest.update(state="processing", sending="waiting").where(FulfillmentRequest.id == one.id).execute()
    journal.forget()
    assert send(source).state == "warnings"
    assert stops.start_everything("operator")
    send(source)
    assert (len(mail.accepted), states(one)) == (1, [("processing", "check_needed")])


def test_an_operator_switches_everything_off_and_on(source: Source, mail: Mail, app: Any) -> None:
    (one,) = wants(source, "PO-1")
    assert "Sending is off: We move" in app.test_cli_runner().invoke(args=["sending", "off", "--why", "We move."]).output
    assert send(source).problem["body"] == "We move."
    assert states(one) == [("processing", "")]
    assert "Sending is on" in app.test_cli_runner().invoke(args=["sending", "on"]).output
    send(source)
    assert (len(mail.accepted), states(one)) == (1, [("processed", "sent")])


def test_a_torn_last_line_of_the_journal_is_passed_over(source: Source, mail: Mail) -> None:
    wants(source, "PO-1")
    send(source)
    with journal.path().open("ab") as file:
        file.write(b'{"at":"2026-11-27T09:00:00","leaves":"abc","sou')
    journal.forget()
    wants(source, "PO-2")
    assert send(source).counts["sent"] == 1
    journal.forget()
    wants(source, "PO-3")
    assert send(source).counts["sent"] == 1
    assert len(mail.accepted) == 3
