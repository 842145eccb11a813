"""Link to products, over both databases: what is found, what is left to a person, and that undoing gives back the former links."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from portal import clock, runs
from portal.catalogue import by_itself, judging, keys, linking, making, matching, products
from portal.errors import Invalid, Refused
from portal.models import InventoryItem, LinkCandidate, Linking, LinkUnmatched, Merchant, Product, ProductLink, Run, Source
from tests.catalogue.stock import UPC, applied, done, item, links, looked, product, stopped_once

WHO = "ana@harbor.example"


@pytest.fixture
def north(make_source: Callable[..., Source]) -> Source:
    return make_source("Northwind", sku_prefix="NW-", state="live")


@pytest.fixture
def south(make_source: Callable[..., Source]) -> Source:
    return make_source("Southwind", state="live")


def test_the_first_rule_that_finds_a_product_counts_and_forms_of_an_identifier_do_not_matter(north: Source, merchant: Merchant) -> None:
    by_sku, by_gtin, by_mpn = (
        product(merchant, "NW-1"),
        product(merchant, "P-2", UPC[0]),
        product(merchant, "P-3", mpn="AB-1", brand="Makita"),
    )
    item(north, "1", upc=UPC[0])  # its Master SKU says P-1, its UPC says P-2
    item(north, "2", upc=UPC[0])
    item(north, "3", mpn="ab 1", brand="MAKITA")
    item(north, "4", upc=UPC[1])
    made = looked(merchant)
    assert made.state == "ready" and made.counts == {"confident": 3, "unmatched": 1, "linked": 0}
    assert links() == {}, "looking writes no link"
    made = applied(made)
    assert links() == {"1": by_sku.sku, "2": by_gtin.sku, "3": by_mpn.sku} and made.counts["applied"] == 3
    rows = {one.item.sku: (one.rule, one.place, one.told) for one in ProductLink.select(ProductLink, InventoryItem).join(InventoryItem)}
    assert rows == {"1": ("sku", 1, "NW-1"), "2": ("gtin", 2, keys.gtin(UPC[0])), "3": ("mpn", 3, "ab1|makita")}


def test_rules_count_in_their_order(north: Source, merchant: Merchant) -> None:
    product(merchant, "NW-1")
    product(merchant, "P-2", UPC[0])
    item(north, "1", upc=UPC[0])
    applied(looked(merchant, rules=("gtin", "sku")))
    assert links() == {"1": "P-2"}


def test_what_no_rule_can_settle_is_left_to_a_person(north: Source, south: Source, merchant: Merchant) -> None:
    product(merchant, "A", UPC[0], title="Tent for two persons")
    product(merchant, "B", UPC[1], title="Work lamp")
    product(merchant, "C", UPC[2])
    product(merchant, "D", UPC[3])
    product(merchant, "E", UPC[3])
    item(north, "far", upc=UPC[0], title="Espresso machine, grinder")
    item(north, "pack", upc=UPC[1], title="Work lamp 4-pack")
    item(north, "one", upc=UPC[2])
    item(north, "two", upc=UPC[2])
    item(south, "alone", upc=UPC[2])
    item(south, "several", upc=UPC[3])
    made = looked(merchant)
    assert made.counts == {"far": 1, "pack": 1, "crowded": 2, "confident": 1, "several": 1, "unmatched": 0, "linked": 0}
    made = applied(made, "pack")
    assert links() == {"alone": "C", "pack": "B"}
    made = applied(looked(merchant), "crowded")
    assert links() == {"alone": "C", "pack": "B", "one": "C", "two": "C"}, "it was said, and a person took them"


def test_what_is_linked_elsewhere_is_said_and_not_moved(north: Source, merchant: Merchant) -> None:
    other, right = product(merchant, "OTHER"), product(merchant, "RIGHT", UPC[0])
    one, hand = item(north, "1", upc=UPC[0]), item(north, "2", upc=UPC[0])
    ProductLink.create(item=one, product=other, source=north, rule="gtin")
    products.link(hand, other, WHO, beside=True)
    made = looked(merchant)
    assert made.counts == {"conflict": 1, "unmatched": 0, "linked": 2}, "what a person linked is never in conflict"
    applied(made)
    assert links() == {"1": "OTHER", "2": "OTHER"}
    products.link(one, right, WHO)
    assert links() == {"1": "RIGHT", "2": "OTHER"}


def test_linking_twice_changes_nothing(north: Source, merchant: Merchant) -> None:
    for n, upc in enumerate(UPC):
        product(merchant, f"P-{n}", upc)
        item(north, f"{n}", upc=upc)
    applied(looked(merchant))
    before = list(ProductLink.select().order_by(ProductLink.item).dicts())
    made = looked(merchant)
    assert made.counts == {"unmatched": 0, "linked": 4} and not LinkCandidate.select().where(LinkCandidate.linking == made).exists()
    assert applied(made).counts["applied"] == 0
    assert list(ProductLink.select().order_by(ProductLink.item).dicts()) == before


def test_the_rest_become_products_and_undoing_takes_them_away_again(north: Source, south: Source, merchant: Merchant) -> None:
    product(merchant, "P-0", UPC[0])
    product(merchant, "NW-taken", UPC[1])
    item(north, "0", upc=UPC[0])
    item(north, "new", upc=UPC[2], title="Kettle", brand="Emaco", mpn="K-1")
    item(north, "taken")
    item(south, "NW-new")
    made = applied(looked(merchant, rules=("gtin",)), create=True)
    assert {key: made.counts[key] for key in ("applied", "created", "left")} == {"applied": 1, "created": 1, "left": 2}
    assert links() == {"0": "P-0", "new": "NW-new"}
    kettle = Product.get(Product.sku == "NW-new")
    assert (kettle.title, kettle.gtin, kettle.mpn_key) == ("Kettle", keys.gtin(UPC[2]), "k1|emaco")
    linking.undo(made, WHO)
    done()
    made = Linking.get_by_id(made.id)
    assert links() == {} and made.state == "undone"
    assert {key: made.counts[key] for key in ("taken_back", "unmade", "kept", "gone")} == {
        "taken_back": 2, "unmade": 1, "kept": 0, "gone": 0,
    }  # fmt: skip
    assert {one.sku for one in Product.select()} == {"P-0", "NW-taken"}
    with pytest.raises(Refused, match="nothing to undo"):
        linking.undo(made, WHO)


def test_what_a_person_moved_since_stays_when_the_linking_is_undone(north: Source, merchant: Merchant) -> None:
    product(merchant, "A", UPC[0])
    product(merchant, "B", UPC[1])
    moved = item(north, "0", upc=UPC[0])
    item(north, "1", upc=UPC[1])
    made = applied(looked(merchant))
    products.link(moved, product(merchant, "C"), WHO)
    linking.undo(made, WHO)
    done()
    assert links() == {"0": "C"} and Linking.get_by_id(made.id).counts["kept"] == 1


def test_after_seven_days_it_stays(north: Source, merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = applied(looked(merchant))
    later = clock.now() + timedelta(days=7, minutes=1)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(Refused, match="for 7 days"):
        linking.undo(made, WHO)
    assert not linking.may_undo(made)


def test_links_that_came_between_looking_and_applying_are_left_alone(north: Source, merchant: Merchant) -> None:
    product(merchant, "A", UPC[0])
    other = product(merchant, "B", UPC[1])
    one, two = item(north, "1", upc=UPC[0]), item(north, "2", upc=UPC[1])
    made = looked(merchant)
    products.link(one, other, WHO)
    made = applied(made)
    assert links() == {"1": "B"}, "2 would now be the second item of its source there"
    assert (made.counts["applied"], made.counts["passed_over"]) == (0, 2) and two.sku not in links()


def test_one_linking_at_a_time_and_refusals_say_why(north: Source, merchant: Merchant, other_merchant: Merchant) -> None:
    for rules in ((), ("sku", "sku"), ("colour",)):
        with pytest.raises(Invalid, match="at least one rule"):
            linking.begin(merchant, None, rules, WHO)
    made = linking.begin(merchant, None, ("sku",), WHO)
    with pytest.raises(Refused, match="under way"):
        linking.begin(merchant, None, ("sku",), WHO)
    linking.begin(other_merchant, None, ("sku",), WHO)
    with pytest.raises(Refused, match="under way"):
        linking.apply(made, (), False, WHO)
    runs.request_stop(linking.run_of(made), WHO)
    with pytest.raises(Refused, match="half-way"):
        linking.begin(merchant, None, ("sku",), WHO)
    linking.go_on(made, WHO)
    done()
    made = Linking.get_by_id(made.id)
    assert made.state == "ready"
    with pytest.raises(Invalid, match="in bulk"):
        linking.apply(made, ("several",), False, WHO)
    with pytest.raises(Refused, match="not stopped"):
        linking.go_on(made, WHO)
    made = applied(made)
    with pytest.raises(Refused, match="not ready"):
        linking.apply(made, (), False, WHO)
    with pytest.raises(Refused, match="nothing to give up"):
        linking.give_up(made, WHO)


def test_another_merchants_products_are_never_found(north: Source, merchant: Merchant, other_merchant: Merchant) -> None:
    product(other_merchant, "NW-1", UPC[0])
    item(north, "1", upc=UPC[0])
    assert looked(merchant).counts == {"unmatched": 1, "linked": 0}


def test_archived_items_and_those_of_deleted_sources_are_left_out(north: Source, south: Source, merchant: Merchant) -> None:
    product(merchant, "A", UPC[0])
    item(north, "1", upc=UPC[0], archived_at=clock.now())
    item(south, "2", upc=UPC[0])
    Source.update(state="deleted").where(Source.id == south.id).execute()
    assert looked(merchant).counts == {"unmatched": 0, "linked": 0}
    assert matching.possible(merchant.id, None) == {"unlinked": 0, "sku": 0, "gtin": 0, "mpn": 0}


def test_what_would_be_found_is_counted_beforehand(north: Source, merchant: Merchant) -> None:
    product(merchant, "NW-1", UPC[0], mpn="A", brand="B")
    item(north, "1", upc=UPC[0])
    item(north, "2", mpn="a", brand="b")
    item(north, "3")
    assert matching.possible(merchant.id, None) == {"unlinked": 3, "sku": 1, "gtin": 1, "mpn": 1}
    assert matching.possible(merchant.id, north.id + 1)["unlinked"] == 0


@pytest.mark.parametrize("act", ["look", "apply", "undo"])
def test_a_worker_that_is_killed_between_chunks_changes_nothing_of_the_end(
    north: Source, merchant: Merchant, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    monkeypatch.setattr(matching, "SPAN", 3)
    monkeypatch.setattr(making, "AT_ONCE", 2)
    monkeypatch.setattr(linking, "GONE_AT_ONCE", 2)
    for n in range(8):
        item(north, f"{n}", upc=UPC[n] if n < 4 else None)
        if n < 4:
            product(merchant, f"P-{n}", UPC[n])
    count = {"at": 0}
    real = linking.Work.save_checkpoint

    def dying(work: Any, **values: Any) -> None:
        real(work, **values)
        if work.run.kind == "linking" and work.run.settings["act"] == act:
            count["at"] += 1
            if count["at"] in (2, 4):
                raise KeyboardInterrupt

    monkeypatch.setattr(linking.Work, "save_checkpoint", dying)

    def until_done() -> None:
        for _ in range(4):
            try:
                return done()
            except KeyboardInterrupt:
                Run.update(lease_until=clock.now() - timedelta(seconds=1)).where(Run.state == "running").execute()
        raise AssertionError("it never ends")

    made = linking.begin(merchant, None, ("gtin",), WHO)
    until_done()
    linking.apply(Linking.get_by_id(made.id), (), True, WHO)
    until_done()
    assert count["at"] > 0 or act == "undo"
    assert len(links()) == 8 and Product.select().count() == 8
    assert {key: Linking.get_by_id(made.id).counts[key] for key in ("applied", "created", "left")} == {
        "applied": 4,
        "created": 4,
        "left": 0,
    }
    linking.undo(Linking.get_by_id(made.id), WHO)
    until_done()
    assert links() == {} and Product.select().count() == 4
    assert Linking.get_by_id(made.id).counts["taken_back"] == 8


CODES = st.sampled_from(["", *UPC[:3]])


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(
    items=st.lists(st.tuples(st.booleans(), CODES, st.sampled_from(["", "Tent for two", "Work lamp 4-pack", "Work lamp"])), max_size=8),
    catalogue=st.lists(st.tuples(CODES, st.sampled_from(["", "Work lamp", "Espresso machine now"])), max_size=5),
    linked=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 4), st.booleans()), max_size=4),
    rules=st.permutations(["sku", "gtin", "mpn"]).map(lambda found: found[:2]),
    include=st.sets(st.sampled_from(judging.MAY_TAKE)),
    create=st.booleans(),
)
@example(
    items=[(True, UPC[0], "Tent for two"), (False, UPC[0], "Work lamp 4-pack"), (False, UPC[0], "Work lamp 4-pack")],
    catalogue=[], linked=[], rules=["sku", "gtin"], include={"crowded", "far"}, create=True,
)  # fmt: skip
def test_apply_then_undo_gives_back_the_former_links_and_no_two_meet_unsaid(
    north: Source, south: Source, merchant: Merchant, items: Any, catalogue: Any, linked: Any, rules: Any, include: Any, create: bool
) -> None:
    for table in (Linking, ProductLink, Product, InventoryItem):
        table.delete().execute()
    made_items = [item(south if at else north, f"S{n}", upc=upc or None, title=title or None) for n, (at, upc, title) in enumerate(items)]
    made_products = [product(merchant, f"P{n}", upc, title=title) for n, (upc, title) in enumerate(catalogue)]
    for at, which, by_hand in linked:
        if at < len(made_items) and which < len(made_products) and products.of_item(made_items[at]) is None:
            one = made_items[at]
            ProductLink.create(item=one, product=made_products[which], source=one.source_id, rule="hand" if by_hand else "gtin")
    before, catalogue_before = links(), {one.sku for one in Product.select()}
    crowds = crowded()
    look = looked(merchant, rules=tuple(rules))
    conflicts = LinkCandidate.select().where(LinkCandidate.linking == look, LinkCandidate.verdict == "conflict")
    movable = {one.item.sku: one.product.sku for one in conflicts} if "conflict" in include else {}
    made = applied(look, *include, create=create)
    after = links()
    assert all(after.get(sku) in (former, movable.get(sku, former)) for sku, former in before.items()), "moved only as a person ticked it"
    if "crowded" not in include:
        assert crowded() == crowds, "two items of one source on one product, unsaid"
    again = [applied(looked(merchant, rules=tuple(rules)), *include, create=create)]
    if create and include:  # a product that was made may be one that a left item of its code was ticked for
        assert after.items() <= links().items() and not again[0].counts.get("created", 0)
        after = links()
        again.append(applied(looked(merchant, rules=tuple(rules)), *include, create=create))
    twice = again[-1].counts
    assert links() == after and twice["applied"] == 0 == twice.get("created", 0) == twice.get("joined", 0)
    for one in [*again[::-1], made]:
        if one.counts["applied"] or one is made:
            linking.undo(one, WHO)
            done()
    assert links() == before and {one.sku for one in Product.select()} == catalogue_before


def crowded() -> set[tuple[int, int]]:
    seen: dict[tuple[int, int], int] = {}
    for one in ProductLink.select():
        seen[one.product_id, one.source_id] = seen.get((one.product_id, one.source_id), 0) + 1
    return {key for key, count in seen.items() if count > 1}


def test_what_stopped_half_way_is_given_up_with_its_links_and_can_be_undone(north: Source, merchant: Merchant, monkeypatch: Any) -> None:
    monkeypatch.setattr(matching, "SPAN", 1)
    for n in range(3):
        product(merchant, f"P-{n}", UPC[n])
        item(north, f"{n}", upc=UPC[n])
    made = looked(merchant)
    real = linking.Work.progress

    def stopping(work: Any, *told: Any, **more: Any) -> None:
        if work.run.settings["act"] == "apply" and len(links()) == 2:
            raise linking.runs.Stopped(work.run.public_id)
        real(work, *told, **more)

    monkeypatch.setattr(linking.Work, "progress", stopping)
    made = applied(made)
    assert linking.is_stuck(made) and len(links()) == 2
    made = linking.give_up(made, WHO)
    assert (made.state, made.counts["applied"]) == ("applied", 2) and linking.may_undo(made)
    linking.undo(made, WHO)
    done()
    assert links() == {}


def test_new_items_are_linked_by_themselves_where_that_is_on_and_only_those(north: Source, south: Source, merchant: Merchant) -> None:
    for n, upc in enumerate(UPC):
        product(merchant, f"P-{n}", upc)
    item(north, "old", upc=UPC[0])
    by_itself.save(north, "confident", ("gtin",), WHO)
    item(south, "elsewhere", upc=UPC[1])
    assert by_itself.start_due() == 0, "what was there when it was turned on counts as seen"
    item(north, "new", upc=UPC[1])
    item(north, "none", upc=None)
    run = runs.start(north, "inventory")
    assert by_itself.start_due() == 0, "a feed of the source is under way"
    Run.update(state="finished").where(Run.id == run.id).execute()
    assert by_itself.start_due() == 1 and by_itself.start_due() == 0
    done()
    done()
    assert links() == {"new": "P-1"} and Linking.get().by == by_itself.WHO and Product.select().count() == len(UPC)
    linking.undo(Linking.get(), WHO)
    done()
    by_itself.save(north, "create", ("gtin",), WHO)
    item(north, "newer", title="Kettle")
    assert by_itself.start_due() == 1
    done()
    done()
    assert links() == {"newer": "NW-newer"}, "what a person undid is not linked again"
    by_itself.save(north, "", (), WHO)
    item(north, "newest", upc=UPC[2])
    assert by_itself.start_due() == 0 and by_itself.mode_of(north) == ("", tuple(matching.RULES))
    for mode, rules in (("colour", ("sku",)), ("create", ()), ("confident", ("sku", "sku"))):
        with pytest.raises(Invalid):
            by_itself.save(north, mode, rules, WHO)


def test_the_first_act_of_a_new_shop_makes_one_product_for_all_sources(north: Source, south: Source, merchant: Merchant) -> None:
    item(north, "a", upc=UPC[0], title="Kettle")
    item(south, "b", upc=UPC[0], title="Kettle")
    item(north, "c", upc=UPC[0], title="Kettle")
    made = applied(looked(merchant), create=True)
    assert links() == {"a": "NW-a", "b": "NW-a"}
    assert {key: made.counts[key] for key in ("created", "joined", "left")} == {"created": 1, "joined": 1, "left": 1}
    assert looked(merchant).counts == {"crowded": 1, "linked": 2, "unmatched": 0}, "what was left is told by a second look"
    linking.undo(made, WHO)
    done()
    assert links() == {} and not Product.select().exists()


def test_only_what_was_looked_at_is_applied(north: Source, merchant: Merchant) -> None:
    product(merchant, "A", UPC[0])
    product(merchant, "B", UPC[1])
    changed, gone = item(north, "changed", upc=UPC[0]), item(north, "gone", upc=UPC[1])
    unlinked = item(north, "unlinked")
    products.link(unlinked, product(merchant, "C"), WHO)
    made = looked(merchant)
    item(north, "later", upc=UPC[1])
    InventoryItem.update(upc=UPC[2]).where(InventoryItem.id == changed.id).execute()
    InventoryItem.update(archived_at=clock.now()).where(InventoryItem.id == gone.id).execute()
    products.unlink(unlinked, WHO)
    made = applied(made, create=True)
    assert links() == {} and {one.sku for one in Product.select()} == {"A", "B", "C"}
    assert {key: made.counts[key] for key in ("applied", "passed_over", "created", "left")} == {
        "applied": 0, "passed_over": 2, "created": 0, "left": 0,
    }  # fmt: skip


def test_a_look_lasts_a_day(north: Source, merchant: Merchant, monkeypatch: pytest.MonkeyPatch) -> None:
    made = looked(merchant)
    later = clock.now() + timedelta(hours=25)
    monkeypatch.setattr(clock, "now", lambda: later)
    with pytest.raises(Refused, match="Look again"):
        linking.apply(made, (), False, WHO)
    linking.erase_old()
    assert Linking.get_by_id(made.id).state == "ready" and not LinkUnmatched.select().exists()


@pytest.mark.parametrize("act", ["look", "apply", "undo"])
def test_what_is_gone_on_with_tells_the_numbers_of_the_whole(north: Source, merchant: Merchant, monkeypatch: Any, act: str) -> None:
    monkeypatch.setattr(matching, "SPAN", 1)
    monkeypatch.setattr(making, "AT_ONCE", 1)
    for n in range(3):
        product(merchant, f"P-{n}", UPC[n])
        item(north, f"{n}", upc=UPC[n])
        item(north, f"new{n}")
    left = stopped_once(monkeypatch, act)

    def through(made: Linking) -> Linking:
        made = Linking.get_by_id(made.id)
        if linking.is_stuck(made):
            linking.go_on(made, WHO)
            done()
        return Linking.get_by_id(made.id)

    made = through(looked(merchant, rules=("gtin",)))
    assert (made.counts["confident"], made.counts["unmatched"]) == (3, 3)
    made = through(applied(made, create=True))
    assert {key: made.counts[key] for key in ("applied", "created", "passed_over")} == {"applied": 3, "created": 3, "passed_over": 0}
    linking.undo(made, WHO)
    done()
    made = through(made)
    assert {key: made.counts[key] for key in ("taken_back", "unmade", "kept", "gone")} == {
        "taken_back": 6, "unmade": 3, "kept": 0, "gone": 0,
    }  # fmt: skip
    assert left[0] <= 0 and links() == {}


def test_links_that_went_with_their_items_are_not_told_as_a_persons(north: Source, merchant: Merchant) -> None:
    for n in range(3):
        product(merchant, f"P-{n}", UPC[n])
        item(north, f"{n}", upc=UPC[n])
    made = applied(looked(merchant))
    InventoryItem.delete().where(InventoryItem.sku == "0").execute()
    products.link(InventoryItem.get(InventoryItem.sku == "1"), product(merchant, "C"), WHO)
    linking.undo(made, WHO)
    done()
    told = Linking.get_by_id(made.id).counts
    assert (told["taken_back"], told["kept"], told["gone"]) == (1, 1, 1)


def test_a_product_without_items_goes_with_the_last_linking_that_is_undone(north: Source, south: Source, merchant: Merchant) -> None:
    item(north, "a", upc=UPC[0])
    first = applied(looked(merchant, rules=("gtin",)), create=True)
    item(south, "b", upc=UPC[0])
    second = applied(looked(merchant, rules=("gtin",)))
    for one in (first, second):
        linking.undo(one, WHO)
        done()
    assert links() == {} and not Product.select().exists()


def test_who_goes_on_second_is_refused_and_an_old_run_ends_nothing(north: Source, merchant: Merchant) -> None:
    made = linking.begin(merchant, None, ("sku",), WHO)
    first = linking.run_of(made)
    runs.request_stop(first, WHO)
    linking.go_on(made, WHO)
    for act in (linking.go_on, linking.give_up):
        with pytest.raises(Refused):
            act(made, WHO)
    Run.update(state="queued", cancel_requested=False).where(Run.id == first.id).execute()
    done()
    assert Linking.get_by_id(made.id).state == "ready" and Run.select().count() == 2


def test_a_failed_linking_of_ours_is_gone_on_with_a_few_times_and_then_shown(north: Source, merchant: Merchant, monkeypatch: Any) -> None:
    by_itself.save(north, "confident", ("gtin",), WHO)
    item(north, "new", upc=UPC[0])
    monkeypatch.setattr(matching, "look", lambda *_: 1 / 0)
    monkeypatch.setattr(linking, "_ACTS", {"look": matching.look})
    assert by_itself.start_due() == 1
    for _ in range(6):
        with contextlib.suppress(ZeroDivisionError):
            done()
        item(north, f"more{_}")
        by_itself.start_due()
    assert Run.select().count() == 1 + linking.MOST_RESUMED and linking.stuck(merchant) is not None


def test_items_of_a_channel_are_never_linked(make_source: Callable[..., Source], merchant: Merchant) -> None:
    line = make_source("Shop", state="live")
    Source.update(kind="sales_channel").where(Source.id == line.id).execute()
    product(merchant, "A", UPC[0])
    item(line, "1", upc=UPC[0])
    assert looked(merchant).counts == {"unmatched": 0, "linked": 0}
