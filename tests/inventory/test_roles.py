"""What each of two inventory feeds of a source may write, who owns a column, and the integration itself: added, removed, added again."""

from __future__ import annotations

import pytest

from portal import runs, sources
from portal.errors import Invalid, NotFound, Refused
from portal.inventory import missing, roles
from portal.inventory.missing import Missing
from portal.models import AuditLine, Integration, MappingVersion, Run
from tests.feed_of import Feed

WHO = "owner@harbor.example"


@pytest.fixture
def source(make_source):
    return Feed(make_source()).source


def mapped(integration, **fields):
    rules = {"fields": {name: {"columns": [name]} for name in ("sku", *fields)}}
    number = integration.mapping_version + 1
    MappingVersion.create(integration=integration, number=number, rules=rules)
    Integration.update(mapping_version=number, last_run_id=1).where(Integration.id == integration.id).execute()
    return Integration.get_by_id(integration.id)


def actions():
    lines = AuditLine.select().where(AuditLine.action.startswith("integration."))
    return [line.action for line in lines.order_by(AuditLine.number)]


def test_the_secondary_is_added_once_switched_on_and_after_the_primary(source):
    made = sources.add_secondary(source, WHO)
    assert made.id == sources.add_secondary(source, WHO).id and made.enabled and not made.schedule
    assert [one.kind for one in sources.integrations(source)] == ["get_inventory_primary", "get_inventory_secondary"]
    assert actions() == ["integration.create"]


def test_removed_it_is_gone_for_everyone_and_its_run_stops(source):
    made = sources.add_secondary(source, WHO)
    run = runs.start_sync(made)
    sources.remove_secondary(source, WHO)
    sources.remove_secondary(source, WHO)
    assert [one.kind for one in sources.integrations(source)] == ["get_inventory_primary"]
    with pytest.raises(NotFound):
        sources.integration(source, made.kind)
    with pytest.raises(Refused):
        runs.start_sync(Integration.get_by_id(made.id))
    assert Run.get_by_id(run.id).state == "stopped"
    assert actions() == ["integration.create", "integration.remove"]


def test_added_again_it_has_its_mapping_and_no_past(source):
    made = mapped(sources.add_secondary(source, WHO), quantity=1)
    sources.remove_secondary(source, WHO)
    again = sources.add_secondary(source, WHO)
    assert (again.id, again.mapping_version, again.last_run_id, again.enabled) == (made.id, 1, None, True)


def test_the_policies_of_missing_items_have_defaults_by_kind(source):
    secondary = sources.add_secondary(source, WHO)
    assert missing.policy(sources.integration(source, roles.PRIMARY)) == Missing("zero", scope="all")
    assert missing.policy(secondary) == Missing("leave", scope="own")


def test_a_policy_is_kept_tidy_and_its_default_is_not_kept(source):
    secondary = sources.add_secondary(source, WHO)
    chosen = Missing("archive", 3, 48, "own", "brand", (" Kestrel ", "Kestrel", "Heron"))
    kept = missing.save(secondary, chosen, secondary.version, WHO)
    assert kept.policies["missing"] == {
        "act": "archive", "after_runs": 3, "after_hours": 48, "scope": "own",
        "filter": {"column": "brand", "values": ["Kestrel", "Heron"]},
    }  # fmt: skip
    assert missing.policy(kept).words == (
        "Items whose quantity this feed wrote with brand Kestrel or Heron that a file no longer holds go to 0, "
        "and are archived after 3 more files without them or 48 h."
    )
    assert missing.save(kept, Missing("leave", scope="own"), kept.version, WHO).policies == {}


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        (Missing("burn"), "act"),
        (Missing("zero", scope="some"), "scope"),
        (Missing("archive"), "after_runs"),
        (Missing("archive", after_runs=-1, after_hours=2), "after_runs"),
        (Missing("archive", after_hours=9_000), "after_hours"),
        (Missing("zero", column="title", values=("x",)), "column"),
        (Missing("zero", column="brand", values=(" ",)), "values"),
        (Missing("zero", column="brand", values=("x",) * 101), "values"),
    ],
)
def test_a_policy_that_cannot_be_kept_is_refused_by_its_field(chosen, field):
    with pytest.raises(Invalid) as refused:
        missing.check(chosen)
    assert list(refused.value.errors) == [field]


def test_full_or_delta_is_declared(source):
    primary = sources.integration(source, roles.PRIMARY)
    assert roles.feed_of(primary) == "full"
    kept = roles.save_feed(primary, "delta", primary.version, WHO)
    assert roles.feed_of(kept) == "delta"
    assert roles.save_feed(kept, "full", kept.version, WHO).policies == {}
    with pytest.raises(Invalid):
        roles.save_feed(primary, "some", primary.version, WHO)


def test_the_secondary_owns_what_both_map_unless_told_otherwise(source):
    secondary = sources.add_secondary(source, WHO)
    mapped(secondary, quantity=1, cost=1, msrp=1, title=1)
    assert roles.contested(source) == {"quantity": True, "cost": True}
    kept = roles.save_owns(sources.integration(source, roles.SECONDARY), ["cost"], secondary.version, WHO)
    assert roles.contested(source) == {"quantity": False, "cost": True}
    version = MappingVersion.get(MappingVersion.integration == kept)
    assert roles.now_of(kept, version).columns == ("cost", "msrp")  # nobody else maps msrp
    assert roles.save_owns(kept, None, kept.version, WHO).policies == {}
    with pytest.raises(Invalid):
        roles.save_owns(kept, ["title"], kept.version, WHO)


def test_the_primary_leaves_columns_to_a_secondary_only_once_that_has_had_a_run(source):
    primary, secondary = sources.integration(source, roles.PRIMARY), sources.add_secondary(source, WHO)
    version = MappingVersion.get(MappingVersion.integration == primary)
    mapped(secondary, quantity=1)
    assert roles.now_of(primary, version).owned == ("quantity", "warehouses")
    Integration.update(last_run_id=None).where(Integration.id == secondary.id).execute()
    assert roles.now_of(primary, version).owned == ()


def test_what_a_role_is_survives_as_json(source):
    primary, secondary = sources.integration(source, roles.PRIMARY), sources.add_secondary(source, WHO)
    mapped(secondary, quantity=1, cost=1)
    role = roles.now_of(primary, MappingVersion.get(MappingVersion.integration == primary))
    assert role.other is not None and roles.Role.from_told(role.told()) == role
