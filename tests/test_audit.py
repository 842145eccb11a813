"""The audit log tells when a line was edited, taken out, added or moved."""

from __future__ import annotations

import threading

import pytest

from portal import accounts, audit
from portal.models import AuditLine, Merchant, database
from portal.records import Secret


@pytest.fixture
def log(merchant: Merchant) -> Merchant:
    for n in range(6):
        audit.write(merchant, "owner@harbor.example", "source.rename", "source", f"s{n}", before={"name": f"é{n}"}, after={"name": n})
    return merchant


def test_an_untouched_log_is_intact(log, other_merchant):
    audit.write(other_merchant, "x", "source.create")
    assert audit.verify(log) == [] and audit.verify(other_merchant) == []
    numbers = [line.number for line in AuditLine.select().where(AuditLine.merchant == log).order_by(AuditLine.number)]
    assert numbers == list(range(1, 8))


@pytest.mark.parametrize(
    "column", ["who", "action", "object_kind", "object_id", "before", "after", "at", "address", "device", "staff", "hash", "previous_hash"]
)
@pytest.mark.parametrize("number", [1, 4, 7])
def test_an_edited_line_is_named(log, column, number):
    value = {"at": "2001-01-01 00:00:00", "staff": 1}.get(column, "edited")
    AuditLine.update({column: value}).where(AuditLine.merchant == log, AuditLine.number == number).execute()
    assert any(f"Line {number} " in problem for problem in audit.verify(log))


@pytest.mark.parametrize("number", [1, 4, 7])
def test_a_deleted_line_is_noticed_the_last_one_too(log, number):
    AuditLine.delete().where(AuditLine.merchant == log, AuditLine.number == number).execute()
    assert audit.verify(log)


def test_a_line_moved_to_another_place_is_noticed(log):
    AuditLine.update(number=99).where(AuditLine.merchant == log, AuditLine.number == 3).execute()
    AuditLine.update(number=3).where(AuditLine.merchant == log, AuditLine.number == 4).execute()
    AuditLine.update(number=4).where(AuditLine.merchant == log, AuditLine.number == 99).execute()
    assert audit.verify(log)


def test_a_line_copied_from_another_merchant_is_noticed(log, other_merchant):
    stolen = AuditLine.get(AuditLine.merchant == other_merchant, AuditLine.number == 1)
    AuditLine.delete().where(AuditLine.merchant == log, AuditLine.number == 1).execute()
    AuditLine.update(merchant=log).where(AuditLine.id == stolen.id).execute()
    assert audit.verify(log)


def test_writers_side_by_side_share_no_number(log):
    stale = Merchant.get_by_id(log.id)

    def write() -> None:
        with database.connection_context():
            for _ in range(5):
                audit.write(stale, "thread", "source.rename")

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert AuditLine.select().where(AuditLine.merchant == log).count() == 27
    assert audit.verify(log) == []


def test_a_line_goes_with_the_transaction_it_belongs_to(log):
    with pytest.raises(RuntimeError), database.atomic():
        audit.write(log, "x", "source.rename")
        raise RuntimeError
    assert audit.verify(log) == []


def test_saving_an_older_copy_of_the_workspace_leaves_the_count_alone(log):
    older = Merchant.get_by_id(log.id)
    audit.write(log, "x", "source.rename")
    older.name = "Renamed"
    older.save()
    assert audit.verify(log) == []


def test_a_secret_is_written_as_stars(log):
    line = audit.write(log, "x", "connection.save", after={"password": Secret("hunter2hunter2")})
    assert AuditLine.get_by_id(line.id).after == {"password": "***"}
    assert audit.verify(log) == []


def test_workspaces_begin_their_log_with_their_own_creation(config):
    made = accounts.create_merchant("Fresh")
    assert AuditLine.get(AuditLine.merchant == made).action == "workspace.create"


def test_from_where_is_noted_and_part_of_the_chain(log):
    audit.acting(audit.Place("192.0.2.7", "Mozilla/5.0 Firefox/140.0", staff=True))
    try:
        line = audit.write(log, "sam@quayside.example", "source.rename")
        given = audit.write(log, "x", "source.rename", address="192.0.2.9")
    finally:
        audit.acting()
    assert (line.address, line.device, line.staff, given.address) == ("192.0.2.7", "Mozilla/5.0 Firefox/140.0", 1, "192.0.2.9")
    assert audit.write(log, "x", "source.rename").device == "" and audit.verify(log) == []
    AuditLine.update(device="", staff=0).where(AuditLine.id == line.id).execute()
    assert audit.verify(log) == [f"Line {line.number} was changed after it was written"]


def test_a_line_added_beside_the_count_is_noticed(log):
    last = AuditLine.select().where(AuditLine.merchant == log).order_by(AuditLine.number.desc()).get()
    AuditLine.create(merchant=log, number=last.number + 1, who="x", action="source.rename", previous_hash=last.hash, hash="0" * 64)
    assert audit.verify(log) == [f"Line {last.number + 1} was added beside the count of lines"]
