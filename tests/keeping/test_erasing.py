"""A person is erased everywhere, nobody else is, the log still proves itself, and a restored database is cleaned once more."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from portal import accounts, audit, clock, documents, runs
from portal import config as settings
from portal.channels import pulling
from portal.erasing import finding, persons, replaying, tombstones, users
from portal.erasing.terms import ERASED, Terms
from portal.errors import Invalid, Refused
from portal.exporting import exports
from portal.models import (
    AnswerProblem,
    ApiAnswer,
    AuditLine,
    ChannelOrder,
    Document,
    Erasure,
    Exchange,
    Order,
    OrderLine,
    RequestLine,
    Shipment,
    Submission,
    SubmissionMember,
    SubmissionPart,
    User,
    WorkspaceExport,
    connect,
    database,
)
from portal.operation import backup, restoring
from portal.orders import changing
from portal.outbox import journal
from tasks import work
from tests.conftest import PASSWORD, close_database
from tests.ordered import ADA, ask, place
from tests.web.walk import everything

BEN = {**ADA, "name": "Benjamin Okafor", "address_1": "9 Quarry Lane", "email": "ben@example.com", "phone": "+44 20 7946 0000"}
TRACES = ("Ada Byron", "ada@example.com", "12 Harbor Rd", "555 0142", "5550142")


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("Mail to ADA@Example.com.", True), ('{"to": "ada\\u0040example.com"}', True), ("email=ada%40example.com&x=1", True),
        ("call (207) 555-0142 now", True), ("Ada  BYRON", True), ("to 12 Harbor Rd, Portland", True), ("ada@example.org", False),
        ("207 555 0143", False), ("Adam Byronson", False), (ERASED, False), ("", False), ("Portland, Maine", False),
    ],
)  # fmt: skip
def test_a_text_is_searched_as_people_and_programs_write(text: str, held: bool) -> None:
    terms = Terms()
    terms.add(ADA)
    assert terms.in_text(text) is held
    blind = Terms(hashes=frozenset(terms.known_by()), mark=lambda one: one)
    known = held and ("ada" in text.lower() and "byron" not in text.lower() or "207" in text)
    assert blind.in_text(text) is known  # what is known only by hashes: addresses and telephone numbers


def finish(order: Order) -> None:
    lines = RequestLine.select().where(RequestLine.order_line << order.lines)
    for line in lines:
        RequestLine.update(open=0, shipped=line.ordered).where(RequestLine.id == line.id).execute()
    Order.update(state="closed").where(Order.id == order.id).execute()


@pytest.fixture
def traces(merchant: Any, make_source: Callable[..., Any], owner: Any) -> dict[str, Any]:
    """Ada's finished order and Ben's, and what speaks of both all over the database and the disk."""
    source = make_source(state="live")
    raw = documents.store_upload(source, io.BytesIO(b"po,name\n1001,Ada Byron\n"), "acks.csv")
    made = {}
    for number, who in (("1001", ADA), ("1002", BEN)):
        order = place(merchant, number=number, note=f"Ring for {who['name']}", document_id=raw.id if who is ADA else None)
        changed = changing.set_address(order, {**who, "address_2": "Floor 2"}, order.version, owner.email)
        request = ask(changed, source)
        sent = Submission.create(merchant=merchant, source=source, transport="sftp", witness="rename", reference=number, state="sent")
        SubmissionMember.create(submission=sent, request=request, generation=1)
        text = f"{number},{who['name']},{who['email']}".encode()
        SubmissionPart.create(submission=sent, place=0, content=text, size=len(text), sha256="1" * 64)
        Shipment.create(
            merchant=merchant, source=source, request=request, state="unmatched", reference=number, tracking_number=f"T{number}",
            tracking_key=f"T{number}", came_by="file", note=f"Left with {who['email']}",
        )  # fmt: skip
        body = f'{{"to": "{who["email"].replace("@", chr(92) + "u0040")}"}}'
        Exchange.create(merchant=merchant, source=source, method="POST", address="https://x.example", milliseconds=1, request=body)
        AnswerProblem.create(merchant=merchant, source=source, cause="file", told={"name": who["name"], "qty": 3}, words="It fits nothing.")
        ApiAnswer.create(merchant=merchant, key_hash=number * 10, content_hash="0" * 64, body=f"phone {who['phone']}")
        finish(order)
        made[number] = Order.get_by_id(order.id)
    return made | {"source": source, "raw": raw}


def dump() -> str:
    """All that the database and the folders of this installation hold, as text."""
    rows = repr(everything(()))
    blobs = "".join(bytes(part.content).decode("utf-8", "replace") for part in SubmissionPart.select())
    folder = settings.current().data_dir
    found = [path for path in folder.rglob("*") if path.is_file() and "backups" not in path.relative_to(folder).parts]
    files = [path for path in found if ".db" not in path.name]
    for path in folder.glob("portal.db*"):  # freed pages and the log of the last writes too
        blobs += path.read_bytes().decode("utf-8", "replace")
    return rows.replace("\\\\u0040", "@") + blobs + "".join(path.read_text("utf-8", "replace") for path in files)


def erase_ada(owner: Any, order: Order) -> Erasure:
    row = persons.start(owner, "ADA@example.com", [order.public_id], "asked by letter")
    assert runs.work_available(work.HANDLERS) >= 1
    return Erasure.get_by_id(row.id)


def test_a_person_goes_everywhere_and_nobody_else_does(traces: dict[str, Any], merchant: Any, owner: Any) -> None:
    exports.start(owner, with_files=False)
    runs.work_available(work.HANDLERS)
    before, rows = dump(), repr(everything(()))
    assert all(text in before for text in (*TRACES[:4], "Benjamin Okafor"))
    quantities = sorted(OrderLine.select(OrderLine.quantity, OrderLine.sku, OrderLine.routed).tuples())
    assert [one.number for one in finding.orders(merchant, "+1 (207) 555-0142")] == ["1001"]
    assert (
        [one.number for one in finding.orders(merchant, "ada byron")]
        == [one.number for one in finding.orders(merchant, "1001")]
        == ["1001"]
    )
    row = erase_ada(owner, traces["1001"])
    assert row.state == "done" and row.sealed is None and row.counts["orders"] == 1 and row.counts["raw files"] == 1
    left = dump()
    assert [text for text in TRACES if text in left] == []
    ada, ben = (Order.get_by_id(traces[number].id) for number in ("1001", "1002"))
    assert (
        ada.ship_to["name"] == ada.ship_to["postal"] == ada.note == ERASED and ada.ship_to["country_code"] == "US" and ada.number == "1001"
    )
    assert (ben.ship_to, ben.note) == (traces["1002"].ship_to, traces["1002"].note)
    now = repr(everything(()))
    for text in ("Benjamin Okafor", "ben@example.com", "+44 20 7946 0000"):
        assert now.count(text) == rows.count(text) > 0
    assert sorted(OrderLine.select(OrderLine.quantity, OrderLine.sku, OrderLine.routed).tuples()) == quantities
    assert WorkspaceExport.get().stored_name is None and Document.get_by_id(traces["raw"].id).stored_name is None
    assert audit.verify(merchant) == [] and AuditLine.select().where(AuditLine.action == "order.address").count() == 2
    line = AuditLine.get(AuditLine.action == "order.address", AuditLine.object_id == ada.public_id)
    assert line.after["ship_to"]["name"] == line.after["ship_to"]["city"] == ERASED
    AuditLine.update(after={"ship_to": {"name": "Somebody else"}}).where(AuditLine.id == line.id).execute()
    assert audit.verify(merchant) == [f"Line {line.number} was changed after it was written"]


def test_who_is_still_waiting_for_goods_is_not_erased(traces: dict[str, Any], owner: Any) -> None:
    Order.update(state="open").where(Order.id == traces["1001"].id).execute()
    RequestLine.update(open=RequestLine.ordered, shipped=0).where(RequestLine.order_line << traces["1001"].lines).execute()
    before = everything()
    with pytest.raises(Refused, match="1001 is not finished"):
        persons.start(owner, "ada@example.com", [traces["1001"].public_id], "asked by letter")
    with pytest.raises(Invalid) as wrong:
        persons.start(owner, "Ada Byron", [traces["1002"].public_id], " ")
    assert set(wrong.value.errors) == {"typed", "reason"} and everything() == before and not tombstones.path().exists()


def test_what_the_store_tells_of_an_erased_person_is_not_kept_again(merchant: Any, owner: Any, traces: dict[str, Any]) -> None:
    from portal import channels

    channel = channels.add(merchant, "Shop", "woocommerce", clock.now(), True, "owner")
    ada = traces["1001"]
    row = ChannelOrder.create(channel=channel, ref="77", number="77", order=ada, state="taken", told={"ship_to": ADA, "lines": []})
    erase_ada(owner, ada)
    row = ChannelOrder.get_by_id(row.id)
    told = {"ref": "77", "number": "77", "state": "take", "lines": [], "changed": "2026-11-27T06:00:00", "placed": "2026-11-27T06:00:00"}
    one = pulling.whole(ChannelOrder(told={"whole": {**told, "ship_to": ADA}}))
    assert pulling.take(channel, one, None) == "" and ChannelOrder.get_by_id(row.id).told == {"erased": True}


@pytest.fixture
def elsewhere(config: Any, databases: Any, tmp_path: Path) -> Callable[[], Any]:
    """elsewhere(): another machine, empty; its settings are in use from then on."""

    def move() -> Any:
        place = tmp_path / "elsewhere"
        place.mkdir()
        url = f"sqlite:///{place}/portal.db" if config.database_url.startswith("sqlite") else databases.empty_postgres("elsewhere")
        close_database()
        journal.forget()
        return settings.use(replace(config, data_dir=place, database_url=url, secret_key_file=place / "secret.key"))

    return move


def test_a_database_from_before_an_erasure_is_cleaned_once_more(
    traces: dict[str, Any], merchant: Any, owner: Any, member: Any, config: Any, elsewhere: Callable[[], Any], tmp_path: Path
) -> None:
    """S4: yesterday's backup, restored on a machine that lost everything but the folder of backups and the key."""
    clerk = accounts.create_user(merchant, "clerk.of.dock@harbor.example", PASSWORD)
    changing.set_note(traces["1002"], "Mind the step", traces["1002"].version, clerk.email)
    exchange = {"merchant": merchant, "source": traces["source"], "method": "GET", "address": "https://x.example", "milliseconds": 1}
    gone = Exchange.create(**exchange, answer="of nina@example.com, who ordered nothing")
    yesterday = backup.make(tmp_path / "backups").folder.rename(tmp_path / "backups" / "quayside-20261126T040000Z")
    gone.delete_instance()  # by age: no order tells of it when the marks are used
    persons.start(owner, "nina@example.com", [], "asked by letter")
    erase_ada(owner, traces["1001"])
    users.start(owner, clerk, clerk.email, "left")
    assert [one for one in (*TRACES, clerk.email) if one in dump()] == [] and audit.verify(merchant) == []
    told = tombstones.path().read_text()
    assert len(told.splitlines()) == 3 and not any(text in told for text in (*TRACES, clerk.email))
    tombstones.path().unlink()  # another machine makes the backups: it knows by the database
    backup.make(tmp_path / "backups")
    there = elsewhere()
    proof = restoring.restore(yesterday, config.secret_key_file)
    assert proof.good
    connect(there.database_url)
    database.connect(reuse_if_open=True)
    left = dump()
    assert [text for text in (*TRACES, clerk.email, "nina@example.com") if text in left] == []
    assert "Benjamin Okafor" in left and Erasure.select().where(Erasure.state == "done").count() == 3
    assert User.get(User.public_id == clerk.public_id).email == users.mark_of(clerk)
    assert all(audit.verify(one) == [] for one in {line.merchant for line in AuditLine.select()})
    assert replaying.replay(tmp_path / "backups") == 0  # each once
