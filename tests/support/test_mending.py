"""Support resets and deletes a source with reason, ticket and the typed name; both are taken back whole. And outages are told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal import accounts, audit, clock, schedules, setup_steps, sources
from portal.errors import Invalid, NotFound, Refused
from portal.models import AuditLine, Connection, Integration, InventoryItem, Merchant, Run, Source, SourceReset
from portal.support import fixing, outages
from portal.support.fixing import Why
from tests.conftest import PASSWORD

WHY = Why("The columns were renamed by the supplier", "T-4711")


@pytest.fixture
def source(merchant: Merchant, make_source: Any) -> Source:
    made: Source = make_source("Kestrel", supplier="sftp-file", state="live", item_count=3, setup_done=list(setup_steps.STEPS))
    Connection.create(source=made, settings={"host": "SFTP.Kestrel.example.", "port": "22"})
    for kind in sources.INTEGRATION_KINDS:
        sources.add_integration(made, kind, "owner")
    Integration.update(enabled=True, next_run_at=clock.now(), schedule={"every_minutes": 60}).where(Integration.source == made).execute()
    for n in range(3):
        InventoryItem.create(
            merchant=merchant, source=made, sku=f"K-{n}", title=f"Lamp {n}", quantity=n, content_hash=n, last_run_id=1, last_row=n
        )
    made.merchant = merchant
    return Source.get_by_id(made.id)


def items(source: Source) -> list[tuple[Any, ...]]:
    columns = (InventoryItem.public_id, InventoryItem.sku, InventoryItem.title, InventoryItem.quantity)
    return list(InventoryItem.select(*columns).where(InventoryItem.source == source).order_by(InventoryItem.sku).tuples())


@pytest.mark.parametrize("remove", [False, True])
def test_a_reset_opens_the_set_up_again_and_is_taken_back_whole(source: Source, person: Any, remove: bool, run_work: Any) -> None:
    before, was = items(source), {one.id: one.enabled for one in Integration.select().where(Integration.source == source)}
    made = fixing.reset(source, "inventory", remove, "Kestrel", WHY, person)
    run_work()
    after = Source.get_by_id(source.id)
    assert (after.state, sorted(after.setup_done)) == ("draft", ["connection", "file", "supplier"])
    assert items(source) == ([] if remove else before)
    Integration.update(next_run_at=clock.now() - timedelta(hours=1)).where(Integration.source == source).execute()
    assert schedules.start_due() == 0, "a draft is not on the clock"
    fixing.take_back(after, fixing.find_reset(after, made.public_id), person.email)
    run_work()
    whole = Source.get_by_id(source.id)
    assert (whole.state, whole.setup_done, whole.item_count) == ("live", source.setup_done, 3)
    assert items(source) == before and {one.id: one.enabled for one in Integration.select().where(Integration.source == source)} == was
    assert Integration.get(Integration.source == source, Integration.kind == "get_inventory_primary").next_run_at is not None
    with pytest.raises(NotFound):
        fixing.find_reset(whole, made.public_id)
    lines = AuditLine.select().where(AuditLine.object_id == source.public_id, AuditLine.action.startswith("support."))
    told = {one.action: one for one in lines}
    assert told["support.reset"].after == {"step": "Map the inventory", "items": "deleted" if remove else "kept",
                                           "reason": WHY.reason, "ticket": "T-4711"}  # fmt: skip
    assert told["support.reset"].before == {"state": "live", "items": 3} and told["support.restore"].who == person.email
    assert audit.verify(source.merchant) == []


def test_what_a_reset_refuses_leaves_everything(source: Source, person: Any, make_source: Any) -> None:
    for step, name, wrong in (("review", "Kestrel", {"step"}), ("file", "kestrl", {"typed_name"}), ("", "", {"step", "typed_name"})):
        with pytest.raises(Invalid) as refused:
            fixing.reset(source, step, False, name, WHY, person)
        assert set(refused.value.errors) == wrong
    for reason, ticket, errors in (("", "", {"reason", "ticket"}), ("why", "T-1", {"reason"}), ("good reason", " ", {"ticket"})):
        with pytest.raises(Invalid) as refused:
            fixing.why(reason, ticket)
        assert set(refused.value.errors) == errors
    Merchant.update(closing_at=clock.now()).where(Merchant.id == source.merchant_id).execute()
    acts: tuple[Any, ...] = (
        lambda one: fixing.reset(one, "file", False, "Kestrel", WHY, person),
        lambda one: fixing.delete(one, "Kestrel", WHY, person),
        lambda one: fixing.test(one, person),
    )
    for act in acts:
        with pytest.raises(Refused, match="being deleted"):
            act(Source.get_by_id(source.id))
    Merchant.update(closing_at=None).where(Merchant.id == source.merchant_id).execute()
    source = Source.get_by_id(source.id)
    Run.create(merchant=source.merchant, source=source, number=1, kind="inventory", state="running", lease_until=clock.now())
    with pytest.raises(Refused, match="is not finished"):
        fixing.reset(source, "file", True, "Kestrel", WHY, person)
    Source.update(version=Source.version + 1).where(Source.id == source.id).execute()
    with pytest.raises(Refused, match="meanwhile"):
        fixing.reset(source, "file", False, "Kestrel", WHY, person)
    early = make_source("Early", setup_done=["supplier"])
    with pytest.raises(Refused, match="not come that far"):
        fixing.reset(early, "file", False, "Early", WHY, person)
    assert Source.get_by_id(source.id).state == "live" and SourceReset.select().count() == 0 and len(items(source)) == 3


def test_a_source_that_was_set_up_again_or_is_too_old_is_not_taken_back(source: Source, person: Any) -> None:
    made = fixing.reset(source, "skus", False, "Kestrel", WHY, person)
    Source.update(state="live").where(Source.id == source.id).execute()
    with pytest.raises(Refused, match="set up again since"):
        fixing.take_back(source, made, person.email)
    assert SourceReset.get_by_id(made.id).restored_at is None
    SourceReset.update(until=clock.now() - timedelta(seconds=1)).execute()
    with pytest.raises(NotFound):
        fixing.find_reset(source, made.public_id)


@pytest.mark.one_database
def test_deletion_on_screen_asks_for_everything_and_is_taken_back(console: Any, source: Source, run_work: Any) -> None:
    at = f"/staff/sources/{source.public_id}"
    bare = console.send_form(f"{at}/deletion", {"reason": "", "ticket": "", "typed_name": "no"})
    assert bare.status_code == 422 and "Say why" in bare.text and "Name the ticket" in bare.text and "does not match" in bare.text
    given = {"reason": "The merchant asked for it", "ticket": "T-12", "typed_name": "Kestrel"}
    assert console.send_form(f"{at}/deletion", given).status_code == 303
    run_work()
    page = console.get(at).text
    assert Source.get_by_id(source.id).state == "deleted" and "This source is deleted" in page
    assert console.send_form(f"{at}/restoration", page=at).status_code == 303
    assert Source.get_by_id(source.id).state == "live" and len(items(source)) == 3
    told = AuditLine.get(AuditLine.action == "support.delete")
    assert (told.after, told.staff) == ({"reason": "The merchant asked for it", "ticket": "T-12"}, 1)
    assert console.send_form(f"{at}/reset", given | {"step": "file", "items": "delete"}).status_code == 303
    run_work()
    assert items(source) == [] and "its 3 items deleted" in " ".join(console.get(at).text.split())
    made = SourceReset.get()
    assert console.send_form(f"{at}/resets/{made.public_id}/restoration", page=at).status_code == 303
    run_work()
    assert Source.get_by_id(source.id).state == "live" and len(items(source)) == 3 and audit.verify(source.merchant) == []


@pytest.mark.one_database
def test_its_merchant_is_told_of_a_reset_and_takes_it_back_too(
    app: Any, client: Any, other_client: Any, source: Source, person: Any, merchant: Merchant
) -> None:
    at = f"/sources/{source.public_id}"
    assert "Support put this source back" not in client.get(at).text
    made = fixing.reset(source, "inventory", False, "Kestrel", WHY, person)
    page = client.get(at).text
    assert "Support put this source back to “Map the inventory”" in page and WHY.reason in page and "T-4711" in page
    accounts.create_user(merchant, "op@harbor.example", PASSWORD, role="operator")
    operator = app.test_client().sign_in("op@harbor.example", PASSWORD)
    assert "T-4711" in operator.get(at).text and "take-back" not in operator.get(at).text
    back = f"/settings/support{at}/resets/{made.public_id}/restoration"
    token = other_client.form_values(other_client.get("/help").text, "/sign-out")["csrf_token"]
    assert other_client.post(back, data={"csrf_token": token}).status_code == 404 and Source.get_by_id(source.id).state == "draft"
    assert client.send_form(back, page=at).status_code == 303 and Source.get_by_id(source.id).state == "live"
    assert AuditLine.get(AuditLine.action == "support.restore").who == "owner@harbor.example"


def test_an_outage_is_told_to_those_with_a_source_there_and_to_no_other(
    source: Source, person: Any, other_merchant: Merchant, make_source: Any, merchant: Merchant
) -> None:
    far = make_source("Far", of=other_merchant, state="live")
    Connection.create(source=far, settings={"host": "sftp.far.example", "note": "not sftp.kestrel.example"})
    with pytest.raises(Invalid) as refused:
        outages.announce("nobody.example", "short", person)
    assert set(refused.value.errors) == {"host", "words"}
    made = outages.announce(" sftp.kestrel.example. ", "Their disk is full; they expect to be back at noon.", person)
    assert [one.names for one in outages.of(merchant)] == [["Kestrel"]] and outages.of(other_merchant) == []
    with pytest.raises(Refused, match="announced already"):
        outages.announce("SFTP.kestrel.example", "Their disk is still full, they say.", person)
    outages.over(made.public_id, person)
    assert outages.of(merchant) == []
    with pytest.raises(NotFound):
        outages.over(made.public_id, person)
    acts = {one.action: one.merchant_id for one in AuditLine.select().where(AuditLine.action.startswith("support."))}
    assert acts == {"support.outage": merchant.id, "support.outage_end": merchant.id}
