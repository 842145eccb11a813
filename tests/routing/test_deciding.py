"""Which source ships what, and the sentence for each that does not. Pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.requests.policies import Policy
from portal.routing.deciding import Decision, Need, Offer, Place, decide, in_words

NORTH, SOUTH, EAST = Place(1, "Northwind", 0), Place(2, "Southgate", 1), Place(3, "Eastman", 2)
PLACES = [NORTH, SOUTH, EAST]


def has(place, sku="A", feed=10, **more):
    return Offer(place.key, sku, item=100 * place.key, feed=feed, **more)


def routed(decision: Decision):
    return [(pick.line, pick.place, pick.quantity) for pick in decision.picks]


def why(decision, line=1):
    return dict(decision.lost[line])


def test_the_first_of_the_order_of_sources_that_has_it():
    told = decide([Need(1, "A", 3)], PLACES, [has(NORTH, feed=2), has(SOUTH), has(EAST)], Policy())
    assert routed(told) == [(1, 2, 3)] and not told.unroutable
    assert why(told) == {
        "Northwind": "has 2 of 3 (feed 2 - committed 0) and allows no backorders",
        "Eastman": "comes after Southgate in your order of sources",
    }


def test_what_open_requests_hold_is_not_there():
    told = decide([Need(1, "A", 3)], [NORTH], [has(NORTH, feed=12, committed=10)], Policy())
    assert told.unroutable == {1: "3 ordered and 2 available (Northwind 2); no source with it allows backorders."}
    assert why(told) == {"Northwind": "has 2 of 3 (feed 12 - committed 10) and allows no backorders"}


def test_the_lowest_cost_and_what_cannot_be_compared():
    places = [NORTH, SOUTH, EAST, Place(4, "Euro", 3, same_money=False)]
    offers = [has(NORTH, cost=125_000), has(SOUTH, cost=119_900), has(EAST), has(places[3], cost=1)]
    told = decide([Need(1, "A", 3)], places, offers, Policy(by="cost"))
    assert routed(told) == [(1, 2, 3)]
    assert why(told) == {
        "Northwind": "costs 12.50, Southgate 11.99",
        "Eastman": "its cost is not known",
        "Euro": "its prices are in another currency, so they cannot be compared",
    }


def test_one_source_for_all_lines_beats_the_first_of_the_order():
    offers = [has(NORTH, "A"), has(SOUTH, "A"), has(SOUTH, "B")]
    told = decide([Need(1, "A", 1), Need(2, "B", 1)], PLACES[:2], offers, Policy())
    assert routed(told) == [(1, 2, 1), (2, 2, 1)]
    assert why(told)["Northwind"] == "Southgate ships 2 lines of this order together"
    assert why(told, 2)["Northwind"] == "has no item with this Master SKU"


def test_split_where_needed_or_the_whole_order_waits():
    needs = [Need(1, "A", 1), Need(2, "B", 1)]
    offers = [has(NORTH, "A"), has(SOUTH, "B")]
    assert routed(decide(needs, PLACES, offers, Policy())) == [(1, 1, 1), (2, 2, 1)]
    told = decide(needs, PLACES, offers, Policy(split="never"))
    assert not told.picks and set(told.unroutable.values()) == {"No single source can ship the whole order, and splitting orders is off."}
    assert why(told)["Northwind"] == "could ship this line, but not the whole order, and splitting is off"


def test_a_line_that_several_have_together_is_split_and_never_sent_in_part_only():
    offers = [has(NORTH, feed=4), has(SOUTH, feed=3)]
    assert routed(decide([Need(1, "A", 6)], PLACES, offers, Policy())) == [(1, 1, 4), (1, 2, 2)]
    told = decide([Need(1, "A", 8)], PLACES, offers, Policy())
    assert not told.picks and told.unroutable[1].startswith("8 ordered and 7 available (Northwind 4, Southgate 3)")
    assert not decide([Need(1, "A", 6)], PLACES, offers, Policy(split="never")).picks


def test_stock_before_backorders_and_backorders_before_nothing():
    back = Place(9, "Own house", 0, backorders=True)
    told = decide([Need(1, "A", 5)], [back, SOUTH], [has(back, feed=2), has(SOUTH)], Policy())
    assert routed(told) == [(1, 2, 5)] and why(told)["Own house"] == "has 2 of 5 (feed 2 - committed 0)"
    told = decide([Need(1, "A", 5)], [back, SOUTH], [has(back, feed=2), has(SOUTH, feed=1)], Policy())
    assert routed(told) == [(1, 9, 5)] and told.picks[0].backorder == 3


@pytest.mark.parametrize(
    ("place", "offer", "sentence"),
    [
        (Place(1, "Northwind", 0, barred="is paused"), {}, "is paused"),
        (Place(1, "Northwind", 0, sends=False), {}, "Send Orders is not on, so it would not be told"),
        (NORTH, {"gone": "the item is archived"}, "the item is archived"),
        (NORTH, {"gone": "the last file does not hold the item"}, "the last file does not hold the item"),
    ],
)
def test_what_cannot_be_ordered_says_so(place, offer, sentence):
    told = decide([Need(1, "A", 1)], [place], [has(place, **offer)], Policy())
    assert not told.picks and told.unroutable == {1: f"Northwind: {sentence}."} and why(told) == {"Northwind": sentence}


def test_a_source_that_is_not_told_of_orders_only_where_no_other_can():
    mute = Place(1, "Mute", 0, sends=False)
    policy = Policy(silent="last")
    told = decide([Need(1, "A", 1)], [mute, SOUTH], [has(mute), has(SOUTH)], policy)
    assert routed(told) == [(1, 2, 1)] and why(told) == {"Mute": "Send Orders is not on, so it comes last"}
    assert routed(decide([Need(1, "A", 1)], [mute], [has(mute)], policy)) == [(1, 1, 1)]


def test_two_lines_of_one_sku_share_its_stock():
    told = decide([Need(1, "A", 2), Need(2, "A", 2)], [NORTH], [has(NORTH, feed=3)], Policy())
    assert routed(told) == [(1, 1, 2)]
    assert told.unroutable == {2: "2 ordered and 1 available (Northwind 1); no source with it allows backorders."}
    assert why(told, 2) == {"Northwind": "has 1 of 2 (feed 3 - committed 0, 2 for another line of this order) and allows no backorders"}


def test_an_unknown_sku_says_that_nobody_has_it():
    told = decide([Need(1, "Z", 2)], PLACES, [has(NORTH)], Policy())
    assert told.unroutable == {1: "No source has an item with the Master SKU Z."}
    assert in_words(told, str) == "Nothing of it can be routed."


PLACED = [Place(n, f"S{n}", n, barred="is paused" if n == 3 else "", backorders=n == 2, sends=n != 1) for n in range(4)]


@given(
    st.lists(st.tuples(st.sampled_from("ABC"), st.integers(1, 9)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ABC"), st.integers(0, 9), st.integers(0, 9)), max_size=8),
    st.sampled_from(["order", "cost"]), st.sampled_from(["needed", "never"]), st.sampled_from(["never", "last"]),
)  # fmt: skip
def test_no_unit_is_promised_twice_and_every_line_is_answered(lines, stock, by, split, silent):
    needs = [Need(n, sku, quantity) for n, (sku, quantity) in enumerate(lines)]
    offers = {(place, sku): Offer(place, sku, 1, feed, committed, cost=feed or None) for place, sku, feed, committed in stock}
    told = decide(needs, PLACED, offers.values(), Policy(by, split, silent))
    for need in needs:
        whole = sum(pick.quantity for pick in told.picks if pick.line == need.line)
        assert (whole, need.line in told.unroutable) in ((need.quantity, False), (0, True))
        assert whole or told.unroutable[need.line].endswith(".")
        chosen = {PLACED[pick.place].name for pick in told.picks if pick.line == need.line}
        assert not chosen & {name for name, _ in told.lost[need.line]} and all(words for _, words in told.lost[need.line])
    for (place, sku), offer in offers.items():
        taken = [pick for pick in told.picks if pick.offer is offer]
        assert sum(pick.quantity - pick.backorder for pick in taken) <= offer.available
        assert not taken or place != 3 and (place != 1 or silent == "last")
        assert place == 2 or not sum(pick.backorder for pick in taken), sku
    assert split == "needed" or len({pick.place for pick in told.picks}) <= 1
