"""What support sees of the whole installation, and finds in it, by SQL that both databases understand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from portal import clock, sources
from portal.models import Connection, FulfillmentRequest, Merchant, Run, StaffPerson
from portal.support import finding, fleet
from tests.conftest import PASSWORD
from tests.ordered import ask, place


def test_the_fleet_is_seen_by_a_few_queries_over_all_merchants(
    merchant: Merchant, other_merchant: Merchant, make_source: Any, counting: Any
) -> None:
    now = clock.now()
    for whose in (merchant, other_merchant):
        for n in range(3):
            source = make_source(f"Source {n}", of=whose, state="live")
            feed = sources.add_integration(source, "get_inventory_primary", "owner")
            common: dict[str, Any] = {"merchant": whose, "source": source, "kind": "inventory"}
            Run.create(**common, integration=feed, number=3 * n + 1, state="held", finished_at=now - timedelta(hours=n), created_at=now)
            Run.create(**common, number=3 * n + 2, state="queued", due_at=now - timedelta(minutes=n))
            Run.create(**common, number=3 * n + 3, state="running", started_at=now, lease_until=now - timedelta(seconds=45 * n))
            request = ask(place(whose, [(f"K-{n}", 1)], number=f"O-{n}"), source)
            FulfillmentRequest.update(sending="check_needed", changed_at=now - timedelta(hours=n)).where(
                FulfillmentRequest.id == request.id
            ).execute()
    with counting() as queries:
        seen = fleet.look()
    assert len(queries) <= 7
    assert len(seen.held) == 6 and seen.held[0].finished_at == now - timedelta(hours=2)
    assert [(count, (now - since) // timedelta(hours=1)) for _, _, count, since in seen.doubts] == [(1, n) for n in (2, 2, 1, 1, 0, 0)]
    assert sorted(one.number for one in seen.stuck) == [9, 9], "the lease of these ended 90 seconds ago"
    assert {(one[0].id, one[1], one[3]) for one in seen.queues} == {(merchant.id, 3, 3), (other_merchant.id, 3, 3)}
    assert all(one[2] == now - timedelta(minutes=2) for one in seen.queues)
    assert finding.search("source 1").sources[0][0].name == "Source 1"


def test_a_host_is_found_whole_or_in_part_and_a_wildcard_is_no_letter(merchant: Merchant, make_source: Any) -> None:
    source = make_source("Kestrel")
    Connection.create(source=source, settings={"host": "SFTP.kestrel.example"})
    for asked in ("sftp.kestrel.example", "kestrel.exam", "KESTREL.EXAMPLE"):
        assert [(one.id, hosts) for one, hosts in finding.search(asked).sources] == [(source.id, "sftp.kestrel.example")]
    for asked in ("%", "_", "kestrel_example", "host"):
        assert finding.search(asked).sources == [] and finding.search(asked).merchants == [], asked
    run = Run.create(merchant=merchant, source=source, number=1, kind="inventory")
    assert [one.id for one, _ in finding.search(run.public_id).sources] == [source.id]


def test_staff_is_made_and_ended_at_the_command_line(config: Any, app: Any) -> None:
    def verb(*words: str) -> tuple[int, str]:
        answer = app.test_cli_runner().invoke(args=list(words))
        return answer.exit_code, answer.output

    code, told = verb("staff-add", "Sam@Quayside.example", "--password", PASSWORD)
    assert code == 0 and "/staff/sign-in" in told and "otpauth://totp/" in told and PASSWORD not in told
    assert StaffPerson.get().email == "sam@quayside.example"
    assert verb("staff-add", "sam@quayside.example", "--password", PASSWORD)[0] == 4
    assert verb("staff-add", "kim@quayside.example", "--password", "short")[0] == 4
    assert verb("staff-end", "sam@quayside.example")[0] == 0 and StaffPerson.get().disabled_at is not None
    assert verb("staff-add", "sam@quayside.example", "--again", "--random")[0] == 0 and StaffPerson.get().disabled_at is None
    assert verb("staff-add", "nobody@quayside.example", "--again", "--random")[0] == 4 and StaffPerson.select().count() == 1
    assert verb("staff-end", "nobody@quayside.example")[0] == 4
