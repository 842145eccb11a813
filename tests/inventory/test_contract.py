"""The contract of columns: 300 header games never shift a value, drift stops a run, and one choice reads the same file again."""

from __future__ import annotations

import random

import pytest

from portal import mapping, runs
from portal.errors import Invalid, Refused
from portal.inventory import contract
from portal.mapping import columns
from portal.models import Document, Integration, MappingVersion, Run, RunMessage
from portal.records import Row
from tests.feed_of import HANDLERS, HEADERS, RULES, Feed, journal, rows_of

NEEDED = mapping.needed_columns(RULES)
OTHER_LANGUAGE = {"item_no": "Artikelnummer", "name": "Bezeichnung", "maker": "Hersteller", "qty": "Bestand", "price": "Preis"}
INVISIBLE = "\u200b\u00ad\u2060\u200e"
GAMES = ("renamed", "moved", "doubled", "blank", "language", "invisible", "labels", "dropped", "inserted")


def table(count=60):
    return [[f"SKU-{n:05}", f"Lamp {n}", f"Maker {n % 7}", str(n % 40 + 100), f"{n % 90 + 1}.50"] for n in range(count)]


def sketched(headers, rows):
    return columns.sketched(headers, [Row(n, list(row)) for n, row in enumerate(rows, 2)])


def played(game, random_):
    """(headers as read, rows, whether every name still heads its own values) after one header game."""
    headers, rows = list(HEADERS), table()
    at = random_.randrange(len(headers))
    if game == "renamed":
        headers[at] = f"{headers[at]}_{random_.randrange(99)}"
    elif game == "language":
        headers = [OTHER_LANGUAGE[name] if random_.random() < 0.7 or n == at else name for n, name in enumerate(headers)]
    elif game == "invisible":
        headers[at] = headers[at][:1] + random_.choice(INVISIBLE) + headers[at][1:]
    elif game == "blank":
        headers[at] = f"Column {at + 1}"
    elif game == "moved":
        order = random_.sample(range(5), 5)
        headers, rows = [headers[n] for n in order], [[row[n] for n in order] for row in rows]
    elif game == "labels":  # the names move, the values stay
        order = random_.sample(range(5), 5)
        headers = [headers[n] for n in order]
    elif game == "dropped":
        del headers[at]
        rows = [row[:at] + row[at + 1 :] for row in rows]
    elif game == "inserted":
        headers.insert(at, "note")
        rows = [[*row[:at], "x", *row[at:]] for row in rows]
    else:
        name, impostor = headers[at], random_.randrange(6)
        headers.insert(impostor, name)
        rows = [[*row[:impostor], "9", *row[impostor:]] for row in rows]
        second = max(impostor, at + (impostor <= at))
        headers[second] = f"{name} (2)"
    return headers, rows


def test_no_header_game_ever_shifts_a_value():
    before, own, played_games = sketched(HEADERS, table()), {name: [row[n] for row in table()] for n, name in enumerate(HEADERS)}, 0
    stopped = dict.fromkeys(GAMES, 0)
    for seed in range(300):
        game = GAMES[seed % len(GAMES)]
        headers, rows = played(game, random.Random(seed))
        found = columns.drift(before, headers, NEEDED, headerless=False) or columns.moved(before, sketched(headers, rows), NEEDED)
        played_games += 1
        if found:
            stopped[game] += 1
            continue
        for name in NEEDED:
            assert [row[headers.index(name)] for row in rows] == own[name], (seed, game, headers)
    assert played_games == 300
    assert all(stopped[game] == 34 or stopped[game] == 33 for game in ("renamed", "language", "invisible", "blank", "doubled", "dropped"))
    assert stopped["moved"] == stopped["inserted"] == 0 and stopped["labels"] > 25  # names that keep their values are read by name


@pytest.mark.parametrize("order", [[1, 0, 2, 3, 4], [0, 1, 2, 4, 3], [4, 3, 2, 1, 0]])
def test_a_headerless_file_whose_order_moved_is_seen_by_its_values(order):
    names = [f"Column {n}" for n in range(1, 6)]
    rows = table()
    now = sketched(names, [[row[n] for n in order] for row in rows])
    found = columns.moved(sketched(names, rows), now, names)
    assert found and set(found.columns) == {names[n] for n in range(5) if order[n] != n}
    assert columns.drift(sketched(names, rows), names[:4], names, headerless=True).why == "count"


def test_overlap_of_large_columns_is_estimated_closely():
    old = sketched(["a"], [[f"S{n}"] for n in range(40_000)])[0]
    new = sketched(["b"], [[f"S{n}"] for n in range(160, 40_160)])[0]
    assert len(old.hashes) == columns.LOWEST and abs(columns.overlap(old, new) - 0.996) < 0.006
    assert columns.Column.read(old.told()) == old


def test_values_say_which_column_was_renamed():
    headers = ["item_no", "name", "note", "quantity_available", "maker", "price"]
    now = sketched(headers, [[row[0], row[1], "x", row[3], row[2], row[4]] for row in table()])
    best = columns.proposals(sketched(HEADERS, table()), now, ["qty"], [name for name in NEEDED if name != "qty"])["qty"][0]
    assert (best.column, best.overlap) == ("quantity_available", 1.0)


@pytest.fixture
def feed(make_source):
    return Feed(make_source())


def renamed_feed(feed):
    feed.sync(rows_of(40))
    return feed.sync(rows_of(40, quantity=5), headers=[*HEADERS[:3], "quantity_available", HEADERS[4]])


def test_an_accepted_run_keeps_the_contract_and_the_same_columns_keep_it(feed):
    feed.sync(rows_of(40))
    kept = MappingVersion.get().contract
    assert [one["name"] for one in kept["columns"]] == HEADERS
    assert [one["shape"] for one in kept["columns"]] == ["texts", "texts", "texts", "whole numbers", "numbers"]
    feed.sync(rows_of(41, quantity=6))
    assert MappingVersion.get().contract["at"] == kept["at"]


def test_choosing_the_column_reads_the_same_file_again(feed):
    run = renamed_feed(feed)
    assert (run.state, run.problem["code"], run.problem["act_at"], journal(run)) == ("failed", "columns_missing", "columns", {})
    change = contract.change_of(run)
    assert change.wanted == ("qty",) and change.proposals["qty"][0] == columns.Proposal("quantity_available", 1.0)
    documents = Document.select().count()
    started = contract.accept(run, {"qty": "quantity_available"}, "ana@harbor.example")
    runs.work_available(HANDLERS)
    again = Run.get_by_id(started.id)
    assert (again.state, again.document_id, again.mapping_version) == ("finished", run.document_id, 2)
    assert Document.select().count() == documents and set(feed.quantities().values()) == {5}
    with pytest.raises(Refused, match="mapping was changed"):
        contract.change_of(run)


@pytest.mark.parametrize("chosen", [{}, {"qty": "no such column"}])
def test_a_choice_must_be_a_column_of_the_file(feed, chosen):
    run = renamed_feed(feed)
    with pytest.raises(Invalid) as refused:
        contract.accept(run, chosen, "ana@harbor.example")
    assert list(refused.value.errors) == ["qty"] and Integration.get().mapping_version == 1


def test_other_columns_that_come_and_go_are_a_note(feed):
    wide = [*HEADERS, "colour"]
    feed.sync([[*row, "red"] for row in rows_of(40)], headers=wide)
    run = feed.sync([[*row, "L"] for row in rows_of(40, quantity=6)], headers=[*HEADERS, "size"])
    assert run.state == "finished" and set(feed.quantities().values()) == {6}
    notes = [line.text for line in RunMessage.select().where(RunMessage.run == run.id)]
    assert "Columns that the mapping does not read: 1 new (size), 1 gone (colour)." in notes


def test_a_doubled_column_stops_the_run(feed):
    feed.sync(rows_of(40))
    run = feed.sync([["9", *row] for row in rows_of(40)], headers=["qty", *HEADERS])
    assert run.problem["code"] == "columns_missing" and set(feed.quantities().values()) == {5}
    assert contract.change_of(run).proposals["qty"][0].column == "qty (2)"


def test_a_headerless_file_whose_columns_moved_is_stopped(feed):
    names = [f"Column {n}" for n in range(1, 6)]
    fields = {key: {"columns": [names[HEADERS.index(rule["columns"][0])]]} for key, rule in RULES["fields"].items()}
    feed.map(headers=names, fields=fields)
    feed.integration.settings = {"format": {**feed.integration.settings["format"], "header_row": 0}}
    feed.integration.save()
    bare = lambda rows: "\n".join(",".join(map(str, row)) for row in rows).encode()  # noqa: E731
    assert feed.sync(bare(table())).state == "finished"
    run = feed.sync(bare([[row[0], row[1], row[2], row[4], row[3]] for row in table()]))
    assert (run.state, run.problem["code"]) == ("failed", "columns_missing")
    assert feed.quantities()["SKU-00000"] == 100
    started = contract.accept(run, {"Column 4": "Column 5", "Column 5": "Column 4"}, "ana@harbor.example")
    runs.work_available(HANDLERS)
    assert Run.get_by_id(started.id).state == "finished" and feed.quantities()["SKU-00000"] == 100
    wider = feed.sync(bare([[*row, "x"] for row in table()]))
    assert wider.problem["headline"] == "The number of columns changed"
