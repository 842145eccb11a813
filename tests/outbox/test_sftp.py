"""Order files to OpenSSH's sshd, from processed requests to the file in the folder."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from portal.models import FulfillmentRequest, RequestEvent, Submission, SubmissionPart
from portal.outbox import files, journal, testing
from tests.connected import chosen, loopback  # noqa: F401
from tests.outgoing import connected, due_now, send, states, submissions, tries, turn_on, wants
from tests.servers import Server, SystemUser, sshd, system_user


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with system_user() as user, sshd(user) as running:
        yield running


def fresh_folder(user: SystemUser) -> Path:
    user.put("orders/.keep", b"")
    for one in (user.home / "orders").iterdir():
        one.unlink()
    account = pwd.getpwnam(user.name)
    os.chown(user.home / "orders", account.pw_uid, account.pw_gid)
    return user.home / "orders"


@pytest.fixture
def folder(server: Server) -> Path:
    return fresh_folder(server.user)


@pytest.fixture
def source(chosen: Any, server: Server, folder: Path) -> Any:  # noqa: F811
    made = connected(chosen("sftp-file"), server)
    turn_on(made)
    return made


def forgotten() -> None:
    """As if this process had been killed before it could write anywhere how it ended."""
    journal.path().unlink(missing_ok=True)
    journal.forget()


def test_processed_requests_leave_as_one_file_and_are_processed(source: Any, folder: Path) -> None:
    first, second = wants(source, "PO-1", "PO-2")
    run = send(source)
    assert (run.state, run.counts) == ("finished", {"collected": 2, "sent": 1})
    (file,) = folder.iterdir()
    lines = file.read_text().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["PO-1", "PO-2"]
    assert states(first, second) == [("processed", "sent")] * 2
    (sent,) = submissions(source)
    assert (sent.state, sent.reference, sent.witness, tries(sent)) == ("sent", "000001", "rename", [("try", "sent")])
    part = SubmissionPart.get(SubmissionPart.submission == sent)
    assert (bytes(part.content), part.name, part.state) == (file.read_bytes(), file.name, "sent")
    kinds = [one.kind for one in RequestEvent.select().where(RequestEvent.request == first.id)]
    assert kinds == ["sent"] and FulfillmentRequest.get_by_id(first.id).due_at is not None


def test_nothing_due_is_no_change_and_another_run_sends_nothing_twice(source: Any, folder: Path) -> None:
    wants(source, "PO-1")
    send(source)
    assert send(source).state == "no_change"
    assert len(list(folder.iterdir())) == 1
    wants(source, "PO-2")
    send(source)
    assert sorted(one.reference for one in submissions(source)) == ["000001", "000002"]


def test_a_file_for_each_request_where_its_name_says_so(source: Any, folder: Path) -> None:
    turn_on(source, {"file_name": "po_{po}.csv"})
    wants(source, "PO-1", "PO-2")
    send(source)
    assert sorted(one.name for one in folder.iterdir()) == ["po_PO-1.csv", "po_PO-2.csv"]
    assert [one.reference for one in submissions(source)] == ["PO-1", "PO-2"]


def test_a_request_that_does_not_fit_fails_with_the_reason_and_the_others_go(source: Any, folder: Path) -> None:
    turn_on(source, {"encoding": "ascii"})
    good, bad = wants(source, "PO-1", "PO-2")
    order = bad.order
    order.ship_to = {**order.ship_to, "name": "Ana Müller"}
    order.save()
    run = send(source)
    assert run.counts == {"collected": 2, "sent": 1}
    assert states(good, bad) == [("processed", "sent"), ("failed", "")]
    assert "ü" in FulfillmentRequest.get_by_id(bad.id).said
    assert len(next(folder.iterdir()).read_text().splitlines()) == 2


def test_a_folder_that_is_missing_sends_nothing_and_the_next_try_sends_it_once(source: Any, folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    (request,) = wants(source, "PO-1")
    run = send(source)
    assert (run.state, run.problem["code"]) == ("failed", "folder_missing")
    assert states(request) == [("processing", "waiting")]
    folder.with_name("elsewhere").rename(folder)
    due_now(source)
    assert send(source).counts == {"collected": 0, "sent": 1}
    (row,) = submissions(source)
    assert (len(list(folder.iterdir())), tries(row)) == (1, [("try", "not_sent"), ("try", "sent")])


def test_what_was_uploaded_and_taken_is_not_written_again(source: Any, folder: Path) -> None:
    """The worker died after its rename and before it could write that down; the supplier took the file meanwhile."""
    (request,) = wants(source, "PO-1")
    send(source)
    (row,) = submissions(source)
    next(folder.iterdir()).unlink()
    forgotten()
    Submission.update(state="uploaded", sent_at=None).where(Submission.id == row.id).execute()
    SubmissionPart.update(state="uploading").where(SubmissionPart.submission == row.id).execute()
    assert send(source).counts == {"collected": 0, "sent": 1}
    assert list(folder.iterdir()) == [] and states(request) == [("processed", "sent")]


def test_another_file_of_that_name_is_not_replaced_and_a_person_is_asked(source: Any, folder: Path, server: Server) -> None:
    turn_on(source, {"file_name": "po_{po}.csv"})
    server.user.put("orders/po_PO-1.csv", b"theirs")
    (request,) = wants(source, "PO-1")
    run = send(source)
    assert (run.state, run.counts["check_needed"]) == ("warnings", 1)
    assert (folder / "po_PO-1.csv").read_bytes() == b"theirs"
    assert states(request) == [("processing", "check_needed")]


def test_a_server_that_cannot_rename_gets_the_file_once_and_its_list_proves_it(source: Any, folder: Path) -> None:
    turn_on(source, witness="list")
    first, second = wants(source, "PO-1", "PO-2")
    send(source)
    (row,) = submissions(source)
    assert (row.state, row.witness) == ("sent", "list")
    forgotten()
    Submission.update(state="uploading", sent_at=None).where(Submission.id == row.id).execute()
    send(source)
    assert tries(Submission.get_by_id(row.id))[-1] == ("try", "found")
    next(folder.iterdir()).unlink()
    forgotten()
    Submission.update(state="uploading", sent_at=None).where(Submission.id == row.id).execute()
    assert send(source).counts["check_needed"] == 1
    assert list(folder.iterdir()) == []


def test_a_test_goes_into_the_folder_for_tests_with_the_bytes_of_the_order(source: Any, folder: Path, server: Server) -> None:
    turn_on(source, test_place="tests")
    server.user.put("tests/.keep", b"")
    os.chown(folder.with_name("tests"), pwd.getpwnam(server.user.name).pw_uid, pwd.getpwnam(server.user.name).pw_gid)
    (request,) = wants(source, "PO-1", state="unprocessed")
    row = testing.send(source, request, "ana@harbor.example")
    send(source)
    (file,) = [one for one in folder.with_name("tests").iterdir() if one.name != ".keep"]
    assert file.name.startswith("TEST_") and "PO-1" in file.read_text()
    assert (list(folder.iterdir()), states(request)) == ([], [("unprocessed", "")])
    assert Submission.get_by_id(row.id).state == "sent"


@pytest.mark.parametrize("place", ["orders", "orders/", "./orders", "tests/../orders"])
def test_a_test_never_goes_where_real_orders_go_however_that_is_spelled(source: Any, folder: Path, place: str) -> None:
    turn_on(source, test_place=place)
    row = testing.send(source, None, "ana@harbor.example")
    send(source)
    assert (list(folder.iterdir()), Submission.get_by_id(row.id).state) == ([], "rejected")


def test_temporary_names_hold_only_what_a_file_name_can() -> None:
    assert files.temp_begin("PO 7/8") == ".PO-7-8."
